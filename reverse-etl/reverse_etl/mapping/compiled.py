"""Stage 3, map: `SourceRecord` → `CrmRecord` per rule, or a dead letter `unmappable`, or skipped `filtered`.

A rule is compiled once against the stream's schema and the CRM's fields (the third ring of checks); mapping a record
is pure after that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import simpleeval

from reverse_etl.errors import AwaitedError, RowError
from reverse_etl.mapping.rules import FieldRule, Rule
from reverse_etl.objects import LinkForm, ObjectSpec
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
    def stream(self) -> str:
        """The stream."""
        return self.rule.stream

    @property
    def upsert_key(self) -> str:
        """The field that holds the key."""
        return self.rule.upsert_key

    @property
    def match_by(self) -> tuple[str, ...]:
        """Match fields."""
        return self.rule.match_by

    @property
    def mode(self) -> str:
        """The mode."""
        return self.rule.mode

    @property
    def links(self) -> Any:
        """The links."""
        return self.rule.links

    def clears(self, name: str) -> bool:
        """Whether null clears."""
        return name in self.fields and self.fields[name].rule.clear_on_null

    def policy(self, name: str) -> str:
        """Policy."""
        if name in self.reference_infos:
            return "on_create" if self.reference_is_on_create(name) else "always"
        return self.fields[name].rule.write

    def info(self, name: str) -> FieldInfo:
        """Info."""
        return (
            self.reference_infos[name] if name in self.reference_infos else self.fields[name].info
        )

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
