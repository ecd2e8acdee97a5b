"""GET /v1/static: which sessions belong to a time, and how long they are (contract s-connector, sections 6 and 7)."""

import random
from urllib.parse import quote

import pytest

from api import limits
from tests.api.s_connector.conftest import NOON, Api

DAY_S = 86_400


def session(api: Api, room: str, seconds: float) -> None:
    api.joins(room, "anna")
    api.clock.goes_on(seconds)
    api.leaves(room, "anna")
    api.empties(room)


async def test_the_sample_field_by_field(api: Api) -> None:
    """Newest first, one row a session, the sum exact: 42936 + 1481 + 4924 + 610 = 49951."""
    for room, seconds in (("gsdagd", 610), ("b", 4924), ("a", 1481), ("gsdagd", 42_936)):
        session(api, room, seconds)
    data = await api.data("/v1/static?startTime=2021-02-20&endTime=2021-02-25")
    assert list(data) == ["domain", "totalSecond", "detail"]
    assert (data["domain"], data["totalSecond"]) == ("trial", 49_951)
    assert data["detail"] == [
        {"roomName": "gsdagd", "sessionTimeSecond": 42_936, "createdAt": "2021-02-22T14:36:21.000Z"},
        {"roomName": "a", "sessionTimeSecond": 1481, "createdAt": "2021-02-22T14:11:40.000Z"},
        {"roomName": "b", "sessionTimeSecond": 4924, "createdAt": "2021-02-22T12:49:36.000Z"},
        {"roomName": "gsdagd", "sessionTimeSecond": 610, "createdAt": "2021-02-22T12:39:26.000Z"},
    ]
    assert await api.data("/v1/static?startTime=2021-02-20", api.licence_key()) == data


async def test_what_runs_counts_until_now(api: Api) -> None:
    api.joins("r", "anna")
    api.clock.goes_on(59.9)
    assert (await api.data("/v1/static?startTime=2021-02-22"))["totalSecond"] == 59
    await api.sessions.written()
    api.clock.goes_on(0.2)
    assert (await api.data("/v1/static?startTime=2021-02-22"))["totalSecond"] == 60


# The session begins at 2021-02-22 21:39:26 in Seoul, and lasts until two days later.
IN = ["2021-02-22", "2021-02-22 21:39", "2021-02-22 21:39:26", "2021-02-22T21:39:26", "2021-02-22T12:39:26Z",
      "2021-02-22T13:39:26%2B01:00", "2021-02-22T13:39%2B0100", "2021-02-22T04:39:26-08", "2021-02-22%2021:39", "2021-02-22+21:39"]  # fmt: skip
TOO_LATE = [
    "2021-02-23",
    "2021-02-22 21:40",
    "2021-02-22 21:39:27",
    "2021-02-22T12:39:27Z",
    "2021-02-22T21:39:27",
    "2099-01-01",
]


@pytest.mark.parametrize(("start", "count"), [(each, 1) for each in IN] + [(each, 0) for each in TOO_LATE])
async def test_the_start_belongs_to_the_time(api: Api, start: str, count: int) -> None:
    session(api, "r", 2 * DAY_S)
    data = await api.data(f"/v1/static?startTime={start}")
    assert (len(data["detail"]), data["totalSecond"]) == (count, 2 * DAY_S * count)


@pytest.mark.parametrize(
    ("end", "count"),
    [
        ("2021-02-22", 1),  # a bare day is meant whole
        ("2021-02-23", 1),
        ("2021-02-21", 0),
        ("2021-02-22 21:39:27", 1),
        ("2021-02-22 21:39:26", 0),  # a moment is no part
        ("2021-02-22T12:39:27Z", 1),
        ("2021-02-22T12:39:26Z", 0),
    ],
)
async def test_the_end_is_no_part_of_the_time(api: Api, end: str, count: int) -> None:
    session(api, "r", 10)
    data = await api.data(f"/v1/static?startTime=2021-02-20&endTime={end}")
    assert len(data["detail"]) == count


@pytest.mark.parametrize(
    "query",
    [
        "",
        "startTime=",
        "endTime=2021-02-22",
        "startTime=2021-02-30",
        "startTime=2021-13-01",
        "startTime=2021-2-1",
        "startTime=yesterday",
        "startTime=1614000000",
        "startTime=2021-02-22 24:00",
        "startTime=2021-02-22T12:39:26+09:00",  # a bare plus is a space
        "startTime=2021-02-22&endTime=",
        "startTime=2021-02-22&endTime=x",
        "startTime=2021-02-20&endTime=2021-02-19",
        "startTime=2021-02-20 10:00&endTime=2021-02-20 10:00",
        "startTime=2021-02-20 10:00&endTime=2021-02-20 09:59",
        "startTime=2021-02-20&startTime=2021-02-21",
        "startTime=0001-01-01",
        "startTime=2021-02-20&endTime=9999-12-31",
        "startTime=%FF",
        "starttime=2021-02-20",
    ],
)
async def test_bad_times(api: Api, query: str) -> None:
    answer = await api.get(f"/v1/static?{query}")
    assert (answer.status_code, answer.json()["status"]) == (400, False)


@pytest.mark.parametrize(
    "query", ["startTime=2021-02-20&endTime=2021-02-20", "startTime=2021-02-20 10:00&endTime=2021-02-20"]
)
async def test_one_day_and_the_rest_of_one_are_times(api: Api, query: str) -> None:
    assert (await api.data(f"/v1/static?{query}"))["detail"] == []


async def test_usage_of_other_licences_is_not_to_be_seen(api: Api) -> None:
    other, _ = api.add("other")
    api.joins("theirs", "zoe", licence=other)
    api.clock.goes_on(5)
    assert await api.data("/v1/static?startTime=2021-02-20") == {"domain": "trial", "totalSecond": 0, "detail": []}
    assert (await api.data("/v1/static?startTime=2021-02-20", api.access_token(other)))["totalSecond"] == 5


async def test_so_many_sessions_and_no_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "USAGE_SESSIONS", 3)
    for _ in range(3):
        session(api, "r", 1)
    assert len((await api.data("/v1/static?startTime=2021-02-20"))["detail"]) == 3
    session(api, "r", 1)
    answer = await api.get("/v1/static?startTime=2021-02-20")
    assert answer.status_code == 400 and "shorter" in answer.json()["message"]
    assert (await api.get(f"/v1/static?startTime={NOON.isoformat()[:10]} 21:39:27")).status_code == 200


async def test_whatever_is_asked_is_answered(api: Api) -> None:
    chance = random.Random(7)
    letters = "startTime=&end%2021-:TZ+ 0359\\é{}"
    for _ in range(150):
        text = quote("".join(chance.choices(letters, k=chance.randrange(30))), safe="%=&+:")
        for url in (f"/v1/static?startTime={text}", f"/v1/static?{text}", f"/v1/sessions?{text}"):
            assert (await api.get(url)).status_code in (200, 400), url
        assert (await api.get(f"/v1/sessions/{text}")).status_code in (200, 404), text
