"""The dashboard in a real browser, against a real server: signing in, live rooms with what flows, licences with their usage."""

import re
import secrets
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import attrs
import pytest
import trio

from api.admins import PASSWORD_FILE
from api.config import Config
from api.keyring import Keyring
from api.licences import LicenceKeys
from api.store import Database, licences, sessions
from tests.browser.chromium import Chromium, Page, PageError
from tests.browser.conftest import Relay, Server, atrium
from tests.browser.kpoint import fresh_room, open_embedded, open_kpoint
from tests.browser.member import ANNA, BOB, CARLA, faults, open_member
from tests.browser.test_meet import scrolls_sideways

WIDE = (1280, 900)
PHONE = (360, 740)
ARROW_LEFT = {"key": "ArrowLeft", "code": "ArrowLeft", "windowsVirtualKeyCode": 37}
HOME = {"key": "Home", "code": "Home", "windowsVirtualKeyCode": 36}

TITLE = "document.querySelector('main h1')?.textContent"
REFUSAL = "(document.getElementById('refusal').hidden ? '' : document.getElementById('refusal').textContent)"
TROUBLE = "(document.getElementById('trouble').hidden ? '' : document.getElementById('trouble').textContent)"


@pytest.fixture
def password(server: Server) -> str:
    return (server.directory / PASSWORD_FILE).read_text(encoding="utf-8").strip()


@attrs.frozen
class Licence:
    id: str
    domain: str
    key: str
    access_token: str


@pytest.fixture
def customer(server: Server) -> Licence:
    """A licence with limits, and sessions on two days of the last thirty and one before those."""
    domain = f"c{secrets.token_hex(4)}.example"
    made = atrium(server.directory, "licence", "add", "--domain", domain, "--room-limit", "10", "--max-users", "50")
    noon = datetime.now(Config().licence.zone).replace(hour=12, minute=0, second=0, microsecond=0)  # of a licence's day
    number = secrets.randbelow(10**6) + 10**6  # far from those that the running server gives
    rows = [
        sessions.SessionRecord(
            id=number + at,
            licence_id=int(made["id"]),
            session_id=f"ses_{secrets.token_hex(5)}",
            room=f"room-{at}",
            room_name=f"Room {at}",
            began_at=noon - timedelta(days=ago),
            until=noon - timedelta(days=ago) + timedelta(minutes=minutes),
            running=False,
            visits=2,
        )
        for at, (ago, minutes) in enumerate(((3, 90), (3, 35), (10, 240), (60, 600)))
    ]
    database = Database(server.directory)
    try:
        database.write(partial(sessions.write, changes=sessions.Changes(rows)))
        record = database.read(partial(licences.by_domain, domain=domain))
    finally:
        database.close()
    assert record is not None
    keys = LicenceKeys(Keyring.open(server.directory), Config().licence.zone)
    return Licence(
        made["id"], domain, made["licenceKey"], keys.make_access_token(record, expires_s=600, is_owner=False)
    )


async def open_dashboard(chromium: Chromium, url: str, token: str = "", path: str = "", **how: Any) -> Page:
    """Signed in by that token, as if in another tab before."""
    script = f"sessionStorage.setItem('atrium.dashboard.token', '{token}')" if token else ""
    return await chromium.open(f"{url}/dashboard{path}", script=script, **({"size": WIDE} | how))


def text(selector: str) -> str:
    return f"document.querySelector({selector!r})?.textContent"


def choose(label: str, value: str) -> str:
    return (
        f"{{ const s = document.querySelector('select[aria-label=\"{label}\"]'); s.value = '{value}'; "
        "s.dispatchEvent(new Event('change')) }"
    )


async def shown(page: Page, expression: str, pattern: str, timeout_s: float = 10.0) -> str:
    """Waits until what is shown there fits the pattern, and returns it."""
    try:
        await page.wait_for(f"new RegExp({pattern!r}).test({expression} ?? '')", timeout_s)
    except PageError as error:
        raise PageError(f"{error}\n  there: {await page.evaluate(expression)}") from None
    return str(await page.evaluate(expression))


