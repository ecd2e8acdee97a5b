"""Offer and answer of one peer connection.

RFC 9429 (JSEP) for the order of sections and their recycling, 8843 (BUNDLE), 8839 and 8445 (ICE, lite), 8842 and 5763
(DTLS roles and fingerprints), 8830 (msid), 8285 (extension ids), 4588 and 5576 (RTX, FID).

Invariants:
- A call that raises has changed nothing: all is worked out first and taken over in one assignment at the end.
- There is one transport: BUNDLE and rtcp-mux are required, one map of extension ids serves all sections, and a payload
  type or SSRC means one thing on the whole connection.
- The SSRCs that a section sends with are made once and live as long as the section, whatever it carries and however
  often it pauses. Only when the other side recycles a stopped section under a new mid does it get new ones.
- Our credentials change with an ICE restart and at no other time; the certificates of both sides never do.

Two kinds of connection: the client offers (`answer`), or the server does (`offer`, then `accept`); one object serves
one kind. What comes back is an `Agreement`: all that ICE, DTLS and the routing have to know. Who is sent to whom, and
which simulcast layer, is decided elsewhere.
"""

import hashlib
import re
import secrets
import string
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple, cast

import attrs
from attrs import frozen

from sfu import limits
from sfu.wire import Malformed, sdp
from sfu.wire.sdp import Candidate, Fingerprint, Media, SessionDescription

Kind = Literal["audio", "video"]

MID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
AUDIO_LEVEL_URI: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
ABS_SEND_TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TWCC_URI: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
ORIENTATION_URI: Final = "urn:3gpp:video-orientation"
DEPENDENCY_URI: Final = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
PLAYOUT_DELAY_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
CAPTURE_TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"

AUDIO_URIS: Final = (MID_URI, AUDIO_LEVEL_URI, ABS_SEND_TIME_URI, TWCC_URI, CAPTURE_TIME_URI)
VIDEO_URIS: Final = (
    MID_URI,
    ABS_SEND_TIME_URI,
    TWCC_URI,
    ORIENTATION_URI,
    DEPENDENCY_URI,
    PLAYOUT_DELAY_URI,
    CAPTURE_TIME_URI,
)
RID_URIS: Final = (
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
)
URIS: Final[Mapping[Kind, tuple[str, ...]]] = {"audio": AUDIO_URIS, "video": VIDEO_URIS}
EXTENSION_IDS: Final = {uri: number for number, uri in enumerate(dict.fromkeys(AUDIO_URIS + VIDEO_URIS), 1)}
"""The ids of our own offers."""

FEEDBACK: Final[Mapping[Kind, tuple[str, ...]]] = {
    "audio": ("transport-cc", "nack"),
    "video": ("transport-cc", "ccm fir", "nack", "nack pli"),
}
# NACK of audio is granted, not asked for: there is no RTX for it, and Opus has its own redundancy.
OWN_FEEDBACK: Final[Mapping[Kind, tuple[str, ...]]] = {"audio": ("transport-cc",), "video": FEEDBACK["video"]}

PROTOCOL: Final = "UDP/TLS/RTP/SAVPF"
# RFC 9429 5.1.2: all of these mean the same thing where a fingerprint is given, which is required here.
PROTOCOLS: Final = frozenset(
    f"{transport}RTP/{profile}" for transport in ("UDP/TLS/", "TCP/DTLS/", "") for profile in ("SAVPF", "SAVP")
)

MSID_TOKEN: Final = re.compile(r"[!#-'*+\-.0-9A-Z^-~]{1,64}")
ICE_ALPHABET: Final = string.ascii_letters + string.digits + "+/"
FINGERPRINT_ALGORITHMS: Final = frozenset({"sha-256", "sha-384", "sha-512"})
MIRRORED: Final[Mapping[sdp.Direction, sdp.Direction]] = {"sendonly": "recvonly", "recvonly": "sendonly"}


class BadOffer(ValueError):
    """The description cannot be read, or asks for a connection that is not to be had here."""


class UnknownMid(BadOffer):
    """Something is wanted on a section that the offer does not have, or that does not receive it."""


class NoCommonCodec(ValueError):
    """The description is in order, but no section of it can be used."""


@frozen
class Codec:
    """A payload type of one section, with its RTX twin."""

    pt: int
    name: str
    clock: int
    rtx_pt: int | None = None
    fmtp: str = ""


