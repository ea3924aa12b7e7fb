"""Planned writes on disk, between stages 4 and 5, for objects that take jobs of many rows.

The file has no name and only this process can read it, since it holds personal data. A write goes
in as a tuple without its rule and comes out whole. Invariant: a key is in a spool once.
"""

from __future__ import annotations

import pickle  # nosec B403  # see where it reads
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.batch import takes_jobs
from reverse_etl.records import KINDS, CrmRecord, SourceRecord, WantedLink, Write, WriteKind

SPOOL_ROWS = 100_000
"""A spool this long is written, so that the memory that a job's results need stays bounded."""


def packed(write: Write) -> tuple[Any, ...]:
    """A write as it is on disk."""
    record = write.record
    links = [(link.form, link.to_key) for link in record.links]
    collapsed = [packed_source(source) for source in record.collapsed]
    # An update sends what has changed. If its record is gone, all of it is planned again.
    values = dict(record.fields) if write.kind == "update" else None
    inner = (
        record.key, links, packed_source(record.source), record.fingerprint, record.leaving,
        record.file, dict(record.earlier), collapsed, values,
    )  # fmt: skip
    return (
        inner, write.kind, dict(write.fields), write.crm_id, dict(write.accepted),
        write.kept_back, write.recovered, write.cleared_first, write.whole,
        [(link.form, link.to_key) for link in write.unlinked], dict(write.replaces),
    )  # fmt: skip


def packed_source(source: SourceRecord) -> tuple[Any, ...]:
    """A source record as it is on disk."""
    return (source.stream, source.key, dict(source.values), source.observed_us)


def unpacked(row: tuple[Any, ...]) -> Write:
    """A write as it was planned."""
    (
        inner, kind, fields, crm_id, accepted, kept_back, recovered, cleared, whole, missing,
        replaces,
    ) = row  # fmt: skip
    key, links, source, fingerprint, leaving, file, earlier, collapsed, values = inner
    record = CrmRecord(
        key=key,
        fields={**accepted, **fields} if values is None else values,
        links=tuple(WantedLink(form, to_key) for form, to_key in links),
        source=SourceRecord(*source),
        fingerprint=fingerprint,
        leaving=leaving,
        file=file,
        earlier=earlier,
        collapsed=tuple(SourceRecord(*parts) for parts in collapsed),
    )
    return Write(
        record, kind, fields, crm_id, accepted, None, kept_back, recovered, cleared, whole,
        tuple(WantedLink(form, to_key) for form, to_key in missing), replaces,
    )  # fmt: skip


@dataclass(slots=True)
class Spool:
    """The writes of one rule, in the order in which they were planned."""

    rule: CompiledRule
    keys: set[str] = field(default_factory=set)
    rows: dict[WriteKind, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    """Number of writes, by kind."""
    _file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    _blocks: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys)

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, writes: Sequence[Write]) -> None:
        """Append a block."""
        if not writes:
            return
        self._file.seek(0, 2)
        self._blocks.append(self._file.tell())
        pickle.dump([packed(write) for write in writes], self._file, pickle.HIGHEST_PROTOCOL)
        self.keys.update(write.key for write in writes)
        for write in writes:
            self.rows[write.kind] += 1

    def read(self, kind: WriteKind) -> Iterator[list[Write]]:
        """Writes of one kind, a block at a time."""
        for start in self._blocks:
            self._file.seek(start)
            # only this process can write the file, which has no name
            rows = pickle.load(self._file)  # noqa: S301  # nosec B301
            block = [write for write in map(unpacked, rows) if write.kind == kind]
            if block:
                yield block

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()


@dataclass(slots=True)
class Spools:
    """The spools of a run, in the order of their rules' first writes."""

    by_rule: dict[str, Spool] = field(default_factory=dict)

    def to_send(self, rule: CompiledRule, writes: Sequence[Write]) -> Sequence[Write]:
        """Stage 5: the writes to send now.

        Writes of an object that takes jobs are gathered instead.
        """
        if not takes_jobs(rule.spec):
            return writes
        if writes:
            if rule.name not in self.by_rule:
                self.by_rule[rule.name] = Spool(rule)
            self.by_rule[rule.name].add(writes)
        return ()

    def keys(self, rule: CompiledRule) -> set[str]:
        """Keys of a rule that are in its spool."""
        spool = self.by_rule.get(rule.name)
        return spool.keys if spool else set()

    def to_send_first(self, rule: CompiledRule, keys: Iterable[str]) -> list[Spool]:
        """Spools to send before records with these keys can be planned: those of their parents,
        and those with writes of the same keys."""
        wanted = set(keys)
        parents = {form.to for form in rule.forms if not form.found_by}
        return [
            spool
            for spool in self.by_rule.values()
            if spool.rule.object in parents
            or (spool.rule.object == rule.object and not wanted.isdisjoint(spool.keys))
        ]

    def held(self) -> dict[str, int]:
        """Number of gathered writes, by object."""
        held: dict[str, int] = {}
        for spool in self.by_rule.values():
            held[spool.rule.object] = held.get(spool.rule.object, 0) + len(spool)
        return held

    def holds(self, stream: str) -> bool:
        """Returns True if writes of a stream are gathered and not sent yet."""
        return any(spool.rule.stream == stream for spool in self.by_rule.values())

    def close(self) -> None:
        """Give up what is gathered: the run ends."""
        for spool in self.by_rule.values():
            spool.close()
        self.by_rule.clear()
