"""Who gets what: members on real sockets, whose packets say whose they are."""

import math
from collections.abc import AsyncIterator, Callable

import attrs
import pytest
import trio

from sfu import BadOffer, Feed, NoCommonCodec, UnknownMid, Wanted
from sfu.negotiation import Codec
from sfu.router import REASON_ABSENT, REASON_CUT, REASON_ONLY_LAYER, REASON_ROOM, Formats
from sfu.wire import rtcp, rtp, sdp
from tests.native.caller import step
from tests.sfu.caller import Caller, Checked, Client
from tests.sfu.members import Ear, Member, Play, in_order, is_asked_for_a_key, playing, show_first, ssrc_of


@pytest.fixture
async def play() -> AsyncIterator[Play]:
    async with playing() as made:
        yield made


async def hears(listener: Member, talker: Member, words: int = 3) -> None:
    """What one says arrives at the other, whole and in order."""
    said = [b"%s says %d" % (talker.name.encode(), number) for number in range(words)]
    for word in said:
        talker.voice.speak(word)
    packets = await listener.caller.take(words, listener.hears)
    assert said == [packet.payload for packet in packets]
    assert in_order([packet.sequence for packet in packets])


# Sound and picture


async def test_two_members_hear_each_other_and_never_themselves(play: Play) -> None:
    ann, bob = await play.join("ann"), await play.join("bob")
    await hears(bob, ann)
    await hears(ann, bob)
    await hears(bob, ann)
    assert [] == ann.caller.media == bob.caller.media


async def test_an_audience_hears_and_says_nothing(play: Play) -> None:
    ann, listener = await play.join("ann"), await play.join("zoe", sound=False)
    await hears(listener, ann)
    assert () == listener.peer.stats().inbound


async def test_rooms_do_not_hear_each_other(play: Play) -> None:
    other = play.engine.open_room(play.hall)
    ann, bob = await play.join("ann", picture=True), await play.join("bob", room=other)
    carl = await play.join("carl", room=other)
    assert [0] == bob.watch("ann")
    ann.voice.speak(b"a secret")
    await hears(bob, carl)
    assert [] == bob.caller.media
    other.close()
    await bob.caller.until(lambda: "Closed()" in map(str, bob.caller.outputs), "no goodbye")


async def test_a_picture_starts_with_a_key_frame_that_was_asked_for(play: Play) -> None:
    ann, bob = await play.join("ann", picture=True), await play.join("bob")
    (view,) = bob.watch("ann")
    await is_asked_for_a_key(ann)
    await show_first(ann, (bob, view))
    for number in range(20):
        ann.camera.show(b"frame %d" % number)
    packets = await bob.caller.take(20, view)
    assert [b"frame %d" % number for number in range(20)] == [packet.payload[6:] for packet in packets]
    assert [] == bob.caller.media


async def test_a_pointed_section_follows_another_member_without_a_seam(play: Play) -> None:
    ann, bob = await play.join("ann", picture=True), await play.join("bob", picture=True)
    eve = await play.join("eve")
    (view,) = eve.watch("ann")
    await show_first(ann, (eve, view))
    ann.camera.show(b"ann's last")
    (last,) = await eve.caller.take(1, view)
    assert [view] == eve.watch("bob")
    await is_asked_for_a_key(bob)
    ann.camera.show(b"not wanted any more")
    bob.camera.show(b"bob's first", key=True)
    (first,) = await eve.caller.take(1, view)
    assert first.payload.endswith(b"bob's first")
    assert 1 == step(first.sequence, last.sequence)
    assert 0 < step(first.timestamp, last.timestamp, 32) < 90_000 * 10
    # VP8's picture ids go on as well (RFC 7741 4.2).
    assert 1 == step(int.from_bytes(first.payload[2:4], "big"), int.from_bytes(last.payload[2:4], "big"), 15)


async def test_two_pictures_at_once_and_one_of_them_paused(play: Play) -> None:
    ann, bob = await play.join("ann", picture=True), await play.join("bob", picture=True)
    eve = await play.join("eve")
    first, second = eve.watch("ann", "bob")
    assert 0 != first != second != 0
    await show_first(ann, (eve, first))
    await show_first(bob, (eve, second))
    assert [0, second] == eve.watch(None, "bob")
    ann.camera.show(b"unseen", key=True)
    bob.camera.show(b"seen")
    (packet,) = await eve.caller.take(1)
    assert (second, b"seen") == (packet.ssrc, packet.payload[6:])
    assert [first, second] == eve.watch("ann", "bob")
    await show_first(ann, (eve, first))


