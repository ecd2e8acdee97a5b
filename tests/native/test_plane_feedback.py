"""RTCP of a running plane, both ways: repairs, feedback to publishers, reports on one clock."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from sfu.wire import rtcp, rtp
from tests.native import caller
from tests.native.caller import (
    DELTA_FRAME,
    KEY_FRAME,
    Caller,
    Sent,
    Stage,
    paced,
    step,
    u16,
)

STREAM, STREAM_RTX = 0x5151, 0x5252
NTP_SECOND = 1 << 32


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


@pytest.fixture(autouse=True)
def empty(stage: Stage) -> Iterator[None]:
    yield
    stage.close_all()
    stage.settle()


class Watched:
    """A camera, somebody who looks at it, and `count` packets that arrived."""

    def __init__(self, stage: Stage, count: int, size: int = 1000) -> None:
        self.talker, self.listener = stage.caller(owner=1), stage.caller(owner=2)
        self.sent = self.talker.publish("video", 0x1000, rtx_ssrc=0x1001)
        self.listener.subscribe(self.sent.publication, "video", STREAM, STREAM_RTX)
        self.got: list[rtp.Packet] = []
        for i in range(count):
            self.sent.send(KEY_FRAME + bytes([i % 256]) * size, marker=i % 3 == 0)
            self.got += self.listener.take(1)

    def ask(self, *numbers: int) -> None:
        self.listener.send_control(rtcp.Nack(1, STREAM, numbers))


# What subscribers miss.


def test_a_missing_packet_is_sent_again_on_the_rtx_stream(stage: Stage) -> None:
    """RFC 4588 4: own SSRC, payload type and numbers; the original's number, timestamp, marker and payload."""
    call = Watched(stage, 10)
    wanted = [call.got[3], call.got[4], call.got[8]]
    call.ask(*(packet.sequence for packet in wanted))
    again = call.listener.take(3)
    assert {packet.ssrc for packet in again} == {STREAM_RTX}
    assert [step(packet.sequence, again[0].sequence) for packet in again] == [0, 1, 2]
    transport_wide = [rtp.twcc_sequence(packet.extension(3) or b"") for packet in [*call.got, *again]]
    assert [step(number, transport_wide[0]) for number in transport_wide] == list(range(13))
    for packet, original in zip(again, wanted, strict=True):
        assert packet.payload_type == caller.VP8_RTX_PT
        restored = rtp.original(packet, original.payload_type, STREAM)
        assert (restored.sequence, restored.timestamp, restored.marker, restored.payload) == (
            original.sequence,
            original.timestamp,
            original.marker,
            original.payload,
        )


def test_what_is_asked_twice_within_15_ms_is_answered_once(stage: Stage) -> None:
    call = Watched(stage, 3)
    before = stage.plane.counters()
    for _ in range(3):
        call.ask(call.got[1].sequence)
    call.ask(call.got[2].sequence)
    first, second = call.listener.take(2)
    assert [each.payload[:2] for each in (first, second)] == [
        each.sequence.to_bytes(2, "big") for each in (call.got[1], call.got[2])
    ]
    assert stage.plane.counters()["drop_rtx_repeated"] - before["drop_rtx_repeated"] == 2
    for _ in paced(1, 0.02, call.listener):
        pass
    call.ask(call.got[1].sequence)
    assert call.listener.take(1)[0].payload == first.payload


def test_unknown_numbers_are_ignored(stage: Stage) -> None:
    call = Watched(stage, 5)
    before = stage.plane.counters()
    first = call.got[0].sequence
    call.ask(u16(first - 1), u16(first + 5), u16(first + 0x7000), u16(first + 0x8000), first)
    (again,) = call.listener.take(1)
    assert again.payload[:2] == first.to_bytes(2, "big")
    after = stage.plane.counters()
    assert after["drop_rtx_unknown"] - before["drop_rtx_unknown"] == 4
    assert after["rtx_sent"] - before["rtx_sent"] == 1


