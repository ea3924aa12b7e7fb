"""Stage 3, map: `SourceRecord` → `CrmRecord` per rule, or a dead letter `unmappable`, or skipped `filtered`.

A rule is compiled once against the stream's schema and the CRM's fields (the third ring of checks); mapping a record
is pure after that.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zlib import crc32

import simpleeval

from reverse_etl.errors import AwaitedError, NotRepresentableError, RowError
from reverse_etl.mapping.functions import Function, bind
from reverse_etl.mapping.rules import FieldRule, OwnerRule, Rule, nearest
from reverse_etl.objects import FieldWanted, LinkForm, ObjectSpec
from reverse_etl.records import CrmRecord, SourceRecord, WantedFile, WantedLink
from reverse_etl.values import FieldInfo, Kind, Value, canonical, hash_values

ACCEPTS: dict[Kind, set[Kind]] = {
    "text": {"text", "integer", "number", "boolean", "date", "datetime", "choice", "choices"},
    "choice": {"text", "choice", "integer", "boolean"},
    "choices": {"choices", "choice", "text"},
    "integer": {"integer", "number"},
    "number": {"integer", "number"},
    "boolean": {"boolean"},
    "date": {"date", "datetime"},
    "datetime": {"date", "datetime"},
}
"""Kinds of value that a kind of field takes."""
BRACES = re.compile(r"\{([\w.]+)\}")
"""A property in a file's name."""
UNSAFE = re.compile(r"[^\w.-]")
LONGEST_KEY = 255
"""Characters of a key in the ledger."""
BAD_RECORD = (
    TypeError,
    ValueError,
    ArithmeticError,
    KeyError,
    AttributeError,
    simpleeval.InvalidExpression,
)
"""What a function or an expression raises over a value it was not made for."""


@dataclass(frozen=True, slots=True)
class CompiledField:
    """A field with its function bound and its CRM field known."""

    rule: FieldRule
    info: FieldInfo
    compute: Callable[[Mapping[str, Any]], object]
    order: tuple[str, ...] = ()
    """What forward means: the options of the CRM's field, else those that the rule can give."""


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRule:
    """A rule ready to map records."""

    rule: Rule
    spec: ObjectSpec
    fields: Mapping[str, CompiledField]
    where: Callable[[Mapping[str, Any]], bool] | None
    leave_fields: Mapping[str, Value]
    forms: tuple[tuple[str, LinkForm], ...]
    """Property that holds the other's key, and the form of the link."""
    reference_infos: Mapping[str, FieldInfo]
    """The fields that hold the CRM ids of links."""

    def reference_is_on_create(self, field: str) -> bool:
        """Whether a reference field can only be written when the record is created."""
        return any(form.on_create for _, form in self.forms if form.field == field)

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.rule.name

    @property
    def object(self) -> str:
        """The CRM object."""
        return self.rule.object

    def map(self, source: SourceRecord) -> CrmRecord | None:
        """The CRM record; None where `where` filters the row and nothing follows from that. Raises: AwaitedError, RowError."""
        leaving = self.where is not None and not self._passes(source)
        if leaving and not self.leave_fields:
            return None
        key = self._value(self.fields[self.rule.upsert_key], source)
        if key is None and self.fields[self.rule.upsert_key].rule.wait_on_null:
            raise AwaitedError
        if key is None:
            raise RowError(
                "no_key",
                f"{self.rule.upsert_key} is empty",
                "the record needs a value for its upsert key",
            )
        if len(str(key)) > LONGEST_KEY:
            raise RowError(
                "too_long",
                f"{self.rule.upsert_key} has more than {LONGEST_KEY} characters",
                "the ledger keeps shorter keys only",
            )
        if leaving:
            values = dict(self.leave_fields)
        else:
            values = {name: self._value(field, source) for name, field in self.fields.items()}
            for name, why in self.spec.required.items():
                if values.get(name) is None:
                    raise RowError(
                        "required_field",
                        f"{name} is empty",
                        f"{why}: give {name} a default in the rule",
                    )
        links = () if leaving else tuple(self._links(source))
        parts = [*values.items(), *((link.name, link.to_key) for link in links)]
        return CrmRecord(
            self,
            str(key),
            values,
            links,
            source,
            hash_values(parts),
            leaving,
            None if leaving else self._file(source),
        )

    def _file(self, source: SourceRecord) -> WantedFile | None:
        """The file that goes with the record; None where the source has none."""
        attach = self.rule.attach
        url = path_value(source.values, attach.url) if attach else None
        if attach is None or not isinstance(url, str) or not url:
            return None
        return WantedFile(
            url,
            BRACES.sub(
                lambda match: safe_name(path_value(source.values, match.group(1))), attach.name
            ),
        )

    def _passes(self, source: SourceRecord) -> bool:
        assert self.where is not None
        try:
            return bool(self.where(source.values))
        except BAD_RECORD as error:
            hint = "let the expression allow for null, as in `(total or 0) > 0`"
            raise RowError("unmappable", f"where fails ({type(error).__name__})", hint) from None

    def _value(self, field: CompiledField, source: SourceRecord) -> Value:
        name = field.rule.name
        try:
            value = field.compute(source.values)
        except BAD_RECORD as error:
            hint = f"look at the properties that {name} is made from"
            raise RowError(
                "unmappable", f"{name}: {field.rule.function} fails ({type(error).__name__})", hint
            ) from None
        return canonical(field.info, value)

    def _links(self, source: SourceRecord) -> Sequence[WantedLink]:
        found = []
        for path, form in self.forms:
            key = source.values.get(path)
            if key is not None:
                found.append(WantedLink(form, str(key)))
        return found


