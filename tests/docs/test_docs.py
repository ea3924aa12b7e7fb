"""What the documents say is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from reverse_etl.mapping.examples import check_examples
from reverse_etl.mapping.functions import load_functions
from reverse_etl.mapping.load import load_rules

from box import BIN, Box
from crms import HUBSPOT, Crm, each_crm
from support import ROOT, deliver

OPTIONS_OF_OTHERS = {
    "--environment",
    "--create-home",
    "--uid",
    "--no-cache-dir",
    "--interval",
    "--timeout",
    "--now",
}
"""Options in the receiver's documents that are not the receiver's."""
MARKDOWN = [
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", ".meltano", "node_modules"} & set(path.parts)
]
REPOSITORY = "https://github.com/canai/canai-crm"
"""The project's own address, in which its JSON Schemas have theirs."""


@pytest.mark.process
def test_generated_files_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", path.read_text()):
        if not link.startswith("http"):
            assert (path.parent / link).exists(), link


def test_the_readme_names_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        assert set(re.findall(r"make ([a-z-]+)(?=[ \n`,;])", path.read_text())) - {"the"} <= targets


@each_crm
def test_examples_in_shipped_rules_are_right(crm: Crm) -> None:
    plugin = crm.target(config={}, validate_config=False)
    rules = plugin.rules
    assert check_examples(rules, plugin.mapping.functions()) >= 3


def test_the_foreign_example_runs_as_its_readme_says(box: Box, tmp_path: Path) -> None:
    folder = ROOT / "examples" / "foreign"
    assert (
        check_examples(load_rules(folder / "rules"), load_functions([str(folder / "shop.py")])) == 2
    )
    settings = json.loads((folder / "settings.json").read_text())
    config = {name: str(ROOT / settings[name]) for name in ("mapping", "transforms")}
    result = deliver(box, HUBSPOT, folder / "customers.jsonl", tmp_path, **config)
    assert result.counts("contacts") == {"planned": 2, "created": 1, "filtered": 1}
    (contact,) = box.objects(HUBSPOT, "contacts")
    assert contact["properties"]["shop_shelf"] == "poetry 3"
    assert result.states == [{"customers": 8}]


def test_the_core_names_no_crm_and_no_source() -> None:
    """What is peculiar to a CRM or the platform belongs to adapters, rules and functions."""
    words = re.compile(r"salesforce|hubspot|pipedrive|canai|lifecycle", re.IGNORECASE)
    core = ROOT / "reverse-etl" / "reverse_etl"
    found = [
        f"{file.name}: {line}"
        for file in core.rglob("*.py")
        for line in file.read_text().splitlines()
        if words.search(line)
    ]
    found += [
        f"{file.name}: {line}"
        for file in core.rglob("*.json")
        for line in file.read_text().splitlines()
        if words.search(line.replace(REPOSITORY, ""))
    ]
    assert found == []


@pytest.mark.parametrize(
    "package", ["reverse-etl", "target-hubspot", "target-pipedrive", "target-salesforce"]
)
def test_what_is_canais_is_data_of_the_mapping(package: str) -> None:
    """Its objects, groups, folders and functions are in `mappings/`, never in the code."""
    words = re.compile(r"canai|deliverable", re.IGNORECASE)
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line}"
        for file in sorted((ROOT / package / package.replace("-", "_")).rglob("*"))
        if file.suffix in {".py", ".json", ".mako"} and "mappings" not in file.parts
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if words.search(line.replace(REPOSITORY, ""))
    ]
    assert found == []


@cache
def options_of_the_receiver() -> set[str]:
    """The options of every command of the receiver."""
    options = set()
    for subcommand in ("serve", "config", "inbox list", "inbox prune", "inbox resend"):
        command = [str(BIN / "canai-webhooks"), *subcommand.split(), "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        options |= set(re.findall(r"--[a-z][a-z-]+", done.stdout))
    return options


@pytest.mark.process
@pytest.mark.parametrize(
    "path",
    [
        "docs/real-time.md",
        "examples/webhooks/canai-webhooks.service",
        "examples/webhooks/Dockerfile",
    ],
)
def test_documents_about_the_receiver_name_options_that_exist(path: str) -> None:
    said = set(re.findall(r"(?<!\S)[`\"]?(--[a-z][a-z-]+)", (ROOT / path).read_text()))
    assert said
    assert said - OPTIONS_OF_OTHERS - options_of_the_receiver() == set()


@pytest.mark.process
def test_the_example_image_lints() -> None:
    file = ROOT / "examples" / "webhooks" / "Dockerfile"
    done = subprocess.run([BIN / "hadolint", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
