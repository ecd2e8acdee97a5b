"""The floor: what forwarding costs with nothing around it, on this machine and now.

Copy, number, AES-128-GCM and send to N destinations, 30 frames of four packets a second: the server's crypto
(libsrtp by address, a session a destination), its socket kind (one unconnected UDP socket) and its schedule, so caches
are as cold as the server's. A second process drains the receiving sockets. Three columns:

  gro    trains (UDP_SEGMENT), receivers that take trains whole: as behind a NIC that segments
  cut    trains that the kernel cuts on the sender's time, because the receivers want packets
  plain  no trains: a message for every packet

`python -m benches.floor [--n 10,100,500] [--seconds 3]` prints it alone.
"""

import argparse
import ipaddress
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final, Literal

import attrs
import trio

from benches import machine, srtp
from benches.child import Json, answer_requests, started
from benches.load import PAYLOAD, Floor, Receivers

Column = Literal["gro", "cut", "plain"]

COLUMNS: Final[tuple[Column, ...]] = ("gro", "cut", "plain")
FPS: Final = 30
LOOPBACK: Final = int(ipaddress.IPv4Address("127.0.0.1"))
UDP_GRO: Final = 104
KEY_AND_SALT: Final = 16 + 12


@attrs.frozen
class FloorFigure:
    """µs of CPU per packet sent; the parts by the thread's own clock, the whole by the scheduler's."""

    n: int
    column: Column
    whole_us: float
    send_us: float
    gcm_us: float
    copy_us: float
    loss: float

    def mean(self, other: "FloorFigure") -> "FloorFigure":
        """Of two measurements around something else, so that a drift of the machine falls out."""
        assert (self.n, self.column) == (other.n, other.column)
        figures = zip(attrs.astuple(self)[2:], attrs.astuple(other)[2:], strict=True)
        return FloorFigure(self.n, self.column, *((one + two) / 2 for one, two in figures))


class Drain:
    """The process that receives: reads everything away, decrypts nothing."""

    def __init__(self) -> None:
        self._receivers: Receivers | None = None
        self._thread: threading.Thread | None = None

    def __call__(self, request: Json) -> Json:
        if request["do"] == "open":
            return self._open(request["n"], request["gro"])
        assert self._receivers is not None and self._thread is not None
        arrived, _ = self._receivers.read()
        self._receivers.stop()
        self._thread.join()
        self._receivers = None
        return {"received": arrived.received}

    def _open(self, n: int, gro: bool) -> Json:
        machine.allow_files(n + 100)
        self._receivers = receivers = Receivers(n)
        ports = []
        for index in range(n):
            sock = receiving_socket(gro)
            receivers.add(sock, sock.fileno(), 1000 + index)
            ports.append(sock.getsockname()[1])
        self._thread = threading.Thread(target=receivers.run, name="drain")
        self._thread.start()
        return {"ports": ports}


def receiving_socket(gro: bool) -> socket.socket:
    """A subscriber's socket, with room for frames that wait while others are read."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, int(gro))
    sock.bind(("127.0.0.1", 0))
    return sock


def send(request: Json) -> Json:
    """The process that is measured: sends for `seconds` after a start that does not count."""
    sessions = [srtp.outbound("GCM_128", secrets.token_bytes(KEY_AND_SALT)) for _ in request["ports"]]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        sock.bind(("127.0.0.1", 0))
        floor = Floor(
            (sock, sessions),
            sock.fileno(),
            srtp.ADDRESSES[0],
            [(LOOPBACK, port) for port in request["ports"]],
            [srtp.pointer(session) for session in sessions],
            request["trains"],
            secrets.token_bytes(PAYLOAD),
        )
        thread = threading.Thread(target=floor.run, args=(FPS,), name="floor")
        thread.start()
        try:
            time.sleep(min(0.5, request["seconds"] / 4))
            before, times = floor.read(), machine.thread_times(os.getpid())
            time.sleep(request["seconds"])
            after, later = floor.read(), machine.thread_times(os.getpid())
        finally:
            floor.stop()
            thread.join()
        sent = floor.read()[0]
    packets, unsent, copy_ns, gcm_ns, send_ns = (b - a for a, b in zip(before, after, strict=True))
    return {
        "sent": sent,
        "packets": packets,
        "unsent": unsent,
        "copy_ns": copy_ns,
        "gcm_ns": gcm_ns,
        "send_ns": send_ns,
        "cpu_ns": machine.used(times, later).total_ns,
    }


async def measure(sizes: Sequence[int], seconds: float, columns: Sequence[Column] = COLUMNS) -> list[FloorFigure]:
    """All columns at all sizes, one after the other."""
    figures = []
    async with AsyncExitStack() as stack:
        drain = await stack.enter_async_context(started("drain", ["-m", "benches.floor", "--drain"]))
        sender = await stack.enter_async_context(started("floor", ["-m", "benches.floor", "--send"]))
        for n in sizes:
            for column in columns:
                opened = await drain.ask({"do": "open", "n": n, "gro": column == "gro"})
                sent = await sender.ask(
                    {"do": "send", "ports": opened["ports"], "trains": column != "plain", "seconds": seconds},
                    seconds + 30,
                )
                await trio.sleep(0.1)  # what is still in the sockets
                drained = await drain.ask({"do": "close"})
                packets = max(1, sent["packets"])
                figures.append(
                    FloorFigure(
                        n,
                        column,
                        sent["cpu_ns"] / packets / 1000,
                        sent["send_ns"] / packets / 1000,
                        sent["gcm_ns"] / packets / 1000,
                        sent["copy_ns"] / packets / 1000,
                        1 - drained["received"] / max(1, sent["sent"]),
                    )
                )
    return figures


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.floor", description="The floor of this machine.")
    parser.add_argument("--n", default="10,100,500", help="destinations, comma separated")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement")
    role = parser.add_mutually_exclusive_group()
    role.add_argument("--drain", action="store_true", help=argparse.SUPPRESS)
    role.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    serving, generating = machine.cores()
    if options.drain or options.send:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the parent's to handle
        machine.stay_on(generating if options.drain else serving)
        answer_requests(Drain() if options.drain else send)
        return
    print(machine.describe())
    for figure in trio.run(measure, [int(n) for n in options.n.split(",")], options.seconds):
        print(
            f"N={figure.n:<5} {figure.column:<6} {figure.whole_us:6.2f} us/packet"
            f"   send {figure.send_us:.2f}  GCM {figure.gcm_us:.2f}  copy {figure.copy_us:.2f}  loss {figure.loss:.4%}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
