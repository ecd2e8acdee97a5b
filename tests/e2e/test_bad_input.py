"""Whatever strangers send to a running server, an aiortc call nearby loses nothing."""

import json
import math
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from sfu.wire import stun
from tests.api.test_containment import BINARY, CLOSE, MALFORMED, TEXT, UPGRADE, closing_code, frame, talk
from tests.e2e.conftest import Start
from tests.e2e.scene import ANN, BOB, Scene, scene

MEBIBYTE = 1 << 20
ALL_AT_ONCE_S = 1.5


@asynccontextmanager
async def call_nearby(serve: Start, tmp_path: Path) -> AsyncIterator[Scene]:
    """Ann is heard and seen by Bob before the block and after it, and not a packet is missing."""
    async with scene(serve, tmp_path) as on:
        ann, bob = await on.join(ANN), await on.join(BOB)
        await bob.media.speak(False)
        (mid,) = await bob.watch("ann")
        await bob.sees(mid, ann.media)
        await bob.hears(ann.media, [bob.media])
        yield on
        await bob.sees(mid, ann.media)
        await bob.hears(ann.media, [bob.media])
        sections = (await bob.report())["sections"]
        assert {"0": 0, mid: 0} == {each: section["lost"] for each, section in sections.items()}
        assert [] == [each for each in bob.socket.notifications if each["method"] == "member_leave_room"]


async def test_words_that_are_none(serve: Start, tmp_path: Path) -> None:
    async with call_nearby(serve, tmp_path) as on:
        stranger = await on.socket()
        for text, code in (
            ("{", -32700),
            ("nonsense", -32700),
            ("[1, 2]", -32600),
            ('{"id": 1}', -32600),
            ('{"id": {}, "method": "join_room"}', -32600),
            ('{"id": 1, "method": "join_room", "params": []}', -32600),
            ('{"id": 1, "method": "no_such_method"}', -32601),
            ("[" * 100_000, -32700),
            (json.dumps({"id": 1, "method": "authenticate", "params": {"room": "x" * 100_000}}), 400),
            (json.dumps({"id": 1, "method": "join_room", "params": {"sdp": "v=0", "auth_token": "x"}}), 401),
        ):
            await stranger.connection.send_message(text)
            answer = await stranger.refused()
            assert code == answer, text[:80]


async def test_frames_that_are_too_long_or_no_text(serve: Start, tmp_path: Path) -> None:
    async with call_nearby(serve, tmp_path) as on:
        server = on.server.server
        for _ in range(5):
            assert 1009 == await closing_code(server, frame(TEXT, bytes(2 * MEBIBYTE)), frame(CLOSE, b"\x03\xf1"))
            assert 1003 == await closing_code(server, frame(BINARY, b"{}"), frame(CLOSE, b"\x03\xeb"))


async def test_what_used_to_end_the_http_server(serve: Start, tmp_path: Path) -> None:
    async with call_nearby(serve, tmp_path) as on:
        for _ in range(2):
            # How each of them ends is test_containment's business; here they come all at once.
            with trio.move_on_after(ALL_AT_ONCE_S):
                async with trio.open_nursery() as nursery:
                    for pieces in MALFORMED.values():
                        nursery.start_soon(partial(talk, on.server.server, *pieces, wait_s=math.inf))
        assert b"HTTP/1.1 101 " in await talk(on.server.server, UPGRADE + b"\r\n", frame(CLOSE, b"\x03\xe8"))


@pytest.mark.parametrize("kind", ["noise", "checks", "hellos", "media"])
async def test_datagrams_from_strangers(serve: Start, tmp_path: Path, kind: str) -> None:
    def made() -> bytes:
        if kind == "noise":
            return secrets.token_bytes(secrets.randbelow(1400) + 1)
        if kind == "checks":
            return stun.binding_request(secrets.token_bytes(12), "nobody:else", "password", controlling=1)
        if kind == "hellos":
            return b"\x16\xfe\xfd" + secrets.token_bytes(200)
        return b"\x80\x60" + secrets.token_bytes(1000)

    async with call_nearby(serve, tmp_path) as on:
        host, _, port = on.server.media[0].rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.connect((host, int(port)))
            for _ in range(100):
                for _ in range(20):
                    stranger.send(made())
                await trio.sleep(0.002)
