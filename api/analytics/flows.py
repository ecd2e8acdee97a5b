"""What the server has seen of a connection, put as clients report theirs (contract analytics, sections 4.3, 4.5 and 7). Pure.

In: the media layer's figures of one connection (sfu.stats.PeerStats as a mapping), and when they were read. Out: events of how
far it has come, and one report. It is the server's side: what is inbound here, the member has sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from api.analytics.events import Event
from api.analytics.reports import Stats

CONNECTION: Final = "connection"
TRACK: Final = "track"
US: Final = 1_000_000

Stream = Mapping[str, Any]


@attrs.frozen
class Step:
    """What has happened to a connection."""

    name: str
    """Unique within the connection."""
    category: str
    type: str
    at: datetime
    data: Any


def offered_at(stream: Stream, now: datetime) -> datetime:
    return _ago(now, stream["ages_ms"].get("offered", 0))


def steps(stream: Stream, now: datetime) -> list[Step]:
    """All so far, in the order of their times."""
    return sorted(_steps(stream, now), key=lambda step: step.at)


def is_complete(stream: Stream) -> bool:
    """Whether nothing more is to come of what each connection goes through."""
    return "connected" in stream["ages_ms"] and all(
        each["first_packet_age_ms"] >= 0 and (each["kind"] != "video" or each["first_keyframe_age_ms"] >= 0)
        for each in stream["inbound"]
    )


def event_of(step: Step, connection: str) -> Event:
    return Event(step.type, step.at, step.data, connection=connection)


def stats_of(stream: Stream, connection: str, now: datetime) -> Stats:
    """One report, in the shape of a client's. It says nothing of candidates: the server has but the ends that it serves."""
    data: dict[str, Any] = {
        "connection": {
            "id": f"server-{stream['id']}",
            "state": "succeeded" if stream["state"] == "connected" else "in-progress",
            "bytesSent": stream["bytes_out"],
            "bytesReceived": stream["bytes_in"],
            "packetsSent": stream["packets_out"],
            "packetsReceived": stream["packets_in"],
            "srtpCipher": stream["profile"],
        }
    }
    remote: dict[str, Any] = {}
    for each in stream["inbound"]:
        data.setdefault(each["kind"], {}).setdefault("inbound", []).append(_inbound(each))
    for each in stream["outbound"]:
        data.setdefault(each["kind"], {}).setdefault("outbound", []).append(_outbound(each))
        remote.setdefault(each["kind"], {}).setdefault("inbound", []).append(_of_receiver(each))
    if remote:
        data["remote"] = remote
    return Stats(
        connection=connection,
        at=now,
        data=data,
        tracks=(),
        candidate=None,
        is_tcp=False,
        is_proof=stream["state"] == "connected",
    )


def _steps(stream: Stream, now: datetime) -> Iterator[Step]:
    ages: Mapping[str, int] = stream["ages_ms"]
    if "ice" in ages:
        yield Step("ice", CONNECTION, "oniceconnectionstatechange", _ago(now, ages["ice"]), "connected")
    if "dtls" in ages:
        data = {"profile": stream["profile"]}
        yield Step("dtls", CONNECTION, "dtlsConnected", _ago(now, ages["dtls"]), data)
    if "connected" in ages:
        yield Step("connected", CONNECTION, "onconnectionstatechange", _ago(now, ages["connected"]), "connected")
    sections: Sequence[Stream] = stream["inbound"]
    for each in sections:
        data = {"kind": each["kind"], "source": stream["publishes"], "ssrc": each["ssrc"], "codec": each["codec"]}
        for type, age in (("firstPacket", "first_packet_age_ms"), ("firstKeyFrame", "first_keyframe_age_ms")):
            if each[age] >= 0:
                yield Step(f"{type} {each['mid']}", TRACK, type, _ago(now, each[age]), data)


def _inbound(each: Stream) -> dict[str, Any]:
    # No `track`: it is not the server that hears, so there is no score of it.
    return {
        "type": "inbound-rtp",
        "id": f"in-{each['mid']}",
        "mid": each["mid"],
        "kind": each["kind"],
        "mediaType": each["kind"],
        "ssrc": each["ssrc"],
        "codec": each["codec"],
        "packetsReceived": each["packets"],
        "bytesReceived": each["bytes"],
        "packetsLost": max(0, each["lost"] - each["recovered"]),
        "packetsRecovered": each["recovered"],
        "jitter": each["jitter_us"] / US,
        "keyFrames": each["keyframes"],
        "pliCount": each["key_requests"],
        "cut": each["cut"],
    }


def _outbound(each: Stream) -> dict[str, Any]:
    return {
        "type": "outbound-rtp",
        "id": f"out-{each['mid']}",
        "mid": each["mid"],
        "kind": each["kind"],
        "mediaType": each["kind"],
        "ssrc": each["ssrc"],
        "packetsSent": each["packets"],
        "bytesSent": each["bytes"],
        "retransmittedPacketsSent": each["retransmitted"],
        "nackCount": each["nacked"],
        "member": each["source"],
        "mediaSource": each["media_source"],
        "reason": each["reason"],
    }


def _of_receiver(each: Stream) -> dict[str, Any]:
    return {
        "type": "remote-inbound-rtp",
        "localId": f"out-{each['mid']}",
        "kind": each["kind"],
        "packetsLost": each["lost"],
        "fractionLost": each["lost_fraction"],
        "jitter": each["jitter_us"] / US,
        "roundTripTime": each["rtt_us"] / US if each["rtt_us"] else None,
    }


def _ago(now: datetime, milliseconds: int) -> datetime:
    return now - timedelta(milliseconds=milliseconds)
