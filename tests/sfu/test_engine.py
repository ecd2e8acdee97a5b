"""The engine on real sockets: how peers come, stay and go, what strangers can do, and how it ends."""

import itertools
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Callable

import pytest
import trio

import sfu.engine
from sfu import Engine, MediaSettings
from sfu.dtls import DtlsTransmit
from sfu.wire import sdp, stun
from tests.native.caller import step
from tests.sfu.caller import Caller, Checked, Client, Output, Refused, Sent
from tests.sfu.members import Ear, Hall, Member, Play, media_threads, playing, show_first


@pytest.fixture
async def play() -> AsyncIterator[Play]:
    async with playing() as made:
        yield made


class Talk:
    """One member that speaks to another: an established call that nothing nearby may disturb."""

    def __init__(self, talker: Member, listener: Member) -> None:
        self.talker, self.listener = talker, listener
        self._words = itertools.count()
        self._last: int | None = None

    async def goes_on(self) -> None:
        """One packet, which arrives and is the successor of the one before."""
        word = b"word %d" % next(self._words)
        self.talker.voice.speak(word)
        (packet,) = await self.listener.caller.take(1, self.listener.hears)
        assert word == packet.payload
        assert self._last is None or step(packet.sequence, self._last) == 1
        self._last = packet.sequence


async def talk(play: Play) -> Talk:
    return Talk(await play.join("ann"), await play.join("bob"))


async def waiting(play: Play, client: Client | None = None) -> tuple[Caller, str, Ear]:
    """A member whose media are not connected yet, and the answer that it has got."""
    caller = await play.caller(client)
    caller.add("audio", "sendrecv")
    ear = Ear()
    _, answer = play.room.open_peer("carl", caller.offer(), ear)
    return caller, answer, ear


def candidates(answer: str) -> list[tuple[str, int]]:
    return [(each.ip, each.port) for each in sdp.parse(answer).media[0].candidates]


# Addresses


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "[::1]:0"])
async def test_a_call_over_either_internet_protocol(bind: str) -> None:
    async with playing(bind) as play:
        family = socket.AF_INET6 if "::" in bind else socket.AF_INET
        call = Talk(await play.join("ann", family=family), await play.join("bob", family=family))
        await call.goes_on()
        (address,) = play.engine.media
        assert address.startswith(bind[:-1])
        host, port = call.talker.caller.sockets[0].getsockname()[:2]
        assert (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") == call.talker.peer.stats().path


async def test_an_answer_names_what_is_bound(play: Play) -> None:
    _, answer, _ = await waiting(play)
    (address,) = play.engine.media
    assert [address] == [f"{ip}:{port}" for ip, port in candidates(answer)]


async def test_an_announced_address_stands_for_the_bound_ones() -> None:
    async with playing(announce=("198.51.100.7", "2001:db8::7")) as play:
        _, answer, _ = await waiting(play)
        port = int(play.engine.media[0].rpartition(":")[2])
        assert [("198.51.100.7", port), ("2001:db8::7", port)] == candidates(answer)
        priorities = [each.priority for each in sdp.parse(answer).media[0].candidates]
        assert 2 == len(set(priorities))
        assert max(priorities) == priorities[1]  # RFC 8421 4: IPv6 first


async def test_a_taken_port_is_an_error_that_names_it() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        engine = Engine(MediaSettings(bind=f"127.0.0.1:{taken.getsockname()[1]}", workers=1))
        with pytest.RaisesGroup(pytest.RaisesExc(OSError, match=f"port {taken.getsockname()[1]}")):
            async with trio.open_nursery() as nursery:
                await nursery.start(engine.run)
    assert [] == media_threads()


# Workers


async def test_a_rooms_peers_share_a_worker_and_rooms_spread() -> None:
    async with playing(workers=2) as play:
        assert 2 == len(set(play.engine.media))
        call = await talk(play)
        await call.goes_on()
        assert [2, 0] == sorted(play.engine.plane.load(), reverse=True)
        other = play.engine.open_room(Hall())
        await play.join("eve", room=other)
        assert [2, 1] == sorted(play.engine.plane.load(), reverse=True)
        other.close()


async def test_a_room_goes_on_upon_another_worker_when_one_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sfu.engine, "WORKER_PEERS", 1)
    async with playing(workers=2) as play:
        ann, bob = await play.join("ann", picture=True), await play.join("bob")
        assert {0, 1} == {ann.peer.worker, bob.peer.worker}
        call = Talk(ann, bob)
        await call.goes_on()
        (view,) = bob.watch("ann")
        await show_first(ann, (bob, view))
        await call.goes_on()


