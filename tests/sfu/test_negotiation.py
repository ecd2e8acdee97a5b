"""Offer and answer: real clients' offers, what may change later and what may not, and what is refused."""

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu import limits
from sfu.negotiation import (
    ABS_SEND_TIME_URI,
    AUDIO_LEVEL_URI,
    MID_URI,
    TWCC_URI,
    Agreement,
    BadOffer,
    Codec,
    Incoming,
    Local,
    Negotiation,
    NoCommonCodec,
    Source,
    UnknownMid,
    matching,
    receiving_video_mids,
    stream_id,
)
from sfu.wire import sdp

DATA = Path(__file__).parents[1] / "data" / "sdp"
REAL = {path.stem: path.read_bytes().decode() for path in sorted(DATA.glob("*.sdp"))}
JOINS = ["chromium_join", "chromium_join_gathered", "chromium_simulcast", "firefox_join", "aiortc_join"]
JOIN = REAL["chromium_join"]
SUBSCRIBE = REAL["chromium_subscribe"]

LOCAL = Local(
    sdp.Fingerprint("sha-256", bytes(range(32))),
    (sdp.Candidate("127.0.0.1", 40000, 2130706431, "1"), sdp.Candidate("::1", 40000, 2130706430, "2")),
)
VP8 = Codec(120, "VP8", 90000, 124)
H264 = Codec(102, "H264", 90000, None, "packetization-mode=1;profile-level-id=42e01f")
ROOM = Source("room", "audio", None, "room")


def picture(name: str, *codecs: Codec) -> Source:
    return Source(name, "video", codecs or (VP8,), f"cname-{name}")


def negotiation() -> Negotiation:
    return Negotiation(LOCAL, itertools.count(1000).__next__)


def joined() -> Negotiation:
    subject = negotiation()
    subject.answer(JOIN, {}, ROOM)
    return subject


def directions(text: str) -> list[str]:
    return [media.direction if media.port else "rejected" for media in sdp.parse(text).media]


def without(text: str, pattern: str) -> str:
    return re.sub(rf"^{pattern}.*\r\n", "", text, flags=re.MULTILINE)


def snapshot(subject: Negotiation) -> Any:
    return subject._state, subject._pending


# Joining


def test_join_of_chromium() -> None:
    subject = negotiation()
    text, agreement = subject.answer(JOIN, {}, ROOM)
    offer, answer = sdp.parse(JOIN), sdp.parse(text)
    assert ["sendrecv", "recvonly"] == directions(text)
    assert (True, ("0", "1")) == (answer.ice_lite, answer.bundle)
    audio, video = answer.media
    for media in answer.media:
        assert (subject.ufrag, subject.password) == (media.ufrag, media.password)
        assert ("passive", (LOCAL.fingerprint,), True, True) == (
            media.setup,
            media.fingerprints,
            media.rtcp_mux,
            media.rtcp_rsize,
        )
        assert (40000, "127.0.0.1") == (media.port, media.address)
    assert (LOCAL.candidates, True) == (audio.candidates, audio.end_of_candidates)
    assert ((), False) == (video.candidates, video.end_of_candidates)

    assert ["opus", "PCMU", "PCMA"] == [codec.name for codec in audio.codecs]
    assert ("transport-cc",) == audio.codecs[0].feedback
    assert (sdp.Msid("room", "audio-0"),) == audio.msids
    assert (sdp.Ssrc(1000, "room"),) == audio.ssrcs
    assert ["VP8", "rtx", *["H264", "rtx"] * 4] == [codec.name for codec in video.codecs]
    assert ("transport-cc", "ccm fir", "nack", "nack pli") == video.codecs[0].feedback
    assert () == video.ssrcs == video.msids

    theirs = [tuple(each.ssrc for each in media.ssrcs) for media in offer.media]
    assert 2 == agreement.sections and not agreement.ice_restart
    sound, sight = agreement.incoming
    assert ("0", "audio", theirs[0], ()) == (sound.mid, sound.kind, sound.ssrcs, sound.rtx)
    assert ("1", "video", theirs[1][:1], (theirs[1],)) == (sight.mid, sight.kind, sight.ssrcs, sight.rtx)
    assert Codec(96, "VP8", 90000, 97) == sight.codecs[0]
    (down,) = agreement.outgoing
    assert ("0", 1000, None, ROOM, 111) == (down.mid, down.ssrc, down.rtx_ssrc, down.source, down.codecs[0].pt)
    assert ("server", offer.media[0].ufrag, offer.media[0].fingerprints) == (
        agreement.remote.role,
        agreement.remote.ufrag,
        agreement.remote.fingerprints,
    )
    assert {1: AUDIO_LEVEL_URI, 2: ABS_SEND_TIME_URI, 3: TWCC_URI, 4: MID_URI}.items() <= agreement.extensions.items()


