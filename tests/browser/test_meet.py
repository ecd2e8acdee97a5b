"""The room page in real browsers on a real server: members who see and hear each other, and what goes wrong."""

import json
import statistics
from pathlib import Path

import pytest
import trio

from tests.browser.chromium import Chromium, Page, open_chromium
from tests.browser.conftest import Relay, Server
from tests.browser.member import ANNA, BOB, CARLA, Member, faults, line, open_member

PHONE = (390, 844)
NARROW = (320, 640)


async def scrolls_sideways(page: Page) -> bool:
    wide = "[document.documentElement, ...document.querySelectorAll('body, main, section')]"
    return bool(await page.evaluate(f"{wide}.some((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth)"))


async def test_three_members_see_and_hear_each_other(server: Server, chromium: Chromium, tmp_path: Path) -> None:
    """Frames of both others are decoded and have their colour; whoever speaks is heard by the others and not by itself."""
    address = server.page(server.make_room(name="Three at a table"))
    members = [await open_member(chromium, address, guise) for guise in (ANNA, BOB, CARLA)]
    ids = [await member.joined() for member in members]
    for member, own in zip(members, ids, strict=True):
        for other in ids:
            if other != own:
                await member.wait_for_frames(other)
    for member in members:
        pictures = await member.pictures()
        assert set(pictures) == set(ids)
        for other, other_id in zip(members, ids, strict=True):
            await member.tile_is(other_id, "pictured")
            assert other.guise.looks_like(pictures[other_id]["colour"]), (member.guise.name, other.guise.name)
    for speaker, speaker_id in zip(members, ids, strict=True):
        await speaker.speak(True)
        for member in members:
            await member.tile_is(speaker_id, "speaking")
            heard = await member.hears(ANNA, BOB, CARLA)
            wanted = {guise.name: guise is speaker.guise and member is not speaker for guise in (ANNA, BOB, CARLA)}
            assert heard == wanted, f"{member.guise.name} while {speaker.guise.name} speaks"
        await speaker.speak(False)
    shot = await members[0].page.screenshot(tmp_path / "three.png")
    assert shot.stat().st_size > 10_000
    assert [faults(member.page) for member in members] == [[], [], []]


async def test_mute_and_camera_buttons_act_on_the_others(server: Server, chromium: Chromium) -> None:
    address = server.page(server.make_room())
    anna = await open_member(chromium, address, ANNA)
    bob = await open_member(chromium, address, BOB, speaking=True)
    bob_id = (await anna.joined(), await bob.joined())[1]
    await anna.wait_for_frames(bob_id)
    assert await anna.hears(BOB) == {"Bob": True}

    await bob.page.click(".bar [data-toggle=audio]")
    await anna.tile_is(bob_id, "silent")
    assert await anna.hears(BOB) == {"Bob": False}
    await bob.page.press("m")  # the keyboard does it too
    await anna.tile_is(bob_id, "silent", False)
    assert await anna.hears(BOB) == {"Bob": True}

    await bob.page.click(".bar [data-toggle=video]")
    await anna.tile_is(bob_id, "pictured", False)
    await anna.tile_says(bob_id, "Bob, camera off")
    await bob.page.click(".bar [data-toggle=video]")
    await anna.tile_is(bob_id, "pictured")
    await anna.wait_for_frames(bob_id)
    assert BOB.looks_like((await anna.pictures())[bob_id]["colour"])


async def test_who_enters_with_everything_off_can_turn_it_on(server: Server, chromium: Chromium) -> None:
    """Without a device the join is an audience's; the first picture and the first word need a renegotiation."""
    room = server.make_room()
    anna = await open_member(chromium, server.page(room), ANNA, speaking=True)
    page = await chromium.open(f"{server.page(room)}?name=Bob&join=1&mic=0&camera=0", script=BOB.script(speaking=True))
    bob = Member(page, BOB)
    anna_id, bob_id = await anna.joined(), await bob.joined()
    assert await bob.hears(ANNA) == {"Anna": True}  # the audience hears
    await bob.wait_for_frames(anna_id)
    await anna.tile_is(bob_id, "silent")
    for button in ("audio", "video"):
        await bob.page.click(f".bar [data-toggle={button}]")
    await anna.tile_is(bob_id, "silent", False)
    await anna.wait_for_frames(bob_id)
    await anna.tile_is(bob_id, "pictured")
    assert await anna.hears(BOB) == {"Bob": True}


