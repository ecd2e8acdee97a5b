"""Media never wait for Python: a thread of the server holds the GIL for half a second while packets flow."""

import time

import trio

from benches.server import ASIDE
from tests.e2e.conftest import Running, Start
from tests.e2e.room import RoomSocket
from tests.sfu.caller import Arrival, Caller

HOLD_S = 0.5
EVERY_S = 2.0
HOLDS = 3
PACKET_S = 0.02
FIRST = b"first"
LATEST_S = HOLD_S / 2  # packets that waited for Python would be late by up to all of it


async def hold(server: Running, socket: RoomSocket) -> float:
    """Hold the GIL, and ask something meanwhile; how long the answer took."""
    assert server.popen.stdin is not None
    server.popen.stdin.write(b"hold %d\n" % int(HOLD_S * 1e6))
    server.popen.stdin.flush()
    await trio.sleep(HOLD_S / 5)
    before = trio.current_time()
    await socket.ask("get_room_members")
    return trio.current_time() - before


async def test_no_packet_waits_for_a_thread_that_holds_the_gil(serve: Start) -> None:
    server = await trio.to_thread.run_sync(lambda: serve("-c", ASIDE))
    room = await trio.to_thread.run_sync(lambda: server.demo)
    ann, bob = Caller(), Caller()
    sockets: list[RoomSocket] = []
    waits: list[float] = []
    sent: dict[bytes, float] = {}

    def words() -> list[Arrival]:
        return [arrival for arrival in bob.media if arrival.packet.payload != FIRST]

    try:
        async with trio.open_nursery() as nursery:
            voices = []
            for name, caller in (("ann", ann), ("bob", bob)):
                await caller.start(nursery)
                voices.append(caller.add("audio", "sendrecv"))
                sockets.append(socket := await RoomSocket.open(nursery, server.http))
                token = await socket.authenticate(room, name)
                joined = await socket.ask("join_room", sdp=caller.offer(), auth_token=token)
                await caller.hear(joined["sdp"])

            # What comes before the way to Bob is laid is for nobody; from the first word that he hears on, all count.
            while not bob.media:
                voices[0].speak(FIRST)
                await trio.sleep(PACKET_S)

            async def holds() -> None:
                for _ in range(HOLDS):
                    await trio.sleep(EVERY_S - HOLD_S)
                    waits.append(await hold(server, sockets[0]))

            nursery.start_soon(holds)
            start = trio.current_time()
            for number in range(int((HOLDS + 0.5) * EVERY_S / PACKET_S)):
                await trio.sleep_until(start + number * PACKET_S)
                word = b"word %d" % number
                sent[word] = time.time()
                voices[0].speak(word)
            await bob.until(lambda: len(words()) == len(sent), f"not all of {len(sent)} packets")
            nursery.cancel_scope.cancel()
    finally:
        for each in (ann, bob):
            each.end()
        for socket in sockets:
            socket.end()
    assert len(waits) == HOLDS
    assert min(waits) > HOLD_S / 2  # Python did stand still
    late = [arrival.at - sent[arrival.packet.payload] for arrival in words()]
    assert max(late) < LATEST_S, sorted(late)[-10:]
