"""Records as they are answered (contract analytics, section 8 and the rows of section 5). What is stored as JSON goes out as
the text that it is: nobody reads it on the way.
"""

from collections.abc import Mapping
from typing import Any, Final

from api.analytics.issues import ISSUES
from api.analytics.words import value_of, when

Record = Mapping[str, Any]

SUMMARY_VERSION: Final = 1


def conference(row: Record) -> dict[str, Any]:
    return {
        "id": row["id"],
        "conference_id": row["conference_id"],
        "conference_name": row["name"],
        "conference_info": {},
        "start_time": when(row["start_time"]),
        "call_start": when(row["call_start"]),
        "end_time": when(row["end_time"]),
        "ongoing": row["ongoing"],
        "duration": row["duration"],
        "app": row["app"],
        "created_at": when(row["created_at"]),
    }


def listed_conference(row: Record) -> dict[str, Any]:
    marks = {name: row[name] for name in ("has_errors", "has_warnings", "participants_count")}
    return conference(row) | marks


def single_conference(row: Record) -> dict[str, Any]:
    return conference(row) | {"participants": row["participants"], "issues": row["issues"]}


def participant(row: Record) -> dict[str, Any]:
    return {
        "id": row["id"],
        "participant_id": row["participant_id"],
        "participant_name": row["name"],
        "is_sfu": row["is_sfu"],
        "app": row["app"],
        "created_at": when(row["created_at"]),
    }


def session(row: Record) -> dict[str, Any]:
    return {
        "issues": row["issues"],
        "id": row["id"],
        "conference": row["conference"],
        "participant": row["participant"],
        **{name: value_of(row[name]) for name in ("devices", "platform", "metadata", "geo_ip")},
        "app_version": row["app_version"],
        "webrtc_sdk": row["webrtc_sdk"],
        "session_info": {},
        "duration": row["duration"],
        "end_time": when(row["end_time"]),
        "call_start": when(row["call_start"]),
        "created_at": when(row["created_at"]),
    }


def single_session(row: Record) -> dict[str, Any]:
    return session(row) | {"constraints": value_of(row["constraints"])}


def peer_connection(row: Record) -> dict[str, Any]:
    return {
        "id": row["id"],
        **{name: row[name] for name in ("session", "conference", "participant", "peer", "type", "state")},
        "connection_info": {
            "detected_tcp": row["detected_tcp"],
            "detected_turn": row["detected_turn"],
            "negotiations": value_of(row["negotiations"]),
        },
        "start_time": when(row["start_time"]),
        "end_time": when(row["end_time"]),
        "duration": row["duration"],
        "created_at": when(row["created_at"]),
    }


def track(row: Record) -> dict[str, Any]:
    named = ("id", "session", "connection", "kind", "direction", "track_id", "label")
    return {
        **{name: row[name] for name in named},
        "track_info": value_of(row["info"]),
        "created_at": when(row["created_at"]),
    }


def summary(row: Record) -> dict[str, Any]:
    """One that is there is done. It has no id of its own: a conference has one at most."""
    return {
        "id": row["id"],
        "conference": row["id"],
        "status": "done",
        "version": SUMMARY_VERSION,
        "end_time": when(row["end_time"]),
        "created_at": when(row["created_at"]),
    }


def issue(row: Record) -> dict[str, Any]:
    kind = ISSUES[row["code"]]
    return {
        "id": row["id"],
        **{name: row[name] for name in ("session", "conference", "participant", "connection")},
        "track": None,
        "type": kind.type,
        "code": row["code"],
        "title": kind.title,
        "explanation": kind.explanation,
        "data": value_of(row["data"]),
        "created_at": when(row["created_at"]),
    }


def event(row: Record) -> dict[str, Any]:
    of_others = ("conference", "participant", "peer", "session", "connection", "track", "app")
    return {
        "id": row["id"],
        **{name: row[name] for name in of_others},
        "type": row["type"],
        "category": row["category"],
        "data": value_of(row["data"]),
        "created_at": when(row["created_at"]),
    }
