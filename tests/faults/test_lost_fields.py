"""A field that people deleted, or gave another type, in the CRM between two runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from box import Box
from crms import Crm, each_crm
from support import deliver, later, record_message, schema_message, user, written

PEOPLE = [schema_message(), user(1), user(2)]
NUMBERS = {"hubspot": "number", "pipedrive": "double", "salesforce": "double"}
TEXTS = {"hubspot": "string", "pipedrive": "varchar", "salesforce": "string"}


def values(box: Box, crm: Crm, name: str) -> list[object]:
    """What the people hold in a field."""
    return [row["properties"].get(name) for row in box.people(crm)]


def error_of(caplog: pytest.LogCaptureFixture) -> str:
    """The one line that says why the run ended."""
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    caplog.clear()
    line, code = errors
    assert code == "exit code 1"
    assert "\n" not in line
    return line


@each_crm
def test_a_deleted_field_is_one_error_and_comes_back_with_all_its_values(
    box: Box, tmp_path: Path, crm: Crm, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(box, crm, PEOPLE, tmp_path)
    box.by_hand(crm, "delete_field", crm.people, field=crm.text_field)
    failed = deliver(box, crm, PEOPLE, tmp_path, provision=False)
    assert (failed.code, failed.states, failed.letters) == (1, [], [])
    line = error_of(caplog)
    assert f"has no field {crm.text_field}" in line
    assert "provision: true" in line
    result = deliver(box, crm, PEOPLE, tmp_path)
    assert result.counts(crm.people) == {"planned": 2, "updated": 2}
    assert values(box, crm, crm.text_field) == ["bakery", "bakery"]
    again = deliver(box, crm, PEOPLE, tmp_path)
    assert again.counts(crm.people) == {"planned": 2, "unchanged": 2}


@each_crm
def test_a_field_of_another_type_is_one_error_until_it_has_its_own_again(
    box: Box, tmp_path: Path, crm: Crm, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(box, crm, PEOPLE, tmp_path)
    box.by_hand(crm, "retype_field", crm.people, field=crm.text_field, type=NUMBERS[crm.name])
    changed = [schema_message(), later(user(1, business_type="florist")), user(2)]
    for provision in (False, True):
        failed = deliver(box, crm, changed, tmp_path, provision=provision)
        assert (failed.code, failed.states, failed.letters) == (1, [], [])
        line = error_of(caplog)
        assert f"{crm.text_field} takes a number, the rule gives a text" in line
    box.by_hand(crm, "retype_field", crm.people, field=crm.text_field, type=TEXTS[crm.name])
    result = deliver(box, crm, changed, tmp_path)
    assert result.code == 0
    assert values(box, crm, crm.text_field)[0] == "florist"


@each_crm
def test_a_letter_is_tried_again_once_people_changed_a_field_that_its_rule_writes(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    """No record comes again, and the rule is the same: its cause may be in the field."""
    deliver(box, crm, PEOPLE, tmp_path)
    names = [crm.person_key, crm.name_fields[-1]]
    spent = {"from": "worth", "parse": "number"}
    fields = {**dict.fromkeys(names, "id"), crm.email_field: "email", crm.spent_field: spent}
    rule = {"stream": "guests", "object": crm.people, "upsert_key": crm.person_key}
    written(tmp_path / "rules", "guests.person.yml", {**rule, "fields": fields})
    text = {"type": ["string", "null"]}
    schema = {"type": "object", "properties": dict.fromkeys(("id", "email", "worth"), text)}
    described = {"type": "SCHEMA", "stream": "guests", "key_properties": ["id"], "schema": schema}
    guest = record_message("guests", {"id": "g1", "email": "g1@example.com", "worth": "much"})
    tries = []
    text_type = TEXTS[crm.name]
    for run, messages in enumerate([[described, guest], [described], [described]]):
        if run == 2:
            box.by_hand(crm, "retype_field", crm.people, field=crm.spent_field, type=text_type)
        result = deliver(box, crm, messages, tmp_path, mapping=str(tmp_path / "rules"))
        tries.append([(letter["key"], letter["times"]) for letter in result.letters])
    assert tries == [[("g1", 1)], [("g1", 1)], [("g1", 2)]]
