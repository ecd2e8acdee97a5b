"""A room within a page of another origin, in a real browser: s-connector's SDK, the iframe and who may show it.

Pages around the room are served here, each site from an origin of its own; a licence's domain is such an origin, or a word.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

import attrs
import pytest
import trio

from api.config import Config
from api.keyring import Keyring
from api.licences import LicenceKeys, make
from api.store import Database, licences
from tests.browser.chromium import Chromium, Frame, Page
from tests.browser.conftest import Server
from tests.browser.kpoint import fresh_room, open_embedded
from tests.browser.member import ANNA, BOB, Guise, Member, faults

PHONE = (390, 844)

SHOP = """<!doctype html><title>A shop</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<style>body { margin: 0; font-family: sans-serif } #call { height: 560px }</style>
<p>A page of the shop</p><div id="call"></div>"""

WITH_SDK = """<script src="{server}/s-connector.js"></script><script>
  window.told = [];
  window.connector = new SConnector(document.getElementById("call"));
  connector.onLeave = (isKickedOut) => told.push(["leave", isKickedOut]);
  connector.onFullScreen = (isFull) => told.push(["fullScreen", isFull]);
</script>"""

# The SDK's ten seconds in a fifth of one.
HASTY = """
  const slow = window.setInterval;
  window.setInterval = (act, ms, ...rest) => slow(act, ms / 50, ...rest);
