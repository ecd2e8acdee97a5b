"""One remote endpoint: offer and answer, ICE and DTLS behind one face, without I/O.

The machines know nothing of each other; their order is here: a path that ICE has validated may speak DTLS, the
fingerprints that SDP gave decide about it, its keys open the way for media, and whoever stops consenting or says goodbye is
lost. Sections: RFC 8842 (roles), 8839 4.4 (restart), 7675 (consent).

Rule: call (`answer`, `receive_stun`, …), then drain with `poll`, then read `deadline`. Invariants: `Lost` comes at most
once and is the last; `Connected` comes at most once, after `UseKeys` and with a selected path.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import attrs

from sfu.dtls import Closed, Dtls, DtlsContext, DtlsTransmit, Failed, Keys
from sfu.ice import ConsentLost, IceLite, Path, PathRetired, PathSelected, PathValidated, Transmit
from sfu.negotiation import Agreement, Local, Negotiation, Source


@attrs.frozen
class UseKeys:
    """Install these in the data plane."""

    keys: Keys


@attrs.frozen
class Agree:
    """Checks from the selected path with these credentials may be answered without asking (`heard` tells of them)."""

    username: str
    password: str = attrs.field(repr=False)


@attrs.frozen
class Disagree:
    """Ask about every check again."""


@attrs.frozen
class Connected:
    """Media can flow both ways."""


@attrs.frozen
class Lost:
    """It is over: `consent`, `closed` (by the peer), `dtls` (handshake refused) or `timeout` (it never came up)."""

    reason: str


Output = Transmit | PathValidated | PathSelected | PathRetired | UseKeys | Agree | Disagree | Connected | Lost

CONSENT: Final = "consent"
CLOSED: Final = "closed"
DTLS: Final = "dtls"
TIMEOUT: Final = "timeout"


class Endpoint:
    """The far side of one peer connection."""

    __slots__ = (
        "_agreed",
        "_connect_by",
        "_consent_s",
        "_context",
        "_dtls",
        "_dtls_path",
        "_ice",
        "_lost",
        "_negotiation",
        "_outbox",
        "_profile",
        "_remote_ufrag",
    )

    def __init__(
        self,
        local: Local,
        context: DtlsContext,
        new_ssrc: Callable[[], int],
        now: float,
        connect_timeout_s: float,
        consent_timeout_s: float,
    ) -> None:
        self._context = context
        self._negotiation = Negotiation(local, new_ssrc)
        self._ice = IceLite(self._negotiation.ufrag, self._negotiation.password, now, consent_timeout_s)
        self._dtls: Dtls | None = None
        self._dtls_path: Path | None = None
        self._remote_ufrag = ""
        self._agreed = False
        self._connect_by: float | None = now + connect_timeout_s
        self._profile: str | None = None
        self._lost = False
        self._outbox: list[Output] = []

    @property
    def local_ufrags(self) -> tuple[str, ...]:
        """The ufrags by which checks for this endpoint are known now."""
        return () if self._lost else self._ice.local_ufrags

    @property
    def selected(self) -> Path | None:
        """Where we send."""
        return self._ice.selected

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where checks have passed."""
        return self._ice.paths

    @property
    def profile(self) -> str | None:
        """The SRTP profile, once there are keys."""
        return self._profile

    @property
    def connected(self) -> bool:
        return self._connect_by is None and not self._lost

    @property
    def rejected(self) -> tuple[int, int]:
        """Checks and DTLS records that were refused."""
        return self._ice.rejected, self._dtls.rejected if self._dtls is not None else 0

    @property
    def deadline(self) -> float | None:
        """When `expire` is due."""
        if self._lost:
            return None
        deadlines = (self._connect_by, self._ice.deadline, self._dtls.deadline if self._dtls else None)
        return min((each for each in deadlines if each is not None), default=None)

    def answer(
        self,
        offer: str,
        sources: Mapping[str, Source],
        room_audio: Source | None,
        wanted: Collection[str],
        now: float,
    ) -> tuple[str, Agreement]:
        """As Negotiation.answer, and the transport follows. Raises what that raises, and has then changed nothing."""
        text, agreement = self._negotiation.answer(offer, sources, room_audio, wanted)
        self._agree(agreement, now)
        return text, agreement

    def offer(self, sections: Sequence[Source | None]) -> str:
        """As Negotiation.offer."""
        return self._negotiation.offer(sections)

    def accept(self, answer: str, now: float) -> Agreement:
        """As Negotiation.accept, and the transport follows."""
        agreement = self._negotiation.accept(answer)
        self._agree(agreement, now)
        return agreement

    def _agree(self, agreement: Agreement, now: float) -> None:
        if agreement.ice_restart:
            self._agreed = False
            self._outbox.append(Disagree())
            self._ice.restart(self._negotiation.ufrag, self._negotiation.password, now)
        self._ice.set_remote(agreement.remote.ufrag)
        self._remote_ufrag = agreement.remote.ufrag
        if self._dtls is None:
            self._dtls = Dtls(self._context, agreement.remote.role, agreement.remote.fingerprints, now)
            self._start_dtls(now)

    def receive_stun(self, data: bytes, path: Path, now: float) -> None:
        """A STUN datagram whose username names one of `local_ufrags`."""
        if self._lost:
            return
        for output in self._ice.receive(data, path, now):
            self._outbox.append(output)
            if isinstance(output, PathSelected):
                self._start_dtls(now)
        # A restart may nominate the path that is selected already, so the nomination is not what tells.
        if (
            self._remote_ufrag
            and not self._agreed
            and self._ice.selected is not None
            and len(self._ice.local_ufrags) == 1
        ):
            self._agreed = True
            username = f"{self._negotiation.ufrag}:{self._remote_ufrag}"
            self._outbox.append(Agree(username, self._negotiation.password))
        self._check_connected()

    def heard(self, path: Path, at: float) -> None:
        """A check that was answered under `Agree` came from `path` at that time."""
        self._ice.heard(path, at)

    def receive_dtls(self, data: bytes, path: Path, now: float) -> None:
        """A DTLS datagram from a validated path."""
        if self._dtls is None or self._lost:
            return
        self._dtls_path = path
        self._dtls.receive(data, now)
        self._flush_dtls()

    def expire(self, now: float) -> None:
        """Carry out what was due by `now`."""
        if self._lost:
            return
        if self._connect_by is not None and now >= self._connect_by:
            self._lose(TIMEOUT)
            return
        if self._ice.deadline is not None and now >= self._ice.deadline:
            for output in self._ice.expire(now):
                if isinstance(output, ConsentLost):
                    self._lose(CONSENT)
                    return
                self._outbox.append(output)
        if self._dtls is not None:
            self._dtls.expire(now)
            self._flush_dtls()

    def close(self, now: float) -> None:
        """Say goodbye (close_notify); no Lost follows."""
        if self._dtls is not None and not self._lost:
            self._dtls.close(now)
            self._flush_dtls()
        self._lost = True

    def poll(self) -> list[Output]:
        """What happened since the last call, in order."""
        outbox, self._outbox = self._outbox, []
        return outbox

    def _start_dtls(self, now: float) -> None:
        # A client speaks first, once it knows where to, and once only: paths may change later. A server waits for it.
        if self._dtls is not None and self._ice.selected is not None and self._profile is None:
            self._dtls.start(now)
            self._flush_dtls()

    def _flush_dtls(self) -> None:
        if self._dtls is None:
            return
        for output in self._dtls.poll():
            match output:
                case DtlsTransmit(data):
                    # Before the nomination the answer goes back to where the handshake came from.
                    path = self._ice.selected or self._dtls_path
                    if path is not None:
                        self._outbox.append(Transmit(data, path))
                case Keys(profile=profile):
                    self._profile = profile
                    self._outbox.append(UseKeys(output))
                    self._check_connected()
                case Failed():
                    self._lose(DTLS)
                case Closed():
                    self._lose(CLOSED)

    def _check_connected(self) -> None:
        if self._connect_by is not None and self._profile is not None and self._ice.selected is not None:
            self._connect_by = None
            self._outbox.append(Connected())

    def _lose(self, reason: str) -> None:
        if not self._lost:
            self._lost = True
            self._outbox.append(Lost(reason))
