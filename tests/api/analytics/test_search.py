"""GET /search (contract analytics, section 5.5)."""

from typing import Any
from urllib.parse import quote

import pytest

from api.analytics.trigrams import likeness, trigrams
from tests.api.analytics.calls import Client, app
from tests.api.analytics.conftest import Api
from tests.api.conftest import Server


def test_trigrams_of_words() -> None:
    assert trigrams("Ab, c") == {"  a", " ab", "ab ", "  c", " c "}
    assert trigrams("a_b") == trigrams("a b") == {"  a", " a ", "  b", " b "}
    assert trigrams("%_ -") == frozenset()
    assert trigrams("Ä1") == {"  ä", " ä1", "ä1 "}


def test_how_alike_texts_are() -> None:
    assert likeness("stand", "stand") == 1.0
    assert likeness("stand", "standup") == pytest.approx(5 / 9)
    assert likeness("stand", None) == likeness("", "") == 0.0


async def matches(api: Api, query: str) -> list[Any]:
    answer = await api.ask("GET", f"/search?query={quote(query)}")
    assert answer.status_code == 200, answer.text
    return answer.json()["matches"]  # type: ignore[no-any-return]


async def ids(api: Api, query: str) -> list[str]:
    return [each["id"] or each["name"] for each in await matches(api, query)]


@pytest.fixture
async def shop(api: Api) -> Any:
    made = await app(api)
    for user, conference, name in (
        ("anna", "standup", "Morning standup"),
        ("boris", "standing-order", None),
        ("Jürgen", "review", "Überblick"),
        ("ann", "5f3c1c5e-1111-4a4a-8b8b-000000000001", "100%"),
    ):
        person = Client(api, made["api_key"], user, conference)
        hello = {"apiKey": person.key, "conferenceId": conference, "userId": user, "conferenceName": name}
        await person.tell("/initialize", **hello)
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("standup", ["standup"]),
        ("STANDUP", ["standup"]),
        ("stand", ["standup", "standing-order"]),
        ("anna", ["anna", "ann"]),
        ("jürgen", ["Jürgen"]),
        ("ÜBERBLICK", ["review"]),
        ("5f3c1c5e-1111-4a4a-8b8b-000000000001", ["5f3c1c5e-1111-4a4a-8b8b-000000000001"]),
        ("acme", ["Acme"]),
        ("shop", ["shop"]),
        ("zzz", []),
        ("%", []),
        ("_______", []),
        ("100%", ["5f3c1c5e-1111-4a4a-8b8b-000000000001"]),
        ("' OR 1=1 --", []),
    ],
)
async def test_what_is_found(api: Api, shop: Any, query: str, found: list[str]) -> None:
    assert await ids(api, query) == found


async def test_a_match(api: Api, shop: Any) -> None:
    (found,) = await matches(api, "morning standup")
    conference = await api.data("GET", "/conferences?conference_id=standup")
    assert found == {
        "name": "Morning standup",
        "id": "standup",
        "url": f"/conference/{conference[0]['id']}",
        "type": "conference",
    }
    assert [each["type"] for each in await matches(api, "jürgen")] == ["participant"]
    (by_key,) = await matches(api, shop["api_key"])
    assert by_key == {"name": "shop", "id": "", "url": f"/apps/{shop['id']}", "type": "app"}


async def test_at_most_five_the_most_alike_first(api: Api, shop: Any) -> None:
    for number in range(8):
        person = Client(api, shop["api_key"], f"guest {number}", "lobby")
        await person.tell("/initialize", apiKey=person.key, conferenceId="lobby", userId=person.user)
    found = await ids(api, "guest 7")
    assert len(found) == 5 and found[0] == "guest 7"


async def test_what_is_of_an_app_that_is_gone_is_not_found(api: Api, shop: Any) -> None:
    await api.ask("DELETE", f"/apps/{shop['id']}")
    assert await ids(api, "standup") == await ids(api, "shop") == []


async def test_the_newest_are_looked_at(api: Api, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.analytics.search.SEARCHED_RECORDS", 1)
    assert await ids(api, "standup") == []
    assert await ids(api, "ann") == ["ann"]


async def test_ten_thousand_letters_come_as_far_as_here(server: Server) -> None:
    async with server.client() as client:
        answer = await client.get(f"/analytics/v1/search?query={'x' * 10_000}", headers={"Origin": "https://a.example"})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "invalid_parameters")
    assert answer.headers["access-control-allow-origin"] == "https://a.example"


@pytest.mark.parametrize("query", ["", "x" * 65, "x" * 10_000])
async def test_what_is_refused(api: Api, query: str) -> None:
    assert await api.fault("GET", f"/search?query={query}") == "400 invalid_parameters"
