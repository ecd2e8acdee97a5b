"""What is refused before any handler sees it, and whom a request is said to come from."""

from typing import Any

import pytest

from api.gate import Gate, Proxies
from api.limits import HEADER_BYTES, PATH_BYTES, QUERY_BYTES

PROXIES = Proxies(["127.0.0.0/8", "::1/128", "10.0.0.0/8"])


def scope(
    *headers: tuple[str, str], target: str = "/", client: str = "192.0.2.7", kind: str = "http"
) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": kind,
        "http_version": "1.1",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "client": (client, 1234),
        "scheme": "http" if kind == "http" else "ws",
    }


async def passed(scope: dict[str, Any]) -> dict[str, Any] | int:
    """The scope as the application sees it, or the status of the refusal."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    async def send(message: Any) -> None:
        if message["type"].endswith(".start"):
            seen.append(message["status"])

    async def receive() -> None:
        raise AssertionError

    await Gate(app, PROXIES)(scope, receive, send)
    (outcome,) = seen
    return outcome  # type: ignore[no-any-return]


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "[::1]:8080", "a.example", "192.0.2.1", ""])
async def test_a_host_passes(host: str) -> None:
    assert isinstance(await passed(scope(("host", host))), dict)


@pytest.mark.parametrize("host", ["[::1", "a b", "a/b", "user@host", "host:port", "::1", "a\\b", "host:123456", "<x>"])
async def test_what_is_no_host_is_400(host: str) -> None:
    assert await passed(scope(("host", host))) == 400


async def test_two_hosts_are_400() -> None:
    assert await passed(scope(("host", "a"), ("Host", "b"))) == 400


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_lengths(kind: str) -> None:
    most = "/" + "a" * (PATH_BYTES - 1), "a" * QUERY_BYTES
    assert isinstance(await passed(scope(target="?".join(most), kind=kind)), dict)
    assert await passed(scope(target=most[0] + "a", kind=kind)) == 414
    assert await passed(scope(target=f"/?{most[1]}a", kind=kind)) == 414
    assert isinstance(await passed(scope(("x", "a" * (HEADER_BYTES - 1)), kind=kind)), dict)
    assert await passed(scope(("x", "a" * HEADER_BYTES), kind=kind)) == 431


async def test_http_2_is_not_taken_up() -> None:
    assert await passed({**scope(), "http_version": "2"}) == 505


async def test_the_absolute_form_is_understood() -> None:
    seen = await passed(scope(target="http://localhost:8080/healthz"))
    assert isinstance(seen, dict)
    assert seen["path"] == "/healthz"


@pytest.mark.parametrize("target", ["*", "localhost:80", "http://[::1", "ftp://a/b", "healthz"])
async def test_another_form_is_400(target: str) -> None:
    assert await passed(scope(target=target)) == 400


@pytest.mark.parametrize(
    ("client", "forwarded", "seen"),
    [
        ("192.0.2.7", "203.0.113.9", "192.0.2.7"),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("::1", "2001:db8::9", "2001:db8::9"),
        ("::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9, 10.1.1.1", "203.0.113.9"),
        ("127.0.0.1", "10.2.2.2, 10.1.1.1", "10.2.2.2"),
        ("127.0.0.1", "203.0.113.9, nonsense", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
async def test_forwarded_addresses_count_from_proxies_only(client: str, forwarded: str, seen: str) -> None:
    outcome = await passed(scope(("X-Forwarded-For", forwarded), client=client))
    assert isinstance(outcome, dict)
    assert outcome["client"][0] == seen


@pytest.mark.parametrize(
    ("client", "headers", "seen"),
    [
        ("127.0.0.1", {"X-Real-IP": "203.0.113.9"}, "203.0.113.9"),
        ("127.0.0.1", {"X-Real-IP": "203.0.113.9", "X-Forwarded-For": "203.0.113.10"}, "203.0.113.10"),
        ("127.0.0.1", {"X-Real-IP": "nobody"}, "127.0.0.1"),
        ("198.51.100.7", {"X-Real-IP": "203.0.113.9"}, "198.51.100.7"),
    ],
)
async def test_the_other_header_counts_where_that_one_is_missing(
    client: str, headers: dict[str, str], seen: str
) -> None:
    outcome = await passed(scope(*headers.items(), client=client))
    assert outcome["client"][0] == seen


async def test_the_scheme_is_forwarded_too() -> None:
    proto = ("x-forwarded-proto", "https")
    schemes = []
    for kind, client in (("http", "127.0.0.1"), ("websocket", "127.0.0.1"), ("http", "192.0.2.7")):
        outcome = await passed(scope(proto, client=client, kind=kind))
        assert isinstance(outcome, dict)
        schemes.append(outcome["scheme"])
    assert schemes == ["https", "wss", "http"]
