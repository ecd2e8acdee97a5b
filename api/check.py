"""`atrium config check`: what would keep the server from starting, or from working well, each with the cure.

Every check tries the thing itself where it can. "fail" means that `atrium serve` would not start or no call would work;
"warn" means that it works until there is load, or trouble.
"""

import ctypes
import importlib
import os
import resource
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import attrs
from cryptography import x509

from api.config import Address, Config, ConfigError, load
from api.keyring import SECRET_FILE
from api.places import LocationDataError, Places
from api.store import Database, StoreError
from sfu import bind_workers

Verdict = Literal["ok", "warn", "fail"]
OK: Final[Verdict] = "ok"
WARN: Final[Verdict] = "warn"
FAIL: Final[Verdict] = "fail"

FILES_WANTED = 4096
BUFFER_BYTES_WANTED = 4 * 1024 * 1024
WHOSE = "is a server running, or is it not this host's?"
LIBRARIES = ("pylibsrtp", "OpenSSL", "aioice", "native.plane")
CERTIFICATE_DAYS = 14
# adjtimex(2): the clock is not synchronised.
TIME_ERROR = 5


@attrs.frozen
class Finding:
    what: str
    verdict: Verdict
    says: str


def findings(path: Path | None, data: Path) -> list[Finding]:
    try:
        config = load(path)
    except ConfigError as error:
        return [Finding("configuration", FAIL, str(error))]
    found = [Finding("configuration", OK, str(path) if path else "defaults and environment")]
    for check in (
        _data(config, data),
        _ports(config),
        _files(),
        _buffers(),
        _libraries(),
        _clock(),
        _certificate(config),
        _location_data(config),
    ):
        found.extend(check)
    return found


def _data(config: Config, data: Path) -> Iterator[Finding]:
    if not data.exists():
        yield Finding("data", OK, f"{data} will be made")
        return
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("data", FAIL, f"{data} cannot be written by this user")
        return
    secret = data / SECRET_FILE
    if secret.exists() and secret.stat().st_mode & 0o077:
        yield Finding("data", WARN, f"{secret} can be read by others; chmod 600 it")
    try:
        database = Database(data, config.store.url)
    except StoreError as error:
        yield Finding("store", FAIL, str(error))
    else:
        yield Finding("store", OK, str(database))
        database.close()


def _ports(config: Config) -> Iterator[Finding]:
    addresses = {"http": config.http.bind, "members": config.room_api.members_bind}
    with ExitStack() as held:  # all at once, as the server does: two of them may be one address
        for what, bind in addresses.items():
            if bind:
                yield _tcp(what, Address.parse(bind), held)
    yield from _media(config)


def _tcp(what: str, address: Address, held: ExitStack) -> Finding:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        probe = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address.host, address.port))
        probe.listen(1)
    except OSError as error:
        return Finding(what, FAIL, f"TCP {address}: {error.strerror}; {WHOSE}")
    return Finding(what, OK, f"TCP {address} is free")


def _media(config: Config) -> Iterator[Finding]:
    """Every socket of every worker, bound as the server does it."""
    try:
        workers = bind_workers(config.media.bind, config.media.worker_count)
    except ValueError as error:
        yield Finding("media", FAIL, f"media.bind: {error}")
        return
    except OSError as error:
        yield Finding("media", FAIL, f"UDP: {error.strerror or error}; {WHOSE}")
        return
    for bound in (bound for worker in workers for bound in worker):
        bound.socket.close()
        yield Finding("media", OK, f"UDP {bound} is free")


def _files() -> Iterator[Finding]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FILES_WANTED:
        yield Finding("open files", WARN, f"limit {soft}; a socket is a file: raise it to {FILES_WANTED} (ulimit -n)")
    else:
        yield Finding("open files", OK, f"limit {soft}")


def _buffers() -> Iterator[Finding]:
    for name in ("rmem_max", "wmem_max"):
        try:
            allowed = int(Path(f"/proc/sys/net/core/{name}").read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue  # not shown in this container, so nothing can be said
        if allowed < BUFFER_BYTES_WANTED:
            cure = f"sysctl -w net.core.{name}={BUFFER_BYTES_WANTED}"
            yield Finding("kernel buffers", WARN, f"net.core.{name} is {allowed}; bursts of media may be lost: {cure}")
        else:
            yield Finding("kernel buffers", OK, f"net.core.{name} is {allowed}")


def _libraries() -> Iterator[Finding]:
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            yield Finding("libraries", FAIL, f"{name}: {error}; make build")
        else:
            yield Finding("libraries", OK, name)


def _clock() -> Iterator[Finding]:
    """Tokens and the media's wall clock need the time; `modes = 0` only reads (adjtimex(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    state = libc.adjtimex(ctypes.create_string_buffer(512)) if hasattr(libc, "adjtimex") else -1
    if state == TIME_ERROR:
        yield Finding("clock", WARN, "not synchronised; tokens and reports carry its time: run an NTP client")
    elif state >= 0:
        yield Finding("clock", OK, "synchronised")


def _location_data(config: Config) -> Iterator[Finding]:
    for setting, path in (
        ("http.location_data", config.http.location_data),
        ("analytics.geo_mmdb", config.analytics.geo_mmdb),
    ):
        if path:
            try:
                Places(path, setting)
            except LocationDataError as error:
                yield Finding("location data", FAIL, str(error))
            else:
                yield Finding("location data", OK, path)


def _certificate(config: Config) -> Iterator[Finding]:
    http = config.http
    if not http.tls_cert:
        yield Finding("certificate", OK, "none: HTTP; browsers give cameras to localhost only")
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(http.tls_cert, http.tls_key)
        certificate = x509.load_pem_x509_certificate(Path(http.tls_cert).read_bytes())
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        yield Finding("certificate", FAIL, f"{http.tls_cert}, {http.tls_key}: {error}")
        return
    ends = certificate.not_valid_after_utc
    left = ends - datetime.now(UTC)
    if left.total_seconds() <= 0:
        yield Finding("certificate", FAIL, f"{http.tls_cert} expired on {ends:%Y-%m-%d}")
    elif left.days < CERTIFICATE_DAYS:
        yield Finding("certificate", WARN, f"{http.tls_cert} expires on {ends:%Y-%m-%d}")
    else:
        yield Finding("certificate", OK, f"{http.tls_cert} is good until {ends:%Y-%m-%d}")
