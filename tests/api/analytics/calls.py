"""People whose pages report a call, and a look at what is stored of it."""

from typing import Any

import attrs
import httpx
import sqlalchemy as sa

from api.store import tables
from tests.api.analytics.conftest import Api


@attrs.define
class Client:
    """One person's page, with the SDK in it."""

    api: Api
    key: str
    user: str
    conference: str
    token: str = ""

    async def ask(self, method: str, path: str, **body: object) -> httpx.Response:
        return await self.api.ask(method, path, {"token": self.token, **body}, authorization="")

    async def tell(self, path: str, **body: object) -> Any:
        answer = await self.ask("POST", path, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def fault(self, path: str, method: str = "POST", **body: object) -> str:
        answer = await self.ask(method, path, **body)
        assert answer.status_code >= 400, answer.text
        return f"{answer.status_code} {answer.json()['error_code']}"

    async def comes(self, **visit: object) -> "Client":
        hello = {"apiKey": self.key, "conferenceId": self.conference, "userId": self.user}
        token = (await self.tell("/initialize", **hello))["token"]
        self.token = (await self.tell("/sessions", **{"token": token, **visit}))["token"]
        return self

    async def connects(self, peer: str = "sfu", **more: object) -> dict[str, str]:
        """What the SDK names with its further events."""
        answer = await self.tell("/connection", eventName="addConnection", peerId=peer, **more)
        return {"peerId": answer["peer_id"], "connectionId": answer["connection_id"]}


async def app(api: Api, **changes: object) -> Any:
    found = await api.data("GET", "/organizations")
    acme = found[0] if found else await api.data("POST", "/organizations", {"name": "Acme"})
    made = await api.data("POST", "/apps", {"organization": acme["id"], "name": "shop"})
    return await api.data("PUT", f"/apps/{made['id']}", changes) if changes else made


async def client(api: Api, user: str = "anna", conference: str = "standup", key: str = "") -> Client:
    return Client(api, key or (await app(api))["api_key"], user, conference)


def rows(api: Api, table: sa.Table) -> list[Any]:
    def all(connection: sa.Connection) -> list[Any]:
        order = table.c.number if "number" in table.c else table.c.conference
        return list(connection.execute(sa.select(table).order_by(order)))

    return api.database.read(all)


def only(api: Api, table: sa.Table) -> Any:
    (row,) = rows(api, table)
    return row


def issues(api: Api) -> list[str]:
    return [row.code for row in rows(api, tables.issues)]
