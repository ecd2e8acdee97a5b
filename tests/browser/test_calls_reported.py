"""A call between two pages, reported by each as a customer's page does it: @peermetrics/webrtc-stats and an SDK (`reporting/`) in
Chromium, to an API on another origin than the page's.

Between the browser and the API stands a wiretap, since scripts see neither preflights nor what a page says while it closes.
How the dashboard shows calls is in test_calls.py, but for what a real one alone has: both views.
"""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from tests.browser.chromium import Chromium
from tests.browser.conftest import Relay, Server
from tests.browser.member import ANNA, BOB, Guise, Member, faults
from tests.browser.test_calls import Analytics
from tests.browser.test_dashboard import TITLE, open_dashboard, shown

HERE = Path(__file__).parent
SCRIPTS = (HERE / "vendor" / "webrtc-stats" / "webrtc-stats.min.js", HERE / "reporting" / "reporter.js")
INTERVAL_MS = 1000  # of statistics, the shortest that an app may have
PATIENCE_S = 60.0

# Scripts in the page: what the API has answered to.
MEDIA_BOTH_WAYS = """(() => {
  const bodies = (path) => report.answers.filter((each) => each.path === path).map((each) => each.body);
  const stats = bodies("/stats").map((each) => each.data);
  const { audio, video, remote } = stats.at(-1);
  const arrives = [audio, video].every(({ inbound }) => inbound.some((each) => each.packetsReceived > 0));
  const isHeardOf = [remote.audio, remote.video].every(({ inbound }) => inbound.length > 0);
  return stats.length >= 3 && arrives && isHeardOf && bodies("/tracks").filter(({ event }) => event === "ontrack").length >= 2;
})()"""
CLOSED = "report.answers.some(({ body }) => body.eventName === 'onconnectionstatechange' && body.data === 'closed')"
OWN_TRACKS_ENDED = "report.answers.filter(({ path, body }) => path === '/tracks' && body.event === 'ended').length >= 2"

# A request's head, wherever it stands in what a connection carried: no body has a line end, as JSON writes them as escapes.
HEAD = re.compile(rb"(?P<method>[A-Z]+) /analytics/v1(?P<path>/\S*) HTTP/1\.1\r\n(?P<fields>(?:[^\r\n]+\r\n)*)\r\n")


@attrs.frozen
class Request:
    method: str
    path: str
    fields: Mapping[str, str]


class Wiretap(Relay):
    """A way to the server of another origin, which keeps what browsers say."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._said: list[bytearray] = []

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    def requests(self) -> list[Request]:
        found = []
        for match in (match for said in self._said for match in HEAD.finditer(said)):
            lines = (line.partition(": ") for line in match["fields"].decode("latin-1").splitlines())
            fields = {name.lower(): value for name, _, value in lines}
            found.append(Request(match["method"].decode(), match["path"].decode(), fields))
        return found

    async def _copy(self, source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope) -> None:
        said = bytearray()
        if source.socket.getsockname()[1] == self.port:
            self._said.append(said)
        try:
            while data := await source.receive_some():
                said += data
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()


@pytest.fixture
async def wiretap(server: Server, nursery: trio.Nursery) -> Wiretap:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    wiretap = Wiretap(host, int(port))
    await nursery.start(wiretap.serve)
    return wiretap


@pytest.fixture
async def analytics(server: Server) -> AsyncIterator[Analytics]:
    """The app that the server's own rooms are of, so that both views of a call are of one conference. Its statistics come often."""
    asking = Analytics(server, {})
    if not await asking.data("/apps"):
        organizations = await asking.data("/organizations")
        owner = organizations or [(await asking.ask("POST", "/organizations", {"name": "Acme"}))["data"]]
        await asking.ask("POST", "/apps", {"organization": owner[0]["id"], "name": "calls"})
    app, *_ = await asking.data("/apps")
    await asking.ask("PUT", f"/apps/{app['id']}", {"interval": INTERVAL_MS})
    yield Analytics(server, app)
    await asking.ask("PUT", f"/apps/{app['id']}", {"interval": app["interval"]})


@attrs.frozen
class Caller:
    """A member whose page reports."""

    member: Member
    id: str

    async def say(self, call: str) -> None:
        await self.member.page.evaluate(f"report.{call}")

    async def has_reported(self, condition: str) -> None:
        await self.member.page.wait_for(condition, PATIENCE_S)

    async def refused(self) -> list[dict[str, Any]]:
        """What the API did not take, of what it has answered. What a browser withholds from a page throws there."""
        return list(await self.member.page.evaluate("report.answers.filter(({ status }) => status !== 200)"))

    async def close_tab(self) -> None:
        """As a person does; without a word to the application."""
        await self.member.page.command("Page.close")


async def call(
    server: Server, chromium: Chromium, analytics: Analytics, wiretap: Wiretap, room: str
) -> tuple[Caller, Caller]:
    """Anna and Bob, who see each other and have reported that for a while."""
    members = [await _open(server, chromium, analytics, wiretap, room, guise) for guise in (ANNA, BOB)]
    callers = [Caller(member, await member.joined(PATIENCE_S)) for member in members]
    for caller in callers:
        who = ", ".join(json.dumps(each) for each in (room, caller.id, caller.member.guise.name))
        await caller.say(f"start({who})")
    anna, bob = callers
    await anna.member.wait_for_frames(bob.id, timeout_s=PATIENCE_S)
    await bob.member.wait_for_frames(anna.id, timeout_s=PATIENCE_S)
    for caller in callers:
        await caller.has_reported(MEDIA_BOTH_WAYS)
    return anna, bob


async def _open(
    server: Server, chromium: Chromium, analytics: Analytics, wiretap: Wiretap, room: str, guise: Guise
) -> Member:
    """With the browser's own camera and microphone, as webrtc-stats is to see real ones."""
    api = ", ".join(json.dumps(each) for each in (f"{wiretap.origin}/analytics/v1", analytics.app["api_key"]))
    script = guise.script(devices=False) + "\n".join(each.read_text() for each in SCRIPTS)
    page = await chromium.open(f"{server.url}/", script=f"{script}\nwindow.report = new Reporter({api});")
    # The server's own pages may not connect elsewhere. A customer's may, and this one stands for it.
    await page.command("Page.setBypassCSP", enabled=True)
    await page.go(f"{server.page(room)}?name={guise.name}&join=1")
    return Member(page, guise)


@attrs.frozen
class Told:
    """What the API tells of one caller's session."""

    session: dict[str, Any]
    connection: dict[str, Any]
    events: list[dict[str, Any]]

    @property
    def types(self) -> Counter[str]:
        return Counter(each["type"] for each in self.events)

    @property
    def snapshots(self) -> list[dict[str, Any]]:
        """Statistics of the connection, without those that are stored with a track of their own."""
        return [each["data"] for each in self.events if each["type"] == "stats" and each["track"] is None]


async def told(analytics: Analytics, conference: dict[str, Any], caller: Caller) -> Told:
    people = await analytics.data(f"/participants?conferenceId={conference['id']}")
    (person,) = [each for each in people if each["participant_id"] == caller.id]
    sessions = await analytics.reported(conference, by_server=False)
    (session,) = [each for each in sessions if each["participant"] == person["id"]]
    (connection,) = await analytics.data(f"/connections?sessionId={session['id']}")
    return Told(session, connection, await analytics.events(session))


