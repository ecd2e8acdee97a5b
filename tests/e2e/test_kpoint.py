"""KPOINT's calls with real media (contract kpoint, section 6.6), alone and with the Room API in the same room."""

from pathlib import Path
from typing import Any

from tests.e2e.conftest import Start
from tests.e2e.kpoint import guest, over
from tests.e2e.room import Media
from tests.e2e.scene import ANN, BOB, EVE, scene


def feeds(push: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((feed["id"], feed["type"]) for feed in push["feeds"])


async def test_the_group_sequence(serve: Start, tmp_path: Path) -> None:
    async with scene(serve, tmp_path) as on:
        ann, bob, eve = await guest(on, ANN), await guest(on, BOB), await guest(on, EVE)
        await ann.make("den")
        assert (await ann.join("den"))["media"] is True
        assert {"ann", "bob"} == set((await bob.join("den"))["members"])
        assert "bob" == (await ann.socket.told("join", roomId="den"))["user"]["id"]

        await ann.publish()
        assert [("ann", "cam")] == feeds(await bob.socket.told("publish", roomId="den"))
        bob_from_ann = await bob.watch("ann")
        await bob_from_ann.sees(ann.media)
        await bob_from_ann.hears(ann.media, bob.media)

        await bob.publish()
        assert [("bob", "cam")] == feeds(await ann.socket.told("publish"))
        ann_from_bob = await ann.watch("bob")
        await ann_from_bob.sees(bob.media)
        await ann_from_bob.hears(bob.media, ann.media)

        # Who sends nothing receives all the same.
        members = (await eve.join("den"))["members"]
        assert {"ann": True, "bob": True, "eve": False} == {id: each["publishing"] for id, each in members.items()}
        assert [("ann", "cam"), ("bob", "cam")] == feeds(await eve.socket.told("publish"))
        eve_from_ann, eve_from_bob = await eve.watch("ann"), await eve.watch("bob")
        await eve_from_ann.sees(ann.media)
        await eve_from_bob.sees(bob.media)
        await eve_from_ann.hears(ann.media, bob.media)
        await eve_from_bob.hears(bob.media, ann.media)

        # Nothing comes down the connection by which one sends, though it asks for sound.
        assert {0} >= {each["frames"] for each in (await ann.media.report())["sections"].values()}

        await ann.ask("leaveRoom")
        for each in (bob, eve):
            await each.socket.told("leave", roomId="den", user="ann")
        for media in (ann.media, ann_from_bob.media, bob_from_ann.media, eve_from_ann.media):
            await over(media)
        await eve_from_bob.sees(bob.media)
        await eve_from_bob.hears(bob.media, ann.media)


async def test_a_subscription_has_what_was_asked_for_and_a_later_one_takes_its_place(
    serve: Start, tmp_path: Path
) -> None:
    async with scene(serve, tmp_path) as on:
        ann, bob = await guest(on, ANN), await guest(on, BOB)
        await ann.make("den")
        await ann.join("den")
        await bob.join("den")
        await ann.publish()
        sound = await bob.watch("ann", video=False)
        assert {"audio"} == set(sound.mids)
        await sound.hears(ann.media, bob.media)
        picture = await bob.watch("ann", audio=False)
        assert {"video"} == set(picture.mids)
        await picture.sees(ann.media)
        await over(sound.media)


async def test_a_call_between_two_goes_past_the_media_engine(serve: Start, tmp_path: Path) -> None:
    async with scene(serve, tmp_path) as on:
        ann, bob = await guest(on, ANN), await guest(on, BOB)
        await ann.make("pair", "createRoom")
        assert (await ann.join("pair"))["media"] is False
        await bob.join("pair")
        for sender, receiver in ((ann, bob), (bob, ann)):
            await sender.media.open()
            offer = {"type": "offer", "sdp": (await sender.media.ask("offer", views=0))["sdp"]}
            await sender.ask("sdp", type="cam", sdp=offer, target=receiver.socket.user)
            relayed = await receiver.socket.relayed("sdp", user=sender.socket.user, type="cam")
            assert offer == relayed["sdp"]
            leg, text = await receiver.answered(relayed["sdp"]["sdp"])
            answer = {"type": "answer", "sdp": text}
            await receiver.ask("sdp", type="cam", sdp=answer, target=sender.socket.user)
            await receiver.socket.told("subscribed", user=sender.socket.user, cam=True)
            assert answer == (await sender.socket.relayed("sdp", user=receiver.socket.user))["sdp"]
            await sender.media.ask("answer", sdp=text)
            await leg.sees(sender.media)
            await leg.hears(sender.media, receiver.media)


async def test_kpoint_and_the_room_api_in_one_room(serve: Start, tmp_path: Path) -> None:
    async with scene(serve, tmp_path) as on:
        bob = await guest(on, BOB)
        screen = Media(on.child, "bob's screen", None, 120, (192, 144))
        await bob.make("den")
        await bob.join("den")
        await bob.publish()

        ann = await on.enter(ANN, "den")
        assert ["bob"] == [each["id"] for each in ann.joined["members"]]
        assert "ann" == (await bob.socket.told("join"))["user"]["id"]
        assert [("ann", "cam")] == feeds(await bob.socket.told("publish"))
        (mid,) = await ann.watch("bob")
        from_ann = await bob.watch("ann")
        await ann.sees(mid, bob.media)
        await from_ann.sees(ann.media)
        await ann.hears(bob.media, [ann.media])
        await from_ann.hears(ann.media, bob.media)

        # What one mutes, the other is told.
        await bob.ask("editUserInfo", audio=False)
        await ann.socket.told("member_mute_audio", member="bob", by_admin=False)
        await bob.ask("editUserInfo", audio=True)
        await ann.socket.told("member_unmute_audio", member="bob", by_admin=False)
        await ann.socket.tell("mute_video")
        await bob.socket.told("editUserInfo", user="ann", audio=True, video=False)
        await ann.socket.tell("unmute_video")
        await bob.socket.told("editUserInfo", user="ann", audio=True, video=True)

        # A screen beside the camera is the one picture of who shows it, as long as it lasts.
        await bob.ask("screen")
        await bob.publish(screen)
        await ann.socket.told("member_start_screen_share", member="bob")
        await ann.sees(mid, screen)
        await bob.ask("shareStop")
        await ann.socket.told("member_stop_screen_share", member="bob")
        await over(screen)
        await ann.sees(mid, bob.media)
        await ann.hears(bob.media, [ann.media])

        # The other way round it is a feed of its own, of the one picture that there is.
        await ann.socket.tell("start_screen_share")
        await bob.socket.told("screen", user="ann")
        assert [("ann", "screen")] == feeds(await bob.socket.told("publish"))
        shown = await bob.watch("ann", "screen", audio=False)
        await shown.sees(ann.media)
        await ann.socket.tell("stop_screen_share")
        await bob.socket.told("shareStop", user="ann")
        await over(shown.media)

        # There is no word for a hand, and none is made up.
        await ann.socket.tell("raise_hand")
        await ann.socket.tell("leave_room")
        await bob.socket.told("leave", user="ann")
        await over(from_ann.media)
        assert [] == bob.socket.notifications