@frozen
class Incoming:
    """A section that the client sends on.

    `ssrcs` are the primary streams, `rtx` (primary, RTX) pairs. Both are empty where the client declares none (a
    simulcast by rid): its packets are then known by their mid extension.
    """

    mid: str
    kind: Kind
    codecs: tuple[Codec, ...]
    ssrcs: tuple[int, ...] = ()
    rtx: tuple[tuple[int, int], ...] = ()


@frozen
class Source:
    """What is to go down a section; codecs None means whatever the section negotiates."""

    stream: str
    kind: Kind
    codecs: tuple[Codec, ...] | None
    cname: str


@frozen
class Outgoing:
    """A section that we send on; the payload types are those that the receiver knows."""

    mid: str
    kind: Kind
    codecs: tuple[Codec, ...]
    ssrc: int
    rtx_ssrc: int | None
    source: Source
    numbered: bool = False
    """The receiver takes transport-wide numbers here and reports when they arrive."""


@frozen
class Remote:
    """The other side's transport, and the DTLS role that is left for us."""

    ufrag: str
    password: str = attrs.field(repr=False)
    fingerprints: tuple[Fingerprint, ...]
    role: Literal["server", "client"]


@frozen
class Local:
    """What every description of ours says about our side."""

    fingerprint: Fingerprint
    candidates: tuple[Candidate, ...]


@frozen
class Agreement:
    remote: Remote
    incoming: tuple[Incoming, ...]
    outgoing: tuple[Outgoing, ...]
    extensions: Mapping[int, str]
    mixed: bool
    """Header extensions may come in both forms (RFC 8285 6), so they may be longer than 16 bytes."""
    ice_restart: bool
    """Our credentials are new too; `Negotiation.ufrag` and `.password` have them."""
    sections: int


def stream_id(name: str) -> str:
    """The msid stream id that stands for a member: its name where that is a legal msid (RFC 8830 2), else a hash."""
    if MSID_TOKEN.fullmatch(name):
        return name
    return urlsafe_b64encode(hashlib.sha256(name.encode(errors="surrogatepass")).digest()).decode()[:43]


def matching(codec: Codec, offered: Iterable[Codec]) -> Codec | None:
    """The payload type under which a receiver that knows `offered` takes a stream of `codec`."""
    best: tuple[int, Codec] | None = None
    for candidate in offered:
        likeness = _likeness(codec, candidate)
        if likeness and (best is None or likeness > best[0]):
            best = likeness, candidate
    return best[1] if best else None


def receiving_video_mids(offer: str) -> frozenset[str]:
    """The sections of an offer on which the client receives video. Raises BadOffer."""
    return frozenset(
        media.mid
        for media in _read(offer).media
        if media.mid is not None and media.kind == "video" and not media.rejected and _receives(media)
    )


@frozen
class _Section:
    """What has to be remembered of an m= section; its place in the list is its index in every description."""

    mid: str | None
    kind: str
    closed: bool
    """Rejected by one side in the last exchange: the offerer may put another section into its place."""
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    cname: str = ""
    """Of what it carried last."""


@frozen
class _State:
    """All that an exchange may change."""

    ufrag: str
    password: str
    version: int = 0
    sections: tuple[_Section, ...] = ()
    remote: Remote | None = None


@frozen
class _Pending:
    """An offer of ours that awaits its answer."""

    description: SessionDescription
    sources: tuple[Source | None, ...]
    sections: tuple[_Section, ...]
    version: int