@pytest.mark.parametrize("name", ["nobody", "eve", "mute"])
async def test_who_has_no_picture_for_it_leaves_the_section_inactive(play: Play, name: str) -> None:
    await play.join("mute")
    eve = await play.join("eve", picture=True)
    assert [0] == eve.watch(name)
    assert all(each.kind == "audio" for each in eve.peer.stats().outbound)


# Coming and going


async def test_a_publisher_that_comes_back_is_seen_again_without_asking(play: Play) -> None:
    ann, bob = await play.join("ann", picture=True), await play.join("bob")
    (view,) = bob.watch("ann")
    await show_first(ann, (bob, view))
    ann.peer.close()
    assert [REASON_ABSENT] == [each.reason for each in bob.peer.stats().outbound if each.kind == "video"]
    carl = await play.join("carl")
    await hears(bob, carl)
    again = await play.join("ann", picture=True)
    await is_asked_for_a_key(again)
    await show_first(again, (bob, view), payload=b"back")
    assert [REASON_ONLY_LAYER] == [each.reason for each in bob.peer.stats().outbound if each.kind == "video"]
    assert ["connected"] == ann.ear.heard  # who closes is not told of a loss


async def test_a_takeover_takes_the_watchers_along(play: Play) -> None:
    ann, bob = await play.join("ann", picture=True), await play.join("bob")
    (view,) = bob.watch("ann")
    await show_first(ann, (bob, view))
    ann.camera.show(b"old")
    (last,) = await bob.caller.take(1, view)
    assert last.payload.endswith(b"old")
    heir = await play.join("ann", picture=True)
    assert ["connected"] == ann.ear.heard
    assert "closed" == ann.peer.stats().state
    await ann.caller.until(lambda: "Closed()" in map(str, ann.caller.outputs), "no goodbye for the old one")
    await is_asked_for_a_key(heir)
    heir.camera.show(b"new", key=True)
    (first,) = await bob.caller.take(1, view)
    assert first.payload.endswith(b"new") and 1 == step(first.sequence, last.sequence)
    await hears(bob, heir)
    assert [] == heir.caller.media  # it is still ann, and does not hear herself


async def test_a_takeover_that_is_refused_changes_nothing(play: Play) -> None:
    ann, bob = await play.join("ann", picture=True), await play.join("bob")
    (view,) = bob.watch("ann")
    await show_first(ann, (bob, view))
    peers = play.engine.gauges()["peers"]
    offer = ann.caller.offer()
    for bad, error in ((offer[:200], BadOffer), (offer.replace("opus", "sub").replace("VP8", "VP1"), NoCommonCodec)):
        with pytest.raises(error):
            play.room.open_peer("ann", bad, Ear())
    assert peers == play.engine.gauges()["peers"]
    ann.camera.show(b"still here")
    (packet,) = await bob.caller.take(1, view)
    assert packet.payload.endswith(b"still here")
    await hears(bob, ann)


async def test_a_stranger_that_is_refused_leaves_nothing(play: Play) -> None:
    ann = await play.join("ann")
    with pytest.raises(BadOffer):
        play.room.open_peer("bob", "v=0\r\n", Ear())
    assert 1 == play.engine.gauges()["peers"]
    assert [1] == play.engine.plane.load()
    assert "connected" == ann.peer.stats().state


async def test_a_refused_renegotiation_leaves_the_media_flowing(play: Play) -> None:
    ann, bob = await play.join("ann", picture=True), await play.join("bob")
    (view,) = bob.watch("ann")
    await show_first(ann, (bob, view))
    offer = bob.caller.offer()
    wanted = [Wanted("1", "ann")]
    for bad, wants in (
        (offer[:300], wanted),
        (offer.replace("a=mid:0", "a=mid:7"), wanted),
        (offer.replace("a=group:BUNDLE 0 1\r\n", ""), wanted),
        (offer, [Wanted("0", "ann")]),
        (offer, [Wanted("5", "ann")]),
    ):
        with pytest.raises(BadOffer):
            bob.peer.renegotiate(bad, wants)
        ann.camera.show(b"on it goes")
        (packet,) = await bob.caller.take(1, view)
        assert packet.payload.endswith(b"on it goes")
    with pytest.raises(UnknownMid):
        bob.peer.renegotiate(offer, [Wanted("5", "ann")])
    assert [view] == bob.watch("ann")
    await hears(bob, ann)


async def test_a_member_that_turns_its_camera_section_off_and_on(play: Play) -> None:
    ann, bob = await play.join("ann", picture=True), await play.join("bob")
    (view,) = bob.watch("ann")
    await show_first(ann, (bob, view))
    ann.camera.section.direction = "inactive"
    ann.peer.renegotiate(ann.caller.offer(), [])
    assert [REASON_ABSENT] == [each.reason for each in bob.peer.stats().outbound if each.kind == "video"]
    ann.camera.section.direction = "sendonly"
    ann.peer.renegotiate(ann.caller.offer(), [])
    await show_first(ann, (bob, view), payload=b"again")


