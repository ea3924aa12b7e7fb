"""Options that every new account has, and that people have removed from this one.

A rule names a stage or a pipeline that the CRM ships with. Once people have removed it, that costs
the field, not the run: the field is left out, or gets what the adapter names in its place.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.computation import Compute
from reverse_etl.mapping.kinds import SourceKind
from reverse_etl.values import FieldInfo

logger = logging.getLogger(__name__)


def removed_options(info: FieldInfo, source: SourceKind) -> dict[str, str]:
    """The removed options that a rule can give, with what is written in their place."""
    return {option: info.removed[option] for option in source.options if option in info.removed}


def with_stand_ins(compute: Compute, removed: Mapping[str, str]) -> Compute:
    """The same computation; a removed option becomes what is written in its place, or None."""
    if not removed:
        return compute

    def present(record: Mapping[str, Any]) -> Any:
        value = compute(record)
        return (removed[value] or None) if isinstance(value, str) and value in removed else value

    return present


def warn_of_removed(rules: Iterable[CompiledRule], crm: str, warned: set[str]) -> None:
    """Log each removed option that rules can give; `warned` are the lines of the run so far."""
    for line in removed_lines(rules, crm):
        if line not in warned:
            warned.add(line)
            logger.warning("%s", line)


def removed_lines(rules: Iterable[CompiledRule], crm: str) -> list[str]:
    """What became of each removed option that rules can give, and what to do."""
    lines = []
    for rule in rules:
        for name, field in rule.fields.items():
            for option, instead in field.removed.items():
                what = f"{instead!r} is written instead" if instead else "the field is left out"
                lines.append(
                    f"{name} of {rule.object} no longer has the option {option!r}: {what}. "
                    f"Add it in {crm}, or map the value onto another option."
                )
    return lines
