"""/v1/live and the socket, together: who joins is seen, and whom the administrator ends is told."""

import json

import trio

from tests.api.conftest import Server, atrium, join_demo, websocket


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
