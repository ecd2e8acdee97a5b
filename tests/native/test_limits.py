"""The table of limits says what the data plane was compiled with."""

import re
from pathlib import Path

import pytest

from native import limits

NATIVE = Path(limits.__file__).parent
NAMES = sorted(name for name in vars(limits) if name.isupper())


def compiled(name: str) -> set[int]:
    """Every value that a Cython file of the data plane gives to an enum constant of that name."""
    found = set()
    for path in sorted([*NATIVE.glob("*.pxd"), *NATIVE.glob("*.pyx")]):
        for value in re.findall(rf"^    {name} = ([0-9_*() ]+?)(?:\s*#.*)?$", path.read_text(), re.MULTILINE):
            product = 1
            for factor in value.split("*"):
                product *= int(factor)
            found.add(product)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_limit_is_the_compiled_one(name: str) -> None:
    assert {getattr(limits, name)} == compiled(name)


def test_a_name_that_nothing_compiles_is_found_out() -> None:
    assert compiled("MAX_DREAMS") == set()
