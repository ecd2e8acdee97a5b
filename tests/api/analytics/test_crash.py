"""Reports that were answered outlive `kill -9`: the whole server in a process of its own, on each kind of database."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from api.store import Database, tables
from tests.api.conftest import Process, Run

PAGES = 6
ANSWERED = 120


def page(url: str, key: str, number: int, answered: list[str], enough: threading.Event) -> None:
    """Reports as fast as it can, until the server is gone; keeps what was answered 200."""
    with httpx.Client(base_url=f"{url}/analytics/v1", trust_env=False, timeout=10) as client:

        def post(path: str, **body: object) -> Any:
            return client.post(path, json=body).raise_for_status().json()

        hello = post("/initialize", apiKey=key, conferenceId="standup", userId=f"u{number}")
        token = post("/sessions", token=hello["token"])["token"]
        there = post("/connection", token=token, eventName="addConnection", peerId="sfu")
        ids = {"peerId": there["peer_id"], "connectionId": there["connection_id"]}
        try:
            for count in range(10**6):
                name = f"{number}.{count}"
                if count % 2:
                    post("/events/browser", token=token, eventName="custom", data=name)
                else:
                    both = [{"eventName": what, "data": name, **ids} for what in ("custom", "other")]
                    post("/connection/batch", token=token, data=both)
                answered.append(name)
                if len(answered) >= ANSWERED:
                    enough.set()
        except httpx.HTTPError:
            pass


def test_all_that_was_answered_is_there(
    run: Run,
    start: Callable[..., Process],
    tmp_path: Path,
    store_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ATRIUM_STORE_URL", store_url)
    key = json.loads(run("app", "add", "--organization", "Acme", "--name", "shop", "--json")[1])["apiKey"]
    process = start(ATRIUM_STORE_URL=store_url)
    answered: list[str] = []
    enough = threading.Event()
    with ThreadPoolExecutor(PAGES) as pages:
        told = [pages.submit(page, process.url, key, number, answered, enough) for number in range(PAGES)]
        assert enough.wait(60)
        process.kill()
        for each in told:
            each.result()

    process = start(ATRIUM_STORE_URL=store_url)
    database = Database(tmp_path, store_url)

    def found(connection: sa.Connection) -> dict[str, list[str]]:
        columns, by_type = tables.call_events.c, dict[str, list[str]]()
        for type, data in connection.execute(sa.select(columns.type, columns.data)):
            by_type.setdefault(type, []).append(json.loads(data or "null"))
        return by_type

    by_type = database.read(found)
    kept = by_type["custom"]
    database.close()
    assert len(answered) >= ANSWERED
    assert set(answered) <= set(kept)
    assert len(kept) == len(set(kept))
    # Nothing is there by half.
    assert sorted(by_type["other"]) == sorted(name for name in kept if int(name.partition(".")[2]) % 2 == 0)
    # And it goes on.
    more: list[str] = []
    enough = threading.Event()
    with ThreadPoolExecutor(1) as pages:
        going = pages.submit(page, process.url, key, 99, more, enough)
        while len(more) < 5 and not going.done():
            enough.wait(0.05)
        process.kill()
        going.result()
    assert len(more) >= 5