async def press_key(page: Page, key: dict[str, Any]) -> None:
    for kind in ("keyDown", "keyUp"):
        await page.command("Input.dispatchKeyEvent", type=kind, **key)


async def test_signing_in_and_out(server: Server, chromium: Chromium, password: str) -> None:
    page = await open_dashboard(chromium, server.url)
    await page.wait_for("document.activeElement.id === 'password'")
    assert await page.evaluate("document.title") == "Sign in · Atrium"
    await page.type("#password", "wrong")
    await page.press("Enter")
    await shown(page, REFUSAL, "^User or password is wrong")
    assert await page.evaluate("document.activeElement.id") == "password"
    await page.type("#password", password)
    await page.press("Enter")
    await shown(page, TITLE, "^Live rooms$")
    assert await page.evaluate("document.title") == "Live rooms · Atrium"
    assert await page.evaluate("document.getElementById('password').value") == ""
    await page.wait_for("document.activeElement.tagName === 'H1'")

    await page.go(f"{server.url}/dashboard#/licences")  # of this tab: still signed in
    await page.command("Page.reload")
    await shown(page, TITLE, "^Licences$")
    await page.click("#sign-out")
    await page.wait_for("!document.getElementById('sign-in').hidden")
    assert await page.evaluate("sessionStorage.length") == 0
    assert await page.evaluate("location.hash") == ""
    assert await page.evaluate("document.querySelector('main').childElementCount") == 0
    assert await page.evaluate("document.getElementById('sections').hidden")


async def test_who_is_known_no_longer_signs_in_again_and_is_back_where_it_was(
    server: Server, chromium: Chromium, password: str
) -> None:
    page = await open_dashboard(chromium, server.url, "no.such.token", "#/licences")
    await shown(page, REFUSAL, "no longer valid. Please sign in again")
    await page.type("#password", password)
    await page.press("Enter")
    await shown(page, TITLE, "^Licences$")

    await page.click("#sign-out")
    await page.click("input[value=holder] + span")
    await page.type("#token", "Bearer  no.such\n.token")
    await page.click("#sign-in [type=submit]")
    await shown(page, REFUSAL, "no licence key of this server")
    await page.type("#token", "schlüssel✓")
    await page.click("#sign-in [type=submit]")
    await shown(page, REFUSAL, "This is no token")


async def test_too_many_attempts_are_said(server: Server, chromium: Chromium) -> None:
    """As the server says it; that it does is tested where it is made."""
    refuse = """
      const real = window.fetch;
      window.fetch = (path, how) => String(path) === "/dashboard/sign-in"
        ? Promise.resolve(new Response('{"error": {"code": 429, "message": "too many"}}',
            { status: 429, headers: { "Retry-After": "60" } }))
        : real(path, how);
    """
    page = await chromium.open(f"{server.url}/dashboard", script=refuse)
    await page.type("#password", "wrong")
    await page.press("Enter")
    await shown(page, REFUSAL, "Too many attempts have failed. Try again in 60 seconds")


