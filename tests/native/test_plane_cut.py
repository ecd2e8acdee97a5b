"""An administrator's mute of a picture: it really stops, for everyone and by every way, and goes on without a seam.

Of sound: test_plane_bus.py, and what is told of it test_plane_levels.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sfu.wire import rtcp, rtp
from tests.native import caller
from tests.native.caller import DELTA_FRAME, KEY_FRAME, Caller, Stage, paced, step, u16, vp8

STREAM, STREAM_RTX = 0x5151, 0x5252


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(workers=2) as made:
        yield made


@pytest.fixture(autouse=True)
def empty(stage: Stage) -> Iterator[None]:
    yield
    stage.close_all()
    stage.settle()


class Watched:
    """A camera on worker 0 and who looks at it: near on that worker, far on the other."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.talker = stage.caller(owner=1, worker=0)
        self.sent = self.talker.publish("video", 0x1000, rtx_ssrc=0x1001)
        self.watchers = [stage.caller(owner=2 + n, worker=n) for n in range(2)]
        for each in self.watchers:
            each.subscribe(self.sent.publication, "video", STREAM, STREAM_RTX)
        self.pictures = 0

    def show(self, key: bool = False) -> list[rtp.Packet]:
        """A picture, as each of those who look gets it."""
        self.drop(key)
        got = [each.take(1)[0] for each in self.watchers]
        assert all(each.payload[6:] == b"%d" % self.pictures for each in got)
        return got

    def drop(self, key: bool = False) -> None:
        """A picture."""
        self.pictures += 1
        self.sent.send(vp8(key, self.pictures, self.pictures, b"%d" % self.pictures))

    def cut(self) -> None:
        """What was sent before this arrives no more, nor what is sent after it."""
        muted = self.stage.plane.counters()["drop_muted"]
        self.sent.publication.cut(True)
        self.drop(key=True)
        self.stage.until_counted("drop_muted", muted + 1)


def nothing_came(call: Watched) -> None:
    """Proved by what comes to each after it."""
    for n, each in enumerate(call.watchers):
        sound = call.talker.publish("audio", 0x2000 + n)
        each.subscribe(sound.publication, "audio", STREAM + 1 + n)
        sound.send(b"proof")
        assert each.take(1)[0].payload == b"proof"
        assert each.media == []


def test_a_cut_picture_stops_and_goes_on_without_a_seam(stage: Stage) -> None:
    call = Watched(stage)
    call.show(key=True)
    before = call.show()
    call.cut()
    for i in range(5):
        call.drop(key=i == 2)
    nothing_came(call)
    call.sent.publication.cut(False)
    call.drop()  # of what nobody has seen
    after = call.show(key=True)
    last = call.show()
    for was, now, then in zip(before, after, last, strict=True):
        assert step(now.sequence, was.sequence) == 1 and step(then.sequence, now.sequence) == 1
        assert 0 < step(now.timestamp, was.timestamp, 32) < 90_000 * 10
        assert now.payload[5] & 1 == 0  # a key frame
        assert int.from_bytes(now.payload[2:4], "big") - int.from_bytes(was.payload[2:4], "big") == 1


def test_what_came_before_a_cut_is_not_sent_again(stage: Stage) -> None:
    call = Watched(stage)
    call.show(key=True)
    numbers = [each.sequence for each in call.show()]
    for each, number in zip(call.watchers, numbers, strict=True):
        each.send_control(rtcp.Nack(1, STREAM, (number,)))
        assert each.take(1)[0].ssrc == STREAM_RTX
    call.cut()
    unknown = stage.plane.counters()["drop_rtx_unknown"]
    for each, number in zip(call.watchers, numbers, strict=True):
        each.send_control(rtcp.Nack(1, STREAM, (u16(number - 1),)))
    stage.until_counted("drop_rtx_unknown", unknown + 2)
    nothing_came(call)


def test_a_repair_during_a_cut_is_not_passed_on(stage: Stage) -> None:
    call = Watched(stage)
    call.show(key=True)
    missing = call.sent.packet(vp8(True, 9, 9))
    call.show()
    call.cut()
    muted = stage.plane.counters()["drop_muted"]
    call.talker.send(
        rtp.Packet(
            payload_type=caller.VP8_RTX_PT,
            sequence=1,
            timestamp=missing.timestamp,
            ssrc=0x1001,
            payload=missing.sequence.to_bytes(2, "big") + missing.payload,
        )
    )
    stage.until_counted("drop_muted", muted + 1)
    nothing_came(call)


def requests(talker: Caller) -> int:
    talker.wait(0)
    found = sum(isinstance(packet, rtcp.Pli) for packet in talker.control)
    talker.control.clear()
    return found


def test_nobody_is_asked_for_key_frames_of_a_cut_picture(stage: Stage) -> None:
    """And once it is cut no longer, at once: also if nothing was sent meanwhile, and whoever wants one wanted it then."""
    call = Watched(stage)
    call.show(key=True)
    call.cut()
    for _ in paced(30, 0.02, call.talker):  # longer than a request waits
        call.drop()
        for each in call.watchers:
            each.send_control(rtcp.Pli(1, STREAM))
    requests(call.talker)
    for _ in paced(30, 0.02, call.talker):
        for each in call.watchers:
            each.send_control(rtcp.Pli(1, STREAM))
    assert requests(call.talker) == 0
    begin = time.monotonic()
    call.sent.publication.cut(False)
    call.talker.take_control(rtcp.Pli)
    assert time.monotonic() - begin < 0.3


def test_only_a_change_is_one(stage: Stage) -> None:
    call = Watched(stage)
    call.show(key=True)
    for _ in paced(30, 0.02, call.talker):
        call.show()
    requests(call.talker)
    for _ in paced(10, 0.02, call.talker):
        call.sent.publication.cut(False)
        call.show()
    assert requests(call.talker) == 0
    call.cut()
    call.sent.publication.cut(True)
    call.sent.publication.cut(False)
    call.show(key=True)


def test_somebody_who_comes_to_a_cut_picture_sees_it_when_it_goes_on(stage: Stage) -> None:
    """From another worker too, which had nobody who looked."""
    talker = stage.caller(owner=1, worker=0)
    sent = talker.publish("video", 0x1000)
    sent.send(KEY_FRAME)
    stage.until(lambda: sent.publication.report()["packets"] == 1, "nothing arrived")
    sent.publication.cut(True)
    watchers = [stage.caller(owner=2 + n, worker=n) for n in range(2)]
    for each in watchers:
        each.subscribe(sent.publication, "video", STREAM)
    muted = stage.plane.counters()["drop_muted"]
    sent.send(KEY_FRAME)
    stage.until_counted("drop_muted", muted + 1)
    sent.publication.cut(False)
    sent.send(DELTA_FRAME)
    sent.send(KEY_FRAME + b"seen")
    assert [each.take(1)[0].payload for each in watchers] == [KEY_FRAME + b"seen"] * 2


def test_a_key_frame_is_asked_for_by_name(stage: Stage) -> None:
    """`request_key`: now, and then again no sooner than any other request."""
    call = Watched(stage)
    call.show(key=True)
    for _ in paced(30, 0.02, call.talker):
        call.show()
    requests(call.talker)
    begin = time.monotonic()
    for _ in range(5):
        call.sent.publication.request_key()
    call.talker.take_control(rtcp.Pli)
    assert time.monotonic() - begin < 0.3
    for _ in paced(20, 0.02, call.talker):
        call.show()
    assert requests(call.talker) == 0
    call.sent.publication.close()
    call.sent.publication.request_key()
    call.sent.publication.cut(True)
