"""A media engine that only remembers, for tests of everything around it."""

from collections.abc import Mapping, Sequence
from typing import Any

import trio

from sfu.settings import MediaSettings
from sfu.stats import PeerStats


class FakePeer:
    def __init__(self) -> None:
        self.closed = False
        self.sends = True

    def accept(self, answer: str) -> None:
        pass

    def renegotiate(self, offer: str, wanted: Sequence[Any]) -> str:
        return "answer"

    def cut(self, kind: str, cut: bool) -> None:
        pass

    def share_screen(self, sharing: bool) -> None:
        pass

    def stats(self) -> PeerStats:
        return PeerStats(id(self), "new", None, None, None, {"offered": 0}, 0, 0, 0, 0, (), ())

    def close(self) -> None:
        self.closed = True


class FakeRoom:
    def __init__(self) -> None:
        self.peers: dict[str, FakePeer] = {}

    def open_peer(self, name: str, offer: str, listener: Any) -> tuple[FakePeer, str]:
        self.peers[name] = FakePeer()
        listener.connected()
        return self.peers[name], "answer"

    def open_publisher(self, name: str, source: str, offer: str, listener: Any) -> tuple[FakePeer, str]:
        listener.connected()
        return FakePeer(), "answer"

    def announce(self, name: str) -> None:
        pass

    def retire(self, name: str) -> None:
        pass

    def offer_peer(self, name: str, feeds: Sequence[Any], listener: Any) -> tuple[FakePeer, str]:
        return FakePeer(), "offer"

    def close(self) -> None:
        self.peers.clear()


class FakeEngine:
    def __init__(self, settings: MediaSettings) -> None:
        self.settings = settings
        self.media = ("127.0.0.1:40000",)
        self.running = False

    def open_room(self, listener: Any) -> FakeRoom:
        return FakeRoom()

    def counters(self) -> Mapping[str, int]:
        return {"packets_forwarded": 7, "drop_unknown_ssrc": 3}

    def gauges(self) -> Mapping[str, int]:
        return {"peers": 2}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self.running = True
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            self.running = False