@pytest.mark.parametrize(
    ("left_out", "numbered"),
    [
        ("nothing", [True, True]),
        (r"a=rtcp-fb:111 transport-cc", [False, True]),
        (r"a=rtcp-fb:\d+ transport-cc", [False, False]),
        (r"a=extmap:\d+ " + re.escape(TWCC_URI), [False, False]),
    ],
)
def test_who_reports_arrivals(left_out: str, numbered: list[bool]) -> None:
    """It takes the extension and the feedback, on each section."""
    subject = negotiation()
    subject.answer(without(JOIN, left_out), {}, ROOM)
    _, agreement = subject.answer(without(SUBSCRIBE, left_out), {"2": picture("anna", Codec(0, "VP8", 90000))}, ROOM)
    assert numbered == [each.numbered for each in agreement.outgoing]


@pytest.mark.parametrize("name", JOINS)
def test_joins(name: str) -> None:
    """Whatever the client: its sound and picture come in, the room's sound goes down."""
    text, agreement = negotiation().answer(REAL[name], {}, ROOM)
    assert ["sendrecv", "recvonly"] == directions(text)[:2]
    assert ["audio", "video"] == [section.kind for section in agreement.incoming]
    assert ["0"] == [section.mid for section in agreement.outgoing]
    assert MID_URI in agreement.extensions.values()
    assert sdp.parse(text).media[0].extmap_allow_mixed == sdp.parse(REAL[name]).media[0].extmap_allow_mixed
    for theirs, ours in zip(sdp.parse(REAL[name]).media, sdp.parse(text).media, strict=True):
        assert set(ours.formats) <= set(theirs.formats)
        assert (theirs.kind, theirs.mid, theirs.protocol) == (ours.kind, ours.mid, ours.protocol)


def test_directions_of_extensions_are_mirrored() -> None:
    text, _ = negotiation().answer(REAL["firefox_join"], {}, ROOM)
    assert {6: "sendonly", 8: "recvonly", 3: None} == {
        each.id: each.direction for each in sdp.parse(text).media[1].extensions if each.id in (3, 6, 8)
    }


def test_simulcast_is_answered_with_one_stream() -> None:
    """Its SSRC is not declared; the data channel beside it gets port 0."""
    text, agreement = negotiation().answer(REAL["chromium_simulcast"], {}, ROOM)
    assert ["sendrecv", "recvonly", "rejected"] == directions(text)
    video = sdp.parse(text).media[1]
    assert ((), None) == (video.rids, video.simulcast)
    assert ("0", "1") == sdp.parse(text).bundle
    assert ((), ()) == (agreement.incoming[1].ssrcs, agreement.incoming[1].rtx)


@pytest.mark.parametrize(("direction", "answered"), [("recvonly", "sendonly"), ("inactive", "inactive")])
def test_audience(direction: str, answered: str) -> None:
    offer = REAL["chromium_audience"].replace("a=recvonly", f"a={direction}")
    text, agreement = negotiation().answer(offer, {}, ROOM)
    assert [answered] == directions(text)
    assert () == agreement.incoming
    assert (direction == "recvonly") == bool(agreement.outgoing)


@pytest.mark.parametrize(
    ("setup", "answered", "role"),
    [("actpass", "passive", "server"), ("active", "passive", "server"), ("passive", "active", "client")],
)
def test_dtls_roles(setup: str, answered: str, role: str) -> None:
    subject = negotiation()
    text, agreement = subject.answer(JOIN.replace("setup:actpass", f"setup:{setup}"), {})
    assert (answered, role) == (sdp.parse(text).media[0].setup, agreement.remote.role)
    # RFC 8842 5.3: and so it stays, although browsers write actpass into every offer.
    text, agreement = subject.answer(SUBSCRIBE, {})
    assert (answered, role) == (sdp.parse(text).media[0].setup, agreement.remote.role)


