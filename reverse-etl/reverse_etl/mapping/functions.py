"""The functions that rules name: public functions of a module, found by its `__all__`.

A function is pure. Positional parameters take the values of `from`, in order; keyword-only parameters are facts of the
CRM account (`stage_ids`, say), which the adapter knows. The annotation of what it returns tells the kind of field that
`provision` makes.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from reverse_etl.errors import SettingError
from reverse_etl.values import Kind

KINDS: dict[type, Kind] = {
    str: "text", int: "integer", float: "number", Decimal: "number", bool: "boolean", datetime: "datetime", date: "date",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Function:
    """A registered function."""

    name: str
    call: Callable[..., Any]
    facts: tuple[str, ...]
    kind: Kind | None
    options: tuple[str, ...]
    doc: str
    long_text: bool = False
    """Whether its text may be longer than a short text field holds: it returns a type of str named LongText."""


def returned(hint: Any) -> tuple[Kind | None, tuple[str, ...]]:
    """Kind and options that a return annotation tells."""
    if get_origin(hint) in (Union, types.UnionType):
        parts = [one for one in get_args(hint) if one is not type(None)]
        return returned(parts[0]) if len(parts) == 1 else (None, ())
    if get_origin(hint) is Literal:
        return "choice", tuple(str(one) for one in get_args(hint))
    if isinstance(hint, type) and issubclass(hint, str):
        return "text", ()
    return KINDS.get(hint), ()


def describe(name: str, call: Callable[..., Any]) -> Function:
    """What the core knows of a function."""
    parameters = inspect.signature(call).parameters.values()
    facts = tuple(one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY)
    hint = get_type_hints(call).get("return")
    kind, options = returned(hint)
    return Function(
        name, call, facts, kind, options, inspect.getdoc(call) or "", "LongText" in str(hint)
    )


def load_functions(modules: Iterable[str]) -> dict[str, Function]:
    """Functions of modules, given by import name or as a path to a `.py` file; later ones win. Raises: SettingError."""
    found: dict[str, Function] = {}
    for name in modules:
        module = load_module(name)
        for public in getattr(module, "__all__", []):
            call = getattr(module, public)
            if inspect.isfunction(call):
                found[public] = describe(public, call)
    return found


def load_module(name: str) -> Any:
    """A module by import name or path. Raises: SettingError."""
    if name.endswith(".py"):
        path = Path(name)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if not path.is_file() or spec is None or spec.loader is None:
            raise SettingError(
                f"transforms: there is no file {name}.",
                "Give the path of a Python file or the name of a module.",
            )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise SettingError(
            f"transforms: there is no module {name}.",
            "Install it where the target runs, or give a path.",
        ) from None


def bind(function: Function, facts: Mapping[str, object]) -> Callable[..., Any]:
    """The function with the account's facts filled in. Raises: KeyError naming a fact the CRM does not have."""
    if not function.facts:
        return function.call
    given = {name: facts[name] for name in function.facts}
    call = function.call
    return lambda *values: call(*values, **given)
