"""Graphs of a conference, and the issues of what was heard in it (contract analytics, section 7)."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from api.store import call_graphs, tables
from tests.api.analytics.calls import Client, app, issues, rows
from tests.api.analytics.conftest import Api

PAIR = {
    "id": "CP",
    "bytesSent": 5,
    "packetsSent": 1,
    "responsesReceived": 2,
    "totalRoundTripTime": 0.25,
    "local": {"candidateType": "host"},
}
HEARD = {
    "id": "I",
    "mediaType": "audio",
    "track": {},
    "packetsReceived": 1000,
    "packetsLost": 0,
    "jitter": 0.01,
    "bytesReceived": 40_000,
    "headerBytesReceived": 12_000,
    "audioLevel": 0.5,
}
SHOWN = {
    "id": "O",
    "mediaType": "video",
    "track": {"trackIdentifier": "camera"},
    "packetsSent": 7,
    "bytesSent": 9000,
    "headerBytesSent": 80,
    "frameWidth": 640,
    "frameHeight": 360,
    "framesSent": 30,
    "framesEncoded": 31,
    "totalEncodeTime": 0.5,
}


def stats(**more: object) -> dict[str, Any]:
    return {"connection": PAIR, "audio": {"inbound": [HEARD]}, "video": {"outbound": [SHOWN]}, **more}


async def call(api: Api, interval: int = 10_000) -> tuple[Client, dict[str, str], str]:
    """Anna's, with what her events name, and the conference's id."""
    made = await app(api, interval=interval)
    anna = await Client(api, made["api_key"], "anna", "standup").comes()
    connection = await anna.connects()
    (found,) = await api.data("GET", f"/conferences?appId={made['id']}")
    return anna, connection, found["id"]


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    with trio.fail_after(20):
        while not (found := await look()):
            await trio.sleep(0.01)
    return found


async def graphs(api: Api, conference: str, query: str = "") -> list[Any]:
    async def look() -> list[Any] | None:
        answer = (await api.ask("GET", f"/conferences/{conference}/graphs{query}")).json()
        assert set(answer) in ({"building"}, {"summary"})
        return [answer["summary"]["data"]] if "summary" in answer else None

    (data,) = await until(look)
    return data  # type: ignore[no-any-return]


async def test_a_conference_that_goes_on_has_none_yet(api: Api) -> None:
    _, _, conference = await call(api)
    assert (await api.ask("GET", f"/conferences/{conference}/graphs")).json() == {"ongoing": True}


async def test_one_that_nobody_was_connected_in_has_none(api: Api) -> None:
    made = await app(api)
    await Client(api, made["api_key"], "anna", "standup").comes()
    (found,) = await api.data("GET", f"/conferences?appId={made['id']}")
    assert await graphs(api, found["id"]) == []
    unknown = f"/conferences/{made['id']}/graphs"
    assert await api.fault("GET", unknown) == "400 conference_not_found"


async def test_a_snapshot_of_each_report(api: Api) -> None:
    anna, connection, conference = await call(api)
    remote = {"audio": {"inbound": [{"roundTripTime": 0.05}]}}
    for seconds in (10, 5):  # the second arrives late
        await anna.tell(
            "/stats", connectionId=connection["connectionId"], data=stats(remote=remote), delta=seconds * 1000
        )
    await anna.tell("/stats", connectionId=connection["connectionId"], data={"connection": {"id": "CP"}}, delta=7000)
    await anna.tell("/events/browser", eventName="endCall")
    shown = await graphs(api, conference)
    assert [each["created_at"][-8:] for each in shown] == ["11:59:50", "11:59:53", "11:59:55"]
    first = shown[0]
    events = await api.data("GET", f"/conferences/{conference}/events?type=stats")
    assert first["id"] == events[0]["id"] and first["type"] == "stats"
    for name in ("app", "session", "conference", "participant", "connection"):
        assert first[name] == events[0][name]
    (of_call,) = await api.data("GET", f"/connections?conferenceId={conference}")
    assert first["peer"] == of_call["peer"]
    kept = ("headerBytesReceived", "bytesReceived", "packetsReceived", "packetsLost", "jitter")
    assert first["data"] == {
        "connection": {
            name: PAIR[name] for name in ("id", "bytesSent", "packetsSent", "responsesReceived", "totalRoundTripTime")
        },
        "remote": remote,
        "audio": {
            "inbound": [{"id": "I", "mediaType": "audio", **{name: HEARD[name] for name in kept}, "emos": 4.4}],
            "outbound": [],
        },
        "video": {"inbound": [], "outbound": [{name: value for name, value in SHOWN.items() if name != "track"}]},
    }
    assert shown[1]["data"] == {
        "connection": {
            "id": "CP",
            "bytesSent": None,
            "packetsSent": None,
            "responsesReceived": None,
            "totalRoundTripTime": None,
        },
        "remote": {},
        "audio": {"inbound": [], "outbound": []},
        "video": {"inbound": [], "outbound": []},
    }


async def test_pages_of_events_do_not_tear_a_report_apart(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.analytics.summing.PAGE", 3)
    anna, connection, conference = await call(api)
    cameras = [SHOWN | {"track": {"trackIdentifier": f"camera{number}"}} for number in range(4)]
    for _ in range(5):
        data = {"connection": PAIR, "video": {"outbound": cameras}}
        await anna.tell("/stats", connectionId=connection["connectionId"], data=data)
    await anna.tell("/events/browser", eventName="endCall")
    shown = await graphs(api, conference)
    assert [len(each["data"]["video"]["outbound"]) for each in shown] == [4] * 5


async def test_a_few_points_of_each_connection(api: Api) -> None:
    anna, connection, conference = await call(api)
    other = await anna.connects("boris")
    for number in range(20):
        for each in (connection, other):
            data = {"connection": {"id": str(number)}}
            await anna.tell("/stats", connectionId=each["connectionId"], data=data)
    await anna.tell("/events/browser", eventName="endCall")
    for points, count in ((1, 2), (3, 6), (20, 40), (500, 40)):
        shown = await graphs(api, conference, f"?points={points}")
        assert len(shown) == count
        assert [each["data"]["connection"]["id"] for each in shown][-1] == "19"


async def test_what_is_beyond_the_bound_is_left_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.analytics.summing.SUMMARY_SNAPSHOTS", 3)
    anna, connection, conference = await call(api)
    for number in range(5):
        await anna.tell("/stats", connectionId=connection["connectionId"], data={"connection": {"id": str(number)}})
    await anna.tell("/events/browser", eventName="endCall")
    assert [each["data"]["connection"]["id"] for each in await graphs(api, conference)] == ["0", "1", "2"]


async def test_a_conference_that_begins_again_is_summed_up_again(api: Api) -> None:
    anna, connection, conference = await call(api)
    await anna.tell("/stats", connectionId=connection["connectionId"], data=stats())
    await anna.tell("/connection", eventName="removeConnection", **connection)
    assert len(await graphs(api, conference)) == 1
    again = await anna.connects()
    assert (await api.ask("GET", f"/conferences/{conference}/graphs")).json() == {"ongoing": True}
    api.clock.goes_on(5)
    await anna.tell("/stats", connectionId=again["connectionId"], data=stats())
    await anna.tell("/connection", eventName="removeConnection", **again)
    assert len(await graphs(api, conference)) == 2
    assert len(rows(api, tables.summaries)) == 1


@pytest.mark.parametrize(
    ("buffer_s", "times", "interval", "found"),
    [
        (0, 5, 10_000, []),
        (50, 3, 10_000, [("low_emos", 3.91)]),
        (50, 2, 10_000, []),
        (50, 2, 15_000, [("low_emos", 3.91)]),
        (50, 5, 5000, []),
        (500, 3, 10_000, [("very_low_emos", 1.47)]),
    ],
)
async def test_who_heard_badly_for_half_a_minute(
    api: Api, buffer_s: float, times: int, interval: int, found: list[tuple[str, float]]
) -> None:
    anna, connection, conference = await call(api, interval)
    buffer = {"jitterBufferDelay": buffer_s, "jitterBufferEmittedCount": 1000}
    report = HEARD | buffer | ({"packetsLost": 3000, "bitrate": 6000} if buffer_s else {})
    for _ in range(times):
        await anna.tell(
            "/stats", connectionId=connection["connectionId"], data={"connection": PAIR, "audio": {"inbound": [report]}}
        )
    await anna.tell("/events/browser", eventName="endCall")
    await graphs(api, conference)
    listed = await api.data("GET", f"/issues?conferenceId={conference}")
    scored = [(each["code"], each["data"]["average"]) for each in listed if "emos" in each["code"]]
    assert scored == found
    (session,) = await api.data("GET", f"/sessions?conferenceId={conference}")
    assert len(session["issues"]) == len(listed)
    assert issues(api) == [each["code"] for each in listed]


async def test_more_conferences_end_than_may_wait(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.analytics.summing.SUMMARIES_WAITING", 2)
    made = await app(api)
    for number in range(7):
        person = await Client(api, made["api_key"], "anna", f"standup {number}").comes()
        await person.connects()
    async with trio.open_nursery() as nursery:
        for each in await api.data("GET", f"/conferences?appId={made['id']}"):
            stop = {"apiKey": made["api_key"], "conferenceId": each["conference_id"]}
            nursery.start_soon(api.ask, "POST", "/services/stop-conference", stop)
    for each in await api.data("GET", f"/conferences?appId={made['id']}"):
        assert await graphs(api, each["id"]) == []
    assert len(rows(api, tables.summaries)) == 7


async def test_what_could_not_be_summed_up_is_tried_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.analytics.summing.AGAIN_S", 0.01)
    failures = iter([True, True])
    read = call_graphs.stats_after

    def fails(*given: Any, **named: Any) -> Any:
        if next(failures, False):
            raise OSError("the disk is gone")
        return read(*given, **named)

    monkeypatch.setattr(call_graphs, "stats_after", fails)
    anna, connection, conference = await call(api)
    await anna.tell("/stats", connectionId=connection["connectionId"], data=stats())
    await anna.tell("/events/browser", eventName="endCall")
    assert len(await graphs(api, conference)) == 1
    assert next(failures, None) is None
