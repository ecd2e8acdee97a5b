"""What a whole server reports of its own rooms (contract analytics, section 12), with real media."""

from pathlib import Path
from typing import Any

import httpx
import trio

from tests.e2e.conftest import Running, Start
from tests.e2e.room import PATIENCE_S
from tests.e2e.scene import ANN, BOB, scene

PHASES = ["addConnection", "oniceconnectionstatechange", "dtlsConnected", "onconnectionstatechange", "firstPacket"]


async def asked(server: Running, path: str) -> Any:
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {server.key}"}) as client:
        answer = await client.get(f"{server.http}/analytics/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


async def made_app(server: Running) -> None:
    headers = {"Authorization": f"Bearer {server.key}"}
    root = f"{server.http}/analytics/v1"
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        acme = (await client.post(f"{root}/organizations", json={"name": "Acme"})).json()["data"]
        body = {"organization": acme["id"], "name": "rooms"}
        assert (await client.post(f"{root}/apps", json=body)).status_code == 200


async def until(server: Running, path: str, types: list[str]) -> list[Any]:
    """Events, once there are such of each of these types."""
    with trio.fail_after(PATIENCE_S):
        while True:
            events: list[Any] = await asked(server, path)
            if set(types) <= {each["type"] for each in events}:
                return events
            await trio.sleep(0.1)


async def test_a_room_is_a_conference_with_its_members_phases_rates_and_leaves(serve: Start, tmp_path: Path) -> None:
    async with scene(serve, tmp_path, ATRIUM_ANALYTICS_STATS_INTERVAL_MS="1000") as on:
        await made_app(on.server)
        ann, bob = await on.join(ANN), await on.join(BOB)
        (mid,) = await ann.watch("bob")
        await ann.sees(mid, bob.media)
        with trio.fail_after(PATIENCE_S):
            while not (found := await asked(on.server, f"/conferences?conference_id={on.room}")):
                await trio.sleep(0.1)
        (conference,) = found
        assert (conference["conference_name"], conference["ongoing"]) == ("demo", True)
        people = {
            each["participant_id"]: each
            for each in await asked(on.server, f"/participants?conferenceId={conference['id']}")
        }
        assert people["atrium"]["is_sfu"] and set(people) == {"ann", "bob", "atrium"}
        path = f"/conferences/{conference['id']}/events?participantId={people['bob']['id']}"
        events = await until(on.server, path, [*PHASES, "firstKeyFrame", "stats"])
        first = {type: next(each for each in events if each["type"] == type) for type in [*PHASES, "firstKeyFrame"]}
        times = [first[type]["created_at"] for type in PHASES]
        assert times == sorted(times)
        stats = next(each["data"] for each in reversed(events) if each["type"] == "stats")
        assert stats["connection"]["bytesReceived"] > 0
        assert {report["kind"] for report in stats["audio"]["inbound"]} == {"audio"}
        assert stats["video"]["inbound"][0]["packetsReceived"] > 0
        (connection,) = await asked(on.server, f"/connections?participantId={people['bob']['id']}")
        assert (connection["state"], connection["peer"]) == ("connected", people["atrium"]["id"])
        assert connection["connection_info"]["negotiations"][0]["status"] == "connected"

        await bob.socket.tell("leave_room")
        events = await until(on.server, path, ["left", "endCall"])
        assert next(each["data"] for each in events if each["type"] == "left") == {"reason": "left"}
        (session,) = await asked(on.server, f"/sessions?participantId={people['bob']['id']}")
        assert session["webrtc_sdk"] == "atrium" and session["end_time"] is not None
        (conference,) = await asked(on.server, f"/conferences?conference_id={on.room}")
        assert conference["ongoing"] and conference["participants_count"] == 2
        assert await asked(on.server, f"/issues?conferenceId={conference['id']}") == []


async def test_after_kill_9_what_was_open_is_over(serve: Start, tmp_path: Path) -> None:
    settings = {"ATRIUM_ANALYTICS_STATS_INTERVAL_MS": "1000"}
    async with scene(serve, tmp_path, **settings) as on:
        await made_app(on.server)
        await on.join(ANN)
        with trio.fail_after(PATIENCE_S):
            while (
                not (found := await asked(on.server, f"/conferences?conference_id={on.room}"))
                or not found[0]["ongoing"]
            ):
                await trio.sleep(0.1)
        on.server.popen.kill()
        await trio.to_thread.run_sync(on.server.popen.wait)
        again = await trio.to_thread.run_sync(lambda: serve(**settings))
        (conference,) = await asked(again, f"/conferences?conference_id={on.room}")
        assert not conference["ongoing"] and conference["end_time"] is not None