def test_one_voice_and_one_picture() -> None:
    """A second section that sends video is not taken up."""
    text, agreement = negotiation().answer(SUBSCRIBE.replace("a=recvonly", "a=sendonly"), {})
    assert ["recvonly", "recvonly", "inactive", "inactive"] == directions(text)
    assert ["0", "1"] == [section.mid for section in agreement.incoming]


def test_fec_streams_are_no_streams_of_their_own() -> None:
    lines = "a=ssrc:1 cname:x\r\na=ssrc:2 cname:x\r\na=ssrc:3 cname:x\r\n"
    groups = "a=ssrc-group:FID 1 2\r\na=ssrc-group:FEC-FR 1 3\r\n"
    offer = without(JOIN, "a=ssrc") + groups + lines
    assert ((1,), ((1, 2),)) == (attrs.astuple(negotiation().answer(offer, {})[1].incoming[1], recurse=False)[3:])


# Subscribing and whatever follows


def test_subscription() -> None:
    """The join's sections as they were, the appended ones as asked."""
    subject = joined()
    before = subject.ufrag, subject.password
    text, agreement = subject.answer(SUBSCRIBE, {"2": picture("anna")}, ROOM, wanted=["2", "3"])
    assert ["sendrecv", "recvonly", "sendonly", "inactive"] == directions(text)
    assert before == (subject.ufrag, subject.password) and not agreement.ice_restart
    room, anna = agreement.outgoing
    assert (1000, 1001, 1002) == (room.ssrc, anna.ssrc, anna.rtx_ssrc)
    assert [(96, 97)] == [(codec.pt, codec.rtx_pt) for codec in anna.codecs]
    media = sdp.parse(text).media[2]
    assert (sdp.Msid("anna", "video-2"),) == media.msids
    assert (sdp.SsrcGroup("FID", (1001, 1002)),) == media.ssrc_groups
    assert (sdp.Ssrc(1001, "cname-anna"), sdp.Ssrc(1002, "cname-anna")) == media.ssrcs
    assert sdp.parse(text).version == sdp.parse(joined().answer(JOIN, {})[0]).version == 2


def test_a_section_keeps_its_ssrcs() -> None:
    """Pointed at another member, silent for a while, and back."""
    subject = joined()
    seen = []
    for source in (picture("anna"), picture("bob"), None, picture("anna")):
        text, agreement = subject.answer(SUBSCRIBE, {"2": source} if source else {}, ROOM)
        assert source is None or f"a=msid:{source.stream} video-2" in text
        seen.append([(section.ssrc, section.rtx_ssrc) for section in agreement.outgoing if section.mid == "2"])
    assert [[(1001, 1002)], [(1001, 1002)], [], [(1001, 1002)]] == seen


def test_a_pause_keeps_the_streams_declared() -> None:
    """Chromium shows nobody what comes back under numbers that were taken out of the description meanwhile."""
    subject = joined()
    subject.answer(SUBSCRIBE, {"2": picture("anna")}, ROOM)
    media = sdp.parse(subject.answer(SUBSCRIBE, {}, ROOM)[0]).media[2]
    assert ("inactive", ()) == (media.direction, media.msids)
    assert (sdp.Ssrc(1001, "cname-anna"), sdp.Ssrc(1002, "cname-anna")) == media.ssrcs
    assert (sdp.SsrcGroup("FID", (1001, 1002)),) == media.ssrc_groups


def test_stopped_and_recycled_sections() -> None:
    """A stopped section keeps its place with port 0; the mid that follows it there has SSRCs of its own."""
    subject = joined()
    _, first = subject.answer(SUBSCRIBE, {"3": picture("anna")}, ROOM)
    text, _ = subject.answer(REAL["chromium_stop"], {"2": picture("bob")}, ROOM)
    assert ["sendrecv", "recvonly", "sendonly", "rejected"] == directions(text)
    assert ("0", "1", "2") == sdp.parse(text).bundle
    text, last = subject.answer(REAL["chromium_recycle"], {"2": picture("bob"), "4": picture("anna")}, ROOM)
    assert ["sendrecv", "recvonly", "sendonly", "sendonly"] == directions(text)
    assert first.outgoing[-1].ssrc not in {section.ssrc for section in last.outgoing}


