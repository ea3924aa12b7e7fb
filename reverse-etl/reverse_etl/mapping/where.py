"""The word `where`: a filter in the expression language of the SDK's stream maps."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import simpleeval
from singer_kit.words import nearest

from reverse_etl.mapping.computation import Filter
from reverse_etl.mapping.functions import Function, bind
from reverse_etl.mapping.rules import Rule


class AllBut(set[str]):
    """Contains every name but these."""

    def __contains__(self, name: object) -> bool:
        return not super().__contains__(name)


GROWING = {"center", "expandtabs", "format", "format_map", "join", "ljust", "replace", "rjust"}
GROWING |= {"translate", "zfill"}
"""Methods of text that can make more of it than there is memory."""
WHOLE_RECORD = ("record", "_")
"""Names of the record itself."""
ATTRIBUTES: dict[type | None, set[str]] = {
    **simpleeval.BASIC_ALLOWED_ATTRS,
    str: simpleeval.BASIC_ALLOWED_ATTRS[str] - GROWING,
    dict: AllBut({"clear", "pop", "popitem", "setdefault", "update"}),
    list: {"count", "index"},
}
"""Attributes that an expression may use, by type: none that changes the record."""


def compile_where(
    rule: Rule,
    properties: Mapping[str, Any],
    functions: Mapping[str, Function],
    facts: Mapping[str, object],
) -> Filter | None:
    """A rule's filter; None if the rule has none.

    Names are the stream's properties, `record` or `_` for the whole record, and the functions whose
    facts the CRM provides. Raises: MappingError.
    """
    if rule.where is None:
        return None
    text = rule.where
    parsed = parse(rule, text)
    callables = {
        **simpleeval.DEFAULT_FUNCTIONS,
        **{
            name: bind(function, facts)
            for name, function in functions.items()
            if set(function.facts) <= set(facts)
        },
    }
    known = {*properties, *WHOLE_RECORD, *callables, *simpleeval.DEFAULT_NAMES}
    for name in names_in(parsed):
        if name not in known:
            raise rule.error(f"where: unknown name {name!r}.", "where", nearest(name, known))
    for name in properties_in(parsed):
        if name not in properties:
            hint = nearest(name, properties)
            raise rule.error(f"where: the stream has no property {name!r}.", "where", hint)
    evaluator = simpleeval.EvalWithCompoundTypes(functions=callables, allowed_attrs=ATTRIBUTES)
    used = names_in(parsed)

    def passes(record: Mapping[str, Any]) -> bool:
        # a property that a record leaves out is null, not an unknown name
        values = {name: record.get(name) for name in used if name in record or name in properties}
        whole = dict.fromkeys(WHOLE_RECORD, record)
        evaluator.names = {**values, **whole, **simpleeval.DEFAULT_NAMES}
        return bool(evaluator.eval(text, previously_parsed=parsed))

    return passes


def parse(rule: Rule, text: str) -> Any:
    """The syntax tree of an expression. Raises: MappingError."""
    try:
        return simpleeval.SimpleEval.parse(text)
    except (simpleeval.InvalidExpression, SyntaxError) as error:
        raise rule.error(
            f"where: {text!r} is not a valid expression ({type(error).__name__}).", "where"
        ) from None


def names_in(parsed: Any) -> list[str]:
    """The names that an expression uses, in a fixed order."""
    return sorted({node.id for node in ast.walk(parsed) if isinstance(node, ast.Name)})


def properties_in(parsed: Any) -> list[str]:
    """The properties that an expression reads from the whole record, in a fixed order."""
    return sorted({name for node in ast.walk(parsed) if (name := property_in(node))})


def property_in(node: ast.AST) -> str:
    """The property in `record["x"]`, `record.get("x")` or `record.x`; empty for anything else."""
    if isinstance(node, ast.Subscript) and is_record(node.value):
        return text_of(node.slice)
    if isinstance(node, ast.Attribute) and is_record(node.value) and not hasattr(dict, node.attr):
        return node.attr
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        function = node.func
        return text_of(node.args[0]) if function.attr == "get" and is_record(function.value) else ""
    return ""


def is_record(node: ast.AST) -> bool:
    """Returns True for a name of the whole record."""
    return isinstance(node, ast.Name) and node.id in WHOLE_RECORD


def text_of(node: ast.AST) -> str:
    """The text of a constant; empty for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
