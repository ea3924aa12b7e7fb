"""Rules from YAML files, and the first ring of checks: the shape of a rule.

A folder of `*.yml`, one rule per file → `Rule`s. An unknown word is an error that names file, line
and the nearest known word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from reverse_etl.errors import MappingError
from reverse_etl.mapping.fields import Lines, Place, build_field
from reverse_etl.mapping.rules import (
    AttachRule,
    Example,
    LinkRule,
    OwnerRule,
    Rule,
    nearest,
    suggestion,
)

SHIPPED = "shipped"
"""The word of the setting `mapping` for the rules that a target ships."""
OPTIONAL = "optional/"
"""How the setting `mapping` names one of a target's optional rules: `optional/payments.deal`."""
BOOLEAN = "tag:yaml.org,2002:bool"
OWNER = "owner"
"""The other end of the link that says who owns a record."""
SCHEMA_FILE = Path(__file__).with_name("rule.schema.json")


class RuleLoader(yaml.SafeLoader):
    """YAML whose booleans are `true` and `false`: `no` is a country, `yes` a word of `parse`."""


RuleLoader.yaml_implicit_resolvers = {
    first: [resolver for resolver in resolvers if resolver[0] != BOOLEAN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
RuleLoader.add_implicit_resolver(BOOLEAN, re.compile("true|True|TRUE|false|False|FALSE"), "tTfF")


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
    files = sorted(folder.glob("*.yml"))
    if not files:
        raise MappingError(
            f"The mapping folder {folder} contains no rules.",
            hint="Add a YAML file for each rule, named *.yml.",
        )
    return [load_rule(file) for file in files]


def load_rule(file: Path) -> Rule:
    """The rule in a file, its shape checked. Raises: MappingError."""
    text = file.read_text(encoding="utf-8")
    try:
        # composed for the line numbers, loaded for the values: the loader forgets the lines
        node = yaml.compose(text, Loader=RuleLoader)
        content = yaml.load(text, Loader=RuleLoader)  # noqa: S506 (it is a SafeLoader)
    except yaml.YAMLError as error:
        raise yaml_error(file.name, error) from None
    lines = line_numbers(node) if node is not None else {}
    violation = best_match(Draft202012Validator(schema()).iter_errors(content))
    if violation is not None:
        raise shape_error(file.name, lines, violation)
    return build_rule(file, content, lines)


def yaml_error(file: str, error: yaml.YAMLError) -> MappingError:
    """What the parser found wrong, and where."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be read"
    return MappingError(
        f"not valid YAML: {problem}.", file=file, line=mark.line + 1 if mark else None
    )


def line_numbers(node: yaml.Node, parent: str = "") -> dict[str, int]:
    """The line of every key and list entry, by its path."""
    children: list[tuple[str, yaml.Node, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        children = [(str(key.value), key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = [(str(index), value, value) for index, value in enumerate(node.value)]
    lines: dict[str, int] = {}
    for name, start, value in children:
        path = f"{parent}/{name}" if parent else name
        lines[path] = start.start_mark.line + 1
        lines |= line_numbers(value, path)
    return lines


# The shape


def shape_error(file: str, lines: Lines, violation: ValidationError) -> MappingError:
    """A violation of the schema, in words you can act on."""
    cause = meant_violation(violation)
    at = "/".join(str(part) for part in cause.absolute_path)
    allowed: Any = cause.validator_value

    def error(message: str, line: int | None, hint: str = "") -> MappingError:
        return MappingError(message, file=file, line=line, hint=hint)

    if cause.validator == "additionalProperties" and isinstance(cause.instance, dict):
        known = cast(Mapping[str, Any], cause.schema).get("properties", {})
        word = next(name for name in cause.instance if name not in known)
        line = lines.get(f"{at}/{word}" if at else word)
        return error(f"unknown word {word!r}.", line, suggestion(word, known))

    if cause.validator == "required":
        present = cast(Mapping[str, Any], cause.instance)
        missing = next(name for name in allowed if name not in present)
        place = f" in {at}" if at else ""
        return error(f"{missing!r} is missing{place}.", lines.get(at, 1))

    if cause.validator == "enum":
        words = [str(word) for word in allowed]
        hint = nearest(str(cause.instance), words) or f"Use one of: {', '.join(words)}."
        return error(f"{at}: unknown word {cause.instance!r}.", lines.get(at), hint)

    return error(f"{at or 'the rule'}: {cause.message}.", lines.get(at, 1))


def meant_violation(violation: ValidationError) -> ValidationError:
    """The violation to report, out of those of every alternative that the schema allows.

    A value that fits no alternative (a field is a path, a constant or an object) violates each of
    them in its own way. What helps is the violation of the alternative that was meant.
    """
    while violation.context:
        if violation.validator == "oneOf" and isinstance(violation.instance, dict):
            violation = of_meant_alternative(violation)
        else:
            violation = max(violation.context, key=depth)
    return violation


def of_meant_alternative(violation: ValidationError) -> ValidationError:
    """A violation of the alternative that an object was meant to be."""
    context = list(violation.context or [])
    instance = cast(Mapping[str, Any], violation.instance)
    alternatives = [int(error.relative_schema_path[0]) for error in context]
    # only a constant has a `value`, and it is the schema's second alternative; the last is the
    # fullest, so any other object was meant to be that
    meant = 1 if "value" in instance else max(alternatives)
    return context[alternatives.index(meant)] if meant in alternatives else context[0]


def depth(violation: ValidationError) -> tuple[int, bool]:
    """How far a violation is inside the rule; at the same depth an unknown word says most."""
    return len(violation.absolute_path), violation.validator == "additionalProperties"


# The models


def build_rule(file: Path, content: Mapping[str, Any], lines: Lines) -> Rule:
    """A rule from content of the right shape."""
    on_leave = content.get("on_leave", "keep")
    return Rule(
        name=file.stem,
        file=file.name,
        stream=content["stream"],
        object=content["object"],
        upsert_key=content["upsert_key"],
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


def build_links(content: Mapping[str, Any], lines: Lines) -> tuple[LinkRule, ...]:
    """The links to other records."""
    return tuple(
        LinkRule(link["to"], link["key"], lines.get(f"links/{index}", 1))
        for index, link in enumerate(content.get("links", []))
        if link["to"] != OWNER
    )


def build_owner(content: Mapping[str, Any], lines: Lines) -> OwnerRule | None:
    """The link that says who owns a record; None if there is none."""
    for index, link in enumerate(content.get("links", [])):
        if link["to"] == OWNER:
            return OwnerRule(
                lines.get(f"links/{index}", 1),
                link.get("fixed", ""),
                link.get("key", ""),
                tuple(link.get("round_robin", ())),
            )
    return None


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
