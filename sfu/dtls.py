"""DTLS 1.2 with one peer, for its SRTP keys and nothing else (RFC 5764, 6347, 8827, 8842).

OpenSSL does the handshake through memory BIOs. What it has no notion of is done here:

- Time. Its retransmission timer reads the wall clock. So the last flight is kept and sent again when *our* deadline
  passes, or when the peer repeats the message that the flight answered (RFC 6347 section 4.2.4), which spares a
  browser the second that OpenSSL would wait. Plaintext records get a fresh number each time they leave, because a
  receiver drops a number that it has seen, even if it had no use for the content then.
- Identity. The certificate is compared with the fingerprints of the description inside the handshake: a wrong peer
  gets an alert, and never reaches `Keys`.
- Memory. A finished connection of OpenSSL holds tens of KiB of buffers for data that WebRTC media never sends over it.
  It is therefore dropped once the keys are exported. What can still happen afterwards is small: the peer repeats its
  Finished (ours is sent again), or somebody closes. Our close_notify is made beforehand by OpenSSL; to authenticate the
  peer's records the read key is derived as RFC 5246 section 6.3 says. Nothing is ever encrypted here.

Rule: mutate (`start`, `receive`, `expire`, `close`), then drain with `poll`, then read `deadline`.

Invariants: no `Keys` without a matching fingerprint and a common SRTP profile; exactly one of `Keys` and `Failed`, at
most once; after `Failed` or `Closed` nothing comes out; unauthenticated input after the handshake changes nothing; no
datagram over MTU bytes. Whether an address may talk DTLS at all (ICE), and how long a handshake may take, is the
engine's business. Application data (SCTP) is ignored.
"""

import contextlib
import datetime
import hmac
import secrets
import struct
from collections.abc import Sequence
from typing import Final, Literal

import attrs
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto

from sfu.wire.sdp import Fingerprint

Role = Literal["server", "client"]
Profile = Literal["GCM_128", "GCM_256", "CM_80"]

MTU: Final = 1200  # of the UDP payload; what browsers use, and below any path's
MAX_DATAGRAM: Final = 4096  # peers fragment to their MTU, so a longer one is not a handshake
RETRANSMIT_S: Final = 1.0  # RFC 6347 section 4.2.4.1; doubled at each expiry
RETRANSMIT_MAX_S: Final = 60.0
MAX_EARLY_RECORDS: Final = 16  # encrypted ones ahead of the key; OpenSSL would keep 100 buffers of 16 KiB for them
REPEAT_GAP_S: Final = 0.04  # answers to repeats are at least this far apart, below the 50 ms of a browser's first timer

_DTLS_1_2: Final = 0xFEFD
_VERSIONS: Final = frozenset((0xFEFF, 0xFEFD))  # a ClientHello's record may say 1.0 (RFC 6347 section 4.2.1)
_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _APPLICATION_DATA = 20, 21, 22, 23
_CLIENT_HELLO, _SERVER_HELLO_DONE = 1, 14
_FATAL, _CLOSE_NOTIFY = 2, 0

_LENGTH: Final = struct.Struct("!H")
_RECORD: Final = struct.Struct("!BHHHIH")  # type, version, epoch, sequence number (16 + 32 bits), length

# OpenSSL's name, ours, bytes of master key and of master salt (RFC 5764 section 4.1.2, RFC 7714 section 14.2), in our
# order of preference.
_PROFILES: Final[tuple[tuple[str, Profile, int, int], ...]] = (
    ("SRTP_AEAD_AES_128_GCM", "GCM_128", 16, 12),
    ("SRTP_AEAD_AES_256_GCM", "GCM_256", 32, 12),
    ("SRTP_AES128_CM_SHA1_80", "CM_80", 16, 14),
)

# Cipher suite, the hash of its PRF, bytes of its AES key. RFC 8827 section 6.5 requires the first; those with RSA are
# for servers with such a certificate, when we are the client.
_SUITES: Final = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": ("sha256", 16),
    "ECDHE-RSA-AES128-GCM-SHA256": ("sha256", 16),
    "ECDHE-ECDSA-AES256-GCM-SHA384": ("sha384", 32),
    "ECDHE-RSA-AES256-GCM-SHA384": ("sha384", 32),
}
_GCM_SALT: Final = 4

# Strongest first: of the algorithms that a description lists, the best one we know decides (RFC 8122 section 5).
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha-512": hashes.SHA512(),
    "sha-384": hashes.SHA384(),
    "sha-256": hashes.SHA256(),
}