class Negotiation:
    def __init__(self, local: Local, new_ssrc: Callable[[], int]) -> None:
        self._local = local
        self._new_ssrc = new_ssrc
        self._session_id = secrets.randbits(62)
        self._state = _State(*_credentials())
        self._pending: _Pending | None = None
        self._answers = False

    @property
    def ufrag(self) -> str:
        return self._state.ufrag

    @property
    def password(self) -> str:
        return self._state.password

    def answer(
        self,
        offer: str,
        sources: Mapping[str, Source],
        room_audio: Source | None = None,
        wanted: Collection[str] = (),
    ) -> tuple[str, Agreement]:
        """Answer a client's offer, the first one or a later one.

        `sources` says what goes down which section, by mid; `room_audio` goes down the first audio section on which the
        client receives. A section without a source, or one that cannot carry it, stays silent. `wanted` names further
        mids that have to be sections receiving video, although nothing is to be sent on them yet.
        """
        assert not self._pending and (self._answers or self._state.remote is None), "this connection's offers are ours"
        description = _read(offer)
        if not description.media:
            raise BadOffer("offer without a section")
        _check_order(self._state.sections, description)
        _check_mids(description, sources, wanted)
        bundle = _bundled(description)
        live = [media for media in description.media if media.mid in bundle and not media.rejected]
        if not live:
            raise BadOffer("offer without a live section in its BUNDLE group")
        usable: dict[str | None, tuple[Codec, ...]] = {
            media.mid: codecs for media in live if (codecs := _common_codecs(media))
        }
        # RFC 8843 7.3.1: the transport is that of the first section of the group that is accepted.
        tagged = next((mid for mid in bundle if mid in usable), bundle[0])
        remote, ice_restart = self._remote(description, [tagged, *bundle])
        if not usable:
            raise NoCommonCodec("no section has a codec that is known here")
        _check_payload_types(usable.values())
        extensions = _extensions(media for media in live if media.mid in usable)
        incoming = _publications(live, usable)

        media_out: list[Media] = []
        sections: list[_Section] = []
        outgoing: list[Outgoing] = []
        for index, media in enumerate(description.media):
            section = self._section(index, media.mid, media.kind)
            if media.mid is None or media.rejected or media.mid not in usable:
                media_out.append(_rejection(media))
                sections.append(attrs.evolve(section, closed=True))
                continue
            kind = cast(Kind, media.kind)
            codecs = usable[media.mid]
            sending: Outgoing | None = None
            if _receives(media):
                source = sources.get(media.mid)
                if source is None and kind == "audio" and room_audio is not None:
                    source, room_audio = room_audio, None
                if source is not None and (carried := _carried(source, codecs)):
                    section = attrs.evolve(self._with_ssrcs(section, codecs), cname=source.cname)
                    sending = _outgoing(section, kind, carried, source, _reports_arrivals(media, carried))
                    outgoing.append(sending)
            sections.append(section)
            media_out.append(
                self._media(
                    media,
                    direction=_direction(sends=sending is not None, receives=media.mid in incoming),
                    codecs=codecs,
                    extensions=_mirrored_extensions(media),
                    tagged=media.mid == tagged,
                    sending=sending,
                    parked=section,
                    setup="passive" if remote.role == "server" else "active",
                )
            )

        ufrag, password = _credentials() if ice_restart else (self._state.ufrag, self._state.password)
        version = self._state.version + 1
        mids = [mid for mid in bundle if mid in usable]
        text = sdp.write(self._describe(media_out, mids, version, ufrag, password))
        self._answers = True
        self._state = _State(ufrag, password, version, tuple(sections), remote)
        return text, Agreement(
            remote=remote,
            incoming=tuple(incoming.values()),
            outgoing=tuple(outgoing),
            extensions=extensions,
            mixed=all(media.extmap_allow_mixed for media in live if media.mid in usable),
            ice_restart=ice_restart,
            sections=len(sections),
        )

    def offer(self, sections: Sequence[Source | None]) -> str:
        """Offer to send these, a section each; an earlier section may carry another source of its kind, or None.

        Later offers name at least the sections of the earlier ones. A new offer replaces one that was not answered.
        """
        assert not self._answers, "this connection's offers are the client's"
        assert len(sections) >= len(self._state.sections), "sections are never taken back"
        version = self._state.version + 1
        remembered: list[_Section] = []
        media_out: list[Media] = []
        for index, source in enumerate(sections):
            before = self._state.sections[index] if index < len(self._state.sections) else None
            kind = before.kind if before is not None else source.kind if source is not None else "video"
            assert source is None or source.kind == kind, "a section keeps its kind"
            codecs = _offered_codecs(cast(Kind, kind), source)
            section = self._with_ssrcs(before or _Section(str(index), kind, closed=False), codecs)
            if source is not None:
                section = attrs.evolve(section, cname=source.cname)
            # RFC 9429 5.2.2: a section that the client refused comes back to life when it is offered again.
            remembered.append(attrs.evolve(section, closed=False))
            media_out.append(
                self._media(
                    Media(kind, 9, PROTOCOL, (), mid=section.mid, rtcp_rsize=True, extmap_allow_mixed=False),
                    direction="sendonly" if source is not None else "inactive",
                    codecs=codecs,
                    extensions=tuple(sdp.Extension(EXTENSION_IDS[uri], uri) for uri in URIS[cast(Kind, kind)]),
                    tagged=index == 0,
                    sending=_outgoing(section, cast(Kind, kind), codecs, source) if source is not None else None,
                    parked=section,
                    setup="actpass",
                )
            )
        mids = [cast(str, section.mid) for section in remembered]
        description = self._describe(media_out, mids, version, self._state.ufrag, self._state.password)
        self._pending = _Pending(description, tuple(sections), tuple(remembered), version)
        return sdp.write(description)

    def accept(self, answer: str) -> Agreement:
        """Take the client's answer to the last offer. If it is refused the offer stays open."""
        pending = self._pending
        if pending is None:
            raise BadOffer("an answer without an open offer")
        description = _read(answer)
        offered = pending.description.media
        if len(description.media) != len(offered):
            raise BadOffer("the answer has another number of sections than the offer")
        bundle = _bundled(description)
        usable: dict[str, tuple[Codec, ...]] = {}
        live: list[Media] = []
        for ours, theirs in zip(offered, description.media, strict=True):
            # RFC 9429 5.11: sections correspond by position; some leave out the mid of one that they refuse.
            if theirs.kind != ours.kind or (theirs.mid != ours.mid and not (theirs.rejected and theirs.mid is None)):
                raise BadOffer("the answer's sections are not those of the offer")
            if theirs.rejected:
                continue
            if theirs.mid not in bundle:
                raise BadOffer("the answer takes a section out of the bundle")
            _check_subset(ours, theirs)
            if codecs := _common_codecs(theirs):
                usable[theirs.mid] = codecs
                live.append(theirs)
        if not usable:
            raise NoCommonCodec("the answer uses no section")
        remote, restarted = self._remote(description, bundle, answered=True)
        if restarted:
            # RFC 8839 4.4.3: only an offer starts an ICE restart, and ours did not.
            raise BadOffer("the answer has new ICE credentials without an offer of them")
        outgoing: list[Outgoing] = []
        sections: list[_Section] = []
        for section, theirs, source in zip(pending.sections, description.media, pending.sources, strict=True):
            codecs = usable.get(section.mid or "", ())
            sections.append(attrs.evolve(section, closed=not codecs))
            if source is not None and codecs and _receives(theirs) and (carried := _carried(source, codecs)):
                numbered = _reports_arrivals(theirs, carried)
                outgoing.append(_outgoing(section, source.kind, carried, source, numbered))
        self._pending = None
        self._state = attrs.evolve(self._state, version=pending.version, sections=tuple(sections), remote=remote)
        return Agreement(
            remote=remote,
            incoming=(),
            outgoing=tuple(outgoing),
            extensions=_extensions(live),
            mixed=False,
            ice_restart=False,
            sections=len(sections),
        )

    def _section(self, index: int, mid: str | None, kind: str) -> _Section:
        """The remembered section of this place, or a new one if there was none or it has been recycled."""
        if index < len(self._state.sections):
            before = self._state.sections[index]
            if before.mid == mid and before.kind == kind:
                return attrs.evolve(before, closed=False)
        return _Section(mid, kind, closed=False)

    def _with_ssrcs(self, section: _Section, codecs: Sequence[Codec]) -> _Section:
        if section.ssrc is None:
            section = attrs.evolve(section, ssrc=self._new_ssrc())
        if section.rtx_ssrc is None and any(codec.rtx_pt is not None for codec in codecs):
            section = attrs.evolve(section, rtx_ssrc=self._new_ssrc())
        return section

    def _remote(
        self, description: SessionDescription, mids: Sequence[str], answered: bool = False
    ) -> tuple[Remote, bool]:
        """The transport that the first of these sections to give one gives, and whether it restarts ICE."""
        if description.ice_lite:
            raise BadOffer("both sides are ICE-lite, so nobody would check")
        by_mid = {media.mid: media for media in description.media if not media.rejected}
        # RFC 8843 7.1.3: sections beside the tagged one may leave the transport's attributes out.
        media = next((by_mid[mid] for mid in mids if mid in by_mid and by_mid[mid].ufrag is not None), None)
        if media is None or media.ufrag is None or media.password is None:
            raise BadOffer("no ICE credentials")
        fingerprints = tuple(each for each in media.fingerprints if each.algorithm in FINGERPRINT_ALGORITHMS)
        if not fingerprints:
            raise BadOffer("no fingerprint, or none of a hash that is safe")
        before = self._state.remote
        role: Literal["server", "client"]
        match media.setup:
            # RFC 8842 5.3: a later actpass leaves the roles of a running association as they are.
            case "actpass" if not answered:
                role = before.role if before is not None else "server"
            case "active":
                role = "server"
            case "passive":
                role = "client"
            case _:
                raise BadOffer(f"a=setup is {media.setup}")
        remote = Remote(media.ufrag, media.password, fingerprints, role)
        if before is None:
            return remote, False
        if role != before.role or set(fingerprints) != set(before.fingerprints):
            raise BadOffer("another DTLS association on a running connection")
        if (remote.ufrag == before.ufrag) != (remote.password == before.password):
            # RFC 8445 9: a restart changes both.
            raise BadOffer("half of an ICE restart")
        return remote, remote.ufrag != before.ufrag

    def _media(
        self,
        media: Media,
        *,
        direction: sdp.Direction,
        codecs: Sequence[Codec],
        extensions: tuple[sdp.Extension, ...],
        tagged: bool,
        sending: Outgoing | None,
        parked: _Section,
        setup: sdp.Setup,
    ) -> Media:
        """Our side of a section; what the ICE credentials are is filled in by `_describe`."""
        kind = cast(Kind, media.kind)
        offered_feedback = {codec.pt: codec.feedback for codec in media.codecs}
        formats: list[sdp.Format] = []
        for codec in codecs:
            kept = tuple(each for each in FEEDBACK[kind] if each in offered_feedback.get(codec.pt, OWN_FEEDBACK[kind]))
            channels = 2 if codec.name == "opus" else 1  # RFC 7587 7: always 2, whatever is sent
            formats.append(sdp.Format(codec.pt, codec.name, codec.clock, channels, codec.fmtp, kept))
            if codec.rtx_pt is not None:
                formats.append(sdp.Format(codec.rtx_pt, "rtx", codec.clock, fmtp=f"apt={codec.pt}"))
        ssrcs: list[sdp.Ssrc] = []
        groups: tuple[sdp.SsrcGroup, ...] = ()
        msids: tuple[sdp.Msid, ...] = ()
        if sending is not None:
            # The track id is the section's, not the source's: browsers fix it when the section first sends.
            msids = (sdp.Msid(sending.source.stream, f"{media.kind}-{media.mid}"),)
            ssrcs.append(sdp.Ssrc(sending.ssrc, sending.source.cname))
            if sending.rtx_ssrc is not None:
                groups = (sdp.SsrcGroup("FID", (sending.ssrc, sending.rtx_ssrc)),)
                ssrcs.append(sdp.Ssrc(sending.rtx_ssrc, sending.source.cname))
        elif parked.ssrc is not None:
            # A pause: the streams stay declared. Chromium that sees them go and come back under the same numbers
            # decodes them, but shows them to nobody.
            ssrcs.append(sdp.Ssrc(parked.ssrc, parked.cname))
            if parked.rtx_ssrc is not None:
                groups = (sdp.SsrcGroup("FID", (parked.ssrc, parked.rtx_ssrc)),)
                ssrcs.append(sdp.Ssrc(parked.rtx_ssrc, parked.cname))
        default = next(iter(self._local.candidates), None)
        return Media(
            kind=media.kind,
            port=default.port if default is not None else 9,
            protocol=media.protocol,
            formats=tuple(str(each.pt) for each in formats),
            address=default.ip if default is not None else "0.0.0.0",
            mid=media.mid,
            direction=direction,
            codecs=tuple(formats),
            extensions=extensions,
            extmap_allow_mixed=media.extmap_allow_mixed,
            fingerprints=(self._local.fingerprint,),
            setup=setup,
            # RFC 8843 7.4: only the tagged section has candidates. There will be no others (RFC 8838 8.2).
            candidates=self._local.candidates if tagged else (),
            end_of_candidates=tagged,
            rtcp_mux=True,
            rtcp_rsize=media.rtcp_rsize,
            msids=msids,
            ssrcs=tuple(ssrcs),
            ssrc_groups=groups,
        )

    def _describe(
        self, media: Sequence[Media], mids: Sequence[str], version: int, ufrag: str, password: str
    ) -> SessionDescription:
        return SessionDescription(
            session_id=self._session_id,
            version=version,
            groups=(sdp.Group("BUNDLE", tuple(mids)),),
            ice_lite=True,
            media=tuple(
                each if each.rejected else attrs.evolve(each, ufrag=ufrag, password=password) for each in media
            ),
        )