async def test_leaving_and_the_section_that_serves_the_next(server: Server, chromium: Chromium) -> None:
    address = server.page(server.make_room())
    anna = await open_member(chromium, address, ANNA)
    bob = await open_member(chromium, address, BOB)
    await anna.joined()
    bob_id = await bob.joined()
    await anna.wait_for_frames(bob_id)
    await bob.page.click("#leave")
    await anna.page.wait_for("atrium.members.length === 0 && document.querySelectorAll('.tile').length === 1")
    assert await anna.page.wait_to_hear("member_leave_room") == [{"member": bob_id, "by_admin": False}]
    assert await bob.page.evaluate("atrium.state") == "left"

    carla = await open_member(chromium, address, CARLA)
    carla_id = await carla.joined()
    await anna.wait_for_frames(carla_id)
    await anna.tile_is(carla_id, "pictured")
    assert CARLA.looks_like((await anna.pictures())[carla_id]["colour"])
    sections = await anna.page.evaluate("member.connections.at(-1).getTransceivers().length")
    assert sections == 3  # audio, video, and the one that was Bob's

    await bob.page.click("#rejoin")
    await anna.wait_for_frames(await bob.joined())


async def test_a_lost_socket_is_not_a_leave(server: Server, chromium: Chromium, relay: Relay) -> None:
    """The page says that the server is gone, comes back by itself, and the others never saw it away."""
    room = server.make_room()
    anna = await open_member(chromium, server.page(room), ANNA)
    bob = await open_member(chromium, f"http://127.0.0.1:{relay.port}/meet/{room}", BOB)
    anna_id, bob_id = await anna.joined(), await bob.joined()
    await anna.wait_for_frames(bob_id)
    relay.is_open = False
    relay.cut()
    await bob.page.wait_for("atrium.state === 'reconnecting'")
    await line(bob.page, "The server does not answer")
    relay.is_open = True
    assert await bob.joined() == bob_id
    await bob.page.wait_for("document.getElementById('line').hidden")
    await anna.wait_for_frames(bob_id)
    await bob.wait_for_frames(anna_id)
    await anna.tile_is(bob_id, "pictured")
    assert anna.page.heard("member_leave_room") == []
    assert len(anna.page.heard("member_join_room")) == 1


async def test_who_is_let_go_for_lost_media_comes_back(server: Server, chromium: Chromium) -> None:
    """The connection ends under the page: the server lets the member go, nobody wanted it, and the page joins again."""
    address = server.page(server.make_room())
    anna = await open_member(chromium, address, ANNA)
    bob = await open_member(chromium, address, BOB)
    anna_id, bob_id = await anna.joined(), await bob.joined()
    await anna.wait_for_frames(bob_id)
    await bob.page.evaluate("member.connections.at(-1).close()")
    with trio.fail_after(20):
        while anna.page.heard("member_leave_room") != [{"member": bob_id, "by_admin": False}]:
            await trio.sleep(0.05)
    bob_id = await bob.joined()
    await anna.wait_for_frames(bob_id)
    await bob.wait_for_frames(anna_id)
    await bob.page.wait_for("document.getElementById('line').hidden")


async def test_media_that_cannot_reach_the_server_are_said(server: Server, chromium: Chromium) -> None:
    """Without a way for UDP the page is in the room and says what is wrong, for as long as it is."""
    address = f"{server.page(server.make_room())}?name=Bob&join=1"
    # Port 9 of this machine answers nobody.
    nowhere = """
      const take = RTCPeerConnection.prototype.setRemoteDescription;
      RTCPeerConnection.prototype.setRemoteDescription = function (description) {
        const sdp = description.sdp.replace(/( udp \\d+ \\S+) \\d+ typ/gi, "$1 9 typ");
        return take.call(this, { type: description.type, sdp });
      };
    """
    page = await chromium.open(address, script=BOB.script() + nowhere)
    await line(page, "Connecting sound and picture")
    await line(page, "cannot reach the server", 20)


