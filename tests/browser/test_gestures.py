"""Hands, reactions, and who is speaking."""

import json

from tests.browser.chromium import Chromium
from tests.browser.conftest import Server
from tests.browser.member import ANNA, BOB, open_member


def meter(member: str) -> str:
    return f"Number(getComputedStyle(document.querySelector('[data-member=\"{member}\"] .meter')).getPropertyValue('--level'))"


async def test_hands_reactions_and_speech(server: Server, chromium: Chromium) -> None:
    address = server.page(server.make_room())
    anna = await open_member(chromium, address, ANNA)
    bob = await open_member(chromium, address, BOB)
    anna_id, bob_id = await anna.joined(), await bob.joined()

    await bob.page.press("h")
    await anna.tile_is(bob_id, "raised")
    await anna.tile_says(bob_id, "Bob, hand raised")
    assert await bob.page.evaluate("document.getElementById('hand').ariaPressed") == "true"
    await bob.page.click("#hand")
    await anna.tile_is(bob_id, "raised", False)

    await bob.page.click("#react")
    await bob.page.click("#reactions button:first-child")
    over = "[...document.querySelectorAll('[data-member=\"{}\"] .reaction')].map((one) => one.textContent)"
    for member in (anna, bob):
        await member.page.wait_for(f"{over.format(bob_id)}.join() === '👍'")
    assert "Bob: thumbs up" in await anna.page.evaluate("document.getElementById('news').textContent")
    await anna.page.wait_for(f"{over.format(bob_id)}.length === 0")  # it goes by itself

    await bob.speak(True)
    for member in (anna, bob):
        await member.tile_is(bob_id, "speaking")
    await anna.page.wait_for(f"{meter(bob_id)} > 0.3")
    assert await anna.page.evaluate(meter(anna_id)) < 0.3
    await bob.speak(False)
    for member in (anna, bob):
        await member.tile_is(bob_id, "speaking", False)
    await anna.page.wait_for(f"{meter(bob_id)} < 0.1")


async def test_reactions_of_others_are_text_and_few(server: Server, chromium: Chromium) -> None:
    """Whatever another client sends stays text, within its tile, and many of them do not pile up."""
    address = server.page(server.make_room())
    anna = await open_member(chromium, address, ANNA)
    # A page that speaks for itself beside the room's own script.
    keep = "const Line = WebSocket; window.WebSocket = class extends Line { constructor(...a) { super(...a); window.line = this; } };"
    bob = await open_member(chromium, address, BOB, script=keep)
    bob_id = (await anna.joined(), await bob.joined())[1]
    nasty = "<img src=x onerror=alert(1)> " + "W" * 35
    send = "for (let n = 0; n < 6; n += 1) line.send(JSON.stringify({method: 'send_reaction', params: {reaction: {}}}))"
    await bob.page.evaluate(send.replace("{reaction: {}}", f"{{reaction: {json.dumps(nasty)}}}"))
    bubbles = f"[...document.querySelectorAll('[data-member=\"{bob_id}\"] .reaction')]"
    await anna.page.wait_to_hear("member_send_reaction", 6)
    assert await anna.page.evaluate(f"{bubbles}.map((one) => one.textContent)") == [nasty] * 3
    inside = f"""{bubbles}.every((one) => {{
      const box = one.getBoundingClientRect(), tile = one.closest('.tile').getBoundingClientRect();
      return box.left >= tile.left && box.right <= tile.right;
    }})"""
    assert await anna.page.evaluate(inside)
    assert await anna.page.evaluate("document.querySelectorAll('.tile img, #news img').length") == 0
