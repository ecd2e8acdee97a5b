"""Sharing a screen, with a browser that really captures one: another window of its own."""

from pathlib import Path

import trio

from tests.browser.chromium import Chromium, Page, open_chromium
from tests.browser.conftest import Relay, Server
from tests.browser.member import ANNA, BOB, Member, open_member

SLIDES = "Slides of the talk"
COLOUR = (240, 160, 32)
PAGE = f"""data:text/html,<title>{SLIDES}</title><style>
  body {{ margin: 0; background: rgb{COLOUR}; }}
  i {{ display: block; width: 24px; height: 24px; background: black; animation: go 2s linear infinite; }}
  @keyframes go {{ to {{ translate: 600px; }} }}
</style><i></i>"""


CAMERA = [320, 180]


async def arrives(member: Member, of: Member, of_id: str) -> list[int]:
    """Waits until the pictures that arrive have the size of what their sender sees of itself, and returns it."""
    own = f"(({{ videoWidth, videoHeight }}) => [videoWidth, videoHeight])({picture(of_id)})"
    with trio.fail_after(15):
        while True:
            size: list[int] = await of.page.evaluate(own)
            got = (await member.page.evaluate("atrium.stats()"))["video"].get(of_id, {})
            if 0 not in size and [got.get("width"), got.get("height")] == size:
                return size
            await trio.sleep(0.05)


def picture(member_id: str) -> str:
    return f"document.querySelector('[data-member=\"{member_id}\"] video')"


async def opened(chromium: Chromium) -> Page:
    return await chromium.open(PAGE, grant=(), size=(640, 480))


async def test_a_shared_screen(server: Server, tmp_path: Path, relay: Relay) -> None:
    """The others receive it instead of the camera, whole and large, also over a lost line; it ends by the page's button, and
    by the browser's."""
    async with open_chromium(tmp_path, f"--auto-select-tab-capture-source-by-title={SLIDES}", ask=True) as chromium:
        room = server.make_room()
        anna = await open_member(chromium, server.page(room), ANNA)
        bob = await open_member(chromium, f"http://127.0.0.1:{relay.port}/meet/{room}", BOB)
        anna_id, bob_id = await anna.joined(), await bob.joined()
        assert await arrives(anna, bob, bob_id) == CAMERA
        slides = await opened(chromium)

        await bob.page.click("#share")
        await anna.tile_says(bob_id, "Bob, sharing the screen")
        assert min(await arrives(anna, bob, bob_id)) > CAMERA[1]
        await anna.tile_is(bob_id, "large")
        await anna.tile_is(bob_id, "pictured")
        shown = "getComputedStyle(document.querySelector('[data-member=\"{}\"] video'))"
        assert await anna.page.evaluate(shown.format(bob_id) + ".objectFit") == "contain"
        own = await bob.page.evaluate(
            f"(({{ objectFit, transform }}) => [objectFit, transform])({shown.format(bob_id)})"
        )
        assert own == ["contain", "none"]  # nobody reads in a mirror
        await bob.tile_is(bob_id, "large", False)  # a picture of itself within itself
        colour = (await anna.pictures())[bob_id]["colour"]
        assert max(abs(got - meant) for got, meant in zip(colour, COLOUR, strict=True)) < 40

        relay.cut()
        await anna.page.wait_to_hear(
            "member_stop_screen_share"
        )  # a new connection begins with the camera, the others think
        await anna.page.wait_to_hear("member_start_screen_share", 2)
        assert await bob.joined() == bob_id
        assert min(await arrives(anna, bob, bob_id)) > CAMERA[1]
        await anna.tile_is(bob_id, "large")

        await bob.page.click("#unshare")
        await anna.tile_says(bob_id, "Bob")
        assert await arrives(anna, bob, bob_id) == CAMERA
        await anna.tile_is(bob_id, "large", False)
        assert BOB.looks_like((await anna.pictures())[bob_id]["colour"])

        # With the camera off the screen is to be seen all the same, and only the screen.
        await bob.page.press("v")
        await anna.tile_says(bob_id, "Bob, camera off")
        await bob.page.press("s")
        await anna.tile_says(bob_id, "Bob, sharing the screen")
        assert min(await arrives(anna, bob, bob_id)) > CAMERA[1]
        await anna.wait_for_frames(bob_id, 3)
        await slides.close()  # what the browser's own "stop sharing" does to the page
        await anna.tile_says(bob_id, "Bob, camera off")
        await bob.page.wait_for(
            "document.getElementById('sharing').hidden && document.getElementById('share').ariaPressed === 'false'"
        )
        for what in ("start", "stop"):  # by hand, by coming back, and by hand again
            assert await anna.page.wait_to_hear(f"member_{what}_screen_share", 3) == [{"member": bob_id}] * 3
        await bob.wait_for_frames(anna_id)


async def test_who_wants_no_screen_shared_after_all(server: Server, chromium: Chromium) -> None:
    """The browser's question is closed: that is no trouble, and nothing has changed."""
    refuse = "navigator.mediaDevices.getDisplayMedia = async () => { throw new DOMException('', 'NotAllowedError'); };"
    bob = await open_member(chromium, server.page(server.make_room()), BOB, script=refuse)
    await bob.joined()
    await bob.page.click("#share")
    await trio.sleep(0.2)
    assert await bob.page.evaluate("[document.getElementById('share').ariaPressed, atrium.self.screen_share]") == [
        "false",
        False,
    ]
    assert await bob.page.evaluate("document.getElementById('line').hidden")
    assert "start_screen_share" not in [frame["method"] for frame in bob.page.sent]
