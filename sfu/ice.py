"""The ICE-lite side of one peer: which paths it has proven, which of them it chose, whether it still consents.

RFC 8445 in the lite form (sections 2.5, 6.1.1, 7.3; restarts in 9), RFC 8839 section 4.4, RFC 7675 for consent. A lite
agent sends no checks: it answers those of the other side, learns paths from them, and lets it nominate. It is always
the controlled one.

Rule: bytes and `now` in, outputs back; the caller reads `deadline` after each call. No clock, no socket.

Invariants:
- A path is validated only by a request signed with a password of ours, so nobody can point our media at a third party.
- The selected path is always among the validated ones, of which there are at most MAX_PATHS.
- We send to the selected path only while its own checks keep coming: silence there for `consent_s` ends it, even if
  another path is alive, because consent belongs to the address that receives (RFC 7675 section 5.1).
- A restart takes nothing away: the former credentials keep answering, and refresh the selected path's consent, until a
  check with the new ones nominates.

Which peer a request belongs to (the engine asks `stun.username` and `local_ufrags`), and what validated and selected
mean for media, are left to others.
"""

import attrs

from sfu.wire import Malformed, stun

# Index of the socket within the worker, remote IP, remote port. The socket belongs to it: the same remote address
# reached through two of our ports is two paths, one of which a firewall may block.
Path = tuple[int, str, int]

CONSENT_S = 30.0  # RFC 7675 section 5.1
MAX_PATHS = 8  # a phone with Wi-Fi, cellular and VPN, each over IPv4 and IPv6, has six


@attrs.frozen
class Transmit:
    """Send `data` on `path`."""

    data: bytes = attrs.field(repr=bytes.hex)
    path: Path


@attrs.frozen
class PathValidated:
    """The first valid check came from `path`: DTLS and media from it may be believed."""

    path: Path


@attrs.frozen
class PathSelected:
    """The peer nominated `path`: everything to it goes there from now on."""

    path: Path


@attrs.frozen
class PathRetired:
    """`path` is forgotten: what comes from it counts as a stranger's, and if it was the selected one, nothing is sent
    until another is."""

    path: Path


@attrs.frozen
class ConsentLost:
    """The peer stopped asking: send nothing more. Only a restart revives the connection (RFC 7675 section 5.1)."""


Output = Transmit | PathValidated | PathSelected | PathRetired
Expiry = PathRetired | ConsentLost


@attrs.define
class _Credentials:
    """One generation: our ufrag and password, and the peer's ufrag once signalling told it."""

    ufrag: str
    password: str = attrs.field(repr=False)
    remote_ufrag: str | None = None

    def match(self, username: str) -> bool:
        # RFC 8445 section 7.2.2: the asker writes our ufrag first, then its own.
        if self.remote_ufrag is None:
            return username.startswith(self.ufrag + ":")
        return username == f"{self.ufrag}:{self.remote_ufrag}"


