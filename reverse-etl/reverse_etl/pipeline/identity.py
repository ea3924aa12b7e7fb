"""Who is who on a ledger miss: the CRM is asked by key and by match fields, in batches.

Our key found: settle. One hit without a key: adopt it. A hit that carries another key, or several
hits: a conflict. No hit: create.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reverse_etl.crm.adapter import Adapter, Hit, Lookup
from reverse_etl.errors import RowError
from reverse_etl.ledger import Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.moves import gives_up
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.records import CrmRecord, Write
from reverse_etl.values import Value, same


@dataclass(frozen=True, slots=True)
class Identified:
    """The CRM's record of a key: ours already, or one to adopt."""

    hit: Hit
    adopt: bool


NOTHING_GONE: Mapping[str, str] = {}
Identity = Identified | RowError | None
"""What was found, a conflict, or None for a record to be created."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Finds out who the records of a block are."""

    adapter: Adapter
    ledger: Ledger
    outcomes: Outcomes

    def resolve(
        self,
        rule: CompiledRule,
        records: Sequence[CrmRecord],
        references: Mapping[str, Mapping[str, Value]],
        pending: set[str],
        writes: Mapping[str, Write],
        gone: Mapping[str, str] = NOTHING_GONE,
    ) -> dict[str, Identity]:
        """The identity of each record, by key. Raises: CrmError.

        `writes` are planned together with these records, by CRM id: one may give up the value that
        a record is looked up by.

        A key in `pending` was meant to be created by a run that was killed before it could record
        it: then the answer must not come from an index that lags behind. `gone` are CRM ids, by
        key, of records that were deleted or merged.
        """
        if not records:
            return {}
        lookups = [lookup(rule, record, references.get(record.key, {})) for record in records]
        fields = [*rule.fields, *rule.reference_infos]
        survivors = self._survivors(rule, gone, fields)
        hits = self.adapter.find(
            rule.object,
            rule.upsert_key,
            lookups,
            fields,
            exact=any(record.key in pending for record in records),
            known=self.ledger.count(rule.object),
        )
        crm_ids = [hit.crm_id for found in (*hits.values(), survivors.values()) for hit in found]
        holders = self.ledger.holders(rule.object, crm_ids)
        claimed: dict[tuple[str, str], str] = {}
        identities: dict[str, Identity] = {}
        for record in records:
            survivor = survivors.get(record.key)
            found = [
                hit
                for hit in hits.get(record.key, [])
                if not gives_way(rule, record, hit, writes.get(hit.crm_id))
            ]
            if survivor is not None and not any(
                carries_key(rule, hit, record.key) for hit in found
            ):
                identity = merged_into(rule, record, survivor, holders)
            else:
                identity = identify(rule, record, found, holders)
            identities[record.key] = first_claim(rule, record, identity, claimed)
        self._count(rule, lookups, identities)
        return identities

    def under_own_id(
        self, rule: CompiledRule, records: Sequence[CrmRecord], gone: Mapping[str, str]
    ) -> dict[str, Identity]:
        """What gone records are under the id they had: restored, or None. Raises: CrmError.

        By key, in as few calls as reading them takes. `gone` are the CRM ids by key.
        """
        if not records:
            return {}
        ids = {record.key: gone[record.key] for record in records}
        names = [rule.upsert_key, *rule.fields, *rule.reference_infos]
        hits = self.adapter.read(rule.object, list(ids.values()), list(dict.fromkeys(names)))
        self.outcomes.of(rule.object).worked("read", len(ids))
        holders = self.ledger.holders(rule.object, list(hits))
        identities: dict[str, Identity] = {}
        for record in records:
            hit = hits.get(ids[record.key])
            identities[record.key] = (
                merged_into(rule, record, hit, holders) if hit is not None else None
            )
        return identities

    def _survivors(
        self, rule: CompiledRule, gone: Mapping[str, str], fields: Sequence[str]
    ) -> dict[str, Hit]:
        """The records that others were merged into, by the key of those. Raises: CrmError."""
        if not gone:
            return {}
        located = self.adapter.locate(rule.object, list(gone.values()))
        ids = {key: located[crm_id] for key, crm_id in gone.items() if crm_id in located}
        if not ids:
            return {}
        names = list(dict.fromkeys([rule.upsert_key, *fields]))
        hits = self.adapter.read(rule.object, list(dict.fromkeys(ids.values())), names)
        self.outcomes.of(rule.object).worked("read", len(ids))
        return {key: hits[crm_id] for key, crm_id in ids.items() if crm_id in hits}

    def _count(
        self, rule: CompiledRule, lookups: Sequence[Lookup], identities: Mapping[str, Identity]
    ) -> None:
        """The look-ups, and of those the ones that took match fields besides the key."""
        work = self.outcomes.of(rule.object)
        work.worked("looked_up", len(lookups))
        for asked in lookups:
            identity = identities[asked.key]
            by_key = isinstance(identity, Identified) and not identity.adopt
            if asked.match and not by_key:
                work.worked("matched")


