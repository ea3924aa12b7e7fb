"""Whatever documents and docstrings name exists: paths, modules, classes, functions, commands.

Backticks and code blocks of Markdown files are checked, and backticks of docstrings. A vendor's
word counts as known if the code, a rule or a schema uses it: what only prose mentions is stale or
misspelt.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.metadata
import io
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspace import ROOT, packages

HERE = Path(__file__).resolve()
PACKAGES = packages()
MODULES = "|".join(package.module for package in PACKAGES)
SCRIPTS = "|".join(name for package in PACKAGES for name in package.metadata.get("scripts", {}))
UNTRACKED = {".git", ".meltano", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv", "dist"}
DATA = {".yml", ".yaml", ".json", ".jsonl", ".toml", ".j2", ".service"}
PLAIN = {"Makefile", "Dockerfile", "run", ".env.example"}
LEFT_BY_RUNS = (".meltano/", ".venv/", "dist/")

PATH = re.compile(r"(?<![\w./:<{$-])((?:\.?[\w-]+/)+[\w.*-]*)(?![\w:/<{])")
FILE = re.compile(r"(?<![\w./*:<{-])(\w[\w-]*\.(?:py|md|j2|mako))(?![\w/])")
DOTTED = re.compile(rf"(?<![\w./-])((?:{MODULES})(?:\.\w+)+)(?![\w/-])")
CAMEL = re.compile(r"(?<![\w.$-])([A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+)(?!\w)")
NOUN = re.compile(r"\A([A-Z][a-z]+)\Z")
LOWER = re.compile(r"\A([a-z]+)\Z")
SNAKE = re.compile(r"(?<![\w.$-])([a-z]+(?:_[a-z0-9]+)+)(?![\w{-])")
MEMBER = re.compile(r"(?<![\w.])([A-Z]\w+)\.([a-z_]\w*)(?!\w)")
CALL = re.compile(r"(?<![\w.])([a-z_]\w*)\(\)")
MAKE = re.compile(r"(?<![\w-])make ([a-z][a-z-]*)")
MELTANO = re.compile(r"meltano(?: --\S+)* (run|invoke)((?: [\w:-]*\w(?![\w…-]))+)")
COMMAND = re.compile(rf"(?<![\w/.:-])(?:\.venv/bin/)?({SCRIPTS})((?: [^\s|&;`\"#]+)+)")


@cache
def files() -> list[Path]:
    """Every file of the project."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(set(folders) - UNTRACKED)
        found += [Path(folder, name) for name in sorted(names)]
    return found


def code_in(document: str) -> list[str]:
    """Backticks, and fenced and indented blocks, of a Markdown text."""
    fence = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
    rest = fence.sub("", document)
    indented = re.findall(r"(?:\A|^\n)((?:^ {4}.*\n?)+)", rest, re.MULTILINE)
    return [*fence.findall(document), *indented, *re.findall(r"`([^`\n]+)`", rest)]


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Every node of a Python file."""
    return list(ast.walk(ast.parse(path.read_text())))


def python_files() -> list[Path]:
    """Every Python file but this one, which names what does not exist."""
    return [path for path in files() if path.suffix == ".py" and path != HERE]


def docstrings_in(path: Path) -> Iterator[str]:
    """Docstrings, and the strings below attributes."""
    for node in nodes(path):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.value.value


@cache
def quoted() -> list[tuple[Path, str]]:
    """Code in prose, with its file. Decisions and the change log speak of the past."""
    pieces = []
    for path in files():
        if path.suffix == ".md" and path.name != "CHANGELOG.md" and "decisions" not in path.parts:
            pieces += [(path, code) for code in code_in(path.read_text())]
    for path in python_files():
        for text in docstrings_in(path):
            pieces += [(path, " ".join(code.split())) for code in re.findall(r"`([^`]+)`", text)]
    return pieces


def named(pattern: re.Pattern[str]) -> list[tuple[Path, Any]]:
    """What a pattern finds in code in prose, with its file."""
    return [(path, name) for path, code in quoted() for name in pattern.findall(code)]


def line_of(path: Path, name: str) -> str:
    return f"{path.relative_to(ROOT)}: {name}"


@cache
def identifiers() -> set[str]:
    """Every name that Python files define or use."""
    names: set[str] = set()
    for path in python_files():
        for node in nodes(path):
            names |= {
                str(getattr(node, field))
                for field in ("id", "attr", "arg", "name")
                if getattr(node, field, None)
            }
    return names


@cache
def words() -> set[str]:
    """Every word of the code's strings (docstrings aside), of rules, schemas and settings."""
    texts = [path.read_text() for path in files() if path.suffix in DATA or path.name in PLAIN]
    for path in python_files():
        docs = set(docstrings_in(path))
        texts += [
            node.value
            for node in nodes(path)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value not in docs
        ]
    return set(re.findall(r"\w+", "\n".join(texts)))


@cache
def classes() -> dict[str, tuple[set[str], set[str]]]:
    """Each class by name: its members and its bases."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for path in python_files():
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                members = {
                    str(getattr(child, field))
                    for child in ast.walk(node)
                    for field in ("id", "attr", "name")
                    if getattr(child, field, None)
                }
                bases = {ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases}
                found[node.name] = (members, bases)
    return found


def has_member(name: str, member: str) -> bool:
    """True if a class of ours, or a base of it that is not ours, may have the member."""
    if name not in classes():
        return True
    members, bases = classes()[name]
    inherited = bases - {"object", "Protocol", "Generic"}
    return member in members or any(has_member(base, member) for base in inherited)


@cache
def exists(path: str, folder: Path) -> bool:
    """True if a path leads somewhere: from the root, the document's folder or a package."""
    places = [ROOT, folder, *(package.folder for package in PACKAGES)]
    places += [package.source for package in PACKAGES]
    return any(any(place.glob(path.rstrip("/"))) for place in places)


