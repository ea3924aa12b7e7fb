"""Sending: a rule that the CRM refuses, a stop, lanes, lost responses."""

from __future__ import annotations

from typing import Any

import pytest
from reverse_etl.errors import RuleRefusedError
from reverse_etl.pipeline.batch import batches, choose_lane
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.send import Sender

from refusing import RULE, SPEC, Refusing, write


def test_a_rule_of_which_no_row_is_taken_stops_after_twenty_single_rows() -> None:
    adapter: Any = Refusing(set(range(300)))
    batches_of_100 = ([write(number) for number in range(start, start + 100)]
                      for start in (0, 100, 200))  # fmt: skip
    sent: list[Any] = []
    outcomes = Sender(adapter, RunControl(), 4).send(RULE, iter(batches_of_100))
    with pytest.raises(RuleRefusedError, match="the first 20 rows"):
        sent.extend(outcome for some in outcomes for outcome in some)
    assert [outcome.name for outcome in sent] == ["not_attempted"] * 300
    assert adapter.calls <= 22


def test_every_tenth_row_bad_is_not_a_refusal_of_the_rule() -> None:
    adapter: Any = Refusing(set(range(0, 100, 10)))
    batch = [write(number) for number in range(100)]
    (outcomes,) = Sender(adapter, RunControl()).send(RULE, iter([batch]))
    assert len([outcome for outcome in outcomes if outcome.name == "rejected"]) == 10


def test_after_a_stop_nothing_is_sent() -> None:
    control = RunControl()
    control.stop(15)
    adapter: Any = Refusing(set())
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
