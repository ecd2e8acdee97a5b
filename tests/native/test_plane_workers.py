"""A publisher on one worker, its subscribers on another; and everything closed in every order while packets flow."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sfu.wire import rtcp
from tests.native import caller
from tests.native.caller import DELTA_FRAME, KEY_FRAME, Stage, paced, step, u16, vp8

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


class Across:
    """A camera on worker 0, one who looks on each worker."""

    def __init__(self, stage: Stage) -> None:
        self.talker = stage.caller(owner=1, worker=0)
        self.near, self.far = stage.caller(owner=2, worker=0), stage.caller(owner=3, worker=1)
        self.sent = self.talker.publish("video", 0x1000)
        self.near_subscription = self.near.subscribe(self.sent.publication, "video", STREAM, STREAM_RTX)
        self.far_subscription = self.far.subscribe(self.sent.publication, "video", STREAM, STREAM_RTX)


def test_pictures_cross(stage: Stage) -> None:
    call = Across(stage)
    call.sent.send(DELTA_FRAME)
    for i in range(300):
        call.sent.send(vp8(i == 0, i, i, bytes(800)), marker=bool(i % 2), extensions=((13, bytes([i % 4])),))
        for each in (call.near, call.far):
            (got,) = each.take(1)
            assert got.payload == vp8(i == 0, i, i, bytes(800))
            assert got.marker == bool(i % 2) and got.extension(13) == bytes([i % 4])


def test_key_frames_are_asked_for_across(stage: Stage) -> None:
    talker, far = stage.caller(owner=1, worker=0), stage.caller(owner=2, worker=1)
    sent = talker.publish("video", 0x1000)
    sent.send(KEY_FRAME)
    stage.until(lambda: sent.publication.report()["packets"] == 1, "nothing arrived")
    begin = time.monotonic()
    far.subscribe(sent.publication, "video", STREAM)
    talker.take_control(rtcp.Pli)
    assert time.monotonic() - begin < 0.3
    times = [time.monotonic()]
    for _ in paced(120, 0.01, talker):
        sent.send(DELTA_FRAME)
        far.send_control(rtcp.Pli(1, STREAM))
        times += [time.monotonic() for each in talker.control if isinstance(each, rtcp.Pli)]
        talker.control.clear()
    assert len(times) == 3
    assert all(0.4 < later - earlier < 0.8 for earlier, later in itertools.pairwise(times))
    sent.send(KEY_FRAME + b"there")
    assert far.take(1)[0].payload == KEY_FRAME + b"there"


def test_what_is_missing_there_is_answered_there(stage: Stage) -> None:
    call = Across(stage)
    got = []
    for i in range(5):
        call.sent.send(KEY_FRAME + bytes([i]) * 100)
        got += call.far.take(1)
    call.far.send_control(rtcp.Nack(1, STREAM, (got[2].sequence,)))
    (again,) = call.far.take(1)
    assert (again.ssrc, again.payload_type) == (STREAM_RTX, caller.VP8_RTX_PT)
    assert again.payload == got[2].sequence.to_bytes(2, "big") + got[2].payload


def test_a_new_source_is_one_across_too(stage: Stage) -> None:
    call = Across(stage)
    got = []
    for i in range(6):
        if i == 3:
            call.sent.sequence = u16(call.sent.sequence + 20_000)
            call.sent.send(KEY_FRAME)
        call.sent.send(KEY_FRAME + bytes([i]))
        got += call.far.take(1)
    assert [step(packet.sequence, got[0].sequence) for packet in got] == list(range(6))


def test_reports_are_on_one_clock_across(stage: Stage) -> None:
    """The publisher's sender report sets the clock on the other worker too: what it says, plus the delay of the way."""
    call = Across(stage)
    now = 0.0
    begin = time.monotonic()
    for i in paced(150, 0.01, call.near, call.far):
        now = time.monotonic() - begin
        call.sent.timestamp = int(now * 90000)
        call.sent.send(KEY_FRAME)
        if i % 10 == 0:
            # Its media are 200 ms late; by their arrival alone one would not know.
            now = time.monotonic() - begin
            report = rtcp.SenderReport(0x1000, int((5000 + now) * (1 << 32)), int((now + 0.2) * 90000), 0, 0)
            call.talker.send_control(report)
        if now > 0.3 and call.near.control and call.far.control:
            break
        if now <= 0.3:
            call.near.control.clear()
            call.far.control.clear()
    moments = []
    for each in (call.near, call.far):
        heard = each.take_control(rtcp.SenderReport)
        last = each.media[-1]
        moments.append(heard.ntp / (1 << 32) + step(last.timestamp, heard.rtp_timestamp, 32) / 90000)
    assert abs(moments[0] - moments[1]) < 0.02
    # The newest packet counts as captured 200 ms ago (and a busy machine reads it late), not as just arrived.
    assert 0.1 < moments[0] * -1 + time.time() + 2208988800 < 1.0


