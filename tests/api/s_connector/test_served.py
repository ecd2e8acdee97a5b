"""The REST API behind the real HTTP server, with rooms that are really entered: what stands on the wire, and who hears of it."""

from functools import partial
from urllib.parse import quote

import attrs
import httpx
import pytest

from api.keyring import Keyring
from api.licences import make
from api.store import Database, licences
from api.store.licences import LicenceRecord
from tests.api.conftest import Server, caller

ROOMS = ["회의실", "🎉 a/b", "100%+1", "<b>' OR 1=1 --"]


@attrs.frozen
class Customer:
    database: Database
    licence: LicenceRecord
    secret: str

    async def token(self, client: httpx.AsyncClient, **more: object) -> str:
        body = {"accessKey": self.licence.access_key, "secretKey": self.secret, **more}
        answer = await client.post("/v1/auth", json=body)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["data"]["accessToken"]
        return token


def customer_of(server: Server) -> Customer:
    """As another process adds one while the server runs."""
    database = Database(server.directory)
    record, secret = database.write(partial(make, keyring=Keyring.open(server.directory), domain="trial"))
    return Customer(database, record, secret)


@pytest.mark.parametrize("room", ROOMS)
async def test_a_room_that_was_entered_with_a_token_is_told_by_its_name(server: Server, room: str) -> None:
    customer = customer_of(server)
    async with server.anonymous() as client:
        token = await customer.token(client, roomName=room, userName="안나", isOwner=True)
        headers = {"s-connector-jwt": token}
        one = f"/v1/sessions/{quote(room, safe='')}"
        assert (await client.get(one, headers=headers)).status_code == 404
        async with caller(server.url) as anna:
            await anna.enter(room, "c-anna", access_token=token, display_name="안나")
            short = {"status": "WAIT", "user": 1, "roomName": room}
            assert (await client.get(one, headers=headers)).json() == {"status": True, "data": short}
            (detailed,) = (await client.get("/v1/sessions?form=detail", headers=headers)).json()["data"]
            (of_anna,) = detailed["sessionTokens"]
            assert (detailed["roomName"], of_anna["userName"], of_anna["role"]) == (room, "안나", "MODERATOR")
            assert of_anna["token"].startswith(f"wss://{server.url.removeprefix('http://')}?sessionId=ses_")
            used = (await client.get("/v1/static?startTime=2021-02-20", headers=headers)).json()["data"]
            assert [each["roomName"] for each in used["detail"]] == [room]


async def test_what_another_process_changes_holds_at_once(server: Server) -> None:
    customer = customer_of(server)
    async with server.anonymous() as client:
        headers = {"s-connector-jwt": await customer.token(client)}
        for enabled, status in ((False, 403), (True, 200), (False, 403)):
            customer.database.write(partial(licences.enable, id=customer.licence.id, enabled=enabled))
            assert (await client.get("/v1/sessions", headers=headers)).status_code == status
            assert (await client.get("/v1/info", headers=headers)).json()["data"]["enabled"] == int(enabled)


async def test_failures_on_the_wire(server: Server) -> None:
    async with server.anonymous() as client:
        for method, path, content, status in (
            ("POST", "/v1/auth", b"x" * (1 << 20), 413),
            ("POST", "/v1/auth", b"{", 400),
            ("GET", "/v1/auth", None, 405),
            ("GET", "/v1/info", None, 401),
            ("GET", "/v1/license/info", None, 404),
            ("GET", "/v1/video/sessions", None, 404),
            ("POST", "/v1/nothing", b"{}", 404),
        ):
            answer = await client.request(method, path, content=content, headers={"content-type": "application/json"})
            assert (answer.status_code, answer.json()["status"]) == (status, False), path
            assert set(answer.json()) == {"status", "message"}
            assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_body_of_unsaid_length_is_read_no_further_than_any(server: Server) -> None:
    async def endless():  # type: ignore[no-untyped-def]
        for _ in range(20):
            yield b"x" * 8192

    async with server.anonymous() as client:
        answer = await client.post("/v1/auth", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


async def test_head_and_preflight_on_the_wire(server: Server) -> None:
    customer = customer_of(server)
    async with server.anonymous() as client:
        headers = {"s-connector-jwt": await customer.token(client)}
        got, head = await client.get("/v1/info", headers=headers), await client.head("/v1/info", headers=headers)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.content))
        preflight = await client.options("/v1/auth", headers={"origin": "https://shop.example"})
        assert (preflight.status_code, preflight.content) == (204, b"")
        assert preflight.headers["access-control-allow-origin"] == "*"
