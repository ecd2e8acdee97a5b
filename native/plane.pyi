"""Types of plane.pyx."""

import socket
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

COUNTER_NAMES: tuple[str, ...]
EXTENSIONS: dict[str, int]

@attrs.frozen
class StunArrived:
    worker: int
    path: tuple[int, str, int]
    data: bytes
    peer: PlanePeer | None

@attrs.frozen
class DtlsArrived:
    path: tuple[int, str, int]
    data: bytes
    peer: PlanePeer

@attrs.frozen
class RateChanged:
    peer: PlanePeer

@attrs.frozen
class AllocationsChanged:
    peer: PlanePeer

@attrs.frozen
class SpeakerChanged:
    bus: PlaneBus
    owner: int | None

@attrs.frozen
class LevelsChanged:
    bus: PlaneBus
    owners: frozenset[int]

class Plane:
    n_workers: int
    def __init__(self, sockets: Sequence[Sequence[socket.socket]], slab_bytes: int) -> None: ...
    def run(self, index: int) -> None: ...
    def stop(self) -> None: ...
    def fileno(self) -> int: ...
    def counters(self) -> dict[str, int]: ...
    def gauges(self) -> dict[str, int]: ...
    @property
    def outstanding(self) -> int: ...
    def drain(
        self,
    ) -> list[StunArrived | DtlsArrived | SpeakerChanged | LevelsChanged | RateChanged | AllocationsChanged]: ...
    def open_peer(self, worker: int, owner: int) -> PlanePeer: ...
    def open_bus(self) -> PlaneBus: ...
    def load(self) -> list[int]: ...

class PlanePeer:
    index: int
    owner: int
    closed: bool
    listener: Any
    def set_keys(self, profile: str, inbound: bytes, outbound: bytes) -> None: ...
    def add_path(self, path: tuple[int, str, int]) -> None: ...
    def remove_path(self, path: tuple[int, str, int]) -> None: ...
    def select_path(self, path: tuple[int, str, int]) -> None: ...
    def agree(self, username: str, password: str) -> None: ...
    def disagree(self) -> None: ...
    def check_age_s(self) -> float | None: ...
    def configure(
        self,
        extensions: Mapping[int, str],
        sections: Sequence[tuple[str, PlanePublication, Sequence[object], Sequence[object]]],
        two_byte: bool,
    ) -> None: ...
    def publish(self, kind: str, clock: int, nack: bool) -> PlanePublication: ...
    def subscribe(self, kind: str, clock: int, ssrc: int, rtx_ssrc: int | None) -> PlaneSubscription: ...
    @property
    def available_rate(self) -> int | None: ...
    def report(self) -> dict[str, int]: ...
    def close(self) -> None: ...

class PlanePublication:
    key: int
    level: int
    kind: str
    closed: bool
    def set_bus(self, bus: PlaneBus | None) -> None: ...
    def cut(self, cut: bool) -> None: ...
    def request_key(self) -> None: ...
    def report(self) -> dict[str, int]: ...
    def close(self) -> None: ...

class PlaneSubscription:
    kind: str
    closed: bool
    def set_source(
        self,
        source: PlanePublication | PlaneBus | None,
        formats: Mapping[int, tuple[int, int | None]],
        mid: str,
        cname: str,
        numbered: bool = True,
    ) -> None: ...
    def allocation(self) -> tuple[int, int, int, int] | None: ...
    def report(self) -> dict[str, Any]: ...
    def close(self) -> None: ...

class PlaneBus:
    listener: Any
    closed: bool
    def close(self) -> None: ...
