"""REST of the dashboard's sign-in and sign-out. What it then looks at is `/v1/live`, like everybody who has a key (live.py)."""

from typing import Final, TypedDict

import attrs
from quart import Response, request
from quart_trio import QuartTrio

from api.analytics.door import COOKIE
from api.http import HttpError, json_body, json_response, moment, shaped
from api.limits import SIGN_IN_S
from api.services import Services
from signalling.limits import AUTH_WINDOW_S, NAME_CHARS, SECRET_CHARS
from signalling.room.errors import TooMany


class CookieTerms(TypedDict):
    path: str
    httponly: bool
    samesite: str


COOKIE_TERMS: Final = CookieTerms(path="/analytics/v1", httponly=True, samesite="Lax")


def _user(_: object, attribute: "attrs.Attribute[str]", value: str) -> None:
    if len(value) > NAME_CHARS:
        raise ValueError(f"user: must have {NAME_CHARS} characters at most")


def _password(_: object, attribute: "attrs.Attribute[str]", value: str) -> None:
    if len(value) > SECRET_CHARS:
        raise ValueError(f"password: must have {SECRET_CHARS} characters at most")


@attrs.frozen
class Credentials:
    user: str = attrs.field(validator=_user)
    password: str = attrs.field(repr=False, validator=_password)


def mount(app: QuartTrio, services: Services) -> None:
    @app.post("/dashboard/sign-in")
    async def sign_in() -> Response:
        given = shaped(await json_body(), Credentials, "")
        try:
            signed_in = await services.admins.sign_in(given.user, given.password, request.remote_addr or "")
        except TooMany as refusal:
            raise HttpError(429, str(refusal), {"Retry-After": f"{AUTH_WINDOW_S:.0f}"}) from None
        if signed_in is None:
            raise HttpError(401, "no such user with this password", {"WWW-Authenticate": "Bearer"})
        response = json_response({"token": signed_in.token, "expires_at": moment(signed_in.expires_at)})
        response.headers["Cache-Control"] = "no-store"
        # For dashboards of call analytics that are pages of their own; ours sends the token in a header.
        response.set_cookie(COOKIE, signed_in.token, max_age=SIGN_IN_S, **COOKIE_TERMS)
        return response

    @app.delete("/dashboard/sign-in")
    async def sign_out() -> Response:
        """The cookie goes; a token is forgotten by whoever holds it."""
        response = Response("", 204)
        response.delete_cookie(COOKIE, **COOKIE_TERMS)
        return response
