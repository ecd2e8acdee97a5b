"""The house is as its description says: what lies at the top, what builds it, and which commands it answers to."""

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP_LEVEL = {
    *("native", "sfu", "signalling", "api", "benches", "tests"),
    *("setup.cfg", "setup.py", "pyproject.toml", "Makefile", ".ci", ".gitignore"),
    *("README.md", "CHANGELOG.md", "LICENSE", "atrium.sample.toml"),
}


def test_the_top_level_has_nothing_but_what_it_is_meant_to_have() -> None:
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()]
    found = {path.name for path in ROOT.iterdir()} - {".git"}
    assert {name for name in found if not any(fnmatch(name, pattern) for pattern in ignored)} == TOP_LEVEL


def test_the_readme_tells_of_every_target_of_make() -> None:
    (targets,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"run", "build", "test", "test-quick", "bench"} <= set(targets.split())
    assert [target for target in targets.split() if f"`make {target}`" not in readme] == []


def test_the_reading_tours_lead_past_files_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:native|sfu|signalling|api|benches|tests)/[\w./]*)`", readme))
    assert {"native/plane.pyx", "sfu/engine.py", "signalling/session.py", "api/server.py"} <= named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_pyproject_holds_build_requirements_only() -> None:
    assert re.findall(r"^\[(.*)\]$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE) == [
        "build-system"
    ]


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        pytest.param(
            "cdef void tick(int n) nogil:\n    pass\n",
            "Exception check on 'tick' will always require the GIL",
            id="a void function that may raise",
        ),
        pytest.param(
            "cdef extern from 'x.h':\n    int tick(int) except * nogil\n\ndef go():\n    with nogil:\n        tick(1)\n",
            "Exception check after calling 'tick' will always require the GIL",
            id="a call that has to look for an exception",
        ),
        pytest.param(
            "def first(int[:] row, at):\n    return row[at]\n", "Index should be typed", id="an untyped index"
        ),
    ],
)
def test_a_performance_hint_fails_the_build_each_time(tmp_path: Path, source: str, hint: str) -> None:
    """Each time: the C file of a failed build must not make the next one think that all is up to date."""
    module = _a_tree_of_one_module(tmp_path, source)
    for _ in range(2):
        built = _translate(tmp_path)
        assert built.returncode != 0
        assert f"{module}" in built.stderr
        assert hint in built.stderr


def test_a_module_without_hints_builds(tmp_path: Path) -> None:
    _a_tree_of_one_module(tmp_path, "cdef void tick(int n) noexcept nogil:\n    pass\n")
    built = _translate(tmp_path)
    assert (built.returncode, built.stderr) == (0, "")


def _a_tree_of_one_module(top: Path, source: str) -> Path:
    """`setup.py` builds those of its modules that are there."""
    shutil.copy(ROOT / "setup.py", top)
    module = top / "native" / "ring.pyx"
    module.parent.mkdir()
    (module.parent / "__init__.py").touch()
    module.write_text(source, encoding="utf-8")
    return module


def _translate(top: Path) -> subprocess.CompletedProcess[str]:
    """To C, which is where hints come from; asking for the version then compiles nothing."""
    command = [sys.executable, "setup.py", "--version"]
    return subprocess.run(command, cwd=top, capture_output=True, text=True, timeout=60, check=False)
