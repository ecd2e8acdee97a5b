"""Members who come by KPOINT, as tabs of the demo page, and what tests ask of a licence's rooms."""

import json
import re
import secrets
from typing import Any
from urllib.parse import urlencode

import attrs
import httpx

from api.config import Config
from api.keyring import Keyring
from api.licences import DEMO_LICENCE, LicenceKeys
from api.store import Database, licences
from tests.browser.chromium import Chromium, Page
from tests.browser.conftest import Server
from tests.browser.member import Guise, Member

SIZE = (1280, 1000)  # all three columns, and the whole form
# A screen without asking: it moves, and has a colour that no member has.
SCREEN_COLOUR = (240, 160, 32)
SCREEN_SIZE = [640, 400]
SCREEN_SCRIPT = """
navigator.mediaDevices.getDisplayMedia = async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = __SIZE__;
  const pen = canvas.getContext("2d");
  const track = canvas.captureStream(0).getVideoTracks()[0];
  let count = 0;
  const timer = setInterval(() => {
    if (track.readyState === "ended") return clearInterval(timer);
    count += 1;
    pen.fillStyle = "rgb(__COLOUR__)";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = "#000";
    pen.fillRect((count * 8) % canvas.width, 180, 24, 24);
    track.requestFrame();
  }, 100);
  return new MediaStream([track]);
};
""".replace("__SIZE__", json.dumps(SCREEN_SIZE)).replace("__COLOUR__", ",".join(map(str, SCREEN_COLOUR)))


def fresh_room() -> str:
    return f"r{secrets.token_hex(5)}"


def demo_page(server_url: str, **query: str) -> str:
    return f"{server_url}/kpoint-demo?{urlencode(query)}"


def access_token(server: Server, *, is_owner: bool = False) -> str:
    """For rooms of the licence that the demo page uses."""
    database = Database(server.directory)
    try:
        record = database.read(lambda connection: licences.by_domain(connection, DEMO_LICENCE))
        assert record is not None
        keys = LicenceKeys(Keyring.open(server.directory), Config().licence.zone)
        return keys.make_access_token(record, expires_s=600, is_owner=is_owner)
    finally:
        database.close()


def media_counters(server: Server) -> dict[str, float]:
    """What the media engine has counted since the server's start."""
    text = httpx.get(f"{server.url}/metrics", trust_env=False).text
    found = re.findall(r'^atrium_media_total\{counter="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {name: float(count) for name, count in found}


@attrs.define(eq=False)
class KpointMember(Member):
    """A guise on the demo page."""

    async def joined(self, timeout_s: float = 20.0) -> str:
        """Waits until it is in the room and has said what it sends; returns its user id."""
        ready = "window.kpoint?.state === 'joined' && !document.getElementById('leave').disabled && kpoint.userId"
        return str(await self.page.wait_for(ready, timeout_s))

    async def leg(self, user: str, source: str = "cam", direction: str = "receive") -> dict[str, Any]:
        """What the browser counted on it; empty while there is none."""
        legs = await self.page.evaluate("kpoint.stats()")
        wanted = [user, source, direction]
        return next((leg for leg in legs if [leg["user"], leg["type"], leg["direction"]] == wanted), {})

    async def frames_from(self, member_id: str) -> int:
        return int((await self.leg(member_id)).get("video", {}).get("frames") or 0)

    async def wait_for_frames(self, member_id: str, more: int = 5, timeout_s: float = 15.0) -> None:
        await self.wait_for_pictures(member_id, "cam", more, timeout_s)

    async def wait_for_pictures(self, user: str, source: str, more: int = 5, timeout_s: float = 15.0) -> None:
        """Waits until that many more frames of somebody's camera or screen have been decoded."""
        leg = (
            "(await kpoint.stats()).find((one) => one.direction === 'receive'"
            f" && one.user === {json.dumps(user)} && one.type === {json.dumps(source)})"
        )
        frames = f"((({leg})?.video?.frames) ?? 0)"
        before = await self.page.evaluate(f"(async () => {frames})()")
        await self.page.wait_for(f"(async () => {frames} >= {before + more})()", timeout_s)

    async def packets(self, kind: str, member_id: str) -> int:
        return int((await self.leg(member_id)).get(kind, {}).get("packets") or 0)

    async def screen_colour(self, user: str) -> list[float]:
        """The mean colour of somebody's screen, once it is to be seen."""
        tile = f"[data-screen={json.dumps(user)}]"
        await self.page.wait_for(f"document.querySelector({tile!r})?.classList.contains('pictured')", 15)
        return list(await self.page.evaluate(f"member.look(document.querySelector({tile + ' video'!r}))"))

    def pushed(self, kind: str) -> list[dict[str, Any]]:
        """What the server said unasked, of that type of `presence`."""
        return [frame for frame in self.page.frames if (frame["eventOp"], frame.get("type")) == ("presence", kind)]

    def operations(self) -> list[str]:
        """What the page has asked of the server, in order; what it says of candidates left out."""
        return [frame["eventOp"] for frame in self.page.sent if frame["eventOp"] != "candidate"]


async def open_kpoint(
    chromium: Chromium, server_url: str, room: str, kind: str, guise: Guise, *, speaking: bool = False, **how: Any
) -> KpointMember:
    """Opens the demo page with `join=1`: it starts the call by itself."""
    how = {"size": SIZE, **how}
    address = demo_page(server_url, room=room, kind=kind, name=guise.name, join="1")
    page = await chromium.open(address, script=guise.script(speaking=speaking) + SCREEN_SCRIPT, **how)
    return KpointMember(page, guise)


async def open_embedded(
    chromium: Chromium, server: Server, room: str, guise: Guise, *, speaking: bool = False, token: str | None = None
) -> Member:
    """Opens the room page for a licence's room: a member who comes by the Room API."""
    token = access_token(server) if token is None else token
    fragment = urlencode({"room": room, "access_token": token, "name": guise.name, "join": "1"})
    script = guise.script(speaking=speaking) + SCREEN_SCRIPT
    return Member(await chromium.open(f"{server.url}/embed#{fragment}", script=script), guise)


def near(got: list[float], meant: tuple[int, int, int]) -> bool:
    return max(abs(one - other) for one, other in zip(got, meant, strict=True)) < 40


async def line_is_empty(page: Page) -> None:
    await page.wait_for("document.getElementById('line').hidden")
