"""What is known of where somebody came from, by address and User-Agent: for the sessions of s-connector (contract section 5.1).

Both look-ups are local. The country of an address comes with iptocc, its English name with tzdata; a data base of one's own
([http] location_data, an .mmdb file) says the place too. What is not known is empty, and nothing here raises.
"""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import attrs
import iptocc
import maxminddb
import ua_parser

from api.limits import USER_AGENT_CHARS
from api.session import Visitor
from signalling.ports import Remote

# Addresses and browsers that are remembered; most come again.
REMEMBERED = 4096
PRESENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


class LocationDataError(Exception):
    """The file that [http] location_data names cannot be used."""


@attrs.frozen
class Place:
    country_code: str = ""
    """ISO 3166-1, two letters."""
    country: str = ""
    """Its English name."""
    district: str = ""
    """The city, else the region; only with a data base of one's own."""

    def __str__(self) -> str:
        return ", ".join(part for part in (self.district, self.country) if part)


@attrs.frozen
class Browser:
    name: str = ""
    version: str = ""
    system: str = ""
    system_version: str = ""

    def __str__(self) -> str:
        parts = (f"{self.name} {self.version}".strip(), f"{self.system} {self.system_version}".strip())
        return " on ".join(part for part in parts if part)


class Visitors:
    def __init__(self, location_data: str = "") -> None:
        """Raises LocationDataError. Loads the tables, some 0.1 s, so that nobody who joins waits for them."""
        self._database = _open(location_data) if location_data else None
        self._countries = _countries()
        self.place = lru_cache(REMEMBERED)(self._place)
        self.browser = lru_cache(REMEMBERED)(_browser)
        self.browser(PRESENT)

    def __call__(self, remote: Remote) -> Visitor:
        return Visitor(str(self.place(remote.address)), str(self.browser(remote.user_agent[:USER_AGENT_CHARS])))

    def _place(self, address: str) -> Place:
        try:
            if not ipaddress.ip_address(address).is_global:
                return Place()
        except ValueError:
            return Place()
        found = self._looked_up(address)
        if isinstance(found, dict):
            country = _part(found, "country")
            regions = found.get("subdivisions")
            region = regions[0] if isinstance(regions, list) and regions and isinstance(regions[0], dict) else {}
            return Place(
                country_code=_text(country.get("iso_code")),
                country=_name(country),
                district=_name(_part(found, "city")) or _name(region),
            )
        code = iptocc.country_code(address) or ""
        return Place(country_code=code, country=self._countries.get(code, code))

    def _looked_up(self, address: str) -> object:
        if self._database is None:
            return None
        try:
            return self._database.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError):  # of IPv4 alone, or damaged
            return None


def _open(path: str) -> maxminddb.Reader:
    try:
        # Into memory: a file that is replaced while the server runs must not change under it.
        return maxminddb.open_database(Path(path), maxminddb.MODE_MEMORY)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise LocationDataError(f"http.location_data: {path}: {error}") from None


def _countries() -> Mapping[str, str]:
    table = (resources.files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    lines = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return {code: name for code, name in lines}


def _part(record: dict[str, Any], key: str) -> dict[str, Any]:
    part = record.get(key)
    return part if isinstance(part, dict) else {}


def _name(part: dict[str, Any]) -> str:
    return _text(_part(part, "names").get("en"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _browser(user_agent: str) -> Browser:
    found = ua_parser.parse(user_agent)
    agent, system = found.user_agent, found.os
    return Browser(
        name="" if agent is None else agent.family,
        version="" if agent is None else _dotted(agent.major, agent.minor, agent.patch, agent.patch_minor),
        system="" if system is None else system.family,
        system_version="" if system is None else _dotted(system.major, system.minor, system.patch),
    )


def _dotted(*numbers: str | None) -> str:
    return ".".join(number for number in numbers if number)
