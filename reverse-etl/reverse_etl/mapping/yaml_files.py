"""YAML files with the lines of what they say, and violations of a JSON Schema in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from singer_kit.words import nearest, suggestion

from reverse_etl.errors import MappingError

Lines = Mapping[str, int]
"""Line numbers by path, such as `fields/email/from`."""
BOOLEAN = "tag:yaml.org,2002:bool"
TIMESTAMP = "tag:yaml.org,2002:timestamp"


SAFE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C takes a tenth of the time; not every build of PyYAML has it."""


class Loader(SAFE_LOADER):  # type: ignore[misc]
    """YAML whose booleans are `true` and `false`: `NO` is a country, and `yes` a word of `parse`.

    Dates are text, with or without quotes. So says YAML 1.2; PyYAML follows YAML 1.1.
    """


Loader.yaml_implicit_resolvers = {
    first: [resolver for resolver in resolvers if resolver[0] not in (BOOLEAN, TIMESTAMP)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(BOOLEAN, re.compile("true|True|TRUE|false|False|FALSE"), "tTfF")


def load_yaml(file: Path, schema: Mapping[str, Any]) -> tuple[Any, Lines]:
    """What a file says, its shape checked against a JSON Schema. Raises: MappingError."""
    text = file.read_text(encoding="utf-8")
    loader = Loader(text)
    try:
        # the nodes know the lines, the values that are made of them do not
        node = loader.get_single_node()
        # an empty file says nothing, which the schema then judges
        content = (loader.construct_document(node) if node is not None else None) or {}
    except yaml.YAMLError as error:
        raise yaml_error(file.name, error) from None
    finally:
        loader.dispose()
    if node is not None:
        check_keys(file.name, node)
    lines = line_numbers(node) if node is not None else {}
    violation = best_match(Draft202012Validator(schema).iter_errors(content))
    if violation is not None:
        raise shape_error(file.name, lines, violation)
    return content, lines


def yaml_error(file: str, error: yaml.YAMLError) -> MappingError:
    """What the parser found wrong, and where."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be read"
    return MappingError(
        f"not valid YAML: {problem}.", file=file, line=mark.line + 1 if mark else None
    )


def check_keys(file: str, node: yaml.Node) -> None:
    """Raises: MappingError if a key comes twice, of which PyYAML silently takes the last."""
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in keys:
                raise MappingError(
                    f"{key.value!r} is given twice.",
                    file=file,
                    line=key.start_mark.line + 1,
                    hint="Keep one of them.",
                )
            keys.add(str(key.value))
            check_keys(file, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            check_keys(file, value)


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
