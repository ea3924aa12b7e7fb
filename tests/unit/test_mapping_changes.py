"""A field that is added to a mapping: how many known records lack it, and what brings it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from reverse_etl.mapping.content import content_hash

from box import Box
from crms import HUBSPOT, Crm, each_crm
from support import Result, deliver, later, state, users


def mapping_of(crm: Crm, folder: Path) -> Path:
    """A copy of the shipped rules that matter here: people only."""
    copy = folder / "mine"
    copy.mkdir(exist_ok=True)
    for name in (crm.person_rule, "objects.yml"):
        shutil.copy(crm.target.shipped_mapping() / name, copy)
    return copy


def add_field(crm: Crm, mapping: Path) -> str:
    """Add a field to the rule for people; its name in the rule."""
    rule = mapping / crm.person_rule
    name = crm.custom_field("favourite")
    text = rule.read_text()
    line = next(line for line in text.splitlines() if line.startswith("fields:"))
    rule.write_text(text.replace(line, f"{line}\n  {name}: user_agent_note", 1))
    return name


def with_note(count: int, day: int = 2) -> list[dict[str, object]]:
    """Users with a property that the rule does not map at first."""
    schema, *records = users(count, user_agent_note="tea")
    schema["schema"]["properties"]["user_agent_note"] = {"type": ["string", "null"]}
    return [schema, *(later(record, day) for record in records)]


def changes_of(result: Result) -> list[tuple[list[str], int]]:
    return [(change["parts"], change["records"]) for change in result.report["mapping_changes"]]


@each_crm
@pytest.mark.parametrize("count", [30, pytest.param(1000, marks=pytest.mark.soak)])
def test_known_records_that_lack_an_added_field_are_counted_until_a_full_refresh(
    box: Box, crm: Crm, count: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mapping = mapping_of(crm, tmp_path)
    assert changes_of(deliver(box, crm, with_note(count), tmp_path, mapping=str(mapping))) == []
    assert "known records" not in caplog.text

    name = add_field(crm, mapping)
    some = deliver(box, crm, with_note(10, 3), tmp_path, mapping=str(mapping))
    assert some.counts(crm.people)["updated"] == 10
    assert changes_of(some) == [([name], count - 10)]
    assert f"{count - 10} known records do not have {name}" in caplog.text
    assert "--full-refresh" in caplog.text

    caplog.clear()
    whole = deliver(box, crm, with_note(count, 4), tmp_path, mapping=str(mapping))
    assert whole.counts(crm.people)["updated"] == count - 10
    assert whole.report["calls"]["made"] == whole.report["calls"]["least"]
    assert changes_of(whole) == []
    assert "known records" not in caplog.text


def test_a_changed_mapping_may_fail_the_run_before_the_first_record(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mapping = str(mapping_of(HUBSPOT, tmp_path))
    deliver(box, HUBSPOT, with_note(3), tmp_path, mapping=mapping)
    add_field(HUBSPOT, Path(mapping))
    messages = [*with_note(4, 3), state(1)]
    for _ in range(2):
        failed = deliver(
            box, HUBSPOT, messages, tmp_path, mapping=mapping, on_mapping_change="fail"
        )
        assert (failed.code, failed.states) == (1, [])
    assert "3 known records do not have favourite of it. Set on_mapping_change: warn" in (
        caplog.text
    )
    assert len(box.people(HUBSPOT)) == 3
    assert deliver(box, HUBSPOT, messages, tmp_path, mapping=mapping).code == 0
    passed = deliver(box, HUBSPOT, messages, tmp_path, mapping=mapping, on_mapping_change="fail")
    assert passed.code == 0


def test_a_change_that_adds_nothing_is_not_reported(box: Box, tmp_path: Path) -> None:
    mapping = mapping_of(HUBSPOT, tmp_path)
    add_field(HUBSPOT, mapping)
    deliver(box, HUBSPOT, with_note(3), tmp_path, mapping=str(mapping))
    mapping_of(HUBSPOT, tmp_path)  # without the field
    result = deliver(box, HUBSPOT, with_note(1), tmp_path, mapping=str(mapping))
    assert changes_of(result) == []
    assert result.report["calls"]["made"] == 0


def test_a_new_rule_for_a_known_stream_is_reported_once(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mapping = mapping_of(HUBSPOT, tmp_path)
    deliver(box, HUBSPOT, with_note(3), tmp_path, mapping=str(mapping))
    shutil.copy(HUBSPOT.target.shipped_mapping() / "users.deal.yml", mapping)
    result = deliver(box, HUBSPOT, with_note(1), tmp_path, mapping=str(mapping))
    assert changes_of(result) == [([], 3)]
    assert "The rule users.deal is new: 3 known records" in caplog.text
    assert changes_of(deliver(box, HUBSPOT, with_note(3), tmp_path, mapping=str(mapping))) == []


def test_a_word_that_a_later_release_adds_does_not_change_a_rule_that_does_not_use_it() -> None:
    @dataclass(frozen=True)
    class Before:
        name: str
        line: int = 1

    @dataclass(frozen=True)
    class After(Before):
        word: str | None = None
        words: tuple[str, ...] = field(default_factory=tuple)

    assert content_hash(Before("a", 3)) == content_hash(After("a", 9))
    assert content_hash(Before("a")) != content_hash(After("a", word="x"))
