"""Rules as written: YAML files parsed into typed models, and the first ring of checks (their shape).

In: a folder of `*.yml`, one rule a file. Out: `Rule`s. An unknown word is an error that names file, line and the
nearest word that is known.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from reverse_etl.errors import MappingError

WritePolicy = Literal["always", "on_create", "if_empty", "forward_only"]
Mode = Literal["upsert", "update_only", "create_only"]
SHORT_WORD = 3
SHIPPED = "shipped"
"""The word of the setting `mapping` for the rules that a target ships."""
OWNER = "owner"
"""The other end of the link that says who owns a record."""
SCHEMA_FILE = Path(__file__).with_name("rule.schema.json")


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Where one CRM field's value comes from, and when it may be written."""

    name: str
    line: int
    paths: tuple[str, ...] = ()
    whole_record: bool = False
    constant: str | int | float | bool | None = None
    function: str | None = None
    table: Mapping[str, Any] | None = None
    default: str | int | float | bool | None = None
    max_length: int | None = None
    write: WritePolicy = "always"
    clear_on_null: bool = False
    wait_on_null: bool = False
    """Of an upsert key: without it the record is awaited from another stream."""
    mask: bool = False


@dataclass(frozen=True, slots=True)
class LinkRule:
    """A link to another object by a property that holds the other's key."""

    to: str
    key: str
    line: int
    key_field: str = ""
    """The upsert key of the other object's rules."""


@dataclass(frozen=True, slots=True)
class OwnerRule:
    """Who owns a new record: one person, whom a property names by e-mail, or several in turn."""

    line: int
    fixed: str = ""
    key: str = ""
    round_robin: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttachRule:
    """A file that goes with the record: the property that holds its URL, and its name, made from properties in braces."""

    url: str
    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Example:
    """A record and what the rule makes of it."""

    title: str
    record: Mapping[str, Any]
    gives: Mapping[str, Any] | None
    filtered: bool
    error: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One stream onto one object."""

    name: str
    file: str
    stream: str
    object: str
    upsert_key: str
    fields: tuple[FieldRule, ...]
    mode: Mode = "upsert"
    match_by: tuple[str, ...] = ()
    where: str | None = None
    on_leave: Mapping[str, Any] | Literal["keep", "clear"] = "keep"
    links: tuple[LinkRule, ...] = ()
    owner: OwnerRule | None = None
    attach: AttachRule | None = None
    examples: tuple[Example, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)

    def error(self, message: str, at: str = "", hint: str = "") -> MappingError:
        """An error at a word of this rule."""
        return MappingError(message, file=self.file, line=self.lines.get(at), hint=hint)


def nearest(word: str, known: Iterable[str]) -> str:
    """`Did you mean …?`, or nothing where no known word is near."""
    found = difflib.get_close_matches(
        word, list(known), n=1, cutoff=0.5 if len(word) <= SHORT_WORD else 0.6
    )
    return f"Did you mean {found[0]!r}?" if found else ""


@cache
def schema() -> dict[str, Any]:
    """The published JSON Schema of a rule."""
    loaded: dict[str, Any] = json.loads(SCHEMA_FILE.read_text())
    return loaded


def line_numbers(node: yaml.Node, path: str = "") -> dict[str, int]:
    """The line of every key and item, by its path (`fields/email/from`)."""
    lines: dict[str, int] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            at = f"{path}/{key.value}" if path else str(key.value)
            lines[at] = key.start_mark.line + 1
            lines |= line_numbers(value, at)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            at = f"{path}/{index}"
            lines[at] = value.start_mark.line + 1
            lines |= line_numbers(value, at)
    return lines


def load_rules(folder: Path) -> list[Rule]:
    """Every rule of a folder, in the order of their files' names. Raises: MappingError."""
    if not folder.is_dir():
        raise MappingError(
            f"The mapping folder {folder} is not there.",
            hint="Point the `mapping` setting at a folder of YAML rules.",
        )
    files = sorted(folder.glob("*.yml"))
    if not files:
        raise MappingError(
            f"The mapping folder {folder} holds no rule.",
            hint="Put one YAML file a rule there, named *.yml.",
        )
    return [load_rule(file) for file in files]


