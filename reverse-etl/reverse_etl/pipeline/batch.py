"""Stage 5, batch: planned writes → the lane for their number → batches of distinct keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reverse_etl.objects import Lane, ObjectSpec
from reverse_etl.records import KINDS, Write


def takes_jobs(spec: ObjectSpec) -> bool:
    """Returns True if writes of an object may go as jobs of many rows."""
    return any(lane.job for lane in spec.lanes)


def choose_lane(spec: ObjectSpec, rows: int, *, jobs: bool = True) -> Lane:
    """The lane for this many writes: the one with the highest `rows_from` that they reach."""
    reached = [lane for lane in spec.lanes if lane.rows_from <= rows and (jobs or not lane.job)]
    return max(reached, key=lambda lane: (lane.rows_from, lane.job), default=spec.lanes[0])


def batches(spec: ObjectSpec, writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Batches of one kind of write each; keys are distinct in a block, so in a batch too."""
    for kind in KINDS:
        # Children of one parent stay together: a CRM may lock the parent while it writes them,
        # and two batches in flight would lock each other out.
        rows = sorted((write for write in writes if write.kind == kind), key=parent_key)
        lane = choose_lane(spec, len(rows), jobs=False)
        for start in range(0, len(rows), lane.rows_a_call):
            yield rows[start : start + lane.rows_a_call]


def parent_key(write: Write) -> str:
    """The key of the record that a write refers to; empty if it refers to none."""
    for link in write.record.links:
        if link.form.form == "reference":
            return link.to_key
    return ""