async def test_a_check_at_another_workers_port_is_not_answered() -> None:
    """A peer belongs to the worker whose port its answer named."""
    async with playing(workers=2) as play:
        caller, answer, _ = await waiting(play)
        port = candidates(answer)[0][1]
        other = next(each for each in play.engine.media if not each.endswith(f":{port}"))
        caller.connect(answer.replace(str(port), other.rpartition(":")[2]))
        await play.until_counted("drop_stun_unknown_user", 2)
        assert [] == caller.outputs
        await caller.hear(answer)


# How a peer ends


async def test_consent_lasts_while_checks_come_and_ends_with_them() -> None:
    async with playing(consent_timeout_s=0.4) as play:
        clients = Client(), Client()
        for client in clients:
            client.keep_each_s = 0.1
        ann, bob = await play.join("ann", client=clients[0]), await play.join("bob", client=clients[1])
        call = Talk(ann, bob)
        for _ in range(10):
            await trio.sleep(0.1)
            await call.goes_on()
        assert play.engine.counters()["consent_answered"] > 0  # the data plane's answers count
        before = trio.current_time()
        bob.caller.fall_silent()
        await bob.ear.until("consent")
        assert 0.25 < trio.current_time() - before < 1.0
        assert (["connected", "consent"], ["connected"]) == (bob.ear.heard, ann.ear.heard)
        assert 1 == play.engine.gauges()["peers"]
        assert "closed" == bob.peer.stats().state


async def test_a_peer_that_never_comes_is_given_up() -> None:
    async with playing(connect_timeout_s=0.2) as play:
        _, _, ear = await waiting(play)
        await ear.until("timeout")
        assert ["timeout"] == ear.heard
        assert 0 == play.engine.gauges()["peers"]


async def test_a_goodbye_is_heard_at_once(play: Play) -> None:
    call = await talk(play)
    call.listener.caller.close()
    await call.listener.ear.until("closed")
    assert ["connected", "closed"] == call.listener.ear.heard
    assert 1 == play.engine.gauges()["peers"]


async def test_a_wrong_certificate_is_refused_and_told(play: Play) -> None:
    client = Client()
    client.fingerprint = sdp.Fingerprint("sha-256", secrets.token_bytes(32))
    caller, answer, ear = await waiting(play, client)
    caller.connect(answer)
    await ear.until("dtls")
    await caller.until(lambda: "Failed" in str(caller.outputs), "no alert")
    assert ["dtls"] == ear.heard
    assert None is caller.keys


