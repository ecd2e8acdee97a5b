"""What becomes of connections, sessions and conferences (contract analytics, sections 4.3.3 and 6), whatever the order."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.analytics import course
from api.analytics.course import (
    Connection,
    Course,
    Kind,
    Mark,
    Negotiation,
    Span,
    conference_course,
    session_course,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def marks(*happened: tuple[float, Kind]) -> list[Mark]:
    return [Mark(at(seconds), number, kind) for number, (seconds, kind) in enumerate(happened)]


def after(*happened: tuple[float, Kind], connected: bool = False, left: Sequence[Mark] = ()) -> Course:
    connection = Connection(at(0), 0, connected)
    for mark in marks(*happened):
        connection.add(mark)
    return connection.course(left)


def initial(status: str, end: float | None = None) -> Negotiation:
    return Negotiation(at(0), status, "initial", None if end is None else at(end))


def again(start: float, status: str, end: float | None = None) -> Negotiation:
    return Negotiation(at(start), status, "renegotiation", None if end is None else at(end))


class TestConnection:
    def test_it_begins_with_the_initial_negotiation(self) -> None:
        assert after() == Course("new", (initial("connecting"),), None)

    def test_one_that_was_connected_before_has_none(self) -> None:
        assert after(connected=True) == Course("connected", (), None)

    @pytest.mark.parametrize(
        ("happened", "state", "negotiations", "end"),
        [
            ([(1, Kind.CONNECTING)], "connecting", [initial("connecting")], None),
            ([(1, Kind.STABLE)], "new", [initial("stable", 1)], None),
            ([(1, Kind.STABLE), (2, Kind.CONNECTED)], "connected", [initial("connected", 2)], None),
            ([(1, Kind.NEGOTIATES)], "new", [initial("connecting")], None),
            (
                [(1, Kind.CONNECTED), (5, Kind.NEGOTIATES), (6, Kind.NEGOTIATES), (7, Kind.STABLE)],
                "connected",
                [initial("connected", 1), again(5, "stable", 7)],
                None,
            ),
            ([(1, Kind.FAILED)], "failed", [initial("failed")], None),
            ([(1, Kind.CONNECTED), (2, Kind.DISCONNECTED)], "disconnected", [initial("connected", 1)], None),
            ([(1, Kind.CONNECTED), (9, Kind.CLOSED)], "closed", [initial("connected", 1)], 9),
            ([(1, Kind.CONNECTED), (9, Kind.REMOVED)], "connected", [initial("connected", 1)], 9),
            ([(3, Kind.REMOVED)], "new", [initial("failed", 3)], 3),
            ([(1, Kind.FAILED), (3, Kind.CLOSED)], "closed", [initial("failed", 3)], 3),
            # Nothing happens to what has ended.
            ([(3, Kind.REMOVED), (4, Kind.CONNECTED), (5, Kind.CLOSED)], "new", [initial("failed", 3)], 3),
        ],
    )
    def test_what_happens_to_it(
        self, happened: list[tuple[float, Kind]], state: str, negotiations: list[Negotiation], end: float | None
    ) -> None:
        assert after(*happened) == Course(state, tuple(negotiations), None if end is None else at(end))

    def test_without_a_negotiation_at_hand_one_is_made(self) -> None:
        assert after((2, Kind.CONNECTED), connected=True).negotiations == (again(2, "connected", 2),)
        assert after((2, Kind.STABLE), connected=True).negotiations == ()

    def test_what_is_older_than_it_counts_from_its_start(self) -> None:
        assert after((-1, Kind.CONNECTED)).negotiations == (initial("connected", 0),)

    def test_it_ends_when_everybody_leaves_but_not_when_the_page_is_hidden(self) -> None:
        assert after((1, Kind.CONNECTED), left=marks((5, Kind.HIDDEN))).end is None
        assert after((1, Kind.CONNECTED), left=marks((5, Kind.HIDDEN), (6, Kind.LEFT))).end == at(6)
        assert after(left=marks((-1, Kind.LEFT))).end is None

    def test_an_older_state_that_comes_late_overwrites_nothing(self) -> None:
        late = Connection(at(0))
        late.add(Mark(at(2), 0, Kind.CONNECTED))
        late.add(Mark(at(1), 1, Kind.CONNECTING))
        assert late.course() == after((1, Kind.CONNECTING), (2, Kind.CONNECTED))

    @pytest.mark.parametrize(("later_s", "state"), [(0.0002, "connected"), (0.099, "connected"), (0.1, "connecting")])
    def test_times_are_not_exact_enough_to_tell_connecting_from_connected(self, later_s: float, state: str) -> None:
        assert after((2, Kind.CONNECTED), (2 + later_s, Kind.CONNECTING)).state == state

    def test_negotiations_have_whole_seconds(self) -> None:
        assert [each.seconds for each in (initial("connecting"), initial("stable", 1.999))] == [None, 1]

    def test_of_so_many_marks_the_end_still_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(course, "MARKS", 3)
        many = [(float(second), Kind.NEGOTIATES) for second in range(10)]
        assert after(*many, (11, Kind.CONNECTED), (12, Kind.CLOSED)) == Course(
            "closed", (initial("failed", 12),), at(12)
        )


KINDS = st.sampled_from(list(Kind))


@given(st.lists(st.tuples(st.integers(0, 5), KINDS), max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_arrival_matters_only_where_times_are_equal(
    happened: list[tuple[int, Kind]], random: Random
) -> None:
    """Numbers are given by arrival; here two of one time keep theirs."""
    arrived = marks(*happened)
    shuffled = sorted(arrived, key=lambda mark: random.random())
    one_by_one, burst = Connection(at(0)), Connection(at(0))
    for mark in sorted(arrived):
        one_by_one.add(mark)
    for mark in shuffled:
        burst.add(mark)
    assert burst.course() == one_by_one.course()


class TestSession:
    def test_nothing_has_happened(self) -> None:
        assert session_course([], []) == course.SessionCourse(None, None, ())

    def test_it_is_over_when_somebody_leaves_and_stays_so(self) -> None:
        for kind in (Kind.HIDDEN, Kind.LEFT):
            assert session_course([], marks((9, kind), (4, kind))).end == at(4)

    def test_its_call_goes_on_while_anything_is_open(self) -> None:
        spans = [Span(at(1), at(5)), Span(at(3), None)]
        assert session_course(spans, []) == course.SessionCourse(None, at(1), ())

    def test_it_is_over_with_its_last_connection(self) -> None:
        spans = [Span(at(1), at(5)), Span(at(3), at(7.9))]
        assert session_course(spans, []) == course.SessionCourse(at(7.9), None, ((NOON.date(), 6),))

    def test_each_call_counts_by_the_day_of_its_end(self) -> None:
        spans = [Span(at(0), at(10)), Span(at(12 * 3600 - 5), at(12 * 3600 + 5))]
        tomorrow = (NOON + timedelta(days=1)).date()
        assert session_course(spans, []).calls == ((NOON.date(), 10), (tomorrow, 10))


class TestConference:
    def test_nothing_was_ever_open(self) -> None:
        assert conference_course([], []) == course.ConferenceCourse(False, None, None, None, 0)
        assert conference_course([], marks((3, Kind.LEFT))) == course.ConferenceCourse(False, None, None, at(3), 0)

    def test_it_goes_on_while_a_connection_of_anybody_is_open(self) -> None:
        spans = [Span(at(1), at(5)), Span(at(2), None)]
        assert conference_course(spans, marks((5, Kind.LEFT))) == course.ConferenceCourse(True, at(1), at(1), None, 0)

    def test_the_last_close_ends_it(self) -> None:
        spans = [Span(at(1), at(5)), Span(at(2), at(8.5))]
        assert conference_course(spans, []) == course.ConferenceCourse(False, at(1), None, at(8.5), 7)

    def test_a_later_connection_starts_it_again(self) -> None:
        spans = [Span(at(1), at(5)), Span(at(20), None)]
        assert conference_course(spans, []) == course.ConferenceCourse(True, at(1), at(20), at(5), 4)
        assert conference_course([spans[0], Span(at(20), at(30))], []).seconds == 14

    def test_who_hides_the_page_ends_nothing(self) -> None:
        assert conference_course([], marks((3, Kind.HIDDEN))).end is None


TIMES = st.integers(0, 20)
SPANS = st.lists(st.tuples(TIMES, st.none() | TIMES), max_size=8)


@given(SPANS)
def test_a_conference_is_open_where_any_connection_is(given: list[tuple[int, int | None]]) -> None:
    spans = [Span(at(start), None if length is None else at(start + length)) for start, length in given]
    found = conference_course(spans, [])
    open_seconds = {
        second
        for start, length in given
        if length is not None
        for second in range(start, start + length)
    }  # fmt: skip
    lasting = [start for start, length in given if length is None]
    assert found.ongoing == bool(lasting)
    if not lasting:
        assert found.seconds == len(open_seconds)
    assert found.start == (at(min(start for start, _ in given)) if given else None)