async def test_a_closed_room_says_goodbye_to_all_and_calls_nobody_back(play: Play) -> None:
    members = [await play.join(name) for name in ("ann", "bob")]
    play.room.close()
    for member in members:
        await member.caller.until(lambda: "Closed()" in map(str, member.caller.outputs), "no goodbye")  # noqa: B023
        assert ["connected"] == member.ear.heard
        member.peer.close()
    assert 0 == play.engine.gauges()["peers"]


# Mutes


async def test_what_is_cut_does_not_arrive(play: Play) -> None:
    ann, bob = await play.join("ann", picture=True), await play.join("bob")
    (view,) = bob.watch("ann")
    await show_first(ann, (bob, view))
    await hears(bob, ann)
    ann.peer.cut("video", True)
    ann.camera.show(b"unseen", key=True)
    await hears(bob, ann)
    ann.peer.cut("audio", True)
    ann.peer.cut("video", False)
    ann.voice.speak(b"unheard")
    await show_first(ann, (bob, view), payload=b"seen")
    ann.peer.cut("audio", False)
    await hears(bob, ann)
    assert [] == bob.caller.media
    assert 2 == play.engine.counters()["drop_muted"]


async def test_a_cut_outlasts_a_renegotiation(play: Play) -> None:
    ann, bob = await play.join("ann", picture=True), await play.join("bob")
    (view,) = bob.watch("ann")
    await show_first(ann, (bob, view))
    ann.peer.cut("video", True)
    for direction in ("inactive", "sendonly"):
        ann.camera.section.direction = direction
        ann.peer.renegotiate(ann.caller.offer(), [])
    ann.camera.show(b"unseen", key=True)
    await hears(bob, ann)
    assert [] == bob.caller.media


async def test_what_is_cut_stops_for_all_and_goes_on_for_all_without_a_seam(play: Play) -> None:
    ann, bob, carl = await play.join("ann", picture=True), await play.join("bob"), await play.join("carl")
    views = [(each, *each.watch("ann")) for each in (bob, carl)]
    await show_first(ann, *views)
    before = {}
    ann.camera.show(b"last")
    ann.voice.speak(b"last")
    for each, view in views:
        for ssrc in (view, each.hears):
            (before[each.name, ssrc],) = await each.caller.take(1, ssrc)
    ann.peer.cut("audio", True)
    ann.peer.cut("video", True)
    for number in range(10):
        ann.camera.show(b"unseen", key=number == 5)
        ann.voice.speak(b"unheard")
    for each, view in views:
        each.caller.send_control(rtcp.Nack(1, view, (before[each.name, view].sequence,)), rtcp.Pli(1, view))
    await play.until_counted("drop_muted", 20)
    await play.until_counted("drop_rtx_unknown", 2)
    assert [(True, 1), (True, 2)] == [(each.cut, each.packets) for each in ann.peer.stats().inbound]
    for each, _ in views:
        assert [REASON_ROOM, REASON_CUT] == [stream.reason for stream in each.peer.stats().outbound]
        assert [] == each.caller.media
    ann.caller.control.clear()
    ann.peer.cut("audio", False)
    ann.peer.cut("video", False)
    pli = await ann.caller.take_control(rtcp.Pli)  # before anything was sent
    assert ann.camera.section.ssrc == pli.media_ssrc
    ann.camera.show(b"of what was cut")
    ann.camera.show(b"again", key=True)
    ann.voice.speak(b"again")
    for each, view in views:
        for ssrc in (view, each.hears):
            (packet,) = await each.caller.take(1, ssrc)
            assert packet.payload.endswith(b"again")
            assert 1 == step(packet.sequence, before[each.name, ssrc].sequence)
        assert [REASON_ROOM, REASON_ONLY_LAYER] == [stream.reason for stream in each.peer.stats().outbound]
    assert [False, False] == [each.cut for each in ann.peer.stats().inbound]


async def test_a_connection_that_takes_over_is_cut_by_whoever_opened_it(play: Play) -> None:
    """What an admin has decided is the room's to know; said before the connection is up, it holds from the first packet."""
    ann, bob = await play.join("ann", picture=True), await play.join("bob")
    (view,) = bob.watch("ann")
    await show_first(ann, (bob, view))
    ann.peer.cut("video", True)
    caller = await play.caller()
    caller.add("audio", "sendrecv")
    camera = caller.add("video", "sendonly")
    ear = Ear()
    peer, answer = play.room.open_peer("ann", caller.offer(), ear)
    peer.cut("video", True)
    await caller.hear(answer)
    await ear.until("connected")
    camera.show(b"unseen", key=True)
    await play.until_counted("drop_muted", 1)
    peer.cut("video", False)
    camera.show(b"seen", key=True)
    (packet,) = await bob.caller.take(1, view)
    assert packet.payload.endswith(b"seen")


