"""The crowd in KPOINT's words (contract kpoint). Whoever is inside a group room hears what is said, with or without media.

Its own requests: `make` has the visitor make the group room, `enter` has it go in to stay, `chat` (times) has it speak to all
inside, `draw` (drawers, each_per_s, seconds) has so many of the members draw at that rate, whatever of it has arrived.
"""

import re
import time
from collections.abc import Sequence
from typing import Any, Final

import attrs

from benches.child import Json
from benches.crowd import Change, Crowd, run
from benches.sockets import Broken, Heard, Seat
from benches.spread import spread

# Long enough that an honest stroke is not longer, and told apart by its `state`.
STROKE: Final = {
    "tool": "pen",
    "color": "#1b1b1b",
    "strokeWidth": 4,
    "xy": {"x0": 0.25, "y0": 0.5, "x1": 0.26, "y1": 0.51},
}
NUMBER: Final = re.compile(rb'"state":(\d+)')


class KpointCrowd(Crowd):
    JOINED = b'"type":"join"'
    LEFT = b'"type":"leave"'

    def __init__(self) -> None:
        super().__init__()
        self._room = ""

    def sign_in(self, seat: Seat, request: Json) -> None:
        self._room = request["room"]
        _ask(seat, "register", ipAddr="127.0.0.1", **request["key"])
        self.result(seat)

    def ask_to_join(self, seat: Seat) -> int:
        return _ask(seat, "joinRoom", roomId=self._room)

    def ask_to_leave(self, seat: Seat) -> int:
        return _ask(seat, "leaveRoom", roomId=self._room)

    def is_success(self, message: Any) -> bool:
        return bool(message.get("code") == "200")

    def who_joined(self, message: Any) -> str | None:
        return str(message["user"]["id"]) if message.get("type") == "join" else None

    def perform(self, request: Json) -> Json:
        match request["do"]:
            case "make":
                _ask(self.visitor, "createVideoRoom", roomId=self._room, destroy=False)
                self.result(self.visitor)
                return {}
            case "enter":
                self.change(self.visitor, self.JOINED, self.inside, self.ask_to_join)
                return {}
            case "chat":
                return self.repeat(request["times"], self._chat)
            case "draw":
                return self._draw(self.inside[: request["drawers"]], request["each_per_s"], request["seconds"])
        return super().perform(request)

    def _chat(self, number: int) -> Change:
        def ask(seat: Seat) -> int:
            return _ask(seat, "chat", roomId=self._room, message=f"This is what I have to say, number {number}.")

        return self.change(self.visitor, b'"type":"chat"', self.inside, ask)

    def _draw(self, drawers: Sequence[Seat], each_per_s: float, seconds: float) -> Json:
        """In turn and evenly spaced; `behind_ms` is how late the last stroke left."""
        total = round(len(drawers) * each_per_s * seconds)
        asked: list[int] = []
        started = due = time.monotonic()
        for number in range(total):
            due = started + number / (len(drawers) * each_per_s)
            self.sockets.listen(lambda: False, max(0.0, due - time.monotonic()))
            drawer = drawers[number % len(drawers)]
            asked.append(drawer.say(_request(drawer, "drawing", roomId=self._room, state=number, **STROKE)))
        behind = time.monotonic() - due
        present = len(self.inside) + 1
        heard = self.sockets.take(total * present)
        return {
            "behind_ms": behind * 1000,
            "strokes": total,
            "notifications": attrs.asdict(spread(self._drawn(heard, drawers, asked, present - 1))),
            "own": self.sockets.own(),
        }

    def _drawn(self, heard: Sequence[Heard], drawers: Sequence[Seat], asked: Sequence[int], others: int) -> list[int]:
        """The delay of each stroke to each who saw it, after making sure that all saw all, and each drawer's in order."""
        delays: list[int] = []
        newest: dict[tuple[str, int], int] = {}
        for each in heard:
            found = NUMBER.search(each.text)
            if found is None:
                if not self.is_success(each.read()):
                    raise Broken(f"{each.seat.name}, drawing: {each.text!r}")
                continue
            number = int(found[1])
            line = (each.seat.name, number % len(drawers))
            if number <= newest.get(line, -1):
                raise Broken(f"{each.seat.name}: stroke {number} after {newest[line]}")
            newest[line] = number
            delays.append(each.at_ns - asked[number])
        if len(delays) != len(asked) * others:
            raise Broken(f"{len(delays)} of {len(asked) * others} strokes arrived")
        return delays


def _request(seat: Seat, op: str, **fields: object) -> Json:
    return {"eventOp": op, "userId": seat.name, **fields}


def _ask(seat: Seat, op: str, **fields: object) -> int:
    seat.asked += 1
    return seat.say(_request(seat, op, reqId=str(seat.asked), **fields))


if __name__ == "__main__":
    run(KpointCrowd())
