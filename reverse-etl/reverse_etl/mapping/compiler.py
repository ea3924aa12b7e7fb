"""The third ring of checks: a rule against the stream's schema and the CRM's fields.

What passes is compiled once, before the stream's first record, and maps every record from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

from singer_kit.words import nearest, suggestion

from reverse_etl.crm.adapter import Currencies
from reverse_etl.errors import NotRepresentableError
from reverse_etl.mapping.compiled import BRACES, CompiledField, CompiledLink, CompiledRule
from reverse_etl.mapping.computation import Compute, computation, key_computation
from reverse_etl.mapping.content import content_hash
from reverse_etl.mapping.field_checks import (
    check_field_takes,
    check_fields_exist,
    check_options,
    wanted_field,
)
from reverse_etl.mapping.functions import Function, bind
from reverse_etl.mapping.kinds import SourceKind, read_kind, source_kind
from reverse_etl.mapping.link_checks import check_links
from reverse_etl.mapping.link_rules import LinkRule, OwnerRule
from reverse_etl.mapping.money import with_currency
from reverse_etl.mapping.removed_options import removed_options, with_stand_ins
from reverse_etl.mapping.rules import FieldRule, Rule
from reverse_etl.mapping.schemas import NoSuchPathError, schema_at
from reverse_etl.mapping.versions import rule_version
from reverse_etl.mapping.where import compile_where
from reverse_etl.objects import FieldWanted, LinkForm, ObjectSpec
from reverse_etl.values import FieldInfo, Value, canonical


class RuleCompiler:
    """Compiles rules with the functions they may name and the facts about one account."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        facts: Mapping[str, object],
        currencies: Currencies | None = None,
        *,
        adds_options: bool = False,
    ) -> None:
        self.functions, self.facts = functions, facts
        self.currencies, self.adds_options = currencies, adds_options

    def check_properties(self, rule: Rule, properties: Mapping[str, Any]) -> None:
        """Raises: MappingError for a path that the stream lacks, or an unknown function."""
        for path, line in wanted_properties(rule):
            check_path(rule, properties, path, line)
        for field in rule.fields:
            self.check_function(rule, field)

    def check_function(self, rule: Rule, field: FieldRule) -> None:
        """Raises: MappingError for an unknown function."""
        if field.function is not None and field.function not in self.functions:
            raise rule.error(
                f"unknown function {field.function!r}.",
                field.line,
                suggestion(field.function, sorted(self.functions)),
            )

    def wanted_fields(self, rule: Rule, properties: Mapping[str, Any]) -> list[FieldWanted]:
        """The CRM fields that a rule names; `reference_fields` gives those of its links."""
        wanted = []
        for field in rule.fields:
            source = self._kind(field, properties)
            wanted.append(wanted_field(field, source, unique=field.name == rule.upsert_key))
        return wanted

    def compile(
        self,
        rule: Rule,
        spec: ObjectSpec,
        properties: Mapping[str, Any],
        crm_fields: Mapping[str, FieldInfo],
        forms: Sequence[LinkForm] = (),
        owners: Mapping[str, str] | None = None,
    ) -> CompiledRule:
        """A rule ready to map records of a stream with these properties.

        `forms` are those of the rule's links, in order. `owners` gives, by e-mail, the CRM ids of
        those who may own records. Raises: MappingError.
        """
        check_links(rule, spec, forms)
        check_fields_exist(rule, crm_fields)
        fields = {
            field.name: self.compile_field(rule, field, crm_fields[field.name], properties)
            for field in rule.fields
        }
        if rule.owner is not None:
            check_owner_field(rule, rule.owner, spec, crm_fields)
            owner_field = FieldRule(spec.owner_field, rule.owner.line, write=rule.owner.write)
            compute = self._owner(rule, rule.owner, owners or {})
            info = crm_fields[spec.owner_field]
            fields[spec.owner_field] = CompiledField(owner_field, info, compute)
        check_key_is_unique(rule, spec, crm_fields)
        return CompiledRule(
            rule=rule,
            spec=with_required(rule, spec, crm_fields),
            fields=fields,
            where=compile_where(rule, properties, self.functions, self.facts),
            leave_fields=leave_values(rule, fields),
            links=tuple(
                compiled_link(link, form) for link, form in zip(rule.links, forms, strict=True)
            ),
            reference_infos=reference_infos(rule, forms, crm_fields),
            version=rule_version(rule),
            rule_hash=content_hash(rule),
            schema_hash=content_hash(crm_fields),
        )

    def _kind(self, field: FieldRule, properties: Mapping[str, Any]) -> SourceKind:
        return source_kind(field, properties, self.functions)

    def compile_field(
        self, rule: Rule, field: FieldRule, info: FieldInfo, properties: Mapping[str, Any]
    ) -> CompiledField:
        """A field that the CRM's field can take. Raises: MappingError."""
        source = self._kind(field, properties)
        check_field_takes(rule, field, info, source)
        if field.parse and read_kind(field, properties, self.functions).kind == "choices":
            raise rule.error(f"{field.name}: a list cannot be parsed.", field.line)
        if not self.adds_options:
            check_options(rule, field, info, source)
        order = info.options or source.options
        if field.write == "forward_only" and (not order or info.kind == "choices"):
            what = "takes several values" if order else "has no options"
            raise rule.error(
                f"{field.name} {what}, so forward_only has no order to follow.",
                field.line,
                "Use another `write`.",
            )
        removed = removed_options(info, source)
        compute = with_stand_ins(self._compute(rule, field, info), removed)
        return CompiledField(field, info, compute, order, removed)

    def _compute(self, rule: Rule, field: FieldRule, info: FieldInfo | None = None) -> Compute:
        """How a field's value is computed. Raises: MappingError."""
        call = self._bound(rule, field, field.function) if field.function else None
        compute = computation(
            field,
            call,
            is_key=field.name == rule.upsert_key,
            lists=info is not None and info.kind == "choices",
        )
        return with_currency(rule, field, compute, self.currencies)

    def _bound(self, rule: Rule, field: FieldRule, name: str) -> Callable[..., Any]:
        """A function with the account's facts. Raises: MappingError if one is missing."""
        try:
            return bind(self.functions[name], self.facts)
        except KeyError as error:
            raise rule.error(
                f"{name} needs {error.args[0]!r}, which this CRM does not provide.",
                field.line,
                f"Known: {', '.join(self.facts) or 'none'}.",
            ) from None

    def _owner(self, rule: Rule, owner: OwnerRule, owners: Mapping[str, str]) -> Compute:
        """Who owns a new record: a CRM id, or None to leave it to the CRM. Raises: MappingError."""
        if owner.paths:
            email_of = key_computation(owner.paths, owner.join)
            # an e-mail of the source need not be a user of the CRM: the record still goes out
            return lambda record: owners.get((email_of(record) or "").casefold())
        ids = named_owners(rule, owner, owners)
        key_of = self._compute(rule, rule.field_named(rule.upsert_key))
        # by the record's key, not by turns: a second run then chooses the same owner
        return lambda record: ids[crc32(str(key_of(record)).encode()) % len(ids)]


