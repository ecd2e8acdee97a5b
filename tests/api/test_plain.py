"""Requests beside quart: what of their heads and bodies is read, and how they are answered."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import trio

from api.limits import BODY_TIMEOUT_S
from api.plain import Refusal, Request, Response, answer

JSON = {"content-type": "application/json"}


def piece(body: bytes, *, more: bool = False) -> dict[str, object]:
    return {"type": "http.request", "body": body, "more_body": more}


def request(
    messages: Iterable[Mapping[str, object]] = (), headers: Mapping[str, str] = JSON, method: str = "POST"
) -> Request:
    """That brings these messages, and then nothing for ever."""
    waiting = list(messages)

    async def receive() -> Mapping[str, object]:
        if not waiting:
            await trio.sleep_forever()
        return waiting.pop(0)

    scope = {
        "method": method,
        "raw_path": b"/a%2Fb%ff",
        "query_string": b"x=%31",
        "headers": [(name.encode("latin1"), value.encode("latin1")) for name, value in headers.items()],
        "client": ("203.0.113.9", 50_000),
    }
    return Request.of(scope, receive)


async def refusal(of: Request, at_most: int = 10) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await of.json_object(at_most)
    return caught.value


def test_the_head_is_taken_as_it_was_sent() -> None:
    found = request(headers={"X-One": "1", "x-one": "2", "Name": "é"})
    assert (found.method, found.path, found.query, found.address) == ("POST", "/a%2Fb%ff", "x=%31", "203.0.113.9")
    assert found.headers == {"x-one": "1", "name": "é"}


def test_the_path_has_no_query_and_a_client_may_have_no_address() -> None:
    async def receive() -> None:
        raise AssertionError

    scope = {"method": "GET", "raw_path": b"/a?b", "query_string": b"b", "headers": [], "client": None}
    found = Request.of(scope, receive)
    assert (found.path, found.query, found.address) == ("/a", "b", "")


async def test_a_body_comes_in_pieces() -> None:
    whole = request([piece(b'{"a":', more=True), piece(b"", more=True), piece(b" 1}")])
    assert await whole.json_object(8) == {"a": 1}


async def test_so_long_a_body_is_read_and_no_longer() -> None:
    """However long it says that it is, and if it does not say."""
    assert await request([piece(b"0123456789")]).body(10) == b"0123456789"
    # The second piece of the first is too much already, and nobody waits for the third.
    for messages, headers in (
        ([piece(b"012345", more=True), piece(b"67890", more=True)], {}),
        ([], {"content-length": "11"}),
        ([], {"content-length": "9" * 1000}),
        ([piece(b"01234567890")], {"content-length": "1"}),
        ([piece(b"01234567890")], {"content-length": "²"}),
    ):
        assert (await refusal(request(messages, {**JSON, **headers}))).status == 413


async def test_a_body_that_does_not_come_is_waited_for_so_long(autojump_clock: object) -> None:
    began = trio.current_time()
    assert (await refusal(request([piece(b"{", more=True)]))).status == 408
    assert trio.current_time() - began == pytest.approx(BODY_TIMEOUT_S)


async def test_a_client_that_goes_is_not_waited_for() -> None:
    gone = request([piece(b"{}", more=True), {"type": "http.disconnect"}])
    assert (await refusal(gone)).status == 400


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON", "application/json;charset=utf-8", "application/json ; x"]
)
async def test_what_is_declared_json(kind: str) -> None:
    assert await request([piece(b"{}")], {"content-type": kind}).json_object(10) == {}


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/jsonp", "application/x-www-form-urlencoded"])
async def test_what_is_declared_otherwise_or_not_at_all(kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    assert (await refusal(request([piece(b"{}")], headers))).status == 400


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", b"null", b'"x"', b"\xff", b"\xef\xbb\xbf{}", b'{"a": NaN}', b'{"a": 1e400}',
             b'{"a": -Infinity}', b"[" * 50_000, b'{"a": ' + b"9" * 5000 + b"}"],
    ids=lambda body: str(body[:12]),
)  # fmt: skip
async def test_what_is_no_json_object(body: bytes) -> None:
    assert (await refusal(request([piece(body)]), at_most=60_000)).status == 400


async def answered(method: str, response: Response) -> tuple[dict[str, Any], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await answer(send, request(method=method), response)
    head, body = sent
    assert (head["type"], body["type"], body["more_body"]) == ("http.response.start", "http.response.body", False)
    assert head["status"] == response.status
    return {name.decode(): value.decode() for name, value in head["headers"]}, body["body"]


async def test_an_answer_is_json_that_nobody_keeps() -> None:
    headers, body = await answered("GET", Response(200, b"{}", {"Allow": "GET"}))
    assert body == b"{}"
    assert headers == {
        "cache-control": "no-store",
        "allow": "GET",
        "content-type": "application/json",
        "content-length": "2",
    }


async def test_to_head_the_body_is_only_counted() -> None:
    headers, body = await answered("HEAD", Response(200, b"{}"))
    assert (headers["content-length"], body) == ("2", b"")


async def test_no_content_has_no_length_and_no_kind() -> None:
    headers, body = await answered("OPTIONS", Response(204, b""))
    assert (headers, body) == ({"cache-control": "no-store"}, b"")
