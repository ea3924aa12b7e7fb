"""Examples in rules: run as tests, without a CRM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from reverse_etl.errors import MappingError, RowError
from reverse_etl.mapping.compiler import BRACES, RuleCompiler
from reverse_etl.mapping.functions import Function
from reverse_etl.mapping.rules import Example, Rule
from reverse_etl.objects import LinkForm, ObjectSpec
from reverse_etl.records import SourceRecord
from reverse_etl.values import FieldInfo, plain_number

EXAMPLE_FACTS: Mapping[str, object] = {"stage_ids": (1, 2, 3, 4, 5)}


def check_examples(rules: Sequence[Rule], functions: Mapping[str, Function]) -> int:
    """Run every example of the rules; returns their number. Raises: MappingError at the first that is not so."""
    count = 0
    for rule in rules:
        for example in rule.examples:
            told = outcome(rule, example, functions)
            expected = (
                "filtered" if example.filtered else example.error or dict(example.gives or {})
            )
            if isinstance(told, dict) and isinstance(expected, dict):
                told = {name: comparable(told.get(name)) for name in expected}
                expected = {name: comparable(value) for name, value in expected.items()}
            if told != expected:
                message = f"example {example.title!r}: expected {expected}, the rule gives {told}."
                raise MappingError(message, file=rule.file, line=example.line)
            count += 1
    return count


def outcome(
    rule: Rule, example: Example, functions: Mapping[str, Function]
) -> dict[str, Any] | str:
    """CRM fields, `filtered`, or the code of the dead letter."""
    names = {path.split(".")[0] for one in rule.fields for path in one.paths} | {
        link.key for link in rule.links
    }
    if rule.owner and rule.owner.key:
        names |= {rule.owner.key}
    if rule.attach:
        names |= {rule.attach.url, *BRACES.findall(rule.attach.name)}
    properties: dict[str, Any] = {name: {} for name in {*names, *example.record}}
    compiler = RuleCompiler(functions, EXAMPLE_FACTS)
    compiler.check_properties(rule, properties)
    infos = {one.name: example_info(compiler, rule, one.name) for one in rule.fields}
    spec = ObjectSpec(
        rule.object,
        (),
        upserts=True,
        unique_keys=False,
        find_rows_a_call=1,
        links={link.to: LinkForm(link.to, "association") for link in rule.links},
    )
    compiled = compiler.compile(replace(rule, owner=None), spec, properties, infos)
    try:
        record = compiled.map(SourceRecord(rule.stream, "example", example.record, 0))
    except RowError as fault:
        return fault.code
    if record is None or record.leaving:
        return "filtered"
    return dict(record.fields)


def comparable(value: object) -> object:
    """A value as text, so that 99 and "99" are one: the field's type is the CRM's, and it is not asked here."""
    if isinstance(value, bool) or value is None:
        return value
    return plain_number(value) if isinstance(value, (int, float, Decimal)) else str(value)


def example_info(compiler: RuleCompiler, rule: Rule, name: str) -> FieldInfo:
    """A field as loose as the rule needs: the CRM's own types are checked when it is there."""
    field = next(one for one in rule.fields if one.name == name)
    kind, options, _ = compiler.source_kind(field, {path: {} for path in field.paths})
    if field.write == "forward_only":
        return FieldInfo(name, "choice", options=options or ("any",))
    return FieldInfo(
        name, kind if kind in ("number", "integer", "date", "datetime", "boolean") else "text"
    )
