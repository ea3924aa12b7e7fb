"""A compiled rule: what it says of its fields, and what it makes of a record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from reverse_etl.errors import AwaitedError, RowError
from reverse_etl.mapping.checks import check_rules
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.compiler import RuleCompiler, link_form
from reverse_etl.mapping.load import load_rules
from reverse_etl.objects import LinkForm, ObjectSpec
from reverse_etl.records import SourceRecord
from reverse_etl.values import FieldInfo

from support import written

RULE = """\
stream: visits
object: visit
mode: update_only
upsert_key: number
match_by: [mail]
where: not cancelled
on_leave: {set: {state: gone}}
when_null: clear
fields:
  number: {from: id, when_null: wait}
  mail: mail
  state: {value: open, write: on_create}
  grade: {from: score, map: {"3": good}, default: none, max_length: 3}
links:
  - {to: person, key: person_id}
  - {to: room, key: room_id}
attach: {url: photo, name: "{id}-{room_id}.jpg"}
"""
PARENT = "stream: people\nobject: {0}\nupsert_key: id\nfields: {{id: id}}\n"
LINKS = {
    "person": LinkForm("person", "reference", field="person_ref", on_create=True),
    "room": LinkForm("room", "reference", field="room_ref"),
}
FIELDS = ("number", "mail", "state", "grade", "person_ref", "room_ref")
PROPERTIES = ("id", "mail", "score", "cancelled", "person_id", "room_id", "photo")


@pytest.fixture
def rule(tmp_path: Path) -> CompiledRule:
    written(tmp_path, "visits.visit.yml", RULE)
    for parent in LINKS:
        written(tmp_path, f"people.{parent}.yml", PARENT.format(parent))
    *_, visit = check_rules(load_rules(tmp_path), ("visit", "person", "room"))
    spec = ObjectSpec("visit", (), upserts=True, unique_keys=False, find_rows_a_call=1, links=LINKS)
    properties: dict[str, Any] = {name: {} for name in PROPERTIES}
    infos = {name: FieldInfo(name, "text") for name in FIELDS}
    forms = [link_form(link, LINKS[link.to]) for link in visit.links]
    return RuleCompiler({}, {}).compile(visit, spec, properties, infos, forms)


def source(**values: object) -> SourceRecord:
    return SourceRecord("visits", "key", {"id": "v1", **values}, 0)


def test_what_it_says_of_itself(rule: CompiledRule) -> None:
    assert (rule.name, rule.stream, rule.object) == ("visits.visit", "visits", "visit")
    assert (rule.mode, rule.upsert_key, rule.match_by) == ("update_only", "number", ("mail",))
    assert [(link.rule.paths, link.form.name, link.form.key_field) for link in rule.links] == [
        (("person_id",), "person", "id"),
        (("room_id",), "room", "id"),
    ]


def test_policy_and_type_of_every_field_references_included(rule: CompiledRule) -> None:
    assert {name: rule.policy(name) for name in FIELDS} == {
        "number": "always",
        "mail": "always",
        "state": "on_create",
        "grade": "always",
        "person_ref": "on_create",
        "room_ref": "always",
    }
    assert [rule.info(name).name for name in FIELDS] == list(FIELDS)


def test_a_null_clears_only_a_field_that_says_so(rule: CompiledRule) -> None:
    assert {name for name in FIELDS if rule.clears(name)} == {"mail", "grade"}
    assert not rule.clears("unknown")


def test_a_record_is_mapped_with_links_and_file(rule: CompiledRule) -> None:
    record = rule.map(
        source(score=3.0, person_id="p1", room_id="r/1", photo="https://host.example/1")
    )
    assert record is not None
    assert record.key == "v1"
    assert record.fields == {"number": "v1", "mail": None, "state": "open", "grade": "goo"}
    assert [(link.name, link.to_key) for link in record.links] == [
        ("-> person", "p1"),
        ("-> room", "r/1"),
    ]
    assert record.file is not None
    assert record.file.name == "v1-r_1.jpg"


def test_a_value_outside_the_table_becomes_the_default(rule: CompiledRule) -> None:
    record = rule.map(source(score=4))
    assert record is not None
    assert record.fields["grade"] == "non"


def test_a_row_that_leaves_writes_only_what_on_leave_sets(rule: CompiledRule) -> None:
    record = rule.map(source(cancelled=True, room_id="r1", photo="https://host.example/1"))
    assert record is not None
    assert record.leaving
    assert record.fields == {"state": "gone"}
    assert record.links == ()
    assert record.file is None


def test_a_record_without_a_key_is_awaited_and_a_long_key_is_an_error(rule: CompiledRule) -> None:
    with pytest.raises(AwaitedError):
        rule.map(source(id=None))
    with pytest.raises(RowError, match="number has more than 255 characters"):
        rule.map(source(id="x" * 256))


def test_an_unexpected_error_at_a_record_is_its_own_and_names_the_place(rule: CompiledRule) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("ann@example.org")

    with pytest.raises(RowError) as error:
        rule.map(source(mail=Odd()))
    assert error.value.code == "internal"
    assert "RuntimeError in reverse_etl." in error.value.message
    assert "ann@example.org" not in str(error.value)
