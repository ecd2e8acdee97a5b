"""Licences: their keys and tokens, who is let in by them, and the rooms that are theirs.

LicenceKeys makes and reads what customers hold, StoredLicences answers signalling's questions about it
(signalling.ports.Licences), StoredLicenceRooms keeps rooms (signalling.ports.LicenceRooms). All keys and tokens are JWTs
(RFC 7519), HS256 and nothing else (RFC 8725 3.1), signed with secrets derived from the keyring:

    auth key       contract kpoint, section 4         "licence keys"     KPOINT clients register with it
    licence key    contract s-connector, section 2    "access tokens"    for information over REST only
    access token   contract s-connector, section 2    "access tokens"    for information, and for entering a room

Invariant: an auth key is a function of its licence, so nothing that opens a door is stored. What an access token says is
compared with the store at every use. Both are read by our clock and not by PyJWT's, so that tests can set it.
"""

import hmac
import itertools
import math
import re
import secrets
import string
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from datetime import time as time_of_day
from functools import lru_cache, partial
from typing import Any

import attrs
import jwt
import sqlalchemy as sa
import structlog
import trio
from jwt.types import Options
from sqlalchemy.exc import SQLAlchemyError

from api import limits
from api.keyring import Keyring
from api.store import Store, licence_rooms, licences
from api.store.licences import LicenceRecord
from signalling.limits import TOKEN_CHARS
from signalling.ports import AccessForbidden, AccessGrant, AccessRefused, Licence, LicenceRoom

log = structlog.get_logger(__name__)

ALGORITHM = "HS256"
LICENCE_KEYS = "licence keys"
ACCESS_TOKENS = "access tokens"
LICENCE_SECRETS = "licence secrets"
DEMO_LICENCE = "demo"

ACCESS_KEY_CHARS = 11
SECRET_KEY_BYTES = 139
MADE_CP_CODE_CHARS = 10
ALPHANUMERIC = string.ascii_lowercase + string.digits
DAY_S = 24 * 60 * 60

ORIGIN = re.compile(r"https?://[a-z0-9._-]+(:[0-9]{1,5})?")
"""A domain that is checked against the page around a room: as browsers write it, and as CSP can (which knows no IPv6)."""

RETRY_S = 1.0
# For what is left, when the server ends.
FLUSH_S = 5.0

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?"
)


def is_date(text: str) -> bool:
    """Whether it is a bare day."""
    return _DATE.fullmatch(text) is not None


def first_moment(text: str, zone: tzinfo) -> datetime:
    """Of a day, or the moment itself; in `zone`, unless it has an offset. ValueError if `text` is neither."""
    return _moment(text, zone, time_of_day.min)


def last_moment(text: str, zone: tzinfo) -> datetime:
    """The same with the last one of the day: a key, and the window of a meeting, hold until the end of what they name. A
    range of usage ends before it (`words.read_moment`)."""
    return _moment(text, zone, time_of_day.max)


def _moment(text: str, zone: tzinfo, of_day: time_of_day) -> datetime:
    if is_date(text):
        return datetime.combine(date.fromisoformat(text), of_day, zone)
    if _MOMENT.fullmatch(text):
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
    raise ValueError(f"{text!r} is neither YYYY-MM-DD nor a moment such as YYYY-MM-DD HH:MM")


def make(
    connection: sa.Connection, keyring: Keyring, *, domain: str, cp_code: str | None = None, **terms: Any
) -> tuple[LicenceRecord, str]:
    """A new licence and its secret key, which nobody can ask for again. Raises Taken."""
    secret = secrets.token_hex(SECRET_KEY_BYTES)
    record = licences.add(
        connection,
        domain=domain,
        cp_code=cp_code or _random(MADE_CP_CODE_CHARS),
        access_key=_random(ACCESS_KEY_CHARS),
        secret_mac=keyring.mac(LICENCE_SECRETS, secret),
        **terms,
    )
    return record, secret


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHANUMERIC) for _ in range(length))


@attrs.frozen
class AccessClaims:
    """What an access token says, if it is one of ours and has not expired."""

    id: str
    domain: str
    access_key: str
    is_owner: bool
    user_name: str | None
    room_name: str | None
    start: datetime | None
    end: datetime | None

    def is_of(self, record: LicenceRecord) -> bool:
        """Whether the licence is still that which the token was made for."""
        return (self.id, self.domain, self.access_key) == (str(record.id), record.domain, record.access_key)


