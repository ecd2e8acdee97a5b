"""What becomes of connections, sessions and conferences as events come in (contract analytics, sections 4.3.3 and 6).

Browsers send a burst of events in parallel, which arrive in any order. So nothing here is changed step by step: an event
leaves a mark, and what a record shows is worked out of all its marks in the order of their own times. Invariant: whatever
the order in which marks are added, the outcome is that of handling them one by one in the order of their times, and of
their arrival where those are equal.

    Mark > Connection.course        state, negotiations, end
    Connection, Mark > Session      end, seconds of calls
    Connection, Mark > Conference   ongoing, start, end, seconds of calls

Pure: no clock, no store. What is refused, issues, and how all this is stored are others' part.
"""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

import attrs

MARKS: Final = 1000
"""Of a connection; what happens to it after so many counts no more, but for its end."""


UNCERTAIN: Final = timedelta(milliseconds=100)
"""Times of events are as exact as the ways that reports take. Browsers connect within less than that, and none begins anew so soon:
a `connecting` that seems to be this little younger than `connected` was the older one."""


class Kind(StrEnum):
    """What a mark says of a connection, or the last three also of a session or a conference."""

    NEGOTIATES = "negotiates"
    STABLE = "stable"
    NEW = "new"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    FAILED = "failed"
    CLOSED = "closed"
    """The connection's state, and its end."""
    REMOVED = "removed"
    HIDDEN = "hidden"
    """`beforeunload`: the session is over; its connections may yet go on."""
    LEFT = "left"
    """The session is over, and so are its connections; or, of a conference, everybody's."""


ENDS: Final = frozenset({Kind.CLOSED, Kind.REMOVED, Kind.LEFT})


@attrs.frozen(order=True)
class Mark:
    at: datetime
    number: int
    """Of its arrival."""
    kind: Kind = attrs.field(order=False)


@attrs.frozen
class Negotiation:
    start: datetime
    status: str
    """connecting, stable, connected or failed."""
    type: str
    """initial or renegotiation."""
    end: datetime | None = None

    @property
    def seconds(self) -> int | None:
        """Whole ones; None without an end."""
        return None if self.end is None else seconds(self.start, self.end)


@attrs.frozen
class Course:
    """What a connection shows."""

    state: str
    negotiations: tuple[Negotiation, ...]
    end: datetime | None


@attrs.define(eq=False)
class Connection:
    start: datetime
    arrival: int = 0
    """The number of the event that made it."""
    is_connected_at_start: bool = False
    marks: list[Mark] = attrs.field(factory=list)
    """Its own, by time."""

    def add(self, mark: Mark) -> None:
        if len(self.marks) < MARKS or mark.kind in ENDS:
            bisect.insort(self.marks, mark)

    def course(self, *others: Iterable[Mark]) -> Course:
        """`others`: the marks of its session and its conference, by which it may end too."""
        ends = (mark for marks in others for mark in marks if mark.kind is Kind.LEFT)
        marks = sorted([*self.marks, *(mark for mark in ends if (mark.at, mark.number) >= (self.start, self.arrival))])
        folding = (
            _Folding(self.start, Kind.CONNECTED, [])
            if self.is_connected_at_start
            else _Folding(self.start, Kind.NEW, [Negotiation(self.start, "connecting", "initial")])
        )
        for mark in marks:
            folding.take(mark)
            if folding.end is not None:
                break
        return Course(folding.state, tuple(folding.negotiations), folding.end)


