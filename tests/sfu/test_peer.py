"""One endpoint as a whole, against a client on a fake network in virtual time: what comes out, once, and in which order."""

import itertools
import random
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from sfu.dtls import Closed, Dtls, DtlsContext, Failed, Keys, Role
from sfu.ice import Path, PathRetired, PathSelected, PathValidated, Transmit
from sfu.negotiation import BadOffer, Local, Source
from sfu.peer import Agree, Connected, Disagree, Endpoint, Lost, UseKeys
from sfu.wire import sdp, stun
from tests.net import CLEAR, TERRIBLE, Driver, Network, Weather
from tests.sfu.caller import Checked, Client, Refused

OURS, THEIRS = DtlsContext(), DtlsContext()
LOCAL = Local(OURS.fingerprint, (sdp.Candidate("192.0.2.1", 40000, 2130706431, "1"),))
SOUND = Source("room", "audio", None, "room")
CONNECT_S, CONSENT_S = 30.0, 30.0
WIFI: Path = (0, "198.51.100.1", 5000)
CELLULAR: Path = (0, "203.0.113.1", 6000)
PATHS = (WIFI, CELLULAR)


@attrs.frozen
class Packet:
    """A datagram on the fake network, whose first byte is the number of the client's path."""

    data: bytes


class ServerEnd:
    """The endpoint as the engine and the data plane treat it: DTLS is let in from validated paths only."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.validated: set[Path] = set()
        self.stopped_by = 0  # DTLS datagrams from elsewhere

    @property
    def deadline(self) -> float | None:
        return self.endpoint.deadline

    def receive(self, datagram: bytes, now: float) -> None:
        path, data = PATHS[datagram[0]], datagram[1:]
        if data[0] < 4:
            # The engine finds an endpoint by this; who names no ufrag of it is not heard.
            if (stun.username(data) or "").partition(":")[0] in self.endpoint.local_ufrags:
                self.endpoint.receive_stun(data, path, now)
        elif path in self.validated:
            self.endpoint.receive_dtls(data, path, now)
        else:
            self.stopped_by += 1

    def expire(self, now: float) -> None:
        self.endpoint.expire(now)

    def poll(self) -> list[object]:
        out: list[object] = []
        for output in self.endpoint.poll():
            match output:
                case Transmit(data, path):
                    out.append(Packet(bytes([PATHS.index(path)]) + data))
                    continue
                case PathValidated(path):
                    self.validated.add(path)
                case PathRetired(path):
                    self.validated.discard(path)
            out.append(output)
        return out


class ClientEnd:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.cut_off: set[int] = set()  # paths that carry nothing any more

    @property
    def deadline(self) -> float | None:
        return self.client.deadline

    def receive(self, datagram: bytes, now: float) -> None:
        if datagram[0] not in self.cut_off:
            self.client.receive(datagram[1:], now)

    def expire(self, now: float) -> None:
        self.client.expire(now)

    def poll(self) -> list[object]:
        out: list[object] = []
        for output in self.client.poll():
            if hasattr(output, "path") and hasattr(output, "data"):
                if output.path not in self.cut_off:
                    out.append(Packet(bytes([output.path]) + output.data))
            else:
                out.append(output)
        return out


class Call:
    """A client that has joined; `connect` lets the two talk."""

    def __init__(
        self, weather: Weather = CLEAR, seed: int = 0, role: Role = "client", connect_s: float = CONNECT_S
    ) -> None:
        self.driver = Driver(Network(weather, seed), Packet)
        self.endpoint = Endpoint(LOCAL, OURS, itertools.count(1000).__next__, 0.0, connect_s, CONSENT_S)
        self.client = Client(THEIRS, role)
        self.client.add("audio", "sendrecv")
        self.far = ClientEnd(self.client)
        self.near = ServerEnd(self.endpoint)
        self.server_end = self.driver.add("server", self.near, peer="client")
        self.client_end = self.driver.add("client", self.far, peer="server")

    @property
    def now(self) -> float:
        return self.driver.now

    def join(self) -> None:
        """Or renegotiate, with what the client's credentials are now."""
        answer, _ = self.endpoint.answer(self.client.offer(), {}, SOUND, (), self.now)
        self.client.connect(answer, self.now)

    def connect(self) -> None:
        self.join()
        assert self.driver.run(lambda: bool(self.said(Connected) and self.client_end.of(Keys)), 300.0)

    def said(self, *kinds: type[Any]) -> list[object]:
        """The server's outputs of these kinds, all if none is named."""
        return [output for _, output in self.server_end.outputs if not kinds or isinstance(output, kinds)]

    def when(self, output: object) -> float:
        return next(at for at, each in self.server_end.outputs if each == output)

    def go_on(self, seconds: float) -> None:
        self.driver.run(lambda: False, seconds)


