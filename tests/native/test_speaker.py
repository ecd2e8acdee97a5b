"""Who is heard and who is named: sound like a conversation in, as few and as right switches as possible out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native import testing as native
from tests.oracle import speaker as oracle

NOBODY, DOMINANT_CHANGED, RUNNER_UP_CHANGED = native.NOBODY, native.DOMINANT_CHANGED, native.RUNNER_UP_CHANGED

MS = 1_000_000
START = 10**12

TALK, MURMUR, SILENCE = 30, 48, 127  # -dBov
A, B, C, D = 1, 2, 3, 4


class Room:
    """Members who each send a packet every 20 ms while they send at all."""

    def __init__(self) -> None:
        self.speakers = native.Speakers()
        self.levels: dict[int, native.Level] = {}
        self.now = START
        self.changes = 0

    def send(self, id: int, level: int | None) -> None:
        """`level` None: without the extension."""
        own = self.levels.setdefault(id, native.Level())
        if level is None:
            own.unmeasured(self.now)
        else:
            own.packet(level, False, self.now)
        self.changes += self.speakers.consider(id, own, self.now) & DOMINANT_CHANGED

    def play(self, ms: int, **members: int | None) -> None:
        for _ in range(ms // 20):
            for name, level in members.items():
                self.send(globals()[name], level)
            self.now += 20 * MS

    @property
    def heard(self) -> tuple[int, int]:
        return self.speakers.dominant, self.speakers.runner_up

    @property
    def speaking(self) -> int:
        return self.speakers.speaking(self.now)


def test_an_empty_room():
    room = Room()
    assert room.heard == (NOBODY, NOBODY)
    assert room.speaking == NOBODY
    assert room.speakers.heard_by(A) == NOBODY
    assert room.speakers.remove(A) == 0


def test_one_alone_is_dominant_and_hears_nobody():
    room = Room()
    room.play(100, A=SILENCE)
    assert room.heard == (A, NOBODY)
    assert room.speakers.heard_by(A) == NOBODY
    assert room.speakers.heard_by(B) == A


@pytest.mark.parametrize("a", [TALK, MURMUR, SILENCE, None])
@pytest.mark.parametrize("b", [TALK, MURMUR, SILENCE, None])
def test_of_two_each_always_hears_the_other(a: int | None, b: int | None):
    room = Room()
    for first, second in [(a, b), (b, a)] * 4:
        for _ in range(30):
            room.play(20, A=first, B=second)
            assert (room.speakers.heard_by(A), room.speakers.heard_by(B)) == (B, A)


def test_nobody_switches_to_a_third_who_is_silent():
    room = Room()
    room.play(1000, A=TALK, B=SILENCE)
    room.play(10_000, A=SILENCE, B=SILENCE, C=SILENCE)
    assert room.heard == (A, B)
    room.play(10_000, A=SILENCE, B=SILENCE, C=70)  # a fan
    assert room.heard == (A, B)


def test_silence_keeps_the_last():
    room = Room()
    room.play(1000, A=SILENCE, B=SILENCE, C=SILENCE)
    room.play(1000, A=SILENCE, B=SILENCE, C=TALK)
    assert room.heard[0] == C
    room.play(60_000, A=SILENCE, B=SILENCE, C=SILENCE)
    assert room.heard[0] == C


def test_an_answer_after_silence_is_heard_at_once():
    room = Room()
    room.play(2000, A=TALK, B=SILENCE, C=SILENCE)
    room.play(1500, A=SILENCE, B=SILENCE, C=SILENCE)
    room.play(120, A=SILENCE, B=SILENCE, C=TALK)
    assert room.heard == (C, A)


def test_who_speaks_up_over_another_is_heard_after_300_ms_of_being_louder():
    room = Room()
    room.play(2000, A=MURMUR, B=SILENCE, C=SILENCE)
    room.play(300, A=MURMUR, B=SILENCE, C=20)
    assert room.heard[0] == A
    room.play(200, A=MURMUR, B=SILENCE, C=20)
    assert room.heard == (C, A)


def test_as_loud_is_not_louder():
    room = Room()
    room.play(2000, A=TALK, B=SILENCE, C=SILENCE)
    room.play(10_000, A=TALK, B=TALK - 3, C=SILENCE)
    assert room.heard[0] == A


def test_a_cough_takes_no_place():
    room = Room()
    room.play(2000, A=MURMUR, B=SILENCE)
    for _ in range(10):
        room.play(100, A=MURMUR, B=10)
        room.play(900, A=MURMUR, B=SILENCE)
    assert room.heard == (A, B)
    assert room.changes == 1


def test_pauses_between_words_are_not_silence():
    room = Room()
    room.play(1000, A=TALK, B=SILENCE, C=SILENCE)
    for _ in range(20):
        room.play(200, A=SILENCE, B=SILENCE, C=55)
        room.play(300, A=TALK, B=SILENCE, C=55)
    assert room.heard[0] == A
    assert room.changes == 1


def test_the_dominant_hears_the_louder_of_the_others():
    room = Room()
    room.play(1000, A=20, B=SILENCE, C=SILENCE)
    assert room.heard == (A, B)
    room.play(500, A=20, B=SILENCE, C=MURMUR)
    assert room.heard == (A, C)
    room.play(500, A=20, B=SILENCE, C=SILENCE)
    assert room.heard == (A, C)


def test_two_who_speak_up_together_do_not_keep_each_other_out():
    room = Room()
    room.play(2000, A=MURMUR, B=SILENCE, C=SILENCE)
    for n in range(40):
        loud = 20 if n % 2 else 26
        room.play(20, A=MURMUR, B=loud, C=46 - loud)
    assert set(room.heard) == {B, C}


def test_whoever_stops_sending_loses_the_place_to_who_speaks():
    room = Room()
    room.play(2000, A=TALK, B=SILENCE, C=SILENCE)
    room.play(2000, B=SILENCE, C=MURMUR)
    assert room.heard[0] == C


# ---- members without the extension ---------------------------------------------------------------------


def test_without_levels_a_sender_counts_as_speaking():
    room = Room()
    room.play(2000, A=SILENCE, B=SILENCE, C=None)
    assert room.heard[0] == C
    assert room.speaking == C


def test_but_gives_way_to_anyone_who_really_talks():
    room = Room()
    room.play(2000, A=None, B=SILENCE)
    room.play(1000, A=None, B=40)
    assert room.heard == (B, A)
    room.play(3000, A=None, B=SILENCE)
    assert room.heard == (A, B)


def test_two_of_them_do_not_fight():
    room = Room()
    room.play(10_000, A=None, B=None, C=None)
    assert room.heard == (A, B)
    assert room.changes == 1


def test_and_is_silent_once_it_stops():
    room = Room()
    room.play(2000, A=None, B=SILENCE)
    room.play(3000, B=SILENCE)
    assert room.speaking == NOBODY
    room.play(500, B=TALK)
    assert room.heard[0] == B


# ---- the voice bit -------------------------------------------------------------------------------------


def level_after(*packets: tuple[int, bool]) -> float:
    level = native.Level()
    for n, (dbov, voice) in enumerate(packets):
        level.packet(dbov, voice, START + n * 20 * MS)
    return level.loudness


def test_a_sender_that_never_marks_voice_is_not_punished():
    assert level_after(*[(TALK, False)] * 50) == pytest.approx(127 - TALK, abs=1)


def test_noise_of_a_sender_that_marks_voice_counts_less():
    assert level_after((TALK, True), *[(TALK, False)] * 50) == pytest.approx(127 - TALK - 20, abs=1)
    assert level_after((TALK, True), *[(120, False)] * 200) == pytest.approx(0, abs=1)


@pytest.mark.parametrize("dbov", [0, 1, 126, 127])
def test_loudness_stays_within_its_scale(dbov: int):
    assert level_after(*[(dbov, True)] * 200) == pytest.approx(127 - dbov, abs=0.1)


def test_up_fast_and_down_slowly():
    level = native.Level()
    for n in range(3):
        level.packet(TALK, True, START + n * 20 * MS)
    assert level.loudness > 60
    for n in range(3, 8):
        level.packet(SILENCE, True, START + n * 20 * MS)
    assert level.loudness > 45


def test_without_packets_it_fades():
    level = native.Level()
    end = talk(level, START, 2000)
    before = level.loudness
    assert level.at(end + 100 * MS) == before
    assert level.at(end + 600 * MS) == pytest.approx(before * 2.718281828**-1, rel=1e-6)
    assert level.loudness == before


# ---- what is told of it --------------------------------------------------------------------------------


def talk(level: native.Level, now: int, ms: int, dbov: int = TALK) -> int:
    """When the last packet came."""
    for n in range(ms // 20):
        level.packet(dbov, True, now + n * 20 * MS)
    return now + (ms // 20 - 1) * 20 * MS


def test_silence_is_no_news():
    level = native.Level()
    assert level.tell(START) is None
    now = talk(level, START, 1000, SILENCE)
    assert level.tell(now) is None


def test_what_is_told_is_127_less_the_level():
    level = native.Level()
    assert level.tell(talk(level, START, 1000)) == 127 - TALK
    loud = native.Level()
    assert loud.tell(talk(loud, START, 1000, 0)) == 127


@pytest.mark.parametrize("steps", range(-5, 6))
def test_only_three_decibels_are_news(steps: int):
    level = native.Level()
    now = talk(level, START, 1000)
    level.tell(now)
    now = talk(level, now + 20 * MS, 4000, TALK - steps)
    assert level.tell(now) == (127 - TALK + steps if abs(steps) >= 3 else None)
    assert level.tell(now) is None


def test_a_slow_change_is_told_in_steps():
    level = native.Level()
    now = START
    told = []
    for dbov in range(60, 29, -1):
        now = talk(level, now + 20 * MS, 4000, dbov)
        if (value := level.tell(now)) is not None:
            told.append(value)
    assert told == list(range(67, 98, 3))


def test_whoever_stops_sending_is_told_down_to_nothing():
    level = native.Level()
    end = talk(level, START, 1000, 0)
    assert level.tell(end) == 127
    told = [level.tell(end + n * 200 * MS) for n in range(1, 30)]
    values = [value for value in told if value is not None]
    assert values == sorted(values, reverse=True)
    assert values[-1] == 0
    assert all(value > 0 for value in values[:-1])
    # Well before a worker that has no media falls asleep, 4 s after the last packet.
    assert told.index(0) * 0.2 < 3.0


def test_the_last_step_to_silence_is_told_however_small():
    level = native.Level()
    now = talk(level, START, 4000, 124)
    assert level.tell(now) == 3
    now = talk(level, now + 20 * MS, 4000, 126)
    assert level.tell(now) is None
    now = talk(level, now + 20 * MS, 4000, 127)
    assert level.tell(now) == 0


def test_who_is_silenced_is_silent_at_once_and_that_is_told():
    level = native.Level()
    now = talk(level, START, 1000)
    assert level.tell(now) == 127 - TALK
    level.silence()
    assert level.at(now) == 0
    assert level.tell(now) == 0
    assert level.tell(now) is None


def test_who_is_as_loud_as_before_it_was_silenced_is_told_again():
    level = native.Level()
    now = talk(level, START, 1000)
    level.tell(now)
    level.silence()
    now = talk(level, now + 20 * MS, 1000)
    assert level.tell(now) == 127 - TALK


# ---- leaving, and being named --------------------------------------------------------------------------


def test_when_the_dominant_leaves_the_runner_up_follows():
    room = Room()
    room.play(1000, A=TALK, B=SILENCE, C=SILENCE)
    assert room.speakers.remove(A) == DOMINANT_CHANGED | RUNNER_UP_CHANGED
    assert room.heard == (B, NOBODY)
    room.play(20, B=SILENCE, C=SILENCE)
    assert room.heard == (B, C)
    assert room.speakers.remove(C) == RUNNER_UP_CHANGED
    assert room.speakers.remove(C) == 0
    assert room.speakers.remove(B) == DOMINANT_CHANGED
    assert room.heard == (NOBODY, NOBODY)


def test_a_leaver_speaks_no_more():
    room = Room()
    room.play(1000, A=TALK, B=SILENCE)
    assert room.speaking == A
    room.speakers.remove(A)
    assert room.speaking == NOBODY


def test_speech_just_above_the_threshold_is_somebodys():
    """Noise just below it, which holds the place, is not what a speaker must be louder than."""
    room = Room()
    room.play(3000, A=53)
    assert room.speaking == NOBODY
    room.play(3000, A=53, B=51)
    assert room.speaking == B


def test_who_pauses_while_its_packets_are_rare_is_named_two_seconds_longer():
    """Opus with DTX sends a packet each 400 ms in silence."""
    room = Room()
    room.play(1000, A=TALK, B=SILENCE)
    last = room.now
    while room.speaking == A:
        room.send(A, SILENCE)
        room.now += 400 * MS
    assert room.now - last == 2000 * MS


def test_a_challenger_who_never_gets_the_place_is_not_named():
    room = Room()
    room.play(2000, A=TALK, B=SILENCE)
    room.play(3000, A=TALK, B=TALK)
    assert room.speaking == A
    room.speakers.remove(A)
    assert room.speaking == B


def test_named_while_speaking_and_two_seconds_longer():
    room = Room()
    room.play(1000, A=SILENCE, B=SILENCE)
    assert room.speaking == NOBODY
    room.play(1000, A=TALK, B=SILENCE)
    assert room.speaking == A
    room.play(1500, A=SILENCE, B=SILENCE)
    assert room.speaking == A
    room.play(1000, A=SILENCE, B=SILENCE)
    assert room.speaking == NOBODY
    assert room.heard == (A, B)


# ---- against the oracle --------------------------------------------------------------------------------


def compare(steps: Iterator[tuple[int, int | None, bool, int]], seen: Callable[[int], None]) -> None:
    """Steps: who, its level (None: unmeasured; -1: it leaves; -2: it is cut), voice, ms until then."""
    speakers, twin = native.Speakers(), oracle.Speakers()
    levels: dict[int, tuple[native.Level, oracle.Level]] = {}
    now = START
    for id, level, voice, pause in steps:
        now += pause * MS
        mine, theirs = levels.setdefault(id, (native.Level(), oracle.Level()))
        if level == -1:
            speakers.remove(id)
            twin.remove(id)
        elif level == -2:
            for each in (mine, theirs):
                each.silence()
            speakers.remove(id)
            twin.remove(id)
        elif level is None:
            mine.unmeasured(now)
            theirs.unmeasured(now)
        else:
            mine.packet(level, voice, now)
            theirs.packet(level, voice, now)
        if level is None or level >= 0:
            before = speakers.dominant, speakers.runner_up
            changes = speakers.consider(id, mine, now)
            twin.consider(id, theirs, now)
            assert mine.loudness == pytest.approx(theirs.loudness, abs=1e-6)
            assert bool(changes & DOMINANT_CHANGED) == (speakers.dominant != before[0])
            assert bool(changes & RUNNER_UP_CHANGED) == (speakers.runner_up != before[1])
        assert speakers.dominant == (NOBODY if twin.dominant is None else twin.dominant)
        assert speakers.runner_up == (NOBODY if twin.runner_up is None else twin.runner_up)
        for ours, others in levels.values():
            assert ours.tell(now) == others.tell(now)
        seen(speakers.dominant)


levels = st.none() | st.sampled_from([-2, -1, 10, 20, 30, 40, 45, 50, 55, 127])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), levels, st.booleans(), st.sampled_from([0, 5, 20, 60, 150, 700])), max_size=150
    )
)
def test_random_steps(steps: list[tuple[int, int | None, bool, int]]):
    compare(iter(steps), lambda _: None)


def test_two_minutes_of_a_lively_room():
    """Eight members talk, pause, mute and leave at random; every decision as the twin's."""
    rng = random.Random(1)
    moods = dict.fromkeys(range(1, 9), 127)

    def conversation() -> Iterator[tuple[int, int | None, bool, int]]:
        for _ in range(6000):
            for id in moods:
                if rng.random() < 0.02:
                    moods[id] = rng.choice([-2, 25, 35, 45, 127, 127, 127])
                if moods[id] == -2:
                    continue
                if rng.random() < 0.0005:
                    yield id, -1, False, 0
                noise = rng.randrange(-6, 6)
                yield id, min(127, moods[id] + noise), moods[id] < 127, 1
            yield 1, 127, False, 12

    dominants: list[int] = []

    def seen(dominant: int) -> None:
        if not dominants or dominants[-1] != dominant:
            dominants.append(dominant)

    compare(conversation(), seen)
    assert len(set(dominants)) >= 8
    assert len(dominants) < 300  # one change in 400 ms would be a flicker
