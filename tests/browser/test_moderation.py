"""What an administrator may do to others: their media really stop, they really are out, and they are told."""

import json

import trio

from tests.browser.chromium import Chromium
from tests.browser.conftest import Account, Relay, Server
from tests.browser.member import ANNA, BOB, CARLA, Member, open_member, open_signed_in

STILL_S = 1.0
"""A tone sends 50 packets in this time, a picture 20."""


def act(member_id: str, which: str) -> str:
    return f"[data-person='{member_id}'] [aria-label^='{which}']"


async def stands_still(member: Member, kind: str, of: str) -> None:
    """Waits until no packet of that kind has arrived for a while."""
    with trio.fail_after(10):
        before = -1
        while (now := await member.packets(kind, of)) != before:
            before = now
            await trio.sleep(STILL_S)


async def flows(member: Member, kind: str, of: str) -> None:
    before = await member.packets(kind, of)
    with trio.fail_after(10):
        while await member.packets(kind, of) < before + 10:
            await trio.sleep(0.05)


async def pressed(member: Member, selector: str, value: bool) -> None:
    await member.page.wait_for(f'document.querySelector("{selector}")?.ariaPressed === "{str(value).lower()}"')


async def imposed(member: Member, kind: str, value: bool) -> None:
    """Waits until the member's own button says that an administrator has or has not decided about it."""
    described = f"document.querySelector('.bar [data-toggle={kind}]').getAttribute('aria-describedby')"
    await member.page.wait_for(f"{described} === {repr(f'imposed-{kind}') if value else 'null'}")


async def test_a_muted_members_media_stop(server: Server, chromium: Chromium, relay: Relay, ada: Account) -> None:
    """Sound, then picture; the member goes on sending, the others receive nothing; it stays so when the member comes back."""
    room = server.make_room(members=[{"user_id": ada.id, "admin": True}])
    anna = await open_signed_in(chromium, server.page(room), ANNA, ada.username, ada.password)
    anna_id = await anna.joined()
    bob = await open_member(chromium, f"http://127.0.0.1:{relay.port}/meet/{room}", BOB, speaking=True)
    bob_id = await bob.joined()
    await anna.wait_for_frames(bob_id)
    assert await anna.hears(BOB) == {"Bob": True}
    await bob.page.press("p")
    assert await bob.page.evaluate("[...document.querySelectorAll('.acts')].map((one) => one.hidden)") == [True, True]
    await bob.page.press("p")

    await anna.page.click("#people")
    await anna.page.click(act(bob_id, "Mute"))
    await pressed(anna, act(bob_id, "Mute"), True)
    await bob.line("An administrator has muted you")
    await imposed(bob, "audio", True)
    await anna.tile_says(bob_id, "Bob, muted by an admin")
    await stands_still(anna, "audio", bob_id)
    await flows(anna, "video", bob_id)
    sent = await bob.sent_packets("audio")
    await trio.sleep(0.3)
    assert await bob.sent_packets("audio") > sent  # it is the server that lets nothing through

    # The member's own flag is another one: it changes, and nothing flows.
    await bob.page.press("m")
    await bob.page.press("m")
    await bob.line("An administrator has muted you")
    await anna.tile_says(bob_id, "Bob, muted by an admin")

    # What is decided while the member is away it learns when it is back; and the others learn what it did meanwhile.
    relay.is_open = False
    relay.cut()
    await bob.page.wait_for("atrium.state === 'reconnecting'")
    await bob.page.press("h")
    await anna.page.click(act(bob_id, "Stop the camera"))
    await anna.tile_says(bob_id, "Bob, muted by an admin, camera stopped by an admin")
    await anna.tile_is(bob_id, "pictured", False)
    await stands_still(anna, "video", bob_id)
    relay.is_open = True
    assert await bob.joined() == bob_id
    await imposed(bob, "video", True)
    await imposed(bob, "audio", True)
    await anna.tile_says(bob_id, "Bob, hand raised, muted by an admin, camera stopped by an admin")
    await stands_still(anna, "audio", bob_id)
    await stands_still(anna, "video", bob_id)
    carla = await open_member(chromium, server.page(room), CARLA)
    await carla.joined()
    await carla.tile_says(
        bob_id, "Bob, hand raised, muted by an admin, camera stopped by an admin"
    )  # the snapshot says so
    await carla.tile_says(anna_id, "Anna")

    await anna.page.click(act(bob_id, "Mute"))
    await anna.page.click(act(bob_id, "Stop the camera"))
    await pressed(anna, act(bob_id, "Mute"), False)
    await imposed(bob, "audio", False)
    await imposed(bob, "video", False)
    await flows(anna, "audio", bob_id)
    assert await anna.hears(BOB) == {"Bob": True}
    await anna.wait_for_frames(bob_id)
    await anna.tile_is(bob_id, "pictured")
    await anna.tile_says(bob_id, "Bob, hand raised")


async def test_a_removed_member_is_out_and_may_ask_again(server: Server, chromium: Chromium, ada: Account) -> None:
    room = server.make_room(open=False, password="sesame", members=[{"user_id": ada.id, "admin": True}])
    bob = await open_member(chromium, server.page(room), BOB)
    await bob.page.wait_for("atrium.state === 'waiting'")
    anna = await open_signed_in(chromium, server.page(room), ANNA, ada.username, ada.password)
    await anna.joined()
    await anna.page.wait_for("document.getElementById('badge').textContent === '1 waiting'")  # since before she came
    await anna.page.click("#people")
    await anna.page.click("#waiting-list .primary")
    bob_id = await bob.joined()

    await anna.page.click(act(bob_id, "Remove"))
    question = "document.getElementById('confirm')"
    assert await anna.page.wait_for(f"{question}.open && document.getElementById('confirm-title').textContent") == (
        "Remove Bob from the room?"
    )
    await anna.page.press("Escape")
    await anna.page.wait_for(f"!{question}.open")
    # Asked again at once, it is another question: the browser tells of a dialog's end only with the next frame it draws.
    await anna.page.click(act(bob_id, "Remove"))
    await anna.page.evaluate(
        "new Promise((done) => requestAnimationFrame(() => {"
        f" {question}.close('');"
        f" setTimeout(() => {{ document.querySelector({json.dumps(act(bob_id, 'Remove'))}).click(); done(); }}); }}))"
    )
    assert await anna.page.evaluate(f"{question}.open")
    assert anna.page.heard("member_leave_room") == []
    await anna.page.click("#confirm [value=yes]")
    await bob.page.wait_for("atrium.state === 'left'")
    assert await bob.page.evaluate("document.getElementById('left-title').textContent") == "You are out of the room"
    assert await anna.page.wait_to_hear("member_leave_room") == [{"member": bob_id, "by_admin": True}]
    await anna.page.wait_for("document.querySelectorAll('.tile').length === 1")

    await bob.page.click("#rejoin")  # it says: ask to join again
    await bob.page.wait_for("atrium.state === 'waiting'")
    await anna.page.wait_for("document.querySelectorAll('#waiting-list li').length === 1")
