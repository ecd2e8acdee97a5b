"""The dashboard's pages of calls in detail: timelines by keyboard, filters of events, the search while one types, sessions and
devices of a person, addresses that somebody else has written.
"""

# ruff: noqa: F811 (fixtures)

import urllib.parse
from typing import Any

import pytest

from tests.browser.chromium import Chromium, Page
from tests.browser.conftest import Server
from tests.browser.member import faults
from tests.browser.test_calls_pages import MINUTE_MS, App, app  # noqa: F401
from tests.browser.test_dashboard import TITLE, choose, open_dashboard, press_key, shown, text

TOLD = text(".told")
EVENTS = "[...document.querySelectorAll('.events td[data-label=\"What\"]')].map((one) => one.textContent)"
SPANS = "[...document.querySelectorAll('.lane .span:not(.stay)')].map((one) => one.className.replace('span ', ''))"
KEYS = {name: {"key": name, "code": name, "windowsVirtualKeyCode": code} for name, code in (
    ("ArrowRight", 39), ("ArrowDown", 40), ("End", 35), ("Escape", 27),
)}  # fmt: skip


@pytest.fixture
async def conference(app: App) -> Any:
    """Of somebody whose connection was up after 2 s, was interrupted for 3 s, and was ended."""
    devices = [
        {"kind": "audioinput", "label": "Studio microphone"},
        {"kind": "videoinput", "label": ""},
    ]
    visit = await app.visit("details", "quinn", devices=devices)
    start = 5 * MINUTE_MS - 1000
    for state, at in (
        ("connected", 2000),
        ("disconnected", 60_000),
        ("connected", 63_000),
    ):
        await visit.connection("onconnectionstatechange", state, start - at)
    for number in range(3):
        await visit.stats(number, start - 70_000 - 10_000 * number)
    await visit.end()
    return await app.conference("details")


async def opened(chromium: Chromium, server: Server, conference: Any) -> Page:
    page = await open_dashboard(chromium, server.url, server.key, f"#/calls/conferences/{conference['id']}")
    await page.wait_for(f"{EVENTS}.length === 5")
    return page


async def test_a_timeline_is_read_by_keyboard(server: Server, chromium: Chromium, conference: Any) -> None:
    page = await opened(chromium, server, conference)
    way = "document.querySelector('.way[role=slider]')"
    assert await page.evaluate(f"{way}.getAttribute('aria-label')") == "Quinn, browser"
    await page.evaluate("document.querySelector('.view button').focus()")
    await page.tab_to(".way[role=slider]")
    await shown(page, TOLD, "Connection begins$")
    await press_key(page, KEYS["ArrowRight"])
    await shown(page, TOLD, "^Quinn, browser: .*Connection: connected$")
    await press_key(page, KEYS["ArrowRight"])
    await shown(page, TOLD, "Connection: disconnected$")
    assert str(await page.evaluate(f"{way}.getAttribute('aria-valuetext')")).endswith("Connection: disconnected")
    await page.press("Enter")
    await shown(
        page,
        text(".events tr[data-picked] td[data-label=What]"),
        "^Connection: disconnected$",
    )
    await press_key(page, KEYS["End"])
    await shown(page, TOLD, "Call ended$")
    assert faults(page) == []


async def test_a_connection_is_drawn_by_its_states(server: Server, chromium: Chromium, conference: Any) -> None:
    page = await opened(chromium, server, conference)
    assert await page.evaluate(SPANS) == ["coming", "up", "away", "up"]
    lasted = await page.evaluate(
        "[...document.querySelectorAll('.lane .span:not(.stay)')].map((one) => parseInt(one.title.split(': ')[1]))"
    )
    # What requests take of time adds up.
    assert all(abs(is_ - should) < 1500 for is_, should in zip(lasted[:3], (2000, 58_000, 3000), strict=True)), lasted
    assert faults(page) == []


async def test_connecting_just_after_connected_was_before_it(server: Server, chromium: Chromium, app: App) -> None:
    """Browsers tell of both within less than the ways of reports differ by; the record of the connection has it so, too."""
    visit = await app.visit("hair", "remy")
    up = 4 * MINUTE_MS
    later = up - 10_000
    await visit.connections(("connected", up), ("connecting", up - 99), ("failed", later), ("connecting", later - 99))
    await visit.end()
    found = await app.conference("hair")
    (record,) = (await app.ask("GET", f"/connections?conferenceId={found['id']}"))["data"]
    assert record["state"] == "connecting"
    page = await open_dashboard(chromium, server.url, server.key, f"#/calls/conferences/{found['id']}")
    await page.wait_for(f"{EVENTS}.length === 6")
    assert await page.evaluate(SPANS) == ["coming", "up", "up broken", "coming"]
    assert faults(page) == []