def test_a_publisher_pauses_and_comes_back() -> None:
    subject = joined()
    paused = JOIN.replace("a=sendonly", "a=inactive")
    text, agreement = subject.answer(paused, {}, ROOM)
    assert ["sendrecv", "inactive"] == directions(text)
    assert ["audio"] == [section.kind for section in agreement.incoming]
    text, agreement = subject.answer(JOIN, {}, ROOM)
    assert ["sendrecv", "recvonly"] == directions(text)
    assert ["audio", "video"] == [section.kind for section in agreement.incoming]


def test_ice_restart() -> None:
    """New credentials of theirs bring new ones of ours, once."""
    subject = joined()
    old = subject.ufrag, subject.password
    text, agreement = subject.answer(REAL["chromium_restart"], {}, ROOM)
    new = subject.ufrag, subject.password
    assert agreement.ice_restart and not set(old) & set(new)
    assert new == (sdp.parse(text).media[0].ufrag, sdp.parse(text).media[0].password)
    text, agreement = subject.answer(REAL["chromium_restart"], {}, ROOM)
    assert not agreement.ice_restart and new == (subject.ufrag, subject.password)


def test_the_transport_is_that_of_the_first_accepted_section() -> None:
    """RFC 8843 7.3.1, when the join's sound is stopped."""
    head, audio, video = re.split(r"(?=^m=)", JOIN, flags=re.MULTILINE)
    offer = head.replace("BUNDLE 0 1", "BUNDLE 1") + audio.replace("m=audio 9", "m=audio 0") + video
    text, agreement = joined().answer(offer, {}, ROOM)
    assert ["rejected", "recvonly"] == directions(text)
    assert LOCAL.candidates == sdp.parse(text).media[1].candidates
    assert ["1"] == [section.mid for section in agreement.incoming]


def test_a_source_whose_codec_the_section_lacks() -> None:
    subject = joined()
    head, *sections = re.split(r"(?=^m=)", SUBSCRIBE, flags=re.MULTILINE)
    sections[2] = without(sections[2], r"a=rtpmap:\d+ H264")
    text, agreement = subject.answer(head + "".join(sections), {"2": picture("anna", H264), "3": picture("bob", H264)})
    assert ["recvonly", "recvonly", "inactive", "sendonly"] == directions(text)
    assert [("3", {"H264"})] == [(each.mid, {codec.name for codec in each.codecs}) for each in agreement.outgoing]


# Codecs


def h264(mode: int, profile: str) -> Codec:
    return Codec(100, "H264", 90000, None, f"packetization-mode={mode};profile-level-id={profile}")


@pytest.mark.parametrize(
    ("sent", "known", "expected"),
    [
        (VP8, [H264, VP8], 1),
        (VP8, [H264], None),
        (h264(1, "42e01f"), [h264(0, "42e01f"), h264(1, "42001f"), h264(1, "42e01f")], 2),
        (h264(1, "42e01f"), [h264(0, "42e01f"), h264(1, "42001f")], 1),
        (h264(1, "42e01f"), [h264(0, "42e01f")], None),
        (h264(0, "42e01f"), [h264(1, "42e01f"), h264(0, "42001f")], 1),
        (h264(0, "42e01f"), [h264(1, "42e01f")], 0),
        (h264(1, "42c00d"), [h264(1, "42e034")], 0),
        (h264(1, "640c1f"), [h264(1, "640c1f")], None),
        (Codec(1, "H264", 90000), [h264(0, "42001f")], 0),
    ],
)
def test_matching(sent: Codec, known: list[Codec], expected: int | None) -> None:
    found = matching(sent, known)
    assert expected == (None if found is None else next(n for n, each in enumerate(known) if each is found))


def test_codecs_that_are_kept() -> None:
    """Neither other H264 profiles nor RTP payload types that look like RTCP."""
    _, agreement = negotiation().answer(JOIN, {})
    video = agreement.incoming[1]
    assert {"42001f", "42e01f"} == {
        match[1] for codec in video.codecs if (match := re.search("profile-level-id=(.{6})", codec.fmtp))
    }
    moved = re.sub(r"\b96\b", "72", JOIN)
    assert "VP8" not in {codec.name for codec in negotiation().answer(moved, {})[1].incoming[1].codecs}


