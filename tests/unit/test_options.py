"""Options that come up are added before a block is mapped."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from reverse_etl.errors import BudgetSpentError, SettingError
from reverse_etl.mapping.compiled import CompiledField, CompiledRule
from reverse_etl.mapping.paths import reader
from reverse_etl.mapping.rules import FieldRule, Rule
from reverse_etl.objects import ObjectSpec
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.options import Options
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.prepare import Preparation
from reverse_etl.records import Received, SourceRecord
from reverse_etl.values import FieldInfo

COLOURS = FieldInfo("colours", "choices", options=("red",), strict_options=True)


@dataclass
class Choosing:
    """A CRM that adds options, as often as it may be called."""

    calls: list[tuple[str, str, Sequence[str]]] = field(default_factory=list)
    calls_left: int = 9

    def add_options(self, object_name: str, field_name: str, options: Sequence[str]) -> FieldInfo:
        if len(self.calls) >= self.calls_left:
            raise BudgetSpentError("The calls are used up.")
        self.calls.append((object_name, field_name, options))
        before = [option for _, _, more in self.calls for option in more]
        return replace(COLOURS, options=("red", *before))


def rule(info: FieldInfo = COLOURS) -> CompiledRule:
    fields = (FieldRule("key", 1, paths=("id",)), FieldRule("colours", 2, paths=("colours",)))
    infos = (FieldInfo("key", "text"), info)
    return CompiledRule(
        Rule("r", "r.yml", "things", "thing", "key", fields),
        ObjectSpec("thing", (), upserts=True, unique_keys=False, find_rows_a_call=1),
        {
            each.name: CompiledField(each, info, reader(each.paths[0]), info.options)
            for each, info in zip(fields, infos, strict=True)
        },
        where=lambda record: not record.get("hidden"),
        leave_fields={},
        links=(),
        reference_infos={},
    )


def block(*records: dict[str, Any]) -> Received:
    return Received([SourceRecord("things", "k", {"id": "1", **each}, 0) for each in records], [])


def test_a_block_adds_each_new_option_once_and_is_then_mapped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    choosing, outcomes, thing = Choosing(), Outcomes(), rule()
    options = Options(choosing, outcomes, RunControl())
    received = block({"colours": ["red", "pink"]}, {"colours": ["pink", "grey"]})
    with caplog.at_level(logging.INFO):
        options.extend(thing, received)
    assert choosing.calls == [("thing", "colours", ["pink", "grey"])]
    assert outcomes.of("thing").report()["options_added"] == 2
    assert "colours of thing got 2 new options" in caplog.text
    assert "pink" not in caplog.text
    record = thing.map(received.records[1])
    assert record is not None
    assert record.fields["colours"] == ("pink", "grey")
    options.extend(thing, received)
    assert len(choosing.calls) == 1


def test_another_rule_on_the_field_knows_what_was_added() -> None:
    choosing, first, second = Choosing(), rule(), rule()
    options = Options(choosing, Outcomes(), RunControl())
    for each in (first, second):
        options.extend(each, block({"colours": ["pink"]}))
    assert len(choosing.calls) == 1
    assert second.info("colours").options == ("red", "pink")


@pytest.mark.parametrize(
    "record",
    [
        {"colours": ["pink"], "hidden": True},
        {"colours": [["pink"]]},
        {"colours": ["pink;grey"]},
        {"colours": None},
        {"colours": ["red"]},
    ],
)
def test_what_is_not_sent_adds_nothing(record: dict[str, Any]) -> None:
    choosing = Choosing()
    Options(choosing, Outcomes(), RunControl()).extend(rule(), block(record))
    assert choosing.calls == []


def test_fields_that_take_any_value_and_runs_without_the_setting_add_nothing() -> None:
    choosing, received = Choosing(), block({"colours": ["pink"]})
    open_ended = rule(replace(COLOURS, strict_options=False))
    Options(choosing, Outcomes(), RunControl()).extend(open_ended, received)
    Options(None, Outcomes(), RunControl()).extend(rule(), received)
    assert choosing.calls == []


def test_without_calls_left_a_new_option_makes_no_dead_letter() -> None:
    choosing, control, thing = Choosing(calls_left=0), RunControl(), rule()
    options = Options(choosing, Outcomes(), control)
    received = block({"colours": ["pink"]})
    options.extend(thing, received)
    assert control.spent
    record = thing.map(received.records[0])
    assert record is not None  # the plan counts it as not attempted


def test_a_crm_that_cannot_add_options_is_a_setting_error_before_the_first_record() -> None:
    adapter = cast(Any, SimpleNamespace(crm="Tiny", choosing=None, money=None, facts=dict))
    with pytest.raises(SettingError, match="add_options: Tiny has no way"):
        Preparation(
            adapter, {}, cast(Any, SimpleNamespace(is_on=False)), adds_options=True
        ).compile([], {})
