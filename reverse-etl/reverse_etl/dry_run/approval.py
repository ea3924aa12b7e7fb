"""The check of an approved plan: each planned write has to be the one that was approved.

It comes at the end of stage 4. A write that is not in the plan, or whose record has changed since,
in the CRM or by another run, is not sent: its outcome is `changed_since_plan`. A part of an
approved write may go: it finishes what an earlier try began.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from reverse_etl.crm.adapter import Adapter, Hit
from reverse_etl.dry_run.adapter import NEW
from reverse_etl.dry_run.approved import ApprovedChanges, ApprovedRecord
from reverse_etl.errors import NotRepresentableError
from reverse_etl.hashes import hash_value
from reverse_etl.ledger import Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.links import key_of
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.plan import Plan
from reverse_etl.records import Outcome, Write
from reverse_etl.values import Value, canonical

MOST_NAMED = 1000
"""Refused writes that the report names; the others only count."""
Ids = Mapping[str, str]
"""The CRM ids of records that the plan has created, by the ids that it gave them."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A planned write that is not the approved one."""

    object: str
    key: str
    reason: str

    def report(self) -> dict[str, str]:
        """The refused write as a JSON object."""
        return {"object": self.object, "key": self.key, "reason": self.reason}


@dataclass(slots=True)
class Approval:
    """What one plan approves."""

    adapter: Adapter
    ledger: Ledger
    outcomes: Outcomes
    changes: ApprovedChanges
    plan_id: str
    approved_by: str = ""
    refused: list[Refused] = field(default_factory=list)
    """The first of them."""

    def judged(self, rule: CompiledRule, plan: Plan) -> Plan:
        """A plan without the writes that are not approved. Raises: CrmError."""
        older = [each for each in plan.outcomes if each.name == "superseded" and each.record]
        if not plan.writes and not older:
            return plan
        keys = [*(write.key for write in plan.writes), *(key_of(each) for each in older)]
        approved = self.changes.of(rule.object, keys)
        held = self._held(rule, plan.writes, approved)
        ids = self._ids(rule, approved.values())
        writes: list[Write] = []
        outcomes = [self._unless_approved(rule, each, approved) for each in plan.outcomes]
        for write in plan.writes:
            reason = objection(rule, write, approved.get(write.key), held, ids)
            if reason:
                self._refuse(rule, write.key, reason)
                outcomes.append(Outcome.of("changed_since_plan", write.record))
            else:
                writes.append(write)
        return replace(plan, writes=writes, outcomes=outcomes)

    def _unless_approved(
        self, rule: CompiledRule, outcome: Outcome, approved: Mapping[str, ApprovedRecord]
    ) -> Outcome:
        """An outcome, or that of an approved write that the ledger knows newer values than."""
        record = outcome.record
        if outcome.name != "superseded" or record is None or record.key not in approved:
            return outcome
        self._refuse(rule, record.key, "the source has said something newer since")
        return Outcome.of("changed_since_plan", record)

    def report(self) -> dict[str, Any]:
        """What the run report says of the plan."""
        return {
            "id": self.plan_id,
            "approved_by": self.approved_by,
            "refused": [refused.report() for refused in self.refused],
        }

    def _refuse(self, rule: CompiledRule, key: str, reason: str) -> None:
        if len(self.refused) < MOST_NAMED:
            self.refused.append(Refused(rule.object, key, reason))

    def _held(
        self, rule: CompiledRule, writes: Sequence[Write], approved: Mapping[str, ApprovedRecord]
    ) -> Mapping[str, Hit]:
        """What the CRM holds of the approved fields, by CRM id. Raises: CrmError."""
        crm_ids = [str(write.crm_id) for write in writes if write.crm_id and write.key in approved]
        planned = {name for record in approved.values() for name in record.values}
        names = sorted(planned & fields_of(rule))
        if not crm_ids or not names:
            return {}
        self.outcomes.of(rule.object).worked("read", len(crm_ids))
        return self.adapter.read(rule.object, crm_ids, names)

    def _ids(self, rule: CompiledRule, approved: Iterable[ApprovedRecord]) -> Ids:
        """The CRM ids of the plan's new records that these refer to, or are."""
        planned = {
            str(value)
            for record in approved
            for values in (record.crm_ids, *map(record.values.get, rule.reference_infos))
            for value in values or ()
        }
        new = [planned_id for planned_id in planned if planned_id.startswith(NEW)]
        keys: dict[str, dict[str, str]] = {}
        for planned_id, (object_name, key) in self.changes.created(new).items():
            keys.setdefault(object_name, {})[key] = planned_id
        ids: dict[str, str] = {}
        for object_name, planned_ids in keys.items():
            crm_ids = self.ledger.crm_ids(object_name, planned_ids)
            ids |= {planned_ids[key]: crm_id for key, crm_id in crm_ids.items()}
        return ids


def objection(
    rule: CompiledRule,
    write: Write,
    approved: ApprovedRecord | None,
    held: Mapping[str, Hit],
    ids: Ids,
) -> str:
    """Why a write is not the approved one; empty if it is."""
    if approved is None:
        return "it is not in the plan"
    if write.kind == "create" or write.recovered:
        if "create" not in approved.kinds:
            return "the plan updates it, and it is no longer in the CRM"
    elif write.crm_id not in {ids.get(crm_id, crm_id) for crm_id in approved.crm_ids}:
        return "the plan creates it, or updates another record of the CRM"
    others = [
        name
        for name, value in write.fields.items()
        if not is_planned(rule, name, value, approved, ids)
    ]
    if others:
        return f"its new values are not those of the plan: {', '.join(sorted(others))}"
    changed = changed_fields(rule, write, approved, held, ids)
    return f"the CRM holds other values than planned: {', '.join(changed)}" if changed else ""


def changed_fields(
    rule: CompiledRule,
    write: Write,
    approved: ApprovedRecord,
    held: Mapping[str, Hit],
    ids: Ids,
) -> list[str]:
    """Approved fields that hold neither the value before the write nor that after it."""
    if not write.crm_id:
        return []
    hit = held.get(write.crm_id)
    values: Mapping[str, Value] = {} if hit is None else hit.values
    known = fields_of(rule)
    return sorted(
        name
        for name, before in approved.before.items()
        if name in known
        if hash_value(values.get(name)) not in hashes(rule, name, before)
        and not is_planned(rule, name, values.get(name), approved, ids)
    )


def fields_of(rule: CompiledRule) -> set[str]:
    """The fields that a rule writes; a plan may have others of the same record by another rule."""
    return {*rule.fields, *rule.reference_infos}


def is_planned(
    rule: CompiledRule, name: str, value: Value, approved: ApprovedRecord, ids: Ids
) -> bool:
    """Returns True if a field gets this value by the plan.

    A plan refers to a record that it creates by an id of its own.
    """
    planned = approved.values.get(name, [])
    if name in rule.reference_infos:
        planned = [ids.get(str(crm_id), crm_id) for crm_id in planned]
    return hash_value(value) in hashes(rule, name, planned)


def hashes(rule: CompiledRule, name: str, values: Iterable[Any]) -> Iterator[bytes]:
    """The hashes of a plan's values, as the field holds them.

    Of a field that the plan creates its precision, for example, is only known afterwards.
    """
    for value in values:
        with suppress(NotRepresentableError):
            yield hash_value(canonical(rule.info(name), value))
