"""STUN Binding messages as ICE uses them (RFC 8489; attributes of RFC 8445 section 16.1).

Every peer asks every few seconds for as long as it is here (RFC 7675), so this is the busiest parser outside the data
plane. That is why it reads the few attributes a Binding needs by hand instead of building a general message.

Invariants:
- Nothing of a request is believed before its MESSAGE-INTEGRITY is: the reader returns an authenticated request, or
  raises.
- Attributes behind MESSAGE-INTEGRITY do not exist, FINGERPRINT excepted (RFC 8489 section 14.5).
- Every failure is `Malformed`. Those that the RFC wants answered are `Refused`, which carries what the answer says.

Which credentials apply, roles, and what a check means are ice.py's business. Only short-term credentials are known
here; ICE passwords are ASCII (RFC 8839 section 5.4), so no string preparation is needed.
"""

import hmac
import socket
import struct
import zlib
from collections.abc import Sequence

import attrs

from sfu.wire import Malformed

COOKIE = 0x2112A442
HEADER_SIZE = 20
MAX_SIZE = 1280  # a Binding request is about 100 bytes; RFC 8489 section 6.1 keeps all STUN below the IPv6 minimum MTU
MAX_USERNAME = 513  # RFC 8489 section 14.3: fewer than 509 bytes; ICE: 256 + ":" + 256 (RFC 8839 section 5.4)

BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101
BINDING_ERROR = 0x0111

USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
UNKNOWN_ATTRIBUTES = 0x000A
MESSAGE_INTEGRITY_SHA256 = 0x001C
XOR_MAPPED_ADDRESS = 0x0020
PRIORITY = 0x0024
USE_CANDIDATE = 0x0025
FINGERPRINT = 0x8028
ICE_CONTROLLED = 0x8029
ICE_CONTROLLING = 0x802A

# MESSAGE-INTEGRITY-SHA256 may stand beside the SHA-1 one that ICE uses: known, not needed.
_KNOWN = frozenset(
    (
        USERNAME,
        ERROR_CODE,
        UNKNOWN_ATTRIBUTES,
        MESSAGE_INTEGRITY_SHA256,
        XOR_MAPPED_ADDRESS,
        PRIORITY,
        USE_CANDIDATE,
        ICE_CONTROLLED,
        ICE_CONTROLLING,
    )
)

_OPTIONAL = 0x8000  # attribute types from here up may be skipped by who does not know them (RFC 8489 section 14)
_INTEGRITY_SIZE = 4 + 20
_FINGERPRINT_SIZE = 4 + 4
_FINGERPRINT_XOR = 0x5354554E
_IPV4, _IPV6 = 1, 2
_COOKIE_BYTES = COOKIE.to_bytes(4, "big")

_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_LENGTH = struct.Struct("!H")
_WORD = struct.Struct("!I")
_CHECKSUM = struct.Struct("!HHI")


class Refused(Malformed):
    """A request that RFC 8489 wants answered by an error rather than by silence."""

    def __init__(self, transaction_id: bytes, code: int, reason: str, unknown: Sequence[int] = ()) -> None:
        super().__init__(f"{code} {reason}")
        self.transaction_id = transaction_id
        self.code = code
        self.reason = reason
        self.unknown = tuple(unknown)


class BadIntegrity(Refused):
    """Whoever sent this does not know the password, or did not say that it does (RFC 8489 section 9.1.3)."""


@attrs.frozen
class BindingRequest:
    """One authenticated connectivity or consent check."""

    transaction_id: bytes = attrs.field(repr=bytes.hex)
    username: str
    priority: int = 0
    use_candidate: bool = False
    controlling: bool = False
    controlled: bool = False


@attrs.frozen
class BindingResponse:
    """The answer to a check: `address` as the server saw it, or the error `code` with its `reason`."""

    transaction_id: bytes = attrs.field(repr=bytes.hex)
    address: tuple[str, int] | None = None
    code: int | None = None
    reason: str = ""
    unknown: tuple[int, ...] = ()


def username(data: bytes) -> str | None:
    """The USERNAME of a Binding request, unverified: enough to find whose password verifies it.

    None for everything else; this runs on whatever arrives from strangers, so it never raises.
    """
    size = len(data)
    if size < HEADER_SIZE or size > MAX_SIZE:
        return None
    kind, length, cookie, _ = _HEADER.unpack_from(data)
    if kind != BINDING_REQUEST or cookie != COOKIE or length + HEADER_SIZE != size:
        return None
    at = HEADER_SIZE
    while at + 4 <= size:
        attribute, length = _ATTRIBUTE.unpack_from(data, at)
        at += 4
        if attribute == USERNAME:
            if length > MAX_USERNAME or at + length > size:
                return None
            try:
                return data[at : at + length].decode()
            except UnicodeDecodeError:
                return None
        at += length + 3 & ~3
    return None


