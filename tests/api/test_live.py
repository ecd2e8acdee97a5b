"""/v1/live and the socket, together: who joins or waits is seen, by whom, and whom the administrator ends is told."""

import json
import urllib.parse
from datetime import UTC, datetime, timedelta
from functools import partial

import attrs
import pytest
import trio

from api import limits, openapi
from api.http import moment
from api.limits import USAGE_DAYS
from api.store import Database, sessions
from api.store.sessions import Changes, SessionRecord
from sfu.stats import PeerStats
from signalling import LiveMember, LiveParty, LiveRoom
from tests.api import fakes
from tests.api.conftest import Caller, Server, atrium, caller, join_demo, make_user, websocket
from tests.api.test_dashboard_rest import SEOUL, Customer, bearing, customer, disable

FAR_AWAY = PeerStats(1, "connected", "camera", "192.0.2.77:5000", None, {"offered": 90}, 0, 0, 0, 0, (), ())


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


async def enter_by_name(caller: Caller, customer: Customer, room: str, call: str) -> None:
    await caller.enter(room, call, access_token=customer.access_token(), display_name=call)


async def test_a_holder_sees_the_rooms_of_its_licence_alone(server: Server) -> None:
    trial, other = customer(server), customer(server, "other")
    async with (
        websocket(server.address) as connection,
        caller(server.url) as ann,
        caller(server.url) as bob,
        server.client() as administrator,
        bearing(server, trial.licence_key()) as holder,
    ):
        demo = await join_demo(server, connection, "c-carl", "Carl")
        await enter_by_name(ann, trial, "x", "c-ann")
        await enter_by_name(bob, other, "x", "c-bob")
        rooms = {room["licence"]: room["id"] for room in (await administrator.get("/v1/live/rooms")).json()["rooms"]}
        assert rooms == {None: demo, trial.id: rooms[trial.id], other.id: rooms[other.id]}
        (live,) = (await holder.get("/v1/live/rooms")).json()["rooms"]
        assert (live["id"], live["name"], live["licence"]) == (rooms[trial.id], "x", trial.id)
        assert [member["name"] for member in live["members"]] == ["c-ann"]
        assert (await holder.get(f"/v1/live/rooms/{live['id']}")).json()["room"]["id"] == live["id"]
        for room in (demo, rooms[other.id]):
            assert (await holder.get(f"/v1/live/rooms/{room}")).status_code == 404
            assert (await administrator.get(f"/v1/live/rooms/{room}")).status_code == 200


async def test_where_a_connection_comes_from_is_not_for_holders(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fakes.FakePeer, "stats", lambda peer: FAR_AWAY)
    trial = customer(server)
    async with (
        caller(server.url) as ann,
        server.client() as administrator,
        bearing(server, trial.licence_key()) as holder,
    ):
        await enter_by_name(ann, trial, "x", "c-ann")
        for client, path in ((administrator, FAR_AWAY.path), (holder, None)):
            (live,) = (await client.get("/v1/live/rooms")).json()["rooms"]
            (stream,) = live["members"][0]["streams"]
            assert stream == {**attrs.asdict(FAR_AWAY), "path": path, "inbound": [], "outbound": []}
            assert (await client.get(f"/v1/live/rooms/{live['id']}")).json()["room"] == live


async def test_licences_are_listed_with_what_runs_under_them(server: Server) -> None:
    trial = customer(server, room_limit=5, cp_code="c1")
    other = customer(server, "https://meet.example", max_users=7)
    disable(server, other.record)
    async with (
        caller(server.url) as ann,
        caller(server.url) as bob,
        caller(server.url) as carl,
        server.client() as administrator,
        bearing(server, trial.licence_key()) as holder,
    ):
        await enter_by_name(ann, trial, "x", "c-ann")
        await enter_by_name(bob, trial, "x", "c-bob")
        await enter_by_name(carl, trial, "y", "c-carl")
        demo, *listed = (await administrator.get("/v1/live/licences")).json()["licences"]
        assert demo["domain"] == "demo"
        assert listed == [
            {
                "id": trial.id,
                "domain": "trial",
                "cp_code": "c1",
                "access_key": trial.record.access_key,
                "room_limit": 5,
                "max_users": None,
                "enabled": True,
                "created_at": moment(trial.record.created_at),
                "running_sessions": 2,
                "people": 3,
            },
            {
                "id": other.id,
                "domain": "https://meet.example",
                "cp_code": other.record.cp_code,
                "access_key": other.record.access_key,
                "room_limit": None,
                "max_users": 7,
                "enabled": False,
                "created_at": moment(other.record.created_at),
                "running_sessions": 0,
                "people": 0,
            },
        ]
        assert set(openapi.SCHEMAS["LiveLicence"]["required"]) == set(demo)
        assert (await holder.get("/v1/live/licences")).json() == {"licences": listed[:1]}
        for client in (administrator, holder):
            licence = (await client.get(f"/v1/live/licences/{trial.id}")).json()["licence"]
            assert set(openapi.SCHEMAS["LiveLicenceWithSessions"]["required"]) == set(licence)
            x, y = licence.pop("sessions")
            assert set(openapi.SCHEMAS["LiveSession"]["required"]) == set(x)
            assert licence == listed[0]
            assert (x["room_name"], x["people"], y["room_name"], y["people"]) == ("x", 2, "y", 1)
            assert x["session_id"].startswith("ses_")
            assert x["began_at"].endswith("Z") and x["began_at"] <= y["began_at"]
            assert {x["room"], y["room"]} == {
                room["id"] for room in (await client.get("/v1/live/rooms")).json()["rooms"]
            }
        assert (await administrator.get(f"/v1/live/licences/{other.id}")).json()["licence"]["sessions"] == []