"""

OpenSite = Callable[..., Awaitable["Site"]]

WHITE = "<svg xmlns='http://www.w3.org/2000/svg' width='2' height='2'><rect width='2' height='2' fill='#fff'/></svg>"


class Site:
    """Serves pages from an origin of its own. The same page stands at every path but those that `files` has."""

    def __init__(self, html: str, headers: Mapping[str, str]) -> None:
        self._html = html
        self._headers = headers
        self.files: dict[str, tuple[str, str]] = {}
        self.origin = ""

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.origin = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        task_status.started()
        await trio.serve_listeners(self._answer, listeners)

    async def _answer(self, stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            try:
                part = await stream.receive_some()
            except trio.BrokenResourceError:
                return
            if not part:
                return
            head += part
        kind, text = self.files.get(head.split()[1].decode(), ("text/html; charset=utf-8", self._html))
        lines = {
            "Content-Type": kind,
            "Content-Length": str(len(text.encode())),
            "Connection": "close",
            **self._headers,
        }
        answer = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        with trio.move_on_after(5):
            try:
                await stream.send_all(f"HTTP/1.1 200 OK\r\n{answer}\r\n{text}".encode())
            except trio.BrokenResourceError:
                pass


@pytest.fixture
def open_site(nursery: trio.Nursery, server: Server) -> OpenSite:
    async def open_site(html: str = SHOP + WITH_SDK, **headers: str) -> Site:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        site = Site(html.replace("{server}", server.url), named)
        await nursery.start(site.serve)
        return site

    return open_site


@attrs.frozen
class Licence:
    server: Server
    domain: str

    def token(self, **claims: Any) -> str:
        database = Database(self.server.directory)
        try:
            record = database.read(partial(licences.by_domain, domain=self.domain))
            assert record is not None
            keys = LicenceKeys(Keyring.open(self.server.directory), Config().licence.zone)
            return keys.make_access_token(record, expires_s=600, **claims)
        finally:
            database.close()


def licensed(server: Server, domain: str, **terms: Any) -> Licence:
    database = Database(server.directory)
    try:
        database.write(partial(make, keyring=Keyring.open(server.directory), domain=domain, **terms))
    finally:
        database.close()
    return Licence(server, domain)


async def ask_in(page: Page, **fields: str) -> None:
    await page.evaluate(f"connector.joinRoom({json.dumps(fields)})")


async def embedded(server: Server, page: Page, guise: Guise, room: str, token: str, **more: str) -> Member:
    """Enters by the SDK of a page."""
    await ask_in(page, accessToken=token, userName=guise.name, roomName=room, **more)
    return Member(page.frame(server.url), guise)


async def open_shop(chromium: Chromium, site: Site, guise: Guise = BOB, *, script: str = "", **how: Any) -> Page:
    return await chromium.open(f"{site.origin}/", script=guise.script() + script, **how)


def saying(origin: str) -> str:
    """For a client of the Room API that says which page it is in: the room page by its address alone does not."""
    return """
      const write = WebSocket.prototype.send;
      WebSocket.prototype.send = function (text) {
        const message = JSON.parse(text);
        if (message.method === "authenticate") message.params.origin = __ORIGIN__;
        write.call(this, JSON.stringify(message));
      };
    """.replace("__ORIGIN__", json.dumps(origin))


async def open_client(chromium: Chromium, licence: Licence, room: str, guise: Guise, **claims: Any) -> Member:
    fragment = urlencode({"room": room, "access_token": licence.token(**claims), "name": guise.name, "join": "1"})
    page = await chromium.open(f"{licence.server.url}/embed#{fragment}", script=guise.script() + saying(licence.domain))
    return Member(page, guise)


async def told(page: Page, *words: list[Any]) -> None:
    """Waits until the SDK has called its page back so often, and no other way."""
    await page.wait_for(f"told.length >= {len(words)}")
    assert await page.evaluate("told") == list(words)


async def turned_away(frame: Frame, words: str) -> None:
    """Waits until the embedded page says so instead of showing the room."""
    shown = "document.getElementById('left').hidden ? '' : document.getElementById('left').innerText"
    await frame.wait_for(f"({shown}).includes({json.dumps(words)})")
    assert await frame.evaluate("document.getElementById('call').hidden && document.getElementById('lobby').hidden")


def sockets(page: Page) -> list[str]:
    """What was asked by sockets, in order."""
    return [frame["method"] for frame in page.sent]


async def test_a_room_within_a_page(server: Server, chromium: Chromium, open_site: OpenSite) -> None:
    """Seen and heard both ways; the page is told of leaving and of being removed, and believes nobody else."""
    site = await open_site()
    licence = licensed(server, site.origin)
    room = fresh_room()
    anna = await open_client(chromium, licence, room, ANNA, is_owner=True)
    anna_id = await anna.joined()
    shop = await open_shop(chromium, site)
    assert await shop.evaluate("getComputedStyle(document.querySelector('iframe')).display") == "none"
    bob = await embedded(server, shop, BOB, room, licence.token(user_name="Bob", room_name=room))
    bob_id = await bob.joined()
    box = "JSON.stringify(document.querySelector('{}').getBoundingClientRect())"
    assert await shop.evaluate(box.format("iframe")) == await shop.evaluate(box.format("#call"))
    for member, other, other_id in ((anna, BOB, bob_id), (bob, ANNA, anna_id)):
        await member.wait_for_frames(other_id)
        await member.tile_is(other_id, "pictured")
        assert other.looks_like((await member.pictures())[other_id]["colour"])
    await bob.speak(True)
    assert await anna.hears(ANNA, BOB) == {"Anna": False, "Bob": True}
    await bob.speak(False)
    await anna.speak(True)
    assert await bob.hears(ANNA, BOB) == {"Anna": True, "Bob": False}

    await shop.evaluate("window.postMessage({ method: 'leave', isKickedOut: true }, '*')")
    await bob.page.click("#leave")
    await told(shop, ["leave", False])
    await anna.page.wait_for("atrium.members.length === 0")
    await bob.page.click("#rejoin")
    bob_id = await bob.joined()
    await anna.page.click("#people")
    await anna.page.click(f"[data-person='{bob_id}'] [aria-label^='Remove']")
    await anna.page.click("#confirm [value=yes]")
    await told(shop, ["leave", False], ["leave", True])
    await turned_away(bob.page, "You are out of the room")
    assert (faults(anna.page), faults(shop)) == ([], [])


async def test_full_screen(server: Server, chromium: Chromium, open_site: OpenSite) -> None:
    """By the button, by the key, and not beyond the stay; the page around is told each time."""
    site = await open_site()
    licence = licensed(server, site.origin)
    shop = await open_shop(chromium, site)
    bob = await embedded(server, shop, BOB, fresh_room(), licence.token())
    await bob.joined()
    full = "document.getElementById('full').ariaPressed === '{}' && document.fullscreenElement {} null"
    await bob.page.click("#full")
    await told(shop, ["fullScreen", True])
    await bob.page.wait_for(full.format("true", "!=="))
    assert await shop.evaluate("document.fullscreenElement === document.querySelector('iframe')")
    await bob.page.press("f")
    await told(shop, ["fullScreen", True], ["fullScreen", False])
    await bob.page.wait_for(full.format("false", "==="))
    await bob.page.press("f")
    await told(shop, ["fullScreen", True], ["fullScreen", False], ["fullScreen", True])
    await bob.page.click("#leave")
    await shop.wait_for("told.length === 5 && document.fullscreenElement === null")
    assert sorted(await shop.evaluate("told.slice(3)")) == [["fullScreen", False], ["leave", False]]


async def test_entering_another_room_leaves_the_first(server: Server, chromium: Chromium, open_site: OpenSite) -> None:
    site = await open_site()
    licence = licensed(server, site.origin)
    first, second = fresh_room(), fresh_room()
    anna = await open_client(chromium, licence, first, ANNA)
    await anna.joined()
    shop = await open_shop(chromium, site)
    bob = await embedded(server, shop, BOB, first, licence.token())
    await bob.joined()
    await embedded(server, shop, BOB, second, licence.token())
    await anna.page.wait_for("atrium.members.length === 0")
    await bob.page.wait_for(f"document.title.startsWith({second!r})")
    await bob.joined()
    assert await shop.evaluate("[document.querySelectorAll('iframe').length, told]") == [1, []]


# How many messages anybody has listened to.
LISTENING = """
  window.heard = 0;
  const add = window.addEventListener;
  window.addEventListener = (type, act, ...rest) =>
    add.call(window, type, (event) => { heard += type === "message"; act(event); }, ...rest);
