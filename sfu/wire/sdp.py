"""Session descriptions: text on one side, values on the other.

RFC 8866 for the lines; of the attributes those that decide about media here: RFC 8839 (ICE), 8122 and 8842
(fingerprint, setup), 8843 (mid, BUNDLE), 8830 (msid), 5576 (ssrc), 8285 (extmap), 4585 (rtcp-fb), 8851 and 8853
(rid, simulcast). Other attributes and lines are skipped, as RFC 8866 5.13 wants.

`parse` is strict in what it reads: one bad line refuses the whole text, because a description that two sides read
differently is worse than none. It raises `Malformed` and nothing else, in time linear in the text, whose size
`sfu.limits` bounds. For every value that `write` is given, `parse(write(value)) == value`.

What a description *means* (which sections meet, who is passive) is left to `sfu.negotiation`.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, Literal, TypeVar, cast

import attrs

from sfu import limits
from sfu.wire import Malformed

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Setup = Literal["actpass", "active", "passive", "holdconn"]

T = TypeVar("T")

DIRECTIONS: Final = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})
SETUPS: Final = frozenset({"actpass", "active", "passive", "holdconn"})
DIGEST_LENGTHS: Final = {"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}
# RFC 3551 6: formats that phones list without an rtpmap.
STATIC_FORMATS: Final = {0: ("PCMU", 8000), 8: ("PCMA", 8000), 9: ("G722", 8000), 13: ("CN", 8000)}

TOKEN: Final = re.compile(r"[!#-'*+\-.0-9A-Z^-~]+")
ICE_CHARS: Final = re.compile(r"[0-9A-Za-z+/]+")
# RFC 8866 9 byte-string: no NUL, and CR and LF only as line ends; the other controls serve nobody.
FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")


@attrs.frozen
class Fingerprint:
    """RFC 8122 5: the hash of the certificate that the DTLS peer must show."""

    algorithm: str
    digest: bytes = attrs.field(repr=lambda digest: digest.hex())


@attrs.frozen
class Candidate:
    """RFC 8839 5.1; the extension attributes (raddr, tcptype, generation) are left out."""

    ip: str
    port: int
    priority: int
    foundation: str
    component: int = 1
    transport: str = "udp"
    type: str = "host"


@attrs.frozen
class Format:
    """One RTP payload type with all that its rtpmap, fmtp and rtcp-fb lines say."""

    pt: int
    name: str
    clock: int
    channels: int = 1
    fmtp: str = ""
    feedback: tuple[str, ...] = ()


@attrs.frozen
class Extension:
    """RFC 8285 8: direction None means the section's own."""

    id: int
    uri: str
    direction: Direction | None = None


@attrs.frozen
class Msid:
    """RFC 8830 2; track "" where the line has none."""

    stream: str
    track: str = ""


@attrs.frozen
class Ssrc:
    """RFC 5576 4.1, of its attributes the cname alone."""

    ssrc: int
    cname: str | None = None


@attrs.frozen
class SsrcGroup:
    """RFC 5576 4.2: FID is (primary, RTX), SIM the layers of a simulcast without rids."""

    semantics: str
    ssrcs: tuple[int, ...]


@attrs.frozen
class Rid:
    """RFC 8851 10: one stream of a simulcast."""

    id: str
    direction: Literal["send", "recv"]
    parameters: str = ""


@attrs.frozen
class Group:
    """RFC 5888 5."""

    semantics: str
    mids: tuple[str, ...]


