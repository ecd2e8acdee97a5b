"""The stage of these transcripts has KPOINT clients."""

from collections.abc import AsyncIterator

import pytest

from tests.signalling.kpoint_stage import KpointStage, open_kpoint_stage


@pytest.fixture
async def stage() -> AsyncIterator[KpointStage]:
    async with open_kpoint_stage() as stage:
        yield stage
