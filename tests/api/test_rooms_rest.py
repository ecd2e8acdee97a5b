"""Contract room-api, section 2: the REST of persistent rooms, over real sockets."""

import json
import uuid
from datetime import datetime
from functools import partial
from typing import Any

import httpx
import pytest
import trio

import api.passwords
from api.limits import BODY_BYTES, KEY_CHARS, ROOM_MEMBERS
from api.passwords import matches
from api.store import Database, rooms
from tests.api.conftest import Server, caller

SOMEBODY = "7f3f8c5e-5f0e-4b8e-9a53-0d3c5a1a2b3c"
SOMEBODY_ELSE = "0c9e4f6a-2d1b-4c3d-8e7f-6a5b4c3d2e1f"
NO_ROOMS = ["nonsense", "%00", "7f3f8c5e", SOMEBODY, SOMEBODY.replace("-", ""), "a" * 500, "%2e%2e%2fhealthz"]


async def create(client: httpx.AsyncClient, **room: Any) -> httpx.Response:
    return await client.post("/v1/rooms", json={"room": room})


async def put(client: httpx.AsyncClient, place: str, **room: Any) -> httpx.Response:
    return await client.put(place, json={"room": room})


def is_error(response: httpx.Response, status: int) -> bool:
    error = response.json()["error"]
    return response.status_code == status == error["code"] and isinstance(error["message"], str)


async def test_a_room_is_made_with_defaults(server: Server) -> None:
    async with server.client() as client:
        response = await create(client, name="  Kitchen ")
        room = response.json()["room"]
        assert response.status_code == 201
        assert response.headers["location"] == f"/v1/rooms/{room['uuid']}"
        assert (await client.get(response.headers["location"])).json() == {"room": room}
    assert uuid.UUID(room.pop("uuid")).version == 4
    for moment in (room.pop("created_at"), room.pop("updated_at")):
        assert moment.endswith("Z")
        assert datetime.fromisoformat(moment).tzinfo is not None
    assert room == {
        "name": "Kitchen",
        "open": False,
        "force_password": False,
        "force_waiting_room": False,
        "has_password": False,
        "members": [],
    }


async def test_a_room_is_made_with_everything_and_the_password_is_never_told(server: Server) -> None:
    wanted = {
        "open": True,
        "force_password": True,
        "force_waiting_room": True,
        "members": [{"user_id": SOMEBODY.upper(), "admin": True}],
    }
    async with server.client() as client:
        response = await create(client, name="x" * 255, password="s3cr3t-pass", **wanted)
    assert "s3cr3t-pass" not in response.text
    room = response.json()["room"]
    assert room["has_password"]
    assert {key: room[key] for key in wanted} == wanted | {"members": [{"user_id": SOMEBODY, "admin": True}]}
    assert b"s3cr3t-pass" not in b"".join(path.read_bytes() for path in server.directory.iterdir())


async def test_rooms_are_listed_oldest_first(server: Server) -> None:
    async with server.client() as client:
        made = [(await create(client, name=name)).json()["room"] for name in ("one", "two")]
        listed = (await client.get("/v1/rooms")).json()["rooms"]
    assert listed[1:] == made
    assert listed[0]["name"] == "demo"


async def test_a_removed_room_is_gone(server: Server) -> None:
    async with server.client() as client:
        place = (await create(client, name="x")).headers["location"]
        response = await client.delete(place)
        assert (response.status_code, response.content) == (204, b"")
        assert is_error(await client.delete(place), 404)
        assert is_error(await client.get(place), 404)


