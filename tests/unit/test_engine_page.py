"""The engine reads as a page; one place counts; one place offers what a CRM's target imports."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path

import pytest
import reverse_etl
from reverse_etl.pipeline.engine import Engine

CORE = Path(inspect.getfile(reverse_etl)).parent
ROOT = CORE.parent.parent
MOST_LINES = 15
STAGES = ["receive", "map_block", "settle", "plan", "to_send", "open", "send", "settle", "finish"]
"""The calls of `run_block` that are stages, in the order of the table in docs/architecture.md."""
TARGETS = [
    *sorted(ROOT.glob("target-*/target_*")),
    ROOT / "examples" / "target-tiny" / "target_tiny",
]


def run_block() -> ast.FunctionDef:
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(Engine.run_block))).body
    assert isinstance(function, ast.FunctionDef)
    return function


def calls_in_order(function: ast.FunctionDef) -> list[str]:
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    return [
        call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
        for call in calls
    ]


def test_run_block_fits_on_a_page_and_names_the_stages_in_order() -> None:
    function = run_block()
    first = function.body[1]  # after the docstring
    assert function.end_lineno is not None
    assert function.end_lineno - first.lineno + 1 <= MOST_LINES
    assert [name for name in calls_in_order(function) if name in STAGES] == STAGES


def test_the_table_in_the_architecture_names_modules_in_the_order_of_run_block() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| (\d) \| (\w+) \| ([^|]+) \|", page, re.MULTILINE)
    assert [(number, stage) for number, stage, _ in rows] == [
        ("1", "extract"),
        ("2", "receive"),
        ("3", "map"),
        ("4", "plan"),
        ("5", "batch"),
        ("6", "send"),
        ("7", "settle"),
        ("8", "acknowledge"),
    ]
    for _, _, modules in rows:
        paths = re.findall(r"`([\w/]+\.py)`", modules)
        assert paths
        assert all(list(ROOT.glob(f"*/**/{path}")) for path in paths), paths


def test_only_outcomes_counts() -> None:
    """The counts are private to their module, and nothing else keeps counters."""
    private = {"_planned", "_settled", "_work", "_received"}
    wrong: list[str] = []
    for path in [*CORE.glob("pipeline/*.py"), *CORE.glob("singer/*.py")]:
        if path.name == "outcomes.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in private:
                wrong.append(f"{path.name}:{node.lineno} {node.attr}")
            if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub):
                wrong.append(f"{path.name}:{node.lineno} -=")
            if isinstance(node, ast.ImportFrom) and "Counter" in {name.name for name in node.names}:
                wrong.append(f"{path.name}:{node.lineno} Counter")
    assert wrong == []


def names_imported_by(package: Path) -> set[str]:
    names: set[str] = set()
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reverse_etl"):
                names |= {name.name for name in node.names}
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "etl"
            ):
                names.add(node.attr)
    return names


@pytest.mark.parametrize("package", TARGETS, ids=lambda path: path.name)
def test_the_public_surface_holds_whatever_a_target_imports(package: Path) -> None:
    imported = names_imported_by(package)
    assert imported
    assert imported - set(reverse_etl.__all__) == set()


def test_the_public_surface_is_complete_sorted_and_documented() -> None:
    names = reverse_etl.__all__
    assert sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name)) == names
    for name in names:
        value = getattr(reverse_etl, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), name
    assert importlib.import_module("reverse_etl.singer.cli").main is reverse_etl.main
