"""DTLS: two ends over a fake network in virtual time; each rule of sfu/dtls.py that a peer could try to bend."""

import contextlib
import random
import struct
import weakref
from collections.abc import Sequence
from typing import Literal

import pylibsrtp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from sfu.dtls import (
    MAX_DATAGRAM,
    MAX_EARLY_RECORDS,
    MTU,
    REPEAT_GAP_S,
    RETRANSMIT_S,
    Closed,
    Dtls,
    DtlsContext,
    DtlsTransmit,
    Failed,
    Keys,
    Profile,
    _self_signed,
)
from sfu.wire.sdp import Fingerprint
from tests.net import CLEAR, TERRIBLE, Driver, End, Network, Weather

SERVER, CLIENT = DtlsContext(), DtlsContext()  # two certificates; each may play either role
SRTP = {
    "GCM_128": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "GCM_256": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    "CM_80": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}


class Call:
    """A server and a client on one network, the client's hello already under way."""

    def __init__(
        self,
        weather: Weather = CLEAR,
        seed: int = 0,
        *,
        server: DtlsContext = SERVER,
        client: DtlsContext = CLIENT,
        server_expects: Sequence[Fingerprint] | None = None,
        client_expects: Sequence[Fingerprint] | None = None,
    ) -> None:
        self.driver = Driver(Network(weather, seed), DtlsTransmit)
        expected = [client.fingerprint] if server_expects is None else server_expects
        self.server = Dtls(server, "server", expected, 0.0)
        expected = [server.fingerprint] if client_expects is None else client_expects
        self.client = Dtls(client, "client", expected, 0.0)
        self.server_end = self.driver.add("server", self.server, peer="client")
        self.client_end = self.driver.add("client", self.client, peer="server")
        self.client.start(0.0)

    def connect(self) -> tuple[Keys, Keys]:
        assert self.driver.run(lambda: bool(self.server_end.of(Keys) and self.client_end.of(Keys)))
        return self.server_end.of(Keys)[0], self.client_end.of(Keys)[0]

    def outcome(self) -> tuple[list[object], list[object]]:
        """What both ends say once nothing more happens."""
        self.driver.run(lambda: False)
        return [said for _, said in self.server_end.outputs], [said for _, said in self.client_end.outputs]


def datagrams(machine: Dtls) -> list[bytes]:
    return [output.data for output in machine.poll() if isinstance(output, DtlsTransmit)]


def record(kind: int, body: bytes, *, epoch: int = 0, sequence: int = 0, version: int = 0xFEFD) -> bytes:
    return struct.pack("!BHHHIH", kind, version, epoch, 0, sequence, len(body)) + body


def fingerprint(end: DtlsContext, algorithm: str, hash_: hashes.HashAlgorithm) -> Fingerprint:
    """The digest of a context's certificate by another hash, taken from a handshake with it."""
    connection = SSL.Connection(end._context)
    certificate = connection.get_certificate(as_cryptography=True)
    assert certificate is not None
    return Fingerprint(algorithm, certificate.fingerprint(hash_))


# Handshakes


@pytest.mark.parametrize("seed", range(100))
def test_handshake_over_a_terrible_network(seed: int) -> None:
    """A quarter lost, others doubled, late and out of order: both ends get keys, the same, and once."""
    call = Call(TERRIBLE, seed)
    server, client = call.connect()
    assert (client.local, client.remote) == (server.remote, server.local)
    assert call.outcome() == ([server], [client])


def test_a_clear_network_needs_two_round_trips() -> None:
    call = Call(Weather(delay_s=0.05))
    call.connect()
    assert call.driver.now == pytest.approx(4 * 0.05)
    assert call.client.deadline is None and call.server.deadline is None


def test_a_lost_server_flight_is_sent_again_when_the_hello_is_repeated() -> None:
    """Browsers repeat after 50 ms; waiting for our own second would be felt at each join."""
    call = Call()
    [hello] = datagrams(call.client)
    call.server.receive(hello, 0.0)
    flight = datagrams(call.server)
    call.server.receive(hello, REPEAT_GAP_S / 2)
    assert datagrams(call.server) == []  # a duplicate of the network, not a repetition
    call.server.receive(hello, 0.05)
    again = datagrams(call.server)
    assert len(again) == len(flight) > 0
    assert again != flight  # renumbered
    for datagram in again:
        call.client.receive(datagram, 0.06)
    call.driver.now = 0.06
    call.connect()


