"""`objects.yml` of a mapping folder: what the CRM's describe cannot say about its objects.

Rules and the CRM's own specs are completed by it before anything else is checked.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from reverse_etl.errors import MappingError
from reverse_etl.mapping.link_rules import LinkRule
from reverse_etl.mapping.load import OBJECTS_FILE, OPTIONAL, SHIPPED
from reverse_etl.mapping.rules import Rule
from reverse_etl.mapping.yaml_files import Lines, load_yaml
from reverse_etl.objects import LinkWanted, ObjectSpec

MARKER = "marker"
"""The upsert key of every object that keeps its key in the last line of a text."""
TYPO = 0.8
"""How close a name must be to one in use to be a mistake, and not another object."""
SCHEMA_FILE = Path(__file__).with_name("objects.schema.json")


@dataclass(frozen=True, slots=True)
class ObjectRule:
    """What the mapping says about one object."""

    key: str = ""
    marker: str = ""
    """The text field whose visible last line is the key."""
    required: tuple[str, ...] = ()
    optional: bool = False
    label: str = ""
    plural: str = ""
    links: Mapping[str, LinkWanted] = field(default_factory=dict)
    """By the object at the other end."""
    line: int = 1
    link_lines: Mapping[str, int] = field(default_factory=dict)
    """By the object at the other end."""


@dataclass(frozen=True, slots=True)
class ObjectsFile:
    """What one or more files say, taken together."""

    namespace: str = ""
    functions: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of the target by their other names."""
    objects: Mapping[str, ObjectRule] = field(default_factory=dict)

    def merged(self, other: ObjectsFile) -> ObjectsFile:
        """Both; where they disagree the other one counts."""
        return ObjectsFile(
            other.namespace or self.namespace,
            tuple(dict.fromkeys([*self.functions, *other.functions])),
            {**self.settings, **other.settings},
            {**self.objects, **other.objects},
        )


@cache
def objects_schema() -> dict[str, Any]:
    """The published JSON Schema of objects.yml."""
    loaded: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return loaded


def named_objects(names: Iterable[str], shipped: Path) -> ObjectsFile:
    """The files that belong to the names in the setting `mapping`. Raises: MappingError."""
    merged = ObjectsFile()
    for name in names:
        is_shipped = name == SHIPPED or name.startswith(OPTIONAL)
        folder = shipped if is_shipped else Path(name)
        merged = merged.merged(load_objects(folder))
    return merged


def load_objects(folder: Path) -> ObjectsFile:
    """The file of a folder; nothing is said if it has none. Raises: MappingError."""
    file = folder / OBJECTS_FILE
    if not file.is_file():
        return ObjectsFile()
    content, lines = load_yaml(file, objects_schema())
    objects = content.get("objects", {})
    return ObjectsFile(
        content.get("namespace", ""),
        tuple(content.get("functions", ())),
        content.get("settings", {}),
        {name: build_object(name, words, lines) for name, words in objects.items()},
    )


def build_object(name: str, words: Mapping[str, Any], lines: Lines) -> ObjectRule:
    """What a file says about one object, from content of the right shape."""
    return ObjectRule(
        key=words.get("key", ""),
        marker=words.get("marker", ""),
        required=tuple(words.get("required", ())),
        optional=words.get("optional", False),
        label=words.get("label", ""),
        plural=words.get("plural", ""),
        links={
            to: LinkWanted(to, link.get("field", ""), link.get("label", ""))
            for to, link in words.get("links", {}).items()
        },
        line=lines.get(f"objects/{name}", 1),
        link_lines={
            to: lines.get(f"objects/{name}/links/{to}", 1) for to in words.get("links", {})
        },
    )


# What follows from it


def complete_rules(rules: Sequence[Rule], file: ObjectsFile) -> list[Rule]:
    """The rules with what the file says about their objects. Raises: MappingError."""
    mapped = {rule.object for rule in rules}
    check_names(file, mapped | {link.to for rule in rules for link in rule.links})
    return [complete_rule(rule, file.objects, mapped) for rule in rules]


def check_names(file: ObjectsFile, used: Collection[str]) -> None:
    """Raises: MappingError for an object that nothing uses, if a name close to it is used.

    A file may describe objects of rules that are not in use.
    """
    for name, known in file.objects.items():
        for word, line in ((name, known.line), *known.link_lines.items()):
            close = [] if word in used else get_close_matches(word, used, 1, TYPO)
            if close:
                message = f"no rule maps {word!r} or links to it."
                hint = f"Did you mean {close[0]!r}?"
                raise MappingError(message, file=OBJECTS_FILE, line=line, hint=hint)


def complete_rule(rule: Rule, objects: Mapping[str, ObjectRule], mapped: set[str]) -> Rule:
    """One rule, its key and its links completed from the file. Raises: MappingError."""
    known = objects.get(rule.object, ObjectRule())
    upsert_key = rule.upsert_key or known.key or (MARKER if known.marker else "")
    if not upsert_key:
        raise rule.error(
            "'upsert_key' is missing.", 1, f"Name it here, or the object's `key` in {OBJECTS_FILE}."
        )
    links = (complete_link(link, known, objects, mapped) for link in rule.links)
    return replace(rule, upsert_key=upsert_key, links=tuple(links))


def complete_link(
    link: LinkRule, known: ObjectRule, objects: Mapping[str, ObjectRule], mapped: set[str]
) -> LinkRule:
    """A link with the field or label that the file gives it, and how its other end is found."""
    wanted = known.links.get(link.to)
    if wanted is not None and not link.field and not link.label:
        link = replace(link, field=wanted.field, label=wanted.label)
    if not link.by and link.to not in mapped and link.to in objects:
        link = replace(link, by=objects[link.to].key)
    return link


def complete_specs(
    specs: Mapping[str, ObjectSpec],
    default: ObjectSpec | None,
    rules: Sequence[Rule],
    file: ObjectsFile,
) -> dict[str, ObjectSpec]:
    """What is known of each object that rules map or link to, in addition to the CRM's own specs.

    An object that neither the CRM's specs nor a default cover is left out.
    """
    completed = dict(specs)
    ends = {link.to for rule in rules for link in rule.links}
    for name in sorted({rule.object for rule in rules} | ends):
        spec = specs.get(name) or (replace(default, name=name) if default else None)
        if spec is not None:
            of_object = (rule.field_names for rule in rules if rule.object == name)
            spec = replace(spec, written=frozenset(chain.from_iterable(of_object)))
            completed[name] = complete_spec(spec, file.objects.get(name))
    return completed


def complete_spec(spec: ObjectSpec, known: ObjectRule | None) -> ObjectSpec:
    """A spec with what the mapping says about the object."""
    if known is None:
        return spec
    spec = replace(
        spec,
        listed=True,
        optional=spec.optional or known.optional,
        label=known.label or spec.label,
        plural=known.plural or spec.plural,
        required={**dict.fromkeys(known.required, f"{OBJECTS_FILE} requires it"), **spec.required},
    )
    if known.marker:
        # a key in a text is nothing that a CRM could keep unique
        spec = replace(spec, marker_in=known.marker, upserts=False, unique_keys=False)
    return spec


def shipped_settings(package_mappings: Path) -> Mapping[str, str]:
    """Settings by the other names that a target's own mapping gives them. Raises: MappingError."""
    return load_objects(package_mappings).settings