def read_binding_request(data: bytes, password: str) -> BindingRequest:
    """Read and authenticate one request.

    `BadIntegrity` if it is not signed with `password`; `Refused` if it demands something unknown; else `Malformed`.
    """
    transaction_id, attributes, unknown, signed = _read(data, BINDING_REQUEST)
    name = attributes.get(USERNAME)
    if name is None or signed is None:
        raise BadIntegrity(transaction_id, 400, "Bad Request")
    _check_integrity(data, signed, transaction_id, password)
    if unknown:
        # RFC 8489 section 6.3.1, after authentication, so that strangers learn nothing.
        raise Refused(transaction_id, 420, "Unknown Attribute", unknown)
    try:
        text = name.decode()
    except UnicodeDecodeError as error:
        raise Malformed("USERNAME is not UTF-8") from error
    priority = attributes.get(PRIORITY)
    if priority is not None and len(priority) != 4:
        raise Malformed("PRIORITY is not 4 bytes")
    return BindingRequest(
        transaction_id,
        text,
        int.from_bytes(priority, "big") if priority else 0,
        USE_CANDIDATE in attributes,
        ICE_CONTROLLING in attributes,
        ICE_CONTROLLED in attributes,
    )


def read_binding_response(data: bytes, password: str) -> BindingResponse:
    """The client's side. Errors 400 and 401 may come unsigned (RFC 8489 section 9.1.3); everything else is verified."""
    kind = int.from_bytes(data[:2], "big")
    if kind not in (BINDING_SUCCESS, BINDING_ERROR):
        raise Malformed("not a Binding response")
    transaction_id, attributes, _, signed = _read(data, kind)
    if kind == BINDING_SUCCESS:
        if signed is None:
            raise BadIntegrity(transaction_id, 401, "Unauthenticated")
        _check_integrity(data, signed, transaction_id, password)
        if XOR_MAPPED_ADDRESS not in attributes:
            raise Malformed("a success without XOR-MAPPED-ADDRESS")
        return BindingResponse(transaction_id, _unpack_address(attributes[XOR_MAPPED_ADDRESS], transaction_id))
    error = attributes.get(ERROR_CODE, b"")
    if len(error) < 4:
        raise Malformed("an error without ERROR-CODE")
    code = (error[2] & 7) * 100 + error[3]
    if signed is not None:
        _check_integrity(data, signed, transaction_id, password)
    elif code not in (400, 401):
        raise BadIntegrity(transaction_id, 401, "Unauthenticated")
    types = attributes.get(UNKNOWN_ATTRIBUTES, b"")
    unknown = tuple(int.from_bytes(types[at : at + 2], "big") for at in range(0, len(types) - 1, 2))
    return BindingResponse(transaction_id, None, code, error[4:].decode(errors="replace"), unknown)


def binding_request(
    transaction_id: bytes,
    username: str,
    password: str,
    *,
    priority: int = 0x6E7F00FF,
    use_candidate: bool = False,
    controlling: int | None = None,
    controlled: int | None = None,
) -> bytes:
    """A check as a full agent sends it; `controlling` or `controlled`, whichever it is, carries its tie-breaker."""
    body = _attribute(USERNAME, username.encode()) + _attribute(PRIORITY, priority.to_bytes(4, "big"))
    if controlling is not None:
        body += _attribute(ICE_CONTROLLING, controlling.to_bytes(8, "big"))
    if controlled is not None:
        body += _attribute(ICE_CONTROLLED, controlled.to_bytes(8, "big"))
    if use_candidate:
        body += _attribute(USE_CANDIDATE, b"")
    return _seal(BINDING_REQUEST, transaction_id, body, password)


def binding_success(request: BindingRequest, address: tuple[str, int], password: str) -> bytes:
    """The answer to a valid check that came from `address`."""
    transaction_id = request.transaction_id
    mapped = _attribute(XOR_MAPPED_ADDRESS, _pack_address(address, transaction_id))
    return _seal(BINDING_SUCCESS, transaction_id, mapped, password)


