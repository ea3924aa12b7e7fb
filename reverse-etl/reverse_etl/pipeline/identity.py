"""Who is who on a ledger miss: the CRM is asked by key and by match fields, in batches, and one rule decides.

Our key found: settle. One hit without a key: adopt it. A hit that carries another key, or several hits: a conflict.
No hit: create.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reverse_etl.crm.adapter import Adapter, Hit, Lookup
from reverse_etl.errors import RowError
from reverse_etl.ledger import Ledger
from reverse_etl.mapping.compiler import CompiledRule
from reverse_etl.records import CrmRecord
from reverse_etl.values import same


@dataclass(frozen=True, slots=True)
class Found:
    """The CRM's record of a key: ours already, or one to adopt."""

    hit: Hit
    adopt: bool


def resolve(
    rule: CompiledRule,
    records: Sequence[CrmRecord],
    adapter: Adapter,
    ledger: Ledger,
    *,
    exact: bool,
    near: Callable[[CrmRecord], Mapping[str, str]] = lambda record: {},
) -> dict[str, Found | RowError | None]:
    """By key: what was found, a conflict, or None for a record to be created."""
    match_by = rule.rule.match_by
    lookups = [
        Lookup(
            record.key,
            {
                name: str(record.fields[name])
                for name in match_by
                if record.fields.get(name) is not None
            },
            near(record),
        )
        for record in records
    ]
    fields = [*rule.fields, *rule.reference_infos]
    hits = adapter.find(
        rule.object,
        rule.rule.upsert_key,
        lookups,
        fields,
        exact=exact,
        known=ledger.count(rule.object),
    )
    candidates = [hit.crm_id for found in hits.values() for hit in found]
    holders = ledger.holders(rule.object, candidates)
    claimed: dict[tuple[str, str], str] = {}
    decided: dict[str, Found | RowError | None] = {}
    for record in records:
        verdict = decide(rule, record, hits.get(record.key, []), holders)
        if not isinstance(verdict, RowError):
            verdict = first_claim(rule, record, verdict, claimed)
        decided[record.key] = verdict
    return decided


def decide(
    rule: CompiledRule, record: CrmRecord, hits: Sequence[Hit], holders: Mapping[str, str]
) -> Found | RowError | None:
    """The verdict on one record."""
    key_field = rule.rule.upsert_key
    info = rule.fields[key_field].info
    own = [
        hit
        for hit in hits
        if hit.values.get(key_field) is not None
        and same(info, str(hit.values[key_field]), record.key)
    ]
    if len(own) > 1:
        return conflict(
            rule, f"{len(own)} {rule.object} carry its {key_field}", "merge them in the CRM"
        )
    if own:
        return Found(own[0], adopt=False)
    if not hits:
        return None
    names = ", ".join(rule.rule.match_by)
    if len(hits) > 1:
        return conflict(
            rule, f"its {names} is held by {len(hits)} {rule.object}", "merge them in the CRM"
        )
    hit = hits[0]
    if hit.values.get(key_field) is not None or holders.get(hit.crm_id, record.key) != record.key:
        message = (
            f"its {names} is held by {rule.object} {hit.crm_id}, which carries another {key_field}"
        )
        return conflict(
            rule,
            message,
            f"decide whose {names} it is: change it at the source, or clear {key_field} in the CRM",
        )
    return Found(hit, adopt=True)


def first_claim(
    rule: CompiledRule,
    record: CrmRecord,
    verdict: Found | None,
    claimed: dict[tuple[str, str], str],
) -> Found | RowError | None:
    """A record whose match value an earlier one of the block claims is a conflict, too."""
    if verdict is not None and not verdict.adopt:
        return verdict
    for name in rule.rule.match_by:
        value = record.fields.get(name)
        if value is None:
            continue
        holder = claimed.setdefault((name, str(value).casefold()), record.key)
        if holder != record.key:
            return conflict(
                rule,
                f"another record of the source has the same {name}",
                f"give each its own {name} at the source",
            )
    return verdict


def conflict(rule: CompiledRule, message: str, hint: str) -> RowError:
    """A dead letter's fault."""
    return RowError("identity_conflict", message, hint)
