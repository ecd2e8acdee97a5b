"""Ceilings of a running plane: memory, rings, numbers; and what it does with a Python that does not answer."""

from __future__ import annotations

import ctypes
import resource
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from native.plane import Plane
from sfu.wire import rtp
from tests.native import caller
from tests.native.caller import KEY_FRAME, Call, Stage, udp

STREAM = 0x5151

# Linux's SO_TIMESTAMPNS, which the socket module does not name.
SO_TIMESTAMPNS = 35


def test_memory_for_packets_has_a_ceiling() -> None:
    """The smallest pool, 64 slabs, each held by a stream as its newest packet, which no age takes from it: what comes then
    is dropped and counted; when one of them ends, media flow again."""
    with Stage(slab_bytes=0) as stage:
        slabs = stage.plane.gauges()["slabs"]
        assert slabs == 64
        talkers = [stage.caller() for _ in range(8)]
        holding = [talker.publish("video", 8 * n + k + 1) for n, talker in enumerate(talkers) for k in range(8)]
        sent = stage.caller().publish("video", 1000)
        listener = stage.caller()
        listener.subscribe(sent.publication, "video", STREAM)
        for each in holding:
            each.send(KEY_FRAME)
        stage.until(lambda: stage.plane.gauges()["slabs_in_use"] == slabs, "not every slab is held")
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for i in range(5000):
            sent.send(KEY_FRAME)
            if i % 100 == 99:
                stage.until_counted("drop_pool_full", i + 1)
        assert stage.plane.counters()["drop_pool_full"] == 5000
        assert stage.plane.gauges()["slabs_in_use"] == slabs
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident < 1024  # KiB
        holding[0].publication.close()
        stage.until(lambda: stage.plane.gauges()["slabs_in_use"] == slabs - 1, "what was closed holds its slab")
        sent.send(KEY_FRAME + b"again")
        assert listener.take(1)[0].payload == KEY_FRAME + b"again"
        assert stage.plane.gauges()["slabs_in_use"] == slabs


def test_a_history_lets_go_by_age() -> None:
    """With the pool full of its own past, a stream gives up the older part of it rather than lose what is new."""
    with Stage(slab_bytes=0) as stage:
        talker, listener = stage.caller(owner=1), stage.caller(owner=2)
        sent = talker.publish("audio", 7)
        listener.subscribe(sent.publication, "audio", STREAM)
        for i in range(200):
            sent.send(b"%d" % i)
            assert listener.take(1)[0].payload == b"%d" % i
            time.sleep(0.008)  # never less, so that 64 of them are older than what is kept
        assert stage.plane.counters()["drop_pool_full"] == 0


def test_an_idle_worker_keeps_no_past() -> None:
    """When the last stream has stopped, its history is given back all the same, but for the newest packet."""
    with Stage() as stage:
        call = Call(stage)
        for _ in range(100):
            call.goes_on()
        stage.until(lambda: stage.plane.gauges()["slabs_in_use"] == 1, "the history is still held")


def test_what_is_closed_leaves_no_slab_behind() -> None:
    with Stage() as stage:
        call = Call(stage)
        for _ in range(100):
            call.goes_on()
        assert stage.plane.gauges()["slabs_in_use"] > 0
        stage.close_all()
        stage.settle()
        assert stage.plane.gauges()["slabs_in_use"] == 0


def test_commands_wait_for_their_worker() -> None:
    """The ring of commands fills before the worker runs; all of it is carried out once it does, in order."""
    stage = Stage()
    call = Call(stage)
    subscription = call.listener.subscribe(None, "audio", STREAM)
    for i in range(1000):  # four commands each, of 4,096
        subscription.set_source(call.sent.publication, {caller.OPUS: (i % 128, None)}, "s", "")
        subscription.set_source(None, {}, "", "")
    subscription.set_source(call.sent.publication, {caller.OPUS: (42, None)}, "s", "")
    started = threading.Timer(0.05, stage.start)
    started.start()
    for _ in range(500):
        subscription.set_source(None, {}, "", "")
        subscription.set_source(call.sent.publication, {caller.OPUS: (43, None)}, "s", "")
    started.join()
    call.sent.send(b"x")
    got = sorted(call.listener.take(2), key=lambda packet: packet.ssrc)
    assert [packet.payload_type for packet in got] == [43, caller.OPUS_PT]
    stage.__exit__(None, None, None)


def test_a_worker_that_never_runs_is_noticed() -> None:
    """A full ring of commands and nobody who takes them: an error after two seconds, rather than a hang."""
    with udp() as sock:
        plane = Plane([[sock]], 0)
        peer = plane.open_peer(0, 1)
        with pytest.raises(RuntimeError, match="does not take commands"):
            for _ in range(5000):
                peer.select_path((0, "127.0.0.1", 9))


def test_retired_blocks_need_no_attention() -> None:
    """The control plane does not drain for a long time: its own commands make room, and nothing is lost."""
    with Stage() as stage:
        call = Call(stage)
        subscription = call.listener.subscribe(None, "audio", STREAM)
        for _ in range(8000):
            subscription.set_source(call.sent.publication, {}, "s", "")
            subscription.set_source(None, {}, "", "")
        call.goes_on()


