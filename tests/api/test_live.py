"""/v1/live and the socket, together: who joins or waits is seen, and whom the administrator ends is told."""

import json
from datetime import datetime

import attrs
import pytest
import trio

from api import openapi
from signalling import LiveMember, LiveParty, LiveRoom
from tests.api.conftest import Server, atrium, caller, join_demo, make_user, websocket


async def test_a_member_is_seen_and_the_room_is_ended(server: Server) -> None:
    async with (
        websocket(server.address) as connection,
        server.client() as client,
    ):
        room = await join_demo(server, connection, "c-ann", "Ann")
        (live,) = (await client.get("/v1/live/rooms")).json()["rooms"]
        assert (live["id"], live["name"], live["temporary"]) == (room, "demo", False)
        (member,) = live["members"]
        assert (member["id"], member["name"], member["dialect"]) == ("c-ann", "Ann", "room_api")
        assert (await client.get(f"/v1/live/rooms/{room}")).json()["room"]["id"] == room
        assert 'atrium_members{dialect="room_api"} 1.0' in (await client.get("/metrics")).text

        listed = await trio.to_thread.run_sync(atrium, "room", "list", "--json", "--data", str(server.directory))
        assert [entry["id"] for entry in json.loads(listed.stdout)] == [room]
        assert (await client.delete(f"/v1/live/rooms/{room}")).status_code == 204
        with trio.fail_after(5):
            told = json.loads(await connection.get_message())
        assert told["method"] == "member_leave_room"
        assert (told["params"]["member"], told["params"]["by_admin"]) == ("c-ann", True)
        assert (await client.get("/v1/live/rooms")).json() == {"rooms": []}
        assert (await client.get(f"/v1/live/rooms/{room}")).status_code == 404
        assert (await client.delete(f"/v1/live/rooms/{room}")).status_code == 404
        assert (await client.get(f"/v1/rooms/{room}")).status_code == 200


async def test_a_room_that_is_deleted_empties(server: Server) -> None:
    async with (
        websocket(server.address) as connection,
        server.client() as client,
    ):
        room = await join_demo(server, connection, "c-ann", "Ann")
        assert (await client.delete(f"/v1/rooms/{room}")).status_code == 204
        with trio.fail_after(5):
            assert json.loads(await connection.get_message())["method"] == "member_leave_room"
        assert (await client.get("/v1/live/rooms")).json() == {"rooms": []}


async def test_who_waits_is_seen_too(server: Server) -> None:
    async with server.client() as client, caller(server.url) as bob:
        room = (await client.post("/v1/rooms", json={"room": {"name": "x"}})).json()["room"]["uuid"]
        await bob.ask("authenticate", room=room, call_id="c-bob", display_name="Bob")
        live = (await client.get(f"/v1/live/rooms/{room}")).json()["room"]
        (party,) = live["waiting"]
        assert datetime.fromisoformat(party.pop("since")).tzinfo is not None
        assert party == {"id": "c-bob", "name": "Bob", "user": None}
        assert live["members"] == []
        assert (await client.delete(f"/v1/live/rooms/{room}")).status_code == 204
        assert (await bob.told())["method"] == "member_rejected"
        assert (await client.get(f"/v1/live/rooms/{room}")).status_code == 404


async def test_a_temporary_room_is_seen_as_one_and_goes_when_it_is_ended(server: Server) -> None:
    make_user(server.directory, "ann")
    async with server.client() as client, caller(server.url) as ann:
        made = await ann.ask("create_temp_room", username="ann", password="p", call_id="c-ann", sdp="v=0", invited=[])
        room = made["result"]["room_id"]
        (live,) = (await client.get("/v1/live/rooms")).json()["rooms"]
        assert (live["id"], live["temporary"]) == (room, True)
        assert (await client.delete(f"/v1/live/rooms/{room}")).status_code == 204
        assert (await ann.told())["method"] == "member_leave_room"
        assert (await ann.join(made["result"]["auth_token"]))["error"]["code"] == 404


async def test_the_tokens_of_a_room_that_is_ended_are_good_no_more(server: Server) -> None:
    async with server.client() as client, caller(server.url) as ann:
        room = (await client.get("/v1/rooms")).json()["rooms"][0]["uuid"]
        token = await ann.enter(room, "c-ann")
        assert (await client.delete(f"/v1/live/rooms/{room}")).status_code == 204
        assert (await ann.join(token))["error"]["code"] == 401
        await ann.enter(room, "c-ann")


async def test_only_a_licence_that_there_is_can_be_ended(server: Server) -> None:
    async with server.client() as client, server.anonymous() as stranger:
        listed = await trio.to_thread.run_sync(atrium, "licence", "list", "--json", "--data", str(server.directory))
        (demo,) = json.loads(listed.stdout)
        path = f"/v1/live/licences/{demo['id']}"
        for _ in range(2):
            assert (await client.delete(path)).status_code == 204
        assert (await stranger.delete(path)).status_code == 401
        for unknown in ("99", "demo", "x%00", "9" * 30):
            assert (await client.delete(f"/v1/live/licences/{unknown}")).status_code == 404


@pytest.mark.parametrize("shape", [LiveRoom, LiveMember, LiveParty])
def test_what_is_described_is_what_there_is(shape: type[attrs.AttrsInstance]) -> None:
    described = openapi.SCHEMAS[shape.__name__]
    assert set(described["properties"]) == set(described["required"]) == {each.name for each in attrs.fields(shape)}