# A screen


async def test_a_shared_screen_begins_and_ends_with_a_key_frame(play: Play) -> None:
    ann, bob = await play.join("ann", picture=True), await play.join("bob")
    (view,) = bob.watch("ann")
    await is_asked_for_a_key(ann)
    await show_first(ann, (bob, view))
    for sharing in (True, False):
        await trio.sleep(0.6)  # a publisher is asked twice a second at most
        ann.caller.control.clear()
        asked = play.engine.counters()["keyframe_requests"]
        ann.peer.share_screen(sharing)
        await ann.caller.take_control(rtcp.Pli)
        ann.peer.share_screen(sharing)
        await trio.sleep(0.6)
        ann.camera.show(b"on it goes")
        await bob.caller.take(1, view)
        assert asked + 1 == play.engine.counters()["keyframe_requests"]


async def test_a_screen_without_a_picture_asks_nobody(play: Play) -> None:
    ann = await play.join("ann")
    ann.peer.share_screen(True)
    ann.peer.close()
    ann.peer.share_screen(False)


# Several peers of one member, offered by the server


async def test_the_server_offers_a_member_to_another(play: Play) -> None:
    ann, bob = await play.join("ann", picture=True), await play.join("bob")
    leg = await play.caller()
    ear = Ear()
    peer, offer = play.room.offer_peer("bob", [Feed("ann", "audio"), Feed("ann", "video")], ear)
    peer.accept(leg.client.answer(offer))
    await leg.hear(offer)
    await ear.until("connected")
    sound, picture = (ssrc_of(offer, media.mid or "") for media in sdp.parse(offer).media)
    await is_asked_for_a_key(ann)
    ann.camera.show(b"picture", key=True)
    (packet,) = await leg.take(1, picture)
    assert packet.payload.endswith(b"picture")
    ann.voice.speak(b"sound")
    (packet,) = await leg.take(1, sound)
    assert b"sound" == packet.payload
    (packet,) = await bob.caller.take(1, bob.hears)  # and the member's own connection goes on by itself
    assert b"sound" == packet.payload
    assert [("ann", "audio"), ("ann", "video")] == [(each.source, each.kind) for each in peer.stats().outbound]

    peer.accept(leg.client.answer(peer.offer([Feed("ann", "audio"), None])))
    ann.camera.show(b"paused", key=True)
    ann.voice.speak(b"more")
    (packet,) = await leg.take(1)
    assert (sound, b"more") == (packet.ssrc, packet.payload)
    peer.close()
    assert ["connected"] == ear.heard
    ann.voice.speak(b"bob is still there")
    (_, packet) = await bob.caller.take(2, bob.hears)
    assert b"bob is still there" == packet.payload


async def test_an_offered_leg_whose_client_waits_for_our_handshake(play: Play) -> None:
    ann = await play.join("ann")
    leg = await play.caller(Client(role="server"))
    ear = Ear()
    peer, offer = play.room.offer_peer("bob", [Feed("ann", "audio")], ear)
    peer.accept(leg.client.answer(offer))
    await leg.hear(offer)
    await ear.until("connected")
    ann.voice.speak(b"sound")
    (packet,) = await leg.take(1)
    assert b"sound" == packet.payload


async def test_an_offered_leg_follows_a_member_that_comes_later(play: Play) -> None:
    leg = await play.caller()
    ear = Ear()
    peer, offer = play.room.offer_peer("bob", [Feed("ann", "audio"), Feed("ann", "video")], ear)
    peer.accept(leg.client.answer(offer))
    await leg.hear(offer)
    await ear.until("connected")
    assert {REASON_ABSENT} == {each.reason for each in peer.stats().outbound}
    ann = await play.join("ann", picture=True)
    ann.camera.show(b"picture", key=True)
    (packet,) = await leg.take(1)
    assert packet.payload.endswith(b"picture")


async def test_a_refused_answer_leaves_the_offer_open(play: Play) -> None:
    await play.join("ann")
    leg = await play.caller()
    peer, offer = play.room.offer_peer("bob", [Feed("ann", "audio")], Ear())
    with pytest.raises(BadOffer):
        peer.accept("v=0\r\n")
    peer.accept(leg.client.answer(offer))
    await leg.hear(offer)
    peer.close()


