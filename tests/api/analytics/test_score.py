"""The score of what was heard (contract analytics, section 7)."""

import math
from typing import Any

import pytest

from api.analytics.score import score

HEARD = {"id": "I", "track": {}, "packetsReceived": 1000, "packetsLost": 0}
# 10 ms of jitter buffer, 50 ms of round trip, at 32 kbit/s.
CHECKED = HEARD | {"bitrate": 32_000, "jitterBufferDelay": 10, "jitterBufferEmittedCount": 1000}
REMOTE = {"audio": {"inbound": [{"roundTripTime": None}, {"roundTripTime": 0.05}]}}


def said(sent: object, id: str = "I") -> dict[str, Any]:
    return {"audio": {**REMOTE["audio"], "outbound": [{"localId": id, "packetsSent": sent}]}}


def test_the_contracts_own_figures() -> None:
    assert score(CHECKED, REMOTE) == 4.36
    assert score(CHECKED, said(1298.7)) == 4.31


@pytest.mark.parametrize(
    "report",
    [
        {"id": "I", "packetsReceived": 1000, "packetsLost": 0},
        {"track": {}},
        {"track": {}, "packetsReceived": 0, "packetsLost": 0},
        {"track": None, "packetsReceived": None},
        {"track": {}, "packetsReceived": "many"},
    ],
)
def test_without_packets_or_track_there_is_none(report: dict[str, Any]) -> None:
    assert score(report, REMOTE) is None


def test_loss_is_what_the_other_end_has_sent_if_it_is_clear_which_stream_that_was() -> None:
    def value(remote: object, **report: object) -> float | None:
        return score(HEARD | report, remote)

    assert value(said(1300), packetsLost=0) == value(said(1300), packetsLost=300) == value(REMOTE, packetsLost=300)
    twice = {"audio": {**REMOTE["audio"], "outbound": [{"localId": "I", "packetsSent": 1300}] * 2}}
    for unclear in (twice, said(0), said(1300, "another"), said(True), said(None), REMOTE):
        assert value(unclear, packetsLost=0) == value(REMOTE) != value(said(1300))
    for nothing in ("nothing", [], None, {"audio": 5}, {"audio": {"outbound": [None, 5]}}):
        assert value(nothing, packetsLost=300) == value({}, packetsLost=300)


def test_more_than_was_sent_is_no_loss() -> None:
    assert score(HEARD, said(10)) == score(HEARD, said(1000))
    assert score(HEARD | {"packetsLost": -5}, {}) == score(HEARD, {})


def test_what_makes_it_worse_and_better() -> None:
    def value(**report: object) -> float:
        found = score(HEARD | report, {})
        assert found is not None
        return found

    assert value() > value(packetsLost=500) > value(packetsLost=5_000_000)
    assert value(packetsLost=500, fecPacketsReceived=3) > value(packetsLost=500)
    assert value() > value(jitterBufferDelay=100, jitterBufferEmittedCount=1000)
    assert value(jitterBufferDelay=5000, jitterBufferEmittedCount=1000) == 1.0
    assert value(bitrate=6000) < value(bitrate=64_000) < value(bitrate=200_000) == value(bitrate=1e9)


@pytest.mark.parametrize("wild", [math.inf, -math.inf, math.nan, 1e300, -1e300, "x", None, [], True])
def test_whatever_is_said_a_score_is_one(wild: object) -> None:
    names = ("packetsLost", "bitrate", "jitterBufferDelay", "jitterBufferEmittedCount")
    for name in names:
        found = score(HEARD | {name: wild}, said(wild))
        assert found is None or 1 <= found <= 5