async def test_a_call_is_seen_and_ended(server: Server, chromium: Chromium) -> None:
    """Members and their streams with what flows; a refresh keeps what is open and focused; the end asks first."""
    name = f"Monday <i>round</i> {secrets.token_hex(3)}"
    room = server.make_room(name=name)
    anna = await open_member(chromium, server.page(room), ANNA, speaking=True)
    bob = await open_member(chromium, server.page(room), BOB)
    anna_id, bob_id = await anna.joined(), await bob.joined()
    await anna.wait_for_frames(bob_id)
    await bob.wait_for_frames(anna_id)

    page = await open_dashboard(chromium, server.url, server.key, size=(1280, 600))
    row = f'[data-room="{room}"]'
    cell = f"{row} td[data-label="
    assert await shown(page, text(f"{row} a"), "round") == name
    await shown(page, text(f"{cell}In]"), r"^[1-9][\d.]* [kM]bit/s$")
    await shown(page, text(f"{cell}Out]"), r"^[1-9][\d.]* [kM]bit/s$")
    await shown(page, text(f"{cell}Loss]"), "%$")
    assert await page.evaluate(text(f"{cell}People] .heads")) == "2"
    assert await page.evaluate(text(f"{cell}By] .chip")) == "Room API"
    assert await page.evaluate(text(f"{cell}Licence]")) == "This server"
    assert re.fullmatch(r"\d+ s|\d min", await page.evaluate(text(f"{cell}Running]")))

    await page.click(f"{row} a")
    await shown(page, TITLE, "Monday")
    assert await page.evaluate("document.title") == f"{name} · Atrium"
    assert await page.evaluate("document.activeElement.tagName") == "H1"
    member = f'[data-member="{anna_id}"]'
    await page.wait_for(f"document.querySelectorAll('.member').length === 2 && {text(f'{member} .name')} === 'Anna'")
    await page.click(f"{member} summary")
    for kind in ("audio", "video"):
        stream = f'{member} [data-stream^="{kind}"] td[data-label='
        await shown(page, text(f'{stream}"Bit rate"]'), r"^[1-9][\d.]* [kM]bit/s$")
        await shown(page, text(f'{stream}"Packets/s"]'), r"^[1-9]\d*$")
        await shown(page, text(f'{stream}"Loss now"]'), "%$")
        assert await page.evaluate(text(f"{stream}Codec]")) == {"audio": "Opus", "video": "VP8"}[kind]
    received = f"[...document.querySelectorAll('{member} .received tbody tr')].map((one) => one.textContent)"
    sound, picture = await page.evaluate(received)
    assert sound.startswith("Sound of the room") and "The loudest other member" in sound
    assert picture.startswith("Picture of BobVP8") and picture.endswith("The only layer")
    await shown(page, text(f'{member} .received td[data-label="Round trip"]'), "ms$")

    await bob.page.press("m")
    mute = f'[data-member="{bob_id}"] .mute'
    await page.wait_for(f"!document.querySelector('{mute}').hidden && {text(mute)} === 'Microphone off'")
    await page.evaluate(
        "window.kept = [...document.querySelectorAll('main *')].filter((one) => one.id || one.className)"
    )
    assert await page.evaluate("document.activeElement.tagName") == "SUMMARY"
    await page.evaluate("scrollTo(0, 150)")
    before = await page.evaluate(text("main"))
    await page.wait_for(f"{text('main')} !== {before!r}")
    await trio.sleep(2.5)  # one more refresh
    assert await page.evaluate("kept.every((one) => one.isConnected)")
    assert await page.evaluate("[scrollY, document.activeElement.tagName]") == [150, "SUMMARY"]
    assert await page.evaluate(f"document.querySelector('{member} details').open")

    await page.evaluate("scrollTo(0, 0)")
    await page.click("#end")
    await page.wait_for("document.getElementById('confirm').open")
    await page.press("Enter")  # the harmless answer has the focus
    await page.wait_for("!document.getElementById('confirm').open && document.activeElement.id === 'end'")
    assert await anna.page.evaluate("atrium.state") == "joined"
    await page.click("#end")
    await page.click("#confirm-yes")
    await shown(page, TITLE, "^Live rooms$")
    await page.wait_for(f"document.querySelector('main .loading').hidden && !document.querySelector('{row}')")
    await anna.page.wait_for("atrium.state === 'left'")
    await page.wait_for("document.getElementById('news').textContent.includes('has ended')")
    assert faults(page) == []

    await page.evaluate("history.back()")
    await page.wait_for("document.querySelector('.empty:not([hidden]) h2')?.textContent === 'This room is not live'")


