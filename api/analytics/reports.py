"""Statistics and tracks as clients report them (contract analytics, sections 4.5 and 4.6; 4.3.3 for getUserMedia).

A `/stats` request is one main report of a connection and any number of reports of tracks, each of which is stored by itself.
Pure. Whether the connection is there, and goes on, is not known here.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from api.analytics.events import TYPE_CHARS, Event
from api.analytics.faults import Fault
from api.analytics.fields import Body, moment, storable, text, uuid_of

TRACK_ID_CHARS: Final = 40
LABEL_CHARS: Final = 128
TRACK_REPORTS: Final = 200
"""Of one `/stats` request; more is 400 `invalid_parameters`."""
TRACKS: Final = 50
"""Of one `getUserMedia` event; more is 400 `invalid_parameters`."""

_KINDS: Final = ("audio", "video")
_DIRECTIONS: Final = ("inbound", "outbound")
_CANDIDATES: Final = ("host", "srflx", "prflx", "relay")
_AMOUNTS: Final = ("bytesSent", "bytesReceived", "packetsSent", "packetsReceived")


@attrs.frozen
class TrackReport:
    track_id: str
    kind: str
    direction: str
    data: Mapping[str, Any]


@attrs.frozen
class Stats:
    connection: str
    """A UUID."""
    at: datetime
    data: Mapping[str, Any]
    """What is stored of it: connection, remote, and the reports that are of no track."""
    tracks: tuple[TrackReport, ...]
    candidate: str | None
    """The type of the local candidate: host, srflx, prflx or relay."""
    is_tcp: bool
    is_proof: bool
    """It shows that the connection has been established (section 6)."""


@attrs.frozen
class Track:
    """One that a session has from now on, unless it has it already."""

    id: str
    kind: str
    direction: str
    label: str
    info: Mapping[str, Any]


@attrs.frozen
class TrackEvent:
    type: str
    at: datetime
    track_id: str
    data: Any


def read_stats(body: Body, now: datetime) -> Stats:
    """Raises Fault: invalid_parameters, connection_not_found."""
    at, data = moment(body, now), body.get("data")
    if not isinstance(data, dict) or not isinstance(pair := data.get("connection"), dict) or not pair:
        raise Fault("invalid_parameters")
    remote = data.get("remote")
    stored: dict[str, Any] = {"connection": pair} | ({"remote": remote} if remote else {})
    tracks = []
    for kind, direction, report in _reports(data):
        track = report.get("track")
        id = track.get("trackIdentifier") if isinstance(track, dict) else None
        if isinstance(id, str) and id:
            tracks.append(TrackReport(storable(id)[:TRACK_ID_CHARS], kind, direction, report))
        else:
            stored.setdefault(kind, {}).setdefault(direction, []).append(report)
    if len(tracks) > TRACK_REPORTS:
        raise Fault("invalid_parameters")
    local = _object(pair.get("local"))
    return Stats(
        connection=uuid_of(body.get("connectionId"), "connection_not_found"),
        at=at,
        data=stored,
        tracks=tuple(tracks),
        candidate=_candidate(local),
        is_tcp=local.get("protocol") == "tcp",
        is_proof=_is_proof(data, pair),
    )


def read_new_track(body: Body, now: datetime) -> tuple[Track, Event]:
    """Of POST /tracks: the track, and the event of it, which names the connection."""
    event = read_track_event(body, now)
    connection = uuid_of(body.get("connectionId"), "connection_not_found")
    return _track(event.track_id, event.data), Event(event.type, event.at, event.data, connection=connection)


def read_track_event(body: Body, now: datetime) -> TrackEvent:
    """Of PUT /tracks."""
    type, id = text(body, "event", TYPE_CHARS), text(body, "trackId", TRACK_ID_CHARS)
    at = moment(body, now)
    if not type or not id:
        raise Fault("missing_parameters")
    return TrackEvent(type, at, id, body.get("data"))


def tracks_of(event: Event) -> list[Track]:
    """Those that a getUserMedia event brings."""
    if event.type != "getUserMedia" or not isinstance(event.data, dict):
        return []
    lists = [event.data.get(kind) for kind in _KINDS]
    given = [each for tracks in lists if isinstance(tracks, list) for each in tracks]
    if len(given) > TRACKS:
        raise Fault("invalid_parameters")
    return [_track(_id_of(each), {**_object(each), "direction": "outbound"}) for each in given]


def info_after(info: Mapping[str, Any], type: str) -> Mapping[str, Any]:
    """What a track's event leaves of `Track.info`."""
    match type:
        case "mute" | "unmute":
            return {**info, "muted": type == "mute"}
        case "ended":
            return {**info, "ended": True, "readyState": "ended"}
    return info


def _reports(data: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for kind in _KINDS:
        by_direction = data.get(kind) or {}
        if not isinstance(by_direction, dict):
            raise Fault("invalid_parameters")
        for direction, reports in by_direction.items():
            if direction not in _DIRECTIONS or not isinstance(reports, list):
                raise Fault("invalid_parameters")
            for report in reports:
                if not isinstance(report, dict):
                    raise Fault("invalid_parameters")
                yield kind, direction, report


def _track(id: str, data: Any) -> Track:
    if not isinstance(data, dict):
        raise Fault("missing_parameters")
    kind, direction, label = data.get("kind"), data.get("direction") or "inbound", data.get("label") or ""
    if kind not in _KINDS or direction not in _DIRECTIONS or not isinstance(label, str):
        raise Fault("invalid_parameters")
    constraints = data.get("constraints")
    info = {
        "muted": data.get("muted"),
        "enabled": data.get("enabled"),
        "capabilities": data.get("capabilities"),
        "constraints": [] if constraints is None else [constraints],
        "settings": data.get("settings"),
        "ended": data.get("readyState") == "ended",
        "readyState": data.get("readyState"),
        "contentHint": data.get("contentHint"),
    }
    return Track(id, kind, direction, storable(label)[:LABEL_CHARS], info)


def _id_of(track: object) -> str:
    id = _object(track).get("id")
    if not isinstance(id, str) or not id:
        raise Fault("invalid_parameters")
    return storable(id)[:TRACK_ID_CHARS]


def _candidate(end: Mapping[str, Any]) -> str | None:
    type = end.get("candidateType")
    return type if isinstance(type, str) and type in _CANDIDATES else None


def _is_proof(data: Mapping[str, Any], pair: Mapping[str, Any]) -> bool:
    used = pair.get("nominated") or pair.get("selected") or pair.get("currentRoundTripTime") is not None
    if (pair.get("state") == "succeeded" and used) or _has_moved(pair):
        return True
    if _candidate(_object(pair.get("local"))) and _candidate(_object(pair.get("remote"))):
        return True
    return any(_has_moved(report) for report in _objects_of(data)) or any(
        _has_moved(report) for report in _objects_of(_object(data.get("remote")))
    )


def _objects_of(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Reports of any kind and direction, as far as they can be read."""
    for kind in _KINDS:
        for reports in _object(data.get(kind)).values():
            yield from map(_object, reports if isinstance(reports, list) else [reports])


def _has_moved(report: Mapping[str, Any]) -> bool:
    amounts = [report.get(name) for name in _AMOUNTS]
    return any(isinstance(amount, int | float) and amount > 0 for amount in amounts)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