def named_rules(name: str, shipped: Path) -> list[Rule]:
    """What one word of the setting `mapping` names: the shipped rules, one of the optional ones, or a folder. Raises: MappingError."""
    if name == SHIPPED:
        return load_rules(shipped)
    optional = shipped / "optional"
    if name.startswith("optional/"):
        file = optional / f"{name.removeprefix('optional/')}.yml"
        if not file.is_file():
            known = (
                ", ".join(f"optional/{one.stem}" for one in sorted(optional.glob("*.yml")))
                or "none"
            )
            raise MappingError(f"There is no rule {name}.", hint=f"Known: {known}.")
        return [load_rule(file)]
    return load_rules(Path(name))


def load_rule(file: Path) -> Rule:
    """One rule, its shape checked. Raises: MappingError."""
    text = file.read_text(encoding="utf-8")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise MappingError(
            f"no YAML: {problem}.", file=file.name, line=mark.line + 1 if mark else None
        ) from None
    lines = line_numbers(node) if node is not None else {}
    wrong = best_match(Draft202012Validator(schema()).iter_errors(data))
    if wrong is not None:
        raise shape_error(file.name, lines, wrong)
    return build_rule(file, data, lines)


def shape_error(file: str, lines: Mapping[str, int], error: ValidationError) -> MappingError:
    """An error of the schema in words a person can act on."""
    deepest = error
    while deepest.context:
        if deepest.validator == "oneOf" and isinstance(deepest.instance, dict):
            last = (
                1
                if "value" in deepest.instance
                else max(int(one.relative_schema_path[0]) for one in deepest.context)
            )
            own = [
                one for one in deepest.context if one.relative_schema_path[0] == last
            ]  # the branch that was meant
            deepest = own[0] if own else deepest.context[0]
            continue
        deepest = max(
            deepest.context,
            key=lambda one: (len(one.absolute_path), one.validator == "additionalProperties"),
        )
    path = [str(part) for part in deepest.absolute_path]
    at = "/".join(path)
    allowed: Any = deepest.validator_value
    if deepest.validator == "additionalProperties" and isinstance(deepest.instance, dict):
        known = cast(Mapping[str, Any], deepest.schema).get("properties", {})
        word = next(name for name in deepest.instance if name not in known)
        where = "/".join([*path, word])
        return MappingError(
            f"unknown word {word!r}.",
            file=file,
            line=lines.get(where),
            hint=nearest(word, known) or f"Known: {', '.join(known)}.",
        )
    if deepest.validator == "required":
        missing = [name for name in allowed if name not in cast(dict[str, Any], deepest.instance)]
        return MappingError(
            f"{missing[0]!r} is missing{f' in {at}' if at else ''}.",
            file=file,
            line=lines.get(at, 1),
        )
    if deepest.validator == "enum":
        words = [str(one) for one in allowed]
        hint = nearest(str(deepest.instance), words) or f"It is one of: {', '.join(words)}."
        return MappingError(
            f"{at}: unknown word {deepest.instance!r}.", file=file, line=lines.get(at), hint=hint
        )
    return MappingError(f"{at or 'the rule'}: {deepest.message}.", file=file, line=lines.get(at, 1))


def build_rule(file: Path, data: Mapping[str, Any], lines: Mapping[str, int]) -> Rule:
    """A rule from data of the right shape."""
    fields = tuple(
        build_field(name, given, data, lines.get(f"fields/{name}", 1))
        for name, given in data["fields"].items()
    )
    given = list(enumerate(data.get("links", [])))
    links = tuple(
        LinkRule(one["to"], one["key"], lines.get(f"links/{i}", 1))
        for i, one in given
        if one["to"] != OWNER
    )
    owners = [
        OwnerRule(
            lines.get(f"links/{i}", 1),
            one.get("fixed", ""),
            one.get("key", ""),
            tuple(one.get("round_robin", ())),
        )
        for i, one in given
        if one["to"] == OWNER
    ]
    examples = tuple(
        Example(
            title=one.get("title", f"example {i + 1}"),
            record=one["record"],
            gives=one.get("gives"),
            filtered=one.get("filtered", False),
            error=one.get("error"),
            line=lines.get(f"examples/{i}", 1),
        )
        for i, one in enumerate(data.get("examples", []))
    )
    on_leave = data.get("on_leave", "keep")
    return Rule(
        name=file.stem,
        file=file.name,
        stream=data["stream"],
        object=data["object"],
        upsert_key=data["upsert_key"],
        fields=fields,
        mode=data.get("mode", "upsert"),
        match_by=tuple(data.get("match_by", [])),
        where=data.get("where"),
        on_leave=on_leave["set"] if isinstance(on_leave, dict) else on_leave,
        links=links,
        owner=owners[0] if owners else None,
        attach=AttachRule(data["attach"]["url"], data["attach"]["name"], lines.get("attach", 1))
        if "attach" in data
        else None,
        examples=examples,
        lines=dict(lines),
    )


