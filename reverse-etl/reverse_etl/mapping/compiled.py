"""A rule ready to map: `SourceRecord` → `CrmRecord`, None for a filtered row, or an error.

Mapping a record is pure. It either gives every field in the form in which the CRM compares it, or
raises what becomes a dead letter: no record is mapped in part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reverse_etl.errors import AwaitedError, FatalError, RowError, internal_error
from reverse_etl.hashes import hash_text, named_part
from reverse_etl.mapping.computation import BAD_RECORD, Compute, Filter, path_value
from reverse_etl.mapping.forms import Form, form_of
from reverse_etl.mapping.link_rules import LinkRule
from reverse_etl.mapping.rules import AttachRule, FieldRule, Mode, Rule, WritePolicy
from reverse_etl.objects import LinkForm, ObjectSpec
from reverse_etl.records import CrmRecord, SourceRecord, WantedFile, WantedLink
from reverse_etl.values import FieldInfo, Value, key_of

BRACES = re.compile(r"\{([\w.-]+)\}")
"""A property in a file's name."""
UNSAFE = re.compile(r"[^\w.-]")
NUL = "\0"
"""What no key in the ledger can hold: PostgreSQL's text does not."""
LONGEST_KEY = 255
"""Characters of a key in the ledger."""


@dataclass(frozen=True, slots=True)
class CompiledField:
    """A field whose function is bound and whose CRM field is known."""

    rule: FieldRule
    info: FieldInfo
    compute: Compute
    order: tuple[str, ...] = ()
    """What forward means: the options of the CRM's field, else those that the rule can give."""
    removed: Mapping[str, str] = field(default_factory=dict)
    """Options that the rule can give and people have removed, with what is written instead."""
    form: Form = field(init=False)
    """Gives its values the form of the CRM's field."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "form", form_of(self.info))


@dataclass(frozen=True, slots=True)
class CompiledLink:
    """A link whose form is known."""

    rule: LinkRule
    form: LinkForm
    key: Callable[[Mapping[str, Any]], str | None]
    """Reads the other record's key from a record; None if it names none."""


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRule:
    """A rule ready to map records."""

    rule: Rule
    spec: ObjectSpec
    fields: dict[str, CompiledField]
    where: Filter | None
    leave_fields: Mapping[str, Value]
    """What is written when a row no longer passes `where`; empty if nothing is."""
    links: tuple[CompiledLink, ...]
    """The links to other records, without the owner."""
    reference_infos: Mapping[str, FieldInfo]
    """The fields that hold the CRM ids of links."""
    version: bytes = b""
    """The hash of what the rule says, in which its fingerprints end."""
    rule_hash: str = ""
    """Of what the rule says: a letter of another hash is worth another try."""
    schema_hash: str = ""
    """Of the object's fields as the CRM describes them."""

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.rule.name

    @property
    def stream(self) -> str:
        """The stream it maps."""
        return self.rule.stream

    @property
    def object(self) -> str:
        """The CRM object it maps onto."""
        return self.rule.object

    @property
    def mode(self) -> Mode:
        """What it may do: create records, update them, or both."""
        return self.rule.mode

    @property
    def upsert_key(self) -> str:
        """The field that identifies a record in the CRM."""
        return self.rule.upsert_key

    @property
    def folds_case(self) -> bool:
        """True if keys that differ in case alone are one key."""
        return self.fields[self.upsert_key].info.folds_case

    @property
    def match_by(self) -> tuple[str, ...]:
        """Fields by which a record without our key is found."""
        return self.rule.match_by

    @property
    def forms(self) -> tuple[LinkForm, ...]:
        """The forms of the links."""
        return tuple(link.form for link in self.links)

    @property
    def attach(self) -> AttachRule | None:
        """The file that goes with a record."""
        return self.rule.attach

    def info(self, name: str) -> FieldInfo:
        """A field of the CRM, reference fields included. Raises: KeyError."""
        if name in self.reference_infos:
            return self.reference_infos[name]
        return self.fields[name].info

    def policy(self, name: str) -> WritePolicy:
        """When a field may be written, reference fields included. Raises: KeyError."""
        if name in self.reference_infos:
            link = next(link for link in self.links if link.form.field == name)
            return "on_create" if link.form.on_create else link.rule.write
        return self.fields[name].rule.write

    def is_for_creation(self, name: str) -> bool:
        """Returns True if a field, or a link by its name, is only written to a new record."""
        return name in self.fields and self.fields[name].rule.write == "on_create"

    def clears(self, name: str) -> bool:
        """Returns True if a null in the record clears the field in the CRM."""
        return name in self.fields and self.fields[name].rule.clear_on_null

    def learn(self, info: FieldInfo) -> None:
        """Take a field as it is in the CRM now, added options included."""
        known = self.fields[info.name]
        self.fields[info.name] = replace(known, info=info, order=info.options or known.order)

    def map(self, source: SourceRecord) -> CrmRecord | None:
        """The CRM record; None if `where` filters the row and `on_leave` writes nothing.

        Raises: AwaitedError if another stream brings the record, RowError.
        """
        try:
            return self._map(source)
        except (AwaitedError, RowError, FatalError):
            raise
        except Exception as error:  # noqa: BLE001  # seen: a dead letter names class and place
            raise internal_error(error) from None

    def _map(self, source: SourceRecord) -> CrmRecord | None:
        """Raises: as `map`, and what nobody expected."""
        leaving = self.where is not None and not self._passes(source)
        if leaving and not self.leave_fields:
            return None
        key = self._key(source)
        if leaving:
            parts = [named_part(name, value) for name, value in self.leave_fields.items()]
            known = fingerprint(parts) + self.version
            return CrmRecord(key, dict(self.leave_fields), (), source, known, leaving=True)
        values, parts = self._values(source)
        links = self._links_of(source)
        known = fingerprint(parts, links) + self.version
        return CrmRecord(key, values, links, source, known, file=self._file(source))

    def key_in(self, source: SourceRecord) -> str | None:
        """The upsert key of a record; None if it has none that can be computed."""
        try:
            return self._key(source)
        except (AwaitedError, RowError):
            return None

    def _passes(self, source: SourceRecord) -> bool:
        assert self.where is not None
        try:
            return bool(self.where(source.values))
        except BAD_RECORD as error:
            hint = "make the expression allow for null, as in `(total or 0) > 0`"
            raise RowError("unmappable", f"where fails ({type(error).__name__})", hint) from None

    def _key(self, source: SourceRecord) -> str:
        key_field = self.fields[self.upsert_key]
        try:
            value = key_field.compute(source.values)
        except BAD_RECORD as error:
            raise uncomputable(key_field, error) from None
        key, _ = key_field.form(value)
        if key is None and key_field.rule.wait_on_null:
            raise AwaitedError
        if key is None:
            raise RowError(
                "no_key",
                f"{self.upsert_key} is empty",
                "the record needs a value for its upsert key",
            )
        if len(str(key)) > LONGEST_KEY:
            raise RowError(
                "too_long",
                f"{self.upsert_key} has more than {LONGEST_KEY} characters",
                f"shorten the key: the ledger keeps at most {LONGEST_KEY} characters",
            )
        if NUL in str(key):
            raise with_nul(self.upsert_key)
        return key_of(key_field.info, key)

    def _values(self, source: SourceRecord) -> tuple[dict[str, Value], list[str]]:
        """Every field's value, those that the CRM requires not empty, and what each adds to the
        fingerprint."""
        values: dict[str, Value] = {}
        parts: list[str] = []
        record = source.values
        for name, compiled in self.fields.items():
            try:
                value = compiled.compute(record)
            except BAD_RECORD as error:
                raise uncomputable(compiled, error) from None
            values[name], part = compiled.form(value)
            parts.append(part)
        for name, why in self.spec.required.items():
            if values.get(name) is None:
                hint = f"{why}: give {name} a default in the rule"
                raise RowError("required_field", f"{name} is empty", hint)
        return values, parts

    def _links_of(self, source: SourceRecord) -> tuple[WantedLink, ...]:
        """The links of a record. Raises: RowError if it needs one and has none."""
        links = tuple(self._links(source))
        if self.spec.needs_link and not links and self.mode != "update_only":
            raise RowError(
                "no_link",
                "it is linked to no record, and needs one",
                "give the record a value for the key of one of its links",
            )
        return links

    def _links(self, source: SourceRecord) -> Iterable[WantedLink]:
        for link in self.links:
            try:
                key = link.key(source.values)
            except BAD_RECORD as error:
                raise RowError(
                    "unmappable",
                    f"the key of the link to {link.form.to} fails ({type(error).__name__})",
                    "check the properties that the key is read from",
                ) from None
            if key is not None and NUL in key:
                raise with_nul(f"the key of the link to {link.form.to}")
            if key is not None:
                yield WantedLink(link.form, key)

    def _file(self, source: SourceRecord) -> WantedFile | None:
        """The file that goes with the record; None if the record names none."""
        if self.attach is None:
            return None
        url = path_value(source.values, self.attach.url)
        if not isinstance(url, str) or not url:
            return None
        name = BRACES.sub(
            lambda braces: safe_name(path_value(source.values, braces.group(1))), self.attach.name
        )
        return WantedFile(url, name)


def uncomputable(compiled: CompiledField, error: Exception) -> RowError:
    """Why a record has no value for a field."""
    name = compiled.rule.name
    failing = compiled.rule.function or "the rule"
    return RowError(
        "unmappable",
        f"{name}: {failing} fails ({type(error).__name__})",
        f"check the properties that {name} is computed from",
    )


def fingerprint(parts: Iterable[str], links: Iterable[WantedLink] = ()) -> bytes:
    """One hash over all that a rule makes of a record: the parts of its values, then its links."""
    ends = [named_part(link.name, link.to_key) for link in links]
    return hash_text("".join([*parts, *ends]))


def with_nul(what: str) -> RowError:
    """Why a record with such a key is not mapped."""
    return RowError("unmappable", f"{what} holds a NUL character", "remove it at the source")


def safe_name(value: object) -> str:
    """A part of a file's name: letters, digits, dots and dashes."""
    return UNSAFE.sub("_", str(value))
