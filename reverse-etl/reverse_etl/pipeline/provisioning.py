"""Creating fields that a mapping needs and the CRM lacks: by one process at a time, and said.

A name that is nearly that of an existing field is more likely mistyped than new, so it stops the
run instead of becoming a field in a customer's CRM.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from reverse_etl.crm.adapter import Adapter
from reverse_etl.errors import CrmError, NoSuchObjectError
from reverse_etl.ledger import Ledger
from reverse_etl.mapping.rules import Rule
from reverse_etl.near_names import near_name
from reverse_etl.objects import FieldWanted
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.values import FieldInfo

logger = logging.getLogger(__name__)

Fields = Mapping[str, FieldInfo]

LEASE = "(provision)"
"""Under this name, which no object has, one process at a time holds the right to create fields."""
LEASE_PAUSE_S = 0.3
"""Time between two tries to get the lease."""


@dataclass(frozen=True, slots=True)
class Provisioning:
    """Creates what is missing, where `provision` is on."""

    adapter: Adapter
    ledger: Ledger
    control: RunControl
    outcomes: Outcomes
    is_on: bool = False
    approved: Mapping[str, Collection[str]] | None = None
    """By object: the fields that may be created; None for any."""

    def check(self, rule: Rule, fields: Fields, missing: Sequence[FieldWanted]) -> None:
        """Check that what a rule's object lacks may be created; `fields` are those it has.

        Raises: MappingError if a name is nearly that of a field, CrmError if the CRM cannot create
        it.
        """
        for field in missing:
            check_is_new(rule, field.name, fields)
        if missing:
            self.adapter.check_creatable(rule.object, missing)

    def create(self, rule: Rule, fields: Fields, missing: Sequence[FieldWanted]) -> Fields:
        """The fields of a rule's object, once those that are missing have been created.

        Raises: CrmError, StoppedError.
        """
        if not missing or not self.is_on:
            return fields
        with self.lease():
            # Another process may have created them since they were listed.
            fields = self._fields(rule)
            missing = [field for field in missing if field.name not in fields]
            if not missing:
                return fields
            self._check_approved(rule, missing)
            self.adapter.provision(rule.object, missing)
            self._report(rule, missing)
            return self.adapter.describe(rule.object)

    def _check_approved(self, rule: Rule, missing: Sequence[FieldWanted]) -> None:
        """Raises: CrmError if an approved plan does not create these."""
        approved = [] if self.approved is None else self.approved.get(rule.object, ())
        others = [field.name for field in missing if field.name not in approved]
        if self.approved is not None and others:
            raise CrmError(
                f"{rule.object} lacks {', '.join(others)}, which the plan does not create.",
                "Make a new plan.",
            )

    def forget(self, rule: Rule, missing: Sequence[FieldWanted]) -> None:
        """Forget the values of fields that were synced before, and that people deleted."""
        names = [field.name for field in missing]
        records = self.ledger.lost_fields.forget(rule.object, names)
        if records:
            logger.warning(
                "%s: %s was synced before and is missing in the CRM now. Once it exists, the %d "
                "records that had it get it when they come again; to bring them all, read the "
                "stream %s from its beginning",
                rule.object, ", ".join(names), records, rule.stream,
            )  # fmt: skip

    def _fields(self, rule: Rule) -> Fields:
        try:
            return self.adapter.describe(rule.object)
        except NoSuchObjectError:
            return {}

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Hold the right to create what is missing. Raises: LedgerError, StoppedError."""
        while not self.ledger.claims.take(LEASE, [LEASE]):
            self.control.wait(LEASE_PAUSE_S)
            self.control.check()
        try:
            yield
        finally:
            self.ledger.claims.release(LEASE, [LEASE])

    def report_link(self, object_name: str, link: str) -> None:
        """A kind of link was created in the CRM."""
        logger.info("created a link of %s: %s", object_name, link)
        self.outcomes.created_links.setdefault(object_name, []).append(link)

    def _report(self, rule: Rule, created: Sequence[FieldWanted]) -> None:
        names = [field.name for field in created]
        logger.info("created fields of %s: %s", rule.object, ", ".join(names))
        self.outcomes.created_fields.setdefault(rule.object, []).extend(names)


def check_is_new(rule: Rule, name: str, fields: Fields) -> None:
    """Raises: MappingError if a name that would be created is nearly that of a field."""
    existing = near_name(name, fields)
    if existing:
        raise rule.error(
            f"{rule.object} has no field {name!r}, and provision does not create it, since it "
            f"is nearly the existing {existing!r}.",
            line_of(rule, name),
            f"Did you mean {existing!r}? If not, create {name} in the CRM yourself.",
        )


def line_of(rule: Rule, name: str) -> int:
    """The line of the field, or of the link, that writes a CRM field; else the rule's first."""
    lines = [field.line for field in rule.fields if field.name == name]
    lines += [link.line for link in rule.links if link.field == name]
    return lines[0] if lines else 1