def lookup(rule: CompiledRule, record: CrmRecord, references: Mapping[str, Value]) -> Lookup:
    """What to ask the CRM about a record."""
    match = {
        name: str(record.fields[name])
        for name in rule.match_by
        if record.fields.get(name) is not None
    }
    return Lookup(record.key, match, {name: str(value) for name, value in references.items()})


def identify(
    rule: CompiledRule, record: CrmRecord, hits: Sequence[Hit], holders: Mapping[str, str]
) -> Identity:
    """The identity of one record. `holders`: which key the ledger knows a CRM record by."""
    key_field = rule.upsert_key
    ours = [hit for hit in hits if carries_key(rule, hit, record.key)]
    if len(ours) > 1:
        return conflict(f"{len(ours)} {rule.object} carry its {key_field}", "merge them in the CRM")
    if ours:
        held = holders.get(ours[0].crm_id, record.key) != record.key
        return held_by_another(rule, ours[0].crm_id) if held else Identified(ours[0], adopt=False)
    if not hits:
        return None

    names = ", ".join(rule.match_by)
    if len(hits) > 1:
        return conflict(
            f"its {names} is held by {len(hits)} {rule.object}", "merge them in the CRM"
        )
    hit = hits[0]
    if hit.values.get(key_field) is not None or holders.get(hit.crm_id, record.key) != record.key:
        return conflict(
            f"its {names} is held by {rule.object} {hit.crm_id}, which carries another {key_field}",
            f"decide which record the {names} belongs to: "
            f"change it at the source, or clear {key_field} in the CRM",
        )
    return Identified(hit, adopt=True)


def gives_way(rule: CompiledRule, record: CrmRecord, hit: Hit, write: Write | None) -> bool:
    """Returns True if a CRM record only has match values that a planned write takes from it."""
    if write is None:
        return False
    shared = [
        name
        for name in rule.match_by
        if record.fields.get(name) is not None
        and same(rule.info(name), hit.values.get(name), record.fields[name])
    ]
    return bool(shared) and all(gives_up(write, name, record.fields[name]) for name in shared)


def merged_into(
    rule: CompiledRule, record: CrmRecord, survivor: Hit, holders: Mapping[str, str]
) -> Identity:
    """The identity of a record that people merged into another, or that they restored."""
    key_field, crm_id = rule.upsert_key, survivor.crm_id
    if carries_key(rule, survivor, record.key):
        return Identified(survivor, adopt=False)
    holder = holders.get(crm_id, record.key)
    if survivor.values.get(key_field) is None and holder == record.key:
        return Identified(survivor, adopt=True)
    return conflict(
        f"people merged it into {rule.object} {crm_id}, which carries another {key_field}",
        "merge the two at the source as well, or undo the merge in the CRM",
    )


def carries_key(rule: CompiledRule, hit: Hit, key: str) -> bool:
    """Returns True if a CRM record holds this key in its key field."""
    held = hit.values.get(rule.upsert_key)
    return held is not None and same(rule.info(rule.upsert_key), str(held), key)


def first_claim(
    rule: CompiledRule,
    record: CrmRecord,
    identity: Identity,
    claimed: dict[tuple[str, str], str],
) -> Identity:
    """A conflict as well if an earlier record of the block claims the same match value."""
    if isinstance(identity, RowError) or (identity is not None and not identity.adopt):
        return identity
    for name in rule.match_by:
        value = record.fields.get(name)
        if value is None:
            continue
        holder = claimed.setdefault((name, str(value).casefold()), record.key)
        if holder != record.key:
            return conflict(
                f"another record of the source has the same {name}",
                f"give each record its own {name} at the source",
            )
    return identity


def held_by_another(rule: CompiledRule, crm_id: str) -> RowError:
    """Why a record cannot have a CRM record that the ledger knows under another key."""
    return conflict(
        f"{rule.object} {crm_id} was synced under another {rule.upsert_key}",
        f"find out which record of the source it belongs to: put that {rule.upsert_key} back "
        "in the CRM, or remove the other record from the source",
    )


def conflict(message: str, hint: str) -> RowError:
    """Why a record cannot be matched without doubt."""
    return RowError("identity_conflict", message, hint)
