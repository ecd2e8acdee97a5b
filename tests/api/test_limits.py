"""The table of limits is complete, and it is the one in the README."""

import ast
from pathlib import Path

from api import limits

README = Path(__file__).parents[2] / "README.md"


def test_every_number_of_a_module_is_in_the_table_with_a_sentence() -> None:
    source = Path(limits.__file__).read_text(encoding="utf-8")
    numbers = {
        statement.target.id
        for statement in ast.parse(source).body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    found = {limit.name: limit for limit in limits.limits() if limit.module == "api.limits"}
    assert set(found) == numbers
    assert all(limit.meaning.endswith(".") or ";" in limit.meaning for limit in found.values())


def test_the_layers_below_are_in_the_table() -> None:
    assert {"api.limits", "signalling.limits", "sfu.limits"} <= {limit.module for limit in limits.limits()}


def test_constants_that_share_a_sentence_share_it_in_the_table() -> None:
    by_name = {limit.name: limit for limit in limits.limits()}
    assert by_name["FLOOD_REFUSALS"].meaning == by_name["FLOOD_WINDOW_S"].meaning
    assert by_name["MAX_FRAME_BYTES"].value == "1,048,576"


def test_the_readme_has_this_table() -> None:
    assert limits.table() in README.read_text(encoding="utf-8"), "python -m api.limits prints the table"
