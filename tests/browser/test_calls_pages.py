"""The dashboard's pages of calls, beyond one good call (test_calls.py): who may see them, both views told over HTTP, more events
and conferences than a page holds, filters, export, and that what an app's pages show is of that app alone.
"""

import json
import re
import secrets
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import attrs
import httpx
import pytest
import sqlalchemy as sa
import trio

from api.store import Database
from tests.browser.chromium import Chromium
from tests.browser.conftest import Server, atrium
from tests.browser.member import faults
from tests.browser.test_dashboard import TITLE, choose, open_dashboard, shown, text

ROWS = "document.querySelectorAll('.listing tbody tr').length"
PLACE = text(".pages .hint")
MINUTE_MS = 60_000
MANY = 1300
"""Events: more than a timeline draws."""
SOME = 54
"""Conferences: more than a page holds."""


@attrs.frozen
class App:
    """An app of one test, so that what its pages count is known."""

    server: Server
    id: str
    key: str

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self.server.key}"}
        async with httpx.AsyncClient(trust_env=False, headers=headers, base_url=self.server.url) as client:
            answer = await client.request(method, f"/analytics/v1{path}", json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()

    async def enter(self, conference: str, user: str) -> str:
        hello = {
            "apiKey": self.key,
            "conferenceId": conference,
            "conferenceName": conference.title(),
        }
        answer = await self.ask("POST", "/initialize", {**hello, "userId": user, "userName": user.title()})
        return str(answer["token"])

    async def visit(self, conference: str, user: str, **told: object) -> "Visit":
        session = {
            "token": await self.enter(conference, user),
            "delta": 5 * MINUTE_MS,
            **told,
        }
        token = (await self.ask("POST", "/sessions", session))["token"]
        peer = {
            "eventName": "addConnection",
            "peerId": "sfu",
            "isSfu": True,
            "delta": 5 * MINUTE_MS - 1000,
        }
        made = await self.ask("POST", "/connection", {"token": token, **peer})
        return Visit(
            self,
            token,
            {"peerId": made["peer_id"], "connectionId": made["connection_id"]},
        )

    async def conference(self, own_id: str) -> Any:
        found = (await self.ask("GET", f"/conferences?appId={self.id}&conference_id={own_id}"))["data"]
        assert len(found) == 1
        return found[0]


@attrs.frozen
class Visit:
    app: App
    token: str
    ids: dict[str, str]

    async def connection(self, name: str, data: object, ms_ago: int) -> None:
        event = {"token": self.token, "eventName": name, "data": data, "delta": ms_ago}
        await self.app.ask("POST", "/connection", {**event, **self.ids})

    async def connections(self, *changes: tuple[object, int]) -> None:
        """The same by one request, so that the times between them are exact. State and ms ago."""
        events = [
            {"eventName": "onconnectionstatechange", "data": state, "delta": ms_ago, **self.ids}
            for state, ms_ago in changes
        ]
        await self.app.ask("POST", "/connection/batch", {"token": self.token, "data": events})

    async def stats(self, number: int, ms_ago: int) -> None:
        heard = {
            "id": "I",
            "mediaType": "audio",
            "track": {},
            "packetsReceived": 500 * number,
            "packetsLost": 0,
        }
        data = {
            "connection": {"id": "CP"},
            "audio": {"inbound": [heard | {"bytesReceived": 12_500 * number}]},
        }
        body = {
            "token": self.token,
            "connectionId": self.ids["connectionId"],
            "data": data,
            "delta": ms_ago,
        }
        await self.app.ask("POST", "/stats", body)

    async def end(self) -> None:
        await self.app.ask(
            "POST",
            "/events/browser",
            {"token": self.token, "eventName": "endCall", "delta": MINUTE_MS},
        )


@pytest.fixture
async def app(server: Server) -> AsyncIterator[App]:
    """It is gone afterwards; another one, older than all of these, is what the server's own rooms are of, as in test_calls.py."""
    nobody = App(server, "", "")
    organizations = (await nobody.ask("GET", "/organizations"))["data"]
    owner = (
        organizations[0] if organizations else (await nobody.ask("POST", "/organizations", {"name": "Acme"}))["data"]
    )
    if not (await nobody.ask("GET", "/apps"))["data"]:
        await nobody.ask("POST", "/apps", {"organization": owner["id"], "name": "calls"})
    body = {"organization": owner["id"], "name": f"pages {secrets.token_hex(4)}"}
    made = (await nobody.ask("POST", "/apps", body))["data"]
    yield App(server, made["id"], made["api_key"])
    await nobody.ask("DELETE", f"/apps/{made['id']}")


def as_the_servers(server: Server, sessions: list[str]) -> None:
    """No request may say that it is the server's own, so these are made so where they are stored."""

    def change(connection: sa.Connection) -> None:
        query = sa.text("UPDATE call_sessions SET webrtc_sdk = 'atrium' WHERE id = :id")
        for id in sessions:
            assert connection.execute(query, {"id": id}).rowcount == 1

    database = Database(server.directory)
    try:
        database.write(change)
    finally:
        database.close()


async def test_holders_of_a_licence_see_no_calls(server: Server, chromium: Chromium) -> None:
    made = atrium(
        server.directory,
        "licence",
        "add",
        "--domain",
        f"c{secrets.token_hex(4)}.example",
    )
    page = await open_dashboard(chromium, server.url, made["licenceKey"], "#/calls")
    await page.wait_for("location.hash.startsWith('#/licences/')")
    sections = "[...document.querySelectorAll('#sections a')].map((one) => one.textContent).join('|')"
    assert await shown(page, sections, "Live rooms") == "Live rooms|Licence"
    assert faults(page) == []


async def test_both_views_of_a_person_stand_one_below_the_other(server: Server, chromium: Chromium, app: App) -> None:
    # The server's word is made first: the order shown is not that in which they came.
    for sdk, ms in (("other", 200), ("5.9", 0)):
        visit = await app.visit("both", "ines", webrtcSdk=sdk)
        await visit.connection("onconnectionstatechange", "connected", 5 * MINUTE_MS - 2000 - ms)
        for number in range(6):
            await visit.stats(number * (1 if sdk == "5.9" else 2), 4 * MINUTE_MS - 10_000 * number)
        await visit.end()
    conference = await app.conference("both")
    told = (await app.ask("GET", f"/sessions?conferenceId={conference['id']}"))["data"]
    as_the_servers(server, [each["id"] for each in told if each["webrtc_sdk"] == "other"])

    page = await open_dashboard(chromium, server.url, server.key, f"#/calls/conferences/{conference['id']}")
    await shown(page, TITLE, "^Both$")
    lanes = "[...document.querySelectorAll('.lane[data-view] .whose')].map((one) => [...one.children].map((part) => part.textContent).join(' ')).join('|')"
    assert await shown(page, lanes, r"\|") == "Ines browser|Ines server"
    lines = "[...document.querySelectorAll('.lines[aria-label=\"Bit rate\"] .legend li')].map((one) => one.textContent).join('|')"
    told = await shown(page, lines, "server", 40.0)
    rates = dict(re.findall(r"(browser|server) receives([\d.]+)", told))
    # 12,500 bytes in 10 s are 10 kbit/s, and the other side has said twice of it; requests take some time too, which adds up.
    assert 8 < float(rates["browser"]) < 11 and 16 < float(rates["server"]) < 22, told
    views = "[...new Set([...document.querySelectorAll('.events td[data-label=\"Seen by\"]')].map((one) => one.textContent))].sort().join()"
    assert await shown(page, views, ",") == "browser,server"
    for view in ("server", "browser"):
        await page.evaluate(choose("Seen by whom", view))
        await shown(page, views, f"^{view}$")
    assert faults(page) == []


async def test_of_very_many_events_a_part_is_drawn_and_a_page_listed(
    server: Server, chromium: Chromium, app: App
) -> None:
    visit = await app.visit("crowded", "kim")
    for half in range(2):
        events = [
            {
                "eventName": "onicegatheringstatechange",
                "data": "gathering",
                "delta": 4 * MINUTE_MS - at,
                **visit.ids,
            }
            for at in range(half * MANY // 2, (half + 1) * MANY // 2)
        ]
        await app.ask("POST", "/connection/batch", {"token": visit.token, "data": events})
    await visit.end()
    conference = await app.conference("crowded")
    all_of_them = MANY + 2  # and that the connection began, and the call ended

    page = await open_dashboard(chromium, server.url, server.key, f"#/calls/conferences/{conference['id']}")
    hint = "[...document.querySelectorAll('.panel-like .hint')].map((one) => one.textContent).join(' ')"
    await shown(page, hint, f"The first 1,000 of {all_of_them:,} events are drawn")
    assert await page.evaluate("document.querySelectorAll('.lane .dot').length") == 1000
    await page.wait_for(f"{ROWS} === 200")
    await shown(page, text(".pages button"), f"^More \\({all_of_them - 200:,}\\)$")
    await page.evaluate("document.querySelector('.pages button').scrollIntoView({ block: 'center' })")
    await page.click(".pages button")
    await page.wait_for(f"{ROWS} === 400")
    # Each once, and in the order of the API.
    listed = "[...document.querySelectorAll('.events tbody tr')].map((one) => one.dataset.event)"
    pages = [await app.ask("GET", f"/conferences/{conference['id']}/events?limit=200&offset={at}") for at in (0, 200)]
    assert await page.evaluate(listed) == [event["id"] for each in pages for event in each["results"]]
    assert faults(page) == []


async def test_conferences_come_in_pages_newest_first(server: Server, chromium: Chromium, app: App) -> None:
    for number in range(SOME):
        await app.enter(f"talk {number}", "lee")
    page = await open_dashboard(chromium, server.url, server.key, f"#/calls/apps/{app.id}/conferences")
    names = "[...document.querySelectorAll('tr[data-conference] th a')].map((one) => one.textContent)"
    await shown(page, PLACE, f"^1 to 50 of {SOME}$")
    assert await page.evaluate(names) == [f"Talk {number}" for number in range(SOME - 1, SOME - 51, -1)]
    older, newer = (
        f"[...document.querySelectorAll('.pages button')].find((one) => one.textContent === '{word}')"
        for word in ("Older", "Newer")
    )
    assert await page.evaluate(f"{newer}.disabled") and not await page.evaluate(f"{older}.disabled")
    await page.evaluate(f"{older}.click()")
    await shown(page, PLACE, f"^51 to {SOME} of {SOME}$")
    assert await page.evaluate(names) == [f"Talk {number}" for number in range(SOME - 51, -1, -1)]
    assert await page.evaluate(f"{older}.disabled") and not await page.evaluate(f"{newer}.disabled")
    # Of tomorrow on there is none; the first page is shown again.
    tomorrow = "new Date(Date.now() + 2 * 86400e3).toISOString().slice(0, 10)"
    await page.evaluate(
        f"{{ const from = document.querySelector('input[type=date]'); from.value = {tomorrow}; from.dispatchEvent(new Event('change')) }}"
    )
    await shown(page, text(".empty:not([hidden]) h2"), "^No conference$")
    assert await page.evaluate(names) == []
    assert faults(page) == []


async def test_conferences_with_a_certain_issue_alone(server: Server, chromium: Chromium, app: App) -> None:
    for name, state in (("good", "connected"), ("bad", "failed")):
        visit = await app.visit(name, "mo")
        await visit.connection("onconnectionstatechange", state, 4 * MINUTE_MS)
        await visit.end()
    page = await open_dashboard(chromium, server.url, server.key, f"#/calls/apps/{app.id}")
    figures = "[...document.querySelectorAll('.figures dd')].slice(0, 3).map((one) => one.textContent).join()"
    assert await shown(page, figures, "^2,") == "2,1,1"  # all, without issues, with errors
    await page.evaluate(
        "[...document.querySelectorAll('.bars a')].find((one) => one.textContent === 'Connection failed').click()"
    )
    await shown(page, PLACE, "^1 to 1 of 1$")
    assert await page.evaluate(text("tr[data-conference] th a")) == "Bad"
    assert "connection_failed" in str(await page.evaluate("document.querySelector('main').textContent"))
    assert faults(page) == []


async def test_a_conference_is_exported_by_whoever_has_signed_in(server: Server, chromium: Chromium, app: App) -> None:
    visit = await app.visit("exported", "nia")
    await visit.connection("onconnectionstatechange", "connected", 4 * MINUTE_MS)
    await visit.end()
    conference = await app.conference("exported")
    page = await open_dashboard(chromium, server.url, server.key, f"#/calls/conferences/{conference['id']}")
    await shown(page, TITLE, "^Exported$")
    await page.evaluate("""{
      window.saved = {};
      const make = URL.createObjectURL;
      URL.createObjectURL = (blob) => { blob.text().then((text) => { window.given = text; }); return make(blob); };
      HTMLAnchorElement.prototype.click = function () { window.saved.name = this.download; };
    }""")
    for kind, name in (("JSON", "exported.ndjson"), ("CSV", "exported.csv")):
        await page.evaluate("window.given = undefined")
        await page.evaluate(
            f"[...document.querySelectorAll('button')].find((one) => one.textContent === 'Export {kind}').click()"
        )
        given = await shown(page, "window.given", "onconnectionstatechange")
        assert await page.evaluate("saved.name") == name
        if kind == "JSON":
            types = [json.loads(line).get("type") for line in given.splitlines() if line]
            assert types.count("addConnection") == 1 and types.count("endCall") == 1
    assert faults(page) == []


async def test_addresses_that_the_api_gives_lead_to_their_pages(server: Server, chromium: Chromium, app: App) -> None:
    await (await app.visit("linked", "olga")).end()
    # Signed in for the whole of the tab, as the addresses are opened from elsewhere.
    page = await open_dashboard(chromium, server.url, server.key)
    for given, heading in (
        ({"conferenceId": "linked"}, "^Linked$"),
        ({"userId": "olga"}, "^Olga$"),
    ):
        url = (await app.ask("POST", "/services/get-url", {"apiKey": app.key, **given}))["url"]
        path = "/" + url.split("/", 3)[3].removeprefix("dashboard/")
        await page.go(f"{server.url}/dashboard{path}")
        await shown(page, TITLE, heading)
    assert faults(page) == []


async def test_records_of_an_app_are_of_that_app(server: Server, chromium: Chromium, app: App) -> None:
    await (await app.visit("recorded", "pia", platform={"os": {"name": "Haiku"}})).end()
    with trio.fail_after(40):
        while not (await app.ask("GET", f"/records/summaries?appId={app.id}"))["data"]:
            await trio.sleep(0.1)
    page = await open_dashboard(chromium, server.url, server.key, "#/calls/records")
    await page.wait_for(f"document.querySelector('option[value=\"{app.id}\"]') !== null")
    choose = partial(
        "{{ const s = [...document.querySelectorAll('select')].find((one) => one.querySelector('option[value=\"{0}\"]')); "
        "s.value = '{0}'; s.dispatchEvent(new Event('change')) }}".format
    )
    await page.evaluate(choose(app.id))
    for kind, columns, number in (
        ("conferences", "conference_id", 1),
        ("participants", "participant_id", 2),
        ("tracks", "track_id", 0),
        ("events", "category", 2),
        ("summaries", "status", 1),
        ("sessions", "webrtc_sdk", 1),
    ):
        await page.evaluate(choose(kind))
        await shown(
            page,
            "[...document.querySelectorAll('.records thead th')].map((one) => one.textContent).join()",
            columns,
        )
        await shown(page, PLACE, f"^1 to {number} of {number}$" if number else "^None$")
        assert await page.evaluate(ROWS) == number
    await page.click(".records button")
    record = json.loads(await shown(page, text("dialog.asking pre"), "Haiku"))
    listed = (await app.ask("GET", f"/sessions?appId={app.id}"))["data"]
    assert record == listed[0]
    assert faults(page) == []