"""


async def test_a_room_that_the_page_has_taken_away_is_listened_to_no_more(
    server: Server, chromium: Chromium, open_site: OpenSite
) -> None:
    site = await open_site()
    licence = licensed(server, site.origin)
    shop = await open_shop(chromium, site, script=LISTENING)
    bob = await embedded(server, shop, BOB, fresh_room(), licence.token())
    await bob.joined()
    said = "new Promise((done) => { postMessage('x'); postMessage('x'); setTimeout(() => done(heard), 50); })"
    before = await shop.evaluate("heard")
    assert await shop.evaluate(said) == before + 2
    await shop.evaluate("document.getElementById('call').remove()")
    assert await shop.evaluate(said) == before + 3
    assert await shop.evaluate(said) == before + 3


async def test_a_page_of_another_origin_shows_nothing(server: Server, chromium: Chromium, open_site: OpenSite) -> None:
    """The browser refuses it, for all that the token is good; and the SDK says that it has waited in vain."""
    licence = licensed(server, (await open_site()).origin)
    thief = await open_shop(chromium, await open_site(), script=HASTY)
    await ask_in(thief, accessToken=licence.token(), userName="Bob", roomName=fresh_room())
    await wait_for_console(thief, "frame-ancestors")
    await wait_for_console(thief, f"error: s-connector: timeout, no room at {server.url} within 10 s")
    thief.thrown.clear()
    assert (sockets(thief), await thief.evaluate("told")) == ([], [])


async def wait_for_console(page: Page, words: str) -> None:
    with trio.fail_after(10):
        while not any(words in text for text in page.console):
            await trio.sleep(0.05)


async def test_an_endpoint_without_rooms_times_out(server: Server, chromium: Chromium, open_site: OpenSite) -> None:
    """Announcements of other windows do not count."""
    site = await open_site()
    licence = licensed(server, site.origin)
    shop = await open_shop(chromium, site, script=HASTY)
    await shop.evaluate(f"window.connector = new SConnector(document.body, {site.origin!r})")
    await ask_in(shop, accessToken=licence.token(), userName="Bob", roomName=fresh_room())
    await shop.evaluate("window.postMessage({ method: 'init' }, '*')")
    await wait_for_console(shop, f"error: s-connector: timeout, no room at {site.origin} within 10 s")
    shop.thrown.clear()


@pytest.mark.parametrize("fields", [{"userName": "Bob"}, {"roomName": "r"}, {"userName": "", "roomName": "r"}, {}])
async def test_without_a_name_or_a_room_nothing_happens(
    server: Server, chromium: Chromium, open_site: OpenSite, fields: dict[str, str]
) -> None:
    site = await open_site()
    token = licensed(server, site.origin).token()
    shop = await open_shop(chromium, site)
    await ask_in(shop, accessToken=token, **fields)
    assert shop.thrown == ["error: s-connector: joinRoom needs userName and roomName"]
    shop.thrown.clear()
    frame = "document.querySelector('iframe')"
    assert await shop.evaluate(f"[{frame}.src, getComputedStyle({frame}).display]") == ["", "none"]


@pytest.mark.parametrize("token", ["", "forged", "a.b.c", "a.e30.c"])
async def test_without_a_token_nothing_happens(chromium: Chromium, open_site: OpenSite, token: str) -> None:
    shop = await open_shop(chromium, await open_site())
    await ask_in(shop, accessToken=token, userName="Bob", roomName="r")
    assert shop.thrown == ["error: s-connector: joinRoom needs an accessToken"]
    shop.thrown.clear()
    assert await shop.evaluate("document.querySelector('iframe').src") == ""


BY_HAND = (
    SHOP
    + """<iframe id="room" allow="camera; microphone" style="width: 100%; height: 500px"></iframe>
