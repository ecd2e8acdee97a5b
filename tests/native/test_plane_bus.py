"""A room's audio: everyone hears the loudest other, on one or two workers.

Levels are RFC 6464's (-dBov): TALK is speech, SILENCE nothing. The rules of who is loudest are tested with the
unit (test_speaker.py); here it is who gets which packets.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from sfu.wire import rtp
from tests.native import caller
from tests.native.caller import Stage, paced, step
from tests.native.company import STREAM, TALK, Member, Room


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with Stage(workers=getattr(request, "param", 1)) as made:
        yield made


one_or_two_workers = pytest.mark.parametrize("stage", [1, 2], ids=["one worker", "two workers"], indirect=True)


@pytest.fixture(autouse=True)
def empty(stage: Stage) -> Iterator[None]:
    yield
    stage.close_all()
    stage.settle()
    stage.events.clear()


def gapless(packets: list[rtp.Packet]) -> bool:
    """One stream: a number each packet, time that only goes forward, and not by more than has passed."""
    numbers = [step(packet.sequence, packets[0].sequence) for packet in packets]
    times = [step(packet.timestamp, packets[0].timestamp, 32) for packet in packets]
    return (
        {packet.ssrc for packet in packets} == {STREAM}
        and numbers == list(range(len(packets)))
        and times == sorted(set(times))
        and all(later - earlier < 48000 // 4 for earlier, later in itertools.pairwise(times))
    )


def test_of_three_each_hears_the_loudest_other(stage: Stage) -> None:
    room = Room(stage, "anna", "ben", "cleo")
    room.play(0.8, ben=TALK)
    room.forget()
    room.play(0.2, ben=TALK)
    assert room["anna"].voices == room["cleo"].voices == ["ben"]
    assert len(room["ben"].voices) == 1 and "ben" not in room["ben"].voices


@one_or_two_workers
def test_another_speaks_up_and_the_stream_goes_on(stage: Stage) -> None:
    room = Room(stage, "anna", "ben", "cleo")
    room.play(0.8, ben=TALK)
    room.forget()
    room.play(0.3, ben=TALK)
    room.play(1.6, cleo=TALK)
    room.play(0.3)  # silence keeps the last
    assert room["anna"].voices == ["ben", "cleo"]
    assert room["ben"].voices[-1] == "cleo"
    assert room["cleo"].voices[-1] == "ben"
    for member in room.members.values():
        assert member.name not in member.voices
        assert gapless(member.heard)
        assert len(member.heard) >= 100  # a packet each 20 ms, from whomever


def test_of_two_each_always_hears_the_other(stage: Stage) -> None:
    room = Room(stage, "anna", "ben")
    room.play(0.1)
    room.forget()
    room.play(0.2)
    room.play(0.4, anna=TALK)
    room.play(0.4, ben=TALK)
    room.play(0.2)
    assert room["anna"].voices == ["ben"] and room["ben"].voices == ["anna"]
    for member in room.members.values():
        assert len(member.heard) == 60
        assert gapless(member.heard)


@one_or_two_workers
def test_nobody_hears_itself_on_another_connection(stage: Stage) -> None:
    """A member with two peers of one owner: what it sends on one does not come down the other."""
    room = Room(stage, "anna", "ben")
    second = stage.caller(owner=10, worker=len(stage.threads) - 1)
    second.subscribe(room.bus, "audio", STREAM)
    room.play(0.2)
    second.media.clear()
    room.play(0.4, anna=TALK)
    second.wait(0.1)
    assert second.media and {packet.payload.split()[0] for packet in second.media} == {b"ben"}


@one_or_two_workers
@pytest.mark.parametrize("who", ["ben", "cleo"])
def test_a_member_leaves_and_the_rest_go_on(stage: Stage, who: str) -> None:
    """Whether it was the loudest or the one whom the loudest hears, its place is taken by the next who sends."""
    room = Room(stage, "anna", "ben", "cleo", "dora")
    room.play(0.6, ben=TALK)
    room.play(1.0, ben=TALK, cleo=TALK)
    room.leave(who)
    room.play(0.1, ben=TALK, cleo=TALK)
    room.forget()
    room.play(0.3, ben=TALK, cleo=TALK)
    left = "cleo" if who == "ben" else "ben"
    assert room["anna"].voices == room["dora"].voices == [left]
    assert room[left].voices and left not in room[left].voices
    for member in room.members.values():
        assert gapless(member.heard)


@one_or_two_workers
def test_a_member_comes_back_on_another_connection(stage: Stage) -> None:
    """Takeover: the new peer is there before the old one goes, and the others hear it at once."""
    room = Room(stage, "anna", "ben")
    room.play(0.3, anna=TALK)
    old = room["anna"]
    new = Member(room, "anna", 10)
    room.members["anna"] = new
    stage.callers.remove(old.caller)
    old.caller.close()
    room.play(0.3)
    room.forget()
    room.play(0.2, anna=TALK)
    assert room["ben"].voices == ["anna"] and gapless(room["ben"].heard)
    assert room["anna"].voices == ["ben"] and gapless(room["anna"].heard)


@one_or_two_workers
def test_a_cut_member_is_not_heard(stage: Stage) -> None:
    """By nobody, from that moment on; the places that it leaves are others', and it comes back like anybody."""
    room = Room(stage, "anna", "ben", "cleo")
    room.play(0.4, anna=TALK)
    assert room["ben"].voices[-1] == room["cleo"].voices[-1] == "anna"
    room["anna"].sent.publication.cut(True)
    before = {member.name: member.heard[-1] for member in room.members.values()}
    room.forget()
    room.play(0.3, anna=TALK)
    assert "anna" not in room["ben"].voices + room["cleo"].voices
    assert room["ben"].voices == ["cleo"] and room["cleo"].voices == ["ben"]
    assert len(room["anna"].heard) >= 14  # she goes on hearing the others
    room["anna"].sent.publication.cut(False)
    room.play(0.4, anna=TALK)
    assert room["ben"].voices == ["cleo", "anna"] and room["cleo"].voices == ["ben", "anna"]
    for member in room.members.values():
        assert gapless([before[member.name], *member.heard])


def test_senders_without_levels_are_heard(stage: Stage) -> None:
    room = Room(stage, "anna", "ben")
    for i in paced(10, 0.02, room["ben"].caller):
        room["anna"].sent.send(b"anna %d" % i)
    room["ben"].caller.wait(0.1)
    assert len(room["ben"].caller.media) == 10


@one_or_two_workers
def test_a_room_is_left_for_another(stage: Stage) -> None:
    room, other = Room(stage, "anna", "ben"), Room(stage, "cleo")
    room.play(0.1)
    listener = room["ben"].caller
    room["ben"].subscription.set_source(other.bus, caller.FORMATS["audio"], "s", "")
    room["anna"].sent.publication.set_bus(other.bus)
    room.forget()
    room.play(0.1)
    other.play(0.1)
    listener.wait(0.05)
    room["ben"].heard += listener.media
    assert room["ben"].voices and set(room["ben"].voices) <= {"anna", "cleo"}
    assert room["anna"].voices == ["ben"]  # it still listens there
