"""What becomes of a record that does not arrive: a dead letter, or a row that waits."""

from __future__ import annotations

from reverse_etl.crm.scrub import scrub
from reverse_etl.errors import RowError
from reverse_etl.ledger import DeadLetter, Waiting
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.records import CrmRecord, SourceRecord, WantedLink

HINT = "look at the record and the CRM field, fix one of them, and sync again"


def letter(rule: CompiledRule, source: SourceRecord, stage: str, error: RowError) -> DeadLetter:
    """A dead letter. The CRM's own message is scrubbed of the record's values."""
    message = scrub(error.message, source.values) if stage == "send" else error.message
    return DeadLetter(
        rule.name, source.key, source.stream, rule.object, stage, error.code, message,
        error.hint or HINT, dict(source.values), source.observed_us,
    )  # fmt: skip


def waiting_write(rule: CompiledRule, record: CrmRecord, missing: WantedLink) -> Waiting:
    """A link in a field that waits for its other end, with the record that it goes out with."""
    source = record.source
    return Waiting(
        rule.name, record.key, rule.object, missing.form.name, missing.to_key,
        source.key, source.observed_us, source.values,
    )  # fmt: skip


def waiting_link(rule: CompiledRule, key: str, link: WantedLink, source: SourceRecord) -> Waiting:
    """A link that waits for its other end; the record itself is in the CRM."""
    return Waiting(
        rule.name, key, rule.object, link.form.name, link.to_key, source.key, source.observed_us
    )  # fmt: skip


def waiting_source(rule: CompiledRule, row: Waiting) -> SourceRecord:
    """The source record of what waits; only a whole write has kept its values."""
    return SourceRecord(rule.stream, row.source_key, row.record or {}, row.observed_us)
