"""Halving: what a refused batch costs, whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from reverse_etl.crm.adapter import RowResult
from reverse_etl.errors import BatchRejectedError, RowError, RuleRefusedError
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.rules import FieldRule, Rule
from reverse_etl.objects import Lane, ObjectSpec
from reverse_etl.pipeline.batch import batches, choose_lane
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


class Picky:
    """Refuses every batch that holds a bad row, and names none."""

    def __init__(self, bad: set[int]) -> None:
        self.bad, self.calls = {f"k{number}" for number in bad}, 0

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        self.calls += 1
        if any(write.key in self.bad for write in writes):
            raise BatchRejectedError(RowError("bad", "something is wrong"))
        return [RowResult(f"id-{write.key}") for write in writes]


@pytest.mark.parametrize(
    "bad", [{0}, {99}, {50}, {0, 99}, {1, 2, 3, 50, 51, 98}, set(range(0, 100, 2)), set(range(100))]
)
def test_a_batch_of_a_hundred_never_costs_more_than_107_calls_and_one_bad_row_14_more(
    bad: set[int],
) -> None:
    adapter: Any = Picky(bad)
    sender = proven(adapter)
    (outcomes,) = sender.send(RULE, iter([[write(number) for number in range(100)]]))
    assert {outcome.source.key for outcome in outcomes if outcome.name == "rejected"} == {
        f"k{number}" for number in bad
    }
    assert {outcome.source.key for outcome in outcomes if outcome.name == "created"} == {
        f"k{number}" for number in range(100) if number not in bad
    }
    assert len(outcomes) == 100
    assert adapter.calls <= 107
    if len(bad) == 1:
        assert adapter.calls <= 15


def proven(adapter: Any) -> Sender:
    """A sender whose CRM has taken a row of the rule."""
    sender = Sender(adapter, RunControl())
    list(sender.send(RULE, iter([[write(1000)]])))
    adapter.calls = 0
    return sender


def cost(bad: set[int]) -> int:
    """The calls of a batch of a hundred."""
    adapter: Any = Picky(bad)
    list(proven(adapter).send(RULE, iter([[write(number) for number in range(100)]])))
    return adapter.calls  # type: ignore[no-any-return]


@pytest.mark.parametrize(("bad", "at_most"), [(2, 24), (5, 47)])
def test_a_few_bad_rows_are_found_by_halving_wherever_they_are(bad: int, at_most: int) -> None:
    places = range(0, 100, 3)
    spread = [{(first + row * 100 // bad) % 100 for row in range(bad)} for first in places]
    together = [{(first + row) % 100 for row in range(bad)} for first in places]
    assert max(map(cost, spread + together)) <= at_most


def test_ten_bad_rows_are_found_by_halving_where_they_are_spread() -> None:
    costs = sorted(cost({first + row * 10 for row in range(10)}) for first in range(10))
    assert costs[5] <= 72


def test_a_rule_of_which_no_row_is_taken_stops_after_twenty_single_rows() -> None:
    adapter: Any = Picky(set(range(300)))
    batches_of_100 = ([write(number) for number in range(start, start + 100)]
                      for start in (0, 100, 200))  # fmt: skip
    sent: list[Any] = []
    outcomes = Sender(adapter, RunControl(), 4).send(RULE, iter(batches_of_100))
    with pytest.raises(RuleRefusedError, match="the first 20 rows"):
        sent.extend(outcome for some in outcomes for outcome in some)
    assert [outcome.name for outcome in sent] == ["not_attempted"] * 300
    assert adapter.calls <= 22


def test_every_tenth_row_bad_is_not_a_refusal_of_the_rule() -> None:
    adapter: Any = Picky(set(range(0, 100, 10)))
    batch = [write(number) for number in range(100)]
    (outcomes,) = Sender(adapter, RunControl()).send(RULE, iter([batch]))
    assert len([outcome for outcome in outcomes if outcome.name == "rejected"]) == 10


def test_after_a_stop_nothing_is_sent() -> None:
    control = RunControl()
    control.stop(15)
    adapter: Any = Picky(set())
    sent = list(Sender(adapter, control, 2).send(RULE, iter([[write(1)], [write(2)]])))
    assert [outcome.name for outcomes in sent for outcome in outcomes] == [
        "not_attempted",
        "not_attempted",
    ]
    assert adapter.calls == 0


def test_creates_and_updates_go_apart_in_the_lane_for_their_number() -> None:
    writes = [write(number, "create" if number % 3 else "update") for number in range(250)]
    sizes = [(batch[0].kind, len(batch)) for batch in batches(SPEC, writes)]
    assert sizes == [("create", 100), ("create", 66), ("update", 84)]
    assert choose_lane(SPEC, 999).name == "few"
    assert choose_lane(SPEC, 1000).name == "many"


def test_calls_that_run_short_are_reported_once_per_level(caplog: pytest.LogCaptureFixture) -> None:
    from target_salesforce.api import LimitWatch

    watch = LimitWatch()
    for used in (10, 79_000, 80_000, 81_000, 96_000, 97_000):
        assert watch.pace_s({"Sforce-Limit-Info": f"api-usage={used}/100000"}) == 0.0
    assert watch.pace_s({}) == 0.0
    warnings = [
        record.getMessage() for record in caplog.records if "API calls" in record.getMessage()
    ]
    assert [line.partition(" of ")[0] for line in warnings] == [
        "Salesforce: 80000",
        "Salesforce: 96000",
    ]
