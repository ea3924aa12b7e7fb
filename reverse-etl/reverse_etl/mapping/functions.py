"""The functions that rules name: the public functions of a module, as its `__all__` lists them.

A function is pure. Its positional parameters take the values of `from`, in order; its keyword-only
parameters are facts about the CRM account (`stage_ids`, for example), which the adapter knows. Its
return annotation gives the kind of field that `provision` creates.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from reverse_etl.errors import SettingError
from reverse_etl.values import Kind

KINDS: dict[type, Kind] = {
    str: "text",
    int: "integer",
    float: "number",
    Decimal: "number",
    bool: "boolean",
    datetime: "datetime",
    date: "date",
}
LISTS = (list, tuple, Sequence)
LIST_ENTRIES: tuple[Kind, ...] = ("text", "choice", "integer", "number")
"""The kinds of entries that a multi-select field can hold."""
LONG_TEXT = "LongText"
"""The name of a type of str; a function that returns it may give more than a short field holds."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that rules may name."""

    name: str
    call: Callable[..., Any]
    facts: tuple[str, ...]
    kind: Kind | None
    options: tuple[str, ...]
    doc: str
    long_text: bool = False
    """True if its text may be longer than a short text field holds."""


def load_functions(modules: Iterable[str]) -> dict[str, Function]:
    """The functions of modules, each named for import or as the path of a `.py` file.

    Of two functions with the same name the later one counts. Raises: SettingError.
    """
    functions: dict[str, Function] = {}
    for module_name in modules:
        module = load_module(module_name)
        for name in getattr(module, "__all__", []):
            call = getattr(module, name)
            if inspect.isfunction(call):
                functions[name] = describe(name, call)
    return functions


def load_module(name: str) -> ModuleType:
    """A module by import name or path. Raises: SettingError."""
    if name.endswith(".py"):
        return load_file(Path(name))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module exists, and something that it imports does not
        raise SettingError(
            f"The module {name} does not exist.",
            "Install it where the target runs, or correct its name in `transforms`, or in "
            "`functions` of objects.yml.",
        ) from None


def load_file(path: Path) -> ModuleType:
    """A module from a file that need not be importable by name. Raises: SettingError."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise SettingError(
            f"The file {path} does not exist.",
            "Set `transforms` to the path of a Python file or the name of a module.",
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def describe(name: str, call: Callable[..., Any]) -> Function:
    """What the core knows of a function, from its signature."""
    parameters = inspect.signature(call).parameters.values()
    facts = (
        parameter.name
        for parameter in parameters
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    )
    hint = get_type_hints(call).get("return")
    kind, options = kind_of_return(hint)
    doc = inspect.getdoc(call) or ""
    return Function(name, call, tuple(facts), kind, options, doc, LONG_TEXT in str(hint))


def kind_of_return(hint: Any) -> tuple[Kind | None, tuple[str, ...]]:
    """The kind and options that a return annotation gives; the kind is None if it gives none."""
    if get_origin(hint) in (Union, types.UnionType):
        members = [member for member in get_args(hint) if member is not type(None)]
        return kind_of_return(members[0]) if len(members) == 1 else (None, ())
    if get_origin(hint) is Literal:
        return "choice", tuple(str(option) for option in get_args(hint))
    if get_origin(hint) in LISTS:
        return kind_of_list(get_args(hint))
    if isinstance(hint, type) and issubclass(hint, str):
        return "text", ()
    return KINDS.get(hint), ()


def kind_of_list(entries: Sequence[Any]) -> tuple[Kind | None, tuple[str, ...]]:
    """The kind and options of a list by the annotation of its entries; no kind if they differ."""
    entry_hints = {hint for hint in entries if hint is not Ellipsis}
    if len(entry_hints) != 1:
        return None, ()
    kind, options = kind_of_return(entry_hints.pop())
    return ("choices", options) if kind in LIST_ENTRIES else (None, ())


def bind(function: Function, facts: Mapping[str, object]) -> Callable[..., Any]:
    """The function with the account's facts filled in.

    Raises: KeyError with the name of a fact that the CRM does not provide.
    """
    if not function.facts:
        return function.call
    call = function.call
    known = {name: facts[name] for name in function.facts}
    return lambda *values: call(*values, **known)
