"""Where an address is. The country comes with iptocc, its English name with tzdata; a data base of one's own (an .mmdb file)
says more. All of it is in memory: nobody waits for a look-up. What is not known is empty, and no look-up raises.
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

REMEMBERED = 4096
"""Addresses; most come again."""


class LocationDataError(Exception):
    """The file that a setting names cannot be used."""


@attrs.frozen
class Place:
    country_code: str = ""
    """ISO 3166-1, two letters."""
    country: str = ""
    """Its English name."""
    region: str = ""
    """With a data base of one's own only. So the next ones."""
    city: str = ""
    latitude: float | None = None
    longitude: float | None = None

    @property
    def district(self) -> str:
        return self.city or self.region

    def __str__(self) -> str:
        return ", ".join(part for part in (self.district, self.country) if part)


class Places:
    def __init__(self, path: str = "", setting: str = "http.location_data") -> None:
        """`setting`: which names the path. Raises LocationDataError."""
        self._database = _open(path, setting) if path else None
        self._countries = _countries()
        self.place = lru_cache(REMEMBERED)(self._place)

    def _place(self, address: str) -> Place:
        try:
            if not ipaddress.ip_address(address).is_global:
                return Place()
        except ValueError:
            return Place()
        found = self._looked_up(address)
        if isinstance(found, dict):
            country, where = _part(found, "country"), _part(found, "location")
            regions = found.get("subdivisions")
            region = regions[0] if isinstance(regions, list) and regions and isinstance(regions[0], dict) else {}
            return Place(
                country_code=_text(country.get("iso_code")),
                country=_name(country),
                region=_name(region),
                city=_name(_part(found, "city")),
                latitude=_number(where.get("latitude")),
                longitude=_number(where.get("longitude")),
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


def _open(path: str, setting: str) -> maxminddb.Reader:
    try:
        # Into memory: a file that is replaced while the server runs must not change under it.
        return maxminddb.open_database(Path(path), maxminddb.MODE_MEMORY)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise LocationDataError(f"{setting}: {path}: {error}") from None


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


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