@pytest.mark.parametrize(
    "room",
    [
        {},
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 256},
        {"name": 7},
        {"name": None},
        {"name": "half \ud800 a pair"},
        {"name": "nul \0"},
        {"name": "x", "colour": "red"},
        {"name": "x", "uuid": SOMEBODY},
        {"name": "x", "open": "true"},
        {"name": "x", "open": 1},
        {"name": "x", "open": None},
        {"name": "x", "password": ""},
        {"name": "x", "password": "p" * 129},
        {"name": "x", "password": 1234},
        {"name": "x", "force_password": True},
        {"name": "x", "force_password": True, "password": None},
        {"name": "x", "members": None},
        {"name": "x", "members": {}},
        {"name": "x", "members": [SOMEBODY]},
        {"name": "x", "members": [{}]},
        {"name": "x", "members": [{"user_id": "bob"}]},
        {"name": "x", "members": [{"user_id": SOMEBODY, "admin": "yes"}]},
        {"name": "x", "members": [{"user_id": SOMEBODY, "name": "Bob"}]},
        {"name": "x", "members": [{"user_id": SOMEBODY}, {"user_id": SOMEBODY.upper(), "admin": True}]},
        {"name": "x", "members": [{"user_id": str(uuid.UUID(int=n))} for n in range(ROOM_MEMBERS + 1)]},
    ],
)
async def test_an_unfit_room_is_422_and_not_made(server: Server, room: dict[str, Any]) -> None:
    body = json.dumps({"room": room})
    async with server.client() as client:
        response = await client.post("/v1/rooms", content=body, headers={"Content-Type": "application/json"})
        assert is_error(response, 422)
        assert len((await client.get("/v1/rooms")).json()["rooms"]) == 1


async def test_the_422_names_what_is_wrong(server: Server) -> None:
    async with server.client() as client:
        response = await create(client, name="x", members=[{"user_id": SOMEBODY, "admin": 1}], colour="red")
    message = response.json()["error"]["message"]
    assert "room.members[0].admin: must be true or false" in message
    assert "room.colour: unknown key" in message


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"{}", b'{"room": null}', b'{"room": []}', b'{"room": {"name": NaN}}', b"\xff", b"[" * 100_000],
)  # fmt: skip
async def test_a_body_without_an_object_room_is_400(server: Server, body: bytes) -> None:
    async with server.client() as client:
        response = await client.post("/v1/rooms", content=body, headers={"Content-Type": "application/json"})
    assert is_error(response, 400)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", None])
