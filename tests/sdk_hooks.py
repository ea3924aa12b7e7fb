"""The hooks of singer-sdk that the project overrides: found, described, and recorded as called.

`python sdk_hooks.py FILE TARGET ARGUMENTS` runs a target in a process of its own and writes the
hooks that were called to a file.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import json
import pkgutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

PACKAGES = ("reverse_etl", "tap_canai", "target_hubspot", "target_pipedrive", "target_salesforce")


def is_sdk(kind: type) -> bool:
    """Returns True if a class is the SDK's."""
    return kind.__module__.startswith("singer_sdk")


@cache
def our_classes() -> list[type]:
    """The classes of the project that derive from one of the SDK's."""
    classes = []
    for package in PACKAGES:
        folder = importlib.import_module(package).__path__
        for info in pkgutil.walk_packages(folder, f"{package}."):
            if ".migrations." not in info.name:
                members = vars(importlib.import_module(info.name)).values()
                classes += [kind for kind in members if is_ours(kind, info.name)]
    return classes


def is_ours(kind: object, module: str) -> bool:
    """Returns True if a module defines a class that derives from one of the SDK's."""
    return (
        isinstance(kind, type) and kind.__module__ == module and any(map(is_sdk, kind.__mro__[1:]))
    )


def sdk_class(kind: type, name: str) -> type | None:
    """The SDK's class whose member ours overrides."""
    return next((base for base in kind.__mro__[1:] if name in vars(base) and is_sdk(base)), None)


def overrides() -> Iterator[tuple[type, str, type]]:
    """Our class, the member, and the SDK's class of each override."""
    for kind in our_classes():
        for name in vars(kind):
            base = sdk_class(kind, name)
            if base is not None and (name == "__init__" or not name.startswith(("__", "_abc_"))):
                yield kind, name, base


def hook_name(base: type, name: str) -> str:
    return f"{base.__name__}.{name}"


def described(base: type, name: str) -> str:
    """A member of the SDK as code of ours relies on it: its parameters, or what it is."""
    member = vars(base)[name]
    if isinstance(member, property):
        return "property"
    function = getattr(member, "__func__", member)
    if not inspect.isfunction(function):
        return "attribute"
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
    ]
    return str(inspect.Signature(parameters))


def protected_members_used() -> set[str]:
    """Protected members of the SDK that code of ours calls or reads, and does not define."""
    used = set()
    for kind in our_classes():
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        ours = {node.attr for node in names if isinstance(node.ctx, ast.Store)}
        ours |= {name for base in kind.__mro__ if not is_sdk(base) for name in vars(base)}
        for node in names:
            if node.attr.startswith("_") and not node.attr.startswith("__") and is_of_self(node):
                used |= {node.attr} - ours
    return used


def is_of_self(node: ast.Attribute) -> bool:
    """Returns True for `self.x` and `cls.x`."""
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def recorded(calls: list[str], patch: Callable[[type, str, Any], None]) -> None:
    """Let every overridden hook note its name when it is called."""
    for kind, name, base in overrides():
        member = vars(kind)[name]
        note = functools.partial(calls.append, hook_name(base, name))
        if isinstance(member, property):
            patch(kind, name, property(noting(note, member.fget)))
        elif isinstance(member, classmethod):
            patch(kind, name, classmethod(noting(note, member.__func__)))
        elif inspect.isfunction(member):
            patch(kind, name, noting(note, member))


def noting(note: Callable[[], None], function: Any) -> Any:
    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        note()
        return function(*arguments, **named)

    return call


def main(file: str, target: str, *arguments: str) -> int:
    from reverse_etl.singer import cli

    module, _, name = target.partition(":")
    calls: list[str] = []
    recorded(calls, setattr)
    code = cli.main(getattr(importlib.import_module(module), name), list(arguments))
    Path(file).write_text(json.dumps(calls))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