def assert_a_whole_call(told: Told) -> None:
    """What each caller has reported, however the call came to its end."""
    assert told.session["webrtc_sdk"] == "webrtc-stats 5.9" and told.session["platform"]["browser"]["name"] == "Chrome"
    assert {each["kind"] for each in told.session["devices"]} >= {"audioinput", "videoinput"}  # by PUT /sessions
    assert told.session["end_time"] is not None

    assert told.connection["type"] in ("host", "prflx") and told.connection["end_time"] is not None
    assert told.connection["connection_info"]["negotiations"][0]["status"] in ("connected", "stable")
    assert not told.connection["connection_info"]["detected_tcp"]

    types = told.types
    assert types["addConnection"] == types["peerDetails"] == types["custom"] == 1
    assert min(types[each] for each in ("onsignalingstatechange", "onicecandidate", "onconnectionstatechange")) >= 1
    media = [each["data"] for each in told.events if each["type"] == "getUserMedia"]
    assert any(each.get("constraints") for each in media) and any(each.get("audio") for each in media)

    first, *_, last = told.snapshots
    assert first["connection"]["id"] and last["connection"]["bytesSent"] > first["connection"]["bytesSent"]
    assert any(each["packetsReceived"] > 0 for kind in ("audio", "video") for each in last[kind]["inbound"])
    assert last["remote"]["audio"]["inbound"] and last["remote"]["video"]["inbound"]
    sent = {each["data"]["kind"]: each["track"] for each in told.events if each["type"] == "stats" and each["track"]}
    came = {each["data"]["kind"]: each["track"] for each in told.events if each["type"] == "ontrack"}
    assert set(sent) == set(came) == {"audio", "video"} and len({*sent.values(), *came.values()}) == 4


def assert_connected_at_last(told: Told) -> None:
    """Chromium tells of `connecting` and `connected` within a fraction of a millisecond, so either may arrive as the younger one.
    Which one stays does not depend on that."""
    states = [each["data"] for each in told.events if each["type"] == "onconnectionstatechange"]
    assert sorted(states) == ["connected", "connecting"]
    assert told.connection["state"] == "connected"


async def assert_the_servers_view(analytics: Analytics, conference: dict[str, Any], *callers: Caller) -> None:
    """Beside it the server reports the same members of the same conference. What it tells of them belongs here."""
    people = await analytics.data(f"/participants?conferenceId={conference['id']}")
    sessions = await analytics.reported(conference, by_server=True)
    seen = {each["participant_id"] for each in people for session in sessions if session["participant"] == each["id"]}
    assert seen == {caller.id for caller in callers}
    for session in sessions:
        types = {each["type"] for each in await analytics.events(session)}
        assert {
            "joined",
            "oniceconnectionstatechange",
            "dtlsConnected",
            "firstPacket",
            "firstKeyFrame",
            "stats",
        } <= types


async def assert_no_errors(analytics: Analytics, conference: dict[str, Any]) -> None:
    issues = await analytics.data(f"/issues?conferenceId={conference['id']}")
    assert [each for each in issues if each["type"] == "error"] == [] and not conference["has_errors"]


async def test_a_call_that_its_callers_end(
    server: Server, chromium: Chromium, analytics: Analytics, wiretap: Wiretap
) -> None:
    """Anna hangs up by `endCall` alone; Bob leaves the room, so that the end of his connection is told before."""
    room = server.make_room(name="Ended by its callers")
    anna, bob = await call(server, chromium, analytics, wiretap, room)
    for caller in (anna, bob):
        await caller.say("custom({eventName: 'mute'})")
    assert await anna.member.page.evaluate("report.interval") == INTERVAL_MS  # of the app, not of the server

    await anna.say("end()")
    await bob.member.page.click("#leave")
    await bob.has_reported(f"{CLOSED} && {OWN_TRACKS_ENDED}")
    await bob.say("end()")
    for caller in (anna, bob):
        assert await caller.refused() == [] and faults(caller.member.page) == []
    conference = await analytics.conference(room)
    before = [await told(analytics, conference, caller) for caller in (anna, bob)]
    assert [each.types["endCall"] for each in before] == [1, 1]

    # What follows is too late to end anything again.
    await anna.close_tab()
    await bob.close_tab()
    conference = await analytics.conference(room, lambda found: not found["ongoing"])
    for caller, earlier in zip((anna, bob), before, strict=True):
        now = await _with(analytics, conference, caller, "beforeunload", "unload")
        assert_a_whole_call(now)
        assert (now.session["end_time"], now.connection["end_time"]) == (
            earlier.session["end_time"],
            earlier.connection["end_time"],
        )
    assert_connected_at_last(before[0])
    assert before[1].connection["state"] == "closed"
    assert conference["start_time"] and conference["end_time"] and conference["call_start"] is None
    assert conference["participants_count"] == 2 and conference["duration"] >= 1
    await assert_no_errors(analytics, conference)
    await assert_the_servers_view(analytics, conference, anna, bob)

    said = wiretap.requests()
    assert {each.fields["origin"] for each in said} == {server.url} != {wiretap.origin}
    assert {each.fields["content-type"] for each in said if each.method != "OPTIONS"} == {"text/plain;charset=UTF-8"}
    # A preflight where the method needs one, and nowhere else.
    assert {each.path for each in said if each.method == "OPTIONS"} == {"/sessions", "/tracks"}
    assert {each.path for each in said if each.method == "PUT"} == {"/sessions", "/tracks"}
    assert {each.path for each in said if each.method == "POST"} == {
        *("/initialize", "/sessions", "/events/get-user-media", "/events/browser", "/connection", "/tracks", "/stats")
    }