async def test_an_offer_that_nobody_answers_is_lost_in_time() -> None:
    async with playing(connect_timeout_s=0.2) as play:
        ear = Ear()
        peer, _ = play.room.offer_peer("bob", [Feed("ann", "audio")], ear)
        assert 1 == play.engine.gauges()["peers"]
        await ear.until("timeout")
        assert 0 == play.engine.gauges()["peers"]
        assert "closed" == peer.stats().state


async def test_a_client_may_check_before_its_answer_is_here(play: Play) -> None:
    """Signalling and media take different ways."""
    ann = await play.join("ann")
    leg = await play.caller()
    peer, offer = play.room.offer_peer("bob", [Feed("ann", "audio")], Ear())
    leg.connect(offer)
    await leg.until(lambda: any(isinstance(each, Checked) for each in leg.outputs), "no answer to a check")
    peer.accept(leg.client.answer(offer))
    await leg.until_connected()
    ann.voice.speak(b"sound")
    (packet,) = await leg.take(1)
    assert b"sound" == packet.payload


# Camera and screen of one member, on connections of their own


CAMERA, SCREEN = Feed("ann", "video", "camera"), Feed("ann", "video", "screen")


async def shows(publisher: Member, leg: Caller, ssrc: int, picture: bytes) -> rtp.Packet:
    """A key frame of the one is the next that arrives at the other."""
    publisher.camera.show(picture, key=True)
    (packet,) = await leg.take(1, ssrc)
    assert packet.payload.endswith(picture)
    return packet


async def test_a_publisher_sends_and_nothing_comes_down(play: Play) -> None:
    ann, bob = await play.publish("ann", "camera"), await play.join("bob", picture=True)
    assert ann.peer.sends
    await hears(bob, ann)
    (view,) = bob.watch("ann")
    await is_asked_for_a_key(ann)
    await shows(ann, bob.caller, view, b"ann")
    bob.voice.speak(b"bob")
    ann.peer.renegotiate(ann.caller.offer(), ())
    bob.voice.speak(b"bob")
    await hears(bob, ann)
    assert [] == ann.caller.media
    assert () == ann.peer.stats().outbound


async def test_a_publisher_that_sends_nothing_says_so(play: Play) -> None:
    caller = await play.caller()
    caller.add("audio", "recvonly")
    peer, _ = play.room.open_publisher("ann", "camera", caller.offer(), Ear())
    assert not peer.sends
    caller.add("video", "sendonly")
    peer.renegotiate(caller.offer(), ())
    assert peer.sends
    peer.close()
    assert not peer.sends


async def test_each_feed_is_received_from_its_own_source(play: Play) -> None:
    camera, screen = await play.publish("ann", "camera"), await play.publish("ann", "screen", sound=False)
    leg = await play.receive("bob", Feed("ann", "audio", "camera"), CAMERA)
    second = await play.receive("bob", SCREEN)
    await is_asked_for_a_key(camera)
    await is_asked_for_a_key(screen)
    await shows(camera, leg.caller, leg.ssrcs[1], b"a face")
    await shows(screen, second.caller, second.ssrcs[0], b"a slide")
    camera.voice.speak(b"a voice")
    (packet,) = await leg.caller.take(1, leg.ssrcs[0])
    assert b"a voice" == packet.payload
    screen.peer.close()  # and the camera goes on
    await shows(camera, leg.caller, leg.ssrcs[1], b"a face again")
    assert [REASON_ABSENT] == [each.reason for each in second.peer.stats().outbound]


async def test_legs_of_one_member_do_not_disturb_each_other(play: Play) -> None:
    ann, bob = await play.publish("ann", "camera"), await play.publish("bob", "camera")
    first, second = await play.receive("bob", CAMERA), await play.receive("bob", CAMERA)
    await is_asked_for_a_key(ann)
    ann.camera.show(b"to both", key=True)
    for leg in (first, second):
        (packet,) = await leg.caller.take(1, leg.ssrcs[0])
        assert packet.payload.endswith(b"to both")
    first.peer.close()
    await shows(ann, second.caller, second.ssrcs[0], b"to the other")
    assert "connected" == bob.peer.stats().state


async def test_who_asks_for_a_member_sees_its_screen_while_there_is_one(play: Play) -> None:
    camera, bob = await play.publish("ann", "camera"), await play.join("bob")
    (view,) = bob.watch("ann")
    await is_asked_for_a_key(camera)
    last = await shows(camera, bob.caller, view, b"a face")
    screen = await play.publish("ann", "screen", sound=False)
    await is_asked_for_a_key(screen)
    camera.camera.show(b"not seen", key=True)
    first = await shows(screen, bob.caller, view, b"a slide")
    assert 1 == step(first.sequence, last.sequence)
    await hears(bob, camera)
    screen.peer.close()
    await trio.sleep(0.6)  # a publisher is asked twice a second at most
    camera.camera.show(b"part of a face")
    await camera.caller.take_control(rtcp.Pli)
    again = await shows(camera, bob.caller, view, b"the face again")
    assert 1 == step(again.sequence, first.sequence)