def test_retransmissions_cost_no_more_than_what_was_sent(stage: Stage) -> None:
    """A receiver that claims to have lost everything, again and again, doubles its traffic at most."""
    call = Watched(stage, 20)
    before = stage.plane.counters()
    numbers = tuple(packet.sequence for packet in call.got)
    for _ in paced(3, 0.02, call.listener):
        call.ask(*numbers)
    call.listener.take(20)
    after = stage.plane.counters()
    assert after["rtx_sent"] - before["rtx_sent"] == 20
    assert after["drop_rtx_budget"] - before["drop_rtx_budget"] == 40


def test_without_rtx_there_is_no_answer(stage: Stage) -> None:
    """The packet under its own number would be a replay to SRTP."""
    talker, listener = stage.caller(owner=1), stage.caller(owner=2)
    sent = talker.publish("video", 0x1000)
    listener.subscribe(sent.publication, "video", STREAM)
    sent.send(KEY_FRAME)
    (got,) = listener.take(1)
    before = stage.plane.counters()["drop_rtx_unknown"]
    listener.send_control(rtcp.Nack(1, STREAM, (got.sequence,)))
    stage.until_counted("drop_rtx_unknown", before + 1)


# What publishers lose.


def test_a_gap_is_asked_for_and_its_repair_takes_its_place(stage: Stage) -> None:
    call = Watched(stage, 2)
    lost = call.sent.packet(KEY_FRAME + b"lost", marker=True)
    call.sent.send(DELTA_FRAME)
    nack = call.talker.take_control(rtcp.Nack)
    assert (nack.media_ssrc, nack.lost) == (0x1000, (lost.sequence,))
    # Asked again, as long as it is missing.
    assert call.talker.take_control(rtcp.Nack).lost == (lost.sequence,)
    call.talker.send(rtp.retransmission(lost, caller.VP8_RTX_PT, 0x1001, 7))
    after, repaired = call.listener.take(2)
    assert step(after.sequence, call.got[-1].sequence) == 2
    assert step(repaired.sequence, call.got[-1].sequence) == 1
    assert (repaired.payload, repaired.marker) == (lost.payload, True)
    assert (repaired.ssrc, repaired.payload_type) == (STREAM, caller.VP8_PT)
    # A second repair is none, nor is padding on the RTX stream, with which browsers probe.
    before = stage.plane.counters()
    call.talker.send(rtp.retransmission(lost, caller.VP8_RTX_PT, 0x1001, 8))
    call.talker.send(rtp.Packet(caller.VP8_RTX_PT, 9, 0, 0x1001, padding=100))
    call.sent.send(DELTA_FRAME + b"next")
    assert call.listener.take(1)[0].payload == DELTA_FRAME + b"next"
    counted = stage.plane.counters()
    assert counted["rtx_received"] - before["rtx_received"] == 2
    assert counted["drop_duplicate"] - before["drop_duplicate"] == 1
    # What was repaired for us is there for subscribers who lose it again.
    call.ask(repaired.sequence)
    assert call.listener.take(1)[0].payload == repaired.sequence.to_bytes(2, "big") + lost.payload


def test_a_publisher_without_nack_is_not_asked(stage: Stage) -> None:
    talker = stage.caller(owner=1)
    sent = talker.publish("audio", 0x1000, nack=False)
    before = stage.plane.counters()["nacks_sent"]
    sent.send()
    sent.packet()
    for _ in paced(10, 0.01, talker):
        sent.send()
    assert stage.plane.counters()["nacks_sent"] == before
    assert not any(isinstance(packet, rtcp.Nack) for packet in talker.control)


