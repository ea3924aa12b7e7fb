"""Examples in rules, run as tests: without a CRM, so with fields as loose as the rule needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from reverse_etl.errors import MappingError, RowError
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.compiler import RuleCompiler, wanted_properties
from reverse_etl.mapping.computation import path_value
from reverse_etl.mapping.functions import Function
from reverse_etl.mapping.kinds import source_kind
from reverse_etl.mapping.rules import Example, FieldRule, Rule
from reverse_etl.objects import LinkForm, ObjectSpec
from reverse_etl.records import SourceRecord
from reverse_etl.values import FieldInfo, joined_text, plain_number

EXAMPLE_FACTS: Mapping[str, object] = {"stage_ids": (1, 2, 3, 4, 5)}
FILTERED = "filtered"
PLAIN_KINDS = ("number", "integer", "date", "datetime", "boolean")
"""Kinds that need nothing of the CRM; every other value is compared as text."""


def check_examples(rules: Sequence[Rule], functions: Mapping[str, Function]) -> int:
    """Run every example of the rules; returns their number.

    Raises: MappingError at the first example whose result is not the expected one.
    """
    count = 0
    for rule in rules:
        for example in rule.examples:
            check_example(rule, example, functions)
            count += 1
    return count


def check_example(rule: Rule, example: Example, functions: Mapping[str, Function]) -> None:
    """Raises: MappingError if the rule gives something else than the example expects."""
    result = run_example(rule, example, functions)
    expected = FILTERED if example.filtered else example.error or dict(example.gives or {})
    if isinstance(result, dict) and isinstance(expected, dict):
        # an example need not list every field: what it does not name is not compared
        result = {name: comparable(result.get(name)) for name in expected}
        expected = {name: comparable(value) for name, value in expected.items()}
    if result != expected:
        raise MappingError(
            f"example {example.title!r}: expected {expected}, the rule gives {result}.",
            file=rule.file,
            line=example.line,
        )


def run_example(
    rule: Rule, example: Example, functions: Mapping[str, Function]
) -> dict[str, Any] | str:
    """The CRM fields, `filtered`, or the code of the dead letter."""
    compiled = compile_example(rule, example, functions)
    try:
        record = compiled.map(SourceRecord(rule.stream, "example", example.record, 0))
    except RowError as error:
        return error.code
    if record is None or record.leaving:
        return FILTERED
    return dict(record.fields)


def compile_example(
    rule: Rule, example: Example, functions: Mapping[str, Function]
) -> CompiledRule:
    """The rule for a stream that has the properties of the rule and of the example."""
    names = {first_part(path, example.record) for path, _ in wanted_properties(rule)}
    names |= {*example.record}
    properties: dict[str, Any] = {name: {} for name in names}
    compiler = RuleCompiler(functions, EXAMPLE_FACTS)
    compiler.check_properties(rule, properties)
    infos = {field.name: example_info(field, example.record, functions) for field in rule.fields}
    spec = ObjectSpec(
        rule.object,
        (),
        upserts=True,
        unique_keys=False,
        find_rows_a_call=1,
    )
    forms = [LinkForm(link.to, "association", name=link.name) for link in rule.links]
    # no CRM is asked here: neither for owners and currencies, nor for the form of a link
    fields = tuple(replace(field, currency=None) for field in rule.fields)
    links = tuple(replace(link, write="always") for link in rule.links)
    rule = replace(rule, owner=None, fields=fields, links=links)
    return compiler.compile(rule, spec, properties, infos, forms)


def first_part(path: str, record: Mapping[str, Any]) -> str:
    """The property that a path begins with."""
    return path if path in record else path.split(".")[0]


def example_info(
    field: FieldRule, record: Mapping[str, Any], functions: Mapping[str, Function]
) -> FieldInfo:
    """A field as loose as the rule needs: the CRM's own types are checked against the CRM."""
    properties = {path: example_schema(path_value(record, path)) for path in field.paths}
    source = source_kind(field, properties, functions)
    if field.write == "forward_only":
        return FieldInfo(field.name, "choice", options=source.options or ("any",))
    if source.kind == "choices" and source.options:
        return FieldInfo(field.name, "choices", options=source.options)
    return FieldInfo(field.name, source.kind if source.kind in PLAIN_KINDS else "text")


def example_schema(value: object) -> dict[str, Any]:
    """What a value of an example says of its property: no more than whether it is a list."""
    return {"type": "array"} if isinstance(value, list) else {}


def comparable(value: object) -> object:
    """A value as text, so that 99 equals "99": which it is only the CRM's field says."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (list, tuple)):
        return joined_text(value)
    return plain_number(value) if isinstance(value, (int, float, Decimal)) else str(value)
