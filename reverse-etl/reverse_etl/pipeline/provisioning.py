"""Creating fields that a mapping needs and the CRM lacks: by one process at a time, and said.

A name that is nearly that of an existing field is more likely mistyped than new, so it stops the
run instead of becoming a field in a customer's CRM.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher

from reverse_etl.crm.adapter import Adapter
from reverse_etl.errors import NoSuchObjectError
from reverse_etl.ledger import Ledger
from reverse_etl.mapping.rules import Rule
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
TOO_CLOSE = 0.9
"""Similarity from which on a long new name is taken for a typo: one letter of ten."""
LONG_NAME = 8
"""Letters of a name that is compared by similarity."""


@dataclass(frozen=True, slots=True)
class Provisioning:
    """Creates what is missing, where `provision` is on."""

    adapter: Adapter
    ledger: Ledger
    control: RunControl
    outcomes: Outcomes
    is_on: bool = False

    def create(self, rule: Rule, fields: Fields, missing: Sequence[FieldWanted]) -> Fields:
        """The fields of a rule's object, once those that are missing have been created.

        Raises: MappingError if a name is nearly that of a field, CrmError, StoppedError.
        """
        if missing and fields:
            self._forget(rule, missing)
        if not missing or not self.is_on:
            return fields
        with self.lease():
            # Another process may have created them since they were listed.
            fields = self._fields(rule)
            missing = [field for field in missing if field.name not in fields]
            if not missing:
                return fields
            for field in missing:
                check_is_new(rule, field.name, fields)
            self.adapter.provision(rule.object, missing)
            self._report(rule, missing)
            return self.adapter.describe(rule.object)

    def _forget(self, rule: Rule, missing: Sequence[FieldWanted]) -> None:
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
    for existing in fields:
        if is_close(name, existing):
            raise rule.error(
                f"{rule.object} has no field {name!r}, and provision does not create it, since it "
                f"is nearly the existing {existing!r}.",
                f"fields/{name}",
                f"Did you mean {existing!r}? If not, create {name} in the CRM yourself.",
            )


def is_close(name: str, existing: str) -> bool:
    """Returns True if two names differ by a typo.

    Names that differ in their digits do not, nor a custom field named as a standard one is.
    """
    if digits(name) != digits(existing) or is_custom(name) != is_custom(existing):
        return False
    new, known = letters(name), letters(existing)
    if not new or not known:
        return False
    if max(len(new), len(known)) < LONG_NAME:
        return is_one_letter_off(new, known)
    matcher = SequenceMatcher(None, new, known, autojunk=False)
    return matcher.quick_ratio() >= TOO_CLOSE and matcher.ratio() >= TOO_CLOSE


def is_one_letter_off(new: str, known: str) -> bool:
    """Returns True if a letter is missing or too many, or letters changed places.

    Another letter makes another short word: `stage` is not `state`.
    """
    if len(new) == len(known):
        return sorted(new) == sorted(known)
    short, long = sorted((new, known), key=len)
    return any(long[:at] + long[at + 1 :] == short for at in range(len(long)))


def is_custom(name: str) -> bool:
    """Returns True if a name has the ending that marks custom fields in some CRMs."""
    return name.casefold().endswith("__c")


def letters(name: str) -> str:
    """A name without case, signs, digits, and the ending of custom fields."""
    stem = name.casefold().removesuffix("__c")
    return "".join(sign for sign in stem if sign.isalpha())


def digits(name: str) -> str:
    """The digits of a name."""
    return "".join(sign for sign in name if sign.isdigit())
