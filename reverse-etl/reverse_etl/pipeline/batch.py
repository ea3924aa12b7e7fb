"""Stage 5, batch: planned writes → lane by their number → batches of distinct keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reverse_etl.objects import Lane, ObjectSpec
from reverse_etl.records import Write


def choose_lane(spec: ObjectSpec, rows: int, *, jobs: bool = True) -> Lane:
    """The lane for this many writes: the one with the highest `rows_from` that they reach."""
    reached = [lane for lane in spec.lanes if lane.rows_from <= rows and (jobs or not lane.job)]
    return max(reached, key=lambda lane: (lane.rows_from, lane.job)) if reached else spec.lanes[0]


def batches(spec: ObjectSpec, writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Batches of one kind of write each; keys are distinct within a block, so within a batch too.

    Rows of one parent stand together, since a CRM may lock the parent while it writes its children.
    """
    for kind in ("create", "update"):
        rows = sorted((write for write in writes if write.kind == kind), key=parent_key)
        lane = choose_lane(spec, len(rows), jobs=False)
        for start in range(0, len(rows), lane.rows_a_call):
            yield rows[start : start + lane.rows_a_call]


def parent_key(write: Write) -> str:
    """The key of the record that a write refers to; empty where it refers to none."""
    return next((link.to_key for link in write.record.links if link.form.form == "reference"), "")
