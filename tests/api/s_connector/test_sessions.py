"""GET /v1/sessions and /v1/sessions/<room>: both forms, and who gets which (contract s-connector, section 5)."""

import hashlib
import re
from urllib.parse import quote

import pytest
import trio

from api import openapi
from api.version import atrium_version
from tests.api.s_connector.conftest import Api

AWKWARD = [
    "회의실",
    "🎉 party",
    "👨\u200d👩\u200d👧",
    "회의\u3000실",
    "a/b",
    "a%2Fb",
    "a b+c",
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "Room",
    "?x=1#y",
    "é",
]


# SHA-256 of trial:gsda11, by sha256sum.
SESSION_NAME = "f61518bc6f7c54738752bb41eb8d513dd93fd5b1e9dcb4dbb1742c6e04e5df26"


async def test_nothing_runs(api: Api) -> None:
    assert await api.data("/v1/sessions") == []
    assert await api.data("/v1/sessions", api.licence_key()) == []


async def test_the_detailed_sample_field_by_field(api: Api) -> None:
    api.joins("gsda11", "anna", is_admin=True)
    api.clock.goes_on(44.9)
    await api.sessions.written()  # the heartbeat
    api.joins("gsda11", "bob")
    (session,) = await api.data("/v1/sessions", api.licence_key())
    first, second = session.pop("sessionTokens")
    session_id = session.pop("sessionId")
    assert re.fullmatch("ses_[a-z0-9]{10}", session_id)
    assert session == {
        "id": "1",
        "domain": "trial",
        "roomName": "gsda11",
        "status": "OPEN",
        "createdAt": "2021-02-22T12:39:26.000Z",
        "user": 2,
    }
    token = re.fullmatch(
        r"wss://rooms.example\?sessionId=(.*)&token=tok_[a-z0-9]{16}&role=(.*)&version=(.*)", first.pop("token")
    )
    assert token is not None and token.groups() == (session_id, "MODERATOR", quote(atrium_version()))
    assert re.fullmatch("con_[a-z0-9]{10}", first.pop("connectionId"))
    assert first == {
        "id": "1",
        "sessionId": session_id,
        "sessionName": SESSION_NAME,
        "userName": "Anna",
        "role": "MODERATOR",
        "location": "Seocho-gu, South Korea",
        "platform": "Chrome 87 on Windows 10",
        "status": "active",
        "createdAt": "2021-02-22T12:39:26.000Z",
        "updatedAt": "2021-02-22T12:40:10.000Z",
    }
    assert (second["id"], second["role"], second["createdAt"]) == ("2", "PUBLISHER", "2021-02-22T12:40:10.000Z")


async def test_who_has_left_stays_as_inactive(api: Api) -> None:
    api.joins("r", "anna")
    api.joins("r", "bob")
    api.clock.goes_on(30)
    api.leaves("r", "anna")
    api.clock.goes_on(30)
    await api.sessions.written()
    (session,) = await api.data("/v1/sessions", api.licence_key())
    assert session["user"] == 1
    assert [(each["userName"], each["status"], each["updatedAt"][11:19]) for each in session["sessionTokens"]] == [
        ("Anna", "inactive", "12:39:56"),
        ("Bob", "active", "12:40:26"),
    ]


async def test_the_short_sample(api: Api) -> None:
    """WAIT while one is there, ON_GOING from two on, and back."""
    api.joins("first", "anna")
    api.clock.goes_on(1)
    api.joins("second", "carl")
    api.joins("second", "dora")
    assert await api.data("/v1/sessions") == [
        {"status": "WAIT", "user": 1, "roomName": "first"},
        {"status": "ON_GOING", "user": 2, "roomName": "second"},
    ]
    api.leaves("second", "carl")
    assert await api.data("/v1/sessions/second") == {"status": "WAIT", "user": 1, "roomName": "second"}
    api.leaves("second", "dora")
    api.empties("second")
    assert [each["roomName"] for each in await api.data("/v1/sessions")] == ["first"]


async def test_the_token_chooses_the_form_unless_the_request_does(api: Api) -> None:
    api.joins("r", "anna")
    access, key = api.access_token(), api.licence_key()
    for token, query, status in (
        (access, "", "WAIT"),
        (key, "", "OPEN"),
        (access, "?form=detail", "OPEN"),
        (key, "?form=short", "WAIT"),
    ):
        (session,) = await api.data(f"/v1/sessions{query}", token)
        assert (session["status"], session["user"], session["roomName"]) == (status, 1, "r")
        assert ("sessionTokens" in session) is (status == "OPEN")
    for query in ("?form=", "?form=SHORT", "?form=x", "?form=short&form=detail", "?form=%ff"):
        assert (await api.get(f"/v1/sessions{query}")).status_code == 400


async def test_one_session_is_short_whatever_the_token(api: Api) -> None:
    api.joins("r", "anna")
    for token in (api.access_token(), api.licence_key()):
        assert await api.data("/v1/sessions/r?form=detail", token) == {"status": "WAIT", "user": 1, "roomName": "r"}


