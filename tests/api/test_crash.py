"""What was acknowledged outlives `kill -9`: rooms in the middle of writing, those of licences, users, tokens and what was
revoked of them.

The whole server, in a process of its own, on each kind of database.
"""

import json
import random
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import trio
import trio_websocket

from tests.api.conftest import Process, atrium, caller, make_key, websocket

Start = Callable[..., Process]
Room = dict[str, Any]

WRITERS = 6
ANSWERED = 120
GONE = None


@pytest.fixture
def key(tmp_path: Path, store_url: str) -> str:
    return make_key(tmp_path, store_url)


class KpointClient:
    """Asks and is answered; passes over what it is told."""

    def __init__(self, connection: trio_websocket.WebSocketConnection) -> None:
        self._connection = connection

    async def ask(self, operation: str, **fields: Any) -> dict[str, Any]:
        await self._connection.send_message(json.dumps({"eventOp": operation, "reqId": "1"} | fields))
        with trio.fail_after(10):
            while "reqId" not in (message := json.loads(await self._connection.get_message())):
                pass
        answer: dict[str, Any] = message
        return answer


@asynccontextmanager
async def kpoint_client(url: str) -> AsyncIterator[KpointClient]:
    where = httpx.URL(url)
    async with websocket((where.host, where.port or 0), "/kpoint") as connection:
        yield KpointClient(connection)


def authorized(url: str, key: str) -> httpx.Client:
    return httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, verify=False, timeout=20
    )


@attrs.define
class Writer:
    """Makes, changes and removes rooms of its own on a connection of its own, until the server is gone; and knows what
    has to be there then."""

    acknowledged: dict[str, Room | None] = attrs.Factory(dict)
    """Each room as the server has said that it is."""
    asked: dict[str, Room | None] = attrs.Factory(dict)
    """A room as the request makes it that was never answered."""
    nameless: str = ""
    """The name of a room whose making was never answered."""

    def run(self, url: str, key: str, dice: random.Random, answered: threading.Semaphore) -> None:
        with authorized(url, key) as client:
            try:
                while True:
                    self._write(client, dice)
                    answered.release()
            except httpx.TransportError:
                pass

    def _write(self, client: httpx.Client, dice: random.Random) -> None:
        members = [{"user_id": str(uuid.UUID(int=dice.getrandbits(128))), "admin": True}] * dice.randrange(2)
        wanted = {"name": f"{dice.getrandbits(64):x}", "open": dice.random() < 0.5, "members": members}
        mine = [room for room, settings in self.acknowledged.items() if settings is not GONE]
        match dice.choice(["make", "change", "change", "remove"]) if mine else "make":
            case "make":
                self.nameless = wanted["name"]
                room = client.post("/v1/rooms", json={"room": wanted}).raise_for_status().json()["room"]["uuid"]
                self.nameless = ""
                self.acknowledged[room] = wanted
                return
            case "change":
                room = dice.choice(mine)
                self.asked[room] = wanted
                client.put(f"/v1/rooms/{room}", json={"room": wanted}).raise_for_status()
            case "remove":
                room = dice.choice(mine)
                self.asked[room] = GONE
                client.delete(f"/v1/rooms/{room}").raise_for_status()
        self.acknowledged[room] = self.asked.pop(room)

    def unexpected(self, found: dict[str, Room]) -> list[str]:
        return [
            room
            for room, settings in self.acknowledged.items()
            if found.get(room) != settings and not (room in self.asked and found.get(room) == self.asked[room])
        ]


def test_every_change_that_was_acknowledged_is_there_after_kill_9(start: Start, key: str, store_url: str) -> None:
    process = start(ATRIUM_STORE_URL=store_url)
    writers = [Writer() for _ in range(WRITERS)]
    answered = threading.Semaphore(0)
    with ThreadPoolExecutor(WRITERS) as threads:
        running = [
            threads.submit(writer.run, process.url, key, random.Random(seed), answered)
            for seed, writer in enumerate(writers)
        ]
        for _ in range(ANSWERED):
            assert answered.acquire(timeout=60)
        process.kill()
    for each in running:
        each.result()
    with authorized(start(ATRIUM_STORE_URL=store_url).url, key) as client:
        listed = client.get("/v1/rooms").json()["rooms"]
    found = {room["uuid"]: {key: room[key] for key in ("name", "open", "members")} for room in listed}
    assert [room for writer in writers for room in writer.unexpected(found)] == []
    known = {room for writer in writers for room in writer.acknowledged}
    assert {room["name"] for uuid, room in found.items() if uuid not in known} <= {each.nameless for each in writers}


