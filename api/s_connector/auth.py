"""POST /v1/auth (contract s-connector, section 3): an access token for accessKey and secretKey.

Guessing is braked as section 10 says: so many failures within a minute for one accessKey, or from one address, and then 429
until the minute is over, for right secrets too.
"""

import math
from datetime import datetime, tzinfo

from api.limits import ACCESS_TOKEN_MINUTES, S_CONNECTOR_BODY_BYTES
from api.plain import Refusal, Request
from api.s_connector.words import read_moment
from api.services import Services
from api.store.licences import LicenceRecord
from signalling.dialects.json_text import CONTROL, HALF_A_PAIR
from signalling.door import Door, source_of
from signalling.limits import AUTH_WINDOW_S, KPOINT_ID_CHARS, NAME_CHARS, SECRET_CHARS
from signalling.room.errors import TooMany

DEFAULT_MINUTES = 60


class Auth:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._zone: tzinfo = services.config.licence.zone
        self._door = Door(services.config.licence.auth_failures_per_minute)

    async def __call__(self, request: Request) -> object:
        given = await request.json_object(S_CONNECTOR_BODY_BYTES)
        access_key = _text(given, "accessKey", SECRET_CHARS)
        secret_key = _text(given, "secretKey", SECRET_CHARS)
        if access_key is None or secret_key is None:
            raise Refusal(400, "accessKey and secretKey are needed")
        expires_s = _seconds(given.get("expires", DEFAULT_MINUTES))
        is_owner = _flag(given, "isOwner")
        user_name = _text(given, "userName", NAME_CHARS)
        room_name = _text(given, "roomName", KPOINT_ID_CHARS)
        start, end = _text(given, "start", NAME_CHARS), _text(given, "end", NAME_CHARS)
        self._check_window(start, end)
        record = await self._prove(access_key, secret_key, request.address)
        if not record.enabled:
            raise Refusal(403, "the licence is disabled")
        token = self._services.licence_keys.make_access_token(
            record,
            expires_s=expires_s,
            is_owner=is_owner,
            user_name=user_name,
            room_name=room_name,
            start=start,
            end=end,
        )
        return {"accessToken": token}

    async def _prove(self, access_key: str, secret_key: str, address: str) -> LicenceRecord:
        async def proof() -> LicenceRecord | None:
            return await self._services.licences.by_secret(access_key, secret_key)

        try:
            record = await self._door.prove([f"key {access_key}", f"address {source_of(address)}"], proof)
        except TooMany as refused:
            raise Refusal(429, str(refused), {"retry-after": f"{AUTH_WINDOW_S:.0f}"}) from None
        if record is None:
            raise Refusal(401, "accessKey or secretKey is wrong")
        return record

    def _check_window(self, start: str | None, end: str | None) -> None:
        begins = None if start is None else read_moment("start", start, self._zone)
        ends: datetime | None = None if end is None else read_moment("end", end, self._zone, as_end=True)
        if begins is not None and ends is not None and ends <= begins:
            raise Refusal(400, "end: is not after start")


def _text(given: dict[str, object], name: str, longest: int) -> str | None:
    """None of what is absent or null."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise Refusal(400, f"{name}: must be a string of 1 to {longest} characters")
    if CONTROL.search(value) or HALF_A_PAIR.search(value):  # what no room and no user is called
        raise Refusal(400, f"{name}: must be a string without control characters")
    return value


def _flag(given: dict[str, object], name: str) -> bool | None:
    """None of what is absent."""
    if name not in given:
        return None
    value = given[name]
    if not isinstance(value, bool):
        raise Refusal(400, f"{name}: must be true or false")
    return value


def _seconds(minutes: object) -> int:
    if not isinstance(minutes, int | float) or isinstance(minutes, bool):
        raise Refusal(400, "expires: must be a number of minutes")
    if not 0 < minutes <= ACCESS_TOKEN_MINUTES or math.floor(minutes * 60) < 1:  # NaN is in no range
        raise Refusal(400, f"expires: must be above 0 and at most {ACCESS_TOKEN_MINUTES} minutes")
    return math.floor(minutes * 60)
