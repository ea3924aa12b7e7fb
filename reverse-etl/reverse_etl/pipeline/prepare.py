"""Before a stream's first record: its rules compiled against the schema and the CRM.

What is missing in the CRM is created where `provision` is on, else it is one error.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
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
from reverse_etl.mapping.functions import Function
from reverse_etl.mapping.link_rules import LinkRule
from reverse_etl.mapping.rules import Rule
from reverse_etl.objects import LinkForm, LinkWanted, ObjectSpec
from reverse_etl.pipeline.provisioning import Provisioning
from reverse_etl.values import FieldInfo

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Preparation:
    """Makes the rules of a stream ready."""

    adapter: Adapter
    functions: Mapping[str, Function]
    provisioning: Provisioning
    adds_options: bool = False

    def compile(
        self, rules: Sequence[Rule], properties: Mapping[str, Any]
    ) -> tuple[list[CompiledRule], list[Rule]]:
        """Compiled rules, and those whose object the account does not have.

        All rules are checked against the stream before the CRM is changed for one of them.
        Raises: MappingError, SettingError, CrmError.
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
        compiled: list[CompiledRule] = []
        absent: list[Rule] = []
        for rule, fields in described:
            prepared = self._prepared(compiler, rule, fields, properties)
            if prepared is None:
                logger.info("the account has no %s: %s skips its records", rule.object, rule.name)
                absent.append(rule)
            else:
                compiled.append(prepared)
        return compiled, absent

    def _prepared(
        self,
        compiler: RuleCompiler,
        rule: Rule,
        fields: Mapping[str, FieldInfo] | None,
        properties: Mapping[str, Any],
    ) -> CompiledRule | None:
        """A rule once the CRM has what it needs; None if the account lacks the object.

        Raises: MappingError, CrmError.
        """
        spec = self._spec(rule)
        if fields is None:
            return None
        wanted = compiler.wanted_fields(rule, properties)
        try:
            # links first, so that a wrong one leaves nothing behind
            forms = self._link_forms(rule, spec) if fields else None
            missing = [field for field in wanted if field.name not in fields]
            fields = self.provisioning.create(rule, fields, missing)
            if forms is None:
                forms = self._link_forms(rule, spec)
            self._remember(spec, forms)
            fields = self.provisioning.create(rule, fields, reference_fields(forms, fields))
        except NoSuchObjectError as error:
            if not spec.optional:
                raise self._no_such_object(rule, error) from None
            return None
        return compiler.compile(rule, spec, properties, fields, forms, self._owners(rule))

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

    def _link_forms(self, rule: Rule, spec: ObjectSpec) -> list[LinkForm]:
        """The forms of a rule's links, in order. Raises: MappingError, CrmError."""
        forms = []
        for link in rule.links:
            wanted = LinkWanted(link.to, link.field, link.label)
            try:
                form = self._link_form(rule, wanted)
            except (NoSuchLinkError, NoSuchObjectError) as error:
                raise self._no_such_link(rule, link, error) from None
            forms.append(link_form(link, form, needed=spec.needs_link))
        return forms

    def _link_form(self, rule: Rule, wanted: LinkWanted) -> LinkForm:
        """The form of a link, created if needed. Raises: NoSuchLinkError, CrmError."""
        try:
            return self.adapter.link_form(rule.object, wanted)
        except (NoSuchLinkError, NoSuchObjectError):
            if not self.provisioning.is_on:
                raise
        with self.provisioning.lease():
            return self.adapter.link_form(rule.object, wanted, provision=True)

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
            try:
                fields = self.adapter.describe(link.to)
            except NoSuchObjectError as error:
                raise self._no_such_link(rule, link, error) from None
            if link.found_by not in fields:
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
