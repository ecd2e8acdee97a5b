"""The life of an invitation: who ends it, what becomes of its legs, and that it ends only once."""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalling.room.invitations import Effect, GiveUp, Invitations, StopLeg

TIMEOUT_S = 120.0

Step = tuple[Callable[[Invitations], list[Effect]], Sequence[Effect]]


def answer(leg: str) -> Callable[[Invitations], list[Effect]]:
    return lambda invitations: invitations.answer(leg)


def refuse(leg: str) -> Callable[[Invitations], list[Effect]]:
    return lambda invitations: invitations.refuse(leg)


def fail(leg: str) -> Callable[[Invitations], list[Effect]]:
    return lambda invitations: invitations.fail(leg)


def expire(now: float) -> Callable[[Invitations], list[Effect]]:
    return lambda invitations: invitations.expire(now)


cancel = Invitations.cancel

# Bob is invited on three ways at 0 s, Carl on one at 10 s; then this, and what comes of it.
STORIES: dict[str, Sequence[Step]] = {
    "the first answer wins": [
        (answer("bob 2"), [StopLeg("bob 1", "answered"), StopLeg("bob 3", "answered")]),
        (answer("bob 1"), []),
        (refuse("bob 3"), []),
        (expire(120), []),
    ],
    "the only one answers": [(answer("carl 1"), []), (answer("carl 1"), []), (expire(999), [
        StopLeg("bob 1", "rejected"), StopLeg("bob 2", "rejected"), StopLeg("bob 3", "rejected"), GiveUp("anna", "to bob"),
    ])],
    "a refusal is for all": [
        (refuse("bob 1"), [StopLeg("bob 2", "rejected"), StopLeg("bob 3", "rejected"), GiveUp("anna", "to bob")]),
        (refuse("bob 2"), []),
        (answer("bob 3"), []),
    ],
    "a failure is only one's own, until there is nobody left": [
        (fail("bob 1"), []),
        (fail("bob 1"), []),
        (fail("bob 3"), []),
        (fail("bob 2"), [GiveUp("anna", "to bob")]),
        (fail("bob 2"), []),
    ],
    "an answer after a failure": [(fail("bob 1"), []), (answer("bob 2"), [StopLeg("bob 3", "answered")])],
    "a refusal after a failure": [
        (fail("bob 1"), []), (refuse("bob 2"), [StopLeg("bob 3", "rejected"), GiveUp("anna", "to bob")]),
    ],
    "each rings for its own time": [
        (fail("bob 2"), []),
        (expire(119.9), []),
        (expire(120), [StopLeg("bob 1", "rejected"), StopLeg("bob 3", "rejected"), GiveUp("anna", "to bob")]),
        (expire(129.9), []),
        (expire(130), [StopLeg("carl 1", "rejected"), GiveUp("anna", "to carl")]),
        (expire(999), []),
    ],
    "the room is gone": [
        (fail("bob 2"), []),
        (cancel, [StopLeg("bob 1", "cancelled"), StopLeg("bob 3", "cancelled"), StopLeg("carl 1", "cancelled")]),
        (answer("bob 1"), []),
        (expire(999), []),
        (cancel, []),
    ],
    "what nobody has heard of": [(answer("x"), []), (refuse("x"), []), (fail("x"), [])],
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_steps(story: Sequence[Step]) -> None:
    invitations = Invitations(TIMEOUT_S)
    invitations.start("to bob", "anna", ["bob 1", "bob 2", "bob 3"], 0)
    invitations.start("to carl", "anna", ["carl 1"], 10)
    for number, (happens, expected) in enumerate(story):
        assert list(expected) == happens(invitations), number


def test_what_rings() -> None:
    invitations = Invitations(TIMEOUT_S)
    assert (0, None, False) == (len(invitations), invitations.deadline, invitations.rings("1"))
    invitations.start("first", "anna", ["1", "2"], 0)
    invitations.start("second", "anna", ["3"], 10)
    assert (2, 120, True) == (len(invitations), invitations.deadline, invitations.rings("1"))
    invitations.fail("1")
    assert (2, 120, False) == (len(invitations), invitations.deadline, invitations.rings("1"))
    invitations.answer("2")
    assert (1, 130, False) == (len(invitations), invitations.deadline, invitations.rings("2"))
    invitations.cancel()
    assert (0, None, False) == (len(invitations), invitations.deadline, invitations.rings("3"))


def test_an_invitation_reaches_somebody_by_ways_of_its_own() -> None:
    """Whoever asks for anything else is mistaken about what it holds."""
    invitations = Invitations(TIMEOUT_S)
    invitations.start("first", "anna", ["1"], 0)
    for bridge_id, legs in (("second", []), ("second", ["1"]), ("first", ["2"])):
        with pytest.raises(AssertionError):
            invitations.start(bridge_id, "anna", legs, 0)
    assert len(invitations) == 1


class Ledger:
    """What has become of every invitation and leg, written down by somebody who only follows what is said and done."""

    def __init__(self) -> None:
        self.machine = Invitations(TIMEOUT_S)
        self.legs_of: dict[str, list[str]] = {}
        self.bridge_of: dict[str, str] = {}
        self.outcomes = Counter[tuple[str, str]]()
        self.ended = Counter[str]()

    def start(self, legs: int, now: float) -> None:
        bridge = str(len(self.legs_of))
        self.legs_of[bridge] = [f"{bridge}/{leg}" for leg in range(legs)]
        self.bridge_of |= dict.fromkeys(self.legs_of[bridge], bridge)
        self.machine.start(bridge, f"sender of {bridge}", self.legs_of[bridge], now)

    def say(self, what: str, leg: str) -> None:
        """A leg ends by itself."""
        rang = self.machine.rings(leg)
        effects = {"answer": self.machine.answer, "refuse": self.machine.refuse, "fail": self.machine.fail}[what](leg)
        assert not self.machine.rings(leg)
        if not rang:
            assert effects == []
            return
        self.ended[leg] += 1
        if what == "answer":
            self.outcomes[self.bridge_of[leg], "answered"] += 1
        self.follow(effects)

    def follow(self, effects: Sequence[Effect]) -> None:
        cancelled = set()
        for effect in effects:
            match effect:
                case StopLeg(leg, why):
                    assert not self.machine.rings(leg)
                    self.ended[leg] += 1
                    if why == "cancelled":
                        cancelled.add(self.bridge_of[leg])
                case GiveUp(sender, bridge):
                    assert sender == f"sender of {bridge}"
                    self.outcomes[bridge, "given up"] += 1
        self.outcomes.update((bridge, "cancelled") for bridge in cancelled)

    def check(self) -> None:
        """Whatever is over has ended once, with all of its legs; of what is not, nothing has ended but legs that failed."""
        over = [bridge for bridge, _ in self.outcomes.elements()]
        assert len(over) == len(set(over))
        assert len(self.machine) == len(self.legs_of) - len(over)
        for bridge, legs in self.legs_of.items():
            assert all(self.ended[leg] == (not self.machine.rings(leg)) for leg in legs)
            assert any(map(self.machine.rings, legs)) == (bridge not in over)


LEGS = st.tuples(st.integers(0, 5), st.integers(0, 3)).map(lambda numbers: f"{numbers[0]}/{numbers[1]}")
ACTIONS = st.one_of(
    st.tuples(st.just("start"), st.integers(1, 3)),
    st.tuples(st.sampled_from(["answer", "refuse", "fail", "fail"]), LEGS),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 1.0, 60.0, 119.5, 200.0])),
    st.tuples(st.just("cancel"), st.none()),
)


@settings(max_examples=300)
@given(st.lists(ACTIONS, max_size=60))
def test_each_ends_once_and_so_does_each_of_its_legs(story: list[tuple[str, object]]) -> None:
    ledger, now = Ledger(), 0.0
    for action in story:
        match action:
            case ("start", int(legs)):
                ledger.start(legs, now)
            case ("wait", float(pause)):
                while (deadline := ledger.machine.deadline) is not None and deadline <= now + pause:
                    assert ledger.machine.expire(math.nextafter(deadline, 0)) == []
                    effects = ledger.machine.expire(deadline)
                    assert effects
                    ledger.follow(effects)
                now += pause
            case ("cancel", _):
                ledger.follow(ledger.machine.cancel())
                assert len(ledger.machine) == 0
            case (what, str(leg)):
                ledger.say(what, leg)
        ledger.check()
    while (deadline := ledger.machine.deadline) is not None:
        assert now < deadline <= now + TIMEOUT_S
        ledger.follow(ledger.machine.expire(deadline))
        now = deadline
    ledger.check()
    assert len(ledger.machine) == 0
