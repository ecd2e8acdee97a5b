"""What the handlers of requests work with; the composition root makes one and every route closes over it."""

from collections.abc import Mapping
from typing import Protocol

import attrs
import trio

from api.admins import Admins
from api.analytics.tokens import ReportTokens
from api.analytics.upkeep import Upkeep
from api.analytics.writer import Writer
from api.config import Config
from api.connections import Connections
from api.directory import StoredDirectory
from api.keyring import Keyring
from api.licences import LicenceKeys, StoredLicenceRooms, StoredLicences
from api.passwords import PasswordChecks
from api.places import Places
from api.sessions import Sessions
from api.store import Store
from api.tokens import RoomTokens
from api.visitors import Visitors
from signalling import Rooms
from signalling.ports import MediaEngine


class Engine(MediaEngine, Protocol):
    """The media engine as the composition root starts it and operations look at it; sfu.Engine is one."""

    @property
    def media(self) -> tuple[str, ...]:
        """Where media arrives, "HOST:PORT" for each worker and address; known once `run` has started."""
        ...

    def counters(self) -> Mapping[str, int]: ...

    def gauges(self) -> Mapping[str, int]: ...

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None: ...


class Readiness:
    """Whether new calls are welcome; false from the first signal to stop on."""

    def __init__(self) -> None:
        self.draining = False


@attrs.frozen
class Services:
    config: Config
    store: Store
    keyring: Keyring
    passwords: PasswordChecks
    admins: Admins
    directory: StoredDirectory
    tokens: RoomTokens
    licence_keys: LicenceKeys
    licences: StoredLicences
    licence_rooms: StoredLicenceRooms
    sessions: Sessions
    visitors: Visitors
    places: Places
    """For the calls that clients report."""
    reports: Writer
    upkeep: Upkeep
    report_tokens: ReportTokens
    engine: Engine
    rooms: Rooms
    connections: Connections
    readiness: Readiness
    local_key: str = attrs.field(repr=False)
    """The bearer key in `DIR/server.json`, good for this run."""
    demo: bool = False
    """Whether anybody may have a key to the licence `demo`."""