@attrs.frozen
class DtlsTransmit:
    """Send `data` to the peer as one datagram."""

    data: bytes = attrs.field(repr=bytes.hex)


@attrs.frozen
class Keys:
    """The handshake is done with the right peer. `local` protects what we send, `remote` what we receive; each is the
    SRTP master key followed by the master salt, as libsrtp takes them."""

    profile: Profile
    local: bytes = attrs.field(repr=False)
    remote: bytes = attrs.field(repr=False)


@attrs.frozen
class Failed:
    """There will be no keys."""

    reason: str


@attrs.frozen
class Closed:
    """The peer ended the association after it was established."""


Output = DtlsTransmit | Keys | Failed | Closed


@attrs.frozen
class _Record:
    """One DTLS record as it stood in its datagram."""

    kind: int
    epoch: int
    sequence: int
    data: bytes

    @property
    def fragment(self) -> bytes:
        return self.data[_RECORD.size :]


@attrs.define
class _Trust:
    """Decides about the certificate while OpenSSL verifies it. Hangs on the Connection, so it must not point back."""

    fingerprints: Sequence[Fingerprint]
    accepted: bool = False

    def judge(self, certificate: x509.Certificate) -> bool:
        if self.accepted:  # OpenSSL asks once for each thing that it would object to
            return True
        offered = {fingerprint.algorithm.lower() for fingerprint in self.fingerprints}
        algorithm = next((name for name in _HASHES if name in offered), None)
        if algorithm is None:
            return False
        digest = certificate.fingerprint(_HASHES[algorithm])
        # Several lines of one algorithm are several certificates that the peer may use.
        self.accepted = any(
            fingerprint.algorithm.lower() == algorithm and hmac.compare_digest(fingerprint.digest, digest)
            for fingerprint in self.fingerprints
        )
        return self.accepted


def _verify(connection: SSL.Connection, certificate: crypto.X509, _error: int, depth: int, _ok: int) -> bool:
    """OpenSSL's opinion (self-signed, expired, no known issuer) does not count: the fingerprint is the identity."""
    trust = connection.get_app_data()
    assert isinstance(trust, _Trust)
    return depth > 0 or trust.judge(certificate.to_cryptography())


class DtlsContext:
    """Our certificate and the settings of all connections: made once, at start, because a context of its own for each
    peer would cost as much time as half a handshake. `profiles` are preferred in the order given."""

    def __init__(self, profiles: Sequence[Profile] = ("GCM_128", "GCM_256", "CM_80")) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(key)
        self.fingerprint = Fingerprint("sha-256", certificate.fingerprint(hashes.SHA256()))
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(_DTLS_1_2)
        context.set_max_proto_version(_DTLS_1_2)
        context.set_options(
            SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
        )
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_cipher_list(":".join(_SUITES).encode())
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _verify)
        names = {ours: theirs for theirs, ours, _, _ in _PROFILES}
        context.set_tlsext_use_srtp(":".join(names[profile] for profile in profiles).encode())
        self._context = context

    def connect(self, role: Role, trust: _Trust) -> SSL.Connection:
        """A connection that speaks to memory."""
        connection = SSL.Connection(self._context)
        connection.set_app_data(trust)
        connection.set_ciphertext_mtu(MTU)
        if role == "server":
            connection.set_accept_state()
        else:
            connection.set_connect_state()
        return connection


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "WebRTC")])  # says nothing about this host
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(63) | 1)
        .not_valid_before(now - datetime.timedelta(days=1))  # a peer's clock may be slow
        .not_valid_after(now + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )


@attrs.frozen
class _Established:
    """What is left of a connection once OpenSSL's part is freed."""

    read_key: bytes = attrs.field(repr=False)
    read_salt: bytes = attrs.field(repr=False)
    farewell: tuple[_Record, ...] = attrs.field(repr=False)  # our close_notify

    def open(self, record: _Record) -> bytes | None:
        """The content of an encrypted record, or None if the peer did not make it (RFC 5246 section 6.2.3.3, 5288)."""
        fragment = record.fragment
        if len(fragment) < 8 + 16:
            return None
        head = record.data[3:11] + record.data[:3] + _LENGTH.pack(len(fragment) - 8 - 16)
        try:
            return AESGCM(self.read_key).decrypt(self.read_salt + fragment[:8], fragment[8:], head)
        except InvalidTag:
            return None


