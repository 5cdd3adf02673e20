"""Arguments: what a verb is given is held to its annotations, so that a mistake is one sentence."""

from __future__ import annotations

import builtins
import inspect
import os
import types
import typing
from collections import abc
from collections.abc import Callable, Mapping
from functools import cache, wraps
from numbers import Real
from typing import Any, Literal, ParamSpec, SupportsIndex, TypeVar, Union

from toolkit.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")
_MANY = (abc.Iterable, abc.Sequence, abc.Collection)
_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    os.PathLike: "a path",
    types.NoneType: "None",
}
_OTHERS = {"Image": "a Pillow image", "ndarray": "an array"}  # classes that are not imported here


def checked(verb: Callable[P, R]) -> Callable[P, R]:
    """Have a function raise UsageError where an argument is not of the kind it is annotated with.

    What an annotation leaves open (``Any``, arrays, callables) is not looked at. Numbers of NumPy
    are numbers; an iterator is read once and passed on as a tuple.

    >>> @checked
    ... def verb(backbone: str, *, folds: int = 5) -> str:
    ...     return backbone * folds
    >>> verb("x", folds=None)
    Traceback (most recent call last):
    toolkit.errors.UsageError: folds: expected a whole number, found None
    """
    signature = inspect.signature(verb)

    @wraps(verb)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)  # what is missing or unknown is Python's to say
        hints = _hints(verb)
        for name, value in bound.arguments.items():
            kind = signature.parameters[name].kind
            if kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
                bound.arguments[name] = _checked(name, value, hints.get(name, Any))
        return verb(*bound.args, **bound.kwargs)

    return called


def _checked(name: str, value: Any, hint: Any) -> Any:
    if isinstance(value, abc.Iterator):
        value = tuple(value)
    if not _fits(value, hint):
        shown = repr(value)
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        raise UsageError(f"{name}: expected {_said(hint)}, found {shown}")
    return value


@cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return what annotations mean; names that only type checkers import mean anything."""
    names = _Names(vars(inspect.getmodule(function)))
    return inspect.get_annotations(function, globals={}, locals=names, eval_str=True)


class _Names(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            return getattr(builtins, name)
        return _Unknown()


class _Unknown:
    """Stands for a name that is not there, and whatever is made of it."""

    def __getattr__(self, name: str) -> _Unknown:
        return self

    def __getitem__(self, item: Any) -> _Unknown:
        return self

    def __or__(self, other: Any) -> Any:
        return Any

    __ror__ = __or__


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in inner)
    if origin is Literal:
        return any(type(value) is type(each) for each in inner)
    if origin in _MANY:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, abc.Iterable):
            return False
        return all(_fits(each, inner[0]) for each in value)
    kind = origin or hint
    if kind in (None, types.NoneType):
        return value is None
    if kind is int:
        whole = isinstance(value, SupportsIndex) and not _is_bool(value)
        return whole and getattr(value, "ndim", 0) == 0
    if kind is float:
        return isinstance(value, Real) and not _is_bool(value)
    if kind is bool:
        return _is_bool(value)
    if kind is abc.Callable:
        return callable(value)
    if kind in (str, os.PathLike, abc.Mapping, dict):
        return isinstance(value, kind)
    # what is no class, or only a protocol, checks its own
    plain = isinstance(kind, type) and kind is not Any and not getattr(kind, "_is_protocol", False)
    return not plain or isinstance(value, kind)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def _said(hint: Any) -> str:
    """Say in words what is expected, each way once.

    >>> _said(str | abc.Iterable[str] | None)
    'text, several of these or None'
    """
    each = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else [hint]
    words = list(dict.fromkeys(_word(one) for one in each))
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _word(hint: Any) -> str:
    origin = typing.get_origin(hint) or hint
    if origin in _MANY:
        return "several of these"
    if origin in (abc.Mapping, dict):
        return "a dictionary"
    if origin is Literal:
        return " or ".join(map(repr, typing.get_args(hint)))
    kind = getattr(origin, "__name__", "value")
    article = "an" if kind[0] in "AEIOUaeiou" else "a"
    name: str = _WORDS.get(origin) or _OTHERS.get(kind) or f"{article} {kind}"
    return name