async def test_every_dialect_and_who_waits(server: Server, chromium: Chromium) -> None:
    """A room of KPOINT clients under their licence; a room in which somebody asks to be let in. The search finds them."""
    group = fresh_room()
    anna = await open_kpoint(chromium, server.url, group, "group", ANNA)
    bob = await open_kpoint(chromium, server.url, group, "group", BOB)
    anna_id = await anna.joined()
    await anna.wait_for_frames(await bob.joined())
    closed = server.make_room(name=f"Surgery {group}", open=False)
    carla = await open_member(chromium, server.page(closed), CARLA)
    await carla.page.wait_for("atrium.state === 'waiting'")

    page = await open_dashboard(chromium, server.url, server.key)
    await page.type("#search", group.upper())
    await page.wait_for("document.querySelectorAll('.rooms tbody tr').length === 2")
    of = "[...document.querySelectorAll('.rooms tbody tr')].find((one) => one.querySelector('a').textContent"
    await shown(page, f"{of} === '{group}').querySelector('[data-label=Licence]').textContent", "^demo$")
    assert await page.evaluate(f"{of} === '{group}').querySelector('[data-dialect=kpoint]').textContent") == "KPOINT"
    assert await page.evaluate(f"{of} !== '{group}').querySelector('.waits').textContent") == "1 waiting"
    await page.type("#search", "nobody has this name")
    await shown(page, text(".empty"), "^Nothing found")
    await page.type("#search", "carla")
    await page.wait_for("document.querySelectorAll('.rooms tbody tr').length === 1")

    await page.press("Tab")
    await page.tab_to(".rooms tbody a")
    await page.press("Enter")
    await shown(page, TITLE, "^Surgery")
    assert await page.evaluate(text("[data-party] b")) == "Carla"
    await shown(page, text("[data-party] time"), r"^for \d+ s$")
    await page.evaluate("history.back()")
    await page.wait_for("document.getElementById('search')?.value === 'carla'")  # as it was left
    await page.type("#search", group)
    await page.wait_for(f"({of} === '{group}'))?.querySelector('a').click() ?? true")
    await shown(page, TITLE, f"^{group}$")
    own = f'[data-member="{anna_id}"]'
    await page.click(f"{own} summary")
    await shown(page, text(f'{own} [data-stream^=video] td[data-label="Bit rate"]'), r"^[1-9][\d.]* [kM]bit/s$")
    await shown(page, text(f"{own} .connection:nth-of-type(2) .received tbody"), "Sound of Bob.*Picture of Bob")
    assert await page.evaluate(f"[...document.querySelectorAll('{own} h3')].map((one) => one.textContent)") == [
        "Microphone and camera",
        "Receives only",
    ]


async def test_a_server_that_is_away_is_said_and_comes_back(server: Server, chromium: Chromium, relay: Relay) -> None:
    """What was shown stays, faded; nothing has to be done."""
    page = await open_dashboard(chromium, f"http://127.0.0.1:{relay.port}", server.key)
    state = "document.getElementById('pulse').dataset.state"
    await page.wait_for(f"{state} === 'live' && document.querySelector('main .loading').hidden")
    relay.is_open = False
    relay.cut()
    await shown(page, TROUBLE, "^The server does not answer. What you see is of .* Trying again")
    assert await page.evaluate(state) == "away"
    assert await page.evaluate("document.querySelector('.figures').textContent.startsWith('Rooms')")
    relay.is_open = True
    await page.wait_for(f"{state} === 'live' && {TROUBLE} === ''", 15)


