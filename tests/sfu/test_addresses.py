"""Where media is received: what may be written, what is bound, and that a failed start leaves nothing bound."""

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import ifaddr
import pytest

from sfu.addresses import FIRST_PORT, Bound, bind_workers, host_addresses, parse_bind


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def closing(stack: ExitStack, workers: list[list[Bound]]) -> list[list[Bound]]:
    for bound in workers:
        for each in bound:
            stack.enter_context(each.socket)
    return workers


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("", ([], FIRST_PORT)),
        ("127.0.0.1:5000", (["127.0.0.1"], 5000)),
        ("localhost:0", (["127.0.0.1"], 0)),
        ("[::1]:5000", (["::1"], 5000)),
        ("[2001:DB8:0::1]:65535", (["2001:db8::1"], 65535)),
        ("0.0.0.0:5000", ([], 5000)),
        ("[::]:5000", ([], 5000)),
        ("*:5000", ([], 5000)),
        (":5000", ([], 5000)),
    ],
)
def test_what_bind_says(text: str, parsed: tuple[list[str], int]) -> None:
    assert parsed == parse_bind(text)


@pytest.mark.parametrize(
    "text", ["5000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "example.com:5000"]
)
def test_what_bind_does_not_understand(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_bind(text)


def adapters(monkeypatch: pytest.MonkeyPatch, *ips: str) -> None:
    made = [SimpleNamespace(ip=(ip, 0, 0) if ":" in ip else ip) for ip in ips]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [SimpleNamespace(ips=made)])


def test_loopback_and_link_local_addresses_are_no_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    adapters(monkeypatch, "127.0.0.1", "192.0.2.7", "169.254.1.1", "::1", "fe80::1", "2001:db8::7")
    assert ["192.0.2.7", "2001:db8::7"] == host_addresses()


def test_a_host_without_a_network_has_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    adapters(monkeypatch, "127.0.0.1", "::1", "fe80::1")
    assert ["127.0.0.1", "::1"] == host_addresses()


def test_this_host_has_an_address_that_can_be_bound() -> None:
    for ip in host_addresses():
        assert not ipaddress.ip_address(ip).is_unspecified


def test_each_worker_has_a_port_of_its_own_for_all_addresses(monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
    adapters(monkeypatch, "127.0.0.1", "::1")
    workers = closing(stack, bind_workers("*:0", 2))
    assert [["127.0.0.1", "::1"]] * 2 == [[each.ip for each in bound] for bound in workers]
    ports = [{each.port for each in bound} for bound in workers]
    assert [1, 1] == [len(each) for each in ports]
    assert ports[0] != ports[1]


def test_ports_are_counted_upward_from_the_first(stack: ExitStack) -> None:
    (((free,),),) = [bind_workers("127.0.0.1:0", 1)]
    free.socket.close()
    workers = closing(stack, bind_workers(f"127.0.0.1:{free.port}", 2))
    assert [free.port, free.port + 1] == [bound[0].port for bound in workers]


def test_sockets_do_not_block_and_are_written_as_addresses(stack: ExitStack) -> None:
    ((four,),) = closing(stack, bind_workers("127.0.0.1:0", 1))
    ((six,),) = closing(stack, bind_workers("[::1]:0", 1))
    assert (f"127.0.0.1:{four.port}", f"[::1]:{six.port}") == (str(four), str(six))
    for each in (four, six):
        assert not each.socket.getblocking()
        with pytest.raises(BlockingIOError):
            each.socket.recv(1)
    assert six.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def test_an_address_in_use_is_named_and_nothing_stays_bound() -> None:
    """The second worker's port is taken; the first worker's is free again afterwards."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"media address 127\.0\.0\.1 port {port}: "):
            bind_workers(f"127.0.0.1:{port - 1}", 2)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(("127.0.0.1", port - 1))


def test_an_address_of_another_host_cannot_be_bound() -> None:
    with pytest.raises(OSError, match="media address 192.0.2.1 port 0: "):
        bind_workers("192.0.2.1:0", 1)