def test_a_lost_last_flight_is_sent_again_when_finished_is_repeated() -> None:
    """The server is done and has no timer; the client's retransmission is all that it goes by."""
    call = Call()
    assert call.driver.run(lambda: bool(call.server_end.of(Keys)))
    list(call.driver.network.arrived(10.0))  # lost
    assert call.driver.now < call.driver.ends["client"].machine.deadline  # type: ignore[operator]
    call.connect()
    assert call.driver.now == pytest.approx(0.04 + RETRANSMIT_S, abs=0.1)


def test_the_timer_doubles_until_a_minute() -> None:
    client = Call().client
    waits, now = [], 0.0
    for _ in range(8):
        assert client.deadline is not None
        waits.append(client.deadline - now)
        now = client.deadline
        client.poll()
        client.expire(now)
        assert datagrams(client)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_no_datagram_exceeds_the_mtu() -> None:
    call = Call()
    call.connect()
    sizes = [len(datagram) for _, _, datagram in call.driver.network.log]
    assert max(sizes) <= MTU
    assert len(sizes) == 4  # hello; hello to done; certificate to Finished; Finished: glued records make one datagram


def test_a_hello_in_two_datagrams() -> None:
    """As browsers send it since post-quantum key shares made it too long for one; here in any order, too."""
    for order in ((0, 1), (1, 0), (0, 0, 1), (1, 1, 0, 0)):
        call = Call()
        [hello] = datagrams(call.client)
        halves = fragment_hello(hello)
        for half in order:
            call.server.receive(halves[half], 0.0)
        call.connect()


def fragment_hello(datagram: bytes) -> list[bytes]:
    """The same ClientHello as two records in two datagrams."""
    head, body = datagram[13:25], datagram[25:]
    kind, size, sequence = head[0], head[1:4], head[4:6]
    cut = len(body) // 2
    return [
        record(
            22,
            bytes((kind,)) + size + sequence + at.to_bytes(3, "big") + len(part).to_bytes(3, "big") + part,
            sequence=number,
            version=0xFEFF,
        )
        for number, (at, part) in enumerate(((0, body[:cut]), (cut, body[cut:])))
    ]


@pytest.mark.parametrize("role", ["server", "client"])
def test_interoperates_with_plain_openssl(role: Literal["server", "client"]) -> None:
    """The peer keeps its whole TLS state: it must accept our close_notify, and we must read the one it makes."""
    context = SSL.Context(SSL.DTLS_METHOD)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(key)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM")
    for closer in ("us", "them"):
        peer = SSL.Connection(context)
        (peer.set_connect_state if role == "server" else peer.set_accept_state)()
        ours = Dtls(SERVER, role, [Fingerprint("sha-256", certificate.fingerprint(hashes.SHA256()))], 0.0)
        ours.start(0.0)
        outputs: list[object] = []
        for _ in range(6):
            with_peer(peer, ours, outputs)
        [keys] = outputs
        assert isinstance(keys, Keys)
        # A server's preference counts: ours is GCM; the peer's list begins with CM.
        assert keys.profile == ("GCM_256" if role == "server" else "CM_80")
        if closer == "us":
            ours.close(1.0)
            for datagram in datagrams(ours):
                peer.bio_write(datagram)
            with pytest.raises(SSL.ZeroReturnError):
                peer.recv(100)
        else:
            peer.shutdown()
            ours.receive(peer.bio_read(MAX_DATAGRAM), 1.0)
            assert [Closed()] == [output for output in ours.poll() if not isinstance(output, DtlsTransmit)]


def with_peer(peer: SSL.Connection, ours: Dtls, outputs: list[object]) -> None:
    """One exchange in each direction with a bare connection."""
    for output in ours.poll():
        if isinstance(output, DtlsTransmit):
            peer.bio_write(output.data)
        else:
            outputs.append(output)
    with contextlib.suppress(SSL.WantReadError):
        peer.do_handshake()
    with contextlib.suppress(SSL.WantReadError):
        ours.receive(peer.bio_read(MAX_DATAGRAM), 0.0)


# Keys


@pytest.mark.parametrize("profile", ["GCM_128", "GCM_256", "CM_80"])
def test_keys_work_in_libsrtp(profile: Profile) -> None:
    """What one end protects with `local`, the other unprotects with `remote`, both ways; sizes are the profile's."""
    server, client = Call(client=DtlsContext((profile,))).connect()
    assert server.profile == client.profile == profile
    assert {"GCM_128": 28, "GCM_256": 44, "CM_80": 30}[profile] == len(server.local) == len(server.remote)
    packet = struct.pack("!BBHII", 0x80, 96, 1, 1000, 0x1234) + b"payload"
    for sender, receiver in ((server, client), (client, server)):
        outward = pylibsrtp.Policy(
            sender.local, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=SRTP[profile]
        )
        inward = pylibsrtp.Policy(
            receiver.remote, ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND, srtp_profile=SRTP[profile]
        )
        protected = pylibsrtp.Session(outward).protect(packet)
        assert packet not in protected
        assert packet == pylibsrtp.Session(inward).unprotect(protected)