async def test_a_socket_that_opens_during_an_arrival_is_not_forgotten(
    server: Server, chromium: Chromium, relay: Relay
) -> None:
    """The line breaks and is back while the answer of the former socket is still being taken in."""
    room = server.make_room()
    anna = await open_member(chromium, server.page(room), ANNA)
    await anna.joined()
    slow = """
      const take = RTCPeerConnection.prototype.setRemoteDescription;
      window.isTaking = false;
      RTCPeerConnection.prototype.setRemoteDescription = async function (description) {
        if (!window.isTaking) {
          window.isTaking = true;
          await new Promise((resolve) => { window.goOn = resolve; });
        }
        return take.call(this, description);
      };
    """
    address = f"http://127.0.0.1:{relay.port}/meet/{room}?name=Bob&join=1"
    page = await chromium.open(address, script=BOB.script() + slow)
    bob = Member(page, BOB)
    await page.wait_for("window.goOn !== undefined")
    relay.cut()
    await trio.sleep(1.0)  # the page's next try comes after at most 200 ms
    await page.evaluate("goOn()")
    await anna.wait_for_frames(await bob.joined())
    await bob.page.click(".bar [data-toggle=audio]")  # a socket that has not joined would be a stranger's
    await anna.tile_is(await bob.joined(), "silent")


async def test_sound_and_picture_arrive_together(server: Server, chromium: Chromium) -> None:
    """A flash and a beep made at once are at most 80 ms apart in the receiver (median of five)."""
    address = server.page(server.make_room())
    anna = await open_member(chromium, address, ANNA)
    bob = await open_member(chromium, address, BOB)
    anna_id = await anna.joined()
    await bob.joined()
    await bob.wait_for_frames(anna_id, 20)
    assert await bob.hears(ANNA) == {"Anna": False}
    apart = []
    for _ in range(5):
        arrived: dict[str, float | None] = {}

        async def watch(into: dict[str, float | None] = arrived) -> None:
            into |= await bob.page.evaluate(f"member.awaitClap('{anna_id}', 4000)")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await trio.sleep(0.5)
            await anna.page.evaluate("member.clap(250)")
        assert arrived["seen"] is not None and arrived["heard"] is not None
        apart.append(arrived["heard"] - arrived["seen"])
        await trio.sleep(0.4)
    assert abs(statistics.median(apart)) <= 80, apart


async def test_a_refused_camera_is_said_and_one_may_still_listen(server: Server, tmp_path: Path) -> None:
    room = server.make_room()
    async with open_chromium(tmp_path, ask=True) as chromium:
        anna = await open_member(chromium, server.page(room), ANNA, speaking=True)
        await anna.joined()
        page = await chromium.open(
            f"{server.page(room)}?name=Bob",
            script=BOB.script(devices=False),
            grant=(),
            deny=("camera", "microphone"),
        )
        await line(page, "was not allowed to use your camera and microphone")
        assert await page.evaluate("document.querySelector('#preview [data-toggle=video]').ariaPressed") == "true"
        await page.click("#join")
        bob = Member(page, BOB)
        await bob.joined()
        assert await bob.hears(ANNA) == {"Anna": True}
        assert await anna.page.wait_for("atrium.members[0].video_muted && atrium.members[0].audio_muted")


async def test_a_missing_camera_is_said(server: Server, chromium: Chromium) -> None:
    nothing = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); };"
    page = await chromium.open(f"{server.page(server.make_room())}?name=Bob", script=nothing)
    await line(page, "No camera and microphone was found")


