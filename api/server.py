"""The composition root: configuration in, a running server out, and its end in order.

Nurseries nest by life time: store > engine > rooms > http. At start each layer is up before the one above it; at the end

1. the first SIGTERM or SIGINT: `/readyz` turns 503, rooms drain for at most [http] drain_deadline_s while calls go on;
2. HTTP stops accepting, then rooms and engine end, and what they left to write is written. A second signal skips the
   waiting of 1.

While it runs, `DIR/server.json` (0600) tells local commands where the server is and lets them in.
"""

import errno
import fcntl
import gc
import json
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import attrs
import sqlalchemy as sa
import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.config import Sockets
from hypercorn.trio.run import worker_serve
from hypercorn.typing import ASGIFramework
from quart_trio import QuartTrio

from api import containment, dashboard, http, live, operations, room_api, s_connector, site, sockets, viewers
from api.admins import Admins
from api.analytics import app as analytics
from api.analytics.summing import Summing
from api.analytics.tokens import ReportTokens
from api.analytics.upkeep import Upkeep
from api.analytics.witness import Witness
from api.analytics.writer import Writer
from api.config import Address, Config
from api.connections import Connections
from api.directory import StoredDirectory
from api.gate import Gate, Proxies
from api.keyring import Keyring, make_private
from api.leftovers import Leftovers
from api.licences import LicenceKeys, StoredLicenceRooms, StoredLicences, make_configured, make_demo
from api.limits import HEAD_TIMEOUT_S, HEADER_BYTES, PATH_BYTES, QUERY_BYTES
from api.passwords import PasswordChecks
from api.places import LocationDataError, Places
from api.revocations import Revocations
from api.services import Engine, Readiness, Services
from api.sessions import Sessions
from api.store import Database, Store, rooms
from api.tokens import RoomTokens
from api.visitors import Visitors
from sfu import Engine as MediaEngine
from sfu import MediaSettings
from signalling import IceServers, Rooms
from signalling.rooms import utc_now

log = structlog.get_logger(__name__)

SERVER_FILE = "server.json"
LOCK_FILE = "lock"
DEMO_ROOM = "demo"
TOKENS = "room tokens"
REPORTS_BEGIN = "tokens of reports that begin"
REPORTS_GO_ON = "tokens of reports that go on"
# Beyond the drain: sockets that read nothing are cut by deadlines of their own, shorter than this.
LAST_WORDS_S = 15.0
# For requests under way once HTTP has stopped accepting.
GRACE_S = 1.0
BACKLOG = 1024
# New objects between two looks for garbage; Python's 700 are less than one notification to a large room makes.
GARBAGE_AFTER = 10_000
# How long the thread that serves waits for the interpreter when another, such as the store's, has it. With Python's 5 ms a
# request can wait as long at each of its system calls.
INTERPRETER_WAIT_S = 0.001


class StartError(Exception):
    """The server cannot start; the message is for the person who started it."""


@attrs.frozen
class Ready:
    """Where a started server is reached."""

    http: str
    media: tuple[str, ...]

    def line(self) -> str:
        return json.dumps({"ready": True, "http": self.http, "media": list(self.media)})


def run(config: Config, directory: Path, *, demo: bool = False) -> None:
    """Serve until a signal ends it; the ready line is the only thing on stdout."""
    try:
        trio.run(partial(serve, config, directory, engine_factory=MediaEngine, demo=demo, announce=_be_ready))
    except BaseExceptionGroup as group:
        # Nested nurseries wrap what ended the start; the person who started it wants the reason alone.
        reasons = group.subgroup(StartError)
        if reasons is None:
            raise
        raise _first(reasons) from None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _be_ready(ready: Ready) -> None:
    # What is loaded now stays: looking through it again with every full collection only makes those longer.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER, 10, 10)
    sys.setswitchinterval(INTERPRETER_WAIT_S)
    _print_ready(ready)


def _print_ready(ready: Ready) -> None:
    print(ready.line(), flush=True)


def make_app(services: Services) -> QuartTrio:
    app = QuartTrio("api", static_folder=None)
    http.mount(app)
    for module in (viewers, room_api, live, dashboard, operations, sockets, site, s_connector, analytics):
        module.mount(app, services)
    return app


def make_members_app(services: Services) -> QuartTrio:
    """What [room_api] members_bind serves: one route, and 404 for everything else."""
    app = QuartTrio("members", static_folder=None)
    http.mount(app)
    viewers.mount(app, services)
    room_api.mount_members(app, services)
    return app


async def serve(
    config: Config,
    directory: Path,
    *,
    engine_factory: Callable[[MediaSettings], Engine],
    demo: bool = False,
    announce: Callable[[Ready], None] = _print_ready,
) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock(directory):
        keyring = Keyring.open(directory)
        database = await trio.to_thread.run_sync(Database, directory, config.store.url)
        try:
            await _serve_from(Store(database), keyring, config, directory, engine_factory, demo, announce)
        finally:
            database.close()