<iframe id="sibling" srcdoc="<script>
  window.say = (to, message) => to.postMessage(message, '*');
</script>"></iframe>
<script>
  window.inits = [];
  const frame = document.getElementById("room");
  window.addEventListener("message", ({ source, origin, data }) => {
    if (source === frame.contentWindow) inits.push([origin, data]);
  });
  window.show = (src) => { frame.src = src; };
  window.say = (message) => frame.contentWindow.postMessage(message, "*");
  window.sayBeside = (message) => document.getElementById("sibling").contentWindow.say(frame.contentWindow, message);
</script>"""
)


async def test_a_page_without_the_sdk(server: Server, chromium: Chromium, open_site: OpenSite) -> None:
    """It may do the SDK's steps itself. Tokens of other domains are refused, and so is what other windows say."""
    site = await open_site(BY_HAND)
    licence, other = licensed(server, site.origin), licensed(server, f"word-{fresh_room()}")
    shop = await open_shop(chromium, site)
    await shop.evaluate(f"show({json.dumps(embed(server, site.origin))})")
    await shop.wait_for("inits.length > 0")
    assert await shop.evaluate("inits") == [[server.url, {"method": "init"}]]
    room = fresh_room()
    frame = shop.frame(server.url)
    asked = {"method": "joinRoom", "accessToken": licence.token(), "userName": "Bob", "roomName": room}
    await shop.evaluate(f"sayBeside({json.dumps({**asked, 'userName': 'Mallory'})})")
    await shop.evaluate(f"say({json.dumps({**asked, 'accessToken': other.token()})})")
    await turned_away(frame, f"an access token that is not of {site.origin}")
    assert sockets(shop) == []
    await shop.evaluate(f"say({json.dumps({**asked, 'backgroudImgUrl': 'javascript:alert(1)'})})")
    await Member(frame, BOB).joined()
    (authenticate,) = [each["params"] for each in shop.sent if each["method"] == "authenticate"]
    said = {name: authenticate[name] for name in ("room", "display_name", "origin")}
    assert said == {"room": room, "display_name": "Bob", "origin": site.origin}
    assert await frame.evaluate("document.body.style.backgroundImage") == ""


def embed(server: Server, domain: str) -> str:
    return f"{server.url}/embed?{urlencode({'domain': domain})}"


async def test_a_word_is_good_on_any_page(server: Server, chromium: Chromium, open_site: OpenSite) -> None:
    """And somebody who has come by the room's address meets whoever is within a page."""
    licence = licensed(server, f"word-{fresh_room()}")
    room = fresh_room()
    anna = await open_embedded(chromium, server, room, ANNA, token=licence.token())
    anna_id = await anna.joined()
    shop = await open_shop(chromium, await open_site())
    bob = await embedded(server, shop, BOB, room, licence.token())
    bob_id = await bob.joined()
    await bob.wait_for_frames(anna_id)
    await anna.wait_for_frames(bob_id)
    assert faults(shop) == []