def test_limit_of_codecs() -> None:
    """The first ones of many count, so that what many sections and many sources cost stays bounded."""
    pts = [*range(30, 64), *range(96, 128)]
    lines = "".join(f"a=rtpmap:{pt} H264/90000\r\n" for pt in pts)
    head, audio, video = re.split(r"(?=^m=)", JOIN, flags=re.MULTILINE)
    video = without(without(video, "a=rtpmap"), "a=fmtp").replace(
        video.split("\r\n")[0], f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, pts))}"
    )
    _, agreement = negotiation().answer(head + audio.replace("111", "29") + video + lines, {})
    assert pts[: limits.SECTION_KNOWN_CODECS] == [codec.pt for codec in agreement.incoming[1].codecs]


def test_no_common_codec() -> None:
    """Port 0 while another section is of use, NoCommonCodec if none is."""
    no_video = without(JOIN, r"a=rtpmap:\d+ (VP8|H264)")
    assert ["sendrecv", "rejected"] == directions(negotiation().answer(no_video, {}, ROOM)[0])
    nothing = without(no_video, r"a=rtpmap:\d+ opus").replace(" 9 0 8 ", " 9 ")
    with pytest.raises(NoCommonCodec):
        negotiation().answer(nothing, {}, ROOM)


# Refusals

SESSION = JOIN.partition("m=audio")[0]


@pytest.mark.parametrize(
    "offer",
    [
        pytest.param("garbage", id="garbage"),
        pytest.param(SESSION, id="no section"),
        pytest.param(REAL["phone_invite"], id="a phone's offer"),
        pytest.param(without(JOIN, "a=group:BUNDLE"), id="no BUNDLE"),
        pytest.param(JOIN.replace("BUNDLE 0 1", "BUNDLE 0 1 7"), id="BUNDLE of an unknown mid"),
        pytest.param(without(JOIN, "a=rtcp-mux"), id="no rtcp-mux"),
        pytest.param(without(JOIN, "a=ice-ufrag"), id="no ufrag"),
        pytest.param(without(JOIN, "a=ice-pwd"), id="no password"),
        pytest.param(without(JOIN, "a=fingerprint"), id="no fingerprint"),
        pytest.param(re.sub("sha-256 .*", "sha-1 " + ":".join(["AA"] * 20), JOIN), id="weak fingerprint"),
        pytest.param(without(JOIN, "a=setup"), id="no setup"),
        pytest.param(JOIN.replace("setup:actpass", "setup:holdconn"), id="holdconn"),
        pytest.param(without(JOIN, "a=mid:1"), id="no mid"),
        pytest.param(JOIN.replace("a=mid:1", "a=mid:0"), id="one mid twice"),
        pytest.param(JOIN.replace("s=-\r\n", "s=-\r\na=ice-lite\r\n"), id="ice-lite"),
        pytest.param(JOIN.replace("m=audio 9", "m=audio 0").replace("m=video 9", "m=video 0"), id="all stopped"),
        pytest.param(JOIN.replace("extmap:13 ", "extmap:1 "), id="an extension id with two meanings"),
        pytest.param(re.sub(r"\b111\b", "96", JOIN), id="a payload type with two meanings"),
        pytest.param(re.sub(r"a=ssrc:\d+", "a=ssrc:5", without(JOIN, "a=ssrc-group")), id="an SSRC of two sections"),
        pytest.param(re.sub(r"FID \d+ \d+", "FID 1 2", JOIN), id="FID of unknown SSRCs"),
        pytest.param(re.sub(r"FID (\d+) \d+", r"FID \1 \1", JOIN), id="FID with itself"),
        pytest.param(JOIN + "\x00", id="NUL"),
        pytest.param(JOIN + "a=é\r\n", id="not ASCII"),
        pytest.param(JOIN + "a=x\r\n" * 10_000, id="10,000 lines"),
        pytest.param(JOIN + JOIN[JOIN.index("m=audio") :] * limits.SDP_SECTIONS, id="too many sections"),
        pytest.param("x" * 10_000_000, id="10 MB"),
    ],
)
def test_bad_offers(offer: str) -> None:
    """Refused by a connection that is new and by one that runs, and neither changes."""
    for subject in (negotiation(), joined()):
        before = snapshot(subject)
        with pytest.raises(BadOffer):
            subject.answer(offer, {}, ROOM)
        assert before == snapshot(subject)
        _, agreement = subject.answer(JOIN, {}, ROOM)
        assert [1000] == [section.ssrc for section in agreement.outgoing]