# Checks of a description


def _read(text: str) -> SessionDescription:
    try:
        return sdp.parse(text)
    except Malformed as error:
        raise BadOffer(str(error)) from error


def _check_order(before: Sequence[_Section], description: SessionDescription) -> None:
    """RFC 9429 5.2.2: sections keep their places, and their mids unless the place was given up."""
    if len(description.media) < len(before):
        raise BadOffer("sections of earlier offers are missing")
    for section, media in zip(before, description.media, strict=False):
        if not section.closed and (media.mid, media.kind) != (section.mid, section.kind):
            raise BadOffer("the sections of earlier offers have changed their order")
    mids = [media.mid for media in description.media if media.mid is not None]
    if len(set(mids)) != len(mids):
        raise BadOffer("a mid is given twice")
    if any(media.mid is None for media in description.media if not media.rejected):
        raise BadOffer("a section has no mid")


def _check_mids(description: SessionDescription, sources: Mapping[str, Source], wanted: Collection[str]) -> None:
    receiving = {media.mid: media.kind for media in description.media if not media.rejected and _receives(media)}
    for mid in sources.keys() | set(wanted):
        kind = sources[mid].kind if mid in sources else "video"
        if receiving.get(mid) != kind or (mid in wanted and kind != "video"):
            raise UnknownMid(f"{mid!r} is no section that receives {kind}")