class Dtls:
    """The association with one peer, from its ClientHello to its close_notify."""

    __slots__ = (
        "_connection",
        "_early",
        "_established",
        "_flight",
        "_outbox",
        "_over",
        "_retransmit_s",
        "_role",
        "_sent_at",
        "_sequence",
        "_trust",
        "deadline",
        "rejected",
    )

    def __init__(self, context: DtlsContext, role: Role, fingerprints: Sequence[Fingerprint], now: float) -> None:
        self.deadline: float | None = None
        self.rejected = 0  # records that were not DTLS, came at the wrong time, or failed authentication
        self._role: Role = role
        self._trust = _Trust(tuple(fingerprints))
        self._connection: SSL.Connection | None = context.connect(role, self._trust)
        self._established: _Established | None = None
        self._early = 0
        self._over = False
        self._flight: tuple[_Record, ...] = ()  # our last flight, to send again
        self._sent_at = now
        self._retransmit_s = RETRANSMIT_S
        self._sequence = 0  # of the next record of epoch 0
        self._outbox: list[Output] = []

    def start(self, now: float) -> None:
        """Send the ClientHello, in the client's role; a server waits for it."""
        if self._role == "client" and not self._flight and not self._over and self._established is None:
            self._advance(now)

    def receive(self, datagram: bytes, now: float) -> None:
        """One datagram from an address that ICE has validated."""
        if self._over:
            return
        records = _split(datagram) if len(datagram) <= MAX_DATAGRAM else None
        if records is None:
            self.rejected += 1
        elif self._established is not None:
            for record in records:
                self._receive_established(record, self._established, now)
        else:
            self._receive_handshake(records, now)

    def poll(self) -> list[Output]:
        """What happened since the last call, in order."""
        outbox, self._outbox = self._outbox, []
        return outbox

    def expire(self, now: float) -> None:
        """The retransmission timer."""
        if self.deadline is None or now < self.deadline or self._connection is None:
            return
        self._retransmit_s = min(self._retransmit_s * 2, RETRANSMIT_MAX_S)
        try:
            # If OpenSSL's clock agrees, let it repeat the flight: it can number an encrypted Finished anew, and a
            # server that has seen the old number needs that to repeat its own.
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(_reason(error), now)
            return
        if fresh := self._drain():
            self._flight = fresh
        self._send(self._flight, now)
        self.deadline = now + self._retransmit_s

    def close(self, now: float) -> None:
        """Say goodbye, if there is anybody to say it to. Nothing follows."""
        if self._established is not None and not self._over:
            self._send(self._established.farewell, now)
        self._finish()

    def _receive_handshake(self, records: list[_Record], now: float) -> None:
        assert self._connection is not None
        wanted = []
        for record in records:
            # Before Finished there is no data to read; in epoch 0 it would be the peer's bug or an attacker's.
            if record.kind == _APPLICATION_DATA or record.epoch > 1 or self._early + record.epoch > MAX_EARLY_RECORDS:
                self.rejected += 1
            else:
                self._early += record.epoch
                wanted.append(record)
        if not wanted:
            return
        self._connection.bio_write(b"".join(record.data for record in wanted))
        moved = self._advance(now)
        if not moved and not self._over and any(map(self._is_repeat, wanted)):
            self._repeat(now)

    def _advance(self, now: float) -> bool:
        """Let OpenSSL do what it can; whether it had something to say."""
        connection = self._connection
        assert connection is not None
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self._fail(_reason(error), now)
            return True
        else:
            self._complete(connection, now)
            return True
        flight = self._drain()
        if not flight:
            return False
        self._flight = flight
        self._send(flight, now)
        self._retransmit_s = RETRANSMIT_S
        self.deadline = now + self._retransmit_s
        return True

    def _complete(self, connection: SSL.Connection, now: float) -> None:
        if flight := self._drain():  # the server's Finished; the client's left with the flight before
            self._flight = flight
            self._send(flight, now)
        name = connection.get_selected_srtp_profile().decode()
        profile = next((profile for profile in _PROFILES if profile[0] == name), None)
        with contextlib.suppress(SSL.Error):
            connection.shutdown()
        farewell = self._drain()
        if profile is None or not self._trust.accepted:
            # RFC 5764 section 4.1.1: OpenSSL calls a handshake without a common profile a success.
            self._send(farewell, now)
            self._fail("no common SRTP profile" if self._trust.accepted else "no certificate", now)
            return
        _, label, key, salt = profile
        material = connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        client = material[:key] + material[2 * key : 2 * key + salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        local, remote = (server, client) if self._role == "server" else (client, server)
        read_key, read_salt = _read_key(connection, self._role)
        self._established = _Established(read_key, read_salt, farewell)
        if self._role == "client":
            self._flight = ()  # the server has it, or it would not have finished
        self._drop()
        self._outbox.append(Keys(label, local, remote))

    def _receive_established(self, record: _Record, established: _Established, now: float) -> None:
        if self._over:
            return
        wanted = record.epoch == 1 and record.kind in (_ALERT, _HANDSHAKE)
        content = established.open(record) if wanted else None
        if content is None:
            self.rejected += 1
        elif record.kind == _HANDSHAKE:
            self._repeat(now)
        elif len(content) == 2 and (content[0] == _FATAL or content[1] == _CLOSE_NOTIFY):
            # RFC 5246 section 7.2.1: a close_notify is answered by one.
            if content[1] == _CLOSE_NOTIFY:
                self._send(established.farewell, now)
            self._outbox.append(Closed())
            self._finish()

    def _is_repeat(self, record: _Record) -> bool:
        """Whether this ends what our last flight answered, so that the peer seems not to have got it."""
        last = _CLIENT_HELLO if self._role == "server" else _SERVER_HELLO_DONE
        return record.kind == _HANDSHAKE and record.epoch == 0 and record.fragment[:1] == bytes((last,))

    def _repeat(self, now: float) -> None:
        # The gap keeps a duplicated datagram, or a hello in two, from being answered twice over.
        if self._flight and now - self._sent_at >= REPEAT_GAP_S:
            self._send(self._flight, now)

    def _drain(self) -> tuple[_Record, ...]:
        """What OpenSSL has written: records glued together, whatever the datagrams were meant to be."""
        assert self._connection is not None
        parts = []
        with contextlib.suppress(SSL.WantReadError):
            while True:
                parts.append(self._connection.bio_read(MAX_DATAGRAM))
        records = _split(b"".join(parts)) if parts else []
        assert records is not None
        return tuple(records)

    def _send(self, records: Sequence[_Record], now: float) -> None:
        """Pack records into datagrams of at most MTU bytes."""
        datagram = b""
        for record in records:
            data = record.data
            if record.epoch == 0:
                data = data[:5] + self._sequence.to_bytes(6, "big") + data[11:]
                self._sequence += 1
            if datagram and len(datagram) + len(data) > MTU:
                self._outbox.append(DtlsTransmit(datagram))
                datagram = b""
            datagram += data
        if datagram:
            self._outbox.append(DtlsTransmit(datagram))
            self._sent_at = now

    def _fail(self, reason: str, now: float) -> None:
        if self._connection is not None:
            self._send(self._drain(), now)  # the alert that says so
        self._outbox.append(Failed(reason))
        self._finish()

    def _finish(self) -> None:
        self._over = True
        self._established = None
        self._flight = ()
        self._drop()

    def _drop(self) -> None:
        """Free OpenSSL's part."""
        self._connection = None
        self.deadline = None


def _split(datagram: bytes) -> list[_Record] | None:
    """The records of a datagram, None if it is not made of them."""
    records = []
    at, end = 0, len(datagram)
    while at < end:
        if end - at < _RECORD.size:
            return None
        kind, version, epoch, high, low, length = _RECORD.unpack_from(datagram, at)
        after = at + _RECORD.size + length
        if not _CHANGE_CIPHER_SPEC <= kind <= _APPLICATION_DATA or version not in _VERSIONS or after > end:
            return None
        records.append(_Record(kind, epoch, high << 32 | low, datagram[at:after]))
        at = after
    return records


def _reason(error: SSL.Error) -> str:
    """OpenSSL's own words for the first thing that went wrong."""
    if isinstance(error, SSL.ZeroReturnError):
        return "closed by the peer"
    stack = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return str(stack[0][2]) if stack else "handshake failed"


def _read_key(connection: SSL.Connection, role: Role) -> tuple[bytes, bytes]:
    """The key and salt that the peer encrypts its records with (RFC 5246 section 6.3; RFC 5288 section 3)."""
    algorithm, size = _SUITES[connection.get_cipher_name() or ""]
    master, server, client = connection.master_key(), connection.server_random(), connection.client_random()
    assert master is not None
    assert server is not None
    assert client is not None
    block = _expand(master, b"key expansion" + server + client, algorithm, 2 * (size + _GCM_SALT))
    salts = block[2 * size :]
    if role == "server":
        return block[:size], salts[:_GCM_SALT]
    return block[size : 2 * size], salts[_GCM_SALT:]


def _expand(secret: bytes, seed: bytes, algorithm: str, size: int) -> bytes:
    """P_hash (RFC 5246 section 5)."""
    out, link = b"", seed
    while len(out) < size:
        link = hmac.digest(secret, link, algorithm)
        out += hmac.digest(secret, link + seed, algorithm)
    return out[:size]