async def _serve_from(
    store: Store,
    keyring: Keyring,
    config: Config,
    directory: Path,
    engine_factory: Callable[[MediaSettings], Engine],
    demo: bool,
    announce: Callable[[Ready], None],
) -> None:
    if demo:
        await store.write(_make_demo_room)
        await store.write(partial(make_demo, keyring=keyring))
    if config.kpoint.keys:
        await store.write(partial(make_configured, keyring=keyring, codes=config.kpoint.keys))
    passwords = PasswordChecks()
    admins = Admins(store, keyring, passwords)
    await admins.make_first_password(directory)
    proxies = Proxies(config.http.trusted_proxies)
    stored = StoredDirectory(store, keyring, passwords)
    engine = engine_factory(config.media)
    revocations = await Revocations.open(store, config.room_api.token_ttl_s)
    tokens = RoomTokens(keyring.derive(TOKENS), config.room_api.token_ttl_s, revocations)
    licence_keys = LicenceKeys(keyring, config.licence.zone)
    licences = StoredLicences(store, licence_keys, config.kpoint.keys)
    licence_rooms = await StoredLicenceRooms.open(store)
    try:
        places = await trio.to_thread.run_sync(Places, config.http.location_data)
        of_calls = config.analytics.geo_mmdb
        places_of_calls = Places(of_calls, "analytics.geo_mmdb") if of_calls else places
    except LocationDataError as error:
        raise StartError(str(error)) from None
    visitors = await trio.to_thread.run_sync(Visitors, places)
    sessions = await Sessions.open(
        store,
        rooms=[room.uuid for room in await licence_rooms.all()],
        describe=visitors,
        grace_s=config.room_api.socket_grace_s,
    )
    summing = Summing(store)
    reports = Writer(store, config.analytics.max_events_per_session, summing.ended)
    witness = Witness(store, reports, config.analytics, visitors, places_of_calls)
    services = Services(
        config=config,
        store=store,
        keyring=keyring,
        passwords=passwords,
        admins=admins,
        directory=stored,
        tokens=tokens,
        licence_keys=licence_keys,
        licences=licences,
        licence_rooms=licence_rooms,
        sessions=sessions,
        visitors=visitors,
        places=places_of_calls,
        reports=reports,
        upkeep=Upkeep(store, reports, config.analytics, summing.ended),
        report_tokens=_report_tokens(config, keyring),
        engine=engine,
        rooms=Rooms(
            engine,
            stored,
            tokens,
            config.room_api,
            [sessions, witness],
            kpoint=config.kpoint,
            licences=licences,
            licence_rooms=licence_rooms,
            connect_timeout_s=config.media.connect_timeout_s,
            ice_servers=IceServers(config.media.turn_urls, config.media.turn_secret, config.media.turn_ttl_s),
            time_zone=config.licence.zone,
            clock=utc_now,
        ),
        connections=Connections(proxies),
        readiness=Readiness(),
        local_key=secrets.token_urlsafe(32),
        demo=demo,
    )
    containment.install(services.connections)
    listeners = {"http.bind": (config.http.bind, make_app(services))}
    if config.room_api.members_bind:
        listeners["room_api.members_bind"] = (config.room_api.members_bind, make_members_app(services))
    stop_http = trio.Event()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as store_nursery:
            await store_nursery.start(revocations.run)
            await store_nursery.start(licence_rooms.run)
            await store_nursery.start(sessions.run)
            await store_nursery.start(reports.run)
            await store_nursery.start(summing.run, reports)
            await store_nursery.start(services.upkeep.run)
            # Rooms that end tell the witness, which tells the writer: each outlives the one before.
            async with trio.open_nursery() as witness_nursery, trio.open_nursery() as engine_nursery:
                await witness_nursery.start(witness.run, services.rooms.snapshot)
                try:
                    await engine_nursery.start(engine.run)
                except (OSError, ValueError) as error:
                    raise StartError(f"media: {error}") from None
                async with trio.open_nursery() as rooms_nursery:
                    await rooms_nursery.start(services.rooms.run)
                    await services.rooms.restore()
                    rooms_nursery.start_soon(services.connections.ping, config.http.ping_interval_s)
                    async with trio.open_nursery() as http_nursery:
                        addresses = [
                            await http_nursery.start(
                                _serve_http, Gate(Leftovers(app), proxies), config, key, bind, stop_http
                            )
                            for key, (bind, app) in listeners.items()
                        ]
                        ready = Ready(_reachable(addresses[0]), tuple(engine.media))
                        with _ServerFile(directory, ready.http, services.local_key):
                            announce(ready)
                            if demo:
                                log.info("open this page in two tabs", page=f"{ready.http}/meet/{DEMO_ROOM}")
                                log.info("or a call by KPOINT", page=f"{ready.http}/kpoint-demo")
                            await anext(signals)
                            await _drain(services, signals)
                        stop_http.set()
                    rooms_nursery.cancel_scope.cancel()
                engine_nursery.cancel_scope.cancel()
                witness_nursery.cancel_scope.cancel()
            store_nursery.cancel_scope.cancel()


