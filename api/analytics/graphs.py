"""What the graphs of a conference show (contract analytics, section 7): a snapshot of each `/stats` request. Pure.

What came by one request carries one number; the main event comes first, then the reports of tracks. Each report goes into
the snapshot of its own request. Scores of what was heard are gathered on the way, participant by participant.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

import attrs
import orjson

from api.analytics.score import score
from api.analytics.words import when

Record = Mapping[str, Any]

VERY_LOW: Final = 3.0
LOW: Final = 4.0
LONG_MS: Final = 30_000
"""Of bad scores; less is no issue."""

_PAIR: Final = ("id", "bytesSent", "packetsSent", "responsesReceived", "totalRoundTripTime")
_ALL: Final = ("id", "mediaType")
_KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "inbound": ("headerBytesReceived", "bytesReceived", "packetsReceived", "packetsLost", "jitter"),
    "outbound": ("packetsSent", "headerBytesSent", "bytesSent"),
}
_KEPT_OF_VIDEO: Final[Mapping[str, tuple[str, ...]]] = {
    "inbound": ("frameWidth", "frameHeight", "framesReceived", "framesDecoded", "totalDecodeTime"),
    "outbound": ("frameWidth", "frameHeight", "framesSent", "framesEncoded", "totalEncodeTime"),
}


@attrs.frozen
class Issue:
    code: str
    average: float


@attrs.define
class Scores:
    """Of one participant."""

    session: str = ""
    """The last one of theirs that has any."""
    very_low: int = 0
    very_low_sum: float = 0.0
    low: int = 0
    low_sum: float = 0.0

    def add(self, value: float) -> None:
        if value < VERY_LOW:
            self.very_low += 1
            self.very_low_sum += value
        elif value < LOW:
            self.low += 1
            self.low_sum += value

    def issues(self, interval_ms: int) -> Iterator[Issue]:
        needed = LONG_MS / interval_ms
        if self.very_low and self.very_low >= needed:
            yield Issue("very_low_emos", round(self.very_low_sum / self.very_low, 2))
        if self.low and self.low >= needed:
            yield Issue("low_emos", round(self.low_sum / self.low, 2))


def snapshots(events: Iterable[Record], scores: dict[str, Scores]) -> Iterator[dict[str, Any]]:
    """`events`: of the category `stats`, by time, those of one request one after the other; with `kind` and `direction` of
    their track, or none. Adds to `scores`, by participant."""
    for _, group in groupby(events, key=lambda event: event["request"]):
        snapshot, remote = None, None
        for event in group:
            data = orjson.loads(event["data"] or "{}")
            if event["kind"] is None:
                snapshot, remote = _snapshot(event, data), data.get("remote")
                reports = list(_in(data))
            else:
                reports = [(event["kind"], event["direction"], data)]
            if snapshot is None:
                continue
            for kind, direction, report in reports:
                kept = _report(kind, direction, report, remote)
                snapshot["data"][kind][direction].append(kept)
                if kept.get("emos") is not None:
                    of_person = scores.setdefault(event["participant"], Scores())
                    of_person.add(kept["emos"])
                    of_person.session = event["session"]
        if snapshot is not None:
            yield snapshot


def _snapshot(event: Record, data: Mapping[str, Any]) -> dict[str, Any]:
    pair = data.get("connection") or {}
    return {
        **{name: event[name] for name in ("id", "app", "session", "conference", "participant", "peer", "connection")},
        "created_at": when(event["created_at"]),
        "type": "stats",
        "data": {
            "connection": {name: pair.get(name) for name in _PAIR},
            "remote": data.get("remote") or {},
            "audio": {"inbound": [], "outbound": []},
            "video": {"inbound": [], "outbound": []},
        },
    }


def _in(data: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for kind in ("audio", "video"):
        for direction, reports in (data.get(kind) or {}).items():
            for report in reports:
                yield kind, direction, report


def _report(kind: str, direction: str, report: Mapping[str, Any], remote: object) -> dict[str, Any]:
    names = _ALL + _KEPT[direction] + (_KEPT_OF_VIDEO[direction] if kind == "video" else ())
    kept = {name: report.get(name) for name in names}
    if kind == "audio" and direction == "inbound":
        kept["emos"] = score(report, remote)
    return kept
