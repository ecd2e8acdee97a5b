"""Session descriptions: what real clients send, what comes back from writing, and what is refused."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu import limits
from sfu.wire import Malformed, sdp

DATA = Path(__file__).parents[2] / "data" / "sdp"
REAL = {path.stem: path.read_bytes().decode() for path in sorted(DATA.glob("*.sdp"))}
HEAD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
AUDIO = HEAD + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


def section(*lines: str) -> sdp.Media:
    return sdp.parse(AUDIO + "".join(f"{line}\r\n" for line in lines)).media[0]


@pytest.mark.parametrize("name", REAL)
def test_real_descriptions_survive_writing(name: str) -> None:
    description = sdp.parse(REAL[name])
    assert description.media
    assert description == sdp.parse(sdp.write(description))


def test_chromium_join() -> None:
    """The sections of a browser that sends camera and microphone."""
    description = sdp.parse(REAL["chromium_join"])
    audio, video = description.media
    assert ("0", "1") == description.bundle
    assert ("audio", "0", "sendrecv", "actpass") == (audio.kind, audio.mid, audio.direction, audio.setup)
    assert sdp.Format(111, "opus", 48000, 2, "minptime=10;useinbandfec=1", ("transport-cc",)) == audio.codecs[0]
    assert ("VP8", ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")) == (
        video.codecs[0].name,
        video.codecs[0].feedback,
    )
    assert sdp.Format(97, "rtx", 90000, fmtp="apt=96") == video.codecs[1]
    assert [("FID", tuple(each.ssrc for each in video.ssrcs))] == [(g.semantics, g.ssrcs) for g in video.ssrc_groups]
    assert 32 == len(audio.fingerprints[0].digest)
    assert audio.rtcp_mux and audio.rtcp_rsize and audio.extmap_allow_mixed


def test_simulcast_is_readable() -> None:
    video = sdp.parse(REAL["chromium_simulcast"]).media[1]
    assert tuple(sdp.Rid(each, "send") for each in "qhf") == video.rids
    assert "send q;h;f" == video.simulcast


def test_what_the_session_part_says_holds_for_sections_that_are_silent() -> None:
    """Firefox writes fingerprint and direction once, above the sections."""
    audio, video = sdp.parse(REAL["firefox_join"]).media
    assert audio.fingerprints == video.fingerprints != ()
    assert ("sendrecv", "sendonly") == (audio.direction, video.direction)
    assert video.port == 0 and video.bundle_only and not video.rejected


def test_direction_of_extensions() -> None:
    video = sdp.parse(REAL["firefox_join"]).media[1]
    assert {6: "recvonly", 8: "sendonly", 3: None} == {
        each.id: each.direction for each in video.extensions if each.id in (3, 6, 8)
    }


def test_phone() -> None:
    """No ICE, static formats without rtpmap, feedback for every format."""
    audio, video = sdp.parse(REAL["phone_invite"]).media
    assert ["G722", "opus", "PCMU", "PCMA", "telephone-event"] == [codec.name for codec in audio.codecs]
    assert ("192.0.2.17", 11780, 20) == (audio.address, audio.port, audio.ptime)
    assert ("nack pli",) == video.codecs[0].feedback
    assert audio.ufrag is None and not audio.fingerprints


def test_line_ends() -> None:
    assert sdp.parse(REAL["chromium_join"]) == sdp.parse(REAL["chromium_join"].replace("\r\n", "\n"))
    assert sdp.parse(AUDIO) == sdp.parse(AUDIO.removesuffix("\r\n"))


def test_unknown_attributes_are_skipped() -> None:
    assert section() == section("a=rtcp-xr:rcvr-rtt=all", "a=foo", "b=AS:64", "a=rtcp:9 IN IP4 0.0.0.0")


def test_candidates() -> None:
    """Known ones are read, unknown and broken ones skipped (RFC 8839 5.1)."""
    media = section(
        "a=candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host generation 0",
        "a=candidate:2 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active",
        "a=candidate:3 1 udp 99999999999 192.0.2.1 5000 typ host",
        "a=candidate:broken",
        "a=end-of-candidates",
    )
    assert (
        sdp.Candidate("192.0.2.1", 5000, 2130706431, "1"),
        sdp.Candidate("192.0.2.1", 9, 1518280447, "2", transport="tcp"),
    ) == media.candidates
    assert media.end_of_candidates


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\r\n",
        "hello",
        HEAD.replace("v=0", "v=1"),
        HEAD.replace("s=-\r\n", ""),
        HEAD.replace("t=0 0\r\n", ""),
        HEAD.replace("o=- 1 2", "o=- one 2"),
        HEAD.replace("o=- 1 2", "o=- +1 2"),
        HEAD + "x=1\r\n",
        HEAD + "\r\n",
        AUDIO + "s=-\r\n",
        AUDIO + "a\r\n",
        AUDIO + " a=mid:0\r\n",
        AUDIO.replace("m=audio 9", "m=audio 65536"),
        AUDIO.replace("m=audio 9", "m=audio 9/2"),
        AUDIO.replace("m=audio 9", "m=audio ٩"),
        AUDIO.replace("SAVPF 111", "SAVPF"),
        AUDIO.replace("SAVPF 111", "SAVPF 128"),
        AUDIO.replace("SAVPF 111", "SAVPF 111 111"),
        AUDIO.replace("SAVPF 111", "SAVPF  111"),
        AUDIO + "a=mid:0\x00\r\n",
        AUDIO + "a=mid:é\r\n",
        AUDIO + "a=foo:\udcff\r\n",
        AUDIO + "a=mid:0\ra=mid:1\r\n",
        HEAD + "a=group:BUNDLE 0 0\r\n",
    ],
)
def test_refused_descriptions(text: str) -> None:
    with pytest.raises(Malformed):
        sdp.parse(text)


@pytest.mark.parametrize(
    "lines",
    [
        ["a=mid:0", "a=mid:0"],
        ["a=mid:"],
        ["a=mid:a b"],
        ["a=sendonly", "a=recvonly"],
        ["a=setup:active", "a=setup:active"],
        ["a=setup:server"],
        ["a=ice-ufrag:abc"],
        ["a=ice-ufrag:ab c"],
        ["a=ice-ufrag:" + "a" * 257],
        ["a=ice-ufrag:abcd", "a=ice-ufrag:abcd"],
        ["a=ice-pwd:tooshort"],
        ["a=fingerprint:sha-256 AA:BB"],
        ["a=fingerprint:sha-256 " + ":".join(["GG"] * 32)],
        ["a=fingerprint:sha-256"],
        ["a=rtpmap:111 opus/48000/2", "a=rtpmap:111 opus/48000/2"],
        ["a=rtpmap:111 opus"],
        ["a=rtpmap:111 opus/0"],
        ["a=rtpmap:111 opus/48000/2/2"],
        ["a=rtpmap:1e1 opus/48000"],
        ["a=fmtp:111 a", "a=fmtp:111 b"],
        ["a=rtcp-fb:111 "],
        ["a=rtcp-fb:-1 nack"],
        ["a=extmap:0 urn:x"],
        ["a=extmap:15 urn:x"],
        ["a=extmap:256 urn:x"],
        ["a=extmap:1"],
        ["a=extmap:1/both urn:x"],
        ["a=extmap:1 urn:x", "a=extmap:1 urn:y"],
        ["a=ssrc:4294967296 cname:x"],
        ["a=ssrc: cname:x"],
        ["a=ssrc-group:FID"],
        ["a=ssrc-group:FID x"],
        ["a=rid:a both"],
        ["a=rid:a send", "a=rid:a send"],
        ["a=simulcast:send a", "a=simulcast:send a"],
        ["a=msid:a b c"],
        ["a=ptime:abc"],
        ["c=IN IP4"],
    ],
)
def test_refused_lines(lines: list[str]) -> None:
    with pytest.raises(Malformed):
        section(*lines)


@pytest.mark.parametrize(
    ("at_limit", "beyond"),
    [
        pytest.param(lambda n: HEAD + "m=audio 9 X 0\r\n" * n, limits.SDP_SECTIONS, id="sections"),
        pytest.param(lambda n: AUDIO + "a=x\r\n" * n, limits.SECTION_LINES, id="section lines"),
        pytest.param(lambda n: HEAD + "a=x\r\n" * (n - 1), limits.SECTION_LINES, id="session lines"),
        pytest.param(lambda n: AUDIO + "a=" + "x" * (n - 2) + "\r\n", limits.SDP_LINE_LENGTH, id="line length"),
        pytest.param(
            lambda n: HEAD + "m=audio 9 X " + " ".join(map(str, range(n))) + "\r\n", limits.SECTION_CODECS, id="codecs"
        ),
        pytest.param(
            lambda n: AUDIO + "".join(f"a=ssrc:{each} cname:x\r\n" for each in range(n)),
            limits.SECTION_SSRCS,
            id="ssrcs",
        ),
        pytest.param(lambda n: AUDIO + "a=ssrc-group:FID 1 2\r\n" * n, limits.SECTION_SSRC_GROUPS, id="ssrc groups"),
        pytest.param(
            lambda n: AUDIO + "".join(f"a=extmap:{4096 + each} urn:x\r\n" for each in range(n)),
            limits.SECTION_EXTENSIONS,
            id="extensions",
        ),
        pytest.param(
            lambda n: AUDIO + "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n" * n,
            limits.SECTION_CANDIDATES,
            id="candidates",
        ),
        pytest.param(lambda n: AUDIO + "a=fingerprint:x AA\r\n" * n, limits.SECTION_FINGERPRINTS, id="fingerprints"),
        pytest.param(lambda n: AUDIO + "a=msid:a b\r\n" * n, limits.SECTION_MSIDS, id="msids"),
        pytest.param(
            lambda n: AUDIO + "".join(f"a=rid:{each} send\r\n" for each in range(n)), limits.SECTION_RIDS, id="rids"
        ),
        pytest.param(
            lambda n: AUDIO + "".join(f"a=rtcp-fb:111 x{each}\r\n" for each in range(n)),
            limits.FORMAT_FEEDBACKS,
            id="feedback",
        ),
        pytest.param(lambda n: AUDIO + "a=mid:" + "m" * n + "\r\n", limits.MID_LENGTH, id="mid length"),
    ],
)
def test_limits(at_limit: Any, beyond: int) -> None:
    sdp.parse(at_limit(beyond))
    with pytest.raises(Malformed):
        sdp.parse(at_limit(beyond + 1))


def test_sections_that_differ_by_their_mid_alone() -> None:
    """They are read once, and each is itself all the same."""
    part = "m=audio 9 RTP/AVP 0\r\na=mid:{}\r\na=sendonly\r\n"
    text = HEAD + "".join(part.format(mid) for mid in "abc") + "m=audio 9 RTP/AVP 0\r\na=sendonly\r\n"
    media = sdp.parse(text).media
    assert ["a", "b", "c", None] == [each.mid for each in media]
    assert [("audio", "sendonly", media[0].codecs)] * 4 == [(each.kind, each.direction, each.codecs) for each in media]


def test_limit_of_lines_over_all_sections() -> None:
    full = "m=audio 9 X 0\r\n" + "a=x\r\n" * (limits.SECTION_LINES - 1)
    count = limits.SDP_LINES // limits.SECTION_LINES
    rest = limits.SDP_LINES - 4 - (count - 1) * limits.SECTION_LINES
    text = HEAD + full * (count - 1) + "m=audio 9 X 0\r\n" + "a=x\r\n" * (rest - 1)
    sdp.parse(text)
    with pytest.raises(Malformed, match="lines"):
        sdp.parse(text + "a=x\r\n")


def test_limit_of_bytes() -> None:
    line = "a=" + "x" * (limits.SDP_LINE_LENGTH - 4) + "\r\n"
    part = "m=audio 9 X 0\r\n" + line * 200
    text = HEAD + part * 2 + "m=audio 9 X 0\r\n"
    text += line * ((limits.SDP_BYTES - len(text)) // len(line))
    text += "a=" + "x" * (limits.SDP_BYTES - len(text) - 4) + "\r\n"
    assert limits.SDP_BYTES == len(text)
    sdp.parse(text)
    with pytest.raises(Malformed, match="bytes"):
        sdp.parse(text + "\n")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" * 10_000_000, id="10 MB"),
        pytest.param("\n" * 1_000_000, id="empty lines"),
        pytest.param(AUDIO + "a=x\r\n" * 10_000, id="10,000 lines"),
        pytest.param(AUDIO + "a=simulcast:" + "send a;b,c;" * 10_000 + "\r\n", id="long line"),
        pytest.param(HEAD + "m=audio 9 X 0\r\n" * 60_000, id="60,000 sections"),
        pytest.param(AUDIO + "a=mid:0\r\n" * 20_000, id="20,000 mids"),
        pytest.param(AUDIO + "".join(f"a=rtcp-fb:* {n}\r\n" for n in range(9_000)), id="feedback for all"),
    ],
)
def test_hostile_sizes_are_refused_at_once(text: str) -> None:
    started = time.process_time()
    with pytest.raises(Malformed):
        sdp.parse(text)
    assert time.process_time() - started < 0.1


TOKENS = st.text("abcXYZ019-.+_{}", min_size=1, max_size=12)
NUMBERS = st.integers(0, 0xFFFFFFFF)
TEXTS = st.text("abc =;/:1,", max_size=30).map(str.strip)
DIRECTIONS = st.sampled_from(sorted(sdp.DIRECTIONS))
ICE = "abcXYZ019+/"


def unique(values: st.SearchStrategy[Any], key: Any, maximum: int = 4) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, max_size=maximum, unique_by=key).map(tuple)


FORMATS = unique(
    st.builds(
        sdp.Format,
        pt=st.integers(20, 127),
        name=TOKENS,
        clock=st.integers(1, 1_000_000),
        channels=st.integers(1, 8),
        fmtp=TEXTS,
        feedback=st.lists(TEXTS.filter(bool), max_size=4, unique=True).map(tuple),
    ),
    lambda each: each.pt,
    8,
)


@st.composite
def media(draw: st.DrawFn) -> sdp.Media:
    codecs = draw(FORMATS)
    return sdp.Media(
        kind=draw(st.sampled_from(["audio", "video"])),
        port=draw(st.integers(0, 65535)),
        protocol=draw(st.sampled_from(["UDP/TLS/RTP/SAVPF", "RTP/AVP"])),
        formats=tuple(str(codec.pt) for codec in codecs) or ("19",),
        address=draw(st.sampled_from([None, "192.0.2.1", "2001:db8::1"])),
        mid=draw(st.none() | TOKENS),
        direction=draw(DIRECTIONS),
        codecs=codecs,
        extensions=draw(
            unique(
                st.builds(sdp.Extension, st.integers(1, 14) | st.integers(16, 255), TOKENS, st.none() | DIRECTIONS),
                lambda each: each.id,
            )
        ),
        extmap_allow_mixed=draw(st.booleans()),
        ufrag=draw(st.none() | st.text(ICE, min_size=4, max_size=20)),
        password=draw(st.none() | st.text(ICE, min_size=22, max_size=40)),
        fingerprints=draw(
            st.lists(
                st.builds(sdp.Fingerprint, st.just("sha-256"), st.binary(min_size=32, max_size=32)), max_size=3
            ).map(tuple)
        ),
        setup=draw(st.none() | st.sampled_from(sorted(sdp.SETUPS))),
        candidates=draw(
            st.lists(
                st.builds(
                    sdp.Candidate,
                    st.sampled_from(["192.0.2.1", "2001:db8::1", "a.local"]),
                    st.integers(0, 65535),
                    NUMBERS,
                    TOKENS,
                    st.integers(1, 2),
                    st.sampled_from(["udp", "tcp"]),
                    st.sampled_from(["host", "relay"]),
                ),
                max_size=4,
            ).map(tuple)
        ),
        end_of_candidates=draw(st.booleans()),
        rtcp_mux=draw(st.booleans()),
        rtcp_rsize=draw(st.booleans()),
        bundle_only=draw(st.booleans()),
        msids=draw(st.lists(st.builds(sdp.Msid, TOKENS, st.just("") | TOKENS), max_size=3).map(tuple)),
        ssrcs=draw(unique(st.builds(sdp.Ssrc, NUMBERS, st.none() | TOKENS), lambda each: each.ssrc)),
        ssrc_groups=draw(
            st.lists(
                st.builds(
                    sdp.SsrcGroup,
                    st.sampled_from(["FID", "SIM"]),
                    st.lists(NUMBERS, min_size=1, max_size=4).map(tuple),
                ),
                max_size=3,
            ).map(tuple)
        ),
        rids=draw(unique(st.builds(sdp.Rid, TOKENS, st.sampled_from(["send", "recv"]), TEXTS), lambda each: each.id)),
        simulcast=draw(st.none() | TEXTS),
        ptime=draw(st.none() | st.integers(0, 10_000)),
    )


DESCRIPTIONS = st.builds(
    sdp.SessionDescription,
    session_id=st.integers(0, (1 << 64) - 1),
    version=st.integers(0, (1 << 64) - 1),
    media=st.lists(media(), max_size=3).map(tuple),
    origin=st.sampled_from(["127.0.0.1", "::1"]),
    groups=st.lists(
        st.builds(sdp.Group, st.sampled_from(["BUNDLE", "LS"]), unique(TOKENS, lambda each: each)), max_size=2
    ).map(tuple),
    ice_lite=st.booleans(),
)


@given(DESCRIPTIONS)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back(description: sdp.SessionDescription) -> None:
    assert description == sdp.parse(sdp.write(description))


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A real description with lines dropped, doubled, swapped or cut, or characters replaced."""
    lines = draw(st.sampled_from(sorted(REAL.values()))).split("\r\n")
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "double", "swap", "cut", "character", "number", "insert"])):
            case "drop":
                lines[at : at + 1] = [""] if len(lines) == 1 else []
            case "double":
                lines.insert(draw(st.integers(0, len(lines))), lines[at])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case "character":
                place = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:place] + draw(st.characters(max_codepoint=0xD7FF)) + lines[at][place + 1 :]
            case "number":
                lines[at] = lines[at].replace(
                    draw(st.sampled_from("0123456789")), draw(st.text("0123456789-", max_size=11))
                )
            case "insert":
                lines.insert(at, draw(st.text(max_size=30)))
    return "\r\n".join(lines)


@given(mutations() | st.text())
@settings(max_examples=300, deadline=None)
def test_whatever_comes_is_read_or_malformed(text: str) -> None:
    try:
        description = sdp.parse(text)
    except Malformed:
        return
    assert description == sdp.parse(sdp.write(description))