@attrs.define
class _Folding:
    """A connection between two marks."""

    start: datetime
    state: str
    negotiations: list[Negotiation]
    end: datetime | None = None
    connected: datetime | None = None
    """When it was last so."""

    def take(self, mark: Mark) -> None:
        # An event may be a little older than `addConnection`, which took longer to arrive.
        at = max(mark.at, self.start)
        match mark.kind:
            case Kind.NEGOTIATES:
                if not self.negotiations or self.negotiations[-1].status != "connecting":
                    self._negotiate(at)
            case Kind.STABLE:
                if self.negotiations:
                    self._change_last(status="stable", end=at)
            case Kind.REMOVED | Kind.LEFT:
                self._finish(at)
            case Kind.HIDDEN:
                pass
            case state:
                self._enter(state, at)

    def _enter(self, state: Kind, at: datetime) -> None:
        if state is Kind.CONNECTED:
            self.connected = at
        elif state is Kind.CONNECTING and self.connected is not None and at - self.connected < UNCERTAIN:
            return
        self.state = state
        if not self.negotiations:
            self._negotiate(at)
        if state is Kind.CONNECTED:
            self._change_last(status="connected", end=at)
        elif state is Kind.FAILED:
            self._change_last(status="failed", end=None)
        elif state is Kind.CLOSED:
            self._finish(at)

    def _negotiate(self, at: datetime) -> None:
        self.negotiations.append(Negotiation(at, "connecting", "renegotiation"))

    def _change_last(self, *, status: str, end: datetime | None) -> None:
        self.negotiations[-1] = attrs.evolve(self.negotiations[-1], status=status, end=end)

    def _finish(self, at: datetime) -> None:
        self.end = at
        self.negotiations = [
            each if each.end is not None else attrs.evolve(each, status="failed", end=at) for each in self.negotiations
        ]


@attrs.frozen
class Span:
    """Of a connection: from its start to its end, if it has one."""

    start: datetime
    end: datetime | None


@attrs.frozen
class SessionCourse:
    """What a session shows, and what it adds to the use of its app."""

    end: datetime | None
    call_start: datetime | None
    """Of the call that goes on."""
    calls: tuple[tuple[date, int], ...]
    """Each call that is over: the day of its end, and whole seconds."""


@attrs.frozen
class ConferenceCourse:
    ongoing: bool
    start: datetime | None
    call_start: datetime | None
    end: datetime | None
    seconds: int


def session_course(spans: Sequence[Span], marks: Iterable[Mark]) -> SessionCourse:
    """`spans`: of its connections; `marks`: its own and its conference's.

    It is over when somebody leaves, or when a connection ends that was the last one open.
    """
    leaves = [mark.at for mark in marks if mark.kind in (Kind.HIDDEN, Kind.LEFT)]
    end = min([*leaves, *(call.end for call in _calls(spans) if call.end is not None)], default=None)
    call_start: datetime | None = None
    calls = []
    for call in _calls(spans):
        if call.end is None:
            call_start = call.start
        else:
            calls.append((call.end.date(), seconds(call.start, call.end)))
    return SessionCourse(end, call_start, tuple(calls))


def conference_course(spans: Sequence[Span], marks: Iterable[Mark]) -> ConferenceCourse:
    """`spans`: of all its connections; `marks`: of its sessions, and its own."""
    calls = list(_calls(spans))
    ongoing = bool(calls) and calls[-1].end is None
    ends = [call.end for call in calls if call.end is not None]
    # Who leaves where nothing is open, ends it too.
    ends += [mark.at for mark in marks if mark.kind is Kind.LEFT and not any(_is_open(call, mark.at) for call in calls)]
    return ConferenceCourse(
        ongoing=ongoing,
        start=calls[0].start if calls else None,
        call_start=calls[-1].start if ongoing else None,
        end=max(ends, default=None),
        seconds=sum(seconds(call.start, call.end) for call in calls if call.end is not None),
    )


def seconds(start: datetime, end: datetime) -> int:
    """Whole ones, cut down."""
    return max(0, int((end - start).total_seconds()))


def _calls(spans: Sequence[Span]) -> Iterator[Span]:
    """The times in which anything was open; one that begins in the moment when the last ends is another call."""
    call: Span | None = None
    for span in sorted(spans, key=lambda span: span.start):
        if call is not None and call.end is not None and call.end <= span.start:
            yield call
            call = None
        if call is None:
            call = span
        elif call.end is not None and (span.end is None or span.end > call.end):
            call = attrs.evolve(call, end=span.end)
    if call is not None:
        yield call


def _is_open(call: Span, at: datetime) -> bool:
    return call.start <= at and (call.end is None or at < call.end)