@attrs.frozen
class LicenceKeyClaims:
    """What a licence key says, if it is one of ours and has not expired."""

    domain: str

    def is_of(self, record: LicenceRecord) -> bool:
        return self.domain == record.domain


class LicenceKeys:
    """Makes keys and tokens of licences, and reads them."""

    def __init__(self, keyring: Keyring, zone: tzinfo, clock: Callable[[], float] = time.time) -> None:
        self._keyring = keyring
        self._auth_secret = keyring.derive(LICENCE_KEYS)
        self._access_secret = keyring.derive(ACCESS_TOKENS)
        self._zone = zone
        self._clock = clock

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def secret_mac(self, secret_key: str) -> bytes:
        """By which the store knows a secret key."""
        return self._keyring.mac(LICENCE_SECRETS, secret_key)

    def auth_key(self, record: LicenceRecord) -> str:
        claims = {
            "name": record.domain,
            "maxUser": None if record.max_users is None else str(record.max_users),
            "startDate": record.starts_on,
            "endDate": record.ends_on,
            "authCode": record.cp_code,
            "companyCode": str(record.id),
            "iat": int(record.created_at.timestamp()),
        }
        return _signed(claims, self._auth_secret)

    def user_limit_of(self, auth_key: str, cp_code: str) -> int | None:
        """What a good auth key of that code allows. Raises ValueError, if it is none or not of today."""
        claims = _verified(auth_key, self._auth_secret)
        if claims.get("authCode") != cp_code:
            raise ValueError("of another code")
        start, end = _text(claims, "startDate"), _text(claims, "endDate")
        if start is not None and self.now < first_moment(start, self._zone):
            raise ValueError("not yet")
        if end is not None and self.now > last_moment(end, self._zone):
            raise ValueError("no more")
        max_user = _text(claims, "maxUser")
        return None if max_user is None else _whole(max_user)

    def licence_key(self, record: LicenceRecord, days: int) -> str:
        now = int(self._clock())
        claims = {
            "domain": record.domain,
            "env": "prod",
            "isTrial": False,
            "company_name": record.domain,
            "iat": now,
            "exp": now + days * DAY_S,
        }
        return _signed(claims, self._access_secret)

    def make_access_token(
        self,
        record: LicenceRecord,
        *,
        expires_s: float,
        is_owner: bool | None = None,
        user_name: str | None = None,
        room_name: str | None = None,
        start: str | None = None,
        end: str | None = None,
    ) -> str:
        now = int(self._clock())
        claims = {
            "id": str(record.id),
            "domain": record.domain,
            "accessKey": record.access_key,
            "iat": now,
            "exp": math.floor(now + expires_s),
            "isOwner": is_owner,
            "userName": user_name,
            "roomName": room_name,
            "start": start,
            "end": end,
        }
        return _signed(claims, self._access_secret)

    def token_claims(self, token: str) -> AccessClaims | LicenceKeyClaims:
        """Raises ValueError, if it is neither kind, or has expired."""
        claims = self._unexpired(token)
        if "accessKey" in claims:
            return self._access_claims(claims)
        _required(claims, "company_name")
        return LicenceKeyClaims(_required(claims, "domain"))

    def access_claims(self, token: str) -> AccessClaims:
        """Raises ValueError; of a licence key, too."""
        return self._access_claims(self._unexpired(token))

    def _unexpired(self, token: str) -> Mapping[str, Any]:
        claims = _verified(token, self._access_secret)
        expires = claims.get("exp")
        if not isinstance(expires, int | float) or isinstance(expires, bool) or not self._clock() < expires:
            raise ValueError("expired")
        return claims

    def _access_claims(self, claims: Mapping[str, Any]) -> AccessClaims:
        is_owner = claims.get("isOwner", False)
        if not isinstance(is_owner, bool):
            raise ValueError("isOwner is no boolean")
        start, end = _text(claims, "start"), _text(claims, "end")
        return AccessClaims(
            id=_required(claims, "id"),
            domain=_required(claims, "domain"),
            access_key=_required(claims, "accessKey"),
            is_owner=is_owner,
            user_name=_text(claims, "userName"),
            room_name=_text(claims, "roomName"),
            start=None if start is None else first_moment(start, self._zone),
            end=None if end is None else last_moment(end, self._zone),
        )


def _signed(claims: Mapping[str, object], secret: bytes) -> str:
    """What was not given is no claim."""
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, secret, algorithm=ALGORITHM)


