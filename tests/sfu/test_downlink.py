"""What a member's listener is told of its way down: what it carries, and whose pictures go down it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import trio

from native import testing as native
from sfu import VideoAllocation
from sfu.wire import rtcp, rtp
from tests.native.caller import DELTA_FRAME, EXTENSIONS, TWCC
from tests.sfu.members import Member, Play, playing

TWCC_ID = next(number for number, uri in EXTENSIONS.items() if uri == TWCC)
PATIENCE_S = 8.0


@pytest.fixture
async def play() -> AsyncIterator[Play]:
    async with playing() as made:
        yield made


def show_key(member: Member, width: int, height: int) -> None:
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    member.camera.send(b"\x10\x10\x00\x00\x9d\x01\x2a" + size, marker=True)


async def until(true: Callable[[], bool], *filming: Member, reporter: Member | None = None) -> None:
    """Film at 0.4 Mbit/s until something is so; the reporter tells when its packets came."""
    log = native.TwccLog()
    with trio.move_on_after(PATIENCE_S):
        while not true():
            for member in filming:
                member.camera.send(DELTA_FRAME + bytes(1000), marker=True)
            await trio.sleep(0.02)
            if reporter is not None:
                report(reporter, log)
        return
    raise AssertionError("it never was so")


def report(reporter: Member, log: native.TwccLog) -> None:
    for arrival in reporter.caller.media:
        number = arrival.packet.extension(TWCC_ID)
        assert number is not None
        log.arrived(rtp.twcc_sequence(number), int(arrival.at * 1e9))
    reporter.caller.media.clear()
    while packet := log.feedback(1100, 1, 2, int(trio.current_time() * 1e9)):
        (feedback,) = rtcp.parse_compound(packet)
        assert isinstance(feedback, rtcp.TransportFeedback)
        reporter.caller.send_control(feedback)


async def test_whose_pictures_go_down_and_how_large_they_are(play: Play) -> None:
    anna, bob = await play.join("anna", picture=True), await play.join("bob", picture=True)
    viewer = await play.join("viewer")
    told = viewer.ear.allocations
    first, second = viewer.watch("anna", "bob")
    show_key(anna, 640, 360)
    show_key(bob, 320, 180)
    await until(lambda: bool(told) and set(told[-1][1]) == {"anna", "bob"}, anna, bob)
    for name, ssrc, size in (("anna", first, (640, 360)), ("bob", second, (320, 180))):
        allocation = told[-1][1][name]
        assert (ssrc, None, *size) == (allocation.ssrc, allocation.rid, allocation.width, allocation.height)
        assert 0.2e6 < allocation.rate_bps < 0.6e6
    assert [] == anna.ear.allocations == bob.ear.allocations

    viewer.watch("bob", "anna")
    show_key(anna, 640, 360)
    show_key(bob, 320, 180)
    await until(
        lambda: {name: each.ssrc for name, each in told[-1][1].items()} == {"anna": second, "bob": first}, anna, bob
    )
    bob.peer.close()
    await until(lambda: set(told[-1][1]) == {"anna"}, anna)
    before = len(told)
    await until(lambda: told[-1][1] == {})
    assert len(told) <= before + 2, "as it fades, and as it ends"
    times = [at for at, _ in told]
    assert all(later - earlier > 0.9 for earlier, later in zip(times, times[1:], strict=False))


async def test_a_picture_whose_size_nobody_knows(play: Play) -> None:
    anna, viewer = await play.join("anna", picture=True), await play.join("viewer")
    (ssrc,) = viewer.watch("anna")
    anna.camera.show(b"a key frame whose header is none", key=True)
    await until(lambda: bool(viewer.ear.allocations), anna)
    allocation = viewer.ear.allocations[0][1]["anna"]
    assert VideoAllocation(ssrc, None, allocation.rate_bps, None, None) == allocation


async def test_what_the_way_down_carries(play: Play) -> None:
    anna, viewer = await play.join("anna", picture=True), await play.join("viewer")
    viewer.watch("anna")
    show_key(anna, 640, 360)
    await until(lambda: bool(viewer.ear.rates), anna, reporter=viewer)
    assert native.START_BPS <= viewer.ear.rates[0][1] < 2 * native.START_BPS
    assert [] == anna.ear.rates, "who reports nothing has no estimate"


async def test_a_room_in_which_nothing_flows_is_told_nothing(play: Play) -> None:
    anna, viewer = await play.join("anna", picture=True), await play.join("viewer")
    viewer.watch("anna")
    await trio.sleep(0.3)
    before = play.engine.counters()["notices"]
    await trio.sleep(1.2)
    assert before == play.engine.counters()["notices"]
    assert [] == viewer.ear.rates == viewer.ear.allocations == anna.ear.allocations
