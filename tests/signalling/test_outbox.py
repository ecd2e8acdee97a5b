"""What waits for one socket, and what gives way when it is full."""

from signalling.limits import OUTBOX_CHARS, OUTBOX_MESSAGES, WRITE_CHARS
from signalling.outbox import Close, Outbox


async def drain(outbox: Outbox, count: int) -> list[str]:
    texts: list[str] = []
    while len(texts) < count:
        messages = await outbox.take()
        assert isinstance(messages, list)
        texts += [message.text for message in messages]
    return texts


def full(closed: list[str], droppable: tuple[int, ...]) -> Outbox:
    outbox = Outbox(lambda: closed.append("closed"))
    for number in range(OUTBOX_MESSAGES):
        outbox.put(str(number), droppable=number in droppable)
    return outbox


async def test_levels_and_rates_give_way_oldest_first() -> None:
    closed: list[str] = []
    outbox = full(closed, droppable=(5, 900))
    outbox.put("a")
    outbox.put("b")
    assert closed == []
    texts = [str(number) for number in range(OUTBOX_MESSAGES) if number not in (5, 900)]
    assert [*texts, "a", "b"] == await drain(outbox, OUTBOX_MESSAGES)


async def test_a_level_never_displaces_anything() -> None:
    closed: list[str] = []
    outbox = full(closed, droppable=(5,))
    outbox.put("level", droppable=True)
    assert closed == []
    assert [str(number) for number in range(OUTBOX_MESSAGES)] == await drain(outbox, OUTBOX_MESSAGES)


async def test_when_nothing_can_give_way_it_is_the_end() -> None:
    closed: list[str] = []
    outbox = full(closed, droppable=(5,))
    outbox.put("a")
    outbox.put("b")
    outbox.put("c")
    assert closed == ["closed"]
    assert Close(4008, "too slow") == await outbox.take()


async def test_closing_says_first_what_is_left_to_say() -> None:
    outbox = Outbox(lambda: None)
    outbox.put("a")
    outbox.close(1012, "enough")
    outbox.close(4008, "the first reason counts")
    outbox.put("b")
    assert ["a"] == await drain(outbox, 1)
    assert Close(1012, "enough") == await outbox.take()


async def test_what_has_gathered_leaves_in_one_go() -> None:
    outbox = Outbox(lambda: None)
    half, long = "x" * (WRITE_CHARS // 2), "x" * (2 * WRITE_CHARS)
    for text in ("a", half, half, "b", long, "c"):
        outbox.put(text)
    writes = []
    for _ in range(3):
        messages = await outbox.take()
        assert isinstance(messages, list)
        writes.append([message.text for message in messages])
    assert [["a", half, half], ["b", long], ["c"]] == writes


async def test_a_level_that_has_left_makes_no_room() -> None:
    closed: list[str] = []
    outbox = full(closed, droppable=(0,))
    await outbox.take()
    for number in range(OUTBOX_MESSAGES + 1):
        outbox.put(str(number))
    assert closed == ["closed"]
    assert Close(4008, "too slow") == await outbox.take()


async def test_what_waits_is_bounded_by_its_length_too() -> None:
    closed: list[str] = []
    outbox = Outbox(lambda: closed.append("closed"))
    picture = "x" * (OUTBOX_CHARS // 4)
    outbox.put(picture * 5)  # one alone, however long
    assert [picture * 5] == await drain(outbox, 1)
    for _ in range(4):
        outbox.put(picture)
    assert closed == []
    outbox.put("one more")
    assert closed == ["closed"]
    assert Close(4008, "too slow") == await outbox.take()


async def test_what_has_been_taken_makes_room() -> None:
    closed: list[str] = []
    outbox = Outbox(lambda: closed.append("closed"))
    picture = "x" * (OUTBOX_CHARS // 4)
    for _ in range(20):
        outbox.put(picture)
        assert [picture] == await drain(outbox, 1)
    outbox.put("level", droppable=True)
    for _ in range(4):
        outbox.put(picture)
    assert [picture] * 4 == await drain(outbox, 4)  # the level gave way
    assert closed == []