def test_transport_wide_feedback_tells_what_arrived_and_when(stage: Stage) -> None:
    """draft-holmer 3.1; each 50 to 100 ms, over both streams of the transport, through a wrap-around."""
    talker = stage.caller(owner=1)
    streams = [talker.publish("audio", 0x1000), talker.publish("video", 0x2000)]
    first, lost = 0xFFF0, {7, 8, 30}
    sent_at: dict[int, float] = {}
    heard_at: list[float] = []
    count = 60
    told: dict[int, int | None] = {}
    for i in paced(count, 0.008, talker):
        for each in talker.control:
            if isinstance(each, rtcp.TransportFeedback):
                heard_at.append(time.monotonic())
        feedback = [each for each in talker.control if isinstance(each, rtcp.TransportFeedback)]
        talker.control = [each for each in talker.control if not isinstance(each, rtcp.TransportFeedback)]
        collect(feedback, told)
        if i not in lost:
            sent_at[i] = time.monotonic()
            streams[i % 2].send(KEY_FRAME, extensions=((3, u16(first + i).to_bytes(2, "big")),))
    deadline = time.monotonic() + caller.PATIENCE_S
    while len(told) < count and time.monotonic() < deadline:
        collect([talker.take_control(rtcp.TransportFeedback)], told)
    assert sorted(told, key=lambda number: u16(number - first)) == [u16(first + i) for i in range(count)]
    assert {i for i in range(count) if told[u16(first + i)] is None} == lost
    arrived = {i: told[u16(first + i)] for i in range(count) if i not in lost}
    for i, at in arrived.items():
        assert at is not None
        elapsed = (at - (arrived[0] or 0)) * 250e-6
        assert abs(elapsed - (sent_at[i] - sent_at[0])) < 0.02
    assert all(0.02 < later - earlier < 0.3 for earlier, later in itertools.pairwise(heard_at))
    assert len(heard_at) >= 3


def collect(feedback: list[rtcp.TransportFeedback], told: dict[int, int | None]) -> None:
    """Number to arrival in ticks of 250 µs. What was reported lost may arrive after all, never the other way."""
    for each in feedback:
        at = each.reference_time * 256
        for i, delta in enumerate(each.deltas):
            number = u16(each.base_sequence + i)
            at += delta or 0
            assert told.get(number) is None
            told[number] = None if delta is None else at


def reported(talker: Caller, sent: Sent) -> rtcp.ReportBlock:
    report = talker.take_control(rtcp.ReceiverReport)
    (block,) = [each for each in report.reports if each.ssrc == sent.ssrc]
    return block


