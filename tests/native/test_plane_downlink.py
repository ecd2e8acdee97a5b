"""What a running plane learns of the way down to a receiver, and tells: its estimate, and what goes down now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from native import testing as native
from native.plane import AllocationsChanged, RateChanged
from sfu.wire import rtcp, rtp
from tests.native.caller import DELTA_FRAME, EXTENSIONS, FORMATS, KEY_FRAME, TWCC, Caller, Sent, Stage, paced

PICTURE, SOUND = 0x5151, 0x6161
TWCC_ID = next(number for number, uri in EXTENSIONS.items() if uri == TWCC)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


@pytest.fixture(autouse=True)
def empty(stage: Stage) -> Iterator[None]:
    yield
    stage.close_all()
    stage.settle()
    stage.events.clear()


def key_frame(width: int, height: int) -> bytes:
    return b"\x10\x10\x00\x00\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")


def number_of(packet: rtp.Packet) -> int | None:
    data = packet.extension(TWCC_ID)
    return None if data is None else rtp.twcc_sequence(data)


class Reporter:
    """What a browser does with transport-wide numbers."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.log = native.TwccLog()

    def take(self) -> None:
        """Note all that has come, and report when it is due."""
        now = time.monotonic_ns()
        for packet in self.caller.media:
            number = number_of(packet)
            if number is not None:
                self.log.arrived(number, now)
        self.caller.media.clear()
        if self.log.due(now):
            self.tell()

    def tell(self) -> None:
        while data := self.log.feedback(1100, 1, 2, time.monotonic_ns()):
            self.caller.send_control(*rtcp.parse_compound(data))


def stream(
    stage: Stage, sent: Sent, reporters: list[Reporter], rate_bps: float, seconds: float, until: Callable[[], bool]
) -> None:
    """A picture at that rate, 50 a second, until something is so; fails if it never is."""
    size = int(rate_bps / 50 / 8)
    for _ in paced(int(seconds * 50), 0.02, *(each.caller for each in reporters)):
        for at in range(0, size, 1100):
            sent.send(DELTA_FRAME + bytes(min(1100, size - at)))
        for each in reporters:
            each.take()
        stage.events += stage.plane.drain()
        if until():
            return
    raise AssertionError(f"it never was so: {stage.events}")


def rates(stage: Stage, caller: Caller) -> int:
    return sum(isinstance(event, RateChanged) and event.peer is caller.peer for event in stage.events)


# Numbers.


def test_sound_pictures_and_repairs_share_one_row_of_numbers(stage: Stage) -> None:
    talker, listener = stage.caller(owner=1), stage.caller(owner=2)
    camera, voice = talker.publish("video", 1), talker.publish("audio", 2)
    listener.subscribe(camera.publication, "video", PICTURE, PICTURE + 1)
    listener.subscribe(voice.publication, "audio", SOUND)
    got = []
    for _ in range(5):
        camera.send(KEY_FRAME)
        voice.send()
        got += listener.take(2)
    listener.send_control(rtcp.Nack(1, PICTURE, (next(each.sequence for each in got if each.ssrc == PICTURE),)))
    got += listener.take(1)
    assert {PICTURE, PICTURE + 1, SOUND} == {each.ssrc for each in got}
    assert list(range(11)) == [number_of(each) for each in got]


def test_a_section_that_reports_nothing_gets_no_numbers_and_leaves_no_gap(stage: Stage) -> None:
    talker, listener = stage.caller(owner=1), stage.caller(owner=2)
    camera, voice = talker.publish("video", 1), talker.publish("audio", 2)
    listener.subscribe(camera.publication, "video", PICTURE)
    silent = listener.peer.subscribe("audio", 48000, SOUND, None)
    silent.set_source(voice.publication, FORMATS["audio"], "s", "cname", numbered=False)
    got = []
    for _ in range(3):
        camera.send(KEY_FRAME)
        voice.send()
        got += listener.take(2)
    assert [0, None, 1, None, 2, None] == [number_of(each) for each in got]


def test_without_the_extension_there_are_no_numbers(stage: Stage) -> None:
    talker = stage.caller(owner=1)
    listener = stage.caller(owner=2, extensions={1: "urn:ietf:params:rtp-hdrext:sdes:mid"})
    camera = talker.publish("video", 1)
    listener.subscribe(camera.publication, "video", PICTURE)
    camera.send(KEY_FRAME)
    (got,) = listener.take(1)
    assert number_of(got) is None


