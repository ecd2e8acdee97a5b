"""`atrium licence`: customers, what they may use at once and until when, and the keys that they are given.

The database is written and nothing else, so a change holds from the next `register`, token or join on, whether a server
runs or not. Only `disable --now` tells the running server, to end what runs.
"""

from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

from attrs import evolve
from cyclopts import App, Parameter

from api.cli import HERE, AsJson, CommandError, NoServer, Place, ask, check_text, print_json, print_rows
from api.http import moment
from api.licences import ORIGIN, LicenceKeys, first_moment, last_moment, make
from api.limits import DOMAIN_CHARS, KEY_DAYS, LICENCE_MAXIMUM
from api.store import licences, sessions
from api.store.licences import LicenceRecord
from signalling.limits import CP_CODE_CHARS

DEFAULT_KEY_DAYS = 365

app = App(name="licence", help="Licences: customers, their limits and their keys.")

KeyDays = Annotated[int, Parameter(help="How many days the licence key is good.")]


@app.command(name="add")
def add(
    *,
    domain: Annotated[str, Parameter(help="A word, or the origin (https://host) of the pages that embed its rooms.")],
    room_limit: Annotated[int | None, Parameter(help="Rooms in which somebody is, at once.")] = None,
    max_users: Annotated[int | None, Parameter(help="Users connected at once.")] = None,
    cp_code: Annotated[
        str | None, Parameter(help="By which KPOINT clients name it; made up if it is not given.")
    ] = None,
    start: Annotated[str | None, Parameter(help="First day, or moment, on which its auth key is good.")] = None,
    end: Annotated[str | None, Parameter(help="Last day, or moment, on which its auth key is good.")] = None,
    key_days: KeyDays = DEFAULT_KEY_DAYS,
    place: Place = HERE,
    json: AsJson = False,
) -> None:
    """Make a licence. Its secret key is shown this once and kept only as a hash."""
    _check_domain(domain)
    if cp_code is not None:
        check_text("--cp-code", cp_code, CP_CODE_CHARS)
    for flag, number in (("--room-limit", room_limit), ("--max-users", max_users)):
        if number is not None and not 0 <= number <= LICENCE_MAXIMUM:
            raise CommandError(f"{flag}: 0 to {LICENCE_MAXIMUM:,}; without it there is no limit")
    _check_key_days(key_days)
    _check_dates(start, end, place)
    keyring = place.keyring()
    with place.database() as database:
        record, secret = database.write(
            partial(
                make,
                keyring=keyring,
                domain=domain,
                cp_code=cp_code,
                room_limit=room_limit,
                max_users=max_users,
                starts_on=start,
                ends_on=end,
            )
        )
    about = {"id": str(record.id), "domain": record.domain, "accessKey": record.access_key, "secretKey": secret}
    _print(about | _keys(record, place, key_days), json)


@app.command(name="list")
def list_licences(*, place: Place = HERE, json: AsJson = False) -> None:
    """List the licences, not their secrets."""
    with place.database() as database:
        found = database.read(licences.all_licences)
    columns = ("id", "domain", "accessKey", "cpCode", "roomLimit", "maxUsers", "start", "end", "enabled", "createdAt")
    print_rows([_listed(record) for record in found], columns, json)


@app.command(name="disable")
def disable(
    which: Annotated[str, Parameter(help="Id, domain or access key.")],
    *,
    now: Annotated[bool, Parameter(negative="", help="End its running calls too.")] = False,
    place: Place = HERE,
    json: AsJson = False,
) -> None:
    """Let nobody in by this licence any more. Running calls may finish."""
    record = _enable(which, False, place)
    if now:
        try:
            ask(place, "DELETE", f"/v1/live/licences/{record.id}")
        except NoServer:
            pass  # then nothing of the licence runs
    if json:
        print_json(_listed(record))


@app.command(name="enable")
def enable(
    which: Annotated[str, Parameter(help="Id, domain or access key.")], *, place: Place = HERE, json: AsJson = False
) -> None:
    """Make a disabled licence good again."""
    record = _enable(which, True, place)
    if json:
        print_json(_listed(record))


@app.command(name="key")
def key(
    which: Annotated[str, Parameter(help="Id, domain or access key.")],
    *,
    key_days: KeyDays = DEFAULT_KEY_DAYS,
    place: Place = HERE,
    json: AsJson = False,
) -> None:
    """Make a new licence key; former ones stay good until they expire. The auth key is always the same."""
    _check_key_days(key_days)
    with place.database() as database:
        record = _the_one(database.read(partial(licences.named, which=which)), which)
    _print({"id": str(record.id), "domain": record.domain} | _keys(record, place, key_days), json)


