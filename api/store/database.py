"""One database: SQLite in the data directory, or what [store] url names. Synchronous; for commands and for threads.

Rules. A write is one transaction that takes its lock when it begins, and when `write` returns it is on disk: what was
acknowledged survives kill -9 and, SQLite syncing each commit, a power cut. A read sees one state of the database, however
many questions it asks, and never waits for writes (WAL). Several processes may share the database: commands write while
the server runs.

Migrations run on opening, in one transaction under a lock, so that two processes that start at once make one step each.
"""

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

# Not structlog's: commands open databases too, and set no logs up.
log = logging.getLogger(__name__)
T = TypeVar("T")

SQLITE_FILE = "atrium.db"
LOCK_WAIT_S = 10.0
LOCK_RETRY_S = 0.01
# "atrium" in ASCII: the advisory lock under which PostgreSQL databases are migrated.
MIGRATION_LOCK = 0x61747269756D
_MIGRATIONS = Path(__file__).with_name("migrations")


class StoreError(Exception):
    """The database cannot be opened or is not one for this version."""


class Database:
    def __init__(self, directory: Path, url: str = "") -> None:
        try:
            self._url = sa.make_url(url) if url else sa.URL.create("sqlite", database=str(directory / SQLITE_FILE))
            self._watch: sqlite3.Connection | None = None
            self._engine = _sqlite(self._url) if self._sqlite else sa.create_engine(self._url, pool_pre_ping=True)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise StoreError(f"store.url: {error}") from None
        try:
            self._migrate()
            self._watch = _watching(self._url) if self._sqlite else None
        except BaseException as error:
            self.close()
            if isinstance(error, DBAPIError):
                raise StoreError(f"{self}: {error.orig}") from None
            raise

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True)

    @property
    def _sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    def read(self, query: Callable[[sa.Connection], T]) -> T:
        # PostgreSQL shows each statement a state of its own unless told otherwise; SQLite knows no other way.
        one_state = {} if self._sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._engine.connect().execution_options(**one_state) as connection:
            return query(connection)

    def write(self, change: Callable[[sa.Connection], T]) -> T:
        """Run `change` in one transaction; it is durable when this returns."""
        with self._engine.connect().execution_options(atrium_writes=True) as connection, connection.begin():
            return change(connection)

    def version(self) -> int | None:
        """Another one after every commit, whoever's. None: this database cannot say, or not now.

        Takes microseconds and waits for nothing, so it may be asked where `read` may not; by one thread.
        """
        if self._watch is None:
            return None
        try:
            found = self._watch.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return None
        return int(found[0])

    def close(self) -> None:
        self._engine.dispose()
        if self._watch is not None:
            self._watch.close()

    def _migrate(self) -> None:
        script = ScriptDirectory.from_config(_alembic())
        head = script.get_current_head()

        def revision(connection: sa.Connection) -> str | None:
            return MigrationContext.configure(connection).get_current_revision()

        def at_head(connection: sa.Connection) -> bool:
            current = revision(connection)
            if current is not None and current not in {step.revision for step in script.walk_revisions()}:
                raise StoreError(f"{self} was made by a newer Atrium (its revision is {current}, this one's {head})")
            return current == head

        def upgrade(connection: sa.Connection) -> None:
            if not self._sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            if not at_head(connection):
                log.info("%s is brought from revision %s to %s", self, revision(connection) or "none", head)
                migrate(connection)

        if not self.read(at_head):
            self.write(upgrade)


def migrate(connection: sa.Connection, revision: str = "head") -> None:
    """The steps up to `revision`, in the transaction of the caller."""
    config = _alembic()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _alembic() -> AlembicConfig:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = AlembicConfig()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": LOCK_WAIT_S, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _: object) -> None:
        # The driver would begin transactions by its own rules; ours begin in `begin` below.
        connection.isolation_level = None
        _write_ahead(connection)
        for pragma in ("synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A transaction that reads first and writes later would meet SQLITE_BUSY at once, timeout or not.
        writes = connection.get_execution_options().get("atrium_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _watching(url: sa.URL) -> sqlite3.Connection | None:
    """A connection that only looks whether others have written. In memory there are no others to be seen."""
    if url.database in (None, "", ":memory:") or url.query:
        return None
    return sqlite3.connect(str(url.database), timeout=0, isolation_level=None, check_same_thread=False)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turns WAL on, which a database keeps from then on."""
    too_late = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            # The one statement here that the driver's timeout does not cover: it reads, then writes, and SQLite lets nobody
            # wait who holds a read lock. So of two that open a new database at once, one is refused and has to try again.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > too_late:
                raise
            time.sleep(LOCK_RETRY_S)


Row = sa.Row[Any]
