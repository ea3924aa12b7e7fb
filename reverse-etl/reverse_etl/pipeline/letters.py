"""What becomes of a record that does not arrive: a dead letter, or a row that waits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version

from singer_kit.scrub import scrub

from reverse_etl.errors import INTERNAL, RowError
from reverse_etl.ledger import DeadLetter, Version, Waiting
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.content import content_hash
from reverse_etl.records import CrmRecord, SourceRecord, WantedLink

RELEASE = version("reverse-etl")
HINT = "look at the record and the CRM field, fix one of them, and sync again"


def letter(rule: CompiledRule, source: SourceRecord, stage: str, error: RowError) -> DeadLetter:
    """A dead letter. The CRM's own message is scrubbed of the record's values."""
    message = scrub(error.message, source.values) if stage == "send" else error.message
    return DeadLetter(
        rule.name, source.key, source.stream, rule.object, stage, error.code, message,
        error.hint or HINT, dict(source.values), source.observed_us,
        rule_hash=cause_hash(rule, error.code), schema_hash=rule.schema_hash,
    )  # fmt: skip


def cause_hash(rule: CompiledRule, code: str) -> str:
    """What a letter keeps of its rule: if it changes, the cause may be gone.

    The cause of an error of ours may be gone with the next release.
    """
    return rule.rule_hash if code != INTERNAL else content_hash((rule.rule_hash, RELEASE))


def letters_of(
    rule: CompiledRule, record: CrmRecord, stage: str, error: RowError
) -> list[DeadLetter]:
    """A letter for each source record whose fields a rejected record carries.

    The newest version of each leads; its letter keeps what only older ones say.
    """
    letters: dict[str, DeadLetter] = {}
    for source in record.sources:
        new = letter(rule, source, stage, error)
        known = letters.get(source.key)
        letters[source.key] = new if known is None else new.joined(known)
    return list(letters.values())


def waiting_write(rule: CompiledRule, record: CrmRecord, missing: WantedLink) -> Waiting:
    """A link in a field that waits for its other end, with the record that it goes out with."""
    source = record.source
    return Waiting(
        rule.name, record.key, rule.object, missing.form.name, missing.to_key,
        source.key, source.observed_us, source.values, earlier=versions(record.collapsed),
    )  # fmt: skip


def waiting_link(rule: CompiledRule, key: str, link: WantedLink, source: SourceRecord) -> Waiting:
    """A link that waits for its other end; the record itself is in the CRM."""
    return Waiting(
        rule.name, key, rule.object, link.form.name, link.to_key, source.key, source.observed_us,
        source.values, whole=False,
    )  # fmt: skip


def expired_letter(rule: CompiledRule, row: Waiting, error: RowError) -> DeadLetter:
    """The dead letter of what has waited too long. It knows the link that never came."""
    *_, newest = sources(rule.stream, row.versions)
    expired = letter(rule, newest, "link", error)
    earlier = tuple(version for version in row.earlier if version.key == row.source_key)
    return replace(expired, earlier=earlier, to_object=row.to_object)


def versions(records: Iterable[SourceRecord]) -> tuple[Version, ...]:
    """Source records as the ledger keeps them."""
    return tuple(Version(record.key, record.observed_us, record.values) for record in records)


def sources(stream: str, kept: Sequence[Version]) -> list[SourceRecord]:
    """What the ledger keeps, as source records of a stream."""
    return [
        SourceRecord(stream, version.key, version.record, version.observed_us) for version in kept
    ]