def test_gcm_128_is_preferred() -> None:
    server, _ = Call(client=DtlsContext(("CM_80", "GCM_256", "GCM_128"))).connect()
    assert server.profile == "GCM_128"


def test_no_common_profile_fails_on_both_ends() -> None:
    """OpenSSL would call this a success."""
    call = Call(server=DtlsContext(("GCM_128",)), client=DtlsContext(("CM_80",)))
    assert call.outcome() == ([Failed("no common SRTP profile")], [Failed("no common SRTP profile")])


def test_secrets_are_not_printed() -> None:
    server, _ = Call().connect()
    assert server.local.hex() not in repr(server) and repr(server.local) not in repr(server)


# Identity

WRONG = Fingerprint("sha-256", bytes(32))


def test_a_wrong_client_is_refused_by_the_server() -> None:
    server, client = Call(server_expects=[WRONG]).outcome()
    assert server == [Failed("certificate verify failed")]
    assert [type(said) for said in client] == [Failed]  # told by an alert


def test_a_wrong_server_is_refused_by_the_client() -> None:
    server, client = Call(client_expects=[WRONG]).outcome()
    assert client == [Failed("certificate verify failed")]
    assert [type(said) for said in server] == [Failed]


@pytest.mark.parametrize(
    ("lines", "accepted"),
    [
        (["sha-256"], True),
        (["sha-384"], True),
        (["sha-512"], True),
        (["SHA-256"], True),  # tokens are case-insensitive (RFC 8122 section 5)
        (["sha-256", "sha-384", "sha-512"], True),  # aiortc
        (["wrong sha-256", "sha-256"], True),  # two certificates
        (["sha-1", "sha-256"], True),
        (["wrong sha-512", "sha-256"], False),  # the strongest algorithm decides
        (["wrong sha-256"], False),
        (["sha-1"], False),
        ([], False),
    ],
)
def test_several_fingerprint_lines(lines: list[str], accepted: bool) -> None:
    algorithms: dict[str, hashes.HashAlgorithm] = {
        "sha-1": hashes.SHA1(),
        "sha-256": hashes.SHA256(),
        "sha-384": hashes.SHA384(),
        "sha-512": hashes.SHA512(),
    }
    expects = []
    for line in lines:
        name = line.removeprefix("wrong ")
        right = fingerprint(CLIENT, name, algorithms[name.lower()])
        expects.append(Fingerprint(name, bytes(len(right.digest))) if line != name else right)
    call = Call(server_expects=expects)
    server, _ = call.outcome()
    assert [Keys if accepted else Failed] == [type(said) for said in server]


def test_a_client_without_certificate_is_refused() -> None:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_tlsext_use_srtp(b"SRTP_AEAD_AES_128_GCM")
    peer = SSL.Connection(context)
    peer.set_connect_state()
    ours = Dtls(SERVER, "server", [CLIENT.fingerprint], 0.0)
    outputs: list[object] = []
    for _ in range(4):
        try:
            with_peer(peer, ours, outputs)
        except SSL.Error:
            break
    outputs += [output for output in ours.poll() if not isinstance(output, DtlsTransmit)]
    assert outputs == [Failed("peer did not return a certificate")]


def test_the_certificate_tells_nothing_about_the_host() -> None:
    certificate = SSL.Connection(SERVER._context).get_certificate(as_cryptography=True)
    assert certificate is not None
    assert certificate.subject == certificate.issuer == x509.Name.from_rfc4514_string("CN=WebRTC")


# Bad input


def garbage(rng: random.Random) -> bytes:
    """Noise, truncated and over-long records, plausible headers with noise behind them."""
    noise = rng.randbytes(rng.randrange(0, 1500))
    match rng.randrange(4):
        case 0:
            return noise
        case 1:
            return record(rng.randrange(20, 24), noise, sequence=rng.randrange(1000))[: rng.randrange(1, 60)]
        case 2:
            return record(rng.choice((20, 22, 23)), noise, epoch=rng.randrange(3), sequence=rng.randrange(1000))
        case _:
            return record(22, noise[:4], epoch=1, sequence=rng.randrange(1000)) * 30