async def test_another_media_type_is_415(server: Server, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    async with server.client() as client:
        assert is_error(await client.post("/v1/rooms", content=b'{"room": {"name": "x"}}', headers=headers), 415)


async def test_the_charset_of_json_may_be_said(server: Server) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    async with server.client() as client:
        response = await client.post("/v1/rooms", content=b'{"room": {"name": "x"}}', headers=headers)
    assert response.status_code == 201


async def test_a_body_above_the_limit_is_413(server: Server) -> None:
    async with server.client() as client:
        headers = {"Content-Type": "application/json"}
        response = await client.post("/v1/rooms", content=b" " * (BODY_BYTES + 1), headers=headers)
    assert is_error(response, 413)


async def test_a_room_is_changed_in_what_is_given_and_keeps_the_rest(server: Server) -> None:
    before = {
        "name": "one",
        "open": True,
        "force_password": True,
        "force_waiting_room": True,
        "members": [{"user_id": SOMEBODY, "admin": True}, {"user_id": SOMEBODY_ELSE, "admin": False}],
    }
    change = {
        "name": " two ",
        "open": False,
        "force_password": False,
        "force_waiting_room": False,
        "members": [{"user_id": SOMEBODY_ELSE.upper()}],
    }
    after = {**change, "name": "two", "members": [{"user_id": SOMEBODY_ELSE, "admin": False}]}
    async with server.client() as client:
        made = await create(client, password="secret", **before)
        place, room = made.headers["location"], made.json()["room"]
        for key in change:
            response = await put(client, place, **{key: change[key]})
            changed = response.json()["room"]
            assert response.status_code == 200
            assert changed == room | {key: after[key], "updated_at": changed["updated_at"]}
            room = (await client.get(place)).json()["room"]
            assert room == changed
        assert room["updated_at"] > made.json()["room"]["updated_at"]
        assert {key: room[key] for key in after} == after
        # All at once, and back again.
        room = (await put(client, place, **before)).json()["room"]
        assert {key: room[key] for key in before} == before
        assert room["has_password"]


async def test_the_password_is_kept_replaced_and_removed(server: Server) -> None:
    async with server.client() as client:
        place = (await create(client, name="x", password="first")).headers["location"]

        async def fits() -> list[str]:
            room = place.rpartition("/")[2]
            database = Database(server.directory)
            stored = database.read(partial(rooms.password_hash, room=room))
            database.close()
            return [word for word in ("first", "second") if matches(word, stored)]

        assert (await put(client, place, name="y")).json()["room"]["has_password"]
        assert await fits() == ["first"]
        response = await put(client, place, password="second")
        assert response.json()["room"]["has_password"]
        assert "second" not in response.text
        assert await fits() == ["second"]
        assert not (await put(client, place, password=None)).json()["room"]["has_password"]
        assert await fits() == []


@pytest.mark.parametrize(
    ("before", "change", "status"),
    [
        ({}, {"force_password": True}, 422),
        ({}, {"force_password": True, "password": "p"}, 200),
        ({}, {"force_password": True, "password": None}, 422),
        ({"password": "p"}, {"force_password": True}, 200),
        ({"password": "p"}, {"force_password": True, "password": None}, 422),
        ({"password": "p"}, {"password": None}, 200),
        ({"password": "p", "force_password": True}, {"password": None}, 422),
        ({"password": "p", "force_password": True}, {"password": None, "force_password": False}, 200),
        ({"password": "p", "force_password": True}, {"name": "y"}, 200),
        ({"password": "p", "force_password": True}, {"password": "q"}, 200),
    ],
)
async def test_a_room_that_nobody_could_enter_is_422_after_the_change(
    server: Server, before: dict[str, Any], change: dict[str, Any], status: int
) -> None:
    async with server.client() as client:
        made = await create(client, name="x", **before)
        place = made.headers["location"]
        response = await put(client, place, **change)
        assert response.status_code == status
        if status == 422:
            assert is_error(response, 422)
            assert (await client.get(place)).json() == made.json()


async def test_two_changes_at_once_do_not_add_up_to_a_room_that_nobody_could_enter(server: Server) -> None:
    async with server.client() as client:
        for _ in range(5):
            place = (await create(client, name="x", password="p")).headers["location"]
            answers: list[int] = []

            async def change(place: str, answers: list[int], **settings: Any) -> None:
                answers.append((await put(client, place, **settings)).status_code)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(change, place, answers, password=None))
                nursery.start_soon(partial(change, place, answers, force_password=True))
            assert sorted(answers) == [200, 422]


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": None},
        {"open": None},
        {"open": 0},
        {"password": ""},
        {"password": "p" * 129},
        {"members": None},
        {"members": [{"user_id": "bob"}]},
        {"members": [{"user_id": SOMEBODY}, {"user_id": SOMEBODY}]},
        {"uuid": SOMEBODY},
        {"has_password": False},
        {"colour": "red", "name": "y"},
    ],
)
async def test_an_unfit_change_is_422_and_changes_nothing(server: Server, change: dict[str, Any]) -> None:
    async with server.client() as client:
        made = await create(client, name="x", open=True, members=[{"user_id": SOMEBODY}])
        place = made.headers["location"]
        assert is_error(await put(client, place, **change), 422)
        assert (await client.get(place)).json() == made.json()


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"name": "x"}', "application/json", 400),
        (b'{"room": []}', "application/json", 400),
        (b'{"room": {"name": "y"}}', "text/plain", 415),
        (b" " * (BODY_BYTES + 1), "application/json", 413),
    ],
)
async def test_a_change_that_cannot_be_read_is_refused(server: Server, body: bytes, kind: str, status: int) -> None:
    async with server.client() as client:
        place = (await create(client, name="x")).headers["location"]
        assert is_error(await client.put(place, content=body, headers={"Content-Type": kind}), status)
    async with server.client() as client:
        assert (await client.get(place)).json()["room"]["name"] == "x"