def safe_name(value: object) -> str:
    """A part of a file's name: letters, digits, dots and dashes."""
    return UNSAFE.sub("_", str(value))


def path_value(record: Mapping[str, Any], path: str) -> object:
    """The value at a path such as `address.city`; None where a part is absent."""
    value: Any = record
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def schema_kind(schema: Mapping[str, Any]) -> tuple[Kind | None, tuple[str, ...]]:
    """Kind and options of a JSON Schema property; None for an object or a list of them."""
    types = schema.get("type", [])
    names = {types} if isinstance(types, str) else set(types)
    names.discard("null")
    if schema.get("enum"):
        return "choice", tuple(str(one) for one in schema["enum"] if one is not None)
    if "string" in names:
        return {"date-time": "datetime", "date": "date"}.get(schema.get("format", ""), "text"), ()  # type: ignore[return-value]
    simple: dict[str, Kind] = {
        "integer": "integer",
        "number": "number",
        "boolean": "boolean",
        "array": "choices",
    }
    return next((kind for name, kind in simple.items() if name in names), None), ()


class RuleCompiler:
    """Compiles rules against a stream's schema and the account's fields and facts."""

    def __init__(self, functions: Mapping[str, Function], facts: Mapping[str, object]) -> None:
        self.functions, self.facts = functions, facts

    def check_properties(self, rule: Rule, properties: Mapping[str, Any]) -> None:
        """Raises: MappingError for a property or function that is not there."""
        wanted = [(path, f"fields/{field.name}") for field in rule.fields for path in field.paths]
        wanted += [(link.key, f"links/{index}") for index, link in enumerate(rule.links)]
        if rule.owner and rule.owner.key:
            wanted.append((rule.owner.key, "links/0"))
        if rule.attach:
            wanted += [
                (path, "attach") for path in (rule.attach.url, *BRACES.findall(rule.attach.name))
            ]
        for path, at in wanted:
            top = path.split(".")[0]
            if top not in properties:
                hint = (
                    nearest(top, properties) or f"The stream has: {', '.join(sorted(properties))}."
                )
                raise rule.error(f"the stream {rule.stream!r} has no property {top!r}.", at, hint)
        for field in rule.fields:
            if field.function is not None and field.function not in self.functions:
                known = sorted(self.functions)
                hint = nearest(field.function, known) or f"Known: {', '.join(known)}."
                raise rule.error(
                    f"unknown function {field.function!r}.", f"fields/{field.name}", hint
                )

    def source_kind(
        self, field: FieldRule, properties: Mapping[str, Any]
    ) -> tuple[Kind | None, tuple[str, ...], bool]:
        """Kind, options and whether it is long text, as far as rule and schema tell."""
        if field.mask:
            return "text", (), False
        if field.table is not None:
            values = [
                *field.table.values(),
                *([field.default] if field.default is not None else []),
            ]
            if all(isinstance(one, str) for one in values):
                return "choice", tuple(dict.fromkeys(values)), False
            return None, (), False
        if field.function is not None:
            function = self.functions[field.function]
            return function.kind, function.options, function.long_text
        if field.constant is not None:
            kinds: dict[type, Kind] = {
                str: "choice",
                bool: "boolean",
                int: "integer",
                float: "number",
            }
            return kinds[type(field.constant)], (str(field.constant),), False
        if len(field.paths) == 1 and "." not in field.paths[0]:
            schema = properties[field.paths[0]]
            return (*schema_kind(schema), schema.get("contentMediaType") == "text/plain")
        return None, (), False

    def wanted_fields(
        self, rule: Rule, spec: ObjectSpec, properties: Mapping[str, Any]
    ) -> list[FieldWanted]:
        """What the CRM object needs for this rule: its fields, and those that hold the ids of what it refers to."""
        wanted = []
        for field in rule.fields:
            kind, options, long_text = self.source_kind(field, properties)
            unique = field.name == rule.upsert_key
            wanted.append(
                FieldWanted(
                    field.name,
                    kind or "text",
                    options if kind == "choice" else (),
                    unique,
                    long_text,
                )
            )
        forms = [spec.links[link.to] for link in rule.links]
        return wanted + [
            FieldWanted(form.field, "text", refers=form.to)
            for form in forms
            if form.form == "reference"
        ]

    def compile(
        self,
        rule: Rule,
        spec: ObjectSpec,
        properties: Mapping[str, Any],
        infos: Mapping[str, FieldInfo],
        owners: Mapping[str, str] | None = None,
    ) -> CompiledRule:
        """A rule against the CRM's fields, and those who may own its records. Raises: MappingError."""
        missing = [field for field in rule.fields if field.name not in infos]
        if missing:
            names = ", ".join(field.name for field in missing)
            near = nearest(missing[0].name, infos)
            hint = f"{near} Or create them in the CRM, grant the user access to them, or set `provision: true`.".strip()
            raise rule.error(
                f"{rule.object} has no field {names}.", f"fields/{missing[0].name}", hint
            )
        fields = {
            field.name: self.compile_field(rule, field, infos[field.name], properties)
            for field in rule.fields
        }
        if rule.owner:
            fields[spec.owner_field] = self.compile_owner(
                rule, rule.owner, spec, infos, owners or {}
            )
        if spec.unique_keys and not infos[rule.upsert_key].unique:
            hint = "Make the field unique in the CRM (often only possible at creation), or name another field as upsert_key."
            raise rule.error(
                f"the upsert_key {rule.upsert_key!r} is not unique in {rule.object}.",
                "upsert_key",
                hint,
            )
        forms = tuple(
            (link.key, replace(spec.links[link.to], key_field=link.key_field))
            for link in rule.links
        )
        for _, form in forms:
            if form.form == "reference" and form.field not in infos:
                hint = "Create it in the CRM, or set `provision: true`."
                raise rule.error(
                    f"{rule.object} has no field {form.field}, which links it to {form.to}.",
                    "links/0",
                    hint,
                )
        references = {
            form.field: infos[form.field] for _, form in forms if form.form == "reference"
        }
        where = self.compile_where(rule, properties)
        return CompiledRule(
            rule, spec, fields, where, self.leave_fields(rule, fields), forms, references
        )

    def compile_owner(
        self,
        rule: Rule,
        owner: OwnerRule,
        spec: ObjectSpec,
        infos: Mapping[str, FieldInfo],
        owners: Mapping[str, str],
    ) -> CompiledField:
        """Who owns a new record; an e-mail of the source that no owner has leaves it to the CRM. Raises: MappingError."""
        if spec.owner_field not in infos:
            raise rule.error(
                f"records of {rule.object} have no owner.",
                "links/0",
                "Take the link to owner out of the rule.",
            )
        named = (owner.fixed,) if owner.fixed else owner.round_robin
        for one in named:
            if one.casefold() not in owners:
                hint = "Give the e-mail of an active user of the CRM."
                raise rule.error(
                    "an owner that the rule names is not among the CRM's users.", "links/0", hint
                )
        ids = [owners[one.casefold()] for one in named]
        key = next(one for one in rule.fields if one.name == rule.upsert_key)
        key_of = self.compute(rule, key)

        def value(record: Mapping[str, Any]) -> object:
            if owner.key:
                return owners.get(str(path_value(record, owner.key) or "").casefold())
            return ids[crc32(str(key_of(record)).encode()) % len(ids)]

        return CompiledField(
            FieldRule(spec.owner_field, owner.line, write="on_create"),
            infos[spec.owner_field],
            value,
        )

    def compile_field(
        self, rule: Rule, field: FieldRule, info: FieldInfo, properties: Mapping[str, Any]
    ) -> CompiledField:
        """One field. Raises: MappingError."""
        at = f"fields/{field.name}"
        if not info.writable:
            raise rule.error(
                f"{field.name} of {rule.object} cannot be written.",
                at,
                "Map onto a writable field, or grant the right to edit it.",
            )
        kind, options, _ = self.source_kind(field, properties)
        if kind is not None and kind not in ACCEPTS[info.kind]:
            raise rule.error(
                f"{field.name} takes a {info.kind}, the rule gives a {kind}.",
                at,
                "Use a function (`as`) that converts it.",
            )
        known = {
            *info.options,
            *(name for name in options if info.aliases.get(name.casefold()) in info.options),
        }
        unknown = [
            one for one in options if kind == "choice" and info.strict_options and one not in known
        ]
        if unknown and info.kind == "choice":
            raise rule.error(
                f"{field.name} has no option {unknown[0]!r}.",
                at,
                "Add it in the CRM, or map the value onto one it has.",
            )
        order = info.options or options
        if field.write == "forward_only" and not order:
            raise rule.error(
                f"{field.name} has no options, so forward_only has no order.",
                at,
                "Use another `write`.",
            )
        return CompiledField(field, info, self.compute(rule, field), order)

    def compute(self, rule: Rule, field: FieldRule) -> Callable[[Mapping[str, Any]], object]:
        """How the value is made from the record. Raises: MappingError for a fact the account does not have."""
        if field.constant is not None:
            constant = field.constant
            return lambda record: constant
        call = self.bound(rule, field) if field.function else None

        def value(record: Mapping[str, Any]) -> object:
            values = (
                [record]
                if field.whole_record
                else [path_value(record, path) for path in field.paths]
            )
            result: object = call(*values) if call else values[0]
            if field.table is not None:
                result = field.table.get(plain(result)) if result is not None else None
            if result is None or result == "":
                result = field.default
            if field.max_length is not None and isinstance(result, str):
                result = result[: field.max_length]
            if field.mask and result is not None:
                result = hashlib.sha256(str(result).encode()).hexdigest()
            return result

        return value

    def bound(self, rule: Rule, field: FieldRule) -> Callable[..., Any]:
        """A field's function with the account's facts. Raises: MappingError."""
        function = self.functions[field.function or ""]
        try:
            return bind(function, self.facts)
        except KeyError as error:
            known = ", ".join(self.facts) or "none"
            message = f"{function.name} needs {error.args[0]!r}, which this CRM does not know."
            raise rule.error(message, f"fields/{field.name}", f"Known: {known}.") from None

    def compile_where(
        self, rule: Rule, properties: Mapping[str, Any]
    ) -> Callable[[Mapping[str, Any]], bool] | None:
        """The filter, in the expression language of the SDK's stream maps. Raises: MappingError."""
        if rule.where is None:
            return None
        text = rule.where
        try:
            parsed = simpleeval.SimpleEval.parse(text)
        except (simpleeval.InvalidExpression, SyntaxError) as error:
            raise rule.error(
                f"where: {text!r} is no expression ({type(error).__name__}).", "where"
            ) from None
        functions = {
            **simpleeval.DEFAULT_FUNCTIONS,
            **{
                name: bind(one, self.facts)
                for name, one in self.functions.items()
                if set(one.facts) <= set(self.facts)
            },
        }
        known = {*properties, "record", "_", *functions, *simpleeval.DEFAULT_NAMES}
        for name in expression_names(parsed):
            if name not in known:
                raise rule.error(f"where: unknown name {name!r}.", "where", nearest(name, known))
        evaluator = simpleeval.EvalWithCompoundTypes(functions=functions)

        def passes(record: Mapping[str, Any]) -> bool:
            evaluator.names = {
                **dict.fromkeys(properties),
                **record,
                "record": record,
                "_": record,
                **simpleeval.DEFAULT_NAMES,
            }
            return bool(evaluator.eval(text, previously_parsed=parsed))

        return passes

    def leave_fields(self, rule: Rule, fields: Mapping[str, CompiledField]) -> dict[str, Value]:
        """What is written when a row leaves `where`. Raises: MappingError."""
        if rule.on_leave == "keep":
            return {}
        if rule.on_leave == "clear":
            return {
                name: None
                for name, field in fields.items()
                if name != rule.upsert_key and name not in field_names_needed(fields)
            }
        values = {}
        for name, value in dict(rule.on_leave).items():
            if name not in fields:
                raise rule.error(
                    f"on_leave sets {name!r}, which is not among the fields.",
                    "on_leave",
                    nearest(name, fields),
                )
            try:
                values[name] = canonical(fields[name].info, value)
            except NotRepresentableError as error:
                raise rule.error(f"on_leave: {error}.", "on_leave", error.hint) from None
        return values


def field_names_needed(fields: Mapping[str, CompiledField]) -> set[str]:
    """Fields that are never cleared: those written on creation only."""
    return {name for name, field in fields.items() if field.rule.write == "on_create"}


def plain(value: object) -> str:
    """A value as a key of `map`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return (
        str(int(value))
        if isinstance(value, (Decimal, float)) and value == int(value)
        else str(value)
    )


def expression_names(parsed: Any) -> set[str]:
    """Names an expression uses."""
    return {node.id for node in ast.walk(parsed) if isinstance(node, ast.Name)}