# The estimate.


def test_the_estimate_is_told_once_a_second_when_it_has_changed(stage: Stage) -> None:
    talker, listener = stage.caller(owner=1), stage.caller(owner=2)
    camera = talker.publish("video", 1)
    listener.subscribe(camera.publication, "video", PICTURE)
    reporter = Reporter(listener)
    assert listener.peer.available_rate is None
    camera.send(KEY_FRAME)
    stream(stage, camera, [reporter], 0.5e6, 5, lambda: rates(stage, listener) == 1)
    first, told = time.monotonic(), listener.peer.available_rate
    assert told is not None and native.START_BPS <= told < 1.3 * native.START_BPS
    # What is acknowledged does pass, so a stream of 3 Mbit/s is known to.
    stream(stage, camera, [reporter], 3e6, 8, lambda: (listener.peer.available_rate or 0) > 2e6)
    assert time.monotonic() - first > 0.9 * (rates(stage, listener) - 1)
    assert (listener.peer.available_rate or 0) < 1.7 * 3e6


def test_a_lie_about_arrivals_is_counted_and_changes_nothing(stage: Stage) -> None:
    talker, listener = stage.caller(owner=1), stage.caller(owner=2)
    camera = talker.publish("video", 1)
    listener.subscribe(camera.publication, "video", PICTURE)
    camera.send(KEY_FRAME)
    listener.take(1)
    before = stage.plane.counters()
    never_sent = rtcp.TransportFeedback(1, 2, 1, 1000, 0, (0,))
    empty_run = rtcp.Other(rtcp.RTPFB, rtcp.FMT_TWCC, bytes(8) + b"\0\0\0\1\0\0\1\0\x20\0\0\0")
    for lie in (never_sent, empty_run):
        listener.send_control(lie)
    stage.until_counted("drop_rtcp_malformed", before["drop_rtcp_malformed"] + 2)
    arrived = rtcp.TransportFeedback(1, 2, 0, 1000, 0, (0,))
    for _ in range(2):
        listener.send_control(arrived)
    stage.until_counted("rtcp_ignored", before["rtcp_ignored"] + 1)  # the second says nothing new
    assert stage.plane.counters()["drop_rtcp_malformed"] == before["drop_rtcp_malformed"] + 2
    assert listener.peer.available_rate is None


# What goes down.


@pytest.mark.parametrize("workers", [1, 2])
def test_what_goes_down_is_told_with_its_rate_and_size_and_when_it_ends(workers: int) -> None:
    """On the publisher's worker, and on another that has it from there."""
    with Stage(workers) as stage:
        talker, listener = stage.caller(owner=1), stage.caller(owner=2, worker=workers - 1)
        camera = talker.publish("video", 1)
        seen = listener.subscribe(camera.publication, "video", PICTURE)
        reporters = [Reporter(talker), Reporter(listener)]
        assert seen.allocation() is None
        camera.send(key_frame(640, 360))
        stream(stage, camera, reporters, 0.4e6, 5, lambda: seen.allocation() is not None)
        assert AllocationsChanged(listener.peer) in stage.events
        key, rate, width, height = seen.allocation()
        assert (camera.publication.key, 640, 360) == (key, width, height)
        assert 0.3e6 < rate < 0.6e6
        camera.send(key_frame(320, 180))
        stream(stage, camera, reporters, 0.4e6, 3, lambda: seen.allocation()[2:] == (320, 180))
        stage.events.clear()
        stream(stage, camera, reporters, 1.6e6, 6, lambda: seen.allocation()[1] > 1.2e6)
        assert stage.events.count(AllocationsChanged(listener.peer)) <= 6
        # Nobody sends: the worker goes to sleep, but not before it has said so.
        stage.until(lambda: seen.allocation() is None, "the end of a picture is not told")


def test_what_changes_little_is_not_told_again(stage: Stage) -> None:
    talker, listener = stage.caller(owner=1), stage.caller(owner=2)
    camera = talker.publish("video", 1)
    seen = listener.subscribe(camera.publication, "video", PICTURE)
    camera.send(key_frame(640, 360))
    stream(stage, camera, [Reporter(listener)], 0.4e6, 5, lambda: seen.allocation() is not None)
    stage.events.clear()
    end = time.monotonic() + 2.5
    stream(stage, camera, [Reporter(listener)], 0.42e6, 4, lambda: time.monotonic() > end)
    assert AllocationsChanged(listener.peer) not in stage.events