def _bundled(description: SessionDescription) -> tuple[str, ...]:
    bundle = description.bundle
    if not bundle:
        raise BadOffer("no BUNDLE group")
    known = {media.mid for media in description.media}
    if not known.issuperset(bundle):
        raise BadOffer("the BUNDLE group names a mid that no section has")
    for media in description.media:
        if not media.rejected and media.mid in bundle and media.kind in URIS and not media.rtcp_mux:
            raise BadOffer("a section without rtcp-mux")
    return bundle


def _check_payload_types(sections: Iterable[Sequence[Codec]]) -> None:
    """RFC 8843 9.1: in a bundle a payload type means the same in every section."""
    meanings: dict[int, tuple[str, int]] = {}
    for codecs in sections:
        for codec in codecs:
            for pt, meaning in ((codec.pt, codec.name), (codec.rtx_pt, f"rtx of {codec.pt}")):
                if pt is not None and meanings.setdefault(pt, (meaning, codec.clock)) != (meaning, codec.clock):
                    raise BadOffer(f"payload type {pt} means two things")


def _check_subset(ours: Media, theirs: Media) -> None:
    """RFC 3264 6.1: an answer may leave out what the offer had, but not add to it."""
    offered = {codec.pt: (codec.name.lower(), codec.clock) for codec in ours.codecs}
    if any(offered.get(codec.pt) != (codec.name.lower(), codec.clock) for codec in theirs.codecs):
        raise BadOffer("the answer has a payload type that was not offered")
    extensions = {extension.id: extension.uri for extension in ours.extensions}
    if any(extensions.get(extension.id) != extension.uri for extension in theirs.extensions):
        raise BadOffer("the answer has a header extension that was not offered")
    if _sends(theirs):
        raise BadOffer("the answer sends on a section that was offered to receive")


