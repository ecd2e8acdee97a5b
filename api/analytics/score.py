"""How well somebody was heard: the score of a report on received audio (contract analytics, section 7). Pure.

A simplified E-model (ITU-T G.107): loss, delay and the codec's own loss make a rating of 0 to 100, and that a mean opinion
score of 1 to 5.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Report = Mapping[str, Any]

FIXED_DELAY_MS: Final = 20.0
CODEC_LOSS: Final = 6.0
"""Where the bitrate is not known."""
MOST_CODEC_LOSS: Final = 30.0
ROBUSTNESS: Final = 10.0
ROBUSTNESS_WITH_FEC: Final = 20.0
TOLERATED_DELAY_MS: Final = 150.0


def score(report: Report, remote: object) -> float | None:
    """Of a report on received audio; `remote`: what the other end has said. None without packets, or if it names no track."""
    lost, received = number(report, "packetsLost"), number(report, "packetsReceived")
    if "track" not in report or lost + received <= 0:
        return None
    loss = _loss(report, remote, lost, received)
    emitted = number(report, "jitterBufferEmittedCount")
    buffer = 1000 * number(report, "jitterBufferDelay") / emitted if emitted > 0 else 0.0
    delay = FIXED_DELAY_MS + buffer + _round_trip_ms(remote) / 2
    robustness = ROBUSTNESS_WITH_FEC if report.get("fecPacketsReceived") else ROBUSTNESS
    codec = _codec_loss(number(report, "bitrate"))
    # As the reference has it, the loss is a fraction here, where the model means percent: numbers stay comparable.
    impairment = codec + (100 - codec) * loss / (loss + robustness)
    delayed = 0.03 * delay + 0.1 * max(0.0, delay - TOLERATED_DELAY_MS)
    rating = min(100.0, max(0.0, 100 - impairment - delayed))
    opinion = 1 + 0.035 * rating + 7e-6 * rating * (rating - 60) * (100 - rating)
    return min(5.0, max(1.0, round(opinion, 2)))


def number(report: Report, name: str) -> float:
    """0 of what is none."""
    value = report.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return float(value)


def reports(data: object, kind: str, direction: str) -> Iterator[Report]:
    """Those of a list, or the one that stands in its place, as far as they can be read."""
    of_kind = data.get(kind) if isinstance(data, dict) else None
    given = of_kind.get(direction) if isinstance(of_kind, dict) else None
    for report in given if isinstance(given, list) else [given]:
        if isinstance(report, dict):
            yield report


def _loss(report: Report, remote: object, lost: float, received: float) -> float:
    """A fraction: of what the other end says it has sent, if it is clear which of its reports is of this stream."""
    theirs: Sequence[Report] = [
        each for each in reports(remote, "audio", "outbound") if each.get("localId") == report.get("id")
    ]
    sent = number(theirs[0], "packetsSent") if len(theirs) == 1 else 0.0
    if sent > 0:
        return max(0.0, (sent - received) / sent)
    return max(0.0, lost) / (max(0.0, lost) + received) if received > 0 or lost > 0 else 0.0


def _round_trip_ms(remote: object) -> float:
    for report in reports(remote, "audio", "inbound"):
        if report.get("roundTripTime") is not None:
            return 1000 * max(0.0, number(report, "roundTripTime"))
    return 0.0


def _codec_loss(bitrate: float) -> float:
    """`bitrate`: bits a second, 0 if it is not known."""
    return min(MOST_CODEC_LOSS, max(0.0, 55 - 4.6 * math.log(bitrate))) if bitrate > 0 else CODEC_LOSS
