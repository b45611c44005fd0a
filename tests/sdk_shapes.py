"""Whether a body has the shape that the official SDK types give it: no missing key, no unknown key, no wrong type."""

import collections.abc
import types
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin

from typing_extensions import get_type_hints, is_typeddict


def misfit(value: Any, shape: Any, where: str = "body") -> str | None:
    """The first place at which `value` is not of `shape` (a TypedDict, or what stands in one); None when it fits."""
    origin = get_origin(shape)
    if shape in (Any, object):
        return None
    if shape is None or shape is type(None):
        return None if value is None else f"{where}: not null"
    if origin in (Required, NotRequired) or getattr(origin, "__name__", "") == "Annotated":
        return misfit(value, get_args(shape)[0], where)
    if origin in (Union, types.UnionType):
        problems = [misfit(value, option, where) for option in get_args(shape)]
        return None if None in problems else max(problems, key=len)  # the longest went deepest
    if origin is Literal:
        return None if value in get_args(shape) else f"{where}: {value!r} is none of {get_args(shape)}"
    if origin in (list, collections.abc.Iterable):
        if not isinstance(value, list):
            return f"{where}: not a list"
        found = (misfit(item, get_args(shape)[0], f"{where}[{i}]") for i, item in enumerate(value))
        return next((problem for problem in found if problem), None)
    if origin is dict:
        return None if isinstance(value, dict) else f"{where}: not an object"
    if is_typeddict(shape):
        return _typed_dict(value, shape, where)
    if shape is float:
        return (
            None if isinstance(value, int | float) and not isinstance(value, bool) else f"{where}: no number"
        )
    if isinstance(shape, type):
        exact = isinstance(value, shape) and not (shape is int and isinstance(value, bool))
        return None if exact else f"{where}: not {shape.__name__}"
    raise AssertionError(f"the checker does not know {shape!r}")


def _typed_dict(value: Any, shape: Any, where: str) -> str | None:
    if not isinstance(value, dict):
        return f"{where}: not an object"
    hints = get_type_hints(shape, include_extras=True)
    required = {key for key, hint in hints.items() if get_origin(hint) is Required}
    if missing := sorted(required - set(value)):
        return f"{where}: lacks {missing}"
    if unknown := sorted(set(value) - set(hints)):
        return f"{where}: has {unknown}"
    found = (misfit(value[key], hints[key], f"{where}.{key}") for key in value)
    return next((problem for problem in found if problem), None)
