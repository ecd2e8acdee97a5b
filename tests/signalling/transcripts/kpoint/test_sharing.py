"""The one thing that a room looks at together, and what is drawn on it (contract kpoint, sections 8 and 11)."""

import pytest

from tests.signalling.kpoint_stage import KpointStage

TRIO = """
        ann  opens den
        ann  enters den
        ben  enters den
        cleo enters den
        """
SHARES = {
    "a screen": TRIO
    + """
        ben  -> screen
        ben  <- ok
        ann  <- screen user=ben
        cleo <- screen user=ben
        ben  -> shareStop
        ben  <- ok
        ann  <- shareStop user=ben
        cleo <- shareStop user=ben
        """,
    "a whiteboard": TRIO
    + """
        ben  -> whiteboard
        ben  <- ok
        ann  <- whiteboard user=ben
        cleo <- whiteboard user=ben
        dan  registers
        dan  -> joinRoom
        dan  <- ok share=whiteboard:ben ...
        ann  <- join user=dan
        ben  <- join user=dan
        cleo <- join user=dan
        """,
    "a document, page by page": TRIO
    + """
        ben  -> document
        ben  <- ok
        ann  <- document user=ben
        cleo <- document user=ben
        ben  -> documentShare img=https://example.org/1.png
        ben  <- ok
        ann  <- documentShare user=ben img=https://example.org/1.png
        cleo <- documentShare user=ben img=https://example.org/1.png
        ben  -> documentShare img=https://example.org/2.png
        ben  <- ok
        ann  <- documentShare user=ben img=https://example.org/2.png
        cleo <- documentShare user=ben img=https://example.org/2.png
        dan  registers
        dan  -> joinRoom
        dan  <- ok share=document:ben:https://example.org/2.png ...
        ann  <- join user=dan
        ben  <- join user=dan
        cleo <- join user=dan
        ben  -> shareStop
        ben  <- ok
        ann  <- shareStop user=ben
        cleo <- shareStop user=ben
        dan  <- shareStop user=ben
        eve  registers
        eve  -> joinRoom
        eve  <- ok roomId=den title= createdAt=?then media=true isRecording=false talkingNoty=false fileServerUrl= \
                host=ann+host members=ann+host,ben,cleo,dan,eve
        ann  <- join user=eve
        ben  <- join user=eve
        cleo <- join user=eve
        dan  <- join user=eve
        """,
    "one at a time": TRIO
    + """
        ben  -> screen
        ben  <- ok
        ann  <- screen user=ben
        cleo <- screen user=ben
        cleo -> screen
        cleo <- 440
        cleo -> whiteboard
        cleo <- 440
        ann  -> document                # its host may do no more here
        ann  <- 440
        ben  -> screen                  # nor who shares already
        ben  <- 440
        ben  -> whiteboard
        ben  <- 440
        ben  -> shareStop
        ben  <- ok
        ann  <- shareStop user=ben
        cleo <- shareStop user=ben
        cleo -> whiteboard
        cleo <- ok
        ann  <- whiteboard user=cleo
        ben  <- whiteboard user=cleo
        """,
    "in a P2P room": """
        ann  opens den p2p
        ann  enters den
        ben  enters den
        ben  -> document
        ben  <- ok
        ann  <- document user=ben
        ben  -> drawing tool=pen
        ben  <- ok
        ann  <- drawing user=ben tool=pen
        """,
    "pages need a document of one's own": TRIO
    + """
        ben  -> documentShare img=1
        ben  <- 422
        ben  -> documentShare img=https://example.org/1.png
        ben  <- 413
        ben  -> whiteboard
        ben  <- ok
        ann  <- whiteboard user=ben
        cleo <- whiteboard user=ben
        ben  -> documentShare img=https://example.org/1.png
        ben  <- 413
        ben  -> shareStop
        ben  <- ok
        ann  <- shareStop user=ben
        cleo <- shareStop user=ben
        cleo -> document
        cleo <- ok
        ann  <- document user=cleo
        ben  <- document user=cleo
        ben  -> documentShare img=https://example.org/1.png
        ben  <- 413
        ann  -> documentShare img=https://example.org/1.png
        ann  <- 413
        cleo -> documentShare
        cleo <- 421
        """,
    "by whom it ends": TRIO
    + """
        ben  -> shareStop
        ben  <- 403
        ben  -> screen
        ben  <- ok
        ann  <- screen user=ben
        cleo <- screen user=ben
        cleo -> shareStop
        cleo <- 413
        ann  -> shareStop               # its host may; told is whose share it was
        ann  <- ok
        ben  <- shareStop user=ben
        cleo <- shareStop user=ben
        ben  -> shareStop
        ben  <- 403
        """,
    "by its host from outside": """
        ann  opens den
        ben  enters den
        ben  publishes screen
        ann  -> shareStop
        ann  <- ok
        ben  <- shareStop user=ben
        media holds
        """,
    "it ends before its owner leaves": TRIO
    + """
        ben  -> whiteboard
        ben  <- ok
        ann  <- whiteboard user=ben
        cleo <- whiteboard user=ben
        ben  -> leaveRoom
        ben  <- ok
        ann  <- shareStop user=ben
        ann  <- leave user=ben
        cleo <- shareStop user=ben
        cleo <- leave user=ben
        """,
    "outside of the room": TRIO
    + """
        dan  registers
        dan  -> screen
        dan  <- 413
        dan  -> whiteboard
        dan  <- 413
        dan  -> document
        dan  <- 413
        dan  -> documentShare img=https://example.org/1.png
        dan  <- 413
        dan  -> shareStop
        dan  <- 413
        dan  -> drawing
        dan  <- 413
        dan  -> reqCanvasImage target=ann
        dan  <- 413
        dan  -> updateImage target=ann img=data:,
        dan  <- 413
        dan  -> screen roomId=attic
        dan  <- 441
        ann  -> screen -roomId
        ann  <- 421
        """,
}
DRAWING = {
    "strokes, which nobody looks into": TRIO
    + """
        ben  -> drawing 'xy={"x0":0.1,"y0":0.2,"x1":0.3,"y1":0.4}' tool=pen 'color="#00f"' strokeWidth=2 state=move
        ben  <- ok
        ann  <- drawing user=ben 'xy={"x0":0.1,"y0":0.2,"x1":0.3,"y1":0.4}' tool=pen 'color="#00f"' strokeWidth=2 \
                state=move
        cleo <- drawing user=ben 'xy={"x0":0.1,"y0":0.2,"x1":0.3,"y1":0.4}' tool=pen 'color="#00f"' strokeWidth=2 \
                state=move
        ben  -> drawing tool=textbox type=data:image/png;base64,AAAA
        ben  <- ok
        ann  <- drawing user=ben tool=textbox drawingType=data:image/png;base64,AAAA
        cleo <- drawing user=ben tool=textbox drawingType=data:image/png;base64,AAAA
        ben  -> drawing tool=clear
        ben  <- ok
        ann  <- drawing user=ben tool=clear
        cleo <- drawing user=ben tool=clear
        """,
    "of another kind": TRIO
    + """
        ben  -> drawing xy=5
        ben  <- 422
        ben  -> drawing -roomId
        ben  <- 421
        ben  -> drawing -userId
        ben  <- 421
        """,
    "the whole canvas": TRIO
    + """
        ben  -> reqCanvasImage target=ann
        ben  <- ok
        ann  <- reqCanvasImage sender=ben
        ann  -> updateImage target=ben img=data:image/png;base64,AAAA
        ann  <- ok
        ben  <- updateImage sender=ann img=data:image/png;base64,AAAA
        """,
    "whose canvas": TRIO
    + """
        dan  registers
        ben  -> reqCanvasImage
        ben  <- 421
        ben  -> reqCanvasImage target=dan
        ben  <- 410
        ben  -> reqCanvasImage target=nobody
        ben  <- 410
        ben  -> updateImage target=dan img=data:,
        ben  <- 410
        ben  -> updateImage target=ann
        ben  <- 421
        ben  -> updateImage target=ann img=5
        ben  <- 422
        """,
}
TRANSCRIPTS = SHARES | DRAWING


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)


async def test_a_large_canvas(stage: KpointStage) -> None:
    await stage.must_open("ann")
    await stage.must_enter("ann", "ben")
    image = "data:image/png;base64," + "A" * 1_000_000
    await stage.ask_kpoint("ann", "updateImage", target="ben", img=image)
    assert stage.client("ben").inbox.popleft()["img"] == image
