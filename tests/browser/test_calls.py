"""The dashboard's pages of calls, one good call through all of them. What else they do is in test_calls_pages.py, and how real
pages report a call in test_calls_reported.py.
"""

import json
import secrets
from collections.abc import Callable
from typing import Any

import attrs
import httpx
import pytest
import trio

from tests.browser.chromium import Chromium
from tests.browser.conftest import Server
from tests.browser.member import ANNA, Member, faults
from tests.browser.test_dashboard import PHONE, TITLE, WIDE, open_dashboard, shown, text
from tests.browser.test_meet import scrolls_sideways

PATIENCE_S = 40.0


@attrs.frozen
class Analytics:
    server: Server
    app: dict[str, Any]

    @property
    def root(self) -> str:
        """On another origin than the server's pages."""
        return self.server.url.replace("127.0.0.1", "localhost") + "/analytics/v1"

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self.server.key}"}
        async with httpx.AsyncClient(trust_env=False, headers=headers, base_url=self.server.url) as client:
            answer = await client.request(method, f"/analytics/v1{path}", json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()

    async def data(self, path: str) -> Any:
        return (await self.ask("GET", path))["data"]

    async def conference(self, room: str, is_it: Callable[[Any], bool] = bool) -> Any:
        """The one of that room, once it is like that."""
        with trio.fail_after(PATIENCE_S):
            while True:
                found = await self.data(f"/conferences?conference_id={room}")
                if found and is_it(found[0]):
                    return found[0]
                await trio.sleep(0.1)

    async def reported(self, conference: Any, *, by_server: bool) -> list[Any]:
        sessions = await self.data(f"/sessions?conferenceId={conference['id']}")
        return [each for each in sessions if (each["webrtc_sdk"] == "atrium") == by_server]

    async def events(self, session: Any) -> list[Any]:
        found = await self.data(f"/conferences/{session['conference']}/events?participantId={session['participant']}")
        return [each for each in found if each["session"] == session["id"]]


@pytest.fixture
async def analytics(server: Server) -> Analytics:
    made = Analytics(server, {})
    organizations = await made.data("/organizations")
    owner = organizations[0] if organizations else (await made.ask("POST", "/organizations", {"name": "Acme"}))["data"]
    known = await made.data("/apps")
    if not known:
        await made.ask("POST", "/apps", {"organization": owner["id"], "name": "calls"})
        known = await made.data("/apps")
    # The oldest one, which the server's own rooms are of.
    return Analytics(server, known[0])


@pytest.fixture
async def told(analytics: Analytics) -> Any:
    """A call that was told over HTTP, with an error, a warning and statistics; its conference."""
    name = f"Board {secrets.token_hex(4)}"
    async with httpx.AsyncClient(trust_env=False, base_url=analytics.server.url) as client:

        async def say(path: str, body: dict[str, Any]) -> Any:
            answer = await client.post(f"/analytics/v1{path}", json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()

        for user in ("carla", "dmitri"):
            hello = {"apiKey": analytics.app["api_key"], "conferenceId": name.lower(), "conferenceName": name}
            token = (await say("/initialize", {**hello, "userId": user, "userName": user.title()}))["token"]
            platform = {"browser": {"name": "Firefox", "version": "146.0"}, "os": {"name": "Haiku"}}
            visit = {"token": token, "platform": platform, "delta": 60_000}
            common = {"token": (await say("/sessions", visit))["token"]}
            made = await say(
                "/connection", {**common, "eventName": "addConnection", "peerId": "sfu", "isSfu": True, "delta": 59_000}
            )
            ids = {"peerId": made["peer_id"], "connectionId": made["connection_id"]}
            for delta, state in ((58_500, "connected"), (30_000, "disconnected"), (20_000, "failed")):
                event = {"eventName": "onconnectionstatechange", "data": state, "delta": delta}
                await say("/connection", {**common, **ids, **event})
            for number in range(5):
                heard = {
                    "id": "I",
                    "mediaType": "audio",
                    "track": {},
                    "packetsReceived": 500 * number,
                    "packetsLost": number,
                }
                report = {
                    "connection": {"id": "CP", "bytesSent": number},
                    "audio": {"inbound": [heard | {"bytesReceived": 40_000 * number}]},
                }
                await say("/stats", {**common, **ids, "data": report, "delta": 50_000 - 5000 * number})
            await say("/events/browser", {**common, "eventName": "endCall", "delta": 10_000})
    return await analytics.conference(name.lower(), lambda found: not found["ongoing"])


async def test_apps_are_made_changed_and_removed(server: Server, chromium: Chromium, analytics: Analytics) -> None:
    page = await open_dashboard(chromium, server.url, server.key, "#/calls")
    await shown(page, TITLE, "^Calls$")
    name = f"shop {secrets.token_hex(3)}"
    await page.click(".heading .primary")
    await page.type("dialog.asking input[name=name]", name)
    await page.press("Enter")
    app = f"[...document.querySelectorAll('tr[data-app]')].find((one) => one.textContent.includes({json.dumps(name)}))"
    await page.wait_for(f"{app} !== undefined")
    await shown(page, f"{app}.querySelector('code').textContent", "^[0-9a-f]{32}$")
    made = next(each for each in await analytics.data("/apps") if each["name"] == name)

    await page.click(f'[data-app="{made["id"]}"] button:nth-child(1).above:not(code + button)')
    await page.type("dialog.asking input[name=domain]", "localhost")
    await page.press("Enter")
    await shown(page, "document.querySelector('dialog.asking .wrong').textContent", "not valid")
    await page.type("dialog.asking input[name=domain]", "shop.example")
    await page.press("Enter")
    await shown(page, f"{app}.querySelector('[data-label=Domain]').textContent", r"^shop\.example$")

    await page.evaluate(f"[...{app}.querySelectorAll('button')].find((one) => one.textContent === 'Delete').click()")
    await page.click("dialog.asking .danger")
    await page.wait_for(f"{app} === undefined")
    assert made["id"] not in [each["id"] for each in await analytics.data("/apps")]
    assert faults(page) in ([], [each for each in faults(page) if "400" in each])


async def test_an_apps_overview_leads_to_its_conferences(
    server: Server, chromium: Chromium, analytics: Analytics, told: Any
) -> None:
    page = await open_dashboard(chromium, server.url, server.key, f"#/calls/apps/{analytics.app['id']}")
    await shown(page, TITLE, f"^{analytics.app['name']}$")
    await shown(page, text(".figures dd"), r"^[1-9]\d*$")
    bars = "[...document.querySelectorAll('.bars li')].map((one) => one.textContent).join('|')"
    await shown(page, bars, r"Connection failed\d")
    assert "Haiku" in await page.evaluate(bars)
    assert await page.evaluate("document.querySelectorAll('.wide .columns li').length") == 31
    await page.click(".button-like")
    await shown(page, TITLE, "^Conferences$")
    row = f'[data-conference="{told["id"]}"]'
    await shown(page, text(f"{row} a"), "^Board")
    await shown(page, text(f"{row} td[data-label=Issues]"), "errors")
    await page.click(f"{row} a")
    await shown(page, TITLE, f"^{told['conference_name']}$")
    assert faults(page) == []


async def test_a_conference_with_issues_timeline_graphs_and_events(
    server: Server, chromium: Chromium, analytics: Analytics, told: Any
) -> None:
    page = await chromium.open(f"{server.url}/dashboard/conference/{told['id']}")  # as get-url names it
    assert await page.evaluate("location.hash") == f"#/calls/conferences/{told['id']}"
    page = await open_dashboard(chromium, server.url, server.key, f"#/calls/conferences/{told['id']}")
    issues = "[...document.querySelectorAll('.issues > li > b')].map((one) => one.textContent).join('|')"
    assert await shown(page, issues, r"\|") == "Connection failed|Connection disconnected"
    dots = "document.querySelectorAll('.lane .dot[data-gravity={}]').length"
    assert await page.evaluate(dots.format("error")) == 2 and await page.evaluate(dots.format("warning")) == 2
    events = "document.querySelectorAll('.events tbody tr').length"
    await page.wait_for(f"{events} === 10")
    select = "const s = document.querySelector('[aria-label=\"Which events\"]'); s.value = 'stats'; s.dispatchEvent(new Event('change'))"
    await page.evaluate(f"{{ {select} }}")
    await page.wait_for(
        f"{events} === 10 && document.querySelector('.events td:nth-child(4)').textContent === 'Statistics'"
    )
    await page.wait_for("document.querySelectorAll('.lines canvas').length >= 2", PATIENCE_S)
    await shown(page, "document.querySelector('.lines[aria-label=\"Bit rate\"] .legend').textContent", "receives6[345]")
    assert faults(page) == []


async def test_a_person_is_found_and_what_they_told_is_erased(
    server: Server, chromium: Chromium, analytics: Analytics, told: Any
) -> None:
    page = await open_dashboard(chromium, server.url, server.key, "#/calls")
    await shown(page, TITLE, "^Calls$")
    await page.type("input[type=search]", told["conference_name"])
    await page.press("Enter")
    await shown(page, text(".matches b"), f"^{told['conference_name']}$")
    await page.click(".matches a")
    await shown(page, TITLE, f"^{told['conference_name']}$")
    await page.wait_for("document.querySelector('.people a') !== null")
    await page.evaluate("document.querySelector('.people a').click()")
    name = await shown(page, TITLE, "^(Carla|Dmitri)$")
    await page.click(".view .ends")
    await page.click("dialog.asking .danger")
    await shown(page, TITLE, f"^{name.lower()}$")
    people = await analytics.data(f"/participants?conferenceId={told['id']}")
    erased = next(each for each in people if each["participant_id"] == name.lower())
    assert erased["participant_name"] is None
    path = f"/conferences/{told['id']}/events?participantId={erased['id']}"
    assert await analytics.data(path) == []


async def test_records(server: Server, chromium: Chromium, analytics: Analytics, told: Any) -> None:
    page = await open_dashboard(chromium, server.url, server.key, "#/calls/records")
    for kind in ("organizations", "apps", "conferences", "participants", "sessions", "connections", "issues"):
        select = f"const s = document.querySelector('select'); s.value = '{kind}'; s.dispatchEvent(new Event('change'))"
        await page.wait_for("document.querySelectorAll('select option').length > 7")
        await page.evaluate(f"{{ {select} }}")
        await page.wait_for("document.querySelectorAll('.records tbody tr').length > 0")
    await page.wait_for("[...document.querySelectorAll('.records thead th')].some((one) => one.textContent === 'code')")
    await page.click(".records button")
    await shown(page, "document.querySelector('dialog.asking pre').textContent", '"code": ')
    await page.press("Escape")
    await page.wait_for("document.querySelector('dialog.record') === null")
    assert faults(page) == []


async def test_a_live_room_leads_to_its_conference_and_back(
    server: Server, chromium: Chromium, analytics: Analytics
) -> None:
    room = server.make_room(name=f"Live {secrets.token_hex(3)}")
    page = await chromium.open(f"{server.page(room)}?name=Anna&join=1", script=ANNA.script(speaking=False))
    await Member(page, ANNA).joined()
    await analytics.conference(room, lambda found: found["ongoing"])
    page = await open_dashboard(chromium, server.url, server.key, f"#/rooms/{room}")
    await page.wait_for("document.querySelector('.tools .button-like:not([hidden])') !== null")
    await page.click(".tools .button-like")
    await page.wait_for("location.hash.startsWith('#/calls/conferences/')")
    await shown(page, TITLE, "^Live")
    await page.wait_for("document.querySelector('.tools .button-like:not([hidden])') !== null")
    await page.click(".tools .button-like")
    await page.wait_for(f"location.hash === '#/rooms/{room}'")
    assert faults(page) == []


async def test_nothing_is_wider_than_the_screen(
    server: Server, chromium: Chromium, analytics: Analytics, told: Any
) -> None:
    page = await open_dashboard(chromium, server.url, server.key, "#/calls")
    (person, *_) = await analytics.data(f"/participants?conferenceId={told['id']}")
    app = analytics.app["id"]
    for size in (WIDE, PHONE):
        await page.resize(*size)
        for path in (
            "calls",
            f"calls/apps/{app}",
            f"calls/apps/{app}/conferences",
            f"calls/conferences/{told['id']}",
            f"calls/participants/{person['id']}",
            "calls/search/board",
            "calls/records",
        ):
            await page.evaluate(f"location.hash = '#/{path}'")
            await page.wait_for("document.querySelector('.view .loading:not([hidden])') === null")
            await trio.sleep(0.3)
            assert not await scrolls_sideways(page), f"{path} at {size}"