def check_path(rule: Rule, properties: Mapping[str, Any], path: str, line: int) -> None:
    """Raises: MappingError if the stream rules a path out."""
    try:
        schema_at(rule.stream, properties, path)
    except NoSuchPathError as error:
        raise rule.error(error.message, line, error.hint) from None


def wanted_properties(rule: Rule) -> list[tuple[str, int]]:
    """The paths of the stream that a rule reads, each with the line that names it."""
    paths = [(path, field.line) for field in rule.fields for path in field.paths]
    for field in rule.fields:
        if field.currency is not None and field.currency.path:
            paths.append((field.currency.path, field.line))
    paths += [(path, link.line) for link in rule.links for path in link.paths]
    if rule.owner is not None:
        paths += [(path, rule.owner.line) for path in rule.owner.paths]
    if rule.attach is not None:
        names = (rule.attach.url, *BRACES.findall(rule.attach.name))
        paths += [(path, rule.attach.line) for path in names]
    return paths


def check_owner_field(
    rule: Rule, owner: OwnerRule, spec: ObjectSpec, crm_fields: Mapping[str, FieldInfo]
) -> None:
    """Raises: MappingError if records of the object have no owner."""
    if spec.owner_field not in crm_fields:
        raise rule.error(
            f"records of {rule.object} have no owner.",
            owner.line,
            "Remove the link to owner from the rule.",
        )