def test_the_most_that_a_peer_may_send() -> None:
    with Stage() as stage:
        peer = stage.caller(owner=1)
        streams = [peer.publish("audio", i + 1) for i in range(8)]
        with pytest.raises(ValueError, match="at most 8"):
            peer.peer.publish("audio", 48000, False)
        streams[3].publication.close()
        peer.sections.pop(3)
        peer.publish("audio", 99)
        call = Call(stage)
        call.goes_on()


def test_the_most_peers_of_a_worker() -> None:
    with Stage() as stage:
        peers = [stage.plane.open_peer(0, 1) for _ in range(4096)]
        with pytest.raises(RuntimeError, match="full"):
            stage.plane.open_peer(0, 1)
        for peer in peers:
            peer.close()
        stage.settle()
        assert stage.plane.load() == [0]
        Call(stage).goes_on()


@pytest.mark.parametrize(("workers", "sockets"), [(0, 1), (17, 1), (1, 0), (1, 17)])
def test_how_many_workers_and_sockets(workers: int, sockets: int) -> None:
    with udp() as sock, pytest.raises(ValueError, match="between 1 and 16"):
        Plane([[sock] * sockets] * workers, 0)


def test_an_ssrc_is_not_bound_to_what_was_closed() -> None:
    """Between the end of a publication and the next configuration: the section is nobody's."""
    with Stage() as stage:
        peer = stage.caller(owner=1)
        stage.until(lambda: stage.plane.outstanding == 2, "more than the peer and its configuration")
        sent = peer.publish("audio", 7, mid="a")
        sent.send()
        stage.until(lambda: sent.publication.report()["packets"] == 1, "nothing arrived")
        sent.publication.close()
        stage.until(lambda: stage.plane.outstanding == 2, "the publication is still there")
        for ssrc in (7, 8):
            sent.ssrc = ssrc
            sent.send(extensions=((4, b"a"),))
        stage.until_counted("drop_unknown_ssrc", 2)


def test_keys_may_be_replaced() -> None:
    """The old session lives until the worker has passed, whatever packets are under way."""
    with Stage() as stage:
        call = Call(stage)
        call.goes_on()
        for _ in range(50):
            call.sent.send(b"under way")
            call.talker.give_keys()
        call.listener.take(50)


def test_no_command_is_slept_through() -> None:
    """Each command reaches an idle worker, however it falls between the worker's looks at its ring."""
    with Stage() as stage:
        for _ in range(3000):
            peer = stage.plane.open_peer(0, 1)
            peer.close()
            stage.plane.drain()
        stage.settle()


SENDER = """
import socket, sys, time
sock = socket.socket(fileno=int(sys.argv[1]))
interval_s = float(sys.argv[2])
datagrams = [bytes.fromhex(line) for line in sys.stdin.readline().split()]
print("ready", flush=True)
sys.stdin.readline()
begin = time.monotonic()
for i, datagram in enumerate(datagrams):
    time.sleep(max(begin + i * interval_s - time.monotonic(), 0))
    print(time.time_ns())
    sock.send(datagram)
"""


def test_a_python_thread_that_holds_the_gil_delays_no_media() -> None:
    """A thread that sleeps half a second in C without releasing the GIL. Another process sends meanwhile, and the kernel
    says when each packet reached the receiver's socket."""
    interval_s, count = 0.005, 140
    with Stage() as stage:
        call = Call(stage)
        call.goes_on()
        call.listener.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        talker = call.talker
        datagrams = [talker.outbound.protect(call.sent.packet(b"%d" % i).pack()).hex() for i in range(count)]
        process = subprocess.Popen(
            [sys.executable, "-c", SENDER, str(talker.socket.fileno()), str(interval_s)],
            pass_fds=[talker.socket.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(" ".join(datagrams) + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n"
            process.stdin.write("go\n")
            process.stdin.flush()
            begin = time.time_ns()
            stuck = threading.Thread(target=ctypes.PyDLL(None).usleep, args=(500_000,))
            stuck.start()
            stuck.join()
            end = time.time_ns()
            sent_ns = [int(line) for line in process.stdout]
        assert end - begin > 500_000_000
        assert sum(begin < at < end for at in sent_ns) > 20
        got: dict[int, int] = {}
        while len(got) < count:
            data, ancillary, _, _ = call.listener.socket.recvmsg(2000, 100)
            if 192 <= data[1] <= 223:
                continue
            seconds, nanoseconds = struct.unpack("@qq", ancillary[0][2])
            packet = rtp.parse(call.listener.inbound.unprotect(data))
            got[int(packet.payload)] = seconds * 1_000_000_000 + nanoseconds
        late_ms = [(got[i] - sent_ns[i]) / 1e6 for i in range(count)]
        assert max(late_ms) < 250  # packets that waited for the GIL would be late by up to 500
