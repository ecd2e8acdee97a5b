"""In which order a request is looked at, and every code that an answer may have (contract kpoint, sections 2 and 3)."""

import pytest

from tests.signalling.kpoint_stage import KpointStage

OPERATIONS = {
    # Each with all that it cannot do without, beside reqId, userId and roomId.
    "createRoom": "",
    "createVideoRoom": "",
    "joinRoom": "",
    "leaveRoom": "",
    "destroyRoom": "",
    "memberList": "",
    "editRoomInfo": "title=t",
    "permit": "target=ben chat=true",
    "kickOut": "target=ben",
    "createGroup": "",
    "endGroup": "groupId=g",
    "editUserInfo": "name=n",
    "changeName": "name=n",
    "sdp": "offer=o",
    "sdpRoom": "offer=o",
    "subscribe": "target=ben",
    "candidate": "target=ben",
    "screen": "",
    "whiteboard": "",
    "document": "",
    "documentShare": "img=https://example.org/1.png",
    "shareStop": "",
    "drawing": "",
    "reqCanvasImage": "target=ben",
    "updateImage": "target=ben img=data:,",
    "chat": "roomId=den",
    "inform": "roomId=den",
}
IN_A_ROOM = {  # those that only a member may ask for
    *("leaveRoom", "editUserInfo", "sdpRoom", "subscribe", "screen", "whiteboard", "document", "documentShare"),
    *("shareStop", "drawing", "reqCanvasImage", "updateImage", "chat", "inform"),
}
NAMES_A_ROOM = IN_A_ROOM | {
    *("joinRoom", "destroyRoom", "memberList", "editRoomInfo", "permit", "kickOut", "createGroup", "endGroup"),
}

ROOMS = """
        ann  opens den
        ann  enters den
        ben  enters den
        cleo opens pair p2p
        cleo enters pair
        dan  registers
        """
