"""The load generator's own parts: what its figures rest on."""

import itertools
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Session

from benches import srtp
from benches.counts import Arrived
from benches.floor import receiving_socket
from benches.load import PACKETS_A_FRAME, PAYLOAD, Histogram, LossCounter, Publisher, Receivers
from benches.offers import AUDIO_MID, MID_ID, TWCC_ID, VIDEO_MID, VP8, Endpoint, NotOffered, read_stream, section
from sfu.negotiation import Local, Negotiation, Source
from sfu.wire import sdp
from sfu.wire.sdp import Candidate, Fingerprint

KEY_AND_SALT = 16 + 12
SSRC = 0x1234567


def test_histogram_without_values_has_no_percentile() -> None:
    assert Histogram().percentile(50) == 0
    assert Histogram().maximum == 0


@given(st.integers(min_value=0, max_value=2**63))
def test_a_single_value_is_told_to_within_a_32nd(value: int) -> None:
    """Never below the value: a delay is not made to look better."""
    histogram = Histogram()
    histogram.record(value)
    assert value <= histogram.percentile(50) <= value + value // 32 + 1
    assert histogram.maximum == histogram.percentile(50)


@given(st.lists(st.integers(min_value=0, max_value=10**9), min_size=1), st.sampled_from([1, 50, 99, 100]))
def test_percentiles_are_those_of_the_sorted_values(values: list[int], percent: int) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    exact = sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]
    assert exact <= histogram.percentile(percent) <= exact + exact // 32 + 1


def test_a_difference_of_histograms_holds_what_came_between() -> None:
    """Windows are differences of readings, so an early outlier must not show in a later window."""
    histogram, earlier = Histogram(), Histogram()
    for each in (histogram, earlier):
        each.record(10**9)
    histogram.record(20)
    assert (histogram - earlier).count == 1
    assert (histogram - earlier).maximum == 20


@pytest.mark.parametrize("start", [0, 1, 32767, 32768, 65000, 65535])
def test_nothing_is_lost_across_the_wrap(start: int) -> None:
    counter = LossCounter()
    for n in range(70000):
        counter.note((start + n) & 0xFFFF)
    assert counter.expected == counter.received == 70000


@pytest.mark.parametrize("start", [0, 65400])
def test_every_gap_is_counted(start: int) -> None:
    counter = LossCounter()
    missing = {1, 7, 8, 9, 150, 298}
    for n in range(300):
        if n not in missing:
            counter.note((start + n) & 0xFFFF)
    assert counter.expected - counter.received == len(missing)


def test_late_packets_fill_their_gap() -> None:
    counter = LossCounter()
    for seq in (65534, 0, 2, 65535, 1):
        counter.note(seq)
    assert counter.expected == counter.received == 5


def test_readings_subtract_field_by_field() -> None:
    one = Arrived(100, 110, *range(12))
    two = Arrived(190, 210, *range(10, 22))
    difference = two - one
    assert (difference.received, difference.expected, difference.lost) == (90, 100, 10)
    assert difference.loss == 0.1
    assert difference.reports == 10


def endpoint() -> Endpoint:
    return Endpoint(1, "abcd1234", secrets.token_hex(16), Fingerprint("sha-256", bytes(range(32))))


def test_offers_are_read_back_as_what_they_mean() -> None:
    client = endpoint()
    publisher = sdp.parse(client.publisher(1111, 2222))
    assert publisher.bundle == (AUDIO_MID, VIDEO_MID)
    video = section(publisher, VIDEO_MID)
    assert video.direction == "sendonly"
    assert video.ssrc_groups[0].ssrcs == (1111, 2222)
    for media in publisher.media:
        assert (media.ufrag, media.password, media.setup) == (client.ufrag, client.password, "actpass")
        assert media.fingerprints == (client.fingerprint,)
        assert media.rtcp_mux
    assert section(publisher, AUDIO_MID).direction == "inactive"


def test_a_subscriber_appends_its_video_to_the_sections_of_its_join() -> None:
    client = endpoint()
    joining, subscribing = sdp.parse(client.audience()), sdp.parse(client.subscriber())
    assert [media.mid for media in joining.media] == [AUDIO_MID]
    assert [media.mid for media in subscribing.media] == [AUDIO_MID, VIDEO_MID]
    assert subscribing.media[0] == joining.media[0]
    assert subscribing.media[1].direction == "recvonly"
    assert subscribing.version == joining.version + 1


def test_the_stream_of_an_answer_is_found() -> None:
    """The publisher's own offer has all that an answer to a subscriber has."""
    stream = read_stream(sdp.parse(endpoint().publisher(1111, 2222)))
    assert (stream.pt, stream.ssrc, stream.rtx_ssrc) == (VP8, 1111, 2222)
    assert (stream.twcc_id, stream.mid_id) == (TWCC_ID, MID_ID)


def test_our_negotiation_takes_the_offers() -> None:
    """The publisher's video is received and goes out again on the section that a subscriber appended."""
    local = Local(Fingerprint("sha-256", bytes(32)), (Candidate("127.0.0.1", 40000, 1, "1"),))
    ssrcs = itertools.count(5000)
    published = Negotiation(local, lambda: next(ssrcs)).answer(endpoint().publisher(1111, 2222), {})[1]
    (incoming,) = published.incoming
    assert (incoming.mid, incoming.ssrcs, incoming.rtx) == (VIDEO_MID, (1111,), ((1111, 2222),))

    client, subscriber = endpoint(), Negotiation(local, lambda: next(ssrcs))
    subscriber.answer(client.audience(), {})
    source = Source("stream", "video", incoming.codecs, "bench")
    answer, agreement = subscriber.answer(client.subscriber(), {VIDEO_MID: source})
    (outgoing,) = agreement.outgoing
    stream = read_stream(sdp.parse(answer))
    assert (stream.ssrc, stream.rtx_ssrc, stream.pt) == (outgoing.ssrc, outgoing.rtx_ssrc, VP8)
    assert (stream.twcc_id, stream.mid_id) == (TWCC_ID, MID_ID)


def test_an_answer_without_the_video_is_refused() -> None:
    with pytest.raises(NotOffered):
        read_stream(sdp.parse(endpoint().audience()))


@contextmanager
def running(*natives: Publisher | Receivers) -> Iterator[None]:
    threads = [threading.Thread(target=native.run) for native in natives]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for native in natives:
            native.stop()
        for thread in threads:
            thread.join()


@attrs.frozen
class End:
    """One end of a connection whose keys are settled."""

    sock: socket.socket
    inbound: Session
    outbound: Session

    def addresses(self) -> tuple[int, int, int]:
        return self.sock.fileno(), srtp.pointer(self.inbound), srtp.pointer(self.outbound)


@contextmanager
def connection(gro: bool = False) -> Iterator[tuple[End, End]]:
    """Sender and receiver with nothing between them: what one protects, the other reads."""
    there, back = secrets.token_bytes(KEY_AND_SALT), secrets.token_bytes(KEY_AND_SALT)
    with receiving_socket(False) as sending, receiving_socket(gro) as receiving:
        sending.connect(receiving.getsockname())
        receiving.connect(sending.getsockname())
        yield (
            End(sending, srtp.inbound("GCM_128", back), srtp.outbound("GCM_128", there)),
            End(receiving, srtp.inbound("GCM_128", there), srtp.outbound("GCM_128", back)),
        )


def publisher_on(end: End, mid_id: int, twcc_id: int) -> Publisher:
    return Publisher(end, srtp.ADDRESSES, *end.addresses(), SSRC, VP8, b"1", mid_id, twcc_id, bytes(PAYLOAD))


def await_frames(publisher: Publisher, wanted: int) -> None:
    """Each reading waits for the publishing thread's next turn, so this is no busy loop."""
    for _ in range(100_000):
        if publisher.read().frames >= wanted:
            return
    raise AssertionError("the frames did not leave")


@pytest.mark.parametrize("gro", [False, True])
def test_what_is_published_arrives_is_decrypted_and_reported(gro: bool) -> None:
    with connection(gro) as (sender, reader):
        publisher, receivers = publisher_on(sender, MID_ID, TWCC_ID), Receivers(1, srtp.ADDRESSES)
        fd, inbound, outbound = reader.addresses()
        receivers.add(reader, fd, SSRC, 0, 5, inbound, outbound, TWCC_ID)
        with running(publisher, receivers):
            publisher.rate(500)
            await_frames(publisher, 50)
            publisher.rate(0)
            publisher.read()  # the thread sees the new rate at its next turn; what follows is after that
            published = publisher.read()
            arrived, delays = receivers.read()
    assert published.packets == PACKETS_A_FRAME * published.frames > 100
    assert arrived.received == arrived.expected == published.packets
    assert arrived.reads == (published.frames if gro else published.packets) + arrived.rtcp
    assert arrived.rtcp >= 1  # the sender report
    assert arrived.reports >= published.receiver_reports >= 1
    assert arrived.feedback >= published.feedback >= 1
    assert arrived.refused == arrived.strange == arrived.rtcp_refused == published.rtcp_refused == 0
    assert arrived.decrypted == pytest.approx(published.packets / 16, rel=0.1, abs=2)
    assert delays.count == arrived.decrypted


def test_a_picture_loss_indication_makes_a_key_frame() -> None:
    """Without one the next would come after 3 s, which is 600 frames of four packets here."""
    key_frame_at = []
    with connection() as (sender, reader):
        reader.sock.settimeout(5)
        publisher = publisher_on(sender, 0, 0)
        with running(publisher):
            publisher.rate(200)
            for number in itertools.count():
                packet = reader.sock.recv(2048)
                if 192 <= packet[1] <= 223:
                    continue
                packet = reader.inbound.unprotect(packet)
                # RFC 7741 4.2: S says that a payload header follows; its lowest bit is 0 in a key frame (RFC 6386 9.1).
                descriptor, picture = packet[12:16], packet[16:]
                if descriptor[0] & 0x10 and not picture[0] & 1:
                    assert picture[3:6] == b"\x9d\x01\x2a"
                    key_frame_at.append(number)
                    if len(key_frame_at) == 2:
                        break
                    pli = bytes([0x81, 206, 0, 2]) + (9).to_bytes(4, "big") + SSRC.to_bytes(4, "big")
                    reader.sock.send(reader.outbound.protect_rtcp(pli))
    first, second = key_frame_at
    assert first == 0
    assert second < 100
