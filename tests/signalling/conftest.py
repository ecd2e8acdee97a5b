"""A stage of its own for every test, in virtual time: whenever everybody waits, the clock jumps to the next deadline."""

from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.signalling.stage import Stage, open_stage


def run_in_virtual_time(test: Callable[[], Awaitable[Any]], **options: Any) -> Any:
    return trio.run(test, **options | {"clock": MockClock(autojump_threshold=0)})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # pytest-trio takes a clock from a test's own arguments only; this spares each of them to name it.
    for item in items:
        if Path(__file__).parent in item.path.parents and iscoroutinefunction(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.trio(run=run_in_virtual_time), append=False)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage
