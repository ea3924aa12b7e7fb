"""Before a stream's first record: its rules compiled against the schema and the CRM.

What is missing in the CRM is created where `provision` is on, else it is one error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from singer_kit.words import nearest, suggestion

from reverse_etl.crm.adapter import Adapter, Currencies
from reverse_etl.errors import (
    CrmError,
    MappingError,
    NoSuchLinkError,
    NoSuchObjectError,
    SettingError,
)
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.compiler import RuleCompiler, link_form, reference_fields
from reverse_etl.mapping.field_checks import planned_info
from reverse_etl.mapping.functions import Function
from reverse_etl.mapping.link_rules import LinkRule
from reverse_etl.mapping.removed_options import warn_of_removed
from reverse_etl.mapping.rules import Rule
from reverse_etl.objects import FieldWanted, LinkForm, LinkWanted, ObjectSpec
from reverse_etl.pipeline.provisioning import Provisioning
from reverse_etl.values import FieldInfo

logger = logging.getLogger(__name__)


Fields = Mapping[str, FieldInfo]
Properties = Mapping[str, Any]
FormOf = Callable[[str, LinkWanted], LinkForm]
"""Gives the form of a link of an object."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule that has passed all checks, though the CRM may not have all that it needs."""

    rule: Rule
    spec: ObjectSpec
    fields: Fields
    """Those that the object has."""
    missing: Sequence[FieldWanted]
    forms: Sequence[LinkForm]
    owners: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Preparation:
    """Makes the rules of a stream ready."""

    adapter: Adapter
    functions: Mapping[str, Function]
    provisioning: Provisioning
    adds_options: bool = False
    mapping: Sequence[Rule] = ()
    """All rules, those of other streams included."""

    def compile(
        self, rules: Sequence[Rule], properties: Properties
    ) -> tuple[list[CompiledRule], list[Rule]]:
        """Compiled rules, and those whose object the account does not have.

        All rules are checked, against the stream and the CRM, before the CRM is changed for any of
        them. Raises: MappingError, SettingError, CrmError.
        """
        compiler = RuleCompiler(
            self.functions,
            self.adapter.facts(),
            self._currencies(rules),
            adds_options=self._adds_options(),
        )
        for rule in rules:
            compiler.check_properties(rule, properties)
            self._check_ends(rule)
        described = [(rule, self._described(rule, self._spec(rule))) for rule in rules]
        drafts, fields = self._created(self._drafts(compiler, described, properties))
        compiled = [
            compiler.compile(
                draft.rule, draft.spec, properties, fields[draft.rule.object],
                draft.forms, draft.owners,
            )
            for draft in drafts
        ]  # fmt: skip
        warn_of_removed(compiled, self.adapter.crm, self.provisioning.outcomes.warned)
        absent = [rule for rule in rules if rule.object not in fields]
        for rule in absent:
            logger.info("the account has no %s: %s skips its records", rule.object, rule.name)
        return compiled, absent

    def _drafts(
        self,
        compiler: RuleCompiler,
        described: Sequence[tuple[Rule, Fields | None]],
        properties: Properties,
    ) -> list[Draft]:
        """The rules whose object exists or may be created, checked as if all of it existed.

        Raises: MappingError, CrmError.
        """
        drafts = []
        planned: dict[str, dict[str, FieldInfo]] = {}
        for rule, fields in described:
            if fields is None:
                continue
            # an earlier rule of the stream may create what this one writes, too
            by_then = planned.setdefault(rule.object, {})
            if not fields:
                by_then |= fields_of_new(self._spec(rule))
            draft = self._draft(compiler, rule, properties, fields, by_then)
            if draft is not None:
                drafts.append(draft)
                by_then |= {field.name: planned_info(field) for field in draft.missing}
        return drafts

    def _draft(
        self,
        compiler: RuleCompiler,
        rule: Rule,
        properties: Properties,
        fields: Fields,
        planned: Fields,
    ) -> Draft | None:
        """A rule that passes all checks; None if the account may lack its object, and does.

        `planned`: fields that its object will have besides. Raises: MappingError, CrmError.
        """
        spec, known = self._spec(rule), {**fields, **planned}
        find = self.adapter.planned_link if self.provisioning.is_on else self.adapter.link_form
        try:
            forms = self._link_forms(rule, spec, find)
            wanted = compiler.wanted_fields(rule, properties) + reference_fields(forms, known)
            missing = [field for field in wanted if field.name not in known]
            if missing and fields:
                self.provisioning.forget(rule, missing)
            if self.provisioning.is_on:
                self.provisioning.check(rule, known, missing)
                known |= {field.name: planned_info(field) for field in missing}
        except NoSuchObjectError as error:
            if not spec.optional:
                raise self._no_such_object(rule, error) from None
            return None
        owners = self._owners(rule)
        compiler.compile(rule, spec, properties, known, forms, owners)
        return Draft(rule, spec, fields, missing, forms, owners)

    def _created(self, drafts: Sequence[Draft]) -> tuple[list[Draft], dict[str, Fields]]:
        """The rules once the CRM has what they need, and the fields of their objects.

        Rules whose object the account cannot have are left out. Raises: MappingError, CrmError.
        """
        ready: list[Draft] = []
        fields: dict[str, Fields] = {}
        refused: set[str] = set()
        for draft in drafts:
            rule = draft.rule
            if rule.object in refused:
                continue
            try:
                known = fields.get(rule.object, draft.fields)
                fields[rule.object] = self.provisioning.create(rule, known, draft.missing)
                forms = self._link_forms(rule, draft.spec, self._link_form)
            except NoSuchObjectError as error:
                if not draft.spec.optional:
                    raise self._no_such_object(rule, error) from None
                refused.add(rule.object)
                continue
            self._remember(draft.spec, forms)
            ready.append(replace(draft, forms=forms))
        return ready, fields

    def _spec(self, rule: Rule) -> ObjectSpec:
        """Raises: MappingError if the CRM cannot have such an object."""
        spec = self.adapter.objects.get(rule.object)
        if spec is None:
            raise self._no_such_object(rule)
        return spec

    def _described(self, rule: Rule, spec: ObjectSpec) -> Mapping[str, FieldInfo] | None:
        """The fields of a rule's object, none if it is yet to be created.

        None if the account may lack the object, and does. Raises: MappingError, CrmError.
        """
        try:
            return self.adapter.describe(rule.object)
        except NoSuchObjectError as error:
            # A mistyped name must not become an object in a customer's CRM.
            if self.provisioning.is_on and spec.listed:
                return {}
            if not spec.optional:
                raise self._no_such_object(rule, error) from None
            return None

    def _link_forms(self, rule: Rule, spec: ObjectSpec, form_of: FormOf) -> list[LinkForm]:
        """The forms of a rule's links, in order. Raises: MappingError, CrmError."""
        forms = []
        for link in rule.links:
            wanted = LinkWanted(link.to, link.field, link.label)
            try:
                form = form_of(rule.object, wanted)
            except (NoSuchLinkError, NoSuchObjectError) as error:
                raise self._no_such_link(rule, link, error) from None
            forms.append(link_form(link, form, needed=spec.needs_link))
        return forms

    def _link_form(self, object_name: str, wanted: LinkWanted) -> LinkForm:
        """The form of a link, created if needed. Raises: NoSuchLinkError, CrmError."""
        try:
            return self.adapter.link_form(object_name, wanted)
        except (NoSuchLinkError, NoSuchObjectError):
            if not self.provisioning.is_on:
                raise
        with self.provisioning.lease():
            return self.adapter.link_form(object_name, wanted, provision=True)

    def _no_such_link(self, rule: Rule, link: LinkRule, error: CrmError) -> MappingError:
        """A link that the CRM does not have, or that leads to an object whose name is wrong."""
        names = set(self.adapter.object_names())
        hint = "" if link.to in names else nearest(link.to, names)
        return rule.error(f"links to {link.to!r}: {error.message}", link.line, hint or error.hint)

    def _remember(self, spec: ObjectSpec, forms: Sequence[LinkForm]) -> None:
        """Keep the forms with the object's spec: the least number of calls depends on them."""
        links = {**spec.links, **{form.to: form for form in forms}}
        known = replace(spec, links=links)
        self.adapter.objects = {**self.adapter.objects, spec.name: known}

    def _check_ends(self, rule: Rule) -> None:
        """Raises: MappingError if the CRM lacks what a link leads to, or its field; CrmError."""
        for link in rule.links:
            if not link.found_by:
                continue
            writers = self._writers(link)
            try:
                fields = self.adapter.describe(link.to)
            except NoSuchObjectError as error:
                if not writers:
                    raise self._no_such_link(rule, link, error) from None
                fields = {}
            if link.found_by not in fields:
                self._check_writers(rule, link, writers, fields)

    def _writers(self, link: LinkRule) -> list[Rule]:
        """The rules that write the field by which a link's other end is found."""
        return [
            other
            for other in self.mapping
            if other.object == link.to and link.found_by in other.field_names
        ]

    def _check_writers(
        self, rule: Rule, link: LinkRule, writers: Sequence[Rule], fields: Fields
    ) -> None:
        """Raises: MappingError unless a rule of the same stream creates a link's field."""
        streams = sorted({writer.stream for writer in writers})
        is_on = self.provisioning.is_on
        if is_on and rule.stream in streams:
            return
        if writers:
            switch = "" if is_on else "set `provision: true` and "
            raise rule.error(
                f"{link.to} has no field {link.found_by!r} yet.",
                link.line,
                f"The rule {writers[0].name} writes it: {switch}bring its stream, {streams[0]}, "
                "first. Or create the field in the CRM.",
            )
        raise rule.error(
            f"{link.to} has no field {link.found_by!r}.",
            link.line,
            suggestion(link.found_by, sorted(fields)),
        )

    def _no_such_object(self, rule: Rule, error: NoSuchObjectError | None = None) -> MappingError:
        """The object's name is wrong, or the account lacks it."""
        message = f"unknown object {rule.object!r}." if error is None else error.message
        known = [name for name in self.adapter.object_names() if name != rule.object]
        hint = nearest(rule.object, known) or (error.hint if error else "")
        return rule.error(message, "object", hint or suggestion(rule.object, known))

    def _currencies(self, rules: Sequence[Rule]) -> Currencies | None:
        """The account's currencies, if a rule asks for them and the CRM knows. Raises: CrmError."""
        asked = any(field.currency is not None for rule in rules for field in rule.fields)
        return self.adapter.money.currencies() if asked and self.adapter.money else None

    def _adds_options(self) -> bool:
        """Returns True if options are added. Raises: SettingError if the CRM cannot do it."""
        if self.adds_options and self.adapter.choosing is None:
            raise SettingError(
                f"add_options: {self.adapter.crm} has no way to add options.",
                "Add them in the CRM, and turn the setting off.",
            )
        return self.adds_options

    def _owners(self, rule: Rule) -> Mapping[str, str]:
        """Who may own records, if the rule asks for owners. Raises: CrmError."""
        if not rule.owner:
            return {}
        if self.adapter.owning is None:
            raise CrmError(
                f"{self.adapter.crm} has no owners, and the rule {rule.name} names one.",
                "Take the link to owner out of the rule.",
            )
        return self.adapter.owning.owners()


def fields_of_new(spec: ObjectSpec) -> dict[str, FieldInfo]:
    """What a new object has by itself: the field of its records' owner."""
    return {spec.owner_field: FieldInfo(spec.owner_field, "text")} if spec.owner_field else {}