def _extensions(sections: Iterable[Media]) -> dict[int, str]:
    """RFC 8285 5 and RFC 8843 9.2: in a bundle an id means the same in every section."""
    found: dict[int, str] = {}
    for media in sections:
        for extension in _known_extensions(media):
            if found.setdefault(extension.id, extension.uri) != extension.uri:
                raise BadOffer(f"header extension id {extension.id} means two things")
    return found


# Pieces of sections


def _sends(media: Media) -> bool:
    return media.direction in ("sendrecv", "sendonly")


def _receives(media: Media) -> bool:
    return media.direction in ("sendrecv", "recvonly")


def _direction(*, sends: bool, receives: bool) -> sdp.Direction:
    if sends:
        return "sendrecv" if receives else "sendonly"
    return "recvonly" if receives else "inactive"


def _known_extensions(media: Media) -> list[sdp.Extension]:
    uris = URIS[cast(Kind, media.kind)]
    if media.rids:
        # A simulcast is answered with one stream, but without these Chromium 156 cannot make its next offer.
        uris += RID_URIS
    # The data plane writes the one-byte form, whose ids end at 14; browsers give these URIs low ids.
    known: dict[str, sdp.Extension] = {}
    for extension in media.extensions:
        if extension.uri in uris and extension.id <= 14:
            known.setdefault(extension.uri, extension)
    return list(known.values())