async def test_a_change_while_people_are_inside_holds_for_those_who_come_later(server: Server) -> None:
    async with server.client() as client, caller(server.url) as ann, caller(server.url) as bob:
        place = (await create(client, name="x", open=True)).headers["location"]
        room = place.rpartition("/")[2]
        await ann.enter(room, "c-ann")
        assert (await put(client, place, open=False)).status_code == 200
        assert (await bob.ask("authenticate", room=room, call_id="c-bob"))["error"]["code"] == 403
        assert (await ann.told())["method"] == "member_waiting"
        assert [member["id"] for member in (await ann.ask("get_room_members"))["result"]] == ["c-ann"]
        assert (await put(client, place, open=True)).status_code == 200
        assert "result" in await bob.ask("authenticate", room=room, call_id="c-bob")


@pytest.mark.parametrize("path", NO_ROOMS)
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/members")])
async def test_what_names_no_room_is_404(server: Server, method: str, rest: str, path: str) -> None:
    body: Any = {"json": {"room": {"name": "x"}}} if method == "PUT" else {}
    async with server.client() as client:
        url = httpx.URL(server.url).copy_with(raw_path=f"/v1/rooms/{path}{rest}".encode())
        assert is_error(await client.request(method, url, **body), 404)


async def test_the_uuid_of_a_room_has_no_case(server: Server) -> None:
    async with server.client() as client:
        room = (await create(client, name="x")).json()["room"]["uuid"].upper()
        assert (await client.get(f"/v1/rooms/{room}")).status_code == 200
        assert (await put(client, f"/v1/rooms/{room}", name="y")).status_code == 200
        assert (await client.get(f"/v1/rooms/{room}/members")).json() == {"members": []}
        assert (await client.delete(f"/v1/rooms/{room}")).status_code == 204


async def test_a_method_that_a_path_lacks_is_405(server: Server) -> None:
    async with server.client() as client:
        response = await client.patch("/v1/rooms")
    assert is_error(response, 405)
    assert {"GET", "POST"} <= set(response.headers["allow"].replace(" ", "").split(","))


REQUESTS = [
    ("GET", "/v1/rooms"),
    ("POST", "/v1/rooms"),
    ("GET", f"/v1/rooms/{SOMEBODY}"),
    ("PUT", f"/v1/rooms/{SOMEBODY}"),
    ("DELETE", f"/v1/rooms/{SOMEBODY}"),
    ("GET", f"/v1/rooms/{SOMEBODY}/members"),
    ("GET", "/v1/rooms/a/b/c"),
    ("GET", "/v1/live/rooms"),
    ("GET", f"/v1/live/rooms/{SOMEBODY}"),
    ("DELETE", f"/v1/live/rooms/{SOMEBODY}"),
]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer wrong", "Basic {key}", "{key}", f"Bearer {'k' * (KEY_CHARS + 1)}", "Bearer ü"],
)  # fmt: skip
async def test_without_a_good_key_all_is_401(server: Server, authorization: str | None) -> None:
    line = (authorization or "").format(key=server.key).encode()
    headers = {} if authorization is None else {b"Authorization": line}
    async with server.anonymous() as client:
        for method, path in REQUESTS:
            response = await client.request(method, path, headers=headers)
            assert is_error(response, 401), path
            assert response.headers["www-authenticate"] == "Bearer"


async def test_the_word_bearer_has_no_case(server: Server) -> None:
    async with server.anonymous() as client:
        response = await client.get("/v1/rooms", headers={"Authorization": f"bEARER {server.key}"})
    assert response.status_code == 200


async def test_other_paths_below_v1_answer_in_the_shape_of_s_connector(server: Server) -> None:
    async with server.anonymous() as client:
        response = await client.get("/v1/unknown")
    assert (response.status_code, set(response.json())) == (404, {"status", "message"})
    assert response.json()["status"] is False


async def test_a_full_queue_of_passwords_is_429(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.passwords, "PASSWORD_CHECKS_WAITING", 0)
    async with server.client() as client:
        assert is_error(await create(client, name="x", password="secret"), 429)
        made = await create(client, name="x")
        assert made.status_code == 201
        assert is_error(await put(client, made.headers["location"], name="y", password="secret"), 429)
        assert (await client.get(made.headers["location"])).json() == made.json()
