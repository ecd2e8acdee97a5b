"""Who asks: what a request bears in `Authorization: Bearer` is made a Viewer here, and nowhere else.

    bearer key, local key, sign-in to the dashboard    Administrator    everything
    licence key                                        Holder           what is live of that licence, to look at

The guard stands before all of /v1/rooms and /v1/live, so no route can forget it, and lets a Holder do no more than GET below
/v1/live. What is left to each route there is to show nothing that the viewer `sees` not.
"""

import hmac
from functools import partial

import attrs
from quart import g, request
from quart_trio import QuartTrio

from api.http import HttpError, below
from api.licences import LicenceKeyClaims
from api.limits import KEY_CHARS
from api.plain import ROOM_API
from api.services import Services
from api.store import keys
from api.store.licences import LicenceRecord

BEARER_KEYS = "bearer keys"


@attrs.frozen
class Administrator:
    def sees(self, licence: str | None) -> bool:
        """What is of this licence; None: of none."""
        return True


@attrs.frozen
class Holder:
    """Has the key of this licence."""

    licence: LicenceRecord

    def sees(self, licence: str | None) -> bool:
        return licence == str(self.licence.id)


Viewer = Administrator | Holder


def mount(app: QuartTrio, services: Services) -> None:
    @app.before_request
    async def guard() -> None:
        if not below(request.path, *ROOM_API):
            return
        viewer = await _viewer(services)
        if isinstance(viewer, Holder) and not (below(request.path, "/v1/live") and request.method in ("GET", "HEAD")):
            raise HttpError(403, "an administrator's key is needed")
        g.viewer = viewer


def viewer() -> Viewer:
    """Who makes the request that is being handled."""
    found: Viewer = g.viewer
    return found


async def _viewer(services: Services) -> Viewer:
    lines = request.headers.getlist("Authorization")
    scheme, _, credential = lines[0].partition(" ") if len(lines) == 1 else ("", "", "")
    credential = credential.strip()
    if scheme.lower() == "bearer" and credential:
        if await is_administrators(services, credential):
            return Administrator()
        licence = await _licence_of(services, credential)
        if licence is not None:
            return Holder(licence)
    raise HttpError(401, "a bearer key is needed", {"WWW-Authenticate": "Bearer"})


async def is_administrators(services: Services, credential: str) -> bool:
    """Whether it is a bearer key, the local key, or of a sign-in to the dashboard."""
    if hmac.compare_digest(credential.encode(), services.local_key.encode()):
        return True
    if await services.admins.knows(credential):
        return True
    mac = services.keyring.mac(BEARER_KEYS, credential)
    return len(credential) <= KEY_CHARS and await services.store.read(partial(keys.known, key_mac=mac))


async def _licence_of(services: Services, token: str) -> LicenceRecord | None:
    """Whose licence key it is; None: it is none, or no more.

    Raises HttpError of the key of a disabled licence, and of an access token: that is handed to browsers, to enter a room,
    and whoever else is live under the licence is none of their business.
    """
    try:
        claims = services.licence_keys.token_claims(token)
    except ValueError:
        return None
    record = await services.licences.of_domain(claims.domain)
    if record is None or not claims.is_of(record):
        return None
    if not record.enabled:
        raise HttpError(403, "the licence is disabled")
    if not isinstance(claims, LicenceKeyClaims):
        raise HttpError(403, "an access token shows nothing here; the licence key does")
    return record