async def test_a_screen_takes_no_cameras_place_before_it_can_come(play: Play) -> None:
    camera, bob = await play.publish("ann", "camera"), await play.join("bob")
    (view,) = bob.watch("ann")
    await is_asked_for_a_key(camera)
    await shows(camera, bob.caller, view, b"a face")
    caller = await play.caller()
    caller.add("video", "sendonly")
    _, answer = play.room.open_publisher("ann", "screen", caller.offer(), Ear())
    camera.camera.show(b"not a key frame")
    (packet,) = await bob.caller.take(1, view)
    assert packet.payload.endswith(b"not a key frame")
    assert ["camera"] == [each.media_source for each in bob.peer.stats().outbound if each.kind == "video"]
    await caller.hear(answer)
    with trio.fail_after(5):
        while ["screen"] != [each.media_source for each in bob.peer.stats().outbound if each.kind == "video"]:
            await trio.sleep(0.005)


async def test_a_screen_without_a_camera_is_there_from_its_answer_on(play: Play) -> None:
    """Who is told of it at once and asks for it at once has a section that it will be seen on."""
    bob = await play.join("bob")
    caller = await play.caller()
    screen = caller.add("video", "sendonly")
    _, answer = play.room.open_publisher("ann", "screen", caller.offer(), Ear())
    (view,) = bob.watch("ann")
    await caller.hear(answer)
    screen.show(b"half a slide")
    await caller.take_control(rtcp.Pli)
    screen.show(b"a slide", key=True)
    (packet,) = await bob.caller.take(1, view)
    assert packet.payload.endswith(b"a slide")


async def test_the_one_picture_of_a_member_is_its_screen_if_it_says_so(play: Play) -> None:
    ann = await play.join("ann", picture=True)
    leg = await play.receive("bob", SCREEN, Feed("ann", "audio", "screen"))
    assert {REASON_ABSENT} == {each.reason for each in leg.peer.stats().outbound}
    ann.peer.share_screen(True)
    await is_asked_for_a_key(ann)
    await shows(ann, leg.caller, leg.ssrcs[0], b"a slide")
    ann.voice.speak(b"no sound of the screen")
    ann.peer.share_screen(False)
    ann.camera.show(b"a face", key=True)
    await trio.sleep(0.1)
    assert [] == leg.caller.media
    assert {REASON_ABSENT} == {each.reason for each in leg.peer.stats().outbound}


async def test_the_sound_of_a_screen_is_heard_by_all_but_its_member(play: Play) -> None:
    bob = await play.join("bob")
    ann, screen = await play.join("ann"), await play.publish("ann", "screen", picture=False)
    await hears(bob, screen)
    assert [] == ann.caller.media


async def test_a_member_is_as_loud_as_the_louder_of_its_sources(play: Play) -> None:
    await play.join("bob")
    ann, screen = await play.join("ann"), await play.publish("ann", "screen", picture=False)
    ann.voice.speak(b"...", level=127)
    await talk(screen, lambda: play.hall.levels[-1:] != [] and play.hall.levels[-1].get("ann", 0) > 100)


async def test_a_member_that_speaks_by_both_of_its_sources_is_named_once(play: Play) -> None:
    ann, screen = await play.publish("ann", "camera"), await play.publish("ann", "screen", picture=False)
    await talk(ann, lambda: play.hall.speakers != [])
    end = trio.current_time() + 1.0
    await talk(screen, lambda: trio.current_time() > end)
    assert ["ann"] == play.hall.speakers


async def test_stats_tell_which_source_it_is(play: Play) -> None:
    camera, screen = await play.publish("ann", "camera"), await play.publish("ann", "screen", sound=False)
    leg = await play.receive("bob", CAMERA, SCREEN, Feed("ann", "audio", "screen"), Feed("ann", "video"))
    assert ["camera", "screen", None] == [each.peer.stats().publishes for each in (camera, screen, leg)]
    assert [("audio", "video"), ("video",)] == [
        tuple(stream.kind for stream in each.peer.stats().inbound) for each in (camera, screen)
    ]
    assert ["camera", "screen", None, "screen"] == [each.media_source for each in leg.peer.stats().outbound]
    screen.peer.close()
    assert ["camera", None, None, "camera"] == [each.media_source for each in leg.peer.stats().outbound]
    camera.peer.share_screen(True)
    assert ["screen", "screen", None, "screen"] == [each.media_source for each in leg.peer.stats().outbound]
    assert ("closed", "screen") == (screen.peer.stats().state, screen.peer.stats().publishes)