def swapped(text: str) -> str:
    head, audio, video = re.split(r"(?=^m=)", text, flags=re.MULTILINE)
    return head + video + audio


UFRAG = re.search("a=ice-ufrag:(.*)\r\n", JOIN)
assert UFRAG


@pytest.mark.parametrize(
    "offer",
    [
        pytest.param(swapped(JOIN), id="sections swapped"),
        pytest.param(
            without(JOIN.partition("m=video")[0], "a=group").replace("t=0 0", "t=0 0\r\na=group:BUNDLE 0"),
            id="a section gone",
        ),
        pytest.param(JOIN.replace("a=mid:1", "a=mid:9").replace("BUNDLE 0 1", "BUNDLE 0 9"), id="another mid"),
        pytest.param(JOIN.replace("setup:actpass", "setup:passive"), id="another DTLS role"),
        pytest.param(re.sub("sha-256 ..", "sha-256 00", JOIN), id="another certificate"),
        pytest.param(REAL["chromium_join_gathered"], id="another connection"),
        pytest.param(JOIN.replace(UFRAG[0], "a=ice-ufrag:abcd\r\n"), id="half an ICE restart"),
    ],
)
def test_what_a_later_offer_may_not_change(offer: str) -> None:
    negotiation().answer(offer, {}, ROOM)
    subject = joined()
    before = snapshot(subject)
    with pytest.raises(BadOffer):
        subject.answer(offer, {}, ROOM)
    assert before == snapshot(subject)
    subject.answer(SUBSCRIBE, {"2": picture("anna")}, ROOM)


@pytest.mark.parametrize(
    ("sources", "wanted"),
    [
        ({"9": picture("anna")}, ()),
        ({"1": picture("anna")}, ()),
        ({"0": picture("anna")}, ()),
        ({"2": Source("anna", "audio", None, "c")}, ()),
        ({}, ("9",)),
        ({}, ("1",)),
        ({}, ("0",)),
    ],
)
def test_unknown_mids(sources: dict[str, Source], wanted: tuple[str, ...]) -> None:
    """Absent, only sending, of another kind."""
    subject = joined()
    before = snapshot(subject)
    with pytest.raises(UnknownMid):
        subject.answer(SUBSCRIBE, sources, ROOM, wanted)
    assert before == snapshot(subject)


def test_receiving_video_mids() -> None:
    assert {"2", "3"} == receiving_video_mids(SUBSCRIBE)
    assert {"2"} == receiving_video_mids(REAL["chromium_stop"])
    with pytest.raises(BadOffer):
        receiving_video_mids("garbage")


# Offers of the server


def answer_to(offer: str, **changes: Any) -> str:
    """What an ordinary client makes of it."""
    description = sdp.parse(offer)
    client = sdp.parse(REAL["chromium_answer"]).media[0]
    mirror = {"sendonly": "recvonly", "inactive": "inactive"}
    media = tuple(
        attrs.evolve(
            each,
            ufrag=client.ufrag,
            password=client.password,
            fingerprints=client.fingerprints,
            setup="active",
            direction=mirror[each.direction],
            ssrcs=(),
            ssrc_groups=(),
            msids=(),
            candidates=(),
            **changes,
        )
        for each in description.media
    )
    return sdp.write(attrs.evolve(description, media=media, ice_lite=False))