async def test_a_hidden_tab_asks_for_nothing(server: Server, chromium: Chromium) -> None:
    count = """
      window.asked = 0;
      window.asks = [];
      const real = window.fetch;
      window.fetch = (path, how) => { window.asked += 1; asks.push(path); return real(path, how); };
      window.setHidden = (hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      };
    """
    script = f"sessionStorage.setItem('atrium.dashboard.token', '{server.key}'); {count}"
    page = await chromium.open(f"{server.url}/dashboard", script=script)
    await page.wait_for("asked >= 3 && document.getElementById('pulse').dataset.state === 'live'")
    assert await page.evaluate("asks.filter((path) => path === '/v1/live/viewer').length") == 1
    await page.evaluate("setHidden(true)")
    assert await page.evaluate("document.getElementById('pulse').textContent") == "Paused"
    await trio.sleep(0.5)  # an answer may be on its way
    before = await page.evaluate("asked")
    await trio.sleep(3)
    assert await page.evaluate("asked") == before
    await page.evaluate("setHidden(false)")
    assert await page.evaluate("asked") == before + 1
    await page.wait_for("document.getElementById('pulse').textContent === 'Live'")


INK = """((canvas) => {
  const { width, height } = canvas;
  const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const columns = new Set();
  const accent = getComputedStyle(canvas).getPropertyValue("--accent").trim();
  const wanted = accent.slice(1).match(/../g).map((one) => parseInt(one, 16));
  for (let at = 0; at < data.length; at += 4) {
    const isBar = data[at + 3] === 255 && wanted.every((part, which) => Math.abs(part - data[at + which]) < 3);
    if (isBar) columns.add((at / 4) % width);
  }
  const sorted = [...columns].sort((a, b) => a - b);
  return sorted.filter((one, at) => at === 0 || one > sorted[at - 1] + 1).length;
})(document.querySelector(".plot canvas"))"""  # how many bars stand apart from each other


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_usage_is_a_chart_and_a_table(server: Server, chromium: Chromium, customer: Licence, dark: bool) -> None:
    page = await open_dashboard(chromium, server.url, server.key, "#/licences", dark=dark)
    row = f'[data-licence="{customer.id}"]'
    assert await shown(page, text(f"{row} a"), ".") == customer.domain
    assert await page.evaluate(text(f'{row} [data-label="Running sessions"]')) == "0 of 10 "
    assert await page.evaluate(text(f'{row} [data-label="User limit"]')) == "50"
    await page.click(f"{row} a")
    await shown(page, TITLE, re.escape(customer.domain))
    await shown(page, text(".panel-like .about"), r"^6 h 05 min in 3 sessions in the last 30 days \(Asia/Seoul\)$")
    assert await page.wait_for(INK) == 2
    assert await page.evaluate(text(".unit")) == "Hours per day"

    await page.click(".numbers summary")
    rows = await page.evaluate(
        "[...document.querySelectorAll('.days tbody tr')].map((one) => [...one.cells].map((cell) => cell.textContent))"
    )
    assert len(rows) == 30
    assert rows[3][1:] == ["2 h 05 min", "2"] and rows[10][1:] == ["4 h 00 min", "1"]
    assert sum(1 for each in rows if each[1:] == ["0", "0"]) == 28

    box = await page.evaluate(
        "(({ x, y, width, height }) => [x, y, width, height])(document.querySelector('.u-over').getBoundingClientRect())"
    )
    await page.command("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + box[2] * 26.5 / 30, y=box[1] + 100)
    await shown(page, text(".tip"), "2 h 05 min2 sessions$")
    await page.command("Input.dispatchMouseEvent", type="mouseMoved", x=2, y=2)
    await page.wait_for("document.querySelector('.tip').hidden")

    await page.click("input[value='90'] + span")
    await shown(page, text(".panel-like .about"), "^16 h 05 min in 4 sessions in the last 90 days")
    await page.wait_for(f"{INK} === 3")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(18, 22, 20)" if dark else "rgb(243, 242, 238)"
    )
    assert faults(page) == []