@app.command(name="usage")
def usage(
    which: Annotated[str, Parameter(help="Id, domain or access key.")],
    *,
    month: Annotated[str | None, Parameter(help="YYYY-MM; the present one if it is not given.")] = None,
    place: Place = HERE,
    json: AsJson = False,
) -> None:
    """How long each room was in use: the sessions that began in a month, whole. What runs counts as far as it is written."""
    zone = place.loaded().licence.zone
    begins, ends = _month(month, zone)
    with place.database() as database:
        record = _the_one(database.read(partial(licences.named, which=which)), which)
        used = database.read(partial(sessions.by_room, licence=record.id, start=begins, end=ends))
    seconds, count = sum(room.seconds for room in used), sum(room.sessions for room in used)
    if json:
        rooms = [{"roomName": room.name, "sessions": room.sessions, "seconds": room.seconds} for room in used]
        about = {"id": str(record.id), "domain": record.domain, "month": f"{begins:%Y-%m}", "timeZone": str(zone)}
        print_json({**about, "totalSecond": seconds, "sessions": count, "rooms": rooms})
        return
    rows = [(room.name, room.sessions, room.seconds) for room in used] + [("all rooms", count, seconds)]
    shown = [{"room": name, "sessions": of_room, "time": _length(length)} for name, of_room, length in rows]
    print_rows(shown, ("room", "sessions", "time"), False)


def _month(month: str | None, zone: tzinfo) -> tuple[datetime, datetime]:
    """Its first moment, and that of the next."""
    try:
        begins = datetime.now(zone) if month is None else datetime.strptime(month, "%Y-%m")
        begins = datetime(begins.year, begins.month, 1, tzinfo=zone)
        ends = datetime(begins.year + begins.month // 12, begins.month % 12 + 1, 1, tzinfo=zone)
        for edge in (begins, ends):
            edge.astimezone(UTC)  # as the store will have it: no year 0, no year 10000
        return begins, ends
    except (ValueError, OverflowError):
        raise CommandError(f"--month: {month!r} is no month such as 2026-11") from None


def _length(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _check_domain(domain: str) -> None:
    check_text("--domain", domain, DOMAIN_CHARS)
    if any(letter.isspace() for letter in domain):
        raise CommandError("--domain: without spaces")
    if "/" not in domain:
        return
    try:
        parts = urlsplit(domain)
        default_port = parts.port == {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        default_port = True
    if default_port or not ORIGIN.fullmatch(domain):
        raise CommandError(
            "--domain: a word, or an origin as browsers write it: https://host or https://host:port, in lower case, "
            "without a path, without the port that is meant anyway, and no IPv6 address"
        )


def _check_dates(start: str | None, end: str | None, place: Place) -> None:
    zone = place.loaded().licence.zone
    begins, ends = None, None
    try:
        flag = "--start"
        begins = first_moment(start, zone) if start is not None else None
        flag = "--end"
        ends = last_moment(end, zone) if end is not None else None
    except ValueError as error:
        raise CommandError(f"{flag}: {error}") from None
    if begins is not None and ends is not None and ends <= begins:
        raise CommandError("--end: is not after --start")


def _check_key_days(days: int) -> None:
    if not 1 <= days <= KEY_DAYS:
        raise CommandError(f"--key-days: 1 to {KEY_DAYS:,}")


def _enable(which: str, enabled: bool, place: Place) -> LicenceRecord:
    with place.database() as database:
        record = _the_one(database.read(partial(licences.named, which=which)), which)
        database.write(partial(licences.enable, id=record.id, enabled=enabled))
    return evolve(record, enabled=enabled)


def _the_one(found: list[LicenceRecord], which: str) -> LicenceRecord:
    match found:
        case [record]:
            return record
        case []:
            raise CommandError(f"no licence {which!r}")
        case _:
            ids = " and ".join(str(record.id) for record in found)
            raise CommandError(
                f"{which!r} is the id of one licence and the domain of another ({ids}); use the access key"
            )


def _keys(record: LicenceRecord, place: Place, days: int) -> dict[str, str]:
    keys = LicenceKeys(place.keyring(), place.loaded().licence.zone)
    return {
        "licenceKey": keys.licence_key(record, days),
        "cpCode": record.cp_code,
        "authKey": keys.auth_key(record),
    }


def _listed(record: LicenceRecord) -> dict[str, object]:
    return {
        "id": str(record.id),
        "domain": record.domain,
        "accessKey": record.access_key,
        "cpCode": record.cp_code,
        "roomLimit": record.room_limit,
        "maxUsers": record.max_users,
        "start": record.starts_on,
        "end": record.ends_on,
        "enabled": record.enabled,
        "createdAt": moment(record.created_at),
    }


def _print(values: dict[str, str], as_json: bool) -> None:
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        print(f"{name}: {value}")