ORDER = {
    # Section 2, order of checks: of the two faults in each, the one that comes first there is told.
    "shape, before eventOp": """
        ann  says '["eventOp"]'
        ann  <- 400
        ann  says '"eventOp"'
        ann  <- 400
        ann  says 'null'
        ann  <- 400
        ann  says '{"eventOp": "register"'
        ann  <- 400
        """,
    "eventOp, before reqId": """
        ann  says '{}'
        ann  <- 421
        ann  says '{"eventOp": 5}'
        ann  <- 422
        ann  says '{"eventOp": ["register"], "reqId": 7}'
        ann  <- 422
        """,
    "the operation, before reqId": """
        ann  -> dance -reqId
        ann  <- 404
        ann  -> dance reqId=7
        ann  <- 404
        ann  -> Register
        ann  <- 404
        """,
    "reqId, before registering": """
        ann  -> joinRoom -reqId
        ann  <- 421
        ann  -> joinRoom reqId=
        ann  <- 421
        ann  -> joinRoom reqId=7
        ann  <- 422
        ann  -> register reqId=7
        ann  <- 422
        ann  -> register -reqId authKey=wrong
        ann  <- 421
        ann  -> sdp reqId=7 offer=o         # where it may be absent it is a string all the same
        ann  <- 422
        """,
    "registering, before the fields": """
        ann  -> joinRoom -roomId
        ann  <- 410
        ann  -> joinRoom roomId=7
        ann  <- 410
        """,
    "missing fields, before types": ROOMS
    + """
        ann  -> joinRoom userId=7 -roomId
        ann  <- 421
        ann  -> subscribe target=7 video=perhaps -audio
        ann  <- 421
        ann  -> joinRoom -userId
        ann  <- 421
        """,
    "types, before the user": ROOMS
    + """
        ann  -> joinRoom userId=ben roomId=7
        ann  <- 422
        ann  -> joinRoom userId=7
        ann  <- 422
        """,
    "the user, before the room": ROOMS
    + """
        ann  -> joinRoom userId=ben roomId=attic
        ann  <- 412
        """,
    "the room, before the members": ROOMS
    + """
        dan  -> leaveRoom roomId=attic
        dan  <- 441
        """,
    "the members, before the kind": ROOMS
    + """
        dan  -> sdpRoom roomId=pair offer=o
        dan  <- 413
        dan  -> subscribe roomId=pair target=cleo
        dan  <- 413
        """,
    "the kind, before permissions and what there is": ROOMS
    + """
        cleo -> sdpRoom roomId=pair type=screen offer=o
        cleo <- 405
        cleo -> subscribe roomId=pair target=nobody
        cleo <- 405
        cleo -> sdpRoom roomId=pair answer=a target=nobody
        cleo <- 405
        ann  -> sdp offer=o target=nobody
        ann  <- 405
        """,
    "permissions, before what there is": ROOMS
    + """
        ben  -> kickOut target=nobody
        ben  <- 413
        ben  -> permit target=nobody chat=true
        ben  <- 413
        ben  -> editRoomInfo host=nobody
        ben  <- 413
        ben  -> editRoomInfo capacity=1
        ben  <- 413
        """,
}
CODES = {
    "200": "ann -> register\n ann <- ok ...",
    "400": "ann says nonsense\n ann <- 400",
    "401": "ann -> register authKey=wrong\n ann <- 401",
    "403": "ann opens den\n ann enters den\n ann -> shareStop\n ann <- 403",
    "404": "ann -> dance\n ann <- 404",
    "405": "ann opens den\n ann enters den\n ann -> sdp offer=o\n ann <- 405",
    "409": "ann registers\n ben -> register userId=ann\n ben <- 409",
    "410": "ann -> joinRoom\n ann <- 410",
    "412": "ann registers\n ann -> joinRoom userId=ben\n ann <- 412",
    "413": "ann opens den\n ben registers\n ben -> destroyRoom\n ben <- 413",
    "421": "ann -> register -cpCode\n ann <- 421",
    "422": "ann -> register cpCode=5\n ann <- 422",
    "440": "ann opens den\n ann enters den\n ann -> screen\n ann <- ok\n ann -> screen\n ann <- 440",
    "441": "ann registers\n ann -> joinRoom\n ann <- 441",
    "442": "ann opens den\n ann enters den\n ann -> joinRoom\n ann <- 442",
    "443": "ann opens den\n ann -> createRoom\n ann <- 443",
    "444": "ann opens den capacity=1\n ann enters den\n ben registers\n ben -> joinRoom\n ben <- 444",
    "445": "licence acme becomes max_users=0\n ann -> register\n ann <- 445",
    "451": "ann opens den\n ann enters den\n ann -> subscribe target=ben\n ann <- 451",
    "500": "ann opens den\n ann enters den\n server drains 9\n ann <- draining ...\n"
    "ben -> register\n ben <- draining ...\n ben <- 500",
    "504": "look-ups take 11\n ann -> register\n wait 10.1\n ann <- 504",
    "570": 'ann opens den\n ann enters den\n ann -> sdpRoom offer="no codec"\n ann <- 570',
}
SLOW = {
    "a licence that is looked up too long": """
        look-ups take 11
        ann  -> register
        wait 10.1
        ann  <- 504
        look-ups take 9.9
        ann  -> register
        wait 10
        ann  <- ok ...
        """,
    "a room that is entered too long": """
        ann  opens den
        ann  enters den
        ben  registers
        look-ups take 11
        ben  -> joinRoom
        wait 10.1
        ben  <- 504
        ben  -> leaveRoom
        ben  <- 413
        """,
    "a room that is stored too long": """
        ann  registers
        stores take 11
        ann  -> createRoom
        wait 10.1
        ann  <- 504
        stores take 0
        ann  -> createRoom
        ann  <- ok roomId=den
        """,
}


@pytest.mark.parametrize("transcript", ORDER.values(), ids=ORDER.keys())
async def test_the_order_of_checks(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)


@pytest.mark.parametrize("transcript", CODES.values(), ids=CODES.keys())
async def test_every_code(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)