async def test_a_holder_sees_its_own_part_only(server: Server, chromium: Chromium, customer: Licence) -> None:
    """Its rooms and its licence; no other's, by whatever address; nothing to end."""
    foreign = server.make_room()
    anna = await open_member(chromium, server.page(foreign), ANNA)
    await anna.joined()
    bob = await open_embedded(chromium, server, f"Own {customer.id}", BOB, token=customer.access_token)
    await bob.joined()

    page = await open_dashboard(chromium, server.url)
    await page.click("input[value=holder] + span")
    await page.type("#token", f"  {customer.key}\n")
    await page.click("#sign-in [type=submit]")
    await shown(page, TITLE, "^Live rooms$")
    assert await page.evaluate("document.getElementById('viewer').textContent") == customer.domain
    await page.wait_for("document.querySelectorAll('.rooms tbody tr').length === 1")
    await page.click(".rooms tbody a")
    await shown(page, TITLE, "^Own")
    await page.wait_for("document.querySelectorAll('.member').length === 1")
    assert await page.evaluate("document.getElementById('end')") is None

    assert await page.evaluate("[...document.querySelectorAll('#sections a')].map((one) => one.textContent)") == [
        "Live rooms",
        "Licence",
    ]
    await page.click("#sections a:last-child")
    await shown(page, TITLE, re.escape(customer.domain))
    await page.wait_for("document.querySelectorAll('.sessions tbody tr').length === 1")
    await page.evaluate("location.hash = '#/licences'")
    await page.wait_for(f"location.hash === '#/licences/{customer.id}'")
    await page.evaluate(f"location.hash = '#/rooms/{foreign}'")
    await shown(page, "document.querySelector('.empty:not([hidden]) h2')?.textContent", "^This room is not live$")
    await page.evaluate("location.hash = '#/licences/1'")
    await shown(page, "document.querySelector('.empty:not([hidden]) h2')?.textContent", "^There is no such licence$")
    assert [entry for entry in faults(page) if "404" not in entry] == []
    await bob.page.close()


async def test_by_keyboard_alone(server: Server, chromium: Chromium, customer: Licence, password: str) -> None:
    page = await open_dashboard(chromium, server.url, path="#/licences")
    await page.wait_for("document.activeElement.id === 'password'")
    await page.command("Input.insertText", text=password)
    await page.press("Enter")
    await shown(page, text(f'[data-licence="{customer.id}"] a'), ".")
    await page.press("Tab", shift=True)  # from the heading, back over what stands above
    for _ in range(8):
        if await page.evaluate("document.activeElement.id === 'skip'"):
            break
        await page.press("Tab", shift=True)
    await page.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    await page.tab_to(f'[data-licence="{customer.id}"] a', 60)
    await page.press("Enter")
    await shown(page, TITLE, re.escape(customer.domain))
    await page.tab_to("input[name=range]")
    await page.tab_to(".chart")
    await shown(page, text(".tip"), "Not used$")
    for _ in range(3):
        await press_key(page, ARROW_LEFT)
    await shown(page, text(".tip"), "2 h 05 min2 sessions$")
    said = await page.evaluate("document.querySelector('.chart').getAttribute('aria-valuetext')")
    assert said.endswith(": 2 h 05 min, 2 sessions")
    await press_key(page, HOME)
    assert await page.evaluate("document.querySelector('.chart').getAttribute('aria-valuenow')") == "0"
    await page.press("Escape")
    assert await page.evaluate("document.querySelector('.tip').hidden")
    await page.tab_to(".numbers summary")
    await page.press("Enter")
    assert await page.evaluate("document.querySelector('.numbers').open")


async def test_every_control_has_a_name(server: Server, chromium: Chromium, customer: Licence) -> None:
    for path in ("", "#/rooms", f"#/licences/{customer.id}"):
        page = await open_dashboard(chromium, server.url, server.key if path else "", path)
        await page.wait_for(
            "document.body.dataset.state !== 'starting' && !document.querySelector('main .loading:not([hidden])')"
        )
        tree = await page.command("Accessibility.getFullAXTree")
        kinds = {"button", "link", "textbox", "searchbox", "combobox", "radio", "slider"}
        controls = [
            node for node in tree["nodes"] if node.get("role", {}).get("value") in kinds and not node["ignored"]
        ]
        assert len(controls) >= 4
        assert [node for node in controls if not node["name"]["value"]] == []
        await page.close()