def _mirrored_extensions(media: Media) -> tuple[sdp.Extension, ...]:
    return tuple(
        attrs.evolve(extension, direction=MIRRORED.get(extension.direction, extension.direction))
        if extension.direction is not None
        else extension
        for extension in _known_extensions(media)
    )


def _common_codecs(media: Media) -> tuple[Codec, ...]:
    """The codecs of an offered section that are known here, in the offer's order, each with its RTX."""
    if media.kind not in URIS or media.protocol not in PROTOCOLS:
        return ()
    rtx: dict[int, tuple[int, int]] = {}
    for each in media.codecs:
        if each.name.lower() == "rtx" and _usable_pt(each.pt):
            apt = _parameters(each.fmtp).get("apt", "")
            if apt.isdigit() and len(apt) <= 3:
                rtx.setdefault(int(apt), (each.pt, each.clock))
    common = []
    for each in media.codecs:
        name = CODEC_NAMES.get((media.kind, each.name.lower(), each.clock, each.channels))
        if name is None or not _usable_pt(each.pt) or (name == "H264" and _h264(each.fmtp) is None):
            continue
        rtx_pt, rtx_clock = rtx.get(each.pt, (None, 0))
        common.append(Codec(each.pt, name, each.clock, rtx_pt if rtx_clock == each.clock else None, each.fmtp))
        if len(common) == limits.SECTION_KNOWN_CODECS:
            break
    return tuple(common)


CODEC_NAMES: Final = {
    ("audio", "opus", 48000, 2): "opus",
    ("audio", "pcmu", 8000, 1): "PCMU",
    ("audio", "pcma", 8000, 1): "PCMA",
    ("video", "vp8", 90000, 1): "VP8",
    ("video", "h264", 90000, 1): "H264",
}

# Our own offers. 42e01f is what every H264 client has, 42001f what some name it; the modes are distinct streams.
H264_FMTP: Final = "level-asymmetry-allowed=1;packetization-mode={};profile-level-id={}"
OWN_CODECS: Final[Mapping[Kind, tuple[Codec, ...]]] = {
    "audio": (
        Codec(111, "opus", 48000, None, "minptime=10;useinbandfec=1"),
        Codec(0, "PCMU", 8000),
        Codec(8, "PCMA", 8000),
    ),
    "video": (
        Codec(96, "VP8", 90000, 97),
        Codec(102, "H264", 90000, 103, H264_FMTP.format(1, "42e01f")),
        Codec(104, "H264", 90000, 105, H264_FMTP.format(0, "42e01f")),
        Codec(106, "H264", 90000, 107, H264_FMTP.format(1, "42001f")),
        Codec(108, "H264", 90000, 109, H264_FMTP.format(0, "42001f")),
    ),
}


def _usable_pt(pt: int) -> bool:
    return not 64 <= pt <= 95  # RFC 5761 4: with rtcp-mux these would be taken for RTCP