def test_garbage_changes_nothing_once_connected() -> None:
    call = Call()
    call.connect()
    rng = random.Random(1)
    for _ in range(2000):
        call.server.receive(garbage(rng), 1.0)
    assert call.server.poll() == []
    assert call.server.rejected >= 2000
    call.client.close(2.0)
    call.driver.run(lambda: False)
    assert call.server_end.of(Closed) == [Closed()]


def test_garbage_never_raises_during_a_handshake() -> None:
    """It may end the handshake of whoever sends it (an unauthenticated alert does); it must not end anything else."""
    for seed in range(30):
        rng = random.Random(seed)
        call = Call(seed=seed)
        for _ in range(20):
            call.server.receive(garbage(rng), 0.0)
            call.client.receive(garbage(rng), 0.0)
        server, client = call.outcome()
        assert all(isinstance(said, Keys | Failed) for said in server + client)


def test_noise_that_is_no_dtls_does_not_disturb_a_handshake() -> None:
    call = Call()
    rng = random.Random(2)
    for _ in range(50):
        call.server.receive(bytes((rng.randrange(256),)) + bytes(rng.randrange(100)), 0.0)
        call.client.receive(record(23, rng.randbytes(50), epoch=rng.randrange(3)), 0.0)
    call.connect()
    assert call.server.rejected > 40 and call.client.rejected == 50


def test_over_long_datagrams_are_dropped() -> None:
    call = Call()
    [hello] = datagrams(call.client)
    padding = record(20, b"\1") * 300
    call.server.receive(hello + padding[: MAX_DATAGRAM // 14 * 14], 0.0)
    assert call.server.rejected == 1
    assert call.server.poll() == []


def test_early_encrypted_records_are_bounded() -> None:
    """OpenSSL keeps what it cannot decrypt yet, a 16 KiB buffer each."""
    call = Call()
    [hello] = datagrams(call.client)
    call.server.receive(hello, 0.0)
    for number in range(100):
        call.server.receive(record(22, bytes(40), epoch=1, sequence=number), 0.0)
    assert call.server.rejected == 100 - MAX_EARLY_RECORDS


# The end


def test_openssl_is_freed_once_there_are_keys() -> None:
    """It would keep some 40 KiB a peer, for data that never comes."""
    call = Call()
    connections = [weakref.ref(end._connection) for end in (call.server, call.client) if end._connection is not None]
    assert [connection() is None for connection in connections] == [False, False]
    call.connect()
    assert [connection() is None for connection in connections] == [True, True]


@pytest.mark.parametrize("closer", ["server", "client"])
def test_close_notify_reaches_the_peer(closer: str) -> None:
    call = Call()
    call.connect()
    machine, other = (call.server, call.client_end) if closer == "server" else (call.client, call.server_end)
    machine.close(1.0)
    machine.close(1.0)  # twice is once
    server, client = call.outcome()
    assert other.of(Closed) == [Closed()]
    assert len(server) + len(client) == 3  # two Keys, one Closed: who closes needs not be told


def test_a_forged_close_is_ignored() -> None:
    call = Call()
    call.connect()
    for epoch in (0, 1):
        call.server.receive(record(21, b"\1\0", epoch=epoch, sequence=9), 1.0)
        call.server.receive(record(21, b"\2\x28" + bytes(24), epoch=epoch, sequence=9), 1.0)
    assert call.server.poll() == []
    assert call.server.rejected == 4


def test_our_own_records_sent_back_are_not_the_peers() -> None:
    """Each direction has its own key, so a reflected close_notify closes nothing."""
    call = Call()
    call.connect()
    call.client.close(1.0)
    [farewell] = datagrams(call.client)
    server = Call()
    server.connect()
    server.server.receive(farewell, 1.0)
    assert server.server.poll() == []


def test_nothing_follows_the_end() -> None:
    def ended() -> list[End]:
        closed, failed = Call(), Call(client_expects=[WRONG])
        closed.connect()
        closed.client.close(1.0)
        closed.outcome()
        failed.outcome()
        return [closed.server_end, closed.client_end, failed.client_end]

    [hello] = datagrams(Call().client)
    for end in ended():
        machine = end.machine
        assert isinstance(machine, Dtls)
        machine.receive(hello, 5.0)
        machine.expire(100.0)
        machine.start(5.0)
        machine.close(5.0)
        assert machine.poll() == []
        assert machine.deadline is None


def test_close_before_the_handshake_is_silent() -> None:
    call = Call()
    call.client.poll()
    call.client.close(0.5)
    assert call.client.poll() == []
    assert call.client.deadline is None