def test_offer_of_the_server() -> None:
    subject = negotiation()
    sound = Source("anna", "audio", (Codec(109, "opus", 48000),), "cname-anna")
    offer = subject.offer([sound, picture("anna")])
    audio, video = sdp.parse(offer).media
    assert ("actpass", "sendonly", True) == (audio.setup, audio.direction, sdp.parse(offer).ice_lite)
    assert (["opus"], ["VP8", "rtx"]) == ([c.name for c in audio.codecs], [c.name for c in video.codecs])
    agreement = subject.accept(answer_to(offer))
    assert [("0", 1000, None, 111), ("1", 1001, 1002, 96)] == [
        (each.mid, each.ssrc, each.rtx_ssrc, each.codecs[0].pt) for each in agreement.outgoing
    ]
    assert ("server", (), MID_URI) == (agreement.remote.role, agreement.incoming, agreement.extensions[1])

    # One section is pointed elsewhere, one falls silent, one is new.
    again = subject.offer([sound, None, picture("bob", H264)])
    assert ["sendonly", "inactive", "sendonly"] == directions(again)
    assert sdp.parse(offer).media[0].ufrag == sdp.parse(again).media[0].ufrag
    agreement = subject.accept(answer_to(again))
    assert [("0", 1000), ("2", 1003)] == [(each.mid, each.ssrc) for each in agreement.outgoing]


def test_chromium_answers_the_server() -> None:
    subject = negotiation()
    subject.offer([Source("anna", "audio", (Codec(111, "opus", 48000),), "c"), picture("anna")])
    agreement = subject.accept(REAL["chromium_answer"])
    assert ["0", "1"] == [each.mid for each in agreement.outgoing]


def test_a_client_may_refuse_a_section() -> None:
    subject = negotiation()
    offer = subject.offer([ROOM, picture("anna")])
    refused = answer_to(offer).replace("m=video 40000", "m=video 0").replace("BUNDLE 0 1", "BUNDLE 0")
    assert ["0"] == [each.mid for each in subject.accept(refused).outgoing]
    agreement = subject.accept(answer_to(subject.offer([ROOM, picture("anna")])))
    assert ["0", "1"] == [each.mid for each in agreement.outgoing]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: "garbage", id="garbage"),
        pytest.param(lambda text: text.partition("m=video")[0].replace("BUNDLE 0 1", "BUNDLE 0"), id="a section less"),
        pytest.param(lambda text: text.replace("a=mid:1", "a=mid:9").replace("0 1", "0 9"), id="another mid"),
        pytest.param(lambda text: text.replace("BUNDLE 0 1", "BUNDLE 0"), id="outside the bundle"),
        pytest.param(lambda text: text.replace("setup:active", "setup:actpass"), id="actpass"),
        pytest.param(lambda text: without(text, "a=rtcp-mux"), id="no rtcp-mux"),
        pytest.param(lambda text: without(text, "a=fingerprint"), id="no fingerprint"),
        pytest.param(lambda text: text.replace("VP8", "VP9"), id="a codec that was not offered"),
        pytest.param(lambda text: text.replace("extmap:1 ", "extmap:12 "), id="an extension that was not offered"),
        pytest.param(lambda text: text.replace("a=recvonly", "a=sendrecv"), id="it wants to send"),
    ],
)
def test_bad_answers_leave_the_offer_open(change: Any) -> None:
    subject = negotiation()
    good = answer_to(subject.offer([ROOM, picture("anna")]))
    before = snapshot(subject)
    with pytest.raises(BadOffer):
        subject.accept(change(good))
    assert before == snapshot(subject)
    assert 2 == subject.accept(good).sections
    with pytest.raises(BadOffer, match="without an open offer"):
        subject.accept(good)


def test_an_answer_that_uses_nothing() -> None:
    subject = negotiation()
    good = answer_to(subject.offer([ROOM]))
    with pytest.raises(NoCommonCodec):
        subject.accept(good.replace("m=audio 40000", "m=audio 0"))


def test_the_codecs_of_a_source_do_not_reach_others_as_text() -> None:
    """A publisher chooses its fmtp; what we offer to others is ours."""
    evil = Codec(100, "H264", 90000, None, "packetization-mode=1;profile-level-id=42e01f;evil=1")
    assert "evil" not in negotiation().offer([picture("anna", evil)])


# Names


@pytest.mark.parametrize("name", ["c-anna", "a" * 64, "550e8400-e29b-41d4-a716-446655440000", "{x}.y_z"])
def test_legal_names_are_their_stream(name: str) -> None:
    assert name == stream_id(name)


