"""Pictures: a subscriber begins with a key frame, publishers are asked for one in measure, and sources may change."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sfu.wire import rtcp, rtp
from tests.native import caller
from tests.native.caller import (
    DELTA_FRAME,
    KEY_FRAME,
    Caller,
    Sent,
    Stage,
    paced,
    step,
    u16,
    u32,
    vp8,
)

STREAM = 0x7F000001


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


@pytest.fixture(autouse=True)
def empty(stage: Stage) -> Iterator[None]:
    yield
    stage.close_all()
    stage.settle()


class Watched:
    """A camera and somebody who looks at it."""

    def __init__(self, stage: Stage, **more: Any) -> None:
        self.talker, self.listener = stage.caller(owner=1, **more), stage.caller(owner=2, **more)
        self.sent = self.talker.publish("video", 0x1000)
        self.subscription = self.listener.subscribe(self.sent.publication, "video", STREAM)


def test_nothing_is_seen_before_a_key_frame(stage: Stage) -> None:
    call = Watched(stage)
    for _ in range(3):
        call.sent.send(DELTA_FRAME)
    call.sent.send(KEY_FRAME)
    call.sent.send(DELTA_FRAME)
    assert [got.payload for got in call.listener.take(2)] == [KEY_FRAME, DELTA_FRAME]


@pytest.mark.parametrize(
    "start",
    [b"\x67\x42\xe0\x1f", b"\x65\x88", b"\x78\x00\x04\x67\x42\xe0\x1f\x00\x01\x68", b"\x7c\x85\x88"],
    ids=["SPS", "IDR", "STAP-A", "FU-A"],
)
def test_h264_begins_with_a_key_frame_too(stage: Stage, start: bytes) -> None:
    call = Watched(stage)
    call.sent.send(b"\x61\x9a\x00", payload_type=caller.H264_PT)
    call.sent.send(start, payload_type=caller.H264_PT)
    (got,) = call.listener.take(1)
    assert (got.payload_type, got.payload) == (caller.H264_PT, start)


def requests(talker: Caller, sent: Sent, payload: bytes, seconds: float) -> list[float]:
    """When key frames were asked for, while `payload` flows at 100 packets a second."""
    times: list[float] = []
    for _ in paced(int(seconds * 100), 0.01, talker):
        sent.send(payload)
        times += [time.monotonic() for packet in talker.control if isinstance(packet, rtcp.Pli)]
        assert all(packet.media_ssrc == sent.ssrc for packet in talker.control if isinstance(packet, rtcp.Pli))
        talker.control.clear()
    return times


def test_a_key_frame_is_asked_for_at_once_and_then_each_half_second(stage: Stage) -> None:
    call = Watched(stage)
    begin = time.monotonic()
    times = requests(call.talker, call.sent, DELTA_FRAME, 1.3)
    assert len(times) == 3
    assert times[0] - begin < 0.3
    # Measured at the far end in steps of 10 ms.
    assert all(0.4 < later - earlier < 0.8 for earlier, later in itertools.pairwise(times))


def test_who_sees_a_picture_does_not_ask(stage: Stage) -> None:
    call = Watched(stage)
    call.sent.send(KEY_FRAME)
    call.listener.take(1)
    # The first request is for the subscription itself; with a key frame there, none follows.
    assert len(requests(call.talker, call.sent, DELTA_FRAME, 0.7)) <= 1


@pytest.mark.parametrize("packet", [rtcp.Pli(1, STREAM), rtcp.Fir(1, ((STREAM, 7),))], ids=["PLI", "FIR"])
def test_requests_of_subscribers_are_passed_on_in_measure(stage: Stage, packet: rtcp.Packet) -> None:
    call = Watched(stage)
    call.sent.send(KEY_FRAME)
    call.listener.take(1)
    times: list[float] = []
    begin = time.monotonic()
    for _ in paced(110, 0.01, call.talker):
        call.sent.send(DELTA_FRAME)
        call.listener.send_control(packet)
        times += [time.monotonic() for each in call.talker.control if isinstance(each, rtcp.Pli)]
        call.talker.control.clear()
    assert len(times) == 3
    assert times[0] - begin < 0.3
    assert all(0.4 < later - earlier < 0.8 for earlier, later in itertools.pairwise(times))


def test_requests_about_streams_that_one_has_not_are_ignored(stage: Stage) -> None:
    call = Watched(stage)
    call.sent.send(KEY_FRAME)
    call.listener.take(1)
    before = stage.plane.counters()
    call.listener.send_control(rtcp.Pli(1, 0xDEAD), rtcp.Fir(1, ((0x1000, 1),)), rtcp.Nack(1, 0xDEAD, (5,)))
    call.talker.send_control(rtcp.Pli(1, STREAM))  # the publisher's peer is not subscribed to it
    stage.until_counted("rtcp_received", before["rtcp_received"] + 2)
    assert stage.plane.counters()["keyframe_requests"] == before["keyframe_requests"]


def test_a_change_of_source_goes_on_in_one_stream(stage: Stage) -> None:
    """SSRC, sequence, time, VP8's picture id and TL0PICIDX: the receiver's decoder notices a key frame and no more."""
    listener = stage.caller(owner=9)
    cameras = [stage.caller(owner=i + 1).publish("video", 0x1000 + i) for i in range(2)]
    cameras[1].sequence, cameras[1].timestamp = 60_000, 0xFFFFFF00
    subscription = listener.subscribe(cameras[0].publication, "video", STREAM)
    got: list[rtp.Packet] = []
    for i in range(4):
        cameras[0].send(vp8(i == 0, 100 + i, 10 + i))
        got += listener.take(1)
    subscription.set_source(cameras[1].publication, caller.FORMATS["video"], "s", "")
    cameras[0].send(vp8(True, 104, 14))
    cameras[1].send(vp8(False, 5000, 200))  # not before a key frame
    for i in range(4):
        cameras[1].send(vp8(i == 0, 5001 + i, 201 + i))
        got += listener.take(1)
    subscription.set_source(cameras[0].publication, caller.FORMATS["video"], "s", "")
    cameras[0].send(vp8(True, 0x7FFF, 255))
    cameras[0].send(vp8(False, 0, 0))
    got += listener.take(2)
    assert {packet.ssrc for packet in got} == {STREAM}
    assert [step(packet.sequence, got[0].sequence) for packet in got] == list(range(10))
    times = [step(packet.timestamp, got[0].timestamp, 32) for packet in got]
    assert times == sorted(set(times)) and times[-1] < 90_000
    pictures = [int.from_bytes(packet.payload[2:4], "big") & 0x7FFF for packet in got]
    assert pictures == list(range(100, 110))
    assert [packet.payload[4] for packet in got] == list(range(10, 20))
    assert [packet.payload[5] & 1 == 0 for packet in got] == [i in (0, 4, 8) for i in range(10)]


def test_the_time_of_a_switch_is_the_time_that_passed(stage: Stage) -> None:
    listener = stage.caller(owner=9)
    first, second = (stage.caller(owner=i + 1).publish("audio", 0x1000 + i) for i in range(2))
    subscription = listener.subscribe(first.publication, "audio", STREAM)
    first.send()
    (before,) = listener.take(1)
    begin = time.monotonic()
    for _ in paced(1, 0.2, listener):
        pass
    subscription.set_source(second.publication, caller.FORMATS["audio"], "s", "")
    second.send()
    (after,) = listener.take(1)
    elapsed = time.monotonic() - begin
    assert step(after.sequence, before.sequence) == 1
    assert 0.19 <= step(after.timestamp, before.timestamp, 32) / 48000 <= elapsed + 0.05


def test_sound_changes_at_once(stage: Stage) -> None:
    listener = stage.caller(owner=9)
    voices = [stage.caller(owner=i + 1).publish("audio", 0x1000 + i) for i in range(2)]
    subscription = listener.subscribe(voices[0].publication, "audio", STREAM)
    for i in range(6):
        subscription.set_source(voices[i % 2].publication, caller.FORMATS["audio"], "s", "")
        voices[i % 2].send(b"voice %d" % i)
        assert listener.take(1)[0].payload == b"voice %d" % i


@pytest.mark.parametrize("kind", ["audio", "video"])
@pytest.mark.parametrize("change", ["ssrc", "sequence"])
def test_a_publisher_that_begins_anew_disturbs_nobody(stage: Stage, kind: str, change: str) -> None:
    """Another SSRC under the same mid, or numbers from elsewhere under the same SSRC (RFC 3550 A.1: two in a row)."""
    talker, listener = stage.caller(owner=1), stage.caller(owner=2)
    sent = talker.publish(kind, 0x1000, mid="one")
    listener.subscribe(sent.publication, kind, STREAM)
    mid = ((4, b"one"),)
    for _ in range(3):
        sent.send(KEY_FRAME, extensions=mid)
    got = listener.take(3)
    sent.sequence, sent.timestamp = u16(sent.sequence + 30_000), u32(sent.timestamp + 0x70000000)
    if change == "ssrc":
        sent.ssrc = 0x2000
    else:
        sent.send(KEY_FRAME, extensions=mid)  # alone it proves nothing
    for _ in range(3):
        sent.send(KEY_FRAME, extensions=mid)
    got += listener.take(3)
    assert {packet.ssrc for packet in got} == {STREAM}
    assert [step(packet.sequence, got[0].sequence) for packet in got] == list(range(6))
    times = [step(packet.timestamp, got[0].timestamp, 32) for packet in got]
    assert times == sorted(set(times)) and times[-1] < 90_000


def test_stragglers_of_an_old_ssrc_disturb_nobody(stage: Stage) -> None:
    """Reordered on the way, they come when the new stream flows: dropped, and no key frame is needed again."""
    call = Watched(stage)
    mid = ((4, b"0"),)
    call.sent.send(KEY_FRAME, extensions=mid)
    straggler = call.sent.packet(DELTA_FRAME + b"old", extensions=mid)
    call.sent.ssrc = 0x3000
    call.sent.send(KEY_FRAME, extensions=mid)
    before = stage.plane.counters()["drop_unknown_ssrc"]
    call.talker.send(straggler)
    call.sent.send(DELTA_FRAME + b"new", extensions=mid)
    got = call.listener.take(3)
    assert [packet.payload for packet in got] == [KEY_FRAME, KEY_FRAME, DELTA_FRAME + b"new"]
    assert stage.plane.counters()["drop_unknown_ssrc"] - before == 1


def test_mute_drops_and_goes_on_with_a_key_frame(stage: Stage) -> None:
    """Nothing that was sent while muted is ever passed on, nor asked for; numbers go on without a gap."""
    call = Watched(stage)
    call.sent.send(KEY_FRAME + b"before")
    (before,) = call.listener.take(1)
    muted = stage.plane.counters()["drop_muted"]
    nacks = stage.plane.counters()["nacks_sent"]
    call.sent.publication.cut(True)
    for _ in range(5):
        call.sent.send(KEY_FRAME + b"secret")
    stage.until_counted("drop_muted", muted + 5)
    call.sent.publication.cut(False)
    call.sent.send(DELTA_FRAME + b"of what was muted")
    call.sent.send(KEY_FRAME + b"after")
    (after,) = call.listener.take(1)
    assert after.payload == KEY_FRAME + b"after"
    assert step(after.sequence, before.sequence) == 1
    for _ in paced(12, 0.01, call.talker):
        call.sent.send(DELTA_FRAME)
    assert stage.plane.counters()["nacks_sent"] == nacks
