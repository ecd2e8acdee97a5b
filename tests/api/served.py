"""A server process for tests: the real composition root on a fake engine. `python -m tests.api.served DIR [--demo]`."""

import sys
from functools import partial
from pathlib import Path

import trio

from api import logs
from api.config import load
from api.server import serve
from tests.api.fakes import FakeEngine

if __name__ == "__main__":
    logs.configure()
    config = load(flags={("http", "bind"): "127.0.0.1:0"})
    demo = "--demo" in sys.argv
    trio.run(partial(serve, config, Path(sys.argv[1]), engine_factory=FakeEngine, demo=demo))