# Connecting


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("seed", range(40))
def test_connects_through_terrible_weather(seed: int, role: Role) -> None:
    call = Call(TERRIBLE, seed, role, connect_s=300.0)  # the timer doubles, so some weather takes a minute
    call.connect()
    (ours,) = call.said(UseKeys)
    (theirs,) = call.client_end.of(Keys)
    assert isinstance(ours, UseKeys)
    assert (ours.keys.profile, ours.keys.local, ours.keys.remote) == (theirs.profile, theirs.remote, theirs.local)
    call.go_on(20.0)
    assert [PathValidated(WIFI), PathSelected(WIFI)] == call.said(PathValidated, PathSelected)
    assert [ours, Connected()] == call.said(UseKeys, Connected)
    assert [] == call.said(Lost)
    assert (True, theirs.profile, WIFI) == (call.endpoint.connected, call.endpoint.profile, call.endpoint.selected)


def test_the_order_in_which_a_connection_comes_up() -> None:
    call = Call()
    call.connect()
    kinds = [type(each) for each in call.said()]
    assert [PathValidated, PathSelected, Agree, UseKeys, Connected] == kinds


def test_a_client_that_nominates_late_speaks_dtls_on_the_path_that_it_has() -> None:
    """Firefox and aiortc check first and nominate afterwards; the handshake need not wait for that."""
    call = Call()
    call.client.nominates = False
    call.join()
    assert call.driver.run(lambda: bool(call.said(UseKeys)))
    assert not call.endpoint.connected
    call.client.nominates = True
    assert call.driver.run(lambda: bool(call.said(Connected)))
    assert [PathValidated, UseKeys, PathSelected, Agree, Connected] == [type(each) for each in call.said()]


def test_checks_may_come_long_before_the_handshake() -> None:
    call = Call()
    call.client.speaks_dtls = False
    call.join()
    call.go_on(10.0)
    assert [] == call.said(UseKeys, Connected, Lost)
    call.client.speaks_dtls = True
    assert call.driver.run(lambda: bool(call.said(Connected)))


def test_dtls_from_a_path_that_passed_no_check_is_not_heard() -> None:
    call = Call()
    call.join()
    hello = Dtls(THEIRS, "client", [OURS.fingerprint], 0.0)
    hello.start(0.0)
    for output in hello.poll():
        call.driver.network.send("server", b"\x01" + output.data, 0.0)  # type: ignore[union-attr]
    assert call.driver.run(lambda: bool(call.said(Connected)))
    assert call.near.stopped_by > 0
    assert [PathValidated(WIFI)] == call.said(PathValidated)


# Ends


def test_a_client_that_never_comes_is_given_up() -> None:
    call = Call()
    call.join()
    call.far.cut_off.add(0)
    call.go_on(CONNECT_S + 1)
    assert [(CONNECT_S, Lost("timeout"))] == call.server_end.outputs


def test_a_client_that_checks_and_never_shakes_hands_is_given_up() -> None:
    call = Call()
    call.client.speaks_dtls = False
    call.join()
    call.go_on(CONNECT_S + 1)
    assert [Lost("timeout")] == call.said(Lost)
    assert CONNECT_S == call.when(Lost("timeout"))


