"""How loud members are said to be: what is news, how often it is told, and that the last word is never lost."""

import math
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalling.limits import LEVEL_INTERVAL_S, LEVEL_STEP, ROOM_LEVELS_PER_S
from signalling.room.events import LevelChanged
from signalling.room.levels import Levels

STORIES: dict[str, Sequence[tuple[float, Mapping[str, int], Mapping[str, int]]]] = {
    "nobody is loud": [(1, {"a": 0}, {}), (2, {}, {})],
    "a change is told at once, a value once": [(1, {"a": 90}, {"a": 90}), (9, {"a": 90}, {})],
    "a small change is none, until it has grown": [
        (1, {"a": 50}, {"a": 50}),
        (2, {"a": 50 + LEVEL_STEP - 1}, {}),
        (3, {"a": 50 - LEVEL_STEP + 1}, {}),
        (4, {"a": 50 + LEVEL_STEP}, {"a": 50 + LEVEL_STEP}),
        (5, {"a": 50}, {"a": 50}),
    ],
    "a first sound is a change like any other": [(1, {"a": LEVEL_STEP - 1}, {}), (1, {"a": LEVEL_STEP}, {"a": LEVEL_STEP})],
    "silence is always told": [
        (1, {"a": LEVEL_STEP}, {"a": LEVEL_STEP}),
        (2, {"a": 1}, {}),
        (3, {"a": LEVEL_STEP + 2}, {}),
        (4, {"a": 1}, {}),
        (5, {"a": 0}, {"a": 0}),
        (6, {"a": 0}, {}),
        (7, {"a": 1 + LEVEL_STEP}, {"a": 1 + LEVEL_STEP}),
        (8, {"a": 1}, {"a": 1}),
        (9, {"a": 0}, {"a": 0}),
    ],
    "so often and no oftener, with the value it has by then": [
        (1, {"a": 90}, {"a": 90}),
        (1.1, {"a": 20}, {}),
        (1.15, {"a": 70}, {}),
        (1 + LEVEL_INTERVAL_S, {}, {"a": 70}),
        (1.3, {"a": 0}, {}),
        (1 + 2 * LEVEL_INTERVAL_S, {}, {"a": 0}),
    ],
    "what was taken back before it was told is not told": [
        (1, {"a": 90}, {"a": 90}), (1.1, {"a": 20}, {}), (1.15, {"a": 91}, {}), (9, {}, {}),
    ],
    "one waits and another does not": [
        (1, {"a": 90}, {"a": 90}), (1.1, {"a": 20, "b": 60}, {"b": 60}), (9, {}, {"a": 20}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_what_is_told(story: Sequence[tuple[float, Mapping[str, int], Mapping[str, int]]]) -> None:
    levels = Levels()
    for now, heard, told in story:
        for member, level in heard.items():
            levels.hear(member, level)
        assert [LevelChanged(member, level) for member, level in told.items()] == levels.expire(2, now), now


def test_whoever_is_forgotten_begins_anew() -> None:
    levels = Levels()
    levels.hear("a", 90)
    assert levels.expire(2, 1) != []
    levels.hear("a", 50)
    levels.forget("a")
    assert (None, []) == (levels.due, levels.expire(2, 9))
    levels.hear("a", 90)
    assert [LevelChanged("a", 90)] == levels.expire(2, 9)
    levels.forget("nobody's name")


def test_a_room_in_which_all_may_speak_as_often_as_they_may() -> None:
    """The largest one; in a larger one they have to share."""
    size = int(ROOM_LEVELS_PER_S * LEVEL_INTERVAL_S)
    members = range(math.isqrt(size))
    levels = Levels()
    for step in range(50):
        for member in members:
            levels.hear(str(member), 10 + 50 * (step % 2))
        assert len(members) == len(levels.expire(len(members), step * (LEVEL_INTERVAL_S + 1e-6)))


def test_a_big_room_shares_what_there_is() -> None:
    """Three hundred who all make noise for ten seconds: all that may be said is said, and everybody has an equal part."""
    levels, told = Levels(), dict.fromkeys(map(str, range(300)), 0)
    for step in range(100):
        for number, member in enumerate(told):
            levels.hear(member, 10 + (7 * step + number) % 100)
        for event in tell(levels, 300, until=(step + 1) / 10):
            told[event[1].member] += 1
    said = sum(told.values())
    assert said * 300 == pytest.approx(ROOM_LEVELS_PER_S * (10 + LEVEL_INTERVAL_S), rel=0.03)
    assert max(told.values()) - min(told.values()) <= 1


def test_a_big_room_falls_silent() -> None:
    """Who makes more noise than can be told does not keep the others from being told silent."""
    levels, last = Levels(), dict[str, int]()
    for member in range(300):
        levels.hear(str(member), 90)
    last |= {event.member: event.level for _, event in tell(levels, 300, until=100)}
    assert len(last) == 300
    for member in range(300):
        levels.hear(str(member), 0)
    for step in range(1, 1000):
        levels.hear("0", 20 + 20 * (step % 3))
        last |= {event.member: event.level for _, event in tell(levels, 300, until=100 + step / 10)}
    assert {member for member, level in last.items() if level} == {"0"}


def tell(levels: Levels, listeners: int, until: float) -> list[tuple[float, LevelChanged]]:
    """All that is told until then, and when, if each deadline is kept."""
    told = []
    while (due := levels.due) is not None and due <= until:
        now = max(due, 0.0)
        events = levels.expire(listeners, now)
        assert events, "woken for nothing"
        told += [(now, event) for event in events if isinstance(event, LevelChanged)]
    return told


# Rooms that never feel the limit of the room, that do, and in which one level a second is too much.
LISTENERS = st.sampled_from([1, 5, 21, 300, 3000])
HEARD = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2 * LEVEL_STEP) | st.integers(0, 127))


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.01, 0.1, 0.5, 5.0]), LISTENERS, HEARD), max_size=40))
def test_rates_are_kept_and_the_last_word_is_said(story: list[tuple[float, int, dict[str, int]]]) -> None:
    levels, now, listeners = Levels(), 0.0, 1
    heard: dict[str, int] = {}
    told: list[tuple[float, int, LevelChanged]] = []
    for pause, size, news in story:
        now += pause
        told += [(at, listeners, event) for at, event in tell(levels, listeners, now)]
        listeners = size
        for member, level in news.items():
            levels.hear(member, level)
        heard |= news
        told += [(now, listeners, event) for event in levels.expire(listeners, now) if isinstance(event, LevelChanged)]
        assert levels.due is None or levels.due > now
    told += [(at, listeners, event) for at, event in tell(levels, listeners, math.inf)]

    said: dict[str, tuple[float, int]] = {}
    for at, _, event in told:
        before, level = said.get(event.member, (-math.inf, 0))
        assert at >= before + LEVEL_INTERVAL_S
        assert abs(event.level - level) >= LEVEL_STEP or event.level == 0 < level
        said[event.member] = (at, event.level)
    for member, last in heard.items():
        level = said.get(member, (0, 0))[1]
        assert abs(last - level) < LEVEL_STEP and (last > 0 or level == 0)

    # In any stretch of time, the room is ahead of its rate by one interval and one level at most.
    for first, (since, _, _) in enumerate(told):
        messages = 0
        for at, size, _ in told[first:]:
            messages += size
            assert messages - size <= ROOM_LEVELS_PER_S * (at - since + LEVEL_INTERVAL_S) + 1e-6
