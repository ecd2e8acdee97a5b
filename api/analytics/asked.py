"""What a handler of a request is told."""

from collections.abc import AsyncGenerator, Awaitable, Callable

import attrs

from api.analytics.fields import Body
from api.plain import Request


@attrs.frozen
class Asked:
    request: Request
    body: Body
    """Empty, unless the method has one."""
    id: str
    """The UUID in the path; empty, if it has none."""
    size: int = 0
    """Of the body, in bytes."""


@attrs.frozen
class Streamed:
    """An answer that is sent as it is read."""

    type: str
    file_name: str
    pieces: AsyncGenerator[bytes, None]


Handler = Callable[[Asked], Awaitable[object]]
"""Returns the JSON value of the answer, or Streamed; raises Fault."""
