"""The JSON Schemas have addresses under the project's own, and shipped files name them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from workspace import ROOT

SCHEMAS = {"rule": "rule.schema.json", "objects": "objects.schema.json"}
FOLDER = Path("reverse-etl/reverse_etl/mapping")
SHIPPED = sorted(ROOT.glob("target-*/target_*/mappings/**/*.yml"))


def address(name: str) -> str:
    schema = json.loads((ROOT / FOLDER / SCHEMAS[name]).read_text())
    return str(schema["$id"])


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_where_its_address_says(name: str) -> None:
    project = tomllib.loads((ROOT / "reverse-etl/pyproject.toml").read_text())["project"]
    home = project["urls"]["Homepage"]
    assert address(name) == f"{home}/raw/main/{(FOLDER / SCHEMAS[name]).as_posix()}"


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: f"{file.parts[-3]}/{file.name}")
def test_every_shipped_file_names_its_schema_in_the_first_line(file: Path) -> None:
    name = "objects" if file.name == "objects.yml" else "rule"
    first = file.read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={address(name)}"
