"""What the server sees of its own rooms, in the timeline of the calls (contract analytics, section 12). The rooms are made up;
tests/e2e has real ones."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import sqlalchemy as sa
import trio

from api.analytics.ledger import Hello, Ledger, Visit
from api.analytics.witness import Witness
from api.analytics.writer import Writer
from api.config import AnalyticsSettings
from api.places import Places
from api.store import Database, Store, apps, call_lists, licences, tables
from api.store.call_lists import Asked, Filter
from api.visitors import Visitors
from sfu.stats import InboundStream, OutboundStream, PeerStats
from signalling.live import LiveMember, LiveRoom
from signalling.ports import Remote, RoomEvent
from signalling.room.events import Event, MediaLost, MemberJoined, MemberLeft, MuteChanged, ScreenShareChanged
from signalling.room.member import Member

PLACES = Places()
VISITORS = Visitors(PLACES)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0"
ROOM = "0c1d6c52-8f3e-4b55-9d0e-2f1b7c4d9e10"
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)

SOUND = InboundStream("0", "audio", "opus", False, 77, 100, 9000, 4, 1, 2500, 0, 0, 5, 700, -1)
PICTURE = InboundStream("1", "video", "VP8", False, 78, 300, 250_000, 0, 0, 4000, 3, 1, 5, 650, 600)
DOWN = OutboundStream("2", "video", "boris", "camera", "the only layer", 9, 200, 150_000, 5, 6, 7, 0.01, 3000, 45_000)
UP = PeerStats(
    1,
    "connected",
    "camera",
    "127.0.0.1:5000",
    "GCM-128",
    {"offered": 1000, "ice": 950, "dtls": 900, "connected": 900},
    400,
    259_000,
    200,
    150_000,
    (SOUND, PICTURE),
    (DOWN,),
)
COMING = attrs.evolve(UP, state="new", ages_ms={"offered": 20}, inbound=(), outbound=())


@attrs.define
class Scene:
    """A server's rooms, as they are made up, and what the witness has written."""

    database: Database
    store: Store
    writer: Writer
    settings: AnalyticsSettings
    rooms: list[LiveRoom] = attrs.field(factory=list)
    clock: datetime = AT
    witness: Witness = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.witness = Witness(self.store, self.writer, self.settings, VISITORS, PLACES)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.witness.run, lambda: self.rooms)
            yield
            nursery.cancel_scope.cancel()

    def happens(self, event: Event, room: str = ROOM, licence: str = "", remote: Remote | None = None) -> None:
        self.witness.observe(RoomEvent(room, "Standup", licence, self.clock, event, remote))

    def comes(self, id: str = "anna", *streams: PeerStats, licence: str = "") -> None:
        self.is_there(id, *streams)
        member = Member(id, None, id.title(), is_admin=False)
        self.happens(MemberJoined(member), licence=licence, remote=Remote("8.8.8.8", FIREFOX))

    def is_there(self, id: str, *streams: PeerStats) -> None:
        member = LiveMember(
            id=id,
            name=id.title(),
            user=None,
            dialect="room_api",
            is_admin=False,
            since=self.clock,
            audio_muted=False,
            video_muted=False,
            audio_muted_by_admin=False,
            video_muted_by_admin=False,
            streams=tuple(attrs.asdict(each) for each in streams),
        )
        others = [each for room in self.rooms for each in room.members if each.id != id]
        self.rooms = [LiveRoom(ROOM, "Standup", False, None, self.clock, (*others, member), ())]

    def rows(self, table: sa.Table) -> list[Any]:
        order = sa.select(table).order_by(table.c.created_at, table.c.number)
        return self.database.read(lambda connection: list(connection.execute(order)))

    def events(self, participant: str = "anna") -> list[tuple[str, Any]]:
        if self.participant(participant) is None:
            return []
        asked = Asked(Filter(participant=self.participant(participant).id), None, False, 1000)
        listed = self.database.read(partial(call_lists.event_list, asked=asked))
        return [(each["type"], each["data"]) for each in listed.rows]

    def types(self, participant: str = "anna") -> list[str]:
        return [type for type, _ in self.events(participant)]

    def participant(self, id: str) -> Any:
        return next((each for each in self.rows(tables.participants) if each.participant_id == id), None)

    async def until(self, look: Callable[[], object]) -> None:
        with trio.fail_after(20):
            while not look():
                await trio.sleep(0.01)


