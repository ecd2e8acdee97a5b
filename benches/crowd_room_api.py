"""The crowd in the Room API's words. Its members offer media and never connect them: this is about what a room says.

Its own request: `toggle` (times) has a member mute and unmute.
"""

import secrets
from typing import Any

from benches.child import Json
from benches.crowd import Change, Crowd, run
from benches.offers import Endpoint
from benches.sockets import Seat
from sfu.wire.sdp import Fingerprint


class RoomApiCrowd(Crowd):
    JOINED = b"member_join_room"
    LEFT = b"member_leave_room"

    def __init__(self) -> None:
        super().__init__()
        self._entries: dict[str, Json] = {}
        """What each member joins with."""

    def sign_in(self, seat: Seat, request: Json) -> None:
        _ask(seat, "authenticate", room=request["room"], call_id=seat.name, display_name=seat.name)
        token = self.result(seat)["result"]["auth_token"]
        fingerprint = Fingerprint("sha-256", bytes(32))
        endpoint = Endpoint(secrets.randbits(62), secrets.token_hex(4), secrets.token_hex(16), fingerprint)
        self._entries[seat.name] = {"sdp": endpoint.audience(), "auth_token": token}

    def ask_to_join(self, seat: Seat) -> int:
        return _ask(seat, "join_room", **self._entries[seat.name])

    def ask_to_leave(self, seat: Seat) -> int:
        return _ask(seat, "leave_room")

    def is_success(self, message: Any) -> bool:
        return "result" in message

    def who_joined(self, message: Any) -> str | None:
        return str(message["params"]["id"]) if message.get("method") == "member_join_room" else None

    def perform(self, request: Json) -> Json:
        match request["do"]:
            case "toggle":
                return self.repeat(request["times"], self._toggle)
        return super().perform(request)

    def _toggle(self, number: int) -> Change:
        actor, *others = self.inside
        method = "unmute_audio" if number % 2 else "mute_audio"
        return self.change(actor, f"member_{method}".encode(), others, lambda seat: _ask(seat, method))


def _ask(seat: Seat, method: str, **params: object) -> int:
    seat.asked += 1
    return seat.say({"id": seat.asked, "method": method, "params": params})


if __name__ == "__main__":
    run(RoomApiCrowd())