async def test_events_by_kind_and_view_and_only_of_the_last_choice(
    server: Server, chromium: Chromium, conference: Any
) -> None:
    page = await opened(chromium, server, conference)
    await page.evaluate(choose("Which events", "browser"))
    await page.wait_for(f"{EVENTS}.join() === 'Call ended'")
    await page.evaluate(choose("Which events", "connection"))
    await page.wait_for(f"{EVENTS}.length === 4")
    await page.evaluate(choose("Seen by whom", "server"))
    await page.wait_for(f"{EVENTS}.length === 0")
    await page.evaluate(choose("Seen by whom", ""))
    await page.wait_for(f"{EVENTS}.length === 4")
    # An answer that comes too late is not shown beside that to the later question.
    await page.evaluate("""{
      const ask = fetch;
      window.late = 0;
      window.fetch = async (path, how) => {
        const answer = await ask(path, how);
        if (path.includes("type=stats&") || path.endsWith("type=stats")) {
          await new Promise((resolve) => setTimeout(resolve, 500));
          window.late += 1;
        }
        return answer;
      };
    }""")
    await page.evaluate(choose("Which events", "stats"))
    await page.evaluate(choose("Which events", "-stats"))
    await page.wait_for("late === 1")
    await page.wait_for(f"{EVENTS}.length === 5")
    assert "Statistics" not in await page.evaluate(EVENTS)
    assert faults(page) == []


async def test_a_search_answers_while_one_types(server: Server, chromium: Chromium, conference: Any) -> None:
    page = await open_dashboard(chromium, server.url, server.key, "#/calls")
    await shown(page, TITLE, "^Calls$")
    await page.type("input[type=search]", conference["id"][:4])  # like nothing: what follows is of the later words
    await page.type("input[type=search]", "details")
    await shown(page, text(".found:not([hidden]) b"), "^Details$")
    await press_key(page, KEYS["ArrowDown"])
    assert await page.evaluate("document.activeElement.closest('.found') !== null")
    await press_key(page, KEYS["Escape"])
    await page.wait_for("document.querySelector('.found').hidden")
    assert await page.evaluate("document.activeElement.type") == "search"
    await page.type("input[type=search]", "details ")
    await shown(page, text(".found:not([hidden]) b"), "^Details$")
    await press_key(page, KEYS["ArrowDown"])
    await page.press("Enter")
    await shown(page, TITLE, "^Details$")
    assert faults(page) == []


async def test_a_person_has_sessions_with_devices(
    server: Server,
    chromium: Chromium,
    app: App,
    conference: Any,
) -> None:
    people = (await app.ask("GET", f"/participants?conferenceId={conference['id']}"))["data"]
    quinn = next(each for each in people if each["participant_id"] == "quinn")
    page = await open_dashboard(chromium, server.url, server.key, f"#/calls/participants/{quinn['id']}")
    await shown(page, TITLE, "^Quinn$")
    assert (
        await shown(page, text(".people li"), "Devices")
        and await page.evaluate("document.querySelectorAll('.people li').length") == 1
    )
    assert str(await page.evaluate(text(".people li"))).endswith("Devices: Studio microphone")
    assert faults(page) == []


async def test_conferences_are_chosen_by_issue(
    server: Server,
    chromium: Chromium,
    app: App,
    conference: Any,
) -> None:
    await app.enter("quiet", "ruth")
    page = await open_dashboard(chromium, server.url, server.key, f"#/calls/apps/{app.id}/conferences")
    names = "[...document.querySelectorAll('tr[data-conference] th a')].map((one) => one.textContent).sort().join()"
    await shown(page, names, "^Details,Quiet$")
    await page.wait_for("document.querySelector('option[value=connection_disconnected]') !== null")
    await page.evaluate(choose("With the issue", "connection_disconnected"))
    await shown(page, names, "^Details$")
    await page.evaluate(choose("With the issue", ""))
    await shown(page, names, "^Details,Quiet$")
    assert faults(page) == []


async def test_an_address_does_not_lead_to_another_route(server: Server, chromium: Chromium) -> None:
    page = await open_dashboard(chromium, server.url, server.key, "#/calls")
    await shown(page, TITLE, "^Calls$")
    await page.evaluate(
        "{ window.asked = []; const ask = fetch; window.fetch = (path, how) => { asked.push(new URL(path, location).pathname); return ask(path, how) } }"
    )
    elsewhere = urllib.parse.quote("../../../v1/live/rooms/x?", safe="")
    for place in ("conferences", "participants", "apps"):
        await page.evaluate(f"asked.length = 0; location.hash = '#/calls/{place}/{elsewhere}'")
        await page.wait_for("asked.length > 0")
        assert [path for path in await page.evaluate("asked") if "live" in path and "%2F" not in path] == []