async def test_a_fault_in_one_peers_machines_ends_that_peer_only(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    call = await talk(play)
    await call.goes_on()
    carl = await play.join("carl")

    def broken(*_: object) -> None:
        raise AssertionError("an invariant does not hold")

    monkeypatch.setattr(type(carl.peer.endpoint), "receive_dtls", broken)
    carl.caller.close()
    await carl.ear.until("server")
    assert ["connected", "server"] == carl.ear.heard
    assert 1 == play.engine.counters()["peer_faults"]
    monkeypatch.undo()
    await call.goes_on()
    await play.join("dora")


async def test_a_fault_of_a_rooms_listener_ends_nothing(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AssertionError("an invariant does not hold")

    monkeypatch.setattr(Hall, "active_speaker", broken)
    monkeypatch.setattr(Hall, "audio_levels", broken)
    call = await talk(play)
    for _ in range(10):
        await trio.sleep(0.1)
        await call.goes_on()
    assert play.engine.counters()["room_faults"] > 0
    await play.join("dora")


# ICE


async def test_a_restart_on_another_network_loses_nothing(play: Play) -> None:
    """Phone leaves the Wi-Fi: a stream goes on over the old path until the new one is nominated, then over that."""
    ann, bob = await play.join("ann"), await play.join("bob")
    call = Talk(ann, bob)
    await call.goes_on()
    before = bob.peer.stats().path
    bob.caller.client.new_credentials()
    bob.caller.client.nominates = False
    answer = bob.peer.renegotiate(bob.caller.offer(), [])
    await call.goes_on()
    await bob.caller.open_socket(play.nursery)
    bob.caller.connect(answer)
    bob.caller.outputs.clear()
    await bob.caller.until(lambda: Checked(1) in bob.caller.outputs, "the new path was not answered")
    await call.goes_on()
    assert before == bob.peer.stats().path
    bob.caller.client.nominates = True
    bob.caller.connect(answer)
    with trio.fail_after(5):
        while bob.peer.stats().path == before:
            await call.goes_on()
    for _ in range(10):
        await call.goes_on()
    host, port = bob.caller.sockets[1].getsockname()
    assert f"{host}:{port}" == bob.peer.stats().path
    assert ["connected"] == bob.ear.heard


async def test_a_hello_in_two_datagrams(play: Play) -> None:
    """Browsers' are longer than a datagram, with a fragment each (RFC 6347 4.2.3)."""

    class Fragmenting(Client):
        def poll(self) -> list[Output]:
            return [part for output in super().poll() for part in self.parts(output)]

        def parts(self, output: Output) -> list[Output]:
            if not isinstance(output, Sent) or output.data[0] != 22 or output.data[13] != 1:
                return [output]
            record, hello = output.data[:13], output.data[13:]
            body, half = hello[12:], len(hello) // 2
            made: list[Output] = []
            for number, (offset, part) in enumerate(((0, body[:half]), (half, body[half:]))):
                fragment = hello[:6] + offset.to_bytes(3, "big") + len(part).to_bytes(3, "big") + part
                # Numbers that the next records will not use.
                head = record[:5] + (40 + number).to_bytes(6, "big") + struct.pack("!H", len(fragment))
                made.append(Sent(head + fragment, output.path))
            return made

    caller, answer, ear = await waiting(play, Fragmenting())
    await caller.hear(answer)
    await ear.until("connected")


# Strangers


async def test_a_check_with_a_wrong_password_is_refused_and_opens_nothing(play: Play) -> None:
    call = await talk(play)
    caller, answer, ear = await waiting(play)
    caller.connect(answer.replace("a=ice-pwd:", "a=ice-pwd:x"))
    await caller.until(lambda: Refused(401) in caller.outputs, "no refusal")
    assert None is caller.keys and [] == ear.heard
    await call.goes_on()
    await caller.hear(answer)


async def test_a_wrong_password_from_a_members_own_address_harms_it_not(play: Play) -> None:
    call = await talk(play)
    bob = call.listener.caller
    for _ in range(100):
        bob.send_raw(bob.client.check(password="not the server's password"))
        await call.goes_on()
    assert ["connected"] == call.listener.ear.heard


async def test_who_names_no_user_of_ours_is_not_answered(play: Play) -> None:
    call = await talk(play)
    stranger = await play.caller()
    stranger.connect(call.talker.peer.renegotiate(call.talker.caller.offer(), []))
    stranger.fall_silent()
    for user in ("nobody:else", ":", "x" * 500 + ":y"):
        stranger.send_raw(stun.binding_request(secrets.token_bytes(12), user, "password", controlling=1))
    stranger.send_raw(b"\x00\x01\x00\x00" + b"\x21\x12\xa4\x42" + bytes(12))  # no username at all
    await play.until_counted("drop_stun_unknown_user", 3)
    await play.until_counted("drop_stun_not_request", 1)
    await call.goes_on()
    assert [] == stranger.outputs


async def test_dtls_before_a_check_is_dropped_and_counted(play: Play) -> None:
    call = await talk(play)
    caller, answer, ear = await waiting(play)
    caller.connect(answer)
    caller.fall_silent()
    assert caller.client.dtls is not None
    caller.client.dtls.start(trio.current_time())
    (hello,) = [output for output in caller.client.dtls.poll() if isinstance(output, DtlsTransmit)]
    before = play.engine.counters()["drop_dtls_unvalidated"]
    caller.send_raw(hello.data)
    await play.until_counted("drop_dtls_unvalidated", before + 1)
    assert ([], []) == (ear.heard, caller.outputs)
    await call.goes_on()


async def test_media_before_the_handshake_are_dropped_and_counted(play: Play) -> None:
    caller, answer, ear = await waiting(play)
    caller.client.speaks_dtls = False
    caller.connect(answer)
    await caller.until(lambda: Checked(0) in caller.outputs, "no answer to a check")
    caller.send_raw(b"\x80\x6f" + bytes(50))
    await play.until_counted("drop_no_keys", 1)
    assert [] == ear.heard


async def test_floods_disturb_no_call(play: Play) -> None:
    """Garbage, garbage that looks like STUN, checks that nobody asked for, hellos: from elsewhere and in bursts."""
    call = await talk(play)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.setblocking(False)
        host, _, port = play.engine.media[0].rpartition(":")
        client = call.talker.caller.client
        kinds: list[Callable[[], bytes]] = [
            lambda: secrets.token_bytes(100),
            lambda: b"\x00\x01\x00\x50\x21\x12\xa4\x42" + secrets.token_bytes(92),
            lambda: client.check(password="wrong"),
            lambda: stun.binding_request(secrets.token_bytes(12), "nobody:else", "password", controlling=1),
            lambda: b"\x16\xfe\xfd" + bytes(100),
            lambda: b"\x80\x6f" + bytes(100),
        ]
        for made in kinds:
            for _ in range(20):
                for _ in range(50):
                    stranger.sendto(made(), (host, int(port)))
                await call.goes_on()
    assert ["connected"] == call.talker.ear.heard == call.listener.ear.heard
    await play.join("carl")


async def test_random_datagrams_from_a_members_own_address(play: Play) -> None:
    call = await talk(play)
    for first in range(256):
        call.listener.caller.send_raw(bytes([first]) + secrets.token_bytes(first))
        if first % 8 == 0:
            await call.goes_on()
    await call.goes_on()
    assert ["connected"] == call.listener.ear.heard


# The end


async def test_stopping_with_peers_connected_leaves_no_thread_and_no_socket() -> None:
    engine = Engine(MediaSettings(bind="127.0.0.1:0", workers=2, slab_mib=4))
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as inner:
            await inner.start(engine.run)
            play = Play(engine, nursery)
            call = await talk(play)
            await call.goes_on()
            assert 2 == len(media_threads())
            addresses = engine.media
            before = trio.current_time()
            inner.cancel_scope.cancel()
        assert trio.current_time() - before < 1.0
        assert [] == media_threads()
        for address in addresses:
            host, _, port = address.rpartition(":")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
                again.bind((host, int(port)))
        # Whoever still holds a peer may close it.
        call.talker.peer.close()
        play.room.close()
        assert ["connected"] == call.talker.ear.heard == call.listener.ear.heard
        nursery.cancel_scope.cancel()
    for caller in play.callers:
        caller.end()


async def test_an_engine_that_nobody_uses_stops_at_once() -> None:
    async with playing(workers=3) as play:
        assert 3 == len(set(play.engine.media))
        assert 0 == play.engine.gauges()["peers"]
