"""Imports run one way, api > signalling > sfu > native, and the machines without I/O know no event loop and no web.

The rules are functions of a tree (path to source), so that they can be shown trees that break them. Imports are read, not
run: Python by `ast`, Cython by its import and cimport lines. An import for type checking alone counts like any other.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("native", "sfu", "signalling", "api")  # each may import those before it
NEVER_IMPORTED = ("tests", "benches")  # but by each other: tests try benches
WEB = {"quart", "quart_trio", "hypercorn"}
LOOPS = {"trio", "asyncio", "anyio"}
PURE = (
    "native/",
    "sfu/wire/",
    "sfu/ice.py",
    "sfu/dtls.py",
    "sfu/negotiation.py",
    "sfu/peer.py",
    "signalling/room/",
    "signalling/dialects/",
)
# The one module of a layer through which the layer above reaches it. Where nothing is named, all of it is open.
DOORS = {"native": {"native.limits", "native.plane"}, "sfu": {"sfu", "sfu.negotiation", "sfu.settings", "sfu.wanted"}}

CYTHON_IMPORT = re.compile(
    r"^\s*(?:c?import\s+(?P<modules>[\w., ]+)|from\s+(?P<source>[\w.]+)\s+c?import\s+(?P<names>.*))"
)

Tree = Mapping[str, str]


def test_this_tree_keeps_the_rules() -> None:
    tree = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for top in (*LAYERS, *NEVER_IMPORTED)
        for path in sorted((ROOT / top).rglob("*"))
        if path.suffix in {".py", ".pyi", ".pyx", ".pxd"}
    }
    assert {"native/plane.pyx", "sfu/engine.py", "signalling/rooms.py", "api/server.py"} <= tree.keys()
    assert list(broken(tree)) == []


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("sfu/router.py", "from signalling.rooms import Rooms", "sfu/router.py: imports signalling.rooms from above"),
        ("sfu/router.py", "import signalling", "sfu/router.py: imports signalling from above"),
        ("sfu/router.py", "def late():\n    import api.server", "sfu/router.py: imports api.server from above"),
        ("sfu/router.py", "if TYPE_CHECKING:\n    import api.server", "sfu/router.py: imports api.server from above"),
        ("sfu/router.py", "from ..signalling import rooms", "sfu/router.py: imports signalling.rooms from above"),
        ("signalling/rooms.py", "import api as web", "signalling/rooms.py: imports api from above"),
        ("native/plane.pyx", "from sfu.wire cimport rtp", "native/plane.pyx: imports sfu.wire from above"),
        ("native/loop.pxd", "    cimport sfu.fast, libc", "native/loop.pxd: imports sfu.fast from above"),
        ("native/plane.pyi", "from sfu.ice import Path", "native/plane.pyi: imports sfu.ice from above"),
        ("sfu/engine.py", "from native import loop", "sfu/engine.py: imports native.loop, which is not a door"),
        ("signalling/rooms.py", "import sfu.router", "signalling/rooms.py: imports sfu.router, which is not a door"),
        ("api/server.py", "from benches import floor", "api/server.py: imports benches.floor"),
        ("sfu/engine.py", "import tests.net", "sfu/engine.py: imports tests.net"),
        ("benches/floor.py", "from tests.net import Link", "benches/floor.py: imports tests.net"),
        ("signalling/session.py", "from quart import websocket", "signalling/session.py: imports quart outside api"),
        ("sfu/engine.py", "import hypercorn.trio", "sfu/engine.py: imports hypercorn outside api"),
        ("sfu/wire/sdp.py", "import trio", "sfu/wire/sdp.py: not pure, by way of trio"),
        ("sfu/ice.py", "from trio import Event", "sfu/ice.py: not pure, by way of trio"),
        ("signalling/room/model.py", "import trio.lowlevel", "signalling/room/model.py: not pure, by way of trio"),
        (
            "signalling/dialects/kpoint.py",
            "import asyncio",
            "signalling/dialects/kpoint.py: not pure, by way of asyncio",
        ),
        ("native/testing.pyx", "import trio", "native/testing.pyx: not pure, by way of trio"),
        (
            "signalling/room/model.py",
            "from signalling import rooms",
            "signalling/room/model.py: not pure, by way of signalling.rooms > sfu > sfu.engine > trio",
        ),
    ],
)
def test_a_tree_that_breaks_a_rule_is_told_so(path: str, source: str, complaint: str) -> None:
    """Each case replaces or adds one file of a small tree in which all is well."""
    sound = {
        "api/__init__.py": "",
        "api/server.py": "import hypercorn, quart\nfrom sfu import Engine\nfrom signalling import rooms",
        "benches/__init__.py": "",
        "benches/floor.py": "import api.server\nfrom native import loop",
        "native/__init__.py": "",
        "native/loop.pyx": "from libc.stdint cimport uint8_t",
        "sfu/__init__.py": "from sfu.engine import Engine",
        "sfu/engine.py": "import trio\nfrom native.plane import Plane\nfrom sfu import peer",
        "signalling/__init__.py": "from signalling.rooms import Rooms",
        "signalling/rooms.py": "import trio\nfrom signalling.room.model import Room\nimport sfu",
        "signalling/room/__init__.py": "",
        "signalling/room/model.py": "from signalling.room import events",
        "tests/net.py": "import trio",
    }
    assert list(broken(sound)) == []
    assert list(broken({**sound, path: source})) == [complaint]


def broken(tree: Tree) -> Iterator[str]:
    """A complaint for each import that breaks a rule."""
    imports = {path: sorted(set(imported(path, source, tree))) for path, source in tree.items()}
    for path, modules in imports.items():
        layer = path.partition("/")[0]
        for module in modules:
            top = module.partition(".")[0]
            if top in WEB and layer in LAYERS and layer != "api":
                yield f"{path}: imports {top} outside api"
            if top in NEVER_IMPORTED and top != layer and layer != "tests":
                yield f"{path}: imports {module}"
            if layer in LAYERS and top in LAYERS and top != layer:
                if LAYERS.index(top) > LAYERS.index(layer):
                    yield f"{path}: imports {module} from above"
                elif module not in DOORS.get(top, {module}):
                    yield f"{path}: imports {module}, which is not a door"
        if path.startswith(PURE) and (way := _way_to_a_loop(path, imports)):
            yield f"{path}: not pure, by way of {' > '.join(way)}"


def imported(path: str, source: str, tree: Tree) -> Iterator[str]:
    """The modules that a file imports, as far down as the tree can say what is a module."""
    names = _python_imports(path, source) if path.endswith((".py", ".pyi")) else _cython_imports(source)
    for module, name in names:
        below = f"{module}.{name}"
        yield below if name and _paths(below) & tree.keys() else module


def _python_imports(path: str, source: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=aliases):
                yield from ((alias.name, "") for alias in aliases)
            case ast.ImportFrom(module=module, names=aliases, level=level):
                package = path.split("/")[:-level] if level else []
                base = ".".join([*package, *([module] if module else [])])
                yield from ((base, alias.name) for alias in aliases)


def _cython_imports(source: str) -> Iterator[tuple[str, str]]:
    for line in source.splitlines():
        if found := CYTHON_IMPORT.match(line):
            if found["source"]:
                yield from ((found["source"], name.split()[0]) for name in re.findall(r"\w[^,()]*", found["names"]))
                if not re.search(r"\w", found["names"]):  # the names are on the lines below
                    yield found["source"], ""
            else:
                yield from ((module.split()[0], "") for module in found["modules"].split(",") if module.strip())


def _paths(module: str) -> set[str]:
    stem = module.replace(".", "/")
    return {f"{stem}{suffix}" for suffix in (".py", ".pyi", ".pyx", ".pxd", "/__init__.py")}


def _way_to_a_loop(path: str, imports: Mapping[str, list[str]], seen: frozenset[str] = frozenset()) -> list[str]:
    """Modules that lead from a file to an event loop or the web; a package's `__init__` only where it is itself named."""
    for module in imports[path]:
        top = module.partition(".")[0]
        if top in LOOPS | WEB:
            return [top]
        for below in sorted(_paths(module) & imports.keys() - seen):
            if way := _way_to_a_loop(below, imports, seen | {path, below}):
                return [module, *way]
    return []
