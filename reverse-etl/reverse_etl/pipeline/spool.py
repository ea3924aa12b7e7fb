"""Planned writes on disk: between stages 4 and 5, for objects that can be written by jobs of many rows.

The file has no name and only this process can read it, since it holds personal data. A write goes in as a tuple without
its rule and comes out whole. Invariant: a key is in a spool once.
"""

from __future__ import annotations

import pickle
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Literal

from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.records import CrmRecord, SourceRecord, WantedLink, Write

Kind = Literal["create", "update"]
KINDS: tuple[Kind, ...] = ("create", "update")
SPOOL_ROWS = 100_000
"""A spool this long is written, so that what a job's results need in memory stays bounded."""


def packed(write: Write) -> tuple[Any, ...]:
    """A write as it lies on disk."""
    record = write.record
    links = [(link.form, link.to_key) for link in record.links]
    source = (
        record.source.stream,
        record.source.key,
        dict(record.source.values),
        record.source.observed_us,
    )
    carried = [(one.stream, one.key, dict(one.values), one.observed_us) for one in record.collapsed]
    own = (
        record.key,
        links,
        source,
        record.fingerprint,
        record.leaving,
        record.file,
        dict(record.earlier),
        carried,
    )
    return (
        own,
        write.kind,
        write.fields,
        write.crm_id,
        write.accepted,
        write.kept_back,
        write.recovered,
        write.cleared_first,
        write.whole,
    )


def unpacked(rule: CompiledRule, row: tuple[Any, ...]) -> Write:
    """A write as it was planned."""
    own, kind, fields, crm_id, accepted, kept_back, recovered, cleared_first, whole = row
    key, links, source, fingerprint, leaving, file, earlier, carried = own
    wanted = tuple(WantedLink(form, to_key) for form, to_key in links)
    collapsed = tuple(SourceRecord(*one) for one in carried)
    values = {**accepted, **fields}
    record = CrmRecord(
        rule,
        key,
        values,
        wanted,
        SourceRecord(*source),
        fingerprint,
        leaving,
        file,
        earlier,
        collapsed,
    )
    return Write(
        record, kind, fields, crm_id, accepted, None, kept_back, recovered, cleared_first, whole
    )


@dataclass(slots=True)
class Spool:
    """The writes of one rule, in the order they were planned."""

    rule: CompiledRule
    keys: set[str] = field(default_factory=set)
    rows: Counter[str] = field(default_factory=Counter)
    """Writes by kind."""
    _file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    _blocks: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, writes: Sequence[Write]) -> None:
        """Append a block."""
        if not writes:
            return
        self._file.seek(0, 2)
        self._blocks.append(self._file.tell())
        pickle.dump([packed(write) for write in writes], self._file, pickle.HIGHEST_PROTOCOL)
        self.keys.update(write.key for write in writes)
        self.rows.update(write.kind for write in writes)

    def read(self, kind: Kind) -> Iterator[list[Write]]:
        """Writes of one kind, a block at a time."""
        for start in self._blocks:
            self._file.seek(start)
            block = [unpacked(self.rule, row) for row in pickle.load(self._file)]  # noqa: S301  # this process wrote it, nobody else can
            if found := [write for write in block if write.kind == kind]:
                yield found

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()