def test_subscribers_come_and_go_across(stage: Stage) -> None:
    """The mirror is there while somebody needs it, and a later one starts like the first."""
    call = Across(stage)
    other = stage.caller(owner=4, worker=1)
    for i in range(6):
        call.sent.send(KEY_FRAME + b"%d" % i)
        assert call.far.take(1)[0].payload == KEY_FRAME + b"%d" % i
        call.far_subscription.set_source(None, {}, "", "")
        subscription = other.subscribe(call.sent.publication, "video", STREAM + i)
        call.sent.send(KEY_FRAME + b"other")
        assert other.take(1)[0].payload == KEY_FRAME + b"other"
        subscription.close()
        call.far_subscription.set_source(call.sent.publication, caller.FORMATS["video"], "s", "")
    assert other.media == []


THINGS = ("talker", "near", "far", "picture", "sound", "seen", "heard", "bus")


@pytest.mark.parametrize("first", THINGS)
def test_everything_closes_in_every_order(stage: Stage, first: str) -> None:
    """A sample of the orders, with packets in flight before and after each step; nothing leaks, nobody else suffers."""
    rest = [each for each in THINGS if each != first]
    for order in list(itertools.permutations(rest))[::577]:
        close_in_order(stage, (first, *order))
        stage.close_all()
        stage.settle()


def close_in_order(stage: Stage, order: tuple[str, ...]) -> None:
    bystander = caller.Call(stage, worker=1)
    bystander.goes_on()
    talker, near, far = (stage.caller(owner=i + 1, worker=i // 2) for i in range(3))
    bus = stage.bus()
    picture, sound = talker.publish("video", 0x1000), talker.publish("audio", 0x2000)
    sound.publication.set_bus(bus)
    seen = [each.subscribe(picture.publication, "video", STREAM) for each in (near, far)]
    heard = [each.subscribe(bus, "audio", STREAM + 1) for each in (near, far)]
    closing = {
        "talker": [talker.peer],
        "near": [near.peer],
        "far": [far.peer],
        "picture": [picture.publication],
        "sound": [sound.publication],
        "seen": seen,
        "heard": heard,
        "bus": [bus],
    }
    for name in order:
        for i in range(8):
            picture.send(vp8(i == 0, i, i))
            sound.speak(30, b"x")
        for each in closing[name]:
            each.close()
            each.close()
        bystander.goes_on()


def test_slabs_come_home(stage: Stage) -> None:
    """What the other worker dropped last can be used again: many times the pool's size goes through."""
    with Stage(workers=2, slab_bytes=0) as tiny:
        slabs = tiny.plane.gauges()["slabs"] // 2
        for turn in range(6):
            call = Across(tiny)
            for i in range(slabs - 4):
                call.sent.send(KEY_FRAME + b"%d %d" % (turn, i))
                assert call.far.take(1)[0].payload == KEY_FRAME + b"%d %d" % (turn, i)
            tiny.close_all()
            tiny.settle()
        assert tiny.plane.counters()["drop_pool_full"] == 0


def test_any_order_of_any_commands(stage: Stage) -> None:
    """A thousand seeded steps of opening, routing and closing, packets in between; at the end everything is back."""
    rng = random.Random(7)
    people: list[caller.Caller] = []
    streams: list[caller.Sent] = []
    subscriptions: list[Any] = []
    buses = [stage.bus() for _ in range(2)]
    for turn in range(1000):
        what = rng.random()
        if what < 0.1 and len(people) < 12:
            people.append(stage.caller(owner=rng.randrange(1, 6), worker=rng.randrange(2)))
        elif what < 0.2 and people:
            one = rng.choice(people)
            if len([each for each in streams if each.caller is one]) < 8:
                streams.append(one.publish(rng.choice(["audio", "video"]), 1000 + turn))
        elif what < 0.3 and people and streams:
            source = rng.choice(streams)
            subscription = rng.choice(people).subscribe(source.publication, source.publication.kind, 50_000 + turn)
            subscriptions.append(subscription)
        elif what < 0.4 and people:
            subscriptions.append(rng.choice(people).subscribe(rng.choice(buses), "audio", 50_000 + turn))
        elif what < 0.5 and streams:
            source = rng.choice(streams)
            if source.publication.kind == "audio":
                source.publication.set_bus(rng.choice([*buses, None]))
        elif what < 0.55 and streams:
            closing = streams.pop(rng.randrange(len(streams)))
            closing.publication.close()
            closing.caller.sections = [s for s in closing.caller.sections if s[1] is not closing.publication]
            if rng.random() < 0.5:
                closing.caller.peer.configure(caller.EXTENSIONS, closing.caller.sections, False)
        elif what < 0.6 and subscriptions:
            subscriptions.pop(rng.randrange(len(subscriptions))).close()
        elif what < 0.63 and len(people) > 3:
            one = people.pop(rng.randrange(len(people)))
            streams = [each for each in streams if each.caller is not one]
            stage.callers.remove(one)
            one.close()
        elif streams:
            source = rng.choice(streams)
            source.speak(rng.randrange(127), KEY_FRAME)
        if turn % 50 == 0:
            stage.events += stage.plane.drain()