async def test_a_call_that_ends_with_the_tabs(
    server: Server, chromium: Chromium, analytics: Analytics, wiretap: Wiretap
) -> None:
    """Without a word to the application: `beforeunload` and `unload` come all the same, and the last of them end the call."""
    room = server.make_room(name="Ended by closing tabs")
    anna, bob = await call(server, chromium, analytics, wiretap, room)
    for caller in (anna, bob):
        await caller.say("custom({eventName: 'mute'})")
        assert await caller.refused() == [] and faults(caller.member.page) == []

    await bob.close_tab()
    conference = await analytics.conference(room)
    bobs = await _with(analytics, conference, bob, "beforeunload", "unload")
    annas = await told(analytics, conference, anna)
    assert annas.session["end_time"] is None and annas.connection["end_time"] is None
    assert (await analytics.conference(room))["ongoing"]

    await anna.close_tab()
    annas = await _with(analytics, conference, anna, "beforeunload", "unload")
    conference = await analytics.conference(room, lambda found: not found["ongoing"])
    for each in (annas, bobs):
        assert_a_whole_call(each)
        assert each.types["beforeunload"] == each.types["unload"] == 1 and each.types["endCall"] == 0
        assert_connected_at_last(each)
    assert conference["end_time"] and conference["call_start"] is None and conference["participants_count"] == 2
    await assert_no_errors(analytics, conference)
    await assert_the_servers_view(analytics, conference, anna, bob)


async def test_the_dashboard_shows_both_views(
    server: Server, chromium: Chromium, analytics: Analytics, wiretap: Wiretap
) -> None:
    room = server.make_room(name="Shown by both")
    anna, bob = await call(server, chromium, analytics, wiretap, room)
    await anna.say("end()")
    await anna.close_tab()
    await bob.close_tab()
    conference = await analytics.conference(room, lambda found: not found["ongoing"])
    page = await open_dashboard(chromium, server.url, server.key, f"#/calls/conferences/{conference['id']}")
    await shown(page, TITLE, "^Shown by both$")
    lanes = "[...document.querySelectorAll('.lane .whose')].map((one) => one.textContent).filter(Boolean).join(' ')"
    assert sorted((await shown(page, lanes, "Anna")).split()) == [
        "Annabrowser",
        "Annaserver",
        "Bobbrowser",
        "Bobserver",
    ]
    await page.wait_for("document.querySelectorAll('.lane .dot').length > 10")
    last = "[...document.querySelectorAll('.lane .way')].map((one) => [...one.querySelectorAll('.span')].at(-1)?.className)"
    assert [*filter(None, await page.evaluate(last))] == ["span up"] * 4
    await page.wait_for("document.querySelectorAll('.lines canvas').length >= 5", PATIENCE_S)
    legend = "document.querySelector('.lines[aria-label={}] .legend').textContent"
    await shown(page, legend.format('"Bit rate"'), "browser receives.*browser sends")
    await shown(page, legend.format("Jitter"), "browser receives.*server receives")
    assert faults(page) == []


async def _with(analytics: Analytics, conference: dict[str, Any], caller: Caller, *types: str) -> Told:
    """What is told of a caller once events of these types are there, which the page could not wait for."""
    with trio.fail_after(PATIENCE_S):
        while True:
            found = await told(analytics, conference, caller)
            if all(found.types[each] for each in types):
                return found
            await trio.sleep(0.1)
