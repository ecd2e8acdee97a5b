"""`atrium app`, as an administrator uses it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from api.store import Database, apps
from tests.api.conftest import Run


@pytest.fixture(autouse=True)
def store(run: Run, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `run`, which forgets such settings."""
    monkeypatch.setenv("ATRIUM_STORE_URL", store_url)


def added(run: Run, name: str = "shop", *more: str, organization: str = "Acme") -> Any:
    code, out, err = run("app", "add", "--organization", organization, "--name", name, *more, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def listed(run: Run) -> Any:
    return json.loads(run("app", "list", "--json")[1])


def test_the_first_app_makes_its_organization(run: Run, tmp_path: Path, store_url: str) -> None:
    shop, other = added(run), added(run, "kiosk", "--domain", "Meet.Shop.example")
    assert list(shop) == ["id", "apiKey", "organizationId", "name"]
    assert re.fullmatch("[0-9a-f]{32}", shop["apiKey"])
    assert shop["organizationId"] == other["organizationId"]
    first, second = listed(run)
    assert {name: first[name] for name in shop} == shop
    assert (first["domain"], first["recording"], second["domain"]) == (None, True, "meet.shop.example")
    database = Database(tmp_path, store_url)
    assert [each.name for each in database.read(apps.all_organizations)] == ["Acme"]
    database.close()


def test_without_json_the_key_is_all_that_is_said(run: Run) -> None:
    code, out, _ = run("app", "add", "--organization", "Acme", "--name", "shop")
    assert (code, out) == (0, f"{listed(run)[0]['apiKey']}\n")
    assert "shop" in run("app", "list")[1]


def test_there_is_one_organization_at_most(run: Run) -> None:
    added(run)
    code, out, err = run("app", "add", "--organization", "Other", "--name", "x", "--json")
    assert (code, out) == (1, "")
    assert "max_organizations_reached" in err and "Acme" in err
    assert len(listed(run)) == 1


@pytest.mark.parametrize(
    "bad",
    [
        ("--organization", "", "--name", "x"),
        ("--organization", "A", "--name", "x" * 65),
        ("--organization", "A", "--name", "x", "--domain", "localhost"),
    ],
)
def test_what_is_refused_makes_nothing(run: Run, bad: tuple[str, ...]) -> None:
    code, out, err = run("app", "add", *bad, "--json")
    assert (code, out) == (1, "")
    assert bad[-2] in err or bad[0] in err
    assert listed(run) == []
