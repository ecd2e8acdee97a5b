"""Chat and inform: to a room, to somebody, to both (contract kpoint, section 9)."""

import pytest

from tests.signalling.kpoint_stage import KpointStage

ROOMS = """
        ann  opens den
        ann  enters den
        ben  enters den
        cleo opens attic
        cleo enters attic
        dan  registers
        """
BOTH = {
    "to the room": ROOMS
    + """
        ann  -> {op} roomId=den
        ann  <- ok
        ben  <- {op} user=ann message=hello roomId=den
        """,
    "to somebody": ROOMS
    + """
        ann  -> {op} target=ben
        ann  <- ok
        ben  <- {op} user=ann message=hello
        """,
    "to somebody elsewhere": ROOMS
    + """
        ann  -> {op} target=cleo
        ann  <- ok
        cleo <- {op} user=ann message=hello
        ann  -> {op} target=dan
        ann  <- ok
        dan  <- {op} user=ann message=hello
        """,
    "from outside of rooms": ROOMS
    + """
        dan  -> {op} target=cleo
        dan  <- ok
        cleo <- {op} user=dan message=hello
        """,
    "to the room and to somebody in it, once": ROOMS
    + """
        ann  -> {op} roomId=den target=ben
        ann  <- ok
        ben  <- {op} user=ann message=hello roomId=den
        """,
    "to the room and to somebody elsewhere": ROOMS
    + """
        ann  -> {op} roomId=den target=cleo
        ann  <- ok
        ben  <- {op} user=ann message=hello roomId=den
        cleo <- {op} user=ann message=hello
        """,
    "where one is not": ROOMS
    + """
        ann  -> {op} roomId=attic
        ann  <- 413
        ann  -> {op} roomId=attic target=ben
        ann  <- 413
        dan  -> {op} roomId=den
        dan  <- 413
        ann  -> {op} roomId=cellar
        ann  <- 441
        """,
    "to nobody who is known": ROOMS
    + """
        zed  registers cpCode=zeta
        ann  -> {op} target=nobody
        ann  <- 410
        ann  -> {op} target=zed
        ann  <- 410
        ann  -> {op} roomId=den target=nobody
        ann  <- 410
        """,
    "types": ROOMS
    + """
        ann  -> {op} roomId=5
        ann  <- 422
        ann  -> {op} target=5
        ann  <- 422
        ann  -> {op} roomId=den -message
        ann  <- 421
        """,
}
CHAT = {
    "chat to nobody": ROOMS
    + """
        ann  -> chat
        ann  <- 421
        """,
    "chat is text": ROOMS
    + """
        ann  -> chat roomId=den message=
        ann  <- 421
        ann  -> chat roomId=den message=5
        ann  <- 422
        ann  -> chat roomId=den 'message={"a":1}'
        ann  <- 422
        ann  -> chat roomId=den message="안녕, 😀"
        ann  <- ok
        ben  <- chat user=ann message="안녕, 😀" roomId=den
        """,
}
INFORM = {
    "inform means the room that one is in": ROOMS
    + """
        ann  -> inform
        ann  <- ok
        ben  <- inform user=ann message=hello roomId=den
        dan  -> inform
        dan  <- 421
        """,
    "inform says anything": ROOMS
    + """
        ann  -> inform 'message={"draw":[1,2.5,null,{"a":"b"}]}'
        ann  <- ok
        ben  <- inform user=ann 'message={"draw":[1,2.5,null,{"a":"b"}]}' roomId=den
        ann  -> inform message=false target=ben
        ann  <- ok
        ben  <- inform user=ann message=false
        ann  -> inform message=0
        ann  <- ok
        ben  <- inform user=ann message=0 roomId=den
        """,
}
TRANSCRIPTS = (
    {f"{op} {title}": text.replace("{op}", op) for op in ("chat", "inform") for title, text in BOTH.items()}
    | CHAT
    | INFORM
)


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)


@pytest.mark.parametrize("letter", ["x", "é"])
async def test_the_longest(stage: KpointStage, letter: str) -> None:
    """64 KiB of text; of JSON, with the quotes."""
    size = len(letter.encode())
    await stage.must_open("ann")
    await stage.must_enter("ann", "ben")
    for op, longest in (("chat", letter * (65536 // size)), ("inform", letter * ((65536 - len('""')) // size))):
        assert (await stage.ask_kpoint("ann", op, roomId="den", message=longest))["code"] == "200"
        assert stage.client("ben").inbox.popleft()["message"] == longest
        assert (await stage.ask_kpoint("ann", op, roomId="den", message=longest + "x"))["code"] == "445"
    assert not stage.client("ben").inbox
