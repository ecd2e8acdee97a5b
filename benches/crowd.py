"""The crowd: a process that is N members of one room and a visitor, run by requests on its stdin.

What is here is the same in each dialect; benches.crowd_room_api and benches.crowd_kpoint know the words. The process
stays on the last core, as the other generators do, so that the server's are its own.

Requests ("do"): `open` (url, room, n and what the dialect needs) signs in n more members and the visitor, `join` (n) has the
first n members join all at once, `visit` (times) has the visitor join and leave, each time waiting until everybody has
heard of it, `rest` (seconds) only listens. A dialect adds its own.
"""

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

from benches import machine
from benches.child import Json, answer_requests
from benches.sockets import Broken, Seat, Sockets
from benches.spread import spread

PAUSE_S: Final = 0.02
"""Between two changes, so that none meets what the one before left to do."""
VISITOR: Final = "visitor"
OTHER_FILES: Final = 200


@attrs.frozen
class Change:
    """When it was asked for, when that was answered, and when each of the others heard of it."""

    asked_ns: int
    replied_ns: int
    heard_ns: list[int]

    @property
    def delays_ns(self) -> list[int]:
        return [at - self.asked_ns for at in self.heard_ns]


class Crowd(ABC):
    JOINED: bytes
    LEFT: bytes
    """What marks a notification in its first hundred bytes."""

    def __init__(self) -> None:
        self.sockets = Sockets()
        self.members: list[Seat] = []
        self.inside: list[Seat] = []
        self._visitor: Seat | None = None

    # --- a dialect's words ---

    @abstractmethod
    def sign_in(self, seat: Seat, request: Json) -> None: ...

    @abstractmethod
    def ask_to_join(self, seat: Seat) -> int:
        """When it was sent."""

    @abstractmethod
    def ask_to_leave(self, seat: Seat) -> int: ...

    @abstractmethod
    def is_success(self, message: Any) -> bool:
        """Whether it is the reply to a request that was granted."""

    @abstractmethod
    def who_joined(self, message: Any) -> str | None:
        """If it is a notification of that."""

    def perform(self, request: Json) -> Json:
        """What only this dialect knows."""
        raise ValueError(f"{request['do']!r} is no request")

    # --- requests ---

    def handle(self, request: Json) -> Json:
        match request["do"]:
            case "open":
                return self._open(request)
            case "join":
                return self._join(request["n"])
            case "visit":
                return self._visit(request["times"])
            case "rest":
                self.sockets.listen(lambda: False, request["seconds"])
                if self.sockets.heard:
                    raise Broken(f"somebody spoke: {self.sockets.heard[0].text[:200]!r}")
                return {}
        return self.perform(request)

    def _open(self, request: Json) -> Json:
        machine.allow_files(len(self.members) + request["n"] + OTHER_FILES)
        if self._visitor is None:
            self._visitor = self._signed_in(VISITOR, request)
        first = len(self.members)
        self.members += [self._signed_in(f"member-{first + index}", request) for index in range(request["n"])]
        return {}

    def _signed_in(self, name: str, request: Json) -> Seat:
        seat = self.sockets.connect(request["url"], name)
        self.sign_in(seat, request)
        return seat

    def _join(self, n: int) -> Json:
        """Each hears its reply and of everybody who joins after it."""
        self.inside = self.members[:n]
        asked = {seat.name: self.ask_to_join(seat) for seat in self.inside}
        heard = self.sockets.take(n + n * (n - 1) // 2)
        started = min(asked.values())
        replied, delays = {}, []
        for each in heard:
            message = each.read()
            if (joined := self.who_joined(message)) is not None:
                delays.append(each.at_ns - asked[joined])
            elif self.is_success(message):
                replied[each.seat.name] = each.at_ns - asked[each.seat.name]
            else:
                raise Broken(f"in the burst: {message}")
        if len(replied) != n:
            raise Broken(f"{len(replied)} of {n} joins were answered")
        return {
            "seconds": (max(each.at_ns for each in heard) - started) / 1e9,
            "replies": attrs.asdict(spread(list(replied.values()))),
            "notifications": attrs.asdict(spread(delays)),
            "own": self.sockets.own(),
        }

    def _visit(self, times: int) -> Json:
        since_asked, since_reply, replies, leaves = list[int](), list[int](), list[int](), list[int]()
        for _ in range(times):
            join = self.change(self.visitor, self.JOINED, self.inside, self.ask_to_join)
            replies.append(join.replied_ns - join.asked_ns)
            since_asked += join.delays_ns
            since_reply += [at - join.replied_ns for at in join.heard_ns]
            leaves += self.change(self.visitor, self.LEFT, self.inside, self.ask_to_leave).delays_ns
        return {
            "since_asked": attrs.asdict(spread(since_asked)),
            "since_reply": attrs.asdict(spread(since_reply)),
            "replies": attrs.asdict(spread(replies)),
            "leaves": attrs.asdict(spread(leaves)),
            "own": self.sockets.own(),
        }

    # --- for dialects ---

    @property
    def visitor(self) -> Seat:
        assert self._visitor is not None
        return self._visitor

    def result(self, seat: Seat) -> Any:
        """The reply to the one request that is under way."""
        (reply,) = self.sockets.take(1)
        message = reply.read()
        if reply.seat is not seat or not self.is_success(message):
            raise Broken(f"{seat.name}: {message}")
        return message

    def change(self, actor: Seat, heard_as: bytes, others: Sequence[Seat], ask: Callable[[Seat], int]) -> Change:
        asked = ask(actor)
        heard = self.sockets.take(len(others) + 1)
        replies = [each for each in heard if each.seat is actor]
        told = {each.seat.name: each.at_ns for each in heard if heard_as in each.text[:100]}
        if len(replies) != 1 or not self.is_success(replies[0].read()) or len(told) != len(others):
            raise Broken(
                f"{len(told)} of {len(others)} heard {heard_as.decode()}; the reply was {[each.text for each in replies]}"
            )
        self.sockets.listen(lambda: False, PAUSE_S)
        return Change(asked, replies[0].at_ns, list(told.values()))

    def repeat(self, times: int, one: Callable[[int], Change]) -> Json:
        """The same change so many times, each with its number; what the others heard."""
        delays = [delay for number in range(times) for delay in one(number).delays_ns]
        return {"notifications": attrs.asdict(spread(delays)), "own": self.sockets.own()}


def run(crowd: Crowd) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the parent's to handle
    machine.stay_on(machine.cores()[1])
    answer_requests(crowd.handle)  # between two requests pings wait, which the asker does not let take long
