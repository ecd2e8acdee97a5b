"""The door: who counts as one client, and what is left of those who gave up waiting at it."""

import pytest
import trio
import trio.testing

from signalling.door import Door, source_of
from signalling.room.errors import TooMany


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "unix", False),
    ],
)
def test_a_client_is_an_ipv4_address_or_an_ipv6_network(one: str, other: str, same: bool) -> None:
    assert (source_of(one) == source_of(other)) == same


async def test_who_gives_up_waiting_leaves_nothing(autojump_clock: trio.testing.MockClock) -> None:
    door = Door(10)
    proving = trio.Event()

    async def proof() -> bool:
        await proving.wait()
        return True

    async def now() -> bool:
        return True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(door.prove, ["b"], proof)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1) as waiting:
            await door.prove(["a", "b"], now)
        assert waiting.cancelled_caught
        with trio.CancelScope() as gone:
            gone.cancel()
            await door.prove(["a", "b"], now)
        # Whose turn it is keeps its lock; nothing else is kept.
        assert list(door._turns) == ["b"]
        nursery.start_soon(door.prove, ["a", "b"], now)
        await trio.testing.wait_all_tasks_blocked()
        proving.set()
    assert not door._turns


async def test_a_proof_that_could_not_be_tried_is_no_failure(autojump_clock: trio.testing.MockClock) -> None:
    door = Door(1)

    async def busy() -> bool:
        raise TooMany("busy")

    async def right() -> bool:
        return True

    with pytest.raises(TooMany):
        await door.prove(["a"], busy)
    assert await door.prove(["a"], right)
    assert not door._turns