@pytest.mark.parametrize("name", ["", "a" * 65, "a:b", "a@b", "a b", "é", "a\n", "\ud800"])
def test_other_names_are_hashed(name: str) -> None:
    assert re.fullmatch("[A-Za-z0-9_-]{43}", stream_id(name))
    assert stream_id(name) == stream_id(name) != stream_id(name + "x")


def test_a_known_hash() -> None:
    assert "Z4OjHqv2jMwGYPk1wIJigr3SJB86gKny0Q1Zrqnrtdg" == stream_id("a:b")


# Anything


LINES = [line for text in REAL.values() for line in text.split("\r\n")]


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A real offer with lines dropped, doubled, moved, changed, or taken from other descriptions."""
    lines = draw(st.sampled_from([SUBSCRIBE, *(REAL[name] for name in JOINS)])).split("\r\n")
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "double", "foreign", "cut", "number"])):
            case "drop":
                lines[at:] = lines[at + 1 :] or [""]
            case "double":
                lines.insert(draw(st.integers(0, len(lines))), lines[at])
            case "foreign":
                lines[at] = draw(st.sampled_from(LINES))
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case "number":
                lines[at] = re.sub(r"\d+", str(draw(st.integers(0, 1 << 33))), lines[at], count=1)
    return "\r\n".join(lines)


@given(mutations())
@settings(max_examples=200, deadline=None)
def test_whatever_comes_is_answered_or_refused(offer: str) -> None:
    for subject, sources in ((negotiation(), {}), (joined(), {"2": picture("anna")})):
        before = snapshot(subject)
        try:
            text, agreement = subject.answer(offer, sources, ROOM)
        except (BadOffer, NoCommonCodec):
            assert before == snapshot(subject)
            continue
        assert len(sdp.parse(text).media) == agreement.sections == len(sdp.parse(offer).media)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_whatever_is_answered_is_accepted_or_refused(data: st.DataObject) -> None:
    subject = negotiation()
    lines = answer_to(subject.offer([ROOM, picture("anna")])).split("\r\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = data.draw(
        st.sampled_from(LINES) | st.text("0123456789a=:/ ", max_size=20).map(lambda end: lines[at][:9] + end)
    )
    before = snapshot(subject)
    try:
        subject.accept("\r\n".join(lines))
    except (BadOffer, NoCommonCodec):
        assert before == snapshot(subject)


# aiortc


@contextmanager
def aiortc_peer(part: str) -> Iterator[subprocess.Popen[str]]:
    """It ends itself after 30 s, so no line is waited for longer."""
    command = [sys.executable, str(Path(__file__).with_name("aiortc_peer.py")), part]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
            assert 0 == process.wait(30)
        finally:
            process.kill()


def told(process: subprocess.Popen[str]) -> Any:
    assert process.stdout
    return json.loads(process.stdout.readline())


def tell(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin
    process.stdin.write(json.dumps({"sdp": text}) + "\n")
    process.stdin.flush()


# Nobody listens at the discard port, where aiortc's checks then go.
NOWHERE = Local(LOCAL.fingerprint, (sdp.Candidate("127.0.0.1", 9, 2130706431, "1"),))


def test_aiortc_offers() -> None:
    subject = Negotiation(NOWHERE, itertools.count(1000).__next__)
    with aiortc_peer("offering") as process:
        text, agreement = subject.answer(told(process)["sdp"], {}, ROOM)
        assert ["0", "1"] == [section.mid for section in agreement.incoming]
        assert all(isinstance(section, Incoming) and section.ssrcs for section in agreement.incoming)
        tell(process, text)
        text, agreement = subject.answer(told(process)["sdp"], {"2": picture("anna")}, ROOM)
        assert ["0", "2"] == [section.mid for section in agreement.outgoing]
        tell(process, text)
        assert {"0": "sendrecv", "1": "sendonly", "2": "recvonly", "3": "inactive"} == told(process)["transceivers"]


def test_aiortc_answers() -> None:
    subject = Negotiation(NOWHERE, itertools.count(1000).__next__)
    with aiortc_peer("answering") as process:
        for sections in ([ROOM, picture("anna")], [ROOM, picture("bob"), picture("anna")]):
            tell(process, subject.offer(sections))
            agreement: Agreement = subject.accept(told(process)["sdp"])
            assert len(sections) == len(agreement.outgoing)
