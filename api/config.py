"""The configuration: one TOML file, then `ATRIUM_<SECTION>_<KEY>`, then flags; the last word wins.

Invariant: nothing is ignored. An unknown section, key, environment variable of a known section, or a value of the
wrong type is a ConfigError that names it, so that a misspelt setting cannot leave a server on its default unseen.
`atrium.sample.toml` at the top has every key; a test compares the two.
"""

import ipaddress
import json
import os
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
from attrs.validators import ge, gt, in_, le

from api import shapes
from sfu.settings import MediaSettings
from signalling.settings import KpointSettings, LicenceSettings, RoomApiSettings

ENVIRONMENT_PREFIX = "ATRIUM_"


class ConfigError(Exception):
    """The configuration cannot be used; the message names the key and where it was written."""


@attrs.frozen
class Address:
    """HOST:PORT as the user writes it; an IPv6 host stands in brackets."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"{text!r} is not HOST:PORT; write an IPv6 address as [HOST]:PORT")
        if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"{text!r} is not HOST:PORT")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _address(_: object, attribute: "attrs.Attribute[str]", value: str) -> None:
    try:
        Address.parse(value)
    except ValueError as error:
        raise ValueError(f"{attribute.name}: {error}") from None


def _networks(_: object, attribute: "attrs.Attribute[tuple[str, ...]]", value: tuple[str, ...]) -> None:
    for network in value:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ValueError(f"{attribute.name}: {network!r} is neither an address nor a network") from None


@attrs.frozen
class HttpSettings:
    """[http]: the listener that carries pages, REST and WebSockets."""

    bind: str = attrs.field(default="127.0.0.1:8080", validator=_address)
    tls_cert: str = ""
    tls_key: str = ""
    trusted_proxies: tuple[str, ...] = attrs.field(default=("127.0.0.0/8", "::1/128"), validator=_networks)
    ping_interval_s: float = attrs.field(default=20.0, validator=gt(0))
    drain_deadline_s: float = attrs.field(default=10.0, validator=ge(0))
    location_data: str = ""

    def __attrs_post_init__(self) -> None:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key are given together or not at all")


@attrs.frozen
class StoreSettings:
    """[store]: SQLite in the data directory unless `url` names another database."""

    url: str = ""


@attrs.frozen
class RoomsSettings:
    """[rooms]: known, without keys yet."""


@attrs.frozen
class AnalyticsSettings:
    """[analytics] (contract analytics, section 10)."""

    private: str = attrs.field(default="required", validator=in_(("required", "open")))
    stats_interval_ms: int = attrs.field(default=10_000, validator=ge(1000))
    rate_limit_per_minute: int = attrs.field(default=2000, validator=ge(1))
    body_limit_bytes: int = attrs.field(default=5_000_000, validator=ge(2_500_000))
    batch_connection_events: bool = False
    max_events_per_session: int = attrs.field(default=20_000, validator=ge(1))
    init_secret: str = attrs.field(default="", repr=False)
    session_secret: str = attrs.field(default="", repr=False)
    dashboard_url: str = ""
    server_app: str = ""
    stale_conference_hours: float = attrs.field(default=4.0, validator=gt(0))
    cleanup_period_s: float = attrs.field(default=3600.0, validator=ge(1))
    retention_days: int = attrs.field(default=0, validator=ge(0))
    summary_cache_s: float = attrs.field(default=60.0, validator=[ge(0), le(60)])
    geo_mmdb: str = ""

    def __attrs_post_init__(self) -> None:
        if self.init_secret and self.init_secret == self.session_secret:
            raise ValueError("analytics.init_secret and analytics.session_secret must differ")


@attrs.frozen
class SipSettings:
    """[sip]: known, without keys yet."""


@attrs.frozen
class Config:
    """All sections. Where the data directory is, is no section: the command line alone says it."""

    http: HttpSettings = attrs.field(factory=HttpSettings)
    media: MediaSettings = attrs.field(factory=MediaSettings)
    store: StoreSettings = attrs.field(factory=StoreSettings)
    rooms: RoomsSettings = attrs.field(factory=RoomsSettings)
    room_api: RoomApiSettings = attrs.field(factory=RoomApiSettings)
    kpoint: KpointSettings = attrs.field(factory=KpointSettings)
    licence: LicenceSettings = attrs.field(factory=LicenceSettings)
    analytics: AnalyticsSettings = attrs.field(factory=AnalyticsSettings)
    sip: SipSettings = attrs.field(factory=SipSettings)

    def __attrs_post_init__(self) -> None:
        # The layer of this setting knows no addresses.
        if self.room_api.members_bind:
            try:
                Address.parse(self.room_api.members_bind)
            except ValueError as error:
                raise ValueError(f"room_api.members_bind: {error}") from None


SECTIONS: Mapping[str, type] = get_type_hints(Config)


def keys(section: str) -> Mapping[str, Any]:
    """The keys of a section and their types."""
    hints = get_type_hints(SECTIONS[section])
    return {field.name: hints[field.name] for field in attrs.fields(SECTIONS[section])}


def load(
    path: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    flags: Mapping[tuple[str, str], object] | None = None,
) -> Config:
    """The configuration of this process. `flags` maps (section, key) to what the command line gave."""
    tables = _file(path) if path is not None else {}
    for (section, key), value in _environment(environment):
        tables.setdefault(section, {})[key] = value
    for (section, key), value in (flags or {}).items():
        tables.setdefault(section, {})[key] = value
    try:
        return shapes.read(tables, Config)
    except shapes.Misshapen as error:
        source = f"{path}: " if path is not None else ""
        raise ConfigError(f"{source}{error}") from None


def _file(path: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    for section, table in tables.items():
        if not isinstance(table, dict):
            known = ", ".join(f"[{name}]" for name in SECTIONS)
            raise ConfigError(f"{path}: {section}: unknown key outside of the sections {known}")
    return tables


def _environment(environment: Mapping[str, str]) -> list[tuple[tuple[str, str], object]]:
    found = []
    for variable, text in sorted(environment.items()):
        section, key = _named(variable)
        if not section:
            continue  # not ours: ATRIUM_ may begin other tools' variables, but never with the name of a section
        known = keys(section)
        if key not in known:
            raise ConfigError(f"{variable}: unknown key {key!r} of [{section}]")
        try:
            found.append(((section, key), _value(text, known[key])))
        except ValueError:
            raise ConfigError(f"{variable}: {text!r} is not what {section}.{key} wants") from None
    return found


def _named(variable: str) -> tuple[str, str]:
    for section in SECTIONS:
        start = f"{ENVIRONMENT_PREFIX}{section.upper()}_"
        if variable.startswith(start):
            return section, variable.removeprefix(start).lower()
    return "", ""


def _value(text: str, wanted: Any) -> object:
    if get_origin(wanted) in (Union, types.UnionType):
        wanted = next(kind for kind in get_args(wanted) if kind is not type(None))
    if wanted is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if wanted in (int, float):
        return wanted(text)
    if get_origin(wanted) is tuple:
        return [item.strip() for item in text.split(",") if item.strip()]
    if get_origin(wanted) is Mapping:
        return json.loads(text)
    return text