async def test_rooms_users_tokens_and_revocations_are_known_to_the_next_server(
    start: Start, key: str, tmp_path: Path, store_url: str
) -> None:
    serve = partial(trio.to_thread.run_sync, partial(start, ATRIUM_STORE_URL=store_url))
    headers = {"Authorization": f"Bearer {key}"}

    def add_user() -> str:
        arguments = ("user", "add", "--username", "ann", "--password", "p", "--json", "--data", str(tmp_path))
        user: str = json.loads(atrium(*arguments, ATRIUM_STORE_URL=store_url).stdout)["id"]
        return user

    user = await trio.to_thread.run_sync(add_user)
    credentials = {"username": "ann", "password": "p"}
    process = await serve()
    async with (
        httpx.AsyncClient(base_url=process.url, headers=headers, trust_env=False, verify=False) as client,
        caller(process.url) as ann,
        caller(process.url) as bob,
        caller(process.url) as carl,
    ):
        wanted = {"name": "x", "open": True, "members": [{"user_id": user, "admin": True}]}
        room = (await client.post("/v1/rooms", json={"room": wanted})).json()["room"]
        other = (await client.post("/v1/rooms", json={"room": {"name": "y", "open": True}})).json()["room"]
        tokens = {
            "ann": await ann.enter(room["uuid"], "c-ann", **credentials),
            "bob": await bob.enter(room["uuid"], "c-bob"),
            "carl": await carl.enter(other["uuid"], "c-carl"),
        }
        assert "result" in await ann.ask("remove_member", member="c-bob")
        assert (await client.delete(f"/v1/live/rooms/{other['uuid']}")).status_code == 204
        process.kill()

    process = await serve()
    async with (
        httpx.AsyncClient(base_url=process.url, headers=headers, trust_env=False, verify=False) as client,
        caller(process.url) as ann,
        caller(process.url) as bob,
    ):
        assert (await client.get("/v1/rooms")).json()["rooms"] == [room, other]
        for name in ("bob", "carl"):
            assert (await bob.join(tokens[name]))["error"]["code"] == 401
        assert (await ann.join(tokens["ann"]))["result"]["is_admin"] is True
        # Whoever was removed may ask again, and what is issued now is good.
        await bob.enter(room["uuid"], "c-bob")
        assert (await ann.ask("register_room_api", **credentials))["result"]["user"] == user
        assert (await client.get("/meet/%00")).status_code == 404
        assert (await client.get("/meet/x")).status_code == 200


async def test_rooms_of_licences_are_there_for_the_next_server(start: Start, tmp_path: Path, store_url: str) -> None:
    serve = partial(trio.to_thread.run_sync, partial(start, ATRIUM_STORE_URL=store_url))

    def command(*arguments: str) -> Any:
        done = atrium("licence", *arguments, "--data", str(tmp_path), ATRIUM_STORE_URL=store_url)
        return json.loads(done.stdout) if done.stdout else None

    licence, other = (command("add", "--domain", domain, "--json") for domain in ("trial", "other"))

    async def registered(client: KpointClient, licence: dict[str, str], user: str) -> KpointClient:
        keys = {"cpCode": licence["cpCode"], "authKey": licence["authKey"]}
        assert (await client.ask("register", ipAddr="-", userId=user, **keys))["code"] == "200"
        return client

    process = await serve()
    async with kpoint_client(process.url) as one, kpoint_client(process.url) as two:
        ann = await registered(one, licence, "ann")
        bob = await registered(two, other, "bob")
        for kind, name, destroy in (("createRoom", "p", True), ("createVideoRoom", "g", False)):
            made = await ann.ask(kind, userId="ann", roomId=name, title="제목", destroy=destroy)
            assert (made["code"], made["roomId"]) == ("200", name)
        assert (await bob.ask("createRoom", userId="bob", roomId="p", destroy=True))["code"] == "200"
        changed = await ann.ask("editRoomInfo", userId="ann", roomId="g", title="neu", capacity=1)
        assert changed["code"] == "200"
        process.kill()

    process = await serve()
    async with kpoint_client(process.url) as one, kpoint_client(process.url) as two:
        ann, zoe = await registered(one, licence, "ann"), await registered(two, licence, "zoe")
        assert (await zoe.ask("createRoom", userId="zoe", roomId="p", destroy=True))["code"] == "443"
        found = await zoe.ask("joinRoom", userId="zoe", roomId="g")
        assert (found["code"], found["title"], found["media"], found["host"]["id"]) == ("200", "neu", True, "ann")
        assert (await ann.ask("joinRoom", userId="ann", roomId="g"))["code"] == "444"
        found = await ann.ask("joinRoom", userId="ann", roomId="p")
        assert (found["code"], found["title"], found["media"], found["host"]["id"]) == ("200", "제목", False, "ann")
