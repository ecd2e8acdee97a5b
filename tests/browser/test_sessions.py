"""Sessions of a licence (contract s-connector, section 5) whose people come in real browsers, by every entrance."""

import re
from typing import Any

import httpx
import trio

from api.licences import DEMO_LICENCE
from tests.browser.chromium import Chromium
from tests.browser.conftest import Server, atrium
from tests.browser.kpoint import access_token, fresh_room, open_embedded, open_kpoint
from tests.browser.member import ANNA, BOB, CARLA
from tests.browser.test_embed import SHOP, WITH_SDK, Site, embedded, open_shop

# The browser of the tests calls itself headless.
PLATFORM = re.compile(r"(Headless)?Chrome \d+[.\d]* on Linux")


async def listed(server: Server, token: str, *rooms: str) -> dict[str, Any]:
    """These rooms, by name: others may have stayed from earlier tests."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        answer = (await client.get("/v1/sessions", headers={"s-connector-jwt": token})).raise_for_status()
    return {each["roomName"]: each for each in answer.json()["data"] if each["roomName"] in rooms}


async def test_each_entrance(server: Server, chromium: Chromium, nursery: trio.Nursery) -> None:
    """KPOINT's page, the iframe of a page, and the Room API: their people are counted alike."""
    site = Site((SHOP + WITH_SDK).replace("{server}", server.url), {})
    await nursery.start(site.serve)
    token = access_token(server)
    key = atrium(server.directory, "licence", "key", DEMO_LICENCE)["licenceKey"]
    called, framed, direct = (fresh_room() for _ in range(3))
    anna = await open_kpoint(chromium, server.url, called, "group", ANNA)
    await anna.joined()
    guest = await open_embedded(chromium, server, called, BOB, token=token)
    await guest.joined()
    bob = await embedded(server, await open_shop(chromium, site), BOB, framed, token)
    await bob.joined()
    carla = await open_embedded(chromium, server, direct, CARLA, token=token)
    await carla.joined()

    short = await listed(server, token, called, framed, direct)
    assert {name: (each["status"], each["user"]) for name, each in short.items()} == {
        called: ("ON_GOING", 2),
        framed: ("WAIT", 1),
        direct: ("WAIT", 1),
    }
    detailed = await listed(server, key, called, framed, direct)
    there = {
        name: [(each["userName"], each["status"]) for each in session["sessionTokens"]]
        for name, session in detailed.items()
    }
    assert there == {
        called: [("Anna", "active"), ("Bob", "active")],
        framed: [("Bob", "active")],
        direct: [("Carla", "active")],
    }
    platforms = [each["platform"] for session in detailed.values() for each in session["sessionTokens"]]
    assert all(map(PLATFORM.fullmatch, platforms)), platforms

    await anna.page.click("#leave")
    await guest.page.wait_for("atrium.members.length === 0")
    assert (await listed(server, token, called))[called]["user"] == 1
    (session,) = (await listed(server, key, called)).values()
    assert [each["status"] for each in session["sessionTokens"]] == ["inactive", "active"]
