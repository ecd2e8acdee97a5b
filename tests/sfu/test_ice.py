"""ICE-lite: a full agent's checks go in, answers and events come out; the clock is an argument."""

import random
from collections.abc import Sequence

import attrs
import pytest

from sfu.ice import (
    CONSENT_S,
    MAX_PATHS,
    ConsentLost,
    IceLite,
    Path,
    PathRetired,
    PathSelected,
    PathValidated,
    Transmit,
)
from sfu.wire import stun

WIFI: Path = (0, "192.0.2.1", 40000)
CELLULAR: Path = (0, "2001:db8::1", 50000)
OLD, NEW = "the old password is long", "the new password is long"


def check(
    username: str = "ours:theirs", password: str = OLD, *, nominate: bool = False, controlled: bool = False
) -> bytes:
    return stun.binding_request(
        random.Random(1).randbytes(12),
        username,
        password,
        use_candidate=nominate,
        controlling=None if controlled else 1,
        controlled=1 if controlled else None,
    )


def events(outputs: Sequence[object]) -> list[object]:
    return [output for output in outputs if not isinstance(output, Transmit)]


def answer(outputs: Sequence[object], password: str = OLD) -> stun.BindingResponse:
    """The one answer among the outputs, as the asker reads it."""
    [transmit] = [output for output in outputs if isinstance(output, Transmit)]
    return stun.read_binding_response(transmit.data, password)


@pytest.fixture
def ice() -> IceLite:
    machine = IceLite("ours", OLD, 0.0)
    machine.set_remote("theirs")
    return machine


def connected() -> IceLite:
    """Nominated on Wi-Fi at 0."""
    machine = IceLite("ours", OLD, 0.0)
    machine.set_remote("theirs")
    machine.receive(check(nominate=True), WIFI, 0.0)
    return machine


# Checks


def test_a_check_is_answered_on_its_own_path_with_the_address_it_came_from(ice: IceLite) -> None:
    for path in (WIFI, CELLULAR):
        outputs = ice.receive(check(), path, 1.0)
        assert answer(outputs).address == path[1:]
        assert [output.path for output in outputs if isinstance(output, Transmit)] == [path]


def test_a_path_is_validated_once_and_selected_when_nominated(ice: IceLite) -> None:
    assert events(ice.receive(check(), WIFI, 1.0)) == [PathValidated(WIFI)]
    assert events(ice.receive(check(), WIFI, 2.0)) == []
    assert ice.selected is None
    assert events(ice.receive(check(nominate=True), WIFI, 3.0)) == [PathSelected(WIFI)]
    assert events(ice.receive(check(nominate=True), WIFI, 4.0)) == []
    assert ice.selected == WIFI


def test_the_first_check_may_nominate(ice: IceLite) -> None:
    """Chromium nominates at once when the other side is lite."""
    assert events(ice.receive(check(nominate=True), WIFI, 1.0)) == [PathValidated(WIFI), PathSelected(WIFI)]


def test_the_answer_precedes_the_events(ice: IceLite) -> None:
    assert isinstance(ice.receive(check(nominate=True), WIFI, 1.0)[0], Transmit)


def test_the_latest_nomination_wins() -> None:
    ice = connected()
    assert events(ice.receive(check(), CELLULAR, 1.0)) == [PathValidated(CELLULAR)]
    assert ice.selected == WIFI
    assert events(ice.receive(check(nominate=True), CELLULAR, 2.0)) == [PathSelected(CELLULAR)]
    assert events(ice.receive(check(), WIFI, 3.0)) == []
    assert events(ice.receive(check(nominate=True), WIFI, 4.0)) == [PathSelected(WIFI)]


def test_the_same_address_on_two_sockets_is_two_paths(ice: IceLite) -> None:
    assert events(ice.receive(check(), (0, "192.0.2.1", 9), 1.0)) == [PathValidated((0, "192.0.2.1", 9))]
    assert events(ice.receive(check(), (1, "192.0.2.1", 9), 1.0)) == [PathValidated((1, "192.0.2.1", 9))]


def test_a_check_may_precede_the_peers_description() -> None:
    ice = IceLite("ours", OLD, 0.0)
    assert events(ice.receive(check("ours:anything"), WIFI, 1.0)) == [PathValidated(WIFI)]


# Refusals


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(check(password="x" * 22), 401, id="wrong password"),
        pytest.param(check("nobody:theirs"), 401, id="not our ufrag"),
        pytest.param(check("ours:stranger"), 401, id="not the peer's ufrag"),
        pytest.param(check("oursx:theirs"), 401, id="our ufrag and more"),
        pytest.param(check("ours"), 401, id="half a username"),
        pytest.param(check(controlled=True), 487, id="the peer thinks it is controlled"),
        pytest.param(stun._seal(1, bytes(12), b"", None), 400, id="unsigned"),
    ],
)
def test_refused_checks_validate_nothing(ice: IceLite, data: bytes, code: int) -> None:
    outputs = ice.receive(data, WIFI, 1.0)
    assert answer(outputs).code == code
    assert events(outputs) == []
    assert ice.rejected == 1
    assert ice.paths == ()
    assert ice.deadline is None


