"""Foreign values (TOML, JSON) into attrs classes: exact types, no unknown keys, errors that name the place.

cattrs alone would make "5" of 5, True of "yes" and a tuple of letters of a string. A value that came from outside is
what its author wrote or it is an error; the only widening is int to float.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

T = TypeVar("T")


class Misshapen(ValueError):
    """A value that does not have the wanted shape; `problems` has one sentence for each place."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def read(value: object, shape: type[T], where: str = "") -> T:
    """`value` as an instance of `shape`; `where` is put before every key that an error names."""
    try:
        return _converter.structure(value, shape)
    except (ClassValidationError, IterableValidationError) as error:
        raise Misshapen(_problems(error, where)) from None
    except (TypeError, ValueError) as error:
        raise Misshapen([_sentence(where, str(error))]) from None


def _problems(error: BaseException, where: str) -> Iterable[str]:
    match error:
        case ClassValidationError():
            named, bare = error.group_exceptions()
            for inner, note in named:
                yield from _problems(inner, f"{where}.{note.name}" if where else note.name)
            for inner in bare:
                yield from _problems(inner, where)
        case IterableValidationError():
            listed, bare = error.group_exceptions()
            for inner, place in listed:
                yield from _problems(inner, f"{where}[{place.index}]")
            for inner in bare:
                yield from _problems(inner, where)
        case ForbiddenExtraKeysError():
            for key in sorted(error.extra_fields):
                yield _sentence(f"{where}.{key}" if where else key, "unknown key")
        case KeyError():
            yield _sentence(where, "required")
        case _:
            yield _sentence(where, str(error))


def _sentence(where: str, problem: str) -> str:
    return f"{where}: {problem}" if where else problem


def _text(value: object, _: type[str]) -> str:
    if not isinstance(value, str):
        raise TypeError("must be a string")
    # JSON can spell half a surrogate pair, which no UTF-8 can carry, and PostgreSQL stores no NUL.
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("must be text without NUL and lone surrogates")
    return value


def _flag(value: object, _: type[bool]) -> bool:
    if not isinstance(value, bool):
        raise TypeError("must be true or false")
    return value


def _whole(value: object, _: type[int]) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("must be a whole number")
    return value


def _number(value: object, _: type[float]) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise TypeError("must be a number")
    return float(value)


def _is_list(shape: Any) -> bool:
    origin: Any = get_origin(shape)
    return origin is tuple and get_args(shape)[1:] == (...,)


def _list(shape: Any) -> Any:
    of_items: Any = list[get_args(shape)[0]]  # type: ignore[misc]  # known at run time only

    def structure(value: object, _: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise TypeError("must be a list")
        return tuple(_converter.structure(list(value), of_items))

    return structure


def _is_mapping(shape: Any) -> bool:
    return get_origin(shape) is Mapping


def _mapping(shape: Any) -> Any:
    of_entries: Any = dict.__class_getitem__(get_args(shape))

    def structure(value: object, _: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError("must be a table of keys and values")
        return _converter.structure(value, of_entries)

    return structure


def _table(shape: Any) -> Any:
    fields = _converter.gen_structure_attrs_fromdict(shape)

    def structure(value: object, shape: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError("must be a table of keys and values")
        return fields(value, shape)

    return structure


_converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
_converter.register_structure_hook(str, _text)
_converter.register_structure_hook(bool, _flag)
_converter.register_structure_hook(int, _whole)
_converter.register_structure_hook(float, _number)
_converter.register_structure_hook_factory(_is_list, _list)
_converter.register_structure_hook_factory(_is_mapping, _mapping)
_converter.register_structure_hook_factory(attrs.has, _table)