@pytest.fixture
def settings() -> AnalyticsSettings:
    return AnalyticsSettings(stats_interval_ms=1_000_000)


@pytest.fixture
async def scene(
    tmp_path: Path, store_url: str, settings: AnalyticsSettings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    monkeypatch.setattr("api.analytics.witness.LOOK_S", 0.01)
    database = Database(tmp_path, store_url)
    store = Store(database)
    writer = Writer(store, 20_000)
    made = Scene(database, store, writer, settings)
    monkeypatch.setattr("api.analytics.witness.utc_now", lambda: made.clock)
    add_app(database, "calls")
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        yield made
        nursery.cancel_scope.cancel()
    database.close()


def add_app(database: Database, name: str) -> str:
    """Its id."""

    def add(connection: sa.Connection) -> str:
        found = apps.all_organizations(connection) or [apps.add_organization(connection, "Acme")]
        made = apps.add_app(connection, organization=found[0].id, name=name, interval_ms=10_000)
        assert made is not None
        return made.id

    return database.write(add)


async def test_a_stay_from_its_first_word_to_its_last(scene: Scene) -> None:
    async with scene.watched():
        scene.comes("anna", COMING)
        await scene.until(lambda: scene.rows(tables.peer_connections))
        assert scene.types() == ["addConnection", "joined"]
        scene.is_there("anna", UP)
        await scene.until(lambda: "stats" in scene.types() or "firstKeyFrame" in scene.types())
        scene.clock = AT.replace(minute=5)
        scene.rooms = []
        scene.happens(MemberLeft("anna", "left"))
        await scene.until(lambda: scene.rows(tables.call_sessions)[0].end_time)
    conference, session = scene.rows(tables.conferences)[0], scene.rows(tables.call_sessions)[0]
    assert (conference.conference_id, conference.name, conference.ongoing) == (ROOM, "Standup", False)
    assert (session.webrtc_sdk, '"US"' in session.geo_ip, '"Firefox"' in session.platform) == ("atrium", True, True)
    assert session.end_time == scene.clock
    connection = scene.rows(tables.peer_connections)[0]
    assert (connection.state, connection.established, connection.setup_ms) == ("connected", True, 0)
    assert connection.end_time == scene.clock
    told = [(type, data) for type, data in scene.events() if type not in ("stats", "addConnection")]
    assert [type for type, _ in told] == [
        "oniceconnectionstatechange",
        "dtlsConnected",
        "onconnectionstatechange",
        "firstPacket",
        "firstPacket",
        "firstKeyFrame",
        "joined",
        "removeConnection",
        "left",
        "endCall",
    ]
    assert told[-1] == ("endCall", '{"reason":"left"}')
    assert scene.participant("atrium").is_sfu
    assert scene.rows(tables.issues) == []


async def test_when_each_phase_was(scene: Scene) -> None:
    async with scene.watched():
        scene.comes("anna", UP)
        await scene.until(lambda: "joined" in scene.types() and "firstKeyFrame" in scene.types())
    before = {
        (row.type, row.data): round((AT - row.created_at).total_seconds() * 1000)
        for row in scene.rows(tables.call_events)
        if row.category in ("connection", "track")
    }
    found = {type: ms for (type, _), ms in before.items() if type not in ("firstPacket", "removeConnection")}
    assert found == {
        "addConnection": 1000,
        "oniceconnectionstatechange": 950,
        "dtlsConnected": 900,
        "onconnectionstatechange": 900,
        "firstKeyFrame": 600,
    }
    first = sorted(ms for (type, _), ms in before.items() if type == "firstPacket")
    assert first == [650, 700]
    assert scene.rows(tables.peer_connections)[0].setup_ms == 100


class TestStatistics:
    @pytest.fixture
    def settings(self) -> AnalyticsSettings:
        return AnalyticsSettings(stats_interval_ms=1000)

    async def test_they_have_the_shape_of_a_clients(self, scene: Scene) -> None:
        async with scene.watched():
            scene.comes("anna", UP)
            await scene.until(lambda: scene.types().count("stats") > 1)
        data = json.loads(next(data for type, data in scene.events() if type == "stats"))
        assert data["connection"]["bytesReceived"] == 259_000 and data["connection"]["state"] == "succeeded"
        (heard,) = data["audio"]["inbound"]
        assert (heard["packetsReceived"], heard["packetsLost"], heard["jitter"]) == (100, 3, 0.0025)
        assert "track" not in heard
        (shown,) = data["video"]["outbound"]
        assert (shown["packetsSent"], shown["member"]) == (200, "boris")
        (said,) = data["remote"]["video"]["inbound"]
        assert (said["roundTripTime"], said["localId"]) == (0.045, shown["id"])

    async def test_a_connection_that_is_not_up_has_none(self, scene: Scene) -> None:
        async with scene.watched():
            scene.comes("anna", COMING)
            scene.is_there("boris", UP)
            await scene.until(lambda: len(scene.rows(tables.participants)) == 3 and "stats" in scene.types("boris"))
            assert "stats" not in scene.types()


async def test_who_was_never_connected(scene: Scene) -> None:
    async with scene.watched():
        scene.comes("anna", COMING)
        await scene.until(lambda: scene.rows(tables.peer_connections))
        scene.happens(MemberLeft("anna", "lost"))
        scene.rooms = []
        await scene.until(lambda: scene.rows(tables.issues))
    assert [row.code for row in scene.rows(tables.issues)] == ["no_connection"]


async def test_connections_that_come_and_go(scene: Scene) -> None:
    scene.settings = attrs.evolve(scene.settings, stats_interval_ms=1000)
    scene.witness = Witness(scene.store, scene.writer, scene.settings, VISITORS, PLACES)
    async with scene.watched():
        scene.comes("anna", UP)
        await scene.until(lambda: scene.rows(tables.peer_connections))
        scene.is_there("anna", attrs.evolve(UP, id=2), attrs.evolve(COMING, id=3))
        await scene.until(lambda: len(scene.rows(tables.peer_connections)) == 3)
        await scene.until(lambda: any(each.end_time for each in scene.rows(tables.peer_connections)))
        assert sum(each.end_time is None for each in scene.rows(tables.peer_connections)) == 2
        assert scene.rows(tables.conferences)[0].ongoing


async def test_what_happens_meanwhile(scene: Scene) -> None:
    async with scene.watched():
        scene.comes("anna", UP)
        scene.happens(MuteChanged("anna", "audio", muted=True))
        scene.happens(MuteChanged("anna", "video", muted=False, by_admin=True))
        scene.happens(ScreenShareChanged("anna", sharing=True))
        scene.happens(MuteChanged("nobody", "audio", muted=True))
        await scene.until(lambda: scene.rows(tables.peer_connections))
        scene.happens(MediaLost("anna"))
        await scene.until(lambda: scene.rows(tables.issues))
    custom = [data for type, data in scene.events() if type == "custom"]
    assert custom == [
        '{"eventName":"mute","kind":"audio","byAdmin":false}',
        '{"eventName":"unmute","kind":"video","byAdmin":true}',
        '{"eventName":"screen","sharing":true}',
    ]
    assert [row.code for row in scene.rows(tables.issues)] == ["connection_disconnected"]


async def test_both_views_meet_and_do_not_count_as_two_visits(scene: Scene) -> None:
    def reported(ledger: Ledger, db: sa.Connection) -> None:
        app = apps.all_apps(db)[0]
        arrival = ledger.initialize(db, Hello(app.id, ROOM, None, "anna", None), AT)
        ledger.open_session(db, arrival, Visit(webrtc_sdk="peermetrics"), AT)

    async with scene.watched():
        scene.comes("anna", UP)
        await scene.until(lambda: scene.rows(tables.call_sessions))
        await scene.writer.do(reported, 0)
        assert [row.webrtc_sdk for row in scene.rows(tables.call_sessions)] == ["atrium", "peermetrics"]
        assert len({row.participant for row in scene.rows(tables.call_sessions)}) == 1
        assert scene.rows(tables.issues) == []
        scene.happens(MemberLeft("anna", "left"))
        scene.comes("anna", attrs.evolve(UP, id=9))
        await scene.until(lambda: len(scene.rows(tables.call_sessions)) == 3)
        await scene.until(lambda: scene.rows(tables.issues))
    assert [row.code for row in scene.rows(tables.issues)] == ["multiple_rejoins"]


async def test_a_server_that_ends_tells_so(scene: Scene) -> None:
    async with scene.watched():
        scene.comes("anna", UP)
        await scene.until(lambda: scene.rows(tables.peer_connections))
    assert scene.events()[-1] == ("endCall", '{"reason":"stopped"}')
    assert not scene.rows(tables.conferences)[0].ongoing


async def test_after_a_crash_what_was_open_has_ended_when_it_was_heard_last(scene: Scene) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(scene.witness.run, lambda: scene.rooms)
        scene.comes("anna", UP)
        await scene.until(lambda: "firstKeyFrame" in scene.types())
        scene.witness._stays.clear()  # as if it were gone
        nursery.cancel_scope.cancel()
    assert scene.rows(tables.conferences)[0].ongoing
    scene.rooms = []
    scene.clock = AT.replace(hour=20)
    scene.writer = Writer(scene.store, 20_000)
    async with trio.open_nursery() as nursery:
        await nursery.start(scene.writer.run)
        again = Witness(scene.store, scene.writer, scene.settings, VISITORS, PLACES)
        await nursery.start(again.run, list)
        assert scene.rows(tables.conferences)[0].end_time == AT
        nursery.cancel_scope.cancel()


async def test_what_was_not_heard_is_seen(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.analytics.witness.HAPPENINGS_WAITING", 0)
    scene.settings = attrs.evolve(scene.settings, stats_interval_ms=1000)
    scene.witness = Witness(scene.store, scene.writer, scene.settings, VISITORS, PLACES)
    async with scene.watched():
        scene.comes("anna", UP)
        await scene.until(lambda: scene.rows(tables.peer_connections))
        scene.rooms = []
        scene.happens(MemberLeft("anna", "left"))
        await scene.until(lambda: scene.rows(tables.call_sessions)[0].end_time)
    assert scene.events()[-1] == ("endCall", '{"reason":"lost"}')


class TestWhichApp:
    async def of(self, scene: Scene, licence: str = "") -> list[int]:
        """Apps of the conferences."""
        async with scene.watched():
            scene.comes("anna", UP, licence=licence)
            for _ in range(3):
                await trio.sleep(0.05)
            await scene.until(lambda: not scene.witness._heard and not scene.witness._reports)
        return [row.app for row in scene.rows(tables.conferences)]

    async def test_the_oldest(self, scene: Scene) -> None:
        add_app(scene.database, "another")
        assert await self.of(scene) == [1]

    @pytest.mark.parametrize(
        ("named", "found"), [("another", [2]), ("calls", [1]), ("nobody", []), ("off", []), ("", [1])]
    )
    async def test_by_the_setting(self, scene: Scene, named: str, found: list[int]) -> None:
        add_app(scene.database, "another")
        scene.witness = Witness(
            scene.store, scene.writer, attrs.evolve(scene.settings, server_app=named), VISITORS, PLACES
        )
        assert await self.of(scene) == found

    async def test_by_its_id(self, scene: Scene) -> None:
        settings = attrs.evolve(scene.settings, server_app=add_app(scene.database, "another"))
        scene.witness = Witness(scene.store, scene.writer, settings, VISITORS, PLACES)
        assert await self.of(scene) == [2]

    async def test_called_like_the_domain_of_the_licence(self, scene: Scene) -> None:
        add_app(scene.database, "shop.example")

        def add(connection: sa.Connection) -> str:
            licences.add(
                connection,
                domain="shop.example",
                cp_code="shop",
                access_key="k",
                secret_mac=b"mac",
            )
            record = licences.by_domain(connection, "shop.example")
            assert record is not None
            return str(record.id)

        assert await self.of(scene, scene.database.write(add)) == [2]

    async def test_one_that_does_not_record_gets_nothing(self, scene: Scene) -> None:
        def pause(connection: sa.Connection) -> None:
            apps.change_app(connection, apps.all_apps(connection)[0].id, {"recording": False})

        scene.database.write(pause)
        assert await self.of(scene) == []


async def test_a_look_that_fails_is_not_the_last(scene: Scene) -> None:
    failed: list[str] = []

    def snapshot() -> list[LiveRoom]:
        if not failed:
            failed.append("once")
            raise RuntimeError("a fault of the rooms")
        return scene.rooms

    async with trio.open_nursery() as nursery:
        await nursery.start(scene.witness.run, snapshot)
        await scene.until(lambda: failed)
        scene.comes("anna")
        await scene.until(lambda: "joined" in scene.types())
        nursery.cancel_scope.cancel()