async def test_a_phone_never_scrolls_sideways(server: Server, chromium: Chromium, customer: Licence) -> None:
    room = server.make_room(name="A room with a name that is rather too long for the top of a telephone")
    anna = await open_member(chromium, server.page(room), ANNA)
    bob = await open_member(chromium, server.page(room), BOB)
    await anna.joined()
    await anna.wait_for_frames(await bob.joined())
    page = await open_dashboard(chromium, server.url, size=PHONE, phone=True)
    assert not await scrolls_sideways(page)
    right = "getBoundingClientRect().right"
    fields = "[...document.querySelectorAll('#sign-in :is(span, input, button)')]"
    card = f"document.querySelector('#sign-in .card').{right}"
    assert not await page.evaluate(f"{fields}.some((one) => one.{right} > {card} - 8)")
    await page.close()
    places = [
        ("#/rooms", ".rooms tbody tr"),
        (f"#/rooms/{room}", ".flows tbody tr"),
        ("#/licences", ".licences tbody tr"),
    ]
    for path, there in [*places, (f"#/licences/{customer.id}", ".plot canvas")]:
        page = await open_dashboard(chromium, server.url, server.key, path, size=PHONE, phone=True)
        await page.wait_for(f"document.querySelector('{there}') !== null")
        await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert not await scrolls_sideways(page), path
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        texts = "[...document.querySelectorAll('main :is(td, th, dd, h1, b)')]"
        assert not await page.evaluate(f"{texts}.some((one) => one.{right} > innerWidth + 1)"), path
        await page.close()


COUNTERS = [
    # seconds between, packets, bytes, lost of two refreshes → bit/s, packets/s, loss now, loss in all
    (2, (100, 50_000, 0), (200, 100_000, 0), (200_000, 50, 0, 0)),
    (2, (100, 50_000, 0), (190, 95_000, 10), (180_000, 45, 0.1, 0.05)),
    (4, (100, 50_000, 10), (300, 150_000, 8), (200_000, 50, 0, 8 / 308)),  # what was lost came late
    (2, (100, 50_000, 5), (100, 50_000, 5), (0, 0, None, 5 / 105)),
    (2, (100, 50_000, 5), (20, 1_000, 0), (None, None, None, 0)),  # it has begun anew
]


async def test_rates_are_differences(server: Server, chromium: Chromium) -> None:
    page = await chromium.open(f"{server.url}/")
    for seconds, before, after, expected in COUNTERS:
        found = await page.evaluate(f"""import("/static/dashboard/flows.js").then(({{ Differences, flowing }}) => {{
          const stream = {{ mid: "0", kind: "audio", codec: "opus", ssrc: 7 }};
          const peer = {{ publishes: "camera", bytes_in: 0, bytes_out: 0, outbound: [] }};
          const room = ([packets, bytes, lost]) => {{
            const streams = [{{ ...peer, inbound: [{{ ...stream, packets, bytes, lost }}] }}];
            return {{ id: "r", members: [{{ id: "m", name: "M", streams }}] }};
          }};
          const differences = new Differences();
          differences.next(1000);
          const first = flowing(room({list(before)}), differences).members[0].connections[0].inbound[0];
          differences.next(1000 + {seconds} * 1000);
          const then = flowing(room({list(after)}), differences).members[0].connections[0].inbound[0];
          return [[first.bps, first.loss_now], [then.bps, then.packets_s, then.loss_now, then.loss]];
        }})""")
        assert found[0] == [None, None]
        assert found[1] == pytest.approx(list(expected)), (before, after)