@lru_cache(limits.TOKENS_REMEMBERED)
def _verified(token: str, secret: bytes) -> Mapping[str, Any]:
    """The claims of a token that bears our signature. Raises ValueError; whether they hold is the caller's question.

    A signature that was good stays good, and tokens come again by the thousand.
    """
    if len(token) > TOKEN_CHARS:
        raise ValueError("too long")
    signature_alone: Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    try:
        claims: dict[str, Any] = jwt.decode(token, secret, algorithms=[ALGORITHM], options=signature_alone)
        return claims
    except jwt.InvalidTokenError as error:
        raise ValueError(str(error)) from None


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is no string")
    return value


def _required(claims: Mapping[str, Any], name: str) -> str:
    value = _text(claims, name)
    if value is None:
        raise ValueError(f"without {name}")
    return value


def _whole(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("not of digits")
    return int(digits)


class StoredLicences:
    """Implements signalling.ports.Licences. `opaque`: keys that are no JWTs, by their code ([kpoint] keys)."""

    def __init__(self, store: Store, keys: LicenceKeys, opaque: Mapping[str, str]) -> None:
        self._store = store
        self._keys = keys
        self._opaque = opaque
        self._known: dict[str, LicenceRecord] = {}
        """By domain, as long as nobody has written anything. No more of them than licences."""
        self._known_at: int | None = None

    async def of_domain(self, domain: str) -> LicenceRecord | None:
        """As it is now. Asked by the thousand, so nothing is read twice while the store says that it has not changed."""
        version = self._store.version()
        if version is None or version != self._known_at:
            self._known, self._known_at = {}, version
        if domain in self._known:
            return self._known[domain]
        record = await self._store.read(partial(licences.by_domain, domain=domain))
        # What was read is at least as new as that version: if it is newer, the next look says so.
        if record is not None and version is not None and version == self._known_at:
            self._known[domain] = record
        return record

    async def by_key(self, cp_code: str, auth_key: str) -> Licence | None:
        if not cp_code.isprintable():  # nobody's, and PostgreSQL takes no NUL, not even to compare with
            return None
        opaque = self._opaque.get(cp_code)
        record = await self._store.read(partial(_of_code, code=cp_code, configured=opaque is not None))
        if record is None or not record.enabled:
            return None
        if opaque is not None and hmac.compare_digest(_bytes(opaque), _bytes(auth_key)):
            return _licence(record)
        try:
            limit = self._keys.user_limit_of(auth_key, cp_code)
        except ValueError:
            return None
        return _licence(record, limit)

    async def by_access_token(self, token: str, origin: str | None) -> AccessGrant:
        try:
            claims = self._keys.access_claims(token)
        except ValueError:
            raise AccessRefused("not a good access token") from None
        record = await self._store.read(partial(licences.by_id, id=claims.id))
        if record is None or not claims.is_of(record):
            raise AccessRefused("not a good access token")
        if "://" in record.domain and origin != record.domain:
            raise AccessRefused("the page is not of the licence's domain")
        if not record.enabled:
            raise AccessForbidden("the licence is disabled")
        now = self._keys.now
        if (claims.start is not None and now < claims.start) or (claims.end is not None and now > claims.end):
            raise AccessForbidden("the meeting has not begun yet, or is over")
        return AccessGrant(_licence(record), claims.is_owner, claims.user_name, claims.room_name)

    async def by_secret(self, access_key: str, secret_key: str) -> LicenceRecord | None:
        """Whose pair this is; None if there is no such pair. An unknown key takes as long as a wrong secret."""
        if not access_key.isprintable():  # nobody's, and PostgreSQL takes no NUL, not even to compare with
            return None
        found = await self._store.read(partial(licences.by_access_key, access_key=access_key))
        record, mac = (None, bytes(len(self._keys.secret_mac("")))) if found is None else found
        return record if hmac.compare_digest(mac, self._keys.secret_mac(secret_key)) else None

    async def licence(self, id: str) -> Licence | None:
        record = await self._store.read(partial(licences.by_id, id=id))
        return None if record is None else _licence(record)


def make_configured(connection: sa.Connection, keyring: Keyring, codes: Collection[str]) -> None:
    """A licence for each code that has none; nobody has its secret key. One of that domain serves instead."""
    for code in codes:
        record = _of_code(connection, code, configured=True)
        if record is None:
            make(connection, keyring, domain=code, cp_code=code)
            log.info("made a licence for a code of kpoint.keys", cp_code=code)
        elif record.cp_code != code:
            log.warning(
                "a code of kpoint.keys is the domain of a licence with another code, and means that licence",
                cp_code=code,
                licence=record.id,
                cp_code_of_licence=record.cp_code,
            )


def make_demo(connection: sa.Connection, keyring: Keyring) -> None:
    """The licence that a demonstration shows, if there is none. Its code is the same word, unless another has that."""
    if licences.by_domain(connection, DEMO_LICENCE) is None:
        taken = licences.by_cp_code(connection, DEMO_LICENCE) is not None
        make(connection, keyring, domain=DEMO_LICENCE, cp_code=None if taken else DEMO_LICENCE)


def _of_code(connection: sa.Connection, code: str, configured: bool) -> LicenceRecord | None:
    record = licences.by_cp_code(connection, code)
    return licences.by_domain(connection, code) if record is None and configured else record


def _licence(record: LicenceRecord, limit: int | None = None) -> Licence:
    known = [each for each in (record.max_users, limit) if each is not None]
    return Licence(
        id=str(record.id),
        domain=record.domain,
        cp_code=record.cp_code,
        room_limit=record.room_limit,
        max_users=min(known, default=None),
        enabled=record.enabled,
    )


def _bytes(text: str) -> bytes:
    """Also of what JSON can spell and UTF-8 cannot."""
    return text.encode("utf-8", "surrogatepass")


class StoredLicenceRooms:
    """Implements signalling.ports.LicenceRooms.

    Every `keep` is a transaction of its own, in the order of the calls, so one that the store refuses harms no other. It
    takes along what has been forgotten before it; else whoever awaits `kept` does, or `run`. Nothing is kept while the
    store fails, so what waits to be forgotten is never more than was stored, and DOUBTFUL_ROOMS: a `keep` that raises has
    kept nothing, unless the store went away after its commit and before it could say so.
    """

    def __init__(self, store: Store, stored: Collection[str]) -> None:
        self._store = store
        self._kept = set(stored)
        # By uuid, when it was forgotten: the number of that call.
        self._gone: dict[str, int] = {}
        self._calls = itertools.count()
        self._something_waits = trio.Event()
        self._writing = trio.Lock()

    @classmethod
    async def open(cls, store: Store) -> "StoredLicenceRooms":
        return cls(store, [room.uuid for room in await store.read(licence_rooms.all_rooms)])

    async def all(self) -> Sequence[LicenceRoom]:
        return [room for room in await self._store.read(licence_rooms.all_rooms) if room.uuid in self._kept]

    async def keep(self, room: LicenceRoom) -> None:
        called = next(self._calls)
        is_new = room.uuid not in self._kept
        self._kept.add(room.uuid)
        try:
            async with self._writing:
                await self._write(room, called)
        except BaseException:
            if is_new:
                self._kept.discard(room.uuid)
            raise

    def forget(self, uuid: str) -> None:
        if uuid in self._kept or len(self._gone) < limits.DOUBTFUL_ROOMS:
            self._kept.discard(uuid)
            self._gone[uuid] = next(self._calls)
            self._something_waits.set()

    async def kept(self) -> None:
        async with self._writing:
            if self._gone:
                await self._write()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Writes what is forgotten, until it is cancelled, and then what is left."""
        task_status.started()
        try:
            while True:
                await self._something_waits.wait()
                if not await self._try_to_forget():
                    await trio.sleep(RETRY_S)
        finally:
            with trio.move_on_after(FLUSH_S, shield=True):
                await self._try_to_forget()

    async def _try_to_forget(self) -> bool:
        try:
            await self.kept()
        except SQLAlchemyError as error:
            log.error("rooms that are gone could not be removed from the store; it is tried again", exc_info=error)
            return False
        return True

    async def _write(self, room: LicenceRoom | None = None, called: int = 0) -> None:
        gone, self._gone = self._gone, {}
        if gone:  # else `run` waits for the event that there is
            self._something_waits = trio.Event()
        if room is not None and gone.get(room.uuid, -1) > called:
            room = None

        def change(connection: sa.Connection) -> None:
            licence_rooms.remove(connection, gone)
            if room is not None:
                licence_rooms.keep(connection, room)

        try:
            await self._store.write(change)
        except BaseException:
            self._gone = gone | self._gone
            if self._gone:
                self._something_waits.set()
            raise
