"""Before stage 3: options that the CRM's choice fields lack are added, where `add_options` is on.

A block of `SourceRecord`s → the same block; what changes is the CRM, and what the rule knows
of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from reverse_etl.crm.adapter import OptionAdapter
from reverse_etl.errors import RowError
from reverse_etl.mapping.compiled import CompiledField, CompiledRule
from reverse_etl.mapping.computation import BAD_RECORD
from reverse_etl.mapping.field_checks import OPTIONED
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.records import Received, SourceRecord
from reverse_etl.values import FieldInfo, unknown_options

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Options:
    """Adds values that come up to the choice and multi-select fields of the CRM."""

    choosing: OptionAdapter | None
    """None if values are not to be added."""
    outcomes: Outcomes
    control: RunControl
    known: dict[tuple[str, str], FieldInfo] = field(default_factory=dict)
    """By object and field: fields that got options in this run, for the other rules on them."""

    def extend(
        self,
        rule: CompiledRule,
        received: Received,
        retried: Iterable[Sequence[SourceRecord]] = (),
    ) -> None:
        """Add the options that a block needs, so that its records can be mapped. Raises: CrmError.

        Without calls left, no record is refused for an option that could not be added: it is
        counted as not attempted.
        """
        if self.choosing is None:
            return
        records = [*received.records, *(source for each in retried for source in each)]
        for name, compiled in optioned(rule):
            info = self.known.get((rule.object, name), compiled.info)
            missing = missing_options(rule, replace(compiled, info=info), records)
            if missing:
                info = self._added(rule.object, info, missing, self.choosing)
            if info is not compiled.info:
                rule.learn(info)

    def can_add(self, rule: CompiledRule, records: Sequence[SourceRecord]) -> bool:
        """Returns True if options that some records lack would be added."""
        if self.choosing is None:
            return False
        return any(missing_options(rule, compiled, records) for _, compiled in optioned(rule))

    def _added(
        self, object_name: str, info: FieldInfo, missing: list[str], choosing: OptionAdapter
    ) -> FieldInfo:
        """The field with more options. Raises: CrmError."""
        if self.control.may_call():
            with self.control.within_budget():
                extended = choosing.add_options(object_name, info.name, missing)
                self.known[(object_name, info.name)] = extended
                self.outcomes.of(object_name).worked("options_added", len(missing))
                # the values themselves are a record's, and stay out of the log
                logger.info("%s of %s got %d new options", info.name, object_name, len(missing))
                return extended
        return replace(info, strict_options=False)


def optioned(rule: CompiledRule) -> list[tuple[str, CompiledField]]:
    """The fields of a rule that take nothing but their options, by name."""
    return [
        (name, compiled)
        for name, compiled in rule.fields.items()
        if compiled.info.kind in OPTIONED and compiled.info.strict_options
    ]


def missing_options(
    rule: CompiledRule, compiled: CompiledField, records: Iterable[SourceRecord]
) -> list[str]:
    """The values of records that are not options of a field yet, in order."""
    missing: dict[str, None] = {}
    for source in records:
        for option in wanted_options(rule, compiled, source):
            missing[option] = None
    return list(missing)


def wanted_options(rule: CompiledRule, compiled: CompiledField, source: SourceRecord) -> list[str]:
    """The values of a record that a field has no options for; none if it cannot be mapped."""
    try:
        if rule.where is not None and not rule.where(source.values):
            return []
        return unknown_options(compiled.info, compiled.compute(source.values))
    except (RowError, *BAD_RECORD):
        return []  # mapping the record fails in the same way, and says so