@pytest.mark.parametrize("size", [PHONE, NARROW], ids=["390", "320"])
async def test_a_phone_never_scrolls_sideways(server: Server, chromium: Chromium, size: tuple[int, int]) -> None:
    room = server.make_room(name="A room with a name that is rather too long for the top of a telephone")
    closed = server.make_room(open=False)
    for address in (f"{server.url}/", server.page("nowhere"), server.page(room)):
        page = await chromium.open(address, size=size, phone=True)
        assert not await scrolls_sideways(page), address
        await page.close()
    page = await chromium.open(f"{server.page(closed)}?name=A&join=1", script=ANNA.script(), size=size, phone=True)
    await page.wait_for("atrium.state === 'waiting'")
    assert not await scrolls_sideways(page)
    await page.click("#prove")
    await page.click("#signin summary")
    assert not await scrolls_sideways(page)
    await page.close()
    phone = await open_member(chromium, server.page(room), ANNA, size=size, phone=True)
    bob = await open_member(chromium, server.page(room), BOB)
    await phone.joined()
    await phone.wait_for_frames(await bob.joined())
    assert not await scrolls_sideways(phone.page)
    inside = "(({ left, right, bottom }) => left >= 0 && right <= innerWidth && bottom <= innerHeight)"
    for element in (".bar", ".bar .leave", ".tile.self", ".tile:not(.self)"):
        assert await phone.page.evaluate(f"{inside}(document.querySelector('{element}').getBoundingClientRect())")
    await phone.page.click("#people")
    assert not await scrolls_sideways(phone.page)
    for element in (".panel", ".bar"):
        assert await phone.page.evaluate(f"{inside}(document.querySelector('{element}').getBoundingClientRect())")
    assert await phone.page.evaluate(
        "document.querySelector('.panel').getBoundingClientRect().bottom"
        " <= document.querySelector('.bar').getBoundingClientRect().top"
    )


async def test_names_that_are_markup_stay_text(server: Server, chromium: Chromium) -> None:
    nasty = '<img src=x onerror="document.title=1">{{ room_uuid }}'
    room = server.make_room(name=nasty)
    page = await chromium.open(f"{server.page(room)}?join=1&name=%3Cb%3EBo%3C/b%3E", script=BOB.script())
    await Member(page, BOB).joined()
    assert await page.evaluate("document.querySelector('.room-name').textContent") == nasty
    assert await page.evaluate("document.querySelector('.tile .name').textContent") == "<b>Bo</b> (you)"
    assert faults(page) == []


async def test_every_control_has_a_name(server: Server, chromium: Chromium) -> None:
    """What a screen reader would say is never nothing."""
    page = await chromium.open(f"{server.page(server.make_room())}?name=Anna&join=1", script=ANNA.script())
    await Member(page, ANNA).joined()
    tree = await page.command("Accessibility.getFullAXTree")
    controls = [
        node
        for node in tree["nodes"]
        if node.get("role", {}).get("value") in {"button", "link", "textbox"} and not node["ignored"]
    ]
    assert len(controls) >= 9
    assert [node for node in controls if not node["name"]["value"]] == []


async def test_a_room_that_does_not_exist(server: Server, chromium: Chromium) -> None:
    page = await chromium.open(server.page("no%20such"))
    assert await page.evaluate("document.querySelector('h1').textContent") == "There is no such room"
    assert await page.evaluate("document.getElementById('room').value") == "no such"


async def test_the_start_page_leads_to_a_room(server: Server, chromium: Chromium) -> None:
    page = await chromium.open(f"{server.url}/")
    await page.type("#room", "demo")
    await page.press("Enter")
    await page.wait_for("location.pathname === '/meet/demo' && window.atrium?.state === 'lobby'")
    assert faults(page) == []


