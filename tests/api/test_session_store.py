"""The contract of what is stored of sessions, on each kind of database."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import attrs
import pytest

from api.keyring import Keyring
from api.licences import make
from api.store import Database, sessions
from api.store.sessions import Changes, ConnectionRecord, RoomOfUse, SessionRecord

KEYRING = Keyring(bytes(32))
NOON = datetime(2021, 2, 22, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path, store_url: str) -> Iterator[Database]:
    database = Database(tmp_path, store_url)
    for domain in ("trial", "other"):
        database.write(partial(make, keyring=KEYRING, domain=domain))
    yield database
    database.close()


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def session(
    id: int, begins: float = 0.0, ends: float = 10.0, *, room: str = "den", running: bool = False, of: int = 1
) -> SessionRecord:
    return SessionRecord(id, of, f"ses_{id}", f"uuid of {room}", room, at(begins), at(ends), running, visits=1)


def connection(id: int, of: int, *, left: float | None = None) -> ConnectionRecord:
    went = None if left is None else at(left)
    return ConnectionRecord(id, of, f"con_{id}", f"tok_{id}", "Anna", "PUBLISHER", "", "", at(0), went)


def write(
    database: Database,
    *written: SessionRecord,
    connections: Sequence[ConnectionRecord] = (),
    forgotten: Collection[int] = (),
    seen: Sequence[tuple[int, datetime]] = (),
) -> None:
    changes = Changes(sessions=written, connections=connections, forgotten=forgotten, seen=seen)
    database.write(partial(sessions.write, changes=changes))


def within(database: Database, start: float, end: float | None, *, of: int = 1, at_most: int = 10) -> list[int]:
    until = None if end is None else at(end)
    query = partial(sessions.began_within, licence=of, start=at(start), end=until, at_most=at_most)
    return [record.id for record in database.read(query)]


def test_what_runs_is_found_with_its_connections_oldest_first(database: Database) -> None:
    late, early, over = session(1, 5, running=True), session(2, 3, running=True), session(3)
    there, gone = connection(2, of=1), connection(1, of=1, left=4.25)
    write(database, late, early, over, connections=[there, gone])
    assert database.read(sessions.running) == [(early, []), (late, [gone, there])]


def test_written_twice_is_as_good_as_once(database: Database) -> None:
    """Whoever was not told whether a commit was done does it again."""
    runs, there = session(1, running=True), connection(1, of=1)
    for _ in range(2):
        write(database, runs, connections=[there])
    assert database.read(sessions.running) == [(runs, [there])]


def test_what_was_written_before_is_replaced(database: Database) -> None:
    write(database, session(1, running=True), connections=[connection(1, of=1)])
    changed = attrs.evolve(session(1, ends=25.5, running=True), visits=2)
    write(database, changed, connections=[connection(1, of=1, left=7)])
    assert database.read(sessions.running) == [(changed, [connection(1, of=1, left=7)])]


def test_connections_go_with_the_end_of_their_session_or_when_they_are_forgotten(database: Database) -> None:
    write(database, session(1, running=True), connections=[connection(1, of=1), connection(2, of=1)])
    write(database, forgotten=[1])
    assert database.read(sessions.running) == [(session(1, running=True), [connection(2, of=1)])]
    write(database, session(1))
    assert database.read(sessions.running) == []
    write(database, session(1, running=True))
    assert database.read(sessions.running) == [(session(1, running=True), [])]


def test_seen_to_run_until_a_moment_unless_it_is_over(database: Database) -> None:
    write(database, session(1, running=True), session(2))
    write(database, seen=[(1, at(60)), (2, at(60)), (3, at(60))])
    assert database.read(sessions.running) == [(session(1, ends=60, running=True), [])]
    ((_, over),) = [(record.id, record.until) for record in _all(database) if record.id == 2]
    assert over == at(10)


def test_no_number_is_given_twice(database: Database) -> None:
    assert database.read(sessions.last_ids) == (0, 0)
    write(database, session(7, running=True), connections=[connection(9, of=7)])
    assert database.read(sessions.last_ids) == (7, 9)
    write(database, attrs.evolve(session(7), visits=12))
    assert database.read(sessions.last_ids) == (7, 12)


def test_a_range_has_its_start_and_not_its_end(database: Database) -> None:
    write(database, session(1, 0), session(2, 10), session(3, 20), session(4, 10, of=2))
    assert within(database, 0, None) == [3, 2, 1]
    assert within(database, 0, 20) == [2, 1]
    assert within(database, 10, 20) == [2]
    assert within(database, 0, None, at_most=2) == [3, 2]
    assert within(database, 0, None, of=2) == [4]
    assert within(database, 0, None, of=3) == []


def test_use_of_rooms_counts_whole_seconds_of_each_session_the_longest_first(database: Database) -> None:
    short, long = [session(1, 0, 1.9, room="a"), session(2, 2, 3.9, room="a")], session(3, 5, 65.999, room="b")
    write(database, *short, long, session(4, 100, 200, room="a"), session(5, 5, 10, room="a", of=2))
    used = database.read(partial(sessions.by_room, licence=1, start=at(0), end=at(100)))
    assert used == [RoomOfUse("b", 1, 60), RoomOfUse("a", 2, 2)]


def _all(database: Database) -> list[SessionRecord]:
    return database.read(partial(sessions.began_within, licence=1, start=at(-1), end=None, at_most=10))