def test_silence_ends_consent() -> None:
    call = Call()
    call.connect()
    call.go_on(100.0)
    assert [] == call.said(Lost)
    call.client.checks_at = None
    last = max(at for at, to, _ in call.driver.network.log if to == "server")
    call.go_on(60.0)
    assert [Lost("consent")] == call.said(Lost)
    assert last + CONSENT_S + CLEAR.delay_s == pytest.approx(call.when(Lost("consent")))


def test_checks_that_the_data_plane_answered_keep_consent() -> None:
    call = Call()
    call.connect()
    call.client.checks_at = None
    for _ in range(10):
        call.go_on(20.0)
        call.endpoint.heard(WIFI, call.now)
    assert [] == call.said(Lost)
    call.go_on(CONSENT_S + 1)
    assert [Lost("consent")] == call.said(Lost)


def test_close_notify_ends_it_at_once() -> None:
    call = Call()
    call.connect()
    call.client.close(call.now)
    at = call.now
    call.go_on(60.0)
    assert [Lost("closed")] == call.said(Lost)
    assert at + CLEAR.delay_s == pytest.approx(call.when(Lost("closed")))


def test_our_goodbye_reaches_the_client_and_is_no_loss() -> None:
    call = Call()
    call.connect()
    call.endpoint.close(call.now)
    call.go_on(60.0)
    assert [Closed()] == call.client_end.of(Closed)
    assert [] == call.said(Lost)
    assert () == call.endpoint.local_ufrags


@pytest.mark.parametrize("role", ["client", "server"])
def test_another_certificate_than_the_description_promised(role: Role) -> None:
    call = Call(role=role)
    call.client.fingerprint = sdp.Fingerprint("sha-256", bytes(32))
    call.join()
    call.go_on(60.0)
    assert [Lost("dtls")] == call.said(UseKeys, Connected, Lost)
    assert call.client_end.of(Failed)


@pytest.mark.parametrize("reason", ["timeout", "consent", "closed", "dtls"])
def test_lost_comes_once_and_nothing_after_it(reason: str) -> None:
    """Whatever the client goes on sending."""
    call = Call()
    if reason == "timeout":
        call.client.speaks_dtls = False
    if reason == "dtls":
        call.client.fingerprint = sdp.Fingerprint("sha-256", bytes(32))
    if reason in ("timeout", "dtls"):
        call.join()
    else:
        call.connect()
    if reason == "consent":
        call.client.checks_at = None
    if reason == "closed":
        call.client.close(call.now)
    assert call.driver.run(lambda: bool(call.said(Lost)), 100.0)
    assert [Lost(reason)] == call.said(Lost)
    for _ in range(3):
        call.endpoint.receive_stun(call.client.check(), WIFI, call.now)
        call.endpoint.receive_stun(call.client.check(), CELLULAR, call.now)
        call.endpoint.receive_dtls(b"\x16\xfe\xfd" + bytes(10), WIFI, call.now)
        call.endpoint.expire(call.now + 100)
        call.endpoint.close(call.now)
        assert [] == call.endpoint.poll()
    assert (None, (), False) == (call.endpoint.deadline, call.endpoint.local_ufrags, call.endpoint.connected)


# Restarts


def restarting(weather: Weather = CLEAR, seed: int = 0, role: Role = "client") -> Call:
    """A call whose client has offered new credentials and gone over to another network."""
    call = Call(weather, seed, role, connect_s=300.0)
    call.connect()
    call.go_on(7.0)
    call.client.new_credentials()
    call.client.path = 1
    call.client.nominates = False
    call.join()
    return call


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("seed", range(10))
def test_a_restart_leaves_the_path_until_the_new_one_is_nominated(seed: int, role: Role) -> None:
    call = restarting(TERRIBLE, seed, role)
    (profile, selected) = (call.endpoint.profile, call.endpoint.selected)
    assert call.driver.run(lambda: PathValidated(CELLULAR) in call.said())
    call.go_on(3.0)
    assert (WIFI, 2) == (call.endpoint.selected, len(call.endpoint.local_ufrags))
    assert selected == WIFI
    call.client.nominates = True
    assert call.driver.run(lambda: call.endpoint.selected == CELLULAR)
    call.go_on(60.0)
    assert [PathSelected(WIFI), PathSelected(CELLULAR)] == call.said(PathSelected)
    assert [] == call.said(Lost)
    assert (1, 1) == (len(call.said(Connected)), len(call.said(UseKeys)))  # the handshake is not repeated
    assert (profile, 1) == (call.endpoint.profile, len(call.endpoint.local_ufrags))


