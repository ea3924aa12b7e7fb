"""What of one record has changed: against the ledger's hashes, or the values that the CRM shows.

A field that is older than what the ledger knows is not sent. A field whose policy depends on the
CRM's own value is judged after one read of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reverse_etl.crm.adapter import Hit
from reverse_etl.hashes import hash_value
from reverse_etl.ledger import Entry
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.records import CrmRecord, Outcome, OutcomeName, WantedLink, Write
from reverse_etl.values import Value, same

JUDGED = ("if_empty", "forward_only")
"""Policies that depend on what the CRM holds."""


@dataclass(slots=True)
class Draft:
    """One record while it is decided what of it to send."""

    rule: CompiledRule
    record: CrmRecord
    references: Mapping[str, Value]
    """CRM ids of the records it refers to, by reference field."""
    entry: Entry | None = None
    hit: Hit | None = None
    adopt: bool = False
    recovered: bool = False
    """True if an earlier run sent the create and was killed before it could record it."""
    regress: bool = False
    """True if `forward_only` fields may go back, which takes clearing them first."""
    changed: dict[str, Value] = field(default_factory=dict)
    accepted: dict[str, Value] = field(default_factory=dict)
    to_judge: dict[str, Value] = field(default_factory=dict)
    cleared_first: list[str] = field(default_factory=list)
    superseded: int = 0
    kept_back: int = 0

    @property
    def crm_id(self) -> str:
        """The record's id in the CRM."""
        if self.hit is not None:
            return self.hit.crm_id
        return str(self.entry.crm_id) if self.entry is not None else ""

    @property
    def unlinked(self) -> tuple[WantedLink, ...]:
        """Links whose other end is missing, but for those that a record gets on creation only."""
        missing = unlinked(self.record, self.references)
        return tuple(link for link in missing if not link.form.on_create)

    def compare_with_ledger(self, entry: Entry, *, force: bool) -> None:
        """Take what differs from the hashes and is not older."""
        for name, value in self._sendable():
            mark = entry.marks.get(name)
            if mark is None and value is None:
                continue
            if mark is not None and mark.hash == hash_value(value) and not force:
                if name in self.references and mark.observed_us < self.record.seen_us(name):
                    self.accepted[name] = value  # it leads there still, which is news of its time
                continue
            if self._is_older(name) and not force:
                self.superseded += 1
            elif self.rule.policy(name) in JUDGED:
                self.to_judge[name] = value
            else:
                self.changed[name] = value

    def compare_with_crm(self, hit: Hit) -> None:
        """Take what differs from the CRM's values and is not older: the source wins."""
        for name, value in self._sendable():
            held = hit.values.get(name)
            matched_by = name in self.rule.match_by and not self.adopt
            if self._is_older(name):
                self.superseded += 1
            elif self.rule.policy(name) in JUDGED:
                self.to_judge[name] = value
            elif same(self.rule.info(name), held, value) or matched_by:
                self.accepted[name] = value
            else:
                self.changed[name] = value

        for name in (*self.record.fields, *self.references):
            held = hit.values.get(name)
            if self.rule.policy(name) == "on_create" and held is not None:
                self.accepted[name] = held  # recorded as it stands, never sent
        self.judge(hit)

    def judge(self, hit: Hit | None) -> None:
        """Decide on the fields whose policy depends on what the CRM holds."""
        for name, value in self.to_judge.items():
            held = hit.values.get(name) if hit else None
            if same(self.rule.info(name), held, value):
                self.accepted[name] = value
            elif held is None or self._moves_forward(name, held, value):
                self.changed[name] = value
            elif self.regress and self.rule.policy(name) == "forward_only":
                self.changed[name] = value
                self.cleared_first.append(name)
            else:
                self.kept_back += 1
        self.to_judge = {}

    def _moves_forward(self, name: str, held: Value, value: Value) -> bool:
        """Returns True if a `forward_only` field would move towards the end of its options."""
        if self.rule.policy(name) != "forward_only":
            return False
        ranks = {option: rank for rank, option in enumerate(self.rule.fields[name].order)}
        return ranks.get(str(value), -1) > ranks.get(str(held), -1)

    def _is_older(self, name: str) -> bool:
        """Returns True if the ledger knows that the source said something newer of a field."""
        mark = self.entry.marks.get(name) if self.entry is not None else None
        return mark is not None and mark.observed_us > self.record.seen_us(name)

    def _sendable(self) -> list[tuple[str, Value]]:
        """Values that may be sent after creation; a null only where it clears the field."""
        return [
            (name, value)
            for name, value in {**self.record.fields, **self.references}.items()
            if self.rule.policy(name) != "on_create"
            and (value is not None or self.record.leaving or self.rule.clears(name))
        ]

    def write(self) -> Write:
        """The write of what changed."""
        return Write(
            self.record,
            "update",
            self.changed,
            self.crm_id,
            self.accepted,
            current=self.hit.current if self.hit else None,
            kept_back=self.kept_back,
            recovered=self.recovered,
            cleared_first=tuple(self.cleared_first),
            whole=not self.superseded and not self.unlinked,
            unlinked=self.unlinked,
            replaces=self._replaces(),
        )

    def _replaces(self) -> dict[str, bytes]:
        """Hashes of what the changed fields hold, as the ledger knows them.

        Where it is silent, what the CRM shows counts for unique fields only: a field that holds
        several values may show one that people entered.
        """
        if self.hit is not None:
            shown = {name: self.hit.values.get(name) for name in self.changed}
            return {
                name: hash_value(value)
                for name, value in shown.items()
                if value is not None and self.rule.info(name).no_two_hold
            }
        marks = self.entry.marks if self.entry is not None else {}
        known = {name: marks[name].hash for name in self.changed if name in marks}
        return {name: mark for name, mark in known.items() if mark}

    def outcome(self) -> Outcome:
        """The outcome if nothing is left to send."""
        return Outcome(
            self._outcome_name(),
            self.record.source,
            self.record,
            self.crm_id,
            self.accepted,
            whole=not self.superseded and not self.unlinked,
            unlinked=self.unlinked,
        )

    def _outcome_name(self) -> OutcomeName:
        if self.record.leaving:
            return "filtered"
        if self.recovered:
            return "created"
        if self.kept_back:
            return "kept_by_crm"
        return "superseded" if self.superseded else "unchanged"


def unlinked(record: CrmRecord, references: Mapping[str, Value]) -> tuple[WantedLink, ...]:
    """The links of a record that belong into one of its fields, and whose other end is missing."""
    return tuple(
        link
        for link in record.links
        if link.form.form == "reference" and link.form.field not in references
    )