def build_field(
    name: str, given: str | Mapping[str, Any], rule: Mapping[str, Any], line: int
) -> FieldRule:
    """A field; values at the rule's level are its defaults."""
    write: WritePolicy = rule.get("write", "always")
    when_null = rule.get("when_null", "keep")
    if isinstance(given, str):
        return FieldRule(
            name, line, paths=(given,), write=write, clear_on_null=when_null == "clear"
        )
    if "value" in given:
        return FieldRule(name, line, constant=given["value"], write=given.get("write", write))
    source = given["from"]
    return FieldRule(
        name,
        line,
        paths=() if source == "." else (source,) if isinstance(source, str) else tuple(source),
        whole_record=source == ".",
        function=given.get("as"),
        table=given.get("map"),
        default=given.get("default"),
        max_length=given.get("max_length"),
        write=given.get("write", write),
        clear_on_null=given.get("when_null", when_null) == "clear",
        wait_on_null=given.get("when_null") == "wait",
        mask=given.get("mask") is not None,
    )


def check_rules(rules: list[Rule], linkable: Mapping[str, Iterable[str]]) -> list[Rule]:
    """The second ring: do the rules make sense together? Returns them parents first.

    `linkable` gives, by object, the objects it can be linked to. Raises: MappingError.
    """
    mapped: dict[str, str] = {}
    for rule in rules:
        if mapped.setdefault(rule.object, rule.upsert_key) != rule.upsert_key:
            hint = "Rules of one object need one upsert_key: by it the ledger knows a record."
            raise rule.error(
                f"another rule of {rule.object} has the upsert_key {mapped[rule.object]!r}.",
                "upsert_key",
                hint,
            )
    for rule in rules:
        names = [one.name for one in rule.fields]
        if rule.object not in linkable:
            raise rule.error(
                f"unknown object {rule.object!r}.",
                "object",
                nearest(rule.object, linkable) or f"Known: {', '.join(linkable)}.",
            )
        if rule.upsert_key not in names:
            raise rule.error(
                f"the upsert_key {rule.upsert_key!r} is not among the fields.",
                "upsert_key",
                nearest(rule.upsert_key, names),
            )
        for field_rule in rule.fields:
            if field_rule.wait_on_null and field_rule.name != rule.upsert_key:
                hint = "A null elsewhere is kept or cleared: `keep` or `clear`."
                raise rule.error(
                    "only the upsert_key can wait.", f"fields/{field_rule.name}/when_null", hint
                )
        for name in rule.match_by:
            if name not in names:
                raise rule.error(
                    f"match_by names {name!r}, which is not among the fields.",
                    "match_by",
                    nearest(name, names),
                )
        for index, link in enumerate(rule.links):
            if link.to not in mapped:
                hint = nearest(link.to, mapped) or "Add a rule for it."
                raise rule.error(
                    f"links to {link.to!r}, which no rule maps.", f"links/{index}", hint
                )
            if link.to not in linkable[rule.object]:
                raise rule.error(f"{rule.object} cannot be linked to {link.to}.", f"links/{index}")
    joined = [
        replace(rule, links=tuple(replace(link, key_field=mapped[link.to]) for link in rule.links))
        for rule in rules
    ]
    return parents_first(joined)


def parents_first(rules: list[Rule]) -> list[Rule]:
    """Rules in an order in which a link's other end comes first. Raises: MappingError where links form a circle."""
    ordered: list[Rule] = []
    left = list(rules)
    while left:
        waiting = {rule.object for rule in left}
        ready = [
            rule
            for rule in left
            if not any(link.to in waiting - {rule.object} for link in rule.links)
        ]
        if not ready:
            raise left[0].error("its links form a circle.", "links/0", "Remove one of the links.")
        ordered += ready
        left = [rule for rule in left if rule not in ready]
    return ordered