@pytest.mark.parametrize("transcript", SLOW.values(), ids=SLOW.keys())
async def test_what_takes_too_long(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)


def test_these_are_all_codes() -> None:
    """Section 3, without those that are reserved, or can never be."""
    assert " ".join(sorted(CODES)) == (
        "200 400 401 403 404 405 409 410 412 413 421 422 440 441 442 443 444 445 451 500 504 570"
    )


async def test_a_fault_of_ours(stage: KpointStage) -> None:
    stage.licences.fault = OSError("the disk is gone")
    await stage.play("ann -> register\n ann <- 500")
    stage.licences.fault = None
    await stage.play("ann -> register\n ann <- ok ...")


@pytest.mark.parametrize("op", OPERATIONS)
async def test_nothing_before_register(stage: KpointStage, op: str) -> None:
    await stage.play(f"ann -> {op} {OPERATIONS[op]}\n ann <- 410")


@pytest.mark.parametrize("op", OPERATIONS)
async def test_nobody_acts_for_somebody_else(stage: KpointStage, op: str) -> None:
    await stage.play(ROOMS)
    before = stage.state()
    await stage.play(f"ann -> {op} {OPERATIONS[op]} userId=dan\n ann <- 412")
    assert before == stage.state()


@pytest.mark.parametrize("op", OPERATIONS)
async def test_whose_user_it_is_has_to_be_said(stage: KpointStage, op: str) -> None:
    await stage.play(f"""
        ann registers
        ann -> {op} {OPERATIONS[op]} -userId
        ann <- 421
        ann -> {op} {OPERATIONS[op]} userId=
        ann <- 421
        ann -> {op} {OPERATIONS[op]} userId=7
        ann <- 422
        """)


@pytest.mark.parametrize("op", sorted(OPERATIONS.keys() - {"sdp", "drawing"}))
async def test_a_request_has_an_id(stage: KpointStage, op: str) -> None:
    await stage.play(f"""
        ann registers
        ann -> {op} {OPERATIONS[op]} -reqId
        ann <- 421
        ann -> {op} {OPERATIONS[op]} reqId=
        ann <- 421
        ann -> {op} {OPERATIONS[op]} reqId=7
        ann <- 422
        """)


@pytest.mark.parametrize("op", sorted(NAMES_A_ROOM))
async def test_a_room_that_is_not_there(stage: KpointStage, op: str) -> None:
    await stage.play(f"ann registers\n ann -> {op} {OPERATIONS[op]}\n ann <- 441")


@pytest.mark.parametrize("op", sorted(IN_A_ROOM))
async def test_a_room_that_one_is_not_in(stage: KpointStage, op: str) -> None:
    await stage.play(ROOMS)
    before = stage.state()
    await stage.play(f"dan -> {op} {OPERATIONS[op]}\n dan <- 413")
    assert before == stage.state()


@pytest.mark.parametrize("op", sorted(NAMES_A_ROOM))
async def test_lengths_of_names(stage: KpointStage, op: str) -> None:
    words = " ".join(word for word in OPERATIONS[op].split() if not word.startswith("roomId"))
    await stage.play(f"""
        ann registers
        ann -> {op} {words} roomId={"r" * 65}
        ann <- 445
        ann -> {op} {words} roomId={"r" * 64}
        ann <- 441
        """)


async def test_unknown_fields_are_ignored(stage: KpointStage) -> None:
    await stage.play("ann -> register colour=red\n ann <- ok ...\n ann -> createRoom a=1 b=null\n ann <- ok roomId=den")


async def test_an_id_may_be_repeated_and_comes_back_as_it_was(stage: KpointStage) -> None:
    await stage.must_register("ann")
    for req_id in ("1", "1", " ", "é😀", "\u2028", "x" * 1000):
        reply = await stage.ask_kpoint("ann", "memberList", reqId=req_id)
        assert (req_id, "441") == (reply["reqId"], reply["code"])
