"""Who is in a room now: GET /v1/rooms/<uuid>/members, also on an address of its own (contract room-api, section 2)."""

import json
import random
import socket
from pathlib import Path

import httpx
import pytest

from api import openapi
from signalling.dialects.room_api.people import PUBLIC
from signalling.settings import RoomApiSettings
from tests.api.conftest import Server, atrium, caller, make_user

NOBODY = "7f3f8c5e-5f0e-4b8e-9a53-0d3c5a1a2b3c"


@pytest.fixture
def second() -> str:
    """An address that nobody uses, and that the system gives to nobody who asks for any: it takes higher ports for those."""
    for port in random.sample(range(20_000, 30_000), 100):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return f"127.0.0.1:{port}"
    raise AssertionError("no port is free")


@pytest.fixture
def room_api_settings(second: str) -> RoomApiSettings:
    return RoomApiSettings(members_bind=second)


async def demo(server: Server) -> str:
    async with server.client() as client:
        room: str = (await client.get("/v1/rooms")).json()["rooms"][0]["uuid"]
    return room


async def test_it_lists_those_who_are_inside_as_the_socket_does(server: Server) -> None:
    room = await demo(server)
    path = f"/v1/rooms/{room}/members"
    async with server.client() as client, caller(server.url) as ann, caller(server.url) as bob:
        assert (await client.get(path)).json() == {"members": []}
        await ann.enter(room, "c-ann", display_name="Änn")
        await bob.enter(room, "c-bob", display_name="Bob")
        await ann.ask("raise_hand")
        members = (await client.get(path)).json()["members"]
        assert members == (await ann.ask("get_room_members"))["result"]
        assert [(member["id"], member["name"], member["hand_raised"]) for member in members] == [
            ("c-ann", "Änn", True),
            ("c-bob", "Bob", False),
        ]
        assert all(set(member) == set(openapi.SCHEMAS["Member"]["properties"]) for member in members)
        await bob.ask("leave_room")
        assert [member["id"] for member in (await client.get(path)).json()["members"]] == ["c-ann"]


def test_the_description_of_a_member_is_what_a_member_is() -> None:
    assert set(openapi.SCHEMAS["Member"]["required"]) == {*PUBLIC, "stream"}


async def test_a_temporary_room_is_listed_while_it_lasts_and_is_ended_by_delete(server: Server) -> None:
    make_user(server.directory, "ann")
    async with server.client() as client, caller(server.url) as ann:
        made = await ann.ask("create_temp_room", username="ann", password="p", call_id="c-ann", sdp="v=0", invited=[])
        room = made["result"]["room_id"]
        for _ in range(2):
            (member,) = (await client.get(f"/v1/rooms/{room}/members")).json()["members"]
            assert (member["id"], member["is_admin"]) == ("c-ann", True)
            for method, status in (("GET", 404), ("PUT", 404)):
                body = {"room": {"name": "x"}} if method == "PUT" else None
                assert (await client.request(method, f"/v1/rooms/{room}", json=body)).status_code == status
        assert (await client.delete(f"/v1/rooms/{room}")).status_code == 204
        assert await ann.told() == {"method": "member_leave_room", "params": {"member": "c-ann", "by_admin": True}}
        assert (await client.get(f"/v1/rooms/{room}/members")).status_code == 404
        assert (await client.delete(f"/v1/rooms/{room}")).status_code == 404
        assert (await ann.join(made["result"]["auth_token"]))["error"]["code"] == 404


async def test_the_second_address_serves_the_listing_and_nothing_else(server: Server, second: str) -> None:
    room = await demo(server)
    async with (
        caller(server.url) as ann,
        httpx.AsyncClient(base_url=f"http://{second}", trust_env=False) as anonymous,
        httpx.AsyncClient(base_url=f"http://{second}", headers=server.client().headers, trust_env=False) as client,
    ):
        await ann.enter(room, "c-ann")
        response = await client.get(f"/v1/rooms/{room}/members")
        assert [member["id"] for member in response.json()["members"]] == ["c-ann"]
        assert (await client.get(f"/v1/rooms/{NOBODY}/members")).status_code == 404
        refused = await anonymous.get(f"/v1/rooms/{room}/members")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        for method, path in (
            ("GET", "/v1/rooms"),
            ("POST", "/v1/rooms"),
            ("GET", f"/v1/rooms/{room}"),
            ("DELETE", f"/v1/rooms/{room}"),
            ("GET", "/v1/live/rooms"),
            ("GET", "/"),
            ("GET", "/healthz"),
            ("GET", "/metrics"),
            ("GET", "/openapi.json"),
            ("GET", "/room"),
            ("GET", "/static/style.css"),
        ):
            assert (await client.request(method, path, json={"room": {"name": "x"}})).status_code == 404, path


def test_a_second_address_in_use_is_said_in_a_line(tmp_path: Path) -> None:
    config = tmp_path / "atrium.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config.write_text(f'[room_api]\nmembers_bind = "{address}"\n', encoding="utf-8")
        where = ("--data", str(tmp_path), "--config", str(config))
        done = atrium("serve", "--http", "127.0.0.1:0", "--media", "127.0.0.1:0", "--workers", "1", *where)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines()[-1] == f"atrium: room_api.members_bind: {address} is in use"
        checked = json.loads(atrium("config", "check", "--json", *where).stdout)
    (found,) = [finding for finding in checked if finding["what"] == "members"]
    assert (found["verdict"], address in found["says"]) == ("fail", True)


def test_the_check_tries_both_addresses_at_once(tmp_path: Path, second: str) -> None:
    config = tmp_path / "atrium.toml"

    def verdicts(http: str, members: str) -> list[tuple[str, str]]:
        config.write_text(f'[http]\nbind = "{http}"\n[room_api]\nmembers_bind = "{members}"\n', encoding="utf-8")
        checked = atrium("config", "check", "--json", "--data", str(tmp_path), "--config", str(config)).stdout
        return [(each["what"], each["verdict"]) for each in json.loads(checked) if each["what"] in ("http", "members")]

    assert verdicts(second, second) == [("http", "ok"), ("members", "fail")]
    assert verdicts(second, "127.0.0.1:0") == [("http", "ok"), ("members", "ok")]
    assert verdicts(second, "") == [("http", "ok")]
