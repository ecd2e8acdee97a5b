"""aiortc members against the whole server: sound and picture, words, and what a member survives."""

import os
import signal
from pathlib import Path

import pytest
import trio

from tests.e2e.conftest import Start
from tests.e2e.room import Media, Refusal, aiortc_process, join
from tests.e2e.scene import ANN, BOB, EVE, scene


async def test_two_publish_and_a_third_hears_and_sees_them(serve: Start, tmp_path: Path) -> None:
    async with scene(serve, tmp_path) as on:
        ann, bob, eve = await on.join(ANN), await on.join(BOB), await on.join(EVE)
        assert [each["id"] for each in eve.joined["members"]] == ["ann", "bob"]
        await ann.socket.told("member_join_room", id="eve")
        # One after the other: of two first video sections in one offer, aiortc never takes the second into the bundle.
        (first,) = await eve.watch("ann")
        await eve.sees(first, ann.media)
        assert first == (await eve.watch("ann", "bob"))[0]
        (_, second) = eve.views
        await eve.sees(first, ann.media)
        await eve.sees(second, bob.media)

        # One talks at a time: its tone is everybody else's sound, never its own.
        await bob.media.speak(False)
        await eve.media.speak(False)
        await eve.hears(ann.media, [bob.media, eve.media])
        await bob.hears(ann.media, [bob.media, eve.media])
        await ann.media.speak(False)
        await bob.media.speak(True)
        await eve.hears(bob.media, [ann.media, eve.media])
        await ann.hears(bob.media, [ann.media, eve.media])
        await eve.socket.told("room_active_speaker", member="bob")

        # The other way round on the same sections.
        assert [first, second] == await eve.watch("bob", "ann")
        await eve.sees(first, bob.media)
        await eve.sees(second, ann.media)


async def test_what_members_are_told_of_each_other(serve: Start, tmp_path: Path) -> None:
    async with scene(serve, tmp_path) as on:
        ann, bob = await on.join(ANN), await on.join(BOB)
        await bob.socket.tell("mute_audio")
        await ann.socket.told("member_mute_audio", member="bob", by_admin=False)
        await bob.socket.tell("unmute_audio")
        await ann.socket.told("member_unmute_audio", member="bob", by_admin=False)
        (mid,) = await ann.watch("bob")
        await ann.sees(mid, bob.media)
        with pytest.raises(Refusal) as refused:
            await ann.socket.ask("subscribe_room", sdp="v=0", auth_token=ann.token, members=[])
        assert 400 == refused.value.code
        await ann.sees(mid, bob.media)
        await bob.socket.tell("leave_room")
        await ann.socket.told("member_leave_room", member="bob", by_admin=False)
        assert ["ann"] == [each["id"] for each in await ann.socket.ask("get_room_members")]


async def test_a_member_whose_socket_drops_comes_back_by_its_token(serve: Start, tmp_path: Path) -> None:
    """Within the grace nobody is told of a leave, and its watchers go on watching."""
    async with scene(serve, tmp_path) as on:
        ann, bob = await on.join(ANN), await on.join(BOB)
        (mid,) = await bob.watch("ann")
        await bob.sees(mid, ann.media)
        await ann.socket.connection.aclose()
        await bob.sees(mid, ann.media)
        again = await join(await on.socket(), Media(on.child, "ann", 440.0, 120, (176, 144)), on.room, ann.token)
        await bob.sees(mid, again.media)
        (back,) = await again.watch("bob")
        await again.sees(back, bob.media)
        assert [] == [each for each in bob.socket.notifications if each["method"] == "member_leave_room"]
        assert ["ann", "bob"] == sorted(each["id"] for each in await bob.socket.ask("get_room_members"))


async def test_who_closes_its_connection_has_left_after_the_grace(serve: Start, tmp_path: Path) -> None:
    async with scene(serve, tmp_path, ATRIUM_ROOM_API_SOCKET_GRACE_S="0.3") as on:
        ann, bob = await on.join(ANN), await on.join(BOB)
        (mid,) = await bob.watch("ann")
        await bob.sees(mid, ann.media)
        await ann.media.ask("close")
        await bob.socket.told("member_leave_room", member="ann")


async def test_consent_is_kept_by_checks_and_lost_with_them(serve: Start, tmp_path: Path) -> None:
    """A process that stands still asks for nothing, and says nothing either."""
    settings = {"ATRIUM_MEDIA_CONSENT_TIMEOUT_S": "1.2", "ATRIUM_ROOM_API_SOCKET_GRACE_S": "0.3"}
    async with scene(serve, tmp_path, **settings) as on, aiortc_process(tmp_path / "other.log", 0.3) as other:
        ann = await on.join(ANN)
        bob = await join(await on.socket(), Media(other, *BOB), on.room)
        (mid,) = await ann.watch("bob")
        for _ in range(2):
            await ann.sees(mid, bob.media, more=20)  # more than the timeout's worth of pictures
        os.kill(other.pid, signal.SIGSTOP)
        try:
            await ann.socket.told("member_leave_room", member="bob")
        finally:
            os.kill(other.pid, signal.SIGCONT)
        assert "connected" == (await ann.report())["state"]


async def test_rooms_and_tokens_survive_kill_9(serve: Start, tmp_path: Path) -> None:
    async with scene(serve, tmp_path) as on:
        ann, bob = await on.join(ANN), await on.join(BOB)
        (mid,) = await bob.watch("ann")
        await bob.sees(mid, ann.media)
        before = await trio.to_thread.run_sync(on.server.rooms)
        on.server.popen.kill()
        await ann.socket.until(lambda: ann.socket.closed is not None, "the socket outlives its server")

        server = await trio.to_thread.run_sync(serve)
        assert before == await trio.to_thread.run_sync(server.rooms)
        on.server = server
        again = [
            await join(await on.socket(), Media(on.child, *who), on.room, member.token)
            for who, member in ((ANN, ann), (BOB, bob))
        ]
        assert ["ann"] == [each["id"] for each in again[1].joined["members"]]
        (mid,) = await again[1].watch("ann")
        await again[1].sees(mid, again[0].media)