def _report_tokens(config: Config, keyring: Keyring) -> ReportTokens:
    init, session = config.analytics.init_secret, config.analytics.session_secret
    return ReportTokens(
        init.encode() or keyring.derive(REPORTS_BEGIN), session.encode() or keyring.derive(REPORTS_GO_ON)
    )


async def _drain(services: Services, signals: AsyncIterator[int]) -> None:
    log.info("draining", deadline_s=services.config.http.drain_deadline_s)
    services.readiness.draining = True
    async with trio.open_nursery() as nursery:

        async def hurry() -> None:
            await anext(signals)
            log.info("stopping at once")
            nursery.cancel_scope.cancel()

        nursery.start_soon(hurry)
        with trio.move_on_after(services.config.http.drain_deadline_s + LAST_WORDS_S):
            await services.rooms.drain(services.config.http.drain_deadline_s)
        nursery.cancel_scope.cancel()


async def _serve_http(
    app: Gate,
    config: Config,
    key: str,
    bind: str,
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on `bind`, the value of the setting `key`, until `stop`; has started with the bound address as a URL."""
    settings = HypercornConfig()
    settings.certfile = config.http.tls_cert or None
    settings.keyfile = config.http.tls_key or None
    # One protocol, one set of faults: hypercorn's HTTP/2 would carry WebSockets by a path of its own.
    settings.alpn_protocols = ["http/1.1"]
    settings.errorlog = logging.getLogger("hypercorn.error")
    settings.include_server_header = False
    settings.h11_max_incomplete_size = PATH_BYTES + QUERY_BYTES + HEADER_BYTES
    settings.keep_alive_timeout = HEAD_TIMEOUT_S
    # No read_timeout: it would end quiet WebSockets. Pings find the dead ones, and those are not hypercorn's.
    settings.graceful_timeout = GRACE_S
    try:
        settings.create_ssl_context()
    except OSError as error:  # what ssl raises is one
        raise StartError(f"http.tls_cert, http.tls_key: {error}") from None
    with _listening(key, Address.parse(bind)) as listener:
        sockets = Sockets([listener], [], []) if settings.ssl_enabled else Sockets([], [listener], [])
        async with trio.open_nursery() as nursery:
            serving = partial(worker_serve, ASGIWrapper(cast(ASGIFramework, app)), settings, sockets=sockets)
            (url,) = await nursery.start(partial(serving, shutdown_trigger=stop.wait))
            task_status.started(url)


def _listening(key: str, bind: Address) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in bind.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
        listener.bind((bind.host, bind.port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        what = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror or error}"
        raise StartError(f"{key}: {bind} {what}") from None
    return listener


def _reachable(url: str) -> str:
    """The URL with a wildcard address replaced by the loopback one, so that it can be opened as printed."""
    parts = urlsplit(url)
    wildcard = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(parts.hostname or "")
    return f"{parts.scheme}://{wildcard}:{parts.port}" if wildcard else url


def _make_demo_room(connection: sa.Connection) -> None:
    if rooms.oldest_by_name(connection, DEMO_ROOM) is None:
        rooms.add(connection, name=DEMO_ROOM, open=True)


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    """Hold the directory for one server. The kernel lets go of it however the process ends, so no pid is ever asked.

    The file stays: removed, it could be locked by two, one with the old file open and one with a new one.
    """
    path = directory / LOCK_FILE
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            why = "another server runs on this directory" if isinstance(error, BlockingIOError) else error.strerror
            raise StartError(f"{path}: {why}") from None
        yield


class _ServerFile:
    """`DIR/server.json`, there while the block runs. What a killed server left behind is replaced.

    Whoever makes it holds the lock of the directory, so what is there is nobody's.
    """

    def __init__(self, directory: Path, http: str, key: str) -> None:
        self._path = directory / SERVER_FILE
        self._content = json.dumps({"http": http, "pid": os.getpid(), "key": key}).encode()

    def __enter__(self) -> None:
        self._path.unlink(missing_ok=True)
        if not make_private(self._path, self._content):
            raise StartError(f"{self._path}: somebody else writes it")

    def __exit__(self, *_: object) -> None:
        try:
            if self._path.read_bytes() == self._content:
                self._path.unlink()
        except OSError as error:
            print(f"{self._path}: {error}", file=sys.stderr)
