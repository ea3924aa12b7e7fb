"""Before a stream's first record: its rules compiled against the schema and the CRM.

What is missing in the CRM is created where `provision` is on, else it is one error.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import Adapter, Currencies
from reverse_etl.errors import CrmError, NoSuchObjectError, SettingError
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.compiler import RuleCompiler
from reverse_etl.mapping.functions import Function
from reverse_etl.mapping.rules import Rule
from reverse_etl.objects import FieldWanted
from reverse_etl.values import FieldInfo

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Preparation:
    """Makes the rules of a stream ready."""

    adapter: Adapter
    functions: Mapping[str, Function]
    provision: bool
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
        compiled: list[CompiledRule] = []
        absent: list[Rule] = []
        for rule in rules:
            spec = self.adapter.objects[rule.object]
            infos = self._fields(rule, compiler.wanted_fields(rule, spec, properties))
            if infos is None:
                logger.info("the account has no %s: %s skips its records", rule.object, rule.name)
                absent.append(rule)
                continue
            owners = self._owners(rule)
            compiled.append(compiler.compile(rule, spec, properties, infos, owners))
        return compiled, absent

    def _fields(self, rule: Rule, wanted: Sequence[FieldWanted]) -> Mapping[str, FieldInfo] | None:
        """The fields of a rule's object; None if the account may lack the object and does.

        Raises: CrmError.
        """
        try:
            infos = self._described(rule.object)
            missing = [field for field in wanted if field.name not in infos]
            if missing and self.provision:
                self.adapter.provision(rule.object, missing)
                infos = self.adapter.describe(rule.object)
        except NoSuchObjectError:
            if not self.adapter.objects[rule.object].optional:
                raise
            return None
        return infos

    def _described(self, object_name: str) -> Mapping[str, FieldInfo]:
        """The fields of an object; none if it is yet to be created. Raises: CrmError."""
        try:
            return self.adapter.describe(object_name)
        except NoSuchObjectError:
            if not self.provision:
                raise
            return {}

    def _currencies(self, rules: Sequence[Rule]) -> Currencies | None:
        """The account's currencies, if a rule asks for them and the CRM knows. Raises: CrmError."""
        asked = any(field.currency is not None for rule in rules for field in rule.fields)
        return self.adapter.money.currencies() if asked and self.adapter.money else None

    def _adds_options(self) -> bool:
        """Whether options are added. Raises: SettingError if the CRM cannot do it."""
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
