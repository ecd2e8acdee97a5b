"""The KPOINT demo page in real browsers: calls from tab to tab and through the server, and rooms where KPOINT and the Room API meet."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
import trio

from tests.browser.chromium import Chromium, Page
from tests.browser.conftest import Relay, Server
from tests.browser.kpoint import (
    SCREEN_COLOUR,
    SCREEN_SCRIPT,
    SCREEN_SIZE,
    SIZE,
    KpointMember,
    access_token,
    demo_page,
    fresh_room,
    line_is_empty,
    media_counters,
    near,
    open_embedded,
    open_kpoint,
)
from tests.browser.member import ANNA, BOB, CARLA, Guise, Member, faults
from tests.browser.test_meet import NARROW, PHONE, scrolls_sideways

TILES = "document.querySelectorAll('.tile').length"


async def sees_and_hears(members: dict[str, Member]) -> None:
    """Each member shows each other one in its colour, and hears whoever speaks and nobody else. `members` by their ids."""
    for member in members.values():
        for other_id, other in members.items():
            if other is member:
                continue
            await member.wait_for_frames(other_id)
            await member.tile_is(other_id, "pictured")
            pictures = await member.pictures()
            assert other.guise.looks_like(pictures[other_id]["colour"]), (member.guise.name, other.guise.name)
    guises = [member.guise for member in members.values()]
    for speaker in members.values():
        await speaker.speak(True)
        for member in members.values():
            if member is not speaker:
                await hears_only(member, speaker.guise, guises)
        await speaker.speak(False)


async def hears_only(member: Member, guise: Guise, guises: list[Guise]) -> None:
    """A voice needs a moment to fade in or out, so this may be asked for again."""
    wanted = {other.name: other is guise for other in guises}
    heard: dict[str, bool] = {}
    for _ in range(5):
        heard = await member.hears(*guises)
        if heard == wanted:
            return
    raise AssertionError((member.guise.name, "hears", heard))


async def test_a_p2p_call_goes_from_tab_to_tab(server: Server, chromium: Chromium) -> None:
    """Pictures and sound, a screen too; the server passes the messages and sees no packet."""
    room = fresh_room()
    before = media_counters(server)
    anna = await open_kpoint(chromium, server.url, room, "p2p", ANNA)
    bob = await open_kpoint(chromium, server.url, room, "p2p", BOB)
    anna_id, bob_id = await anna.joined(), await bob.joined()
    await sees_and_hears({anna_id: anna, bob_id: bob})

    await anna.page.click("#screen")
    await bob.wait_for_pictures(anna_id, "screen")
    assert near(await bob.screen_colour(anna_id), SCREEN_COLOUR)
    assert [leg["connection"] for leg in await bob.page.evaluate("kpoint.stats()")] == ["connected"] * 3
    await anna.page.click("#screen")
    await bob.page.wait_for("!document.querySelector('[data-screen]')")
    await bob.wait_for_frames(anna_id)

    after = media_counters(server)
    assert after.keys() >= {"received", "sent"}
    assert after == before
    assert anna.operations()[:3] == ["register", "createRoom", "joinRoom"]
    assert set(anna.operations()[3:]) == {"sdp", "screen", "shareStop"}
    assert bob.pushed("subscribed")[0]["user"] == anna_id
    assert [frame["cam"] for frame in bob.pushed("subscribed")] == [True, False]
    assert faults(anna.page) == faults(bob.page) == []


async def test_three_in_a_group_see_and_hear_each_other(server: Server, chromium: Chromium) -> None:
    """Through the server: each sends once. Who comes later is told at once of those who send."""
    room = fresh_room()
    anna = await open_kpoint(chromium, server.url, room, "group", ANNA)
    bob = await open_kpoint(chromium, server.url, room, "group", BOB)
    anna_id, bob_id = await anna.joined(), await bob.joined()
    await anna.wait_for_frames(bob_id)
    await bob.wait_for_frames(anna_id)
    carla = await open_kpoint(chromium, server.url, room, "group", CARLA)
    carla_id = await carla.joined()
    await sees_and_hears({anna_id: anna, bob_id: bob, carla_id: carla})

    first = carla.pushed("publish")[0]
    assert [[feed["id"], feed["type"]] for feed in first["feeds"]] == [[anna_id, "cam"], [bob_id, "cam"]]
    assert anna.operations()[:4] == ["register", "createVideoRoom", "joinRoom", "sdpRoom"]
    assert bob.operations()[:3] == ["register", "createVideoRoom", "joinRoom"]  # the second one is told 443
    assert sorted(bob.operations()[3:]) == sorted(["sdpRoom"] + ["subscribe", "sdpRoom"] * 2)
    legs = await anna.page.evaluate("kpoint.stats()")
    assert sorted([leg["user"], leg["direction"]] for leg in legs) == sorted(
        [[anna_id, "send"], [bob_id, "receive"], [carla_id, "receive"]]
    )
    for talker_id in (anna_id, bob_id, carla_id):  # everybody is told of all, the talker too
        told = [frame["talking"] for frame in carla.pushed("talking") if frame["user"] == talker_id]
        assert told[0] is True
    await carla.speak(True)
    await anna.tile_is(carla_id, "speaking")
    await carla.speak(False)
    await anna.tile_is(carla_id, "speaking", False)
    assert [faults(member.page) for member in (anna, bob, carla)] == [[], [], []]


async def test_a_screen_in_a_group(server: Server, chromium: Chromium) -> None:
    """The others see it beside the camera, also those who come later, until it ends, by the button or with the call."""
    room = fresh_room()
    anna = await open_kpoint(chromium, server.url, room, "group", ANNA)
    bob = await open_kpoint(chromium, server.url, room, "group", BOB)
    anna_id, bob_id = await anna.joined(), await bob.joined()
    await anna.wait_for_frames(bob_id)
    await bob.page.click("#screen")
    await anna.wait_for_pictures(bob_id, "screen")
    assert near(await anna.screen_colour(bob_id), SCREEN_COLOUR)
    await anna.page.wait_for("document.getElementById('screen').disabled")  # one thing at a time
    carla = await open_kpoint(chromium, server.url, room, "group", CARLA)
    await carla.joined()
    assert near(await carla.screen_colour(bob_id), SCREEN_COLOUR)
    video = (await carla.leg(bob_id, "screen"))["video"]
    assert [video["width"], video["height"]] == SCREEN_SIZE
    await carla.wait_for_frames(bob_id)

    await bob.page.click("#screen")
    for member in (anna, carla):
        await member.page.wait_for("!document.querySelector('[data-screen]') && kpoint.share === null")
    assert (await anna.leg(bob_id, "screen")) == {}
    await anna.wait_for_frames(bob_id)

    await anna.page.click("#screen")
    await bob.wait_for_pictures(anna_id, "screen")
    await anna.page.click("#leave")
    await bob.page.wait_for(f"{TILES} === 2 && kpoint.share === null")
    assert bob.pushed("shareStop")[-1]["user"] == bob.pushed("leave")[-1]["user"] == anna_id


async def test_members_chat_and_leaving(server: Server, chromium: Chromium, relay: Relay) -> None:
    room = fresh_room()
    anna = await open_kpoint(chromium, server.url, room, "group", ANNA)
    await anna.joined()
    bob = await open_kpoint(chromium, f"http://127.0.0.1:{relay.port}", room, "group", BOB)
    anna_id, bob_id = await anna.joined(), await bob.joined()
    await anna.wait_for_frames(bob_id)
    rows = "[...document.querySelectorAll('#members li')].map((one) => one.textContent)"
    assert await bob.page.evaluate(rows) == ["AnnahostBrowser", "Bob (you)Browser"]

    nasty = '<img src="x">'
    await anna.page.type("#chat-text", nasty)
    await anna.page.press("Enter")
    said = "[...document.querySelectorAll('#chat li')].map((one) => one.textContent)"
    for member in (anna, bob):  # the speaker too, though the server sends it nothing
        await member.page.wait_for(f"JSON.stringify({said}) === {json.dumps(json.dumps([f'Anna {nasty}']))}")
    assert len(bob.pushed("chat")) == 1
    assert anna.pushed("chat") == []

    relay.cut()
    await bob.line("The connection to the server is gone")
    await bob.page.wait_for("kpoint.state === 'idle'")
    await anna.page.wait_for(f"{TILES} === 1 && !({json.dumps(bob_id)} in kpoint.members)")
    assert await anna.leg(bob_id) == {}

    await bob.page.click("#start")
    assert await bob.joined() == bob_id
    await anna.wait_for_frames(bob_id)
    await anna.page.click("#leave")
    await bob.page.wait_for(f"{TILES} === 1")
    await anna.page.wait_for(f"kpoint.state === 'registered' && {TILES} === 0")
    assert await bob.leg(anna_id) == {}


@pytest.mark.parametrize("kind", ["p2p", "group"])
async def test_microphone_and_camera(server: Server, chromium: Chromium, kind: str) -> None:
    room = fresh_room()
    anna = await open_kpoint(chromium, server.url, room, kind, ANNA)
    bob = await open_kpoint(chromium, server.url, room, kind, BOB, speaking=True)
    await anna.joined()
    bob_id = await bob.joined()
    await anna.wait_for_frames(bob_id)
    await hears_only(anna, BOB, [BOB])
    await bob.page.click("#mic")
    await anna.tile_is(bob_id, "silent")
    await hears_only(anna, CARLA, [BOB])
    await bob.page.click("#camera")
    await anna.tile_says(bob_id, "Bob, microphone off, camera off")
    await anna.tile_is(bob_id, "pictured", False)
    for button in ("#mic", "#camera"):
        await bob.page.click(button)
    await anna.tile_says(bob_id, "Bob")
    await anna.tile_is(bob_id, "pictured")
    await hears_only(anna, BOB, [BOB])
    told = [[frame["audio"], frame["video"]] for frame in anna.pushed("editUserInfo")]
    assert told == [[False, True], [False, False], [True, False], [True, True]]


async def test_a_kpoint_member_and_a_room_api_member(server: Server, chromium: Chromium) -> None:
    """In one room of the licence, by its name: each sees and hears the other, and mutes and screens cross both ways."""
    room = fresh_room()
    anna = await open_kpoint(chromium, server.url, room, "group", ANNA)
    anna_id = await anna.joined()
    bob = await open_embedded(chromium, server, room, BOB)
    bob_id = await bob.joined()
    await sees_and_hears({anna_id: anna, bob_id: bob})
    assert await bob.page.evaluate("document.querySelector('.room-name').textContent") == room
    assert await anna.page.evaluate(f"kpoint.members[{json.dumps(bob_id)}].name") == "Bob"

    await anna.page.click("#mic")
    await bob.tile_says(anna_id, "Anna, microphone off")
    await anna.page.click("#camera")
    await bob.tile_says(anna_id, "Anna, microphone off, camera off")
    for button in ("#mic", "#camera"):
        await anna.page.click(button)
    await bob.tile_says(anna_id, "Anna")
    await bob.page.press("m")
    await anna.tile_says(bob_id, "Bob, microphone off")
    await bob.page.press("v")
    await anna.tile_says(bob_id, "Bob, microphone off, camera off")
    for key in "mv":
        await bob.page.press(key)
    await anna.tile_says(bob_id, "Bob")
    await sees_and_hears({anna_id: anna, bob_id: bob})

    await anna.page.click("#screen")
    await bob.tile_says(anna_id, "Anna, sharing the screen")
    await bob.tile_is(anna_id, "pictured")
    await shows(bob, anna_id, SCREEN_COLOUR)
    await anna.page.click("#screen")
    await bob.tile_says(anna_id, "Anna")
    await bob.page.wait_for(f"member.pictures()[{json.dumps(anna_id)}] !== undefined")
    await looks_as_before(bob, anna_id, ANNA)

    await bob.page.click("#share")
    assert near(await anna.screen_colour(bob_id), SCREEN_COLOUR)
    await bob.page.click("#unshare")
    await anna.page.wait_for("!document.querySelector('[data-screen]') && kpoint.share === null")
    await anna.wait_for_frames(bob_id)
    await looks_as_before(anna, bob_id, BOB)

    await bob.page.click("#leave")
    await anna.page.wait_for(f"{TILES} === 1")
    bob = await open_embedded(chromium, server, room, BOB)
    await bob.wait_for_frames(anna_id)
    await anna.page.click("#leave")
    await bob.page.wait_for(f"{TILES} === 1")
    assert faults(anna.page) == faults(bob.page) == []


async def shows(member: Member, user: str, colour: tuple[int, int, int]) -> None:
    with trio.fail_after(15):
        while not near((await member.pictures()).get(user, {"colour": [0, 0, 0]})["colour"], colour):
            await trio.sleep(0.1)


async def looks_as_before(member: Member, user: str, guise: Guise) -> None:
    with trio.fail_after(15):
        while not guise.looks_like((await member.pictures())[user]["colour"]):
            await trio.sleep(0.1)


async def test_a_way_in_that_is_not_valid(server: Server, chromium: Chromium) -> None:
    """The embedded room says so, and asks for no password that nobody has; a good token in the same page then leads in."""
    room = fresh_room()
    bob = await open_embedded(chromium, server, room, BOB, token="forged")
    await bob.line("This way into the room is not valid")
    assert await bob.page.evaluate("atrium.state") == "lobby"
    assert await bob.page.evaluate(
        "document.getElementById('signin').hidden && document.getElementById('room-secret').hidden"
    )
    token = json.dumps(access_token(server))
    await bob.page.evaluate(f"location.hash = location.hash.replace('forged', {token})")
    await bob.joined()
    assert await bob.page.evaluate("document.title") == f"{room} · Atrium"
    assert await bob.page.evaluate("document.getElementById('copy').hidden")  # a link that would let anybody in


async def test_a_wrong_key_is_said_and_may_be_mended(server: Server, chromium: Chromium) -> None:
    """On the same socket; the sign-in then goes on step by step."""
    page = await chromium.open(demo_page(server.url, room=fresh_room(), kind="group"), script=ANNA.script(), size=SIZE)
    good = await page.wait_for("document.getElementById('auth-key').value")
    await page.type("#auth-key", "wrong")
    await page.click("#start")
    await Member(page, ANNA).line("does not take this cpCode with this authKey")
    assert await page.evaluate("kpoint.state") == "idle"
    await page.click("summary")
    await page.click("#forced")
    await page.type("#auth-key", good)
    steps = [("#register", "registered"), ("#create", "registered"), ("#join", "joined"), ("#leave", "registered")]
    for button, state in steps:
        await page.wait_for(f"!document.querySelector('{button}').disabled")
        await page.click(button)
        await page.wait_for(f"kpoint.state === '{state}'")
    await page.wait_for("!document.querySelector('#disconnect').disabled")
    await page.click("#disconnect")
    await page.wait_for("kpoint.state === 'idle' && document.getElementById('disconnect').disabled")
    operations = [frame["eventOp"] for frame in page.sent]
    assert operations[:4] == ["register", "register", "createVideoRoom", "joinRoom"]
    assert [frame["forced"] for frame in page.sent[:2]] == [False, True]


async def test_a_user_id_in_use_and_its_takeover(server: Server, chromium: Chromium) -> None:
    room = fresh_room()
    anna = await open_kpoint(chromium, server.url, room, "p2p", ANNA)
    anna_id = await anna.joined()
    page = await chromium.open(
        demo_page(server.url, room=room, kind="p2p", name="Again"), script=ANNA.script(), size=SIZE
    )
    await page.wait_for("document.getElementById('auth-key').value")
    await page.type("#user-id", anna_id)
    await page.click("#start")
    again = KpointMember(page, ANNA)
    await again.line("This userId is in use")
    await page.click("summary")
    await page.click("#forced")
    await page.click("#start")
    assert await again.joined() == anna_id
    await anna.line("has registered from somewhere else")
    assert await anna.page.evaluate("kpoint.state") == "idle"


async def test_the_second_tab(server: Server, chromium: Chromium) -> None:
    """One button starts a call; the link beside it leads into the same room. What the room is, the server says."""
    page = await chromium.open(demo_page(server.url), script=ANNA.script() + SCREEN_SCRIPT)
    await page.wait_for("document.getElementById('auth-key').value")
    await page.click("#group")
    await page.tab_to("#start")
    await page.press("Enter")
    anna = KpointMember(page, ANNA)
    anna_id = await anna.joined()
    link = urlsplit(await page.evaluate("document.getElementById('second').href"))
    query = {name: values[0] for name, values in parse_qs(link.query).items()}
    assert (link.path, query["kind"], query["join"]) == ("/kpoint-demo", "group", "1")
    assert query["room"] == await page.evaluate("kpoint.roomId")
    bob = await open_kpoint(chromium, server.url, query["room"], "p2p", BOB)  # another kind than the room has
    await bob.joined()
    await bob.wait_for_frames(anna_id)
    assert (await anna.page.evaluate("kpoint.stats()"))[0]["user"] == anna_id  # it goes to the server


async def test_the_messages(server: Server, chromium: Chromium) -> None:
    """Each is a line that opens to its JSON, descriptions folded once more; it can be held still and cleared, and has an end."""
    anna = await open_kpoint(chromium, server.url, fresh_room(), "group", ANNA)
    await anna.joined()
    page = anna.page
    last = "document.querySelector('#messages > .in[data-op=sdpRoom]')"
    await page.wait_for(f"{last} !== null")
    lines = await page.evaluate(
        "[...document.querySelectorAll('#messages > li')].map((one) => [one.classList[1], one.dataset.op])"
    )
    assert lines == [
        [way, op] for op in ("register", "createVideoRoom", "joinRoom", "sdpRoom") for way in ("out", "in")
    ]
    assert await page.evaluate(f"{last}.querySelector('.code').textContent") == "200"
    await page.evaluate(f"{last}.querySelector('summary').click()")
    shown = await page.wait_for(f"{last}.querySelector('pre')?.textContent")
    reply = next(frame for frame in page.frames if frame["eventOp"] == "sdpRoom")
    assert "v=0" not in shown
    assert json.loads(shown) | {"sdp": None} == reply | {"sdp": None}
    assert await page.evaluate(f"{last}.querySelector('details details pre').textContent") == reply["sdp"]["sdp"]
    assert not await page.evaluate(f"{last}.querySelector('details details').open")

    count = "document.querySelectorAll('#messages > li').length"
    await page.click("#clear")
    await page.wait_for(f"{count} === 0")
    await page.click("#pause")
    await page.type("#chat-text", "while nobody looks")
    await page.press("Enter")
    await page.wait_for("document.getElementById('pause').textContent === 'Pause (2 wait)'")
    assert await page.evaluate(count) == 0
    await page.click("#pause")
    await page.wait_for(f"{count} === 2 && document.getElementById('pause').textContent === 'Pause'")
    assert await page.evaluate("document.querySelector('#messages > li .gist').textContent") == "“while nobody looks”"
    many = "import('/static/kpoint/log.js').then(({ Log }) => {"
    many += " const log = new Log(document.getElementById('messages'), () => {});"
    many += " for (let at = 0; at < 500; at += 1) log.add('in', { eventOp: `m${at}` }); })"
    await page.evaluate(many)
    await page.wait_for("document.querySelector('#messages > li:last-child').dataset.op === 'm499'")
    assert await page.evaluate(count) == 200


async def test_a_whiteboard(server: Server, chromium: Chromium) -> None:
    """Strokes by pointer and by keyboard arrive at the others; who comes later asks for the picture."""
    room = fresh_room()
    anna = await open_kpoint(chromium, server.url, room, "group", ANNA)
    bob = await open_kpoint(chromium, server.url, room, "group", BOB)
    await anna.joined()
    bob_id = await bob.joined()
    await anna.page.wait_for(f"{json.dumps(bob_id)} in kpoint.members")
    await bob.page.click("#whiteboard")
    await anna.page.wait_for("!document.getElementById('drawing').hidden")
    await bob.page.click("#board")
    await anna.page.evaluate("document.getElementById('board').focus({ preventScroll: true })")
    for _ in range(3):
        await anna.page.command("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight")
    for member in (anna, bob):
        await has_ink(member.page)
    assert {"tool": "pen", "xy": {"x0": 0.5, "y0": 0.5, "x1": 0.52, "y1": 0.5}}.items() <= bob.pushed("drawing")[
        0
    ].items()

    carla = await open_kpoint(chromium, server.url, room, "group", CARLA)
    await carla.joined()
    await has_ink(carla.page)
    assert bob.pushed("reqCanvasImage") != []
    await bob.page.click("#wipe")
    for member in (anna, bob, carla):
        await has_ink(member.page, False)
    await bob.page.click("#whiteboard")
    await carla.page.wait_for("document.getElementById('drawing').hidden")


async def has_ink(page: Page, wanted: bool = True) -> None:
    pixels = "document.getElementById('board').getContext('2d').getImageData(0, 0, 960, 600).data"
    await page.wait_for(f"{pixels}.some((value) => value < 200) === {json.dumps(wanted)}")


@pytest.mark.parametrize("size", [PHONE, NARROW], ids=["390", "320"])
async def test_a_phone_never_scrolls_sideways(server: Server, chromium: Chromium, size: tuple[int, int]) -> None:
    room = fresh_room()
    page = await chromium.open(demo_page(server.url, room=room), script=ANNA.script(), size=size, phone=True)
    await page.click("summary")
    assert not await scrolls_sideways(page)
    await page.close()
    anna = await open_kpoint(chromium, server.url, room, "p2p", ANNA, size=size, phone=True)
    bob = await open_kpoint(chromium, server.url, room, "p2p", BOB)
    await anna.joined()
    await anna.wait_for_frames(await bob.joined())
    await bob.page.click("#whiteboard")
    await anna.page.wait_for("!document.getElementById('drawing').hidden")
    assert not await scrolls_sideways(anna.page)
    assert await anna.page.evaluate("document.querySelector('.tile').getBoundingClientRect().bottom < innerHeight")


async def test_every_control_has_a_name(server: Server, chromium: Chromium) -> None:
    """What a screen reader would say is never nothing."""
    anna = await open_kpoint(chromium, server.url, fresh_room(), "group", ANNA)
    await anna.joined()
    await anna.page.click("#whiteboard")
    await anna.page.wait_for("!document.getElementById('drawing').hidden")
    await anna.page.click("summary")
    tree = await anna.page.command("Accessibility.getFullAXTree")
    roles = {"button", "link", "textbox", "radio", "checkbox", "Canvas", "list"}
    controls = [node for node in tree["nodes"] if node.get("role", {}).get("value") in roles and not node["ignored"]]
    assert len(controls) >= 20
    assert [node["role"]["value"] for node in controls if not node["name"]["value"]] == []
    await line_is_empty(anna.page)
    assert faults(anna.page) == []
