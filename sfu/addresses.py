"""Where media is received: the UDP sockets of the workers and the addresses told to clients.

One socket for each local address, not a wildcard: then the answer to a check leaves from the address that was asked,
and a candidate is a socket. RFC 8445 5.1.1.1: loopback and link-local addresses are no candidates, unless there is nothing
else or they are asked for by name. All sockets of a worker share a port number.
"""

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from typing import Final

import attrs
import ifaddr
import structlog

from native.limits import MAX_SOCKETS

FIRST_PORT: Final = 40000
BUFFER_BYTES: Final = 4 << 20  # asked for; the kernel gives what its rmem_max and wmem_max allow
UDP_GRO: Final = 104
log = structlog.get_logger("sfu.addresses")

ANYWHERE: Final = frozenset({"", "*", "0.0.0.0", "::"})


@attrs.frozen
class Bound:
    """A bound, non-blocking UDP socket."""

    ip: str
    port: int
    socket: socket.socket

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


def parse_bind(text: str) -> tuple[list[str], int]:
    """`HOST:PORT` of `[media] bind`: addresses (empty: all of this host's) and the first port. ValueError says what is wrong."""
    if not text:
        return [], FIRST_PORT
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    host = host.removeprefix("[").removesuffix("]")
    if host in ANYWHERE:
        return [], int(port)
    try:
        return [str(ipaddress.ip_address("127.0.0.1" if host == "localhost" else host))], int(port)
    except ValueError:
        raise ValueError(f"{host!r} is not an IP address") from None


def host_addresses() -> list[str]:
    """The addresses of this host that a client could reach; loopback if there are no others."""
    found = [ipaddress.ip_address(ip) for ip in _every_address()]
    usable = [ip for ip in found if not ip.is_loopback and not ip.is_link_local]
    return [str(ip) for ip in usable or [ip for ip in found if ip.is_loopback]]


def _every_address() -> Iterator[str]:
    for adapter in ifaddr.get_adapters():
        for address in adapter.ips:
            yield address.ip if isinstance(address.ip, str) else address.ip[0]


def bind_workers(bind: str, workers: int) -> list[list[Bound]]:
    """For each worker its sockets. OSError, with everything closed again, if one cannot be bound."""
    addresses, port = parse_bind(bind)
    addresses = addresses or host_addresses()
    if len(addresses) > MAX_SOCKETS:
        log.warning("not every address is used for media", used=addresses[:MAX_SOCKETS], left=addresses[MAX_SOCKETS:])
        del addresses[MAX_SOCKETS:]
    with contextlib.ExitStack() as opened:
        out = []
        for index in range(workers):
            out.append(_bind_worker(addresses, port + index if port else 0, opened))
        opened.pop_all()
        return out


def _bind_worker(addresses: list[str], port: int, opened: contextlib.ExitStack) -> list[Bound]:
    bound: list[Bound] = []
    for ip in addresses:
        made = opened.enter_context(socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM))
        made.setblocking(False)
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            made.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        with contextlib.suppress(OSError):  # kernels before 5.0: packets come one by one
            made.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        try:
            made.bind((ip, port))
        except OSError as error:
            raise OSError(error.errno, f"media address {ip} port {port}: {error.strerror}") from error
        port = made.getsockname()[1]
        bound.append(Bound(ip, port, made))
    return bound
