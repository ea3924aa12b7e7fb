"""The third ring of checks without a run: all mistakes of all rules at once, and nothing created.

Before a run the first mistake ends it; here each part of a rule is checked by itself. Without a
stream's schema its paths are taken for right, and a field's kind is known only from the rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from reverse_etl.errors import CrmError, MappingError
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.compiler import (
    RuleCompiler,
    check_key_is_unique,
    check_owner_field,
    check_path,
    leave_values,
    named_owners,
    reference_fields,
    reference_infos,
    wanted_properties,
    with_required,
)
from reverse_etl.mapping.field_checks import check_fields_exist, planned_info
from reverse_etl.mapping.link_checks import check_links
from reverse_etl.mapping.link_rules import LinkRule
from reverse_etl.mapping.rules import FieldRule, Rule
from reverse_etl.mapping.where import compile_where, parse
from reverse_etl.objects import FieldWanted, LinkForm, ObjectSpec
from reverse_etl.pipeline.crm_objects import CrmObjects, Fields, fields_of_new
from reverse_etl.pipeline.provisioning import check_is_new, line_of

Properties = Mapping[str, Any]


@dataclass(slots=True)
class CheckedRule:
    """A rule with its mistakes; what fits can be created, and can map samples."""

    rule: Rule
    mistakes: list[MappingError] = field(default_factory=list)
    created: list[FieldWanted] = field(default_factory=list)
    """What `provision` would create for it."""
    notes: list[str] = field(default_factory=list)
    """What is no mistake, but worth knowing."""
    compiled: CompiledRule | None = None
    """Ready to map; None without the stream's schema, or if there are mistakes."""

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Keep a mistake, and go on after it."""
        try:
            yield
        except MappingError as error:
            self.mistakes.append(error)


@dataclass(slots=True)
class OnlineCheck:
    """Checks rules, parents first, against one account."""

    crm: CrmObjects
    compiler: RuleCompiler
    schemas: Mapping[str, Properties]
    """The properties of the streams whose schema is known."""
    planned: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By object: the fields that earlier rules would have created."""

    def check(self, rule: Rule) -> CheckedRule:
        """Every part of a rule. Raises: CrmError if the CRM does not answer."""
        checked = CheckedRule(rule)
        known = self.schemas.get(rule.stream)
        usable = self._usable(checked, known)
        properties = loose_properties(rule) if known is None else known
        fields: Fields | None = None
        with checked.noted():
            spec = self.crm.spec(rule)
            fields = self.crm.described(rule, spec)
            if fields is None:
                checked.notes.append(f"the account has no {rule.object}: its records are skipped")
        if fields is not None:
            self._check_object(checked, usable, spec, fields, properties)
        checked.mistakes = list({str(error): error for error in checked.mistakes}.values())
        return checked

    def _usable(self, checked: CheckedRule, properties: Properties | None) -> list[FieldRule]:
        """The fields whose paths and functions exist."""
        rule = checked.rule
        for path, line in wanted_properties(rule) if properties is not None else ():
            with checked.noted():
                check_path(rule, properties or {}, path, line)
        usable = []
        for field_rule in rule.fields:
            with checked.noted():
                self.compiler.check_function(rule, field_rule)
                usable.append(field_rule)
        with checked.noted():
            if properties is not None:
                compile_where(rule, properties, self.compiler.functions, self.compiler.facts)
            elif rule.where is not None:
                parse(rule, rule.where)
        return usable

    def _check_object(
        self,
        checked: CheckedRule,
        usable: Sequence[FieldRule],
        spec: ObjectSpec,
        fields: Fields,
        properties: Properties,
    ) -> None:
        """A rule against the fields of its object, none if the object would be created."""
        rule = checked.rule
        planned = self.planned.setdefault(rule.object, {} if fields else fields_of_new(spec))
        known = {**fields, **planned}
        forms = self._forms(checked, spec)
        wanted = self.compiler.wanted_fields(replace(rule, fields=tuple(usable)), properties)
        wanted += reference_fields(list(forms.values()), known)
        known |= self._missing(checked, wanted, known)
        for field_rule in usable:
            with checked.noted():
                if field_rule.name in known:
                    info = known[field_rule.name]
                    self.compiler.compile_field(rule, field_rule, info, properties)
        self._check_links(checked, spec, forms, known)
        self._check_rule(checked, spec, known)
        if not checked.mistakes and rule.stream in self.schemas:
            owners = self.crm.owners(rule)
            with checked.noted():
                checked.compiled = self.compiler.compile(
                    rule, spec, properties, known, list(forms.values()), owners
                )

    def _forms(self, checked: CheckedRule, spec: ObjectSpec) -> dict[int, LinkForm]:
        """The forms of the links that the CRM can make, by their place in the rule."""
        rule, adapter = checked.rule, self.crm.adapter
        form_of = adapter.planned_link if self.crm.provisions else adapter.link_form
        forms = {}
        for place, link in enumerate(rule.links):
            before = len(checked.mistakes)
            with checked.noted():
                self._check_end(checked, link)
            if len(checked.mistakes) > before and link.to not in adapter.object_names():
                continue  # that the object does not exist is said
            with checked.noted():
                forms[place] = self.crm.link_form(rule, link, spec, form_of)
        return forms

    def _check_end(self, checked: CheckedRule, link: LinkRule) -> None:
        """Raises: MappingError, CrmError; what another stream creates first is a note."""
        writers = self.crm.writers(link) if link.found_by else []
        streams = sorted({writer.stream for writer in writers})
        if self.crm.provisions and streams and checked.rule.stream not in streams:
            checked.notes.append(f"bring the stream {streams[0]} first, for {link.found_by}")
            return
        self.crm.check_end(checked.rule, link)

    def _missing(
        self, checked: CheckedRule, wanted: Sequence[FieldWanted], known: Fields
    ) -> Fields:
        """The fields that the object lacks, as they would be created."""
        rule, created = checked.rule, {}
        for new in wanted:
            if new.name in known:
                continue
            with checked.noted():
                if not self.crm.provisions:
                    only = tuple(entry for entry in rule.fields if entry.name == new.name)
                    check_fields_exist(replace(rule, fields=only), known)
                    continue  # the field of a link: `reference_infos` reports it
                check_is_new(rule, new.name, known)
                self._check_creatable(rule, new)
                created[new.name] = planned_info(new)
                checked.created.append(new)
        self.planned[rule.object] |= created
        return created

    def _check_creatable(self, rule: Rule, new: FieldWanted) -> None:
        """Raises: MappingError if `provision` cannot create a field."""
        try:
            self.crm.adapter.check_creatable(rule.object, [new])
        except CrmError as error:
            raise rule.error(error.message, line_of(rule, new.name), error.hint) from None

    def _check_links(
        self, checked: CheckedRule, spec: ObjectSpec, forms: Mapping[int, LinkForm], known: Fields
    ) -> None:
        rule = checked.rule
        if not rule.links:
            with checked.noted():
                check_links(rule, spec, [])
        for place, form in forms.items():
            alone = replace(rule, links=(rule.links[place],))
            with checked.noted():
                check_links(alone, spec, [form])
            with checked.noted():
                reference_infos(alone, [form], known)
        with checked.noted():  # two links in one field
            linked = replace(rule, links=tuple(rule.links[place] for place in forms))
            reference_infos(linked, list(forms.values()), known)

    def _check_rule(self, checked: CheckedRule, spec: ObjectSpec, known: Fields) -> None:
        """What concerns the rule as a whole: owner, key, required fields, `on_leave`."""
        rule = checked.rule
        if rule.owner is not None:
            with checked.noted():
                check_owner_field(rule, rule.owner, spec, known)
                if not rule.owner.paths:
                    named_owners(rule, rule.owner, self.crm.owners(rule))
        if rule.upsert_key in known:
            with checked.noted():
                check_key_is_unique(rule, spec, known)
        with checked.noted():
            with_required(rule, spec, known)
        if rule.on_leave not in ("keep", "clear") and not checked.mistakes:
            with checked.noted():
                fields = {
                    entry.name: self.compiler.compile_field(
                        rule, entry, known[entry.name], loose_properties(rule)
                    )
                    for entry in rule.fields
                }
                leave_values(rule, fields)


def loose_properties(rule: Rule) -> dict[str, Any]:
    """Properties that take every path of a rule, for a stream whose schema is not known."""
    return {path.split(".")[0]: {} for path, _ in wanted_properties(rule)}