def test_only_the_authenticated_get_signed_errors(ice: IceLite) -> None:
    """A signature on an answer to a stranger would let him test guesses of the password offline, for nothing."""
    signed = stun.MESSAGE_INTEGRITY.to_bytes(2, "big") + b"\0\x14"
    for data, is_signed in ((check(password="x" * 22), False), (check(controlled=True), True)):
        [transmit] = ice.receive(data, WIFI, 1.0)
        assert isinstance(transmit, Transmit)
        assert (signed in transmit.data) == is_signed


def test_garbage_gets_no_answer_and_is_counted(ice: IceLite) -> None:
    rng = random.Random(1)
    for _ in range(500):
        assert ice.receive(rng.randbytes(rng.randrange(200)), WIFI, 1.0) == []
    assert ice.rejected == 500


def test_a_nomination_without_the_controlling_role_selects_nothing(ice: IceLite) -> None:
    data = stun.binding_request(bytes(12), "ours:theirs", OLD, use_candidate=True)
    assert events(ice.receive(data, WIFI, 1.0)) == [PathValidated(WIFI)]


def test_a_role_conflict_on_the_selected_path_keeps_no_consent() -> None:
    ice = connected()
    ice.receive(check(controlled=True), WIFI, 20.0)
    assert ice.deadline == CONSENT_S


# Limits


def test_paths_are_bounded_and_the_longest_silent_goes() -> None:
    ice = connected()
    others = [(0, "198.51.100.7", port) for port in range(MAX_PATHS + 1)]
    for at, path in enumerate(others[: MAX_PATHS - 1]):
        assert events(ice.receive(check(), path, 1.0 + at)) == [PathValidated(path)]
    ice.receive(check(), others[0], 15.0)  # heard again, so no longer the oldest; nor is the selected one at risk
    for late, retired in ((others[MAX_PATHS - 1], others[1]), (others[MAX_PATHS], others[2])):
        assert events(ice.receive(check(), late, 16.0)) == [PathValidated(late), PathRetired(retired)]
        assert len(ice.paths) == MAX_PATHS
    assert ice.selected == WIFI in ice.paths


def test_a_thousand_source_ports_do_not_move_the_selected_path() -> None:
    """Whoever knows the password may spray; it costs him only his own other paths."""
    ice = connected()
    for port in range(1000):
        assert PathRetired(WIFI) not in ice.receive(check(), (0, "198.51.100.7", port), 1.0)
    assert len(ice.paths) == MAX_PATHS
    assert ice.selected == WIFI


# Consent


def test_no_consent_is_awaited_before_the_first_check(ice: IceLite) -> None:
    assert ice.deadline is None
    assert ice.expire(1000.0) == []


def test_consent_ends_after_silence() -> None:
    ice = connected()
    for at in (5.0, 10.0):
        ice.receive(check(), WIFI, at)
    assert ice.deadline == 10.0 + CONSENT_S
    assert ice.expire(10.0 + CONSENT_S - 0.001) == []
    assert ice.expire(10.0 + CONSENT_S) == [ConsentLost()]
    assert ice.deadline is None
    assert ice.expire(100.0) == []


def test_consent_ends_if_nobody_ever_nominates(ice: IceLite) -> None:
    ice.receive(check(), WIFI, 1.0)
    ice.receive(check(), CELLULAR, 2.0)
    assert ice.deadline == 1.0 + CONSENT_S
    assert ice.expire(1.0 + CONSENT_S) == [PathRetired(WIFI)]
    assert ice.expire(2.0 + CONSENT_S) == [ConsentLost()]


def test_the_consent_time_is_an_argument() -> None:
    ice = IceLite("ours", OLD, 0.0, consent_s=0.5)
    ice.receive(check(nominate=True), WIFI, 1.0)
    assert ice.deadline == 1.5
    assert ice.expire(1.5) == [ConsentLost()]


def test_unauthenticated_checks_keep_no_consent() -> None:
    ice = connected()
    ice.receive(check(password="x" * 22), WIFI, 20.0)
    assert ice.deadline == CONSENT_S


def test_consent_belongs_to_the_selected_path() -> None:
    """Checks from elsewhere do not prove that the old address still wants what we send there."""
    ice = connected()
    ice.receive(check(), CELLULAR, 20.0)
    assert ice.expire(CONSENT_S) == [ConsentLost()]


def test_a_silent_path_that_is_not_selected_is_retired() -> None:
    ice = connected()
    ice.receive(check(), CELLULAR, 1.0)
    ice.receive(check(), WIFI, 20.0)
    assert ice.deadline == 1.0 + CONSENT_S
    assert ice.expire(1.0 + CONSENT_S) == [PathRetired(CELLULAR)]
    assert ice.paths == (WIFI,)
    assert ice.deadline == 20.0 + CONSENT_S