@cache
def folders() -> set[str]:
    """Names of folders."""
    return {part for path in files() for part in path.relative_to(ROOT).parts[:-1]}


@cache
def is_of_the_project(path: str) -> bool:
    """True if a path claims to be one of this repository's: by its first folder, or as a source."""
    ours = path.split("/")[0] in {place.relative_to(ROOT).parts[0] for place in files()}
    ours = ours or path.split("/")[0] in MODULES.split("|")
    return (ours or path.endswith((".py", ".md"))) and not path.startswith(LEFT_BY_RUNS)


def test_the_patterns_find_what_is_named() -> None:
    """A pattern that matches nothing would let every name pass."""
    indented = "    target-hubspot ledger status --config FILE\n"
    text = f"Run `make test`.\n\n{indented}\n```sh\nls docs/a.md\n```\n"
    code = code_in(text)
    assert [MAKE.findall(part) for part in code if "make" in part] == [["test"]]
    assert COMMAND.findall("\n".join(code)) == [("target-hubspot", " ledger status --config FILE")]
    assert PATH.findall("\n".join(code)) == ["docs/a.md"]
    names = "`reverse_etl.crm.adapter.Adapter` `CrmTarget.crm` `a_name()`"
    names += " `Outcome` `outcome` `spool.py`"
    assert [
        [name for part in code_in(names) for name in pattern.findall(part)]
        for pattern in (DOTTED, MEMBER, CALL, NOUN, LOWER, FILE, CAMEL, SNAKE)
    ] == [
        ["reverse_etl.crm.adapter.Adapter"],
        [("CrmTarget", "crm")],
        ["a_name"],
        ["Outcome"],
        ["outcome"],
        ["spool.py"],
        ["CrmTarget"],
        ["reverse_etl", "a_name"],
    ]
    assert help_of("target-hubspot", "ledger", "status") is not None
    assert help_of("target-hubspot", "ledger", "nothing") is None
    assert all(named(pattern) for pattern in (PATH, CAMEL, NOUN, SNAKE, COMMAND, MELTANO, MAKE))


def test_paths_lead_somewhere() -> None:
    missing = [
        line_of(path, name)
        for path, name in named(PATH)
        if is_of_the_project(name) and not exists(name, path.parent)
    ]
    assert missing == []


def test_files_named_without_a_folder_exist() -> None:
    names = {path.name for path in files()}
    assert [line_of(path, name) for path, name in named(FILE) if name not in names] == []


def test_dotted_names_can_be_imported() -> None:
    missing = []
    for path, name in named(DOTTED):
        try:
            resolve(name)
        except (ImportError, AttributeError):
            missing.append(line_of(path, name))
    assert missing == []


def resolve(name: str) -> Any:
    """A module, or what is in it. Raises: ImportError, AttributeError."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            value = getattr(value, attribute)
        return value
    raise ImportError(name)


@pytest.mark.parametrize(
    "pattern", [CAMEL, NOUN, SNAKE, LOWER], ids=["CamelCase", "Noun", "snake_case", "lower"]
)
def test_names_are_known_to_the_code(pattern: re.Pattern[str]) -> None:
    known = identifiers() | words() | {path.stem for path in files()} | folders()
    assert [line_of(path, name) for path, name in named(pattern) if name not in known] == []


def test_members_belong_to_their_class() -> None:
    missing = [
        line_of(path, f"{name}.{member}")
        for path, (name, member) in named(MEMBER)
        if not has_member(name, member)
    ]
    assert missing == []


def test_functions_exist() -> None:
    assert [line_of(path, name) for path, name in named(CALL) if name not in identifiers()] == []


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert [line_of(path, name) for path, name in named(MAKE) if name not in targets] == []


def test_meltano_runs_jobs_and_commands_that_exist() -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    plugins = [plugin for kind in project["plugins"].values() for plugin in kind]
    runs = {entry["name"] for entry in [*project["jobs"], *plugins]}
    commands = {
        f"{plugin['name']}:{command}"
        for plugin in plugins
        for command in plugin.get("commands", {})
    }
    missing = [
        line_of(path, name)
        for path, (verb, arguments) in named(MELTANO)
        for name in arguments.split()
        if name not in (runs if verb == "run" else runs | commands)
    ]
    assert missing == []


@cache
def help_of(*command: str) -> str | None:
    """The help of a command, in this process; None if there is no such command."""
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name=command[0])
    output = io.StringIO()
    arguments = [*command, "--help"]
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        patch.setattr(sys, "argv", arguments)
        try:
            code = entry.load()()
        except SystemExit as end:
            code = end.code
    return output.getvalue() if not code else None


def used_options(arguments: str) -> tuple[list[str], list[str]]:
    """Subcommands and long options of a command line."""
    parts = arguments.split()
    options = [part.split("=")[0] for part in parts if part.startswith("--")]
    subcommands = []
    for part in parts:
        if not re.fullmatch(r"[a-z][a-z-]*", part):
            break
        subcommands.append(part)
    return subcommands, options


def test_commands_and_their_options_exist() -> None:
    missing = []
    for path, (command, arguments) in named(COMMAND):
        subcommands, options = used_options(arguments)
        text = help_of(command, *subcommands)
        if text is None:
            missing.append(line_of(path, " ".join([command, *subcommands])))
            continue
        missing += [
            line_of(path, f"{command} {' '.join(subcommands)} {option}")
            for option in options
            if option not in re.findall(r"--[\w-]+", text)
        ]
    assert missing == []