# count, width, height of the stage → columns, rows, width of a tile
LAYOUTS = [
    (1, 1248, 648, 1, 1, 1152),  # bound by the height
    (2, 1248, 648, 2, 1, 618),
    (3, 1248, 648, 2, 2, 565),
    (4, 1248, 648, 2, 2, 565),
    (5, 1248, 648, 3, 2, 408),
    (9, 1248, 648, 3, 3, 369),
    (1, 370, 700, 1, 1, 370),  # a phone held upright: below each other
    (3, 370, 700, 1, 3, 370),
    (4, 370, 700, 1, 4, 295),
    (40, 370, 700, 2, 20, 179),  # smaller would be no face: it scrolls
    (0, 370, 700, 1, 1, 0),
]


async def test_layout(server: Server, chromium: Chromium) -> None:
    page = await chromium.open(f"{server.url}/")
    script = f"import('/static/tiles.js').then((m) => {json.dumps(LAYOUTS)}.map((l) => m.layout(l[0], l[1], l[2])))"
    got = await page.evaluate(script)
    for (count, width, height, columns, rows, tile), layout in zip(LAYOUTS, got, strict=True):
        assert (layout["columns"], layout["rows"], layout["width"]) == (columns, rows, tile), (count, width, height)
        assert layout["scrolls"] == (count == 40)
        assert columns * tile + 12 * (columns - 1) <= width


async def test_a_crowd(server: Server, chromium: Chromium) -> None:
    """Thirty tiles and a screen on a small stage: none is wider than it, faces stay faces, and what does not fit scrolls."""
    page = await chromium.open(server.page(server.make_room()), script=ANNA.script())
    crowd = [{"id": f"m{n}", "name": f"M {n}", "video_muted": n != 3, "screen_share": n == 3} for n in range(30)]
    await page.evaluate(f"""import("/static/tiles.js").then(({{ Tiles }}) => {{
      const stage = document.createElement("ul");
      stage.className = "stage";
      stage.style.cssText = "position: fixed; inset: 0 auto auto 0; width: 480px; height: 400px";
      document.body.append(stage);
      new Tiles(stage, () => {{}}).update({json.dumps(crowd)}, "m0", "m1");
    }})""")
    stage = "document.querySelector('body > .stage')"
    boxes = f"[...{stage}.children].map((one) => [one.offsetLeft, one.offsetWidth, one.offsetTop])"
    found = await page.evaluate(boxes)
    assert len(found) == 30
    assert all(left >= 0 and width >= 156 and left + width <= 480 for left, width, _ in found)
    tops = [top for _, _, top in found]
    assert min(tops) == tops[3]  # the screen is above all
    assert await page.evaluate(
        f"{stage}.scrollHeight > {stage}.clientHeight && {stage}.scrollWidth <= {stage}.clientWidth"
    )


# screens, faces, width, height of the stage → width, height of a screen, of a face, whether the faces scroll
SPREADS = [
    (0, 3, 1248, 648, None, None, 565, 317, False),
    (1, 2, 1248, 648, 1248, 547, 158, 88, False),  # a row of faces is left
    (1, 12, 1248, 648, 1248, 495, 168, 94, True),
    (2, 2, 1248, 648, 618, 347, 513, 288, False),  # beside each other
    (1, 2, 370, 700, 370, 208, 370, 208, False),  # a phone held upright: all below each other
]


async def test_spread(server: Server, chromium: Chromium) -> None:
    """A shared screen is as large as it can be with faces below it, and everything is inside the stage unless it scrolls."""
    page = await chromium.open(f"{server.url}/")
    script = (
        f"import('/static/tiles.js').then((m) => {json.dumps(SPREADS)}.map((s) => m.spread(s[0], s[1], s[2], s[3])))"
    )
    got = await page.evaluate(script)
    for (screens, faces, width, height, *sizes), spread in zip(SPREADS, got, strict=True):
        screen, tile = spread["screen"] or {"width": None, "height": None}, spread["tile"]
        found = [screen["width"], screen["height"], tile["width"], tile["height"], tile["scrolls"]]
        assert found == sizes, (screens, faces, width, height)
        if screens and not tile["scrolls"]:
            assert screen["rows"] * (screen["height"] + 12) + tile["rows"] * (tile["height"] + 12) - 12 <= height
