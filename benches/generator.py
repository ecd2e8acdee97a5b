"""The load generator: a process with one publisher and N subscribers of one room, run by requests on its stdin.

Python joins them and keeps their consent alive; two native threads publish and receive. It stays on one core, the last,
so that the server's are its own.

Requests ("do"): `enter` (url, room, capacity) joins the publisher, `subscribe` (n) grows to n subscribers, `gro` (on),
`rate` (fps), `keep` (reports, checks: whether receiver reports with transport-wide feedback, and STUN checks are sent), `renew` sends one check for
each, `mark` starts a window and `since` tells what came in it.
"""

import json
import os
import secrets
import signal
import socket
import sys
import time

import attrs
import trio

from benches import machine, srtp
from benches.child import Json, Lines
from benches.client import Member, join
from benches.counts import Arrived, Published
from benches.floor import UDP_GRO
from benches.load import PAYLOAD, Histogram, Publisher, Receivers
from benches.offers import VIDEO_MID, read_stream
from sfu.dtls import DtlsContext

PUBLISHER = "publisher"
JOINING_AT_ONCE = 16
CHECK_EVERY_S = 5.0


@attrs.frozen
class Reading:
    arrived: Arrived
    delays: Histogram
    published: Published
    at_ns: int
    cpu_ns: dict[int, int]


@attrs.define
class Generator:
    nursery: trio.Nursery
    context: DtlsContext = attrs.field(factory=DtlsContext)
    members: list[Member] = attrs.field(factory=list)
    receivers: Receivers | None = None
    publisher: Publisher | None = None
    url: str = ""
    room: str = ""
    gro: bool = False
    checking: bool = True
    marked: Reading | None = None

    async def handle(self, request: Json) -> Json:
        match request["do"]:
            case "enter":
                return await self.enter(request["url"], request["room"], request["capacity"])
            case "subscribe":
                return await self.subscribe(request["n"])
            case "gro":
                self.gro = request["on"]
                for member in self.members[1:]:
                    self._set_gro(member)
            case "rate":
                assert self.publisher is not None
                self.publisher.rate(request["fps"])
            case "keep":
                assert self.receivers is not None
                self.receivers.report(request["reports"])
                self.checking = request["checks"]
            case "renew":
                await self._renew()
            case "mark":
                self.marked = self._read()
            case "since":
                return self._since()
            case unknown:
                raise ValueError(f"{unknown!r} is no request")
        return {}

    async def enter(self, url: str, room: str, capacity: int) -> Json:
        """Make the receiving thread, join the publisher, and leave it silent."""
        machine.allow_files(2 * capacity + 200)
        self.url, self.room = url, room
        self.receivers = Receivers(capacity, srtp.ADDRESSES)
        self.nursery.start_soon(_run, self.receivers)
        ssrc, rtx_ssrc = secrets.randbits(31) + 1, secrets.randbits(31) + 1
        member, answer = await join(self.nursery, url, room, PUBLISHER, self.context, (ssrc, rtx_ssrc))
        stream = read_stream(answer)
        leg = member.leg
        self.publisher = Publisher(
            leg,
            srtp.ADDRESSES,
            leg.sock.fileno(),
            srtp.pointer(leg.inbound),
            srtp.pointer(leg.outbound),
            ssrc,
            stream.pt,
            VIDEO_MID.encode(),
            stream.mid_id,
            stream.twcc_id,
            secrets.token_bytes(PAYLOAD),
        )
        self.members.append(member)
        self.nursery.start_soon(_run, self.publisher)
        self.nursery.start_soon(self._check_all)
        return {"packet_size": self.publisher.packet_size}

    async def subscribe(self, n: int) -> Json:
        """Grow to `n` subscribers, a few at a time."""
        start = trio.current_time()
        limit = trio.CapacityLimiter(JOINING_AT_ONCE)
        async with trio.open_nursery() as joining:
            for index in range(len(self.members) - 1, n):
                joining.start_soon(self._subscribe_one, index, limit)
        return {"seconds": trio.current_time() - start}

    async def _subscribe_one(self, index: int, limit: trio.CapacityLimiter) -> None:
        async with limit:
            member, _ = await join(self.nursery, self.url, self.room, f"subscriber-{index}", self.context)
            stream = read_stream(await member.subscribe(PUBLISHER, VIDEO_MID))
        assert self.receivers is not None
        self._set_gro(member)
        leg = member.leg
        self.receivers.add(
            leg,
            leg.sock.fileno(),
            stream.ssrc,
            stream.rtx_ssrc,
            secrets.randbits(31) + 1,
            srtp.pointer(leg.inbound),
            srtp.pointer(leg.outbound),
            stream.twcc_id,
        )
        self.members.append(member)

    def _set_gro(self, member: Member) -> None:
        member.leg.sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, int(self.gro))

    async def _check_all(self) -> None:
        """Every member's consent each 5 s, spread evenly; what is due while the joins keep us busy leaves together."""
        index, due = 0, trio.current_time()
        while True:
            due += CHECK_EVERY_S / len(self.members)
            if due > trio.current_time():
                await trio.sleep_until(due)
            elif due < trio.current_time() - CHECK_EVERY_S:
                due = trio.current_time()
            index = (index + 1) % len(self.members)
            if self.checking:
                self.members[index].check()

    async def _renew(self) -> None:
        """Every member's consent now, within a second: for a silence that follows."""
        for member in list(self.members):
            member.check()
            await trio.sleep(1 / len(self.members))

    def _read(self) -> Reading:
        assert self.receivers is not None and self.publisher is not None
        arrived, delays = self.receivers.read()
        return Reading(arrived, delays, self.publisher.read(), time.monotonic_ns(), machine.thread_times(os.getpid()))

    def _since(self) -> Json:
        if self.marked is None:
            raise ValueError("no window was started")
        before, now = self.marked, self._read()
        delays = now.delays - before.delays
        return {
            "seconds": (now.at_ns - before.at_ns) / 1e9,
            "arrived": attrs.asdict(now.arrived - before.arrived),
            "published": attrs.asdict(now.published - before.published),
            "delay_ns": {"p50": delays.percentile(50), "p99": delays.percentile(99), "max": delays.maximum},
            "generator_ns": machine.used(before.cpu_ns, now.cpu_ns).total_ns,
        }


async def _run(thread: Receivers | Publisher) -> None:
    """A thread cannot be cancelled; this task is, and tells it to return."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, thread.run)
        try:
            await trio.sleep_forever()
        finally:
            thread.stop()


async def main() -> None:
    lines = Lines(trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())))
    async with trio.open_nursery() as nursery:
        generator = Generator(nursery)
        while line := await lines.next():
            try:
                answer = await generator.handle(json.loads(line))
            except Exception as error:  # noqa: BLE001 - the asker decides what a failure means
                answer = {"error": _words(error)}
            print(json.dumps(answer), flush=True)
        nursery.cancel_scope.cancel()


def _words(error: Exception) -> str:
    """One line, also for a group: the first of its causes."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the parent's to handle
    machine.stay_on(machine.cores()[1])
    trio.run(main)
