"""One room, three kinds of client: KPOINT in a browser, the Room API in a browser, and KPOINT by aiortc."""

from pathlib import Path

import trio

from benches.child import Child
from tests.browser.chromium import Chromium
from tests.browser.conftest import Server
from tests.browser.kpoint import fresh_room, open_embedded, open_kpoint
from tests.browser.member import ANNA, BOB, Guise
from tests.browser.test_kpoint import hears_only
from tests.e2e.kpoint import Guest, KpointSocket
from tests.e2e.room import Media, aiortc_process

EVE = Guise("Eve", 1700, "#bfbfbf")
EVE_SHADE = 180  # of that grey, as video codes it: from 16 to 235
SIZE = (320, 240)


def as_media(guise: Guise, child: Child) -> Media:
    """What aiortc is to recognise a browser by; a browser sends whatever size its encoder can afford."""
    red, green, blue = (int(guise.colour[at : at + 2], 16) for at in (1, 3, 5))
    shade = round(16 + 0.183 * red + 0.614 * green + 0.062 * blue)  # BT.709
    return Media(child, guise.name, float(guise.tone_hz), shade, None)


async def test_each_of_three_sees_and_hears_both_others(
    server: Server, chromium: Chromium, kpoint_key: dict[str, str], tmp_path: Path
) -> None:
    room = fresh_room()
    anna = await open_kpoint(chromium, server.url, room, "group", ANNA)
    anna_id = await anna.joined()
    bob = await open_embedded(chromium, server, room, BOB)
    bob_id = await bob.joined()
    async with aiortc_process(tmp_path / "aiortc.log") as child, trio.open_nursery() as nursery:
        socket = await KpointSocket.open(nursery, server.url)
        socket.user = "eve"
        await socket.ask("register", ipAddr="127.0.0.1", name=EVE.name, **kpoint_key)
        eve = Guest(socket, Media(child, "eve", float(EVE.tone_hz), EVE_SHADE, SIZE))
        assert {anna_id, bob_id, "eve"} == (await eve.join(room))["members"].keys()
        await eve.publish()
        await eve.media.speak(False)

        browsers = {anna_id: anna, bob_id: bob}
        guises = {anna_id: ANNA, bob_id: BOB, "eve": EVE}
        legs = {id: await eve.watch(id) for id in browsers}
        for id, member in browsers.items():
            for other in guises.keys() - {id}:
                await member.wait_for_frames(other)
                await member.tile_is(other, "pictured")
                picture = (await member.pictures())[other]["colour"]
                assert guises[other].looks_like(picture), (member.guise.name, guises[other].name, picture)
            await legs[id].sees(as_media(member.guise, child))

        everybody = list(guises.values())
        for id, member in browsers.items():
            (other_id,) = browsers.keys() - {id}
            await member.speak(True)
            await hears_only(browsers[other_id], member.guise, everybody)
            await legs[id].hears(as_media(member.guise, child), as_media(EVE, child))
            await member.speak(False)
        await eve.media.speak(True)
        for member in browsers.values():
            await hears_only(member, EVE, everybody)
        socket.end()
        nursery.cancel_scope.cancel()