async def test_another_licence_is_not_there(server: Server) -> None:
    trial, other = customer(server), customer(server, "other")
    async with bearing(server, trial.licence_key()) as holder, server.client() as administrator:
        for path in (f"/v1/live/licences/{other.id}", f"/v1/live/licences/{other.id}/usage"):
            assert (await holder.get(path)).status_code == 404
            assert (await administrator.get(path)).status_code == 200
        for unknown in ("99", "trial", "x%00", "9" * 30, "-1"):
            for path in (f"/v1/live/licences/{unknown}", f"/v1/live/licences/{unknown}/usage"):
                assert (await administrator.get(path)).status_code == 404


def have_been(server: Server, customer: Customer, *lengths: tuple[datetime, float]) -> None:
    """Sessions that are over, from when and how long."""
    added = [
        SessionRecord(
            id=1000 + number,
            licence_id=customer.record.id,
            session_id=f"ses_{number:010}",
            room="r",
            room_name="x",
            began_at=began,
            until=began + timedelta(seconds=seconds),
            running=False,
            visits=1,
        )
        for number, (began, seconds) in enumerate(lengths)
    ]
    database = Database(server.directory)
    database.write(partial(sessions.write, changes=Changes(added)))
    database.close()


async def test_usage_is_told_for_every_day_up_to_today(server: Server) -> None:
    trial, other = customer(server), customer(server, "other")
    today = datetime.now(SEOUL).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday, long_ago = today - timedelta(days=1), today - timedelta(days=365)
    have_been(
        server,
        trial,
        (long_ago, 5),
        (long_ago - timedelta(seconds=1), 3),
        (yesterday, 100.9),
        (today - timedelta(seconds=1), 50),
    )
    async with (
        caller(server.url) as ann,
        server.client() as administrator,
        bearing(server, trial.licence_key()) as holder,
    ):
        await enter_by_name(ann, trial, "x", "c-ann")
        for client in (administrator, holder):
            usage = (await client.get(f"/v1/live/licences/{trial.id}/usage", params={"days": 2})).json()["usage"]
            # What runs counts, too; it may have run for a second by now.
            running = usage["days"][1].pop("seconds")
            assert set(openapi.SCHEMAS["UsageByDay"]["required"]) == set(usage)
            assert 0 <= running < 30
            assert usage == {
                "time_zone": "Asia/Seoul",
                "days": [
                    {"day": f"{yesterday:%Y-%m-%d}", "seconds": 150, "sessions": 2},
                    {"day": f"{today:%Y-%m-%d}", "sessions": 1},
                ],
                "seconds": 150 + running,
                "sessions": 3,
            }
        for days, sessions_told in (("1", 1), ("365", 3), (str(USAGE_DAYS), 4)):
            usage = (await holder.get(f"/v1/live/licences/{trial.id}/usage", params={"days": days})).json()["usage"]
            assert (len(usage["days"]), usage["sessions"]) == (int(days), sessions_told)
        usage = (await holder.get(f"/v1/live/licences/{trial.id}/usage")).json()["usage"]
        assert (len(usage["days"]), usage["sessions"]) == (30, 3)
        usage = (await administrator.get(f"/v1/live/licences/{other.id}/usage")).json()["usage"]
        assert (usage["seconds"], usage["sessions"]) == (0, 0)


@pytest.mark.parametrize(
    "query", ["0", "-1", str(USAGE_DAYS + 1), "1e2", "1.0", "many", "", " 3", "+3", "９", "9999", "3&days=3"]
)
async def test_days_that_are_none_are_422(server: Server, query: str) -> None:
    trial = customer(server)
    async with server.client() as client:
        path = f"/v1/live/licences/{trial.id}/usage?days="
        response = await client.get(path + (query if "&" in query else urllib.parse.quote(query)))
    assert (response.status_code, response.json()["error"]["code"]) == (422, 422)


async def test_more_sessions_than_are_counted_at_once_are_400(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "USAGE_SESSIONS", 1)
    trial = customer(server)
    have_been(server, trial, *[(datetime.now(UTC) - timedelta(days=2), 1.0)] * 2)
    async with server.client() as client:
        assert (await client.get(f"/v1/live/licences/{trial.id}/usage?days=1")).status_code == 200
        response = await client.get(f"/v1/live/licences/{trial.id}/usage")
    assert (response.status_code, response.json()["error"]["code"]) == (400, 400)


@pytest.mark.parametrize("shape", [LiveRoom, LiveMember, LiveParty])
def test_what_is_described_is_what_there_is(shape: type[attrs.AttrsInstance]) -> None:
    described = openapi.SCHEMAS[shape.__name__]
    assert set(described["properties"]) == set(described["required"]) == {each.name for each in attrs.fields(shape)}