@pytest.mark.parametrize("name", AWKWARD)
async def test_names_are_decoded_exactly(api: Api, name: str) -> None:
    api.joins(name, "anna")
    path = f"/v1/sessions/{quote(name, safe='')}"
    assert (await api.data(path))["roomName"] == name
    assert (await api.data("/v1/sessions"))[0]["roomName"] == name
    (detailed,) = await api.data("/v1/sessions", api.licence_key())
    assert detailed["sessionTokens"][0]["sessionName"] == hashlib.sha256(f"trial:{name}".encode()).hexdigest()
    answer = await api.get("/v1/sessions")
    assert answer.headers["content-type"] == "application/json"


async def test_slashes_may_be_sent_as_they_are(api: Api) -> None:
    for name in ("a/b", "x/v1/sessions/y"):
        api.joins(name, "anna")
        assert (await api.data(f"/v1/sessions/{name}"))["roomName"] == name
    assert (await api.get("/v1/sessions/y")).status_code == 404


@pytest.mark.parametrize("path", ["room", "Room ", "ROOM", "%52oo%6D%00", "%FF", "", "Room/", "Ro%ZZ"])
async def test_another_name_is_not_found(api: Api, path: str) -> None:
    api.joins("Room", "anna")
    assert (await api.get(f"/v1/sessions/{path}")).status_code == 404
    assert (await api.data("/v1/sessions/%52oom"))["roomName"] == "Room"


async def test_rooms_of_other_licences_are_not_to_be_seen(api: Api) -> None:
    other, _ = api.add("other")
    api.joins("theirs", "zoe", licence=other)
    api.joins("both", "zoe", licence=other)
    api.joins("both", "anna")
    api.joins("both", "bob")
    assert await api.data("/v1/sessions") == [{"status": "ON_GOING", "user": 2, "roomName": "both"}]
    assert (await api.get("/v1/sessions/theirs")).status_code == 404
    assert (await api.data("/v1/sessions/both", api.access_token(other)))["user"] == 1


async def test_what_was_put_into_words_is_not_told_once_it_has_changed(api: Api) -> None:
    key = api.licence_key()

    async def told() -> tuple[list[int], list[tuple[str, str]]]:
        (detailed,) = await api.data("/v1/sessions", key)
        of_short = [each["user"] for each in await api.data("/v1/sessions")]
        return of_short, [(each["status"], each["updatedAt"][11:19]) for each in detailed["sessionTokens"]]

    api.joins("r", "anna")
    assert await told() == ([1], [("active", "12:39:26")])
    assert await told() == ([1], [("active", "12:39:26")])
    api.clock.goes_on(4)
    await api.sessions.written()
    assert await told() == ([1], [("active", "12:39:30")])
    api.joins("r", "bob")
    assert await told() == ([2], [("active", "12:39:30"), ("active", "12:39:30")])
    api.leaves("r", "anna")
    assert await told() == ([1], [("inactive", "12:39:30"), ("active", "12:39:30")])
    api.enable(False)
    assert (await api.get("/v1/sessions", key)).status_code == 403


async def test_the_description_has_the_same_fields(api: Api) -> None:
    api.joins("r", "anna")
    (detailed,) = await api.data("/v1/sessions", api.licence_key())
    (short,) = await api.data("/v1/sessions")
    (usage,) = (await api.data("/v1/static?startTime=2021-02-22"))["detail"]
    for name, told in (
        ("DetailedSession", detailed),
        ("SessionToken", detailed["sessionTokens"][0]),
        ("ShortSession", short),
        ("Usage", await api.data("/v1/static?startTime=2021-02-22")),
        ("UsedSession", usage),
        ("LicenceInfo", await api.data("/v1/info")),
    ):
        assert set(told) == set(openapi.SCHEMAS[name]["properties"]) == set(openapi.SCHEMAS[name]["required"]), name


async def test_the_host_of_the_request_is_that_of_the_token(api: Api) -> None:
    """And what was put into words for one is not told another."""
    api.joins("r", "anna")
    for host in ("a.example", "b.example:8443"):
        (session,) = await api.data("/v1/sessions?form=detail", None, host=host)
        assert session["sessionTokens"][0]["token"].startswith(f"wss://{host}?sessionId=")


async def test_a_change_is_told_while_all_else_stays(api: Api) -> None:
    for number in range(60):
        api.joins(f"r{number}", "anna")
    before = await api.data("/v1/sessions", api.licence_key())
    api.joins("r7", "bob")
    api.empties("r8")
    after = await api.data("/v1/sessions", api.licence_key())
    assert [each["user"] for each in after] == [2 if each["roomName"] == "r7" else 1 for each in after]
    kept = [each for each in after if each["roomName"] != "r7"]
    assert kept == [each for each in before if each["roomName"] not in ("r7", "r8")]


async def test_others_have_their_turns_while_much_is_put_into_words(api: Api) -> None:
    for number in range(300):
        api.joins(f"r{number}", "anna")
    turns, rooms = 0, 300

    async def takes_turns() -> None:
        nonlocal turns, rooms
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1
            if turns == 3:
                api.empties("r299")
                rooms -= 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(takes_turns)
        told = await api.data("/v1/sessions", api.licence_key())
        nursery.cancel_scope.cancel()
    assert turns >= 10
    assert len(told) == rooms == 299
    assert len(await api.data("/v1/sessions", api.licence_key())) == 299
