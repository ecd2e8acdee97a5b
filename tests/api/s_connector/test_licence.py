"""GET /v1/info (contract s-connector, section 4)."""

from datetime import UTC, datetime
from functools import partial

import sqlalchemy as sa

from api.limits import LICENCE_MAXIMUM
from api.store.tables import licences
from tests.api.s_connector.conftest import Api


async def test_the_sample_field_by_field(api: Api) -> None:
    created = datetime(2020, 12, 22, 15, 0, 0, 789_000, tzinfo=UTC)
    api.database.write(lambda connection: connection.execute(sa.update(licences).values(created_at=created)))
    info = {"domain": "trial", "roomLimit": 5, "enabled": 1, "createdAt": "2020-12-22T15:00:00.000Z"}
    for token in (api.access_token(), api.licence_key()):
        data = await api.data("/v1/info", token)
        assert data == info
        assert type(data["enabled"]) is int


async def test_a_disabled_licence_still_answers(api: Api) -> None:
    api.enable(False)
    assert (await api.data("/v1/info"))["enabled"] == 0


async def test_no_limit_is_the_largest_number(api: Api) -> None:
    record, _ = api.add("unlimited")
    assert (await api.data("/v1/info", api.access_token(record)))["roomLimit"] == LICENCE_MAXIMUM


async def test_what_a_command_changes_holds_at_once(api: Api) -> None:
    """Also when the store has just been asked: another process writes here."""
    other = partial(lambda connection, limit: connection.execute(sa.update(licences).values(room_limit=limit)))
    for limit in (7, 8, 9):
        assert await api.data("/v1/info")
        api.database.write(partial(other, limit=limit))
        assert (await api.data("/v1/info"))["roomLimit"] == limit
