"""The shape of the code: no import circles, short functions and modules, nouns as names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from workspace import ROOT, Package, packages

PACKAGES = packages()
P90_LINES = 20
MODULE_LINES = 350
OTHER_FOLDERS = ("benchmarks", "examples", "scripts")
CORE = "reverse-etl"
MOST_ONES = {CORE: 59}
each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.folder.name)


def modules(package: Package) -> dict[str, Path]:
    """The files of a package by their dotted names; `__init__` is a module like others."""
    named = {}
    for path in sorted(package.source.rglob("*.py")):
        parts = path.relative_to(package.folder).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(module: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of its package that a module imports anywhere: in functions and for types, too."""
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = absolute(node, module, is_package=path.name == "__init__.py")
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                found.add(inner if inner in known else source)
    return found & known.keys()


def absolute(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    """The module that `from … import` names, with the dots of a relative import resolved."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, node.module] if node.module else parts)


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, and those that import themselves (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for imported in sorted(edges[module]):
            if imported not in index:
                visit(imported)
                low[module] = min(low[module], low[imported])
            elif imported in stack:
                low[module] = min(low[module], index[imported])
        if low[module] == index[module]:
            at = stack.index(module)
            groups.append(sorted(stack[at:]))
            del stack[at:]

    for module in edges:
        if module not in index:
            visit(module)
    return [group for group in groups if len(group) > 1 or group[0] in edges[group[0]]]


def test_circles_are_found() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": {"e"}, "f": set()}
    assert circles(edges) == [["a", "b", "c"], ["e"]]


@each_package
def test_no_modules_import_each_other(package: Package) -> None:
    known = modules(package)
    assert circles({name: imports(name, path, known) for name, path in known.items()}) == []


def test_packages_import_only_what_is_below_them() -> None:
    """The sandbox imports no connector, the core no tap, the kit nothing."""
    below_a_target = {"canai_rules", "reverse_etl", "singer_kit"}
    allowed: dict[str, set[str]] = {
        "canai_rules": set(),
        "reverse_etl": {"singer_kit"},
        "sandbox": set(),
        "singer_kit": set(),
        "tap_canai": {"singer_kit"},
        "target_hubspot": below_a_target,
        "target_pipedrive": below_a_target,
        "target_salesforce": below_a_target,
    }
    assert allowed.keys() == {package.module for package in PACKAGES}
    for package in PACKAGES:
        for path in modules(package).values():
            roots = {name.split(".")[0] for name in imported_names(path)}
            ours = roots & allowed.keys() - {package.module}
            assert ours <= allowed[package.module], path


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


@each_package
def test_functions_are_short(package: Package) -> None:
    lengths = sorted(
        node.end_lineno - node.lineno + 1
        for path in modules(package).values()
        for node in ast.walk(parsed(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno
    )
    assert lengths[int(len(lengths) * 0.9)] <= P90_LINES


@each_package
def test_modules_are_short(package: Package) -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in modules(package).items()}
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}


def names_in(path: Path) -> Iterator[tuple[str, int]]:
    """Every use of a variable, an argument or an attribute: its name and line."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg, node.value.lineno


@pytest.mark.parametrize("folder", [*(package.folder.name for package in PACKAGES), *OTHER_FOLDERS])
def test_a_noun_is_used_instead_of_one(folder: str) -> None:
    uses = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name, line in names_in(path)
        if name == "one"
    ]
    assert len(uses) <= MOST_ONES.get(folder, 0), uses
