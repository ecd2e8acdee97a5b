"""Foreign values become attrs classes exactly, or errors that name the place."""

from collections.abc import Mapping

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.shapes import Misshapen, read


@attrs.frozen
class Inner:
    number: int
    share: float = 0.5


@attrs.frozen
class Outer:
    text: str
    flag: bool = False
    maybe: str | None = None
    inners: tuple[Inner, ...] = ()
    shares: Mapping[str, float] = attrs.field(factory=dict)


def test_a_fitting_value_is_read() -> None:
    value = {"text": "x", "maybe": None, "inners": [{"number": 1, "share": 2}], "shares": {"a": 1}}
    assert read(value, Outer) == Outer("x", inners=(Inner(1, 2.0),), shares={"a": 1.0})


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ([], ["must be a table of keys and values"]),
        ({}, ["text: required"]),
        ({"text": 1}, ["text: must be a string"]),
        ({"text": "x", "flag": 1}, ["flag: must be true or false"]),
        ({"text": "x", "maybe": 1}, ["maybe: must be a string"]),
        ({"text": "x", "inners": "ab"}, ["inners: must be a list"]),
        ({"text": "x", "inners": [{"number": True}]}, ["inners[0].number: must be a whole number"]),
        ({"text": "x", "inners": [{"number": 1, "share": float("inf")}]}, ["inners[0].share: must be a number"]),
        ({"text": "x", "inners": [{"number": 1}, {}]}, ["inners[1].number: required"]),
        ({"text": "x", "shares": [1]}, ["shares: must be a table of keys and values"]),
        ({"text": "x", "shares": {"a": "1"}}, ["shares[a]: must be a number"]),
        ({"text": 1, "other": 1}, ["text: must be a string", "other: unknown key"]),
    ],
)
def test_each_problem_names_its_place(value: object, problems: list[str]) -> None:
    with pytest.raises(Misshapen) as caught:
        read(value, Outer)
    assert list(caught.value.problems) == problems


def test_the_place_of_the_whole_is_put_before() -> None:
    with pytest.raises(Misshapen, match=r"^room\.text: required$"):
        read({}, Outer, "room")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "flag", "inners", "x"]), inner)
    ),
    max_leaves=10,
)


@given(anything)
def test_whatever_comes_is_read_or_misshapen(value: object) -> None:
    try:
        result = read(value, Outer)
    except Misshapen as error:
        assert error.problems
    else:
        assert isinstance(result.text, str)
        assert isinstance(result.flag, bool)
