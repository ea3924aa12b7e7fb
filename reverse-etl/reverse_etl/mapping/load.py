"""Rules from YAML files, and the first ring of checks: the shape of a rule.

A folder of `*.yml`, one rule per file → `Rule`s. An unknown word is an error that names file,
line and the nearest known word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from reverse_etl.errors import MappingError
from reverse_etl.mapping.fields import Place, build_field
from reverse_etl.mapping.link_rules import build_links, build_owner
from reverse_etl.mapping.rules import AttachRule, Example, Rule
from reverse_etl.mapping.yaml_files import Lines, load_yaml

SHIPPED = "shipped"
"""The word of the setting `mapping` for the rules that a target ships."""
OPTIONAL = "optional/"
"""How the setting `mapping` names one of a target's optional rules: `optional/payments.deal`."""
OBJECTS_FILE = "objects.yml"
"""The file of a mapping folder that is not a rule."""
SCHEMA_FILE = Path(__file__).with_name("rule.schema.json")


@cache
def schema() -> dict[str, Any]:
    """The published JSON Schema of a rule."""
    loaded: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return loaded


# Files


def named_rules(name: str, shipped: Path) -> list[Rule]:
    """The rules for a name in the setting `mapping`: `shipped`, an optional rule, or a folder.

    Raises: MappingError.
    """
    if name == SHIPPED:
        return load_rules(shipped)
    if not name.startswith(OPTIONAL):
        return load_rules(Path(name))
    folder = shipped / "optional"
    file = folder / f"{name.removeprefix(OPTIONAL)}.yml"
    if not file.is_file():
        known = ", ".join(f"{OPTIONAL}{path.stem}" for path in sorted(folder.glob("*.yml")))
        raise MappingError(f"The rule {name} does not exist.", hint=f"Known: {known or 'none'}.")
    return [load_rule(file)]


def load_rules(folder: Path) -> list[Rule]:
    """Every rule of a folder, in the order of the file names. Raises: MappingError."""
    if not folder.is_dir():
        raise MappingError(
            f"The mapping folder {folder} does not exist.",
            hint="Set `mapping` to a folder of YAML rules.",
        )
    files = sorted(file for file in folder.glob("*.yml") if file.name != OBJECTS_FILE)
    if not files:
        raise MappingError(
            f"The mapping folder {folder} contains no rules.",
            hint="Add a YAML file for each rule, named *.yml.",
        )
    return [load_rule(file) for file in files]


def load_rule(file: Path) -> Rule:
    """The rule in a file, its shape checked. Raises: MappingError."""
    content, lines = load_yaml(file, schema())
    return build_rule(file, content, lines)


# The models


def build_rule(file: Path, content: Mapping[str, Any], lines: Lines) -> Rule:
    """A rule from content of the right shape."""
    on_leave = content.get("on_leave", "keep")
    return Rule(
        name=file.stem,
        file=file.name,
        stream=content["stream"],
        object=content["object"],
        upsert_key=content.get("upsert_key", ""),
        fields=tuple(
            build_field(name, source, content, Place(file.name, lines, f"fields/{name}"))
            for name, source in content["fields"].items()
        ),
        mode=content.get("mode", "upsert"),
        match_by=tuple(content.get("match_by", [])),
        where=content.get("where"),
        on_leave=on_leave["set"] if isinstance(on_leave, dict) else on_leave,
        links=build_links(content, lines),
        owner=build_owner(content, lines),
        attach=build_attach(content, lines),
        examples=build_examples(content, lines),
        lines=dict(lines),
    )


def build_attach(content: Mapping[str, Any], lines: Lines) -> AttachRule | None:
    """The file that goes with the record; None if there is none."""
    attach = content.get("attach")
    return AttachRule(attach["url"], attach["name"], lines.get("attach", 1)) if attach else None


def build_examples(content: Mapping[str, Any], lines: Lines) -> tuple[Example, ...]:
    """The examples, in order."""
    return tuple(
        Example(
            title=example.get("title", f"example {index + 1}"),
            record=example["record"],
            gives=example.get("gives"),
            filtered=example.get("filtered", False),
            error=example.get("error"),
            line=lines.get(f"examples/{index}", 1),
        )
        for index, example in enumerate(content.get("examples", []))
    )