class IceLite:
    """One peer's ICE, from the first check to the last."""

    __slots__ = ("_consent_s", "_credentials", "_former", "_lost", "_paths", "_renewal_ends", "_selected", "rejected")

    def __init__(self, ufrag: str, password: str, now: float, consent_s: float = CONSENT_S) -> None:
        del now  # nothing runs before the first check; the argument is there because every machine takes it
        self.rejected = 0  # datagrams that were no valid check of this peer
        self._consent_s = consent_s
        self._credentials = _Credentials(ufrag, password)
        self._former: _Credentials | None = None  # those that the selected path was nominated with, during a restart
        self._paths: dict[Path, float] = {}  # validated path to the time of its last check, longest silent first
        self._selected: Path | None = None
        self._renewal_ends: float | None = None  # until when a restart waits for the first nomination
        self._lost = False

    def set_remote(self, ufrag: str) -> None:
        """The peer's ufrag, as its description gave it for the current generation; checks from others are refused."""
        self._credentials.remote_ufrag = ufrag

    def restart(self, ufrag: str, password: str, now: float) -> None:
        """Take new credentials. The old ones live on beside them while they carry the selected path (RFC 8445
        section 9); after ConsentLost this is a new beginning."""
        if self._selected is None:
            self._former = None
        elif self._former is None:
            self._former = self._credentials
        # else: a second restart before the first was answered; the oldest still carries the media, the middle nothing.
        self._credentials = _Credentials(ufrag, password)
        self._renewal_ends = now + self._consent_s
        self._lost = False

    @property
    def local_ufrags(self) -> tuple[str, ...]:
        """The ufrags that are answered now, newest first."""
        if self._former is None:
            return (self._credentials.ufrag,)
        return (self._credentials.ufrag, self._former.ufrag)

    @property
    def selected(self) -> Path | None:
        return self._selected

    @property
    def paths(self) -> tuple[Path, ...]:
        """The validated paths, the one heard last at the end."""
        return tuple(self._paths)

    @property
    def deadline(self) -> float | None:
        """When `expire` has something to say, unless a check comes first. None before the first check: how long to wait
        for a peer that never comes is not a matter of consent."""
        if self._lost:
            return None
        if self._paths:
            return next(iter(self._paths.values())) + self._consent_s
        return self._renewal_ends

    def receive(self, data: bytes, path: Path, now: float) -> list[Output]:
        """One STUN datagram that came on `path`."""
        if self._lost:
            self.rejected += 1
            return []
        credentials = self._credentials
        if self._former is not None and (name := stun.username(data)) is not None and self._former.match(name):
            credentials = self._former
        try:
            request = stun.read_binding_request(data, credentials.password)
        except stun.Refused as refusal:
            self.rejected += 1
            # RFC 8489 section 9.1.3: who did not authenticate gets an unsigned answer.
            password = None if isinstance(refusal, stun.BadIntegrity) else credentials.password
            return [_error(refusal, password, path)]
        except Malformed:
            self.rejected += 1
            return []
        if not credentials.match(request.username):
            self.rejected += 1
            return [_error(stun.BadIntegrity(request.transaction_id, 401, "Unauthenticated"), None, path)]
        if request.controlled:
            # RFC 8445 section 7.3.1.1: lite is controlled whatever the tie-breakers say, so the peer must switch.
            self.rejected += 1
            return [_error(stun.Refused(request.transaction_id, 487, "Role Conflict"), credentials.password, path)]
        outputs: list[Output] = [Transmit(stun.binding_success(request, path[1:], credentials.password), path)]
        if self._paths.pop(path, None) is None:
            outputs.append(PathValidated(path))
            if len(self._paths) >= MAX_PATHS:
                outputs.append(self._retire_oldest())
        self._paths[path] = now
        # Only the controlling side nominates. Of several nominations the latest counts: browsers repeat USE-CANDIDATE
        # on the pair they use now, so the highest priority (RFC 5245) would keep a phone on the Wi-Fi it is leaving.
        if request.use_candidate and request.controlling:
            if credentials is self._credentials:
                self._former = None
                self._renewal_ends = None
            if self._selected != path:
                self._selected = path
                outputs.append(PathSelected(path))
        return outputs

    def heard(self, path: Path, at: float) -> None:
        """The data plane has answered a repeated check from `path` at that time: consent lasts on."""
        if at > self._paths.get(path, at):
            self._paths[path] = at
            self._paths = dict(sorted(self._paths.items(), key=lambda item: item[1]))

    def expire(self, now: float) -> list[Expiry]:
        """What silence has ended by `now`. A selected path that falls silent while a restart is under way is retired
        like any other, and the peer has until the end of the renewal to nominate a new one."""
        silent = [path for path, heard in self._paths.items() if now >= heard + self._consent_s]
        for path in silent:
            del self._paths[path]
        consents = bool(self._paths)
        if self._selected in silent:
            self._selected = None
            consents = False
        renewing = self._renewal_ends is not None and now < self._renewal_ends
        begun = bool(silent) or self._renewal_ends is not None  # else no check has come yet, or all is over already
        if begun and not consents and not renewing:
            self._lost = True
            self._former = None
            self._selected = None
            self._renewal_ends = None
            self._paths.clear()
            return [ConsentLost()]
        return [PathRetired(path) for path in silent]

    def _retire_oldest(self) -> PathRetired:
        path = next(path for path in self._paths if path != self._selected)
        del self._paths[path]
        return PathRetired(path)


def _error(refusal: stun.Refused, password: str | None, path: Path) -> Transmit:
    return Transmit(
        stun.binding_error(refusal.transaction_id, refusal.code, refusal.reason, password, refusal.unknown), path
    )
