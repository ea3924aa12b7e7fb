"""Before a stream's first record: its rules compiled against the schema and the CRM.

What is missing in the CRM is created where `provision` is on, else it is one error.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reverse_etl.crm.adapter import Adapter
from reverse_etl.errors import NoSuchLinkError, NoSuchObjectError, SettingError
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.compiler import RuleCompiler, reference_fields
from reverse_etl.mapping.field_checks import planned_info
from reverse_etl.mapping.functions import Function
from reverse_etl.mapping.removed_options import warn_of_removed
from reverse_etl.mapping.rules import Rule
from reverse_etl.objects import FieldWanted, LinkForm, LinkWanted, ObjectSpec
from reverse_etl.pipeline.crm_objects import CrmObjects, Fields, fields_of_new
from reverse_etl.pipeline.provisioning import Provisioning
from reverse_etl.values import FieldInfo

logger = logging.getLogger(__name__)

Properties = Mapping[str, Any]


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

    @property
    def crm(self) -> CrmObjects:
        """What the CRM has of what the rules name."""
        return CrmObjects(self.adapter, self.mapping, self.provisioning.is_on)

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
            self.crm.currencies(rules),
            adds_options=self._adds_options(),
        )
        for rule in rules:
            compiler.check_properties(rule, properties)
            self.crm.check_ends(rule)
        described = [(rule, self.crm.described(rule, self.crm.spec(rule))) for rule in rules]
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
                by_then |= fields_of_new(self.crm.spec(rule))
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
        spec, known = self.crm.spec(rule), {**fields, **planned}
        find = self.adapter.planned_link if self.provisioning.is_on else self.adapter.link_form
        try:
            forms = self.crm.link_forms(rule, spec, find)
            wanted = compiler.wanted_fields(rule, properties) + reference_fields(forms, known)
            missing = [field for field in wanted if field.name not in known]
            if missing and fields:
                self.provisioning.forget(rule, missing)
            if self.provisioning.is_on:
                self.provisioning.check(rule, known, missing)
                known |= {field.name: planned_info(field) for field in missing}
        except NoSuchObjectError as error:
            if not spec.optional:
                raise self.crm.no_such_object(rule, error) from None
            return None
        owners = self.crm.owners(rule)
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
                forms = self.crm.link_forms(rule, draft.spec, self._link_form)
            except NoSuchObjectError as error:
                if not draft.spec.optional:
                    raise self.crm.no_such_object(rule, error) from None
                refused.add(rule.object)
                continue
            self._remember(draft.spec, forms)
            ready.append(replace(draft, forms=forms))
        return ready, fields

    def _link_form(self, object_name: str, wanted: LinkWanted) -> LinkForm:
        """The form of a link, created if needed. Raises: NoSuchLinkError, CrmError."""
        try:
            return self.adapter.link_form(object_name, wanted)
        except (NoSuchLinkError, NoSuchObjectError):
            if not self.provisioning.is_on:
                raise
        with self.provisioning.lease():
            return self.adapter.link_form(object_name, wanted, provision=True)

    def _remember(self, spec: ObjectSpec, forms: Sequence[LinkForm]) -> None:
        """Keep the forms with the object's spec: the least number of calls depends on them."""
        links = {**spec.links, **{form.to: form for form in forms}}
        known = replace(spec, links=links)
        self.adapter.objects = {**self.adapter.objects, spec.name: known}

    def _adds_options(self) -> bool:
        """Returns True if options are added. Raises: SettingError if the CRM cannot do it."""
        if self.adds_options and self.adapter.choosing is None:
            raise SettingError(
                f"add_options: {self.adapter.crm} has no way to add options.",
                "Add them in the CRM, and turn the setting off.",
            )
        return self.adds_options