def binding_error(
    transaction_id: bytes, code: int, reason: str, password: str | None, unknown: Sequence[int] = ()
) -> bytes:
    """An error answer; signed unless `password` is None, as it must be where the asker did not authenticate."""
    body = _attribute(ERROR_CODE, bytes((0, 0, code // 100, code % 100)) + reason.encode())
    if unknown:
        body += _attribute(UNKNOWN_ATTRIBUTES, b"".join(map(_LENGTH.pack, unknown)))
    return _seal(BINDING_ERROR, transaction_id, body, password)


def _read(data: bytes, expected: int) -> tuple[bytes, dict[int, bytes], list[int], tuple[int, bytes] | None]:
    """The attributes of one message: values, unknown types that must be understood, where and what the integrity is."""
    size = len(data)
    if size < HEADER_SIZE or size > MAX_SIZE:
        raise Malformed(f"{size} bytes are no STUN message")
    kind, length, cookie, transaction_id = _HEADER.unpack_from(data)
    if kind != expected or cookie != COOKIE:
        raise Malformed("not the STUN message that was expected")
    if length + HEADER_SIZE != size or length & 3:
        raise Malformed("the length field disagrees with the datagram")
    attributes: dict[int, bytes] = {}
    unknown: list[int] = []
    signed: tuple[int, bytes] | None = None
    at = HEADER_SIZE
    while at < size:  # sizes are multiples of 4, so an attribute header always fits
        attribute, length = _ATTRIBUTE.unpack_from(data, at)
        end = at + 4 + length
        if end > size:
            raise Malformed("an attribute is longer than its message")
        if attribute == FINGERPRINT:
            if length != 4 or end != size:
                raise Malformed("FINGERPRINT is not last")
            if _WORD.unpack_from(data, at + 4)[0] != zlib.crc32(data[:at]) ^ _FINGERPRINT_XOR:
                raise Malformed("FINGERPRINT is wrong")
        elif signed is None:
            value = data[at + 4 : end]
            if attribute == MESSAGE_INTEGRITY:
                if length != 20:
                    raise Malformed("MESSAGE-INTEGRITY is not 20 bytes")
                signed = at, value
            elif attribute in _KNOWN:
                attributes.setdefault(attribute, value)  # RFC 8489 section 14: only the first of a kind counts
            elif attribute < _OPTIONAL:
                unknown.append(attribute)
        at = end + 3 & ~3
    return transaction_id, attributes, unknown, signed


def _check_integrity(data: bytes, signed: tuple[int, bytes], transaction_id: bytes, password: str) -> None:
    at, digest = signed
    # The signature covers a message that ends with itself, whatever follows it in the datagram (RFC 8489 section 14.5).
    covered = b"".join((data[:2], _LENGTH.pack(at - HEADER_SIZE + _INTEGRITY_SIZE), data[4:at]))
    if not hmac.compare_digest(digest, hmac.digest(password.encode(), covered, "sha1")):
        raise BadIntegrity(transaction_id, 401, "Unauthenticated")


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) & 3)


def _seal(kind: int, transaction_id: bytes, body: bytes, password: str | None) -> bytes:
    """Header, body, MESSAGE-INTEGRITY if there is a password, FINGERPRINT; each covers a length that includes it."""
    if password is not None:
        covered = _HEADER.pack(kind, len(body) + _INTEGRITY_SIZE, COOKIE, transaction_id) + body
        digest = hmac.digest(password.encode(), covered, "sha1")
        body += _ATTRIBUTE.pack(MESSAGE_INTEGRITY, 20) + digest
    message = _HEADER.pack(kind, len(body) + _FINGERPRINT_SIZE, COOKIE, transaction_id) + body
    return message + _CHECKSUM.pack(FINGERPRINT, 4, zlib.crc32(message) ^ _FINGERPRINT_XOR)


def _pack_address(address: tuple[str, int], transaction_id: bytes) -> bytes:
    ip, port = address
    if ip.startswith("::ffff:") and "." in ip:
        ip = ip[7:]  # a dual-stack socket's way to write an IPv4 sender, who must be told IPv4
    if ":" in ip:
        family, packed = _IPV6, socket.inet_pton(socket.AF_INET6, ip.partition("%")[0])
        mask = _COOKIE_BYTES + transaction_id
    else:
        family, packed = _IPV4, socket.inet_pton(socket.AF_INET, ip)
        mask = _COOKIE_BYTES
    masked = int.from_bytes(packed, "big") ^ int.from_bytes(mask, "big")
    return _ATTRIBUTE.pack(family, port ^ COOKIE >> 16) + masked.to_bytes(len(packed), "big")


def _unpack_address(value: bytes, transaction_id: bytes) -> tuple[str, int]:
    if len(value) == 8 and value[1] == _IPV4:
        family, mask = socket.AF_INET, _COOKIE_BYTES
    elif len(value) == 20 and value[1] == _IPV6:
        family, mask = socket.AF_INET6, _COOKIE_BYTES + transaction_id
    else:
        raise Malformed("an address that is neither IPv4 nor IPv6")
    packed = int.from_bytes(value[4:], "big") ^ int.from_bytes(mask, "big")
    port = _LENGTH.unpack_from(value, 2)[0] ^ COOKIE >> 16
    return socket.inet_ntop(family, packed.to_bytes(len(mask), "big")), port
