"""Events as clients report them: which are good, and what they say (contract analytics, sections 4.3 and 4.4).

    body > read_event, read_batch > Event > kind_of    the mark that it leaves (course.py)

Pure. Whether what an event names is there, and may be named by its session, is not known here. An unknown event is
stored as it came and has no effect.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import attrs

from api.analytics.course import Kind
from api.analytics.faults import Fault
from api.analytics.fields import Body, moment, text, uuid_of

TYPE_CHARS: Final = 32
ID_CHARS: Final = 64
BATCH_EVENTS: Final = 1000
"""Of one request; more is 400 `invalid_parameters`."""

ADD_CONNECTION: Final = "addConnection"

_CANDIDATE: Final = frozenset(
    "address candidate component foundation port priority protocol relatedAddress relatedPort sdpMLineIndex sdpMid "
    "tcpType type usernameFragment".split()
)
_CONNECTION_STATES: Final = frozenset({"new", "connecting", "connected", "disconnected", "failed", "closed"})
_ICE_STATES: Final = frozenset({"new", "checking", "connected", "completed", "failed", "disconnected", "closed"})
_GATHERING_STATES: Final = frozenset({"new", "gathering", "complete"})
_SIGNALLING_STATES: Final = frozenset(
    {"stable", "have-local-offer", "have-remote-offer", "have-local-pranswer", "have-remote-pranswer", "closed"}
)
_TELLING: Final = frozenset(
    "onnegotiationneeded onsignalingstatechange onconnectionstatechange oniceconnectionstatechange removeConnection "
    "beforeunload unload endCall".split()
)
_REPORT: Final = ("audio", "video", "connection", "remote")
_OFFERS: Final = frozenset({"have-local-offer", "have-remote-offer"})


@attrs.frozen
class Peer:
    """What `addConnection` says of the other end."""

    id: str
    name: str | None
    is_sfu: bool
    is_connected: bool


class Event(NamedTuple):
    """One that may be applied. Which category it has, its route says. A tuple, as they come by the thousand."""

    type: str
    at: datetime
    data: Any = None
    peer: str | None = None
    """The UUID of a participant; None: it names none, or brings a `new_peer`."""
    connection: str | None = None
    """A UUID."""
    new_peer: Peer | None = None


def read_event(body: Body, now: datetime, *, needs_peer: bool) -> Event:
    """`needs_peer`: as on `/connection`. Raises Fault, in the contract's order: types, missing, data, connection, peer."""
    at, name, peer = moment(body, now), text(body, "eventName"), text(body, "peerId")
    if not name or (needs_peer and not peer):
        raise Fault("missing_parameters")
    return _read(body, at, name, peer)


def read_batch(body: Body, now: datetime) -> list[Event]:
    """Raises Fault; one bad event refuses all. What has no name or no peer is left out."""
    given = body.get("data", body.get("events"))
    if given is None:
        raise Fault("missing_parameters")
    if not isinstance(given, list) or len(given) > BATCH_EVENTS:
        raise Fault("invalid_parameters")
    sent = moment(body, now, "timeDelta")
    found = []
    for each in given:
        if not isinstance(each, dict):
            raise Fault("invalid_parameters")
        at = moment(each, sent, "timeDelta")
        name, peer = text(each, "eventName"), text(each, "peerId")
        if name and peer:
            found.append(_read(each, at, name, peer))
    return found


def kind_of(event: Event) -> Kind | None:
    """What it says of a connection, or of its session."""
    if event.type not in _TELLING:
        return None
    match event.type, event.data:
        case ("onnegotiationneeded", _):
            return Kind.NEGOTIATES
        case ("onsignalingstatechange", {"signalingState": "stable"}):
            return Kind.STABLE
        case ("onsignalingstatechange", {"signalingState": state}) if state in _OFFERS:
            return Kind.NEGOTIATES
        case ("onconnectionstatechange", state):
            return Kind(state)
        case ("oniceconnectionstatechange", "connected" | "completed"):
            return Kind.CONNECTED
        case ("removeConnection", _):
            return Kind.REMOVED
        case ("beforeunload", _):
            return Kind.HIDDEN
        case ("unload" | "endCall", _):
            return Kind.LEFT
    return None


def _read(body: Body, at: datetime, name: str, peer: str | None) -> Event:
    type = name[:TYPE_CHARS]
    if type == ADD_CONNECTION and peer:
        return Event(type, at, body.get("data"), new_peer=_new_peer(body, peer))
    data, connection = _data(type, body), body.get("connectionId")
    return Event(
        type,
        at,
        data,
        connection=None if connection is None else uuid_of(connection, "connection_not_found"),
        peer=None if not peer else uuid_of(peer, "participant_not_found"),
    )


def _new_peer(body: Body, id: str) -> Peer:
    if len(id) > ID_CHARS:
        raise Fault("invalid_parameters")
    name, state, is_sfu = text(body, "peerName", ID_CHARS), text(body, "connectionState"), body.get("isSfu")
    if is_sfu is not None and not isinstance(is_sfu, bool):
        raise Fault("invalid_parameters")
    return Peer(id, name or None, is_sfu=bool(is_sfu), is_connected=state == "connected")


def _data(type: str, body: Body) -> Any:
    data = body.get("data")
    check = _CHECKS.get(type)
    if check is not None and not check(data):
        raise Fault("invalid_parameters")
    match type, data:
        case ("onicecandidate", dict()):
            return {name: value for name, value in data.items() if value is not None and name in _CANDIDATE}
        case ("tabFocus", None) if isinstance(body.get("focus"), bool):
            return {"focus": body["focus"]}
        case ("mediaDeviceChange", None) if isinstance(body.get("devices"), list):
            return {"devices": body["devices"]}
    return data


def _one_of(allowed: frozenset[str]) -> Callable[[Any], bool]:
    return lambda data: isinstance(data, str) and data in allowed


def _is_signalling(data: Any) -> bool:
    return isinstance(data, dict) and _one_of(_SIGNALLING_STATES)(data.get("signalingState"))


def _is_candidate_error(data: Any) -> bool:
    return isinstance(data, int | float) and not isinstance(data, bool) and 300 < data < 799


def _is_report(data: Any) -> bool:
    return isinstance(data, dict) and all(name in data for name in _REPORT)


def _is_nothing(data: Any) -> bool:
    return data is None


_CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = MappingProxyType(
    {
        "oniceconnectionstatechange": _one_of(_ICE_STATES),
        "onsignalingstatechange": _is_signalling,
        "onicegatheringstatechange": _one_of(_GATHERING_STATES),
        "onconnectionstatechange": _one_of(_CONNECTION_STATES),
        "connectionstatechange": _one_of(_CONNECTION_STATES),
        "icecandidateerror": _is_candidate_error,
        "negotiationneeded": _is_nothing,
        "datachannel": _is_nothing,
        "stats": _is_report,
    }
)
"""By type: whether its data is good."""