def _parameters(fmtp: str) -> dict[str, str]:
    pairs = (parameter.partition("=") for parameter in fmtp.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


class _H264(NamedTuple):
    mode: int
    constrained: bool


@lru_cache(maxsize=256)
def _h264(fmtp: str) -> _H264 | None:
    """RFC 6184 8.1: the packetization mode and profile, None unless it is a baseline profile that can be relayed."""
    parameters = _parameters(fmtp)
    mode = parameters.get("packetization-mode", "0")
    profile = parameters.get("profile-level-id", "420010")
    if mode not in ("0", "1") or len(profile) != 6 or not all(each in string.hexdigits for each in profile):
        return None
    if profile[:2] != "42":
        return None
    return _H264(int(mode), bool(int(profile[2:4], 16) & 0x40))


def _likeness(sent: Codec, known: Codec) -> int:
    """0 if a stream of `sent` is nothing that `known` can take; the higher, the closer."""
    if (sent.name, sent.clock) != (known.name, known.clock):
        return 0
    if sent.name != "H264":
        return 1
    ours, theirs = _h264(sent.fmtp), _h264(known.fmtp)
    if ours is None or theirs is None or ours.mode > theirs.mode:
        # RFC 6184 6: a receiver of mode 0 knows neither STAP-A nor FU-A; one of mode 1 knows single NAL units too.
        return 0
    # No encoder in use takes the tools that baseline has beyond constrained baseline, so each is good for the other.
    return 1 + 2 * (ours.mode == theirs.mode) + (ours.constrained == theirs.constrained)


def format_key(codec: Codec) -> tuple[object, ...]:
    """All that `matching` looks at: equal for codecs that are the same to every receiver. Few values exist."""
    return codec.name, codec.clock, _h264(codec.fmtp) if codec.name == "H264" else None


def _carried(source: Source, codecs: Sequence[Codec]) -> tuple[Codec, ...]:
    """Those of a section's codecs in which the source may come."""
    if source.codecs is None:
        return tuple(codecs)
    takers = {taker.pt for codec in source.codecs if (taker := matching(codec, codecs)) is not None}
    return tuple(codec for codec in codecs if codec.pt in takers)


def _offered_codecs(kind: Kind, source: Source | None) -> tuple[Codec, ...]:
    """What our own offer of a source lists. With none of ours to carry it the section still names them all: the
    client answers and the source stays silent, as it does when an answer leaves its codec out."""
    carried = _carried(source, OWN_CODECS[kind]) if source is not None else ()
    return carried or OWN_CODECS[kind]


def _publications(live: Iterable[Media], usable: Mapping[str | None, tuple[Codec, ...]]) -> dict[str, Incoming]:
    """By mid, what the client sends: one voice and one picture. Further sections that send are not taken up."""
    found: dict[str, Incoming] = {}
    kinds: set[str] = set()
    ssrcs: set[int] = set()
    for media in live:
        if media.mid is None or media.mid not in usable or media.kind in kinds or not _sends(media):
            continue
        incoming = _incoming(media.mid, media, usable[media.mid])
        own = {*incoming.ssrcs, *(retransmission for _, retransmission in incoming.rtx)}
        if ssrcs & own:
            raise BadOffer("an SSRC belongs to two sections")
        kinds.add(media.kind)
        ssrcs |= own
        found[media.mid] = incoming
    return found


def _incoming(mid: str, media: Media, codecs: tuple[Codec, ...]) -> Incoming:
    primaries = dict.fromkeys(ssrc.ssrc for ssrc in media.ssrcs)
    rtx: dict[int, int] = {}
    for group in media.ssrc_groups:
        # FEC-FR (RFC 5956 4.3) too: the second of a pair repairs the first and is no stream of its own.
        if group.semantics in ("FID", "FEC-FR") and len(group.ssrcs) == 2:
            first, second = group.ssrcs
            if first == second or first not in primaries or second not in primaries or second in rtx:
                raise BadOffer(f"an ssrc-group {group.semantics} that pairs no two streams of its section")
            if group.semantics == "FID":
                if first in rtx:
                    raise BadOffer("a stream with two RTX streams")
                rtx[first] = second
            del primaries[second]
    return Incoming(mid, cast(Kind, media.kind), codecs, tuple(primaries), tuple(rtx.items()))


def _outgoing(
    section: _Section, kind: Kind, codecs: tuple[Codec, ...], source: Source, numbered: bool = False
) -> Outgoing:
    assert section.mid is not None and section.ssrc is not None
    rtx_ssrc = section.rtx_ssrc if any(codec.rtx_pt is not None for codec in codecs) else None
    return Outgoing(section.mid, kind, codecs, section.ssrc, rtx_ssrc, source, numbered)


def _reports_arrivals(media: Media, codecs: Sequence[Codec]) -> bool:
    """Whether the client takes the numbers of the transport-wide congestion control draft, and reports on them.

    Browsers offer the feedback for Opus and not for G.711 beside it, but report whatever carries a number.
    """
    numbers = any(extension.uri == TWCC_URI for extension in _known_extensions(media))
    pts = {codec.pt for codec in codecs}
    return numbers and any("transport-cc" in codec.feedback for codec in media.codecs if codec.pt in pts)


def _rejection(media: Media) -> Media:
    """RFC 3264 6: port 0, and the formats only because the grammar wants some."""
    return Media(
        kind=media.kind,
        port=0,
        protocol=media.protocol,
        formats=media.formats,
        address="0.0.0.0",
        mid=media.mid,
        direction="inactive",
    )


def _credentials() -> tuple[str, str]:
    """RFC 8839 5.4 asks for 24 and 128 random bits at least; the ufrag also has to be unique among all peers here."""
    return _random_text(12), _random_text(24)


def _random_text(length: int) -> str:
    return "".join(secrets.choice(ICE_ALPHABET) for _ in range(length))
