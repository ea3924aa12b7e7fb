"""A mapping rule as typed models: what one YAML file says, with the lines it says it on.

`load` makes rules from YAML, `checks` judges them together, `compiler` makes them ready to map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reverse_etl.errors import MappingError
from reverse_etl.mapping.link_rules import LinkRule, OwnerRule

WritePolicy = Literal["always", "on_create", "if_empty", "forward_only"]
Mode = Literal["upsert", "update_only", "create_only"]
Constant = str | int | float | bool


@dataclass(frozen=True, slots=True)
class ParseRule:
    """How text becomes a value of another kind."""

    kind: Literal["number", "boolean", "date", "datetime"]
    format: str = ""
    """Of a date or date-time, as `strptime` takes it; empty for ISO 8601."""
    zone: str = "UTC"
    """The time zone of a date-time that names none."""
    decimal: str = "."
    group: str = ""
    """The sign between groups of digits; empty if there is none."""
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    """What means true and false; empty for the usual words."""


@dataclass(frozen=True, slots=True)
class CurrencyRule:
    """The currency of an amount: what a property holds, or a fixed ISO 4217 code."""

    path: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Where the value of one CRM field comes from, and when it may be written."""

    name: str
    line: int
    paths: tuple[str, ...] = ()
    whole_record: bool = False
    constant: Constant | None = None
    function: str | None = None
    join: str | None = None
    """What is between the parts of several paths, if they are joined to text."""
    parse: ParseRule | None = None
    table: Mapping[str, Any] | None = None
    """The word `map`: value to value."""
    default: Constant | None = None
    max_length: int | None = None
    write: WritePolicy = "always"
    clear_on_null: bool = False
    wait_on_null: bool = False
    """For an upsert key: another stream will bring the record that lacks it here."""
    mask: bool = False
    options: tuple[str, ...] = ()
    """The values that a choice or multi-select field has, where the schema does not say them."""
    currency: CurrencyRule | None = None
    """The currency that the value is an amount of."""


@dataclass(frozen=True, slots=True)
class AttachRule:
    """A file that goes with the record."""

    url: str
    """The property that holds its URL."""
    name: str
    """The file's name, with properties in braces."""
    line: int


@dataclass(frozen=True, slots=True)
class Example:
    """A record and what the rule makes of it."""

    title: str
    record: Mapping[str, Any]
    gives: Mapping[str, Any] | None
    filtered: bool
    error: str | None
    """The code of the expected dead letter."""
    line: int


@dataclass(frozen=True, slots=True)
class Rule:
    """How one stream maps onto one object."""

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
    """Line numbers by path, such as `fields/email/from`."""

    @property
    def field_names(self) -> tuple[str, ...]:
        """The CRM fields that the rule names, in order."""
        return tuple(field_rule.name for field_rule in self.fields)

    def field_named(self, name: str) -> FieldRule:
        """The rule of one field. Raises: KeyError."""
        return {field_rule.name: field_rule for field_rule in self.fields}[name]

    def error(self, message: str, at: str | int, hint: str = "") -> MappingError:
        """An error in this rule, at a path such as `fields/email/from`, or a line."""
        line = self.lines.get(at) if isinstance(at, str) else at
        return MappingError(message, file=self.file, line=line, hint=hint)