@attrs.frozen
class Media:
    """One m= section. What the session part said for all of them is filled in where the section is silent."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    address: str | None = None
    mid: str | None = None
    direction: Direction = "sendrecv"
    codecs: tuple[Format, ...] = ()
    extensions: tuple[Extension, ...] = ()
    extmap_allow_mixed: bool = False
    ufrag: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    fingerprints: tuple[Fingerprint, ...] = ()
    setup: Setup | None = None
    candidates: tuple[Candidate, ...] = ()
    end_of_candidates: bool = False
    rtcp_mux: bool = False
    rtcp_rsize: bool = False
    bundle_only: bool = False
    msids: tuple[Msid, ...] = ()
    ssrcs: tuple[Ssrc, ...] = ()
    ssrc_groups: tuple[SsrcGroup, ...] = ()
    rids: tuple[Rid, ...] = ()
    simulcast: str | None = None
    ptime: int | None = None

    @property
    def rejected(self) -> bool:
        """RFC 8843 6: port 0 refuses or stops a section, unless it says that it lives in the bundle alone."""
        return self.port == 0 and not self.bundle_only


@attrs.frozen
class SessionDescription:
    session_id: int
    version: int
    media: tuple[Media, ...] = ()
    origin: str = "127.0.0.1"
    groups: tuple[Group, ...] = ()
    ice_lite: bool = False

    @property
    def bundle(self) -> tuple[str, ...] | None:
        """The mids of the first BUNDLE group (browsers write one), None without any."""
        return next((group.mids for group in self.groups if group.semantics == "BUNDLE"), None)


def parse(text: str) -> SessionDescription:
    if len(text) > limits.SDP_BYTES:
        raise Malformed(f"description longer than {limits.SDP_BYTES} bytes")
    if not text.isascii():
        raise Malformed("description is not ASCII")
    if FORBIDDEN.search(text):
        raise Malformed("control character in description")
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    if len(lines) > limits.SDP_LINES:
        raise Malformed(f"more than {limits.SDP_LINES} lines")
    starts = [number for number, line in enumerate(lines) if line.startswith("m=")]
    if len(starts) > limits.SDP_SECTIONS:
        raise Malformed(f"more than {limits.SDP_SECTIONS} sections")
    session_lines = lines[: starts[0]] if starts else lines
    session_id, version, origin = _preamble(session_lines)
    session = _Section()
    session.read(session_lines[3:], SESSION_LINES)
    alike: dict[tuple[str, ...], Media] = {}
    return SessionDescription(
        session_id=session_id,
        version=version,
        origin=origin,
        groups=tuple(session.groups),
        ice_lite=session.ice_lite,
        media=tuple(_media(lines[start:end], session, alike) for start, end in pairwise([*starts, len(lines)])),
    )


def write(description: SessionDescription) -> str:
    family = "IP6" if ":" in description.origin else "IP4"
    lines = [
        "v=0",
        f"o=- {description.session_id} {description.version} IN {family} {description.origin}",
        "s=-",
        "t=0 0",
    ]
    lines += [" ".join((f"a=group:{group.semantics}", *group.mids)) for group in description.groups]
    if description.ice_lite:
        lines.append("a=ice-lite")
    for media in description.media:
        _write_media(media, lines)
    lines.append("")
    return "\r\n".join(lines)


# Reading

SESSION_LINES: Final = frozenset("iuepcbtrzka")
MEDIA_LINES: Final = frozenset("icbka")


def _preamble(lines: Sequence[str]) -> tuple[int, int, str]:
    """RFC 8866 5: v=, o= and s= come first, in this order; a t= is somewhere below."""
    if len(lines) < 4 or lines[0] != "v=0" or not lines[1].startswith("o=") or not lines[2].startswith("s="):
        raise Malformed("description does not begin with v=0, o=, s=")
    if not any(line.startswith("t=") for line in lines[3:]):
        raise Malformed("description without t=")
    fields = lines[1][2:].split(" ")
    if len(fields) != 6 or fields[3] != "IN" or not fields[5]:
        raise Malformed("o= line")
    return _number(fields[1], (1 << 64) - 1, "o="), _number(fields[2], (1 << 64) - 1, "o="), fields[5]


def _number(text: str, maximum: int, where: str) -> int:
    # int() alone would take "+1", " 1" and "1_000".
    if not text.isdigit() or len(text) > 20 or (value := int(text)) > maximum:
        raise Malformed(f"bad number in {where}")
    return value


def _token(text: str, where: str) -> str:
    if not TOKEN.fullmatch(text):
        raise Malformed(f"bad token in {where}")
    return text


def _add(values: list[T], value: T, maximum: int, where: str) -> None:
    if len(values) >= maximum:
        raise Malformed(f"more than {maximum} {where} lines in a section")
    values.append(value)


def _once(old: T | None, new: T, where: str) -> T:
    if old is not None:
        raise Malformed(f"{where} given twice in a section")
    return new


class _Section:
    """What the lines of one section, or of the session part, have said so far."""

    __slots__ = (
        "address", "bundle_only", "candidates", "direction", "end_of_candidates", "extensions", "extmap_allow_mixed",
        "feedback", "fingerprints", "fmtps", "groups", "ice_lite", "msids", "password", "ptime", "rids",
        "rtcp_mux", "rtcp_rsize", "rtpmaps", "setup", "simulcast", "ssrc_groups", "ssrcs", "ufrag",
    )  # fmt: skip

    def __init__(self) -> None:
        self.address: str | None = None
        self.direction: Direction | None = None
        self.rtpmaps: dict[int, tuple[str, int, int]] = {}
        self.fmtps: dict[int, str] = {}
        self.feedback: dict[int | None, list[str]] = {}
        self.extensions: list[Extension] = []
        self.extmap_allow_mixed = False
        self.ufrag: str | None = None
        self.password: str | None = None
        self.fingerprints: list[Fingerprint] = []
        self.setup: Setup | None = None
        self.candidates: list[Candidate] = []
        self.end_of_candidates = False
        self.rtcp_mux = False
        self.rtcp_rsize = False
        self.bundle_only = False
        self.msids: list[Msid] = []
        self.ssrcs: dict[int, str | None] = {}
        self.ssrc_groups: list[SsrcGroup] = []
        self.rids: list[Rid] = []
        self.simulcast: str | None = None
        self.ptime: int | None = None
        self.groups: list[Group] = []
        self.ice_lite = False

    def read(self, lines: Sequence[str], allowed: frozenset[str]) -> None:
        if len(lines) > limits.SECTION_LINES:
            raise Malformed(f"more than {limits.SECTION_LINES} lines in a section")
        for line in lines:
            if len(line) > limits.SDP_LINE_LENGTH:
                raise Malformed(f"line longer than {limits.SDP_LINE_LENGTH}")
            if line[1:2] != "=" or line[0] not in allowed:
                raise Malformed("line of an unknown or misplaced type")
            if line[0] == "a":
                name, _, value = line[2:].partition(":")
                if reader := ATTRIBUTES.get(name):
                    reader(self, value)
                elif name in DIRECTIONS:
                    self.direction = _once(self.direction, cast(Direction, name), "direction")
            elif line[0] == "c":
                self.address = _connection(line[2:]) if self.address is None else self.address

    def codecs(self, formats: Sequence[str]) -> tuple[Format, ...]:
        everyone = self.feedback.get(None, [])
        codecs = []
        for text in formats:
            pt = int(text)
            if pt in self.rtpmaps:
                name, clock, channels = self.rtpmaps[pt]
            elif pt in STATIC_FORMATS:
                (name, clock), channels = STATIC_FORMATS[pt], 1
            else:
                continue
            feedback = tuple(dict.fromkeys((*self.feedback.get(pt, ()), *everyone)))
            codecs.append(Format(pt, name, clock, channels, self.fmtps.get(pt, ""), feedback))
        return tuple(codecs)


def _media(lines: Sequence[str], session: _Section, alike: dict[tuple[str, ...], Media]) -> Media:
    """Read a section; `alike` has those of this description that were read before it, without their mids.

    A browser that receives fifty pictures writes fifty sections of 160 lines that differ by their mid.
    """
    mids = [line for line in lines if line.startswith("a=mid:")]
    if len(mids) > 1:
        raise Malformed("mid given twice in a section")
    rest = list(lines)
    if mids:
        rest.remove(mids[0])
    if (media := alike.get(key := tuple(rest))) is None:
        media = alike[key] = _read_media(rest, session)
    return attrs.evolve(media, mid=_mid(mids[0].removeprefix("a=mid:"))) if mids else media


def _read_media(lines: Sequence[str], session: _Section) -> Media:
    if len(lines[0]) > limits.SDP_LINE_LENGTH:
        raise Malformed(f"line longer than {limits.SDP_LINE_LENGTH}")
    fields = lines[0][2:].split(" ")
    if len(fields) < 4:
        raise Malformed("m= line")
    kind, port, protocol, *formats = fields
    if len(formats) > limits.SECTION_CODECS:
        raise Malformed(f"more than {limits.SECTION_CODECS} formats in a section")
    for text in (kind, *protocol.split("/"), *formats):
        _token(text, "m=")
    if len(set(formats)) != len(formats):
        raise Malformed("format twice in m=")
    rtp = "RTP" in protocol.split("/")
    if rtp:
        formats = [str(_number(text, 127, "m=")) for text in formats]
    section = _Section()
    section.read(lines[1:], MEDIA_LINES)
    return Media(
        kind=kind,
        port=_number(port, 65535, "m="),
        protocol=protocol,
        formats=tuple(formats),
        address=section.address if section.address is not None else session.address,
        direction=section.direction or session.direction or "sendrecv",
        codecs=section.codecs(formats) if rtp else (),
        extensions=tuple(section.extensions or session.extensions),
        extmap_allow_mixed=section.extmap_allow_mixed or session.extmap_allow_mixed,
        ufrag=section.ufrag or session.ufrag,
        password=section.password or session.password,
        fingerprints=tuple(section.fingerprints or session.fingerprints),
        setup=section.setup or session.setup,
        candidates=tuple(section.candidates),
        end_of_candidates=section.end_of_candidates or session.end_of_candidates,
        rtcp_mux=section.rtcp_mux,
        rtcp_rsize=section.rtcp_rsize,
        bundle_only=section.bundle_only,
        msids=tuple(section.msids),
        ssrcs=tuple(Ssrc(ssrc, cname) for ssrc, cname in section.ssrcs.items()),
        ssrc_groups=tuple(section.ssrc_groups),
        rids=tuple(section.rids),
        simulcast=section.simulcast,
        ptime=section.ptime,
    )


def _connection(value: str) -> str:
    fields = value.split(" ")
    if len(fields) != 3 or fields[0] != "IN" or fields[1] not in ("IP4", "IP6") or not fields[2]:
        raise Malformed("c= line")
    return fields[2]


def _mid(value: str) -> str:
    if len(value) > limits.MID_LENGTH:
        raise Malformed(f"mid longer than {limits.MID_LENGTH}")
    return _token(value, "mid")


def _read_rtpmap(section: _Section, value: str) -> None:
    pt_text, _, encoding = value.partition(" ")
    pt = _number(pt_text, 127, "rtpmap")
    name, *rates = encoding.split("/")
    if pt in section.rtpmaps:
        raise Malformed("rtpmap twice for one format")
    if not 1 <= len(rates) <= 2:
        raise Malformed("rtpmap")
    clock = _number(rates[0], 1_000_000, "rtpmap")
    if clock == 0:
        raise Malformed("rtpmap with clock 0")
    # The parameter is the channel count of audio; RFC 8866 6.6 leaves others open, none is in use.
    section.rtpmaps[pt] = (_token(name, "rtpmap"), clock, _number(rates[1], 255, "rtpmap") if rates[1:] else 1)


def _read_fmtp(section: _Section, value: str) -> None:
    pt_text, _, parameters = value.partition(" ")
    pt = _number(pt_text, 127, "fmtp")
    if pt in section.fmtps:
        raise Malformed("fmtp twice for one format")
    section.fmtps[pt] = parameters.strip()


def _read_rtcp_fb(section: _Section, value: str) -> None:
    pt_text, _, feedback = value.partition(" ")
    pt = None if pt_text == "*" else _number(pt_text, 127, "rtcp-fb")
    feedback = feedback.strip()
    if not feedback:
        raise Malformed("rtcp-fb")
    values = section.feedback.setdefault(pt, [])
    if feedback not in values:
        _add(values, feedback, limits.FORMAT_FEEDBACKS, "rtcp-fb")


def _read_extmap(section: _Section, value: str) -> None:
    numbered, _, rest = value.partition(" ")
    id_text, slash, direction = numbered.partition("/")
    number = _number(id_text, 4351, "extmap")
    uri = rest.split(" ", 1)[0]
    # RFC 8285 4.2, 5: 15 is reserved in the one-byte form; 4096 upward are places in a queue for a real id.
    if not uri or number == 0 or number == 15 or 255 < number < 4096 or (slash and direction not in DIRECTIONS):
        raise Malformed("extmap")
    if any(extension.id == number for extension in section.extensions):
        raise Malformed("extmap id twice in a section")
    extension = Extension(number, uri, cast(Direction, direction) if slash else None)
    _add(section.extensions, extension, limits.SECTION_EXTENSIONS, "extmap")


def _read_ufrag(section: _Section, value: str) -> None:
    if not 4 <= len(value) <= 256 or not ICE_CHARS.fullmatch(value):
        raise Malformed("ice-ufrag")
    section.ufrag = _once(section.ufrag, value, "ice-ufrag")


def _read_password(section: _Section, value: str) -> None:
    if not 22 <= len(value) <= 256 or not ICE_CHARS.fullmatch(value):
        raise Malformed("ice-pwd")
    section.password = _once(section.password, value, "ice-pwd")


def _read_fingerprint(section: _Section, value: str) -> None:
    algorithm, _, pairs = value.partition(" ")
    algorithm = _token(algorithm, "fingerprint").lower()
    hexadecimal = pairs.strip().split(":")
    if any(len(pair) != 2 for pair in hexadecimal):
        raise Malformed("fingerprint")
    try:
        digest = bytes.fromhex("".join(hexadecimal))
    except ValueError:
        raise Malformed("fingerprint") from None
    if len(digest) != DIGEST_LENGTHS.get(algorithm, len(digest)):
        raise Malformed(f"{algorithm} fingerprint of {len(digest)} bytes")
    _add(section.fingerprints, Fingerprint(algorithm, digest), limits.SECTION_FINGERPRINTS, "fingerprint")


def _read_setup(section: _Section, value: str) -> None:
    if value not in SETUPS:
        raise Malformed("setup")
    section.setup = _once(section.setup, cast(Setup, value), "setup")


def _read_candidate(section: _Section, value: str) -> None:
    # RFC 8839 5.1: candidates of unknown kinds are ignored, so those that cannot be read are too.
    fields = value.split(" ")
    if len(fields) < 8 or fields[6] != "typ" or not all(fields[:8]):
        return
    foundation, component, transport, priority, ip, port, _, kind = fields[:8]
    try:
        candidate = Candidate(
            ip=ip,
            port=_number(port, 65535, "candidate"),
            priority=_number(priority, (1 << 32) - 1, "candidate"),
            foundation=foundation,
            component=_number(component, 256, "candidate"),
            transport=transport.lower(),
            type=kind,
        )
    except Malformed:
        return
    _add(section.candidates, candidate, limits.SECTION_CANDIDATES, "candidate")


def _read_msid(section: _Section, value: str) -> None:
    stream, _, track = value.partition(" ")
    _add(
        section.msids,
        Msid(_token(stream, "msid"), _token(track, "msid") if track else ""),
        limits.SECTION_MSIDS,
        "msid",
    )


def _read_ssrc(section: _Section, value: str) -> None:
    number, _, attribute = value.partition(" ")
    ssrc = _number(number, 0xFFFFFFFF, "ssrc")
    if ssrc not in section.ssrcs and len(section.ssrcs) >= limits.SECTION_SSRCS:
        raise Malformed(f"more than {limits.SECTION_SSRCS} SSRCs in a section")
    name, _, text = attribute.partition(":")
    section.ssrcs[ssrc] = (text if name == "cname" and text else None) or section.ssrcs.get(ssrc)


def _read_ssrc_group(section: _Section, value: str) -> None:
    semantics, *numbers = value.split(" ")
    if not numbers or len(numbers) > limits.SECTION_SSRCS:
        raise Malformed("ssrc-group")
    group = SsrcGroup(_token(semantics, "ssrc-group"), tuple(_number(n, 0xFFFFFFFF, "ssrc-group") for n in numbers))
    _add(section.ssrc_groups, group, limits.SECTION_SSRC_GROUPS, "ssrc-group")


def _read_rid(section: _Section, value: str) -> None:
    name, _, rest = value.partition(" ")
    direction, _, parameters = rest.partition(" ")
    if direction not in ("send", "recv") or any(rid.id == name for rid in section.rids):
        raise Malformed("rid")
    rid = Rid(_token(name, "rid"), cast(Literal["send", "recv"], direction), parameters.strip())
    _add(section.rids, rid, limits.SECTION_RIDS, "rid")


def _read_simulcast(section: _Section, value: str) -> None:
    section.simulcast = _once(section.simulcast, value, "simulcast")


def _read_ptime(section: _Section, value: str) -> None:
    # RFC 8866 6.4 allows fractions; no packet time in use has one.
    section.ptime = _number(value.partition(".")[0], 10_000, "ptime")


def _read_group(section: _Section, value: str) -> None:
    semantics, *mids = value.split(" ")
    if len(mids) > limits.SDP_SECTIONS or len(set(mids)) != len(mids):
        raise Malformed("group")
    group = Group(_token(semantics, "group"), tuple(_token(mid, "group") for mid in mids if mid))
    _add(section.groups, group, limits.SDP_SECTIONS, "group")


def _flag(name: str) -> Callable[[_Section, str], None]:
    def read(section: _Section, value: str) -> None:
        setattr(section, name, True)

    return read


ATTRIBUTES: Final[dict[str, Callable[[_Section, str], None]]] = {
    "bundle-only": _flag("bundle_only"),
    "candidate": _read_candidate,
    "end-of-candidates": _flag("end_of_candidates"),
    "extmap": _read_extmap,
    "extmap-allow-mixed": _flag("extmap_allow_mixed"),
    "fingerprint": _read_fingerprint,
    "fmtp": _read_fmtp,
    "group": _read_group,
    "ice-lite": _flag("ice_lite"),
    "ice-pwd": _read_password,
    "ice-ufrag": _read_ufrag,
    "msid": _read_msid,
    "ptime": _read_ptime,
    "rid": _read_rid,
    "rtcp-fb": _read_rtcp_fb,
    "rtcp-mux": _flag("rtcp_mux"),
    "rtcp-rsize": _flag("rtcp_rsize"),
    "rtpmap": _read_rtpmap,
    "setup": _read_setup,
    "simulcast": _read_simulcast,
    "ssrc": _read_ssrc,
    "ssrc-group": _read_ssrc_group,
}


# Writing


def _write_media(media: Media, lines: list[str]) -> None:
    lines.append(" ".join((f"m={media.kind} {media.port} {media.protocol}", *media.formats)))
    if media.address is not None:
        lines.append(f"c=IN {'IP6' if ':' in media.address else 'IP4'} {media.address}")
    for candidate in media.candidates:
        lines.append(
            f"a=candidate:{candidate.foundation} {candidate.component} {candidate.transport} {candidate.priority}"
            f" {candidate.ip} {candidate.port} typ {candidate.type}"
        )
    if media.end_of_candidates:
        lines.append("a=end-of-candidates")
    if media.ufrag is not None:
        lines.append(f"a=ice-ufrag:{media.ufrag}")
    if media.password is not None:
        lines.append(f"a=ice-pwd:{media.password}")
    for fingerprint in media.fingerprints:
        lines.append(f"a=fingerprint:{fingerprint.algorithm} {fingerprint.digest.hex(':').upper()}")
    if media.setup is not None:
        lines.append(f"a=setup:{media.setup}")
    if media.mid is not None:
        lines.append(f"a=mid:{media.mid}")
    if media.bundle_only:
        lines.append("a=bundle-only")
    if media.extmap_allow_mixed:
        lines.append("a=extmap-allow-mixed")
    for extension in media.extensions:
        suffix = f"/{extension.direction}" if extension.direction else ""
        lines.append(f"a=extmap:{extension.id}{suffix} {extension.uri}")
    lines.append(f"a={media.direction}")
    for msid in media.msids:
        lines.append(f"a=msid:{msid.stream} {msid.track}" if msid.track else f"a=msid:{msid.stream}")
    if media.rtcp_mux:
        lines.append("a=rtcp-mux")
    if media.rtcp_rsize:
        lines.append("a=rtcp-rsize")
    for codec in media.codecs:
        channels = f"/{codec.channels}" if codec.channels != 1 else ""
        lines.append(f"a=rtpmap:{codec.pt} {codec.name}/{codec.clock}{channels}")
        lines += [f"a=rtcp-fb:{codec.pt} {feedback}" for feedback in codec.feedback]
        if codec.fmtp:
            lines.append(f"a=fmtp:{codec.pt} {codec.fmtp}")
    if media.ptime is not None:
        lines.append(f"a=ptime:{media.ptime}")
    for rid in media.rids:
        lines.append(f"a=rid:{rid.id} {rid.direction} {rid.parameters}".rstrip())
    if media.simulcast is not None:
        lines.append(f"a=simulcast:{media.simulcast}")
    for group in media.ssrc_groups:
        lines.append(" ".join((f"a=ssrc-group:{group.semantics}", *map(str, group.ssrcs))))
    for ssrc in media.ssrcs:
        lines.append(f"a=ssrc:{ssrc.ssrc} cname:{ssrc.cname}" if ssrc.cname else f"a=ssrc:{ssrc.ssrc}")