async def test_who_asks_before_a_member_sends_sees_it_once_it_does(play: Play) -> None:
    bob = await play.join("bob")
    play.room.announce("ann")
    (view,) = bob.watch("ann")
    assert 0 != view
    assert [REASON_ABSENT] == [each.reason for each in bob.peer.stats().outbound if each.kind == "video"]
    ann = await play.publish("ann", "camera")
    await is_asked_for_a_key(ann)
    await shows(ann, bob.caller, view, b"a face")
    play.room.retire("ann")
    ann.peer.close()
    assert [0] == bob.watch("ann")


async def test_a_publisher_replaces_the_one_of_the_same_source_only(play: Play) -> None:
    camera, screen = await play.publish("ann", "camera"), await play.publish("ann", "screen", sound=False)
    leg = await play.receive("bob", SCREEN)
    heir = await play.publish("ann", "screen", sound=False)
    assert ["connected"] == screen.ear.heard
    assert "closed" == screen.peer.stats().state
    assert "connected" == camera.peer.stats().state
    await is_asked_for_a_key(heir)
    await shows(heir, leg.caller, leg.ssrcs[0], b"another slide")


async def test_a_publisher_that_is_refused_changes_nothing(play: Play) -> None:
    screen = await play.publish("ann", "screen", sound=False)
    leg = await play.receive("bob", SCREEN)
    await is_asked_for_a_key(screen)
    peers = play.engine.gauges()["peers"]
    with pytest.raises(BadOffer):
        play.room.open_publisher("ann", "screen", "v=0\r\n", Ear())
    assert peers == play.engine.gauges()["peers"]
    await shows(screen, leg.caller, leg.ssrcs[0], b"the slide")


async def test_the_stream_of_a_leg_names_its_member(play: Play) -> None:
    await play.publish("ann", "camera")
    _, offer = play.room.offer_peer("bob", [Feed("ann", "audio", "camera"), CAMERA], Ear())
    assert [["ann"], ["ann"]] == [[msid.stream for msid in media.msids] for media in sdp.parse(offer).media]


# What is told


async def test_the_active_speaker_is_told_by_name(play: Play) -> None:
    ann, bob = await play.join("ann"), await play.join("bob")
    with trio.fail_after(5):
        while not play.hall.speakers:
            ann.voice.speak(b"I speak", level=20)
            bob.voice.speak(b"...", level=127)
            await trio.sleep(0.02)  # a packet is 20 ms of sound, and levels are weighed by the clock
    assert ["ann"] == play.hall.speakers


async def talk(talker: Member, until: Callable[[], bool], level: int = 20) -> None:
    """Sound at its real pace: levels are weighed by the clock."""
    with trio.fail_after(5):
        while not until():
            talker.voice.speak(b"I speak", level=level)
            await trio.sleep(0.02)


async def test_loudness_is_told_by_name_up_and_down_to_nothing(play: Play) -> None:
    ann, bob = await play.join("ann"), await play.join("bob")
    bob.voice.speak(b"...", level=127)
    told = play.hall.levels
    await talk(ann, lambda: told[-1:] != [] and told[-1]["ann"] > 100)
    assert 127 - 20 - 3 <= ann.peer.level <= 127 - 20
    with trio.fail_after(5):
        while told[-1] != {"ann": 0}:
            await trio.sleep(0.02)
    assert all(each.keys() == {"ann"} for each in told)
    values = [each["ann"] for each in told]
    top = values.index(max(values))
    assert values == sorted(values[:top]) + sorted(values[top:], reverse=True)


async def test_nobody_speaks_two_seconds_after_the_last_word(play: Play) -> None:
    ann = await play.join("ann")
    await play.join("bob")
    told = play.hall.speakers
    await talk(ann, lambda: told != [])
    begin = trio.current_time()
    with trio.fail_after(5):
        while told == ["ann"]:
            await trio.sleep(0.02)
    assert 1.5 < trio.current_time() - begin < 2.5
    assert ["ann", None] == told


async def told_silent(play: Play, name: str) -> None:
    """In one word: fading takes three seconds, and five words a second."""
    with trio.fail_after(1):
        while play.hall.levels[-1] != {name: 0}:
            await trio.sleep(0.005)
    assert play.hall.levels[-2][name] > 80


