"""Whose token a request bears (contract s-connector, sections 1, 2 and 8)."""

import attrs

from api.licences import LicenceKeyClaims
from api.plain import Refusal, Request
from api.services import Services
from api.store.licences import LicenceRecord

HEADER = "s-connector-jwt"
SCHEME = "bearer "


@attrs.frozen
class Bearer:
    licence: LicenceRecord
    has_key: bool
    """A licence key, and no access token."""


async def bearer(services: Services, request: Request, *, may_be_disabled: bool = False) -> Bearer:
    """Asks the store each time: what a command has changed holds from the next request on. Raises Refusal: 401 or 403."""
    token = request.headers.get(HEADER, "").strip()
    if token[: len(SCHEME)].lower() == SCHEME:
        token = token[len(SCHEME) :].strip()
    try:
        claims = services.licence_keys.token_claims(token)
    except ValueError:
        raise Refusal(401, f"{HEADER}: not a valid token") from None
    record = await services.licences.of_domain(claims.domain)
    if record is None or not claims.is_of(record):
        raise Refusal(401, f"{HEADER}: not a valid token")
    if not (record.enabled or may_be_disabled):
        raise Refusal(403, "the licence is disabled")
    return Bearer(record, has_key=isinstance(claims, LicenceKeyClaims))
