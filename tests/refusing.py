"""A CRM that refuses every batch with a bad row, and names none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reverse_etl.crm.adapter import RowResult
from reverse_etl.errors import BatchRejectedError, RowError
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.rules import FieldRule, Rule
from reverse_etl.objects import Lane, ObjectSpec
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.send import Sender
from reverse_etl.records import CrmRecord, SourceRecord, Write

SPEC = ObjectSpec(
    "thing",
    (Lane("few", 1, 100), Lane("many", 1000, 500)),
    upserts=True,
    unique_keys=True,
    find_rows_a_call=100,
)
RULE = CompiledRule(
    Rule("r", "r.yml", "s", "thing", "k", (FieldRule("k", 1),)), SPEC, {}, None, {}, (), {}
)


def write(number: int, kind: str = "create") -> Write:
    record = CrmRecord(f"k{number}", {}, (), SourceRecord("s", f"k{number}", {}, 0), b"")
    crm_id = None if kind == "create" else "id"
    return Write(record, kind, {"k": f"k{number}"}, crm_id)  # type: ignore[arg-type]


def writes(count: int) -> list[Write]:
    return [write(number) for number in range(count)]


class Refusing:
    """Refuses every batch that holds a bad row, and names none."""

    def __init__(self, bad: set[int]) -> None:
        self.bad, self.calls = {f"k{number}" for number in bad}, 0

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        self.calls += 1
        if any(write.key in self.bad for write in writes):
            raise BatchRejectedError(RowError("bad", "something is wrong"))
        return [RowResult(f"id-{write.key}") for write in writes]


def proven(adapter: Refusing) -> Sender:
    """A sender whose CRM has taken a row of the rule."""
    crm: Any = adapter
    sender = Sender(crm, RunControl())
    list(sender.send(RULE, iter([[write(1000)]])))
    adapter.calls = 0
    return sender


def cost(bad: set[int], rows: int = 100) -> int:
    """The calls of a batch that has these bad rows."""
    adapter = Refusing(bad)
    list(proven(adapter).send(RULE, iter([writes(rows)])))
    return adapter.calls