async def test_who_is_cut_is_silent_at_once_and_speaks_no_more(play: Play) -> None:
    ann, bob = await play.join("ann"), await play.join("bob")
    told = play.hall.levels
    await talk(ann, lambda: told[-1:] != [] and told[-1]["ann"] > 80 and play.hall.speakers == ["ann"])
    ann.peer.cut("audio", True)
    await told_silent(play, "ann")
    count = len(told)
    end = trio.current_time() + 0.5
    await talk(ann, lambda: trio.current_time() > end)
    assert ["ann", None] == play.hall.speakers
    assert [] == told[count:]
    ann.peer.cut("audio", False)
    await talk(ann, lambda: play.hall.speakers[-1] == "ann" and told[-1]["ann"] > 80)
    assert [] != bob.caller.media


async def test_who_has_lost_its_connection_is_silent(play: Play) -> None:
    """It may still be in the room, and on another connection it begins as anybody."""
    ann = await play.join("ann")
    await play.join("bob")
    told = play.hall.levels
    await talk(ann, lambda: told[-1:] != [] and told[-1]["ann"] > 80)
    ann.caller.close()
    await ann.ear.until("closed")
    await told_silent(play, "ann")
    again = await play.join("ann")
    await talk(again, lambda: told[-1]["ann"] > 80)
    again.voice.section.direction = "recvonly"
    again.peer.renegotiate(again.caller.offer(), [])
    await told_silent(play, "ann")


async def test_a_takeover_is_as_loud_as_the_new_connection(play: Play) -> None:
    ann = await play.join("ann")
    told = play.hall.levels
    await talk(ann, lambda: told[-1:] != [] and told[-1]["ann"] > 80)
    heir = await play.join("ann")
    assert {"ann": 0} == told[-1]
    await talk(heir, lambda: told[-1]["ann"] > 80)


async def test_a_closed_room_tells_of_no_levels(play: Play) -> None:
    ann = await play.join("ann")
    told = play.hall.levels
    await talk(ann, lambda: told[-1:] != [] and told[-1]["ann"] > 80)
    count = len(told)
    play.room.close()
    await trio.sleep(0.3)
    assert [] == told[count:]


async def test_stats(play: Play) -> None:
    ann = await play.join("ann", picture=True)
    bob = await play.join("bob")
    (view,) = bob.watch("ann")
    await show_first(ann, (bob, view))
    await hears(bob, ann)
    sent = ann.peer.stats()
    assert ("connected", "GCM_128") == (sent.state, sent.profile)
    host, port = ann.caller.sockets[0].getsockname()
    assert f"{host}:{port}" == sent.path
    assert [("0", "audio", "opus"), ("1", "video", "VP8")] == [
        (each.mid, each.kind, each.codec) for each in sent.inbound
    ]
    sound, picture = sent.inbound
    assert (3, 0) == (sound.packets, sound.lost)
    assert (1, 1) == (picture.packets, picture.keyframes)
    assert ann.camera.section.ssrc == picture.ssrc
    got = bob.peer.stats()
    assert [(None, "audio", REASON_ROOM), ("ann", "video", REASON_ONLY_LAYER)] == [
        (each.source, each.kind, each.reason) for each in got.outbound
    ]
    assert [bob.hears, view] == [each.ssrc for each in got.outbound]
    assert [3, 1] == [each.packets for each in got.outbound]
    assert all(math.isfinite(each.lost_fraction) for each in got.outbound)
    assert attrs.asdict(got)["outbound"][1]["source"] == "ann"
    bob.peer.close()
    gone = bob.peer.stats()
    assert ("closed", (), ()) == (gone.state, gone.inbound, gone.outbound)


async def test_a_peer_is_new_until_it_is_connected(play: Play) -> None:
    caller = await play.caller()
    caller.add("audio", "sendrecv")
    ear = Ear()
    peer, answer = play.room.open_peer("ann", caller.offer(), ear)
    assert ("new", None, None) == (peer.stats().state, peer.stats().path, peer.stats().profile)
    await caller.hear(answer)
    await ear.until("connected")
    assert "connected" == peer.stats().state


def test_formats_are_numbered_by_what_tells_them_apart() -> None:
    formats = Formats()
    vp8 = formats.number(Codec(96, "VP8", 90000, 97))
    assert vp8 == formats.number(Codec(120, "VP8", 90000, None, "max-fr=30"))
    one = formats.number(Codec(102, "H264", 90000, None, "packetization-mode=1;profile-level-id=42e01f"))
    other = formats.number(Codec(102, "H264", 90000, None, "packetization-mode=0;profile-level-id=42e01f"))
    assert 3 == len({vp8, one, other})
    for number in range(100):  # what a phone may write behind it does not count
        sets = f"packetization-mode=1;profile-level-id=42e01f;sprop-parameter-sets={number}"
        assert one == formats.number(Codec(102, "H264", 90000, None, sets))
