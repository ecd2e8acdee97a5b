"""Getting in, in real browsers on a real server: the waiting room from both of its sides, passwords, signing in."""

import json

from tests.browser.chromium import Chromium, Page
from tests.browser.conftest import Account, Relay, Server
from tests.browser.member import ANNA, BOB, CARLA, Member, open_member, open_signed_in

# A reminder each half second instead of each ten.
IMPATIENT = """
  const slow = window.setInterval;
  window.setInterval = (act, ms, ...rest) => slow(act, ms === 10_000 ? 500 : ms, ...rest);
"""

# The answer of the server is taken in when `goOn()` says so.
SLOW = """
  const take = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = async function (description) {
    await new Promise((resolve) => { window.goOn = resolve; });
    return take.call(this, description);
  };
"""


def closed(ada: Account, **settings: object) -> dict[str, object]:
    """A room that its administrator alone may enter unasked."""
    return {
        "open": False,
        "force_waiting_room": True,
        "members": [{"user_id": ada.id, "admin": True}],
        **settings,
    }


async def state(page: Page, name: str) -> None:
    await page.wait_for(f"window.atrium?.state === {name!r}")


async def waiting(admin: Member, *names: str) -> None:
    """Waits until the administrator sees these at the door, in the list and as a number on button and window."""
    await admin.page.wait_for(
        "JSON.stringify([...document.querySelectorAll('#waiting-list .name')].map((one) => one.textContent))"
        f" === {json.dumps(json.dumps(names, separators=(',', ':')))}"
    )
    page = await admin.page.evaluate(
        "({ hidden: document.getElementById('badge').hidden, badge: document.getElementById('badge').textContent,"
        " title: document.title })"
    )
    if names:
        assert (page["hidden"], page["badge"]) == (False, f"{len(names)} waiting")
        assert page["title"].startswith(f"({len(names)}) ")
    else:
        assert page["hidden"] and not page["title"].startswith("(")


async def hint(page: Page) -> str:
    return str(await page.evaluate("document.getElementById('door-hint').textContent"))


def button(name: str, which: str) -> str:
    return f"#waiting-list [aria-label='{which} {name}']"


async def test_the_waiting_room(server: Server, chromium: Chromium, relay: Relay, ada: Account, dora: Account) -> None:
    """Ask, be denied, ask again, lose the line, be admitted; and somebody known who thinks better of it."""
    room = server.make_room(**closed(ada))
    anna = await open_signed_in(chromium, server.page(room), ANNA, ada.username, ada.password)
    anna_id = await anna.joined()
    assert await anna.page.evaluate("atrium.self.is_admin")
    await waiting(anna)

    address = f"http://127.0.0.1:{relay.port}/meet/{room}"
    bob = await open_member(chromium, address, BOB, script=IMPATIENT)
    await state(bob.page, "waiting")
    await waiting(anna, "Bob")
    assert "Bob asks to join" in await anna.page.evaluate("document.getElementById('news').textContent")
    await anna.page.click("#people")
    await anna.page.click(button("Bob", "Deny"))
    await state(bob.page, "rejected")
    assert await bob.page.evaluate("document.getElementById('waiting-title').textContent") == "You were not let in"
    await waiting(anna)

    await bob.page.click("#ask-again")
    await state(bob.page, "waiting")
    await waiting(anna, "Bob")
    await anna.page.wait_to_hear("member_waiting", 3)  # twice by asking, then the first reminder
    news = await anna.page.evaluate("document.getElementById('news').textContent")
    assert news.count("Bob asks to join") == 2  # a reminder is no news

    carla = await open_signed_in(chromium, server.page(room), CARLA, dora.username, dora.password)
    await state(carla.page, "waiting")
    await waiting(anna, "Bob", "Carla")
    known = "[...document.querySelectorAll('#waiting-list .states')].map((one) => one.textContent)"
    assert await anna.page.evaluate(known) == ["", "signed in, not on the list"]
    await carla.page.click("#cancel")
    await state(carla.page, "lobby")
    await waiting(anna, "Bob")

    relay.cut()  # a place at the door goes with its socket; the page asks for another
    await anna.page.wait_to_hear("member_leave_waiting_room", 2)
    await waiting(anna, "Bob")
    await anna.page.click(button("Bob", "Admit"))
    bob_id = await bob.joined()
    await waiting(anna)
    await anna.wait_for_frames(bob_id)
    await bob.wait_for_frames(anna_id)
    assert BOB.looks_like((await anna.pictures())[bob_id]["colour"])
    assert not await bob.page.evaluate("atrium.self.is_admin")

    # Somebody is let in, and gives up before the page has taken in the answer.
    await carla.page.evaluate(SLOW)
    await carla.page.click("#join")
    await waiting(anna, "Carla")
    await anna.page.click(button("Carla", "Admit"))
    await carla.page.wait_for("window.goOn !== undefined")
    await carla.page.click("#cancel")
    await state(carla.page, "lobby")
    await carla.page.evaluate("goOn()")
    await anna.page.wait_to_hear("member_leave_room")
    await anna.page.wait_for("atrium.members.length === 1")
    assert await carla.page.evaluate("(async () => [atrium.state, await atrium.stats()])()") == ["lobby", None]


async def test_the_password_of_a_room(server: Server, chromium: Chromium) -> None:
    """Where it is forced it is asked for, a wrong one is said to be wrong, and nothing that was typed is lost."""
    page = await chromium.open(
        f"{server.page(server.make_room(open=False, force_password=True, password='sesame'))}", script=CARLA.script()
    )
    await page.type("#name", "Carla of Kent")
    await page.press("Enter")
    await page.wait_for("atrium.state === 'lobby' && document.activeElement.id === 'room-password'")
    assert await hint(page) == "This room asks for its password."
    await page.type("#room-password", "simsalabim")
    await page.press("Enter")
    await page.wait_for("document.getElementById('door-hint').classList.contains('bad')")
    assert await hint(page) == "That is not the password of this room."
    fields = "[document.getElementById('name').value, document.getElementById('room-password').value]"
    assert await page.evaluate(fields) == ["Carla of Kent", "simsalabim"]
    await page.type("#room-password", "sesame")
    await page.press("Enter")
    await Member(page, CARLA).joined()
    stored = "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])"
    assert "sesame" not in await page.evaluate(stored)


async def test_signing_in(server: Server, chromium: Chromium, dora: Account) -> None:
    """A wrong password is said to be wrong; a listed user is let in; a password of the room helps who waits."""
    listed = server.make_room(open=False, password="sesame", members=[{"user_id": dora.id, "admin": False}])
    carla = await open_signed_in(chromium, server.page(listed), CARLA, dora.username, "wrong goose")
    await carla.page.wait_for("document.getElementById('door-hint').textContent.includes('not right')")
    assert await carla.page.evaluate("[document.activeElement.id, atrium.state]") == ["password", "lobby"]
    await carla.page.type("#password", dora.password)
    await carla.page.press("Enter")
    await carla.joined()

    page = await chromium.open(f"{server.page(listed)}?name=Bob&join=1", script=BOB.script())
    await state(page, "waiting")
    await page.click("#prove")
    await page.wait_for("atrium.state === 'lobby' && document.activeElement.id === 'room-password'")
    await page.type("#room-password", "sesame")
    await page.press("Enter")
    await Member(page, BOB).joined()
    # What is folded away is not meant, even if it is filled in.
    await page.evaluate("document.getElementById('username').value = 'nobody'")
    await page.click("#leave")
    await page.click("#rejoin")
    await Member(page, BOB).joined()
