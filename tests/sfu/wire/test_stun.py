"""STUN: the vectors of RFC 5769, aioice as a second opinion, and input from people who mean no good."""

import contextlib
import ipaddress

import aioice.stun
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sfu.wire import Malformed, stun

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt"
REQUEST = bytes.fromhex(  # RFC 5769 section 2.1
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff"
    "80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
RESPONSE_IPV4 = bytes.fromhex(  # section 2.2
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
RESPONSE_IPV6 = bytes.fromhex(  # section 2.3
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)

ice_chars = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/", min_size=4, max_size=64)
usernames = st.builds("{}:{}".format, ice_chars, ice_chars)
passwords = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/", min_size=22, max_size=256)
transactions = st.binary(min_size=12, max_size=12)
tie_breakers = st.none() | st.integers(0, 2**64 - 1)
# A mapped one is told its IPv4 address, see below. One address has several spellings; the round trip may change it.
ips = st.ip_addresses().filter(lambda ip: ip.version == 4 or ip.ipv4_mapped is None)


def check(**changes: object) -> bytes:
    """A valid check, unless `changes` say otherwise."""
    arguments: dict[str, object] = {"username": "ours:theirs", "password": PASSWORD, "controlling": 1} | changes
    return stun.binding_request(TRANSACTION, **arguments)  # type: ignore[arg-type]


def sealed(attributes: bytes, *, kind: int = stun.BINDING_REQUEST) -> bytes:
    """A message with these raw attributes, correctly signed."""
    return stun._seal(kind, TRANSACTION, attributes, PASSWORD)


# RFC 5769


def test_request_vector() -> None:
    expected = stun.BindingRequest(TRANSACTION, "evtj:h6vY", priority=0x6E0001FF, controlled=True)
    assert expected == stun.read_binding_request(REQUEST, PASSWORD)
    assert stun.username(REQUEST) == "evtj:h6vY"


@pytest.mark.parametrize(
    ("vector", "address"),
    [(RESPONSE_IPV4, ("192.0.2.1", 32853)), (RESPONSE_IPV6, ("2001:db8:1234:5678:11:2233:4455:6677", 32853))],
)
def test_response_vectors(vector: bytes, address: tuple[str, int]) -> None:
    assert stun.BindingResponse(TRANSACTION, address) == stun.read_binding_response(vector, PASSWORD)


@pytest.mark.parametrize(
    "vector",
    [
        pytest.param(REQUEST, id="request"),
        pytest.param(RESPONSE_IPV4, id="IPv4 response"),
        pytest.param(RESPONSE_IPV6, id="IPv6 response"),
    ],
)
def test_every_flipped_bit_of_a_vector_is_noticed(vector: bytes) -> None:
    read = stun.read_binding_request if vector == REQUEST else stun.read_binding_response
    for bit in range(8 * len(vector)):
        broken = bytearray(vector)
        broken[bit // 8] ^= 1 << bit % 8
        if len(vector) - 8 <= bit // 8 < len(vector) - 6:
            # No longer a FINGERPRINT but something behind the signature, which does not count.
            assert read(bytes(broken), PASSWORD) == read(vector, PASSWORD)
        else:
            with pytest.raises(Malformed):
                read(bytes(broken), PASSWORD)


# Round trips, and against aioice


@given(transactions, usernames, passwords, st.integers(0, 2**32 - 1), st.booleans(), tie_breakers, tie_breakers)
def test_request_round_trip(
    transaction: bytes, username: str, password: str, priority: int, nominate: bool, ing: int | None, ed: int | None
) -> None:
    data = stun.binding_request(
        transaction, username, password, priority=priority, use_candidate=nominate, controlling=ing, controlled=ed
    )
    expected = stun.BindingRequest(transaction, username, priority, nominate, ing is not None, ed is not None)
    assert expected == stun.read_binding_request(data, password)
    assert stun.username(data) == username
    other = aioice.stun.parse_message(data)
    assert other.check_message_integrity(password.encode())
    assert other.attributes["USERNAME"] == username


@given(transactions, ips, st.integers(0, 65535), passwords)
@example(TRANSACTION, ipaddress.ip_address("0.0.0.0"), 0, PASSWORD)
@example(TRANSACTION, ipaddress.ip_address("::"), 65535, PASSWORD)
def test_success_round_trip(
    transaction: bytes, ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, password: str
) -> None:
    data = stun.binding_success(stun.BindingRequest(transaction, "a:b"), (str(ip), port), password)
    response = stun.read_binding_response(data, password)
    assert response.transaction_id == transaction
    assert response.address is not None
    assert (ip, port) == (ipaddress.ip_address(response.address[0]), response.address[1])
    other = aioice.stun.parse_message(data)
    assert other.check_message_integrity(password.encode())
    assert other.attributes["XOR-MAPPED-ADDRESS"] == (str(ip), port)


@given(transactions, st.sampled_from((400, 401, 420, 487)), st.text(max_size=40), st.none() | passwords)
def test_error_round_trip(transaction: bytes, code: int, reason: str, password: str | None) -> None:
    data = stun.binding_error(transaction, code, reason, password)
    if password is None and code not in (400, 401):
        with pytest.raises(stun.BadIntegrity):
            stun.read_binding_response(data, PASSWORD)
    else:
        expected = stun.BindingResponse(transaction, code=code, reason=reason)
        assert expected == stun.read_binding_response(data, password or PASSWORD)


def test_a_mapped_ipv4_sender_is_told_ipv4() -> None:
    request = stun.BindingRequest(TRANSACTION, "a:b")
    assert stun.binding_success(request, ("::ffff:192.0.2.1", 9), PASSWORD) == stun.binding_success(
        request, ("192.0.2.1", 9), PASSWORD
    )


def test_a_link_local_sender_is_told_no_zone() -> None:
    request = stun.BindingRequest(TRANSACTION, "a:b")
    data = stun.binding_success(request, ("fe80::1%eth0", 9), PASSWORD)
    assert stun.read_binding_response(data, PASSWORD).address == ("fe80::1", 9)


# What is refused


@pytest.mark.parametrize(
    ("data", "password", "code"),
    [
        pytest.param(check(), "another password", 401, id="wrong password"),
        pytest.param(stun._seal(1, TRANSACTION, check()[20:36], None), PASSWORD, 400, id="unsigned"),
        pytest.param(sealed(bytes.fromhex("002400046e0001ff")), PASSWORD, 400, id="no username"),
        pytest.param(
            stun._seal(1, TRANSACTION, check()[20:36], None)[:-8] + bytes.fromhex("0008001400000000") + bytes(16),
            PASSWORD,
            None,
            id="the length does not cover the signature",
        ),
    ],
)
def test_unauthenticated_requests(data: bytes, password: str, code: int | None) -> None:
    with pytest.raises(Malformed) as caught:
        stun.read_binding_request(data, password)
    assert code == (caught.value.code if isinstance(caught.value, stun.BadIntegrity) else None)


def test_unknown_attributes_are_refused_only_if_they_must_be_understood() -> None:
    name = stun._attribute(stun.USERNAME, b"ours:theirs")
    with pytest.raises(stun.Refused) as caught:
        stun.read_binding_request(
            sealed(name + stun._attribute(0x7F01, b"abc") + stun._attribute(0x0003, b"")), PASSWORD
        )
    assert (caught.value.code, caught.value.unknown) == (420, (0x7F01, 0x0003))
    answer = stun.binding_error(TRANSACTION, 420, caught.value.reason, PASSWORD, caught.value.unknown)
    assert stun.read_binding_response(answer, PASSWORD).unknown == (0x7F01, 0x0003)
    optional = sealed(name + stun._attribute(0xC057, bytes(4)))  # GOOG-NETWORK-INFO, as Chromium sends
    assert stun.read_binding_request(optional, PASSWORD).username == "ours:theirs"


def test_attributes_behind_the_signature_do_not_count() -> None:
    """Anyone on the way could have added them."""
    data = check()[: -stun._FINGERPRINT_SIZE]
    longer = data + stun._attribute(stun.USE_CANDIDATE, b"")
    longer = longer[:2] + (len(longer) - 20).to_bytes(2, "big") + longer[4:]
    assert not stun.read_binding_request(longer, PASSWORD).use_candidate


def test_the_first_of_repeated_attributes_counts() -> None:
    names = stun._attribute(stun.USERNAME, b"ours:theirs") + stun._attribute(stun.USERNAME, b"other:theirs")
    assert stun.read_binding_request(sealed(names), PASSWORD).username == "ours:theirs"
    assert stun.username(sealed(names)) == "ours:theirs"


def test_a_wrong_fingerprint_is_malformed_not_unauthenticated() -> None:
    data = check()
    with pytest.raises(Malformed, match="FINGERPRINT is wrong"):
        stun.read_binding_request(data[:-1] + bytes((data[-1] ^ 1,)), PASSWORD)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(REQUEST[:19], id="short"),
        pytest.param(REQUEST[:-4], id="truncated"),
        pytest.param(REQUEST + bytes(4), id="trailing bytes"),
        pytest.param(b"\x00\x11" + REQUEST[2:], id="an indication"),
        pytest.param(b"\x00\x03" + REQUEST[2:], id="an allocation"),
        pytest.param(REQUEST[:4] + bytes(4) + REQUEST[8:], id="no cookie"),
        pytest.param(sealed(bytes.fromhex("0006ffff61626364")), id="an attribute longer than the message"),
        pytest.param(sealed(stun._attribute(stun.USERNAME, b"\xff:b")), id="not UTF-8"),
        pytest.param(check() + bytes(stun.MAX_SIZE), id="oversized"),
        pytest.param(sealed(stun._attribute(stun.USERNAME, b"a" * 1300)), id="oversized username"),
    ],
)
def test_malformed_requests(data: bytes) -> None:
    with pytest.raises(Malformed):
        stun.read_binding_request(data, PASSWORD)
    if data[:2] == b"\x00\x01" and b"evtj" not in data and b"ours" not in data:
        assert stun.username(data) is None


@given(st.binary(max_size=200))
def test_garbage_is_malformed(noise: bytes) -> None:
    for data in (noise, REQUEST[:8] + noise, REQUEST[:2] + len(noise).to_bytes(2, "big") + REQUEST[4:20] + noise):
        with pytest.raises(Malformed):
            stun.read_binding_request(data, PASSWORD)
        stun.username(data)
    for start in (RESPONSE_IPV4, b"\x01\x11" + RESPONSE_IPV4[2:]):
        for data in (noise, start[:2] + len(noise).to_bytes(2, "big") + start[4:20] + noise):
            with contextlib.suppress(Malformed):
                stun.read_binding_response(data, PASSWORD)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=30)), max_size=12))
def test_any_signed_attributes_are_read_or_malformed(attributes: list[tuple[int, bytes]]) -> None:
    """A peer that knows the password may still send nonsense."""
    body = b"".join(stun._attribute(kind, value) for kind, value in attributes)
    for kind, read in (
        (stun.BINDING_REQUEST, stun.read_binding_request),
        (stun.BINDING_SUCCESS, stun.read_binding_response),
        (stun.BINDING_ERROR, stun.read_binding_response),
    ):
        with contextlib.suppress(Malformed):
            read(sealed(body, kind=kind), PASSWORD)
