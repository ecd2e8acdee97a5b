"""The room page by keyboard alone: no click in this file."""

from tests.browser.chromium import Chromium, Page
from tests.browser.conftest import Account, Server
from tests.browser.member import ANNA, BOB, CARLA, Member, open_member


async def focused(page: Page) -> str:
    return str(await page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.id"))


async def test_join_mute_admit_remove_leave(server: Server, chromium: Chromium, ada: Account) -> None:
    room = server.make_room(open=False, force_waiting_room=True, members=[{"user_id": ada.id, "admin": True}])
    page = await chromium.open(server.page(room), script=ANNA.script(speaking=True))
    anna = Member(page, ANNA)

    await page.tab_to("#name")
    for key in "mvm":
        await page.press(key)
    assert await page.evaluate("document.getElementById('name').value") == "mvm"  # and nothing was switched
    assert await page.evaluate("document.querySelector('.bar [data-toggle=audio]').ariaPressed") == "false"
    await page.tab_to("#signin summary")
    await page.press("Enter")
    await page.tab_to("#username")
    await page.command("Input.insertText", text=ada.username)
    await page.tab_to("#password")
    await page.command("Input.insertText", text=ada.password)
    await page.tab_to("#join")
    await page.press("Enter")
    await anna.joined()

    await page.press("m")
    assert await page.evaluate("atrium.self.audio_muted && !atrium.self.video_muted")
    await page.tab_to(".bar [data-toggle=audio]")
    await page.press(" ")
    assert not await page.evaluate("atrium.self.audio_muted")
    for control in ("[data-toggle=video]", "#share", "#hand", "#react", "#leave"):
        await page.tab_to(f".bar {control}")

    bob = await open_member(chromium, server.page(room), BOB)
    carla = await open_member(chromium, server.page(room), CARLA)
    await page.wait_for("document.getElementById('badge-count').textContent === '2'")
    await page.press("p")
    assert await focused(page) == "Admit Bob"
    await page.press("Enter")
    bob_id = await bob.joined()
    await page.wait_for("document.activeElement.getAttribute('aria-label') === 'Admit Carla'")  # the next one
    await page.press("Tab")
    assert await focused(page) == "Deny Carla"
    await page.press("Enter")
    await carla.page.wait_for("atrium.state === 'rejected'")
    assert await focused(carla.page) == "ask-again"
    await page.wait_for("document.activeElement.id === 'panel-title'")  # nobody else waits

    await page.tab_to(f"[data-person='{bob_id}'] [aria-label='Mute Bob']")
    await page.press(" ")
    await bob.line("An administrator has muted you")
    await page.tab_to(f"[data-person='{bob_id}'] [aria-label^='Remove']")
    await page.press("Enter")
    await page.wait_for("document.getElementById('confirm').open")
    visited = []
    for _ in range(4):
        visited.append(
            await page.evaluate("[document.activeElement.value, Boolean(document.activeElement.closest('#confirm'))]")
        )
        await page.press("Tab")
    assert visited[0] == ["", True]  # the harmless answer first
    # Out of a question the keyboard may go to the browser itself, and to nothing else of the page.
    assert all(inside or value is None for value, inside in visited)
    await page.press("m")
    assert not await page.evaluate("atrium.self.audio_muted")  # a question is no place for shortcuts
    await page.press("Escape")
    await page.wait_for(
        "document.activeElement.getAttribute('aria-label')?.startsWith('Remove Bob')"
    )  # back where it was
    await page.press("Enter")
    await page.tab_to("#confirm [value=yes]")
    await page.press("Enter")
    await bob.page.wait_for("atrium.state === 'left'")

    await page.press("Escape")
    await page.wait_for("document.getElementById('panel').hidden && document.activeElement.id === 'people'")
    await page.press("r")
    await page.wait_for("document.getElementById('reactions').open")
    await page.press("Tab")
    await page.press("Enter")
    await page.wait_for("document.querySelector('.tile.self .reaction')?.textContent === '👏'")
    await page.tab_to("#leave")
    await page.press("Enter")
    await page.wait_for("atrium.state === 'left' && document.activeElement.id === 'left-title'")