def test_lost_consent_comes_back_only_by_a_restart() -> None:
    ice = connected()
    ice.expire(CONSENT_S)
    assert ice.receive(check(nominate=True), WIFI, CONSENT_S + 1) == []
    ice.restart("fresh", NEW, CONSENT_S + 2)
    ice.set_remote("theirs2")
    outputs = ice.receive(check("fresh:theirs2", NEW, nominate=True), WIFI, CONSENT_S + 3)
    assert events(outputs) == [PathValidated(WIFI), PathSelected(WIFI)]


# Restart


@attrs.frozen
class Restarting:
    """A machine between restart and nomination, and checks of both generations for it."""

    ice: IceLite

    def old(self, path: Path, now: float, *, nominate: bool = False) -> Sequence[object]:
        return self.ice.receive(check(nominate=nominate), path, now)

    def new(self, path: Path, now: float, *, nominate: bool = False) -> Sequence[object]:
        return self.ice.receive(check("fresh:theirs2", NEW, nominate=nominate), path, now)


@pytest.fixture
def restarting() -> Restarting:
    ice = connected()
    ice.restart("fresh", NEW, 10.0)
    ice.set_remote("theirs2")
    return Restarting(ice)


def test_a_restart_leaves_no_gap(restarting: Restarting) -> None:
    """From the new offer to the first nomination with the new credentials, the old path is selected and answered."""
    ice = restarting.ice
    assert (ice.local_ufrags, ice.selected) == (("fresh", "ours"), WIFI)
    outputs = restarting.old(WIFI, 11.0, nominate=True)
    assert answer(outputs).address == WIFI[1:]
    assert events(outputs) == []
    assert events(restarting.new(CELLULAR, 12.0)) == [PathValidated(CELLULAR)]
    assert (ice.local_ufrags, ice.selected) == (("fresh", "ours"), WIFI)
    outputs = restarting.new(CELLULAR, 13.0, nominate=True)
    assert answer(outputs, NEW).address == CELLULAR[1:]
    assert events(outputs) == [PathSelected(CELLULAR)]
    assert ice.local_ufrags == ("fresh",)
    assert WIFI in ice.paths  # what was already on its way is still believed; the path ages out
    assert answer(restarting.old(WIFI, 14.0)).code == 401


def test_a_restart_on_the_same_path_tells_nobody_to_switch(restarting: Restarting) -> None:
    assert events(restarting.new(WIFI, 12.0, nominate=True)) == []
    assert (restarting.ice.local_ufrags, restarting.ice.selected) == (("fresh",), WIFI)


def test_the_old_credentials_may_still_move_the_path_during_a_restart(restarting: Restarting) -> None:
    assert events(restarting.old(CELLULAR, 11.0, nominate=True)) == [PathValidated(CELLULAR), PathSelected(CELLULAR)]
    assert restarting.ice.local_ufrags == ("fresh", "ours")


def test_credentials_of_the_two_generations_do_not_mix(restarting: Restarting) -> None:
    mixed = [("fresh:theirs2", OLD), ("ours:theirs", NEW), ("fresh:theirs", NEW), ("ours:theirs2", OLD)]
    for username, password in mixed:
        outputs = restarting.ice.receive(check(username, password, nominate=True), CELLULAR, 11.0)
        assert [type(output) for output in outputs] == [Transmit]
    assert restarting.ice.rejected == 4


def test_a_second_restart_keeps_what_carries_the_media(restarting: Restarting) -> None:
    ice = restarting.ice
    ice.restart("third", NEW, 11.0)
    assert ice.local_ufrags == ("third", "ours")
    assert events(restarting.old(WIFI, 12.0)) == []
    assert answer(restarting.new(WIFI, 12.0)).code == 401


def test_a_restart_before_anything_was_selected_replaces_the_credentials(ice: IceLite) -> None:
    ice.receive(check(), WIFI, 1.0)
    ice.restart("fresh", NEW, 2.0)
    assert ice.local_ufrags == ("fresh",)


def test_a_path_that_dies_during_a_restart_is_retired_and_the_peer_may_still_come_back(restarting: Restarting) -> None:
    """The usual reason for a restart: the old network is gone, and the new one takes a while."""
    ice = restarting.ice
    assert ice.deadline == CONSENT_S
    assert ice.expire(CONSENT_S) == [PathRetired(WIFI)]
    assert ice.selected is None
    assert ice.deadline == 10.0 + CONSENT_S
    assert events(restarting.new(CELLULAR, 35.0, nominate=True)) == [PathValidated(CELLULAR), PathSelected(CELLULAR)]
    assert ice.deadline == 35.0 + CONSENT_S


def test_a_restart_that_nobody_follows_ends_the_consent(restarting: Restarting) -> None:
    restarting.ice.expire(CONSENT_S)
    assert restarting.ice.expire(10.0 + CONSENT_S) == [ConsentLost()]
    assert restarting.ice.local_ufrags == ("fresh",)
    assert restarting.ice.deadline is None


def test_passwords_are_not_printed(restarting: Restarting) -> None:
    assert OLD not in repr(restarting.ice._former) and NEW not in repr(restarting.ice._credentials)