def named_owners(rule: Rule, owner: OwnerRule, owners: Mapping[str, str]) -> list[str]:
    """The CRM ids of the owners that a rule names by e-mail. Raises: MappingError."""
    emails = (owner.fixed,) if owner.fixed else owner.round_robin
    if any(email.casefold() not in owners for email in emails):
        raise rule.error(
            "an owner that the rule names is not a user of the CRM.",
            owner.line,
            "Use the e-mail address of an active user of the CRM.",
        )
    return [owners[email.casefold()] for email in emails]


def check_key_is_unique(rule: Rule, spec: ObjectSpec, crm_fields: Mapping[str, FieldInfo]) -> None:
    """Raises: MappingError if the CRM could keep the upsert key unique, and does not."""
    if spec.unique_keys and not crm_fields[rule.upsert_key].unique:
        raise rule.error(
            f"the upsert_key {rule.upsert_key!r} is not unique in {rule.object}.",
            "upsert_key",
            "Make the field unique in the CRM (often only possible when the field is created), "
            "or use another field as upsert_key.",
        )


def with_required(rule: Rule, spec: ObjectSpec, crm_fields: Mapping[str, FieldInfo]) -> ObjectSpec:
    """The spec with the fields that the CRM itself calls required.

    Raises: MappingError if the rule may create records and gives one of them no value at all.
    """
    described = (info.name for info in crm_fields.values() if info.required)
    required = {**dict.fromkeys(described, "the CRM requires it"), **spec.required}
    missing = [name for name in required if name not in rule.field_names]
    if missing and rule.mode != "update_only":
        raise rule.error(
            f"{rule.object} needs {', '.join(missing)}, which the rule does not give.",
            "fields",
            f"Add {missing[0]} to the fields, or set `mode: update_only`.",
        )
    return replace(
        spec, required={name: required[name] for name in required if name not in missing}
    )


def compiled_link(link: LinkRule, form: LinkForm) -> CompiledLink:
    """A link with the way to read its key from a record."""
    if not link.paths:
        fixed = link.fixed
        return CompiledLink(link, form, lambda record: fixed or None)
    return CompiledLink(link, form, key_computation(link.paths, link.join))


def link_form(link: LinkRule, form: LinkForm, *, needed: bool = False) -> LinkForm:
    """The CRM's form of a link, with what the rule says about the link.

    `needed`: records of the object need a link.
    """
    only_on_create = form.on_create and not form.later
    return replace(
        form,
        name=link.name,
        key_field="" if link.found_by else link.key_field,
        found_by=link.found_by,
        holds_back=form.form == "reference" and (link.wait == "record" or only_on_create or needed),
    )


def reference_fields(
    forms: Sequence[LinkForm], crm_fields: Mapping[str, FieldInfo]
) -> list[FieldWanted]:
    """The fields that hold the ids of links and are missing in the CRM."""
    return [
        FieldWanted(form.field, "text", refers=form.to)
        for form in forms
        if form.form == "reference" and form.field not in crm_fields
    ]


def reference_infos(
    rule: Rule, forms: Sequence[LinkForm], crm_fields: Mapping[str, FieldInfo]
) -> dict[str, FieldInfo]:
    """The CRM fields that hold the ids of links. Raises: MappingError if one is missing."""
    infos: dict[str, FieldInfo] = {}
    for link, form in zip(rule.links, forms, strict=True):
        if form.form != "reference":
            continue
        if form.field not in crm_fields:
            raise rule.error(
                f"{rule.object} has no field {form.field}, which links it to {form.to}.",
                link.line,
                "Create it in the CRM, or set `provision: true`.",
            )
        if form.field in infos or form.field in rule.field_names:
            raise rule.error(
                f"{form.field}, which links to {form.to}, is written twice.",
                link.line,
                "Keep one of the two.",
            )
        infos[form.field] = crm_fields[form.field]
    return infos


def leave_values(rule: Rule, fields: Mapping[str, CompiledField]) -> dict[str, Value]:
    """What is written when a row no longer passes `where`. Raises: MappingError."""
    if rule.on_leave == "keep":
        return {}
    if rule.on_leave == "clear":
        # what is written on creation only is not ours to empty later
        return {
            name: None
            for name, field in fields.items()
            if name != rule.upsert_key and field.rule.write != "on_create"
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
