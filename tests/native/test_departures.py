"""The log of what was sent, and feedback about it: each number counts once, and a lie changes nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native import testing as native
from sfu.wire import rtcp
from tests.oracle.departures import Departures as Twin

MS = 1_000_000
AWKWARD = [0, 1, 0x7FFE, 0x7FFF, 0x8000, 0xFFFD, 0xFFFF]
BASE_NS = 10**12


def told(base: int, *deltas: int | None, reference: int = 1000) -> bytes:
    """Feedback from `base` on."""
    return rtcp.TransportFeedback(1, 2, base & 0xFFFF, reference, 0, deltas).pack()


def log(count: int, first: int = 0) -> native.Departures:
    made = native.Departures(first)
    for n in range(count):
        assert made.departed(1000, BASE_NS + n * MS) == (first + n) & 0xFFFF
    return made


@pytest.mark.parametrize("first", AWKWARD)
def test_each_number_is_settled_once(first: int) -> None:
    made = log(10, first)
    assert made.feedback(told(first, 0, 4, None, 4), BASE_NS + 50 * MS) == 4
    # The same again, and one that was lost and has come: only that is new.
    assert made.feedback(told(first, 0, 4, None, 4), BASE_NS + 60 * MS) == native.FEEDBACK_STALE
    assert made.feedback(told(first + 1, 4, 4, 4, 4), BASE_NS + 70 * MS) == 2
    assert made.feedback(told(first, *[4] * 10), BASE_NS + 80 * MS) == 5


@pytest.mark.parametrize("first", AWKWARD)
def test_what_was_not_sent_cannot_arrive(first: int) -> None:
    made = log(10, first)
    for lie in (
        told(first + 10, 0),
        told(first + 9, 0, 4),
        told(first - 1, 0),
        told(first - 1, *[0] * 12),
        told(first + 5000, 0),
        told(first - 5000, 0),
    ):
        assert made.feedback(lie, BASE_NS + 50 * MS) == native.FEEDBACK_MALFORMED
    assert made.feedback(told(first, *[4] * 10), BASE_NS + 50 * MS) == 10


def test_nothing_was_sent_nothing_is_believed() -> None:
    assert native.Departures(7).feedback(told(7, 0), BASE_NS) == native.FEEDBACK_MALFORMED


@pytest.mark.parametrize("sent", [native.DEPARTURES, native.DEPARTURES + 1, 70_000])
def test_the_log_knows_the_newest_departures(sent: int) -> None:
    """The limit DEPARTURES: what is older may be spoken of, but says nothing."""
    made = log(sent)
    oldest = sent - native.DEPARTURES
    if oldest:
        assert made.feedback(told(oldest - 1, 0), BASE_NS + 10**12) == native.FEEDBACK_STALE
        assert made.feedback(told(oldest - 1, 0, 4), BASE_NS + 10**12) == 1
    else:
        assert made.feedback(told(oldest, 0), BASE_NS + 10**12) == 1
    assert made.feedback(told(sent - 1, 4), BASE_NS + 10**12) == 1


def test_more_statuses_than_the_log_is_long_are_not_even_read() -> None:
    made = log(5000)
    assert made.feedback(told(0, *[None] * (native.DEPARTURES + 1)), BASE_NS) == native.FEEDBACK_STALE
    assert made.feedback(told(5000 - native.DEPARTURES, *[None] * native.DEPARTURES), BASE_NS) == native.DEPARTURES


def raw(base: int, count: int, chunks: bytes) -> bytes:
    """Feedback with anything at all after its head."""
    body = base.to_bytes(2, "big") + count.to_bytes(2, "big") + b"\x00\x03\xe8\x00" + chunks
    body += bytes(-len(body) % 4)
    return rtcp.Other(rtcp.RTPFB, rtcp.FMT_TWCC, (1).to_bytes(4, "big") + (2).to_bytes(4, "big") + body).pack()


MALFORMED = {
    "no status": raw(0, 0, b"\x00\x00"),
    "an empty run": raw(0, 1, b"\x20\x00"),
    "a run of the reserved status": raw(0, 1, b"\x60\x01"),
    "the reserved status in a vector": raw(0, 7, b"\xff\xff"),
    "fewer chunks than numbers": raw(0, 60, b"\x20\x05"),
    "no deltas": raw(0, 40, b"\x20\x28"),
    "half of a large delta": raw(0, 2, b"\x40\x02\x00\x01"),
    "another kind": rtcp.Pli(1, 2).pack(),
}


@pytest.mark.parametrize("packet", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed(packet: bytes) -> None:
    made = log(100)
    assert made.feedback(packet, BASE_NS + 200 * MS) == native.FEEDBACK_MALFORMED
    assert made.feedback(told(0, *[4] * 100), BASE_NS + 200 * MS) == 100


def test_a_last_chunk_may_have_room_left() -> None:
    """libwebrtc and we fill vectors up with zeros; a run that is longer than what is left is taken as far as it goes."""
    made = log(100)
    assert made.feedback(raw(0, 3, b"\xb8\x00\x01\x01\x01"), BASE_NS + 200 * MS) == 3
    assert made.feedback(raw(3, 3, b"\x20\x09\x01\x01\x01"), BASE_NS + 200 * MS) == 3


def test_what_feedback_has_left_out_counts_as_arrived() -> None:
    """Two of three feedback packets were lost: the acknowledged rate is that of all packets."""
    whole, holes = log(1000), log(1000)
    for n in range(0, 1000, 50):
        packet = told(n, 0, *[4] * 49, reference=1000 + n * 4 // 256) if n else told(0, 0, *[4] * 49)
        now = BASE_NS + (n + 60) * MS
        whole.feedback(packet, now)
        if n % 150 == 0:
            holes.feedback(packet, now)
    assert 7.5e6 < whole.estimator.acked_bps < 8.6e6
    assert 7.5e6 < holes.estimator.acked_bps < 8.6e6


@settings(deadline=None, max_examples=500)
@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=60))
def test_any_bytes(base: int, count: int, chunks: bytes) -> None:
    """Nothing outside the packet is read (the block has exactly its size), and the next true word is understood."""
    made = log(300, 0xFF80)
    assert made.feedback(raw(base, count, chunks), BASE_NS + 400 * MS) <= 300
    assert made.feedback(raw(0xFF80, count % 300, chunks), BASE_NS + 400 * MS) <= 300
    last = (0xFF80 + 300) & 0xFFFF
    made.departed(1000, BASE_NS + 401 * MS)
    assert made.feedback(told(last, 0), BASE_NS + 450 * MS) == 1


@pytest.mark.parametrize("first", [0, 0x8000 - 5000, 0xFFFF])
def test_fifty_thousand_packets_and_any_feedback_about_them(first: int) -> None:
    """Repeated, overlapping, late and left out: the twin, which forgets nothing, comes to the same estimate."""
    rng = random.Random(first)
    ours, twin = native.Departures(first), Twin(first)
    sent = 0
    for step in range(2500):
        now = BASE_NS + step * 20 * MS
        for _ in range(rng.randrange(40)):
            size = rng.randrange(60, 1300)
            assert ours.departed(size, now) == twin.departed(size, now)
            sent += 1
        if not sent:
            continue
        begin = max(sent - rng.choice([20, 50, 100, 3000]), 0)
        count = rng.randrange(1, min(sent - begin, 200) + 1)
        packet = told(
            first + begin,
            *(None if rng.random() < 0.05 else rng.randrange(-20, 60) for _ in range(count)),
            reference=(step * 80 // 256 + rng.randrange(3)) & 0xFFFFFF,
        )
        ours.feedback(packet, now)
        twin.feedback(packet, now)
        assert ours.estimator.rate_bps == pytest.approx(twin.estimator.rate_bps, rel=1e-6, abs=1)
        assert ours.estimator.acked_bps == pytest.approx(twin.estimator.acked_bps)
