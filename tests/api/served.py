"""A server process for tests: the real composition root on a fake engine.

It is forked from a process that has imported all of it already (`start` in conftest.py): that takes a second, and there are dozens
of them.
"""

import os
import sys
from collections.abc import Mapping
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import trio

from api import logs
from api.config import load
from api.server import serve
from tests.api.fakes import FakeEngine


def main(stdout: Connection, environment: Mapping[str, str], directory: Path, *, demo: bool) -> None:
    os.dup2(stdout.fileno(), sys.stdout.fileno())
    stdout.close()
    os.environ.clear()
    os.environ.update(environment)
    logs.configure()
    config = load(flags={("http", "bind"): "127.0.0.1:0"})
    trio.run(partial(serve, config, directory, engine_factory=FakeEngine, demo=demo))