def test_the_data_plane_is_told_of_the_new_credentials_only_once_they_count() -> None:
    call = restarting()
    call.go_on(3.0)
    assert isinstance(call.said(Agree, Disagree)[-1], Disagree)
    call.client.nominates = True
    assert call.driver.run(lambda: call.endpoint.selected == CELLULAR)
    assert call.client.remote is not None
    agreed = call.said(Agree, Disagree)[-1]
    assert Agree(f"{call.client.remote.ufrag}:{call.client.ufrag}", str(call.client.remote.password)) == agreed


def test_a_restart_on_the_same_path_is_agreed_upon_too() -> None:
    """A client that keeps its socket: nothing is selected anew, but its checks have other credentials."""
    call = Call()
    call.connect()
    call.client.new_credentials()
    call.join()
    call.go_on(3.0)
    assert call.client.remote is not None
    assert [PathSelected(WIFI)] == call.said(PathSelected)
    agreed = call.said(Agree, Disagree)[-1]
    assert Agree(f"{call.client.remote.ufrag}:{call.client.ufrag}", str(call.client.remote.password)) == agreed


def test_a_restart_that_leads_nowhere_ends_with_consent() -> None:
    call = restarting()
    call.far.cut_off.update((0, 1))
    call.go_on(2 * CONSENT_S)
    assert [Lost("consent")] == call.said(Lost)


def test_a_renegotiation_without_new_credentials_leaves_the_transport_alone() -> None:
    call = Call()
    call.connect()
    before = call.said()
    call.client.add("video", "recvonly")
    answer, agreement = call.endpoint.answer(call.client.offer(), {}, SOUND, (), call.now)
    call.go_on(20.0)
    assert not agreement.ice_restart
    assert call.client.remote is not None
    assert call.client.remote.ufrag == sdp.parse(answer).media[0].ufrag
    assert before == call.said()


def test_an_offer_that_is_refused_changes_nothing() -> None:
    call = Call()
    call.connect()
    restart = call.client.offer().replace(call.client.ufrag, "other").replace(call.client.password, "y" * 24)
    for bad in (restart.replace("a=mid:0", "a=mid:9"), restart[:100], restart.replace("BUNDLE", "LS")):
        with pytest.raises(BadOffer):
            call.endpoint.answer(bad, {}, SOUND, (), call.now)
    before = call.said()
    call.go_on(100.0)
    assert before == call.said()
    assert [] == call.client_end.of(Refused)


# Anything at all


@pytest.mark.parametrize("seed", range(20))
def test_noise_from_everywhere(seed: int) -> None:
    """Random and cut datagrams between the real ones, from the client's own address too."""
    generator = random.Random(seed)
    call = Call(TERRIBLE, seed, connect_s=300.0)
    call.join()
    noise: Sequence[bytes] = [generator.randbytes(generator.randrange(1, 200)) for _ in range(200)]
    for i, data in enumerate(noise):
        first = generator.choice((0, 1, 20, 22, 23, generator.randrange(64)))
        call.driver.network.send("server", bytes([i % 2, first]) + data, generator.random() * 3)
    for _, to, data in list(call.driver.network.log):
        if to == "server":
            call.driver.network.send("server", data[: generator.randrange(2, len(data) + 1)], generator.random() * 3)
    assert call.driver.run(lambda: bool(call.said(Connected) and call.client_end.of(Keys)))
    call.go_on(40.0)
    assert [Connected()] == call.said(Connected, Lost)
    assert call.client_end.of(Checked)
