"""The contract of what is stored of apps and their organization, on each kind of database."""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import attrs
import pytest

from api.store import Database, apps
from api.store.apps import AppRecord, OrganizationRecord
from api.store.users import Taken

NOBODY = str(uuid.uuid4())


@pytest.fixture
def database(tmp_path: Path, store_url: str) -> Iterator[Database]:
    database = Database(tmp_path, store_url)
    yield database
    database.close()


@pytest.fixture
def acme(database: Database) -> OrganizationRecord:
    return database.write(partial(apps.add_organization, name="Acme"))


def add(database: Database, organization: OrganizationRecord, name: str = "shop") -> AppRecord:
    added = database.write(partial(apps.add_app, organization=organization.id, name=name, interval_ms=10_000))
    assert added is not None
    return added


def app(database: Database, record: AppRecord) -> AppRecord | None:
    return database.read(partial(apps.app, id=record.id))


def test_there_is_one_organization_at_most(database: Database, acme: OrganizationRecord) -> None:
    assert database.read(apps.all_organizations) == [acme]
    assert database.read(partial(apps.organization, id=acme.id)) == acme
    assert database.read(partial(apps.organization, id=NOBODY)) is None
    with pytest.raises(Taken):
        database.write(partial(apps.add_organization, name="Other"))
    assert database.read(apps.all_organizations) == [acme]


def test_one_is_renamed(database: Database, acme: OrganizationRecord) -> None:
    database.write(partial(apps.rename_organization, id=acme.id, name="Äcme 🍳"))
    assert database.read(apps.all_organizations) == [attrs.evolve(acme, name="Äcme 🍳")]


def test_one_that_is_removed_is_gone_with_its_apps_and_makes_room(database: Database, acme: OrganizationRecord) -> None:
    shop = add(database, acme)
    database.write(partial(apps.remove_organization, id=acme.id))
    assert database.read(apps.all_organizations) == []
    assert app(database, shop) is None
    other = database.write(partial(apps.add_organization, name="Other"))
    kept = add(database, other)
    database.write(partial(apps.remove_organization, id=acme.id))
    assert database.read(apps.all_apps) == [kept]


def test_an_app_comes_back_as_it_was_made(database: Database, acme: OrganizationRecord) -> None:
    before = datetime.now(UTC)
    made = add(database, acme)
    assert re.fullmatch("[0-9a-f]{32}", made.api_key)
    assert attrs.evolve(made, id="", api_key="", created_at=before) == AppRecord(
        id="",
        organization=acme.id,
        name="shop",
        api_key="",
        domain=None,
        interval_ms=10_000,
        recording=True,
        durations={},
        created_at=before,
    )
    assert before <= made.created_at <= datetime.now(UTC)
    second = add(database, acme, "again")
    assert database.read(apps.all_apps) == [made, second]
    assert database.read(partial(apps.app_by_key, api_key=made.api_key)) == made


def test_an_app_of_no_organization_is_not_made(database: Database) -> None:
    assert database.write(partial(apps.add_app, organization=NOBODY, name="x", interval_ms=1)) is None
    assert database.read(apps.all_apps) == []


def test_an_app_is_changed(database: Database, acme: OrganizationRecord) -> None:
    made = add(database, acme)
    changes = {"name": "new", "domain": "shop.example", "interval_ms": 1000, "recording": False}
    database.write(partial(apps.change_app, id=made.id, values=changes))
    changed = attrs.evolve(made, name="new", domain="shop.example", interval_ms=1000, recording=False)
    assert app(database, made) == changed
    database.write(partial(apps.change_app, id=made.id, values={}))
    database.write(partial(apps.change_app, id=made.id, values={"domain": None}))
    assert app(database, made) == attrs.evolve(changed, domain=None)


def test_a_new_key_ends_the_former_one(database: Database, acme: OrganizationRecord) -> None:
    made = add(database, acme)
    database.write(partial(apps.reset_key, id=made.id))
    changed = app(database, made)
    assert changed is not None and changed.api_key != made.api_key
    assert database.read(partial(apps.app_by_key, api_key=made.api_key)) is None


def test_a_removed_app_is_there_for_nobody(database: Database, acme: OrganizationRecord) -> None:
    made = add(database, acme)
    database.write(partial(apps.remove_app, id=made.id))
    database.write(partial(apps.change_app, id=made.id, values={"name": "x"}))
    assert app(database, made) is None
    assert database.read(partial(apps.app_by_key, api_key=made.api_key)) is None
    assert database.read(apps.all_apps) == []