def test_publishers_hear_of_loss_and_of_their_report(stage: Stage) -> None:
    """RFC 3550 6.4: fraction and number lost, highest number, LSR and DLSR of the sender report."""
    talker = stage.caller(owner=1)
    sent = talker.publish("audio", 0x1000, nack=False)
    sent.send()
    talker.send_control(rtcp.SenderReport(sent.ssrc, 0x0123_4567_89AB_CDEF, 0, 0, 0))
    asked = time.monotonic()
    reported(talker, sent)  # at the first opportunity
    for i in paced(120, 0.01, talker):
        if i % 4 == 3:
            sent.packet()
        else:
            sent.send()
        if any(isinstance(each, rtcp.ReceiverReport) for each in talker.control):
            break
    block = reported(talker, sent)
    assert block.lsr == 0x4567_89AB
    assert abs(block.dlsr / 65536 - (time.monotonic() - asked)) < 0.1
    assert 50 <= block.fraction_lost <= 70  # a quarter of 256, to what the last packet in it was
    assert abs(block.cumulative_lost - step(block.highest_sequence & 0xFFFF, 1000) // 4) <= 1
    assert 0 < block.jitter < 4800  # paced by a busy machine, below 100 ms


def test_round_trip_and_loss_of_a_subscriber(stage: Stage) -> None:
    talker, listener = stage.caller(owner=1), stage.caller(owner=2)
    sent = talker.publish("audio", 0x1000)
    subscription = listener.subscribe(sent.publication, "audio", STREAM)
    for _ in paced(150, 0.01, listener):
        sent.send()
        if listener.control:
            break
    report = listener.take_control(rtcp.SenderReport)
    begin = time.monotonic()
    for _ in paced(1, 0.05, listener):
        pass
    block = rtcp.ReportBlock(STREAM, 64, 12, 0, 480, lsr=report.ntp >> 16 & 0xFFFFFFFF, dlsr=65536 // 100)
    listener.send_control(rtcp.ReceiverReport(1, (block,)))
    before = stage.plane.counters()["rtcp_received"]
    stage.until(lambda: subscription.report()["rtt_us"] > 0, "no round trip time")
    assert before <= stage.plane.counters()["rtcp_received"]
    told = subscription.report()
    assert 0.03e6 < told["rtt_us"] < (time.monotonic() - begin) * 1e6 + 10_000
    assert (told["lost"], told["lost_fraction"], told["jitter_us"]) == (12, 0.25, 10_000)


@pytest.mark.parametrize("ntp", [0x0000_0001_0000_0000, 0xE9FF_FFFF_8000_0000, 0xFFFF_FFF0_0000_0000])
def test_sound_and_picture_of_a_member_are_on_one_clock(stage: Stage, ntp: int) -> None:
    """The device's NTP clock may show anything, and its pictures may be 300 ms late: what was captured together is
    told to subscribers as the same moment of one server clock."""
    talker, listener = stage.caller(owner=1), stage.caller(owner=2)
    sound, picture = talker.publish("audio", 0x1000), talker.publish("video", 0x2000)
    listener.subscribe(sound.publication, "audio", STREAM)
    listener.subscribe(picture.publication, "video", STREAM + 1)
    begin = time.monotonic()
    sound_zero, picture_zero = 0xFFFF_0000, 12345
    late = 0.3
    pairs: dict[int, tuple[int, int]] = {}  # subscriber's SSRC: (captured in ms, timestamp as received)
    reports: dict[int, rtcp.SenderReport] = {}
    wall = time.time()
    sent: list[float] = []
    for count in paced(160, 0.01, talker, listener):
        now = time.monotonic() - begin
        sent.append(now)
        sound.timestamp = caller.u32(sound_zero + int(now * 48000))
        picture.timestamp = caller.u32(picture_zero + int((now - late) * 90000))
        sound.send(b"%05d" % count)
        picture.send(KEY_FRAME + b"%05d" % count)
        for stream, at in ((sound, now), (picture, now)):
            zero = sound_zero if stream is sound else picture_zero
            clock_ntp = (ntp + int(at * NTP_SECOND)) & (1 << 64) - 1
            # RFC 3550 6.4.1: the timestamp that corresponds to the same instant as the NTP time.
            talker.send_control(
                rtcp.SenderReport(stream.ssrc, clock_ntp, caller.u32(zero + int(at * stream.clock)), 1, 1)
            )
        for packet in listener.take(2):
            # By what it carries: on a busy machine a packet may be read one turn after its sibling.
            captured_at = sent[int(packet.payload.removeprefix(KEY_FRAME))] - (0 if packet.ssrc == STREAM else late)
            pairs[packet.ssrc] = (int(captured_at * 1000), packet.timestamp)
        for each in listener.control:
            if isinstance(each, rtcp.SenderReport) and now > 0.1:
                reports[each.ssrc] = each
        listener.control.clear()
        if len(reports) == 2:
            break
    captured: dict[int, float] = {}
    for ssrc, clock in ((STREAM, 48000), (STREAM + 1, 90000)):
        report = reports[ssrc]
        at_ms, timestamp = pairs[ssrc]
        server_ms = report.ntp / NTP_SECOND * 1000 + step(timestamp, report.rtp_timestamp, 32) / clock * 1000
        captured[ssrc] = server_ms - at_ms
    assert abs(captured[STREAM] - captured[STREAM + 1]) < 5
    # And that clock is the server's, not the device's.
    assert abs(reports[STREAM].ntp / NTP_SECOND - 2208988800 - wall) < 5
    assert reports[STREAM].packets > 0 and reports[STREAM].octets == 5 * reports[STREAM].packets


def test_sender_reports_carry_the_member_s_name(stage: Stage) -> None:
    """RFC 3550 6.5.1: a CNAME in each report, the same for a member's sound and picture, given by the control plane."""
    talker, listener = stage.caller(owner=1), stage.caller(owner=2)
    sent = talker.publish("audio", 0x1000)
    listener.subscribe(sent.publication, "audio", STREAM)
    for _ in paced(150, 0.01, listener):
        sent.send()
        if listener.control:
            break
    (chunk,) = listener.take_control(rtcp.Sdes).chunks
    assert (chunk.ssrc, chunk.items) == (STREAM, ((rtcp.CNAME, b"member-%d" % STREAM),))