async def test_a_background(server: Server, chromium: Chromium, open_site: OpenSite) -> None:
    """Of the page around, by an address of its own; and nothing that the policy of the embedded page forbids."""
    site = await open_site()
    site.files["/wall.svg"] = ("image/svg+xml", WHITE)
    licence = licensed(server, site.origin)
    shop = await open_shop(chromium, site, size=PHONE, phone=True)
    bob = await embedded(server, shop, BOB, fresh_room(), licence.token(), backgroudImgUrl="wall.svg")
    await bob.joined()
    assert await bob.page.evaluate("document.body.style.backgroundImage") == f'url("{site.origin}/wall.svg")'
    await bob.page.wait_for(f"performance.getEntriesByName('{site.origin}/wall.svg').length === 1")
    narrow = (
        "document.documentElement.scrollWidth <= innerWidth && document.querySelector('.bar').scrollWidth <= innerWidth"
    )
    assert await bob.page.evaluate(narrow)
    assert faults(shop) == []


@pytest.mark.parametrize(
    ("claims", "terms", "words"),
    [
        pytest.param({"room_name": "another"}, {}, "the access token is for another room or user", id="room"),
        pytest.param({"user_name": "Anna"}, {}, "the access token is for another room or user", id="user"),
        pytest.param({"end": "2020-01-01 10:00"}, {}, "the meeting has not begun yet, or is over", id="over"),
        pytest.param({}, {"room_limit": 0}, "Every place that there is for such calls is taken", id="limit"),
    ],
)
async def test_a_refusal_is_said_in_the_page(
    server: Server, chromium: Chromium, open_site: OpenSite, claims: dict[str, Any], terms: dict[str, Any], words: str
) -> None:
    site = await open_site()
    licence = licensed(server, site.origin, **terms)
    shop = await open_shop(chromium, site)
    bob = await embedded(server, shop, BOB, fresh_room(), licence.token(**claims))
    await turned_away(bob.page, words)
    assert await bob.page.evaluate("[atrium.state, member.connections.length]") == ["lobby", 0]
    await bob.page.click("#rejoin")
    with trio.fail_after(10):
        while len(refusals := [frame["error"] for frame in shop.frames if "error" in frame]) < 2:
            await trio.sleep(0.05)
    await turned_away(bob.page, words)
    assert [refusal.get("status") for refusal in refusals] == [False if terms else None] * 2
    assert await shop.evaluate("told") == []


async def test_it_is_no_page_of_its_own(server: Server, chromium: Chromium, open_site: OpenSite) -> None:
    site = await open_site()
    licence = licensed(server, site.origin)
    fragment = urlencode({"room": fresh_room(), "access_token": licence.token(), "join": "1"})
    page = await chromium.open(f"{embed(server, site.origin)}#{fragment}", script=BOB.script())
    await page.wait_for("!document.getElementById('left').hidden")
    assert site.origin in await page.evaluate("document.getElementById('left-hint').textContent")
    assert await page.evaluate("[window.atrium, document.getElementById('rejoin').hidden]") == [None, True]
    assert sockets(page) == []


@pytest.mark.parametrize("policy", ["", "camera=(), microphone=()"])
async def test_devices_are_asked_for_at_once_and_not_needed(
    server: Server, chromium: Chromium, open_site: OpenSite, policy: str
) -> None:
    """The browser's own ones: through the frame, unless the page around it may not use them itself."""
    site = await open_site(**({"Permissions_Policy": policy} if policy else {}))
    licence = licensed(server, site.origin)
    shop = await chromium.open(f"{site.origin}/", script=BOB.script(devices=False))
    bob = await embedded(server, shop, BOB, fresh_room(), licence.token())
    await bob.joined()
    muted = await bob.page.evaluate("[atrium.self.audio_muted, atrium.self.video_muted]")
    assert muted == [bool(policy)] * 2
    if policy:
        await bob.line("The browser was not allowed to use your camera and microphone")
