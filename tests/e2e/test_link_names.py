"""Links whose words are wrong: one line, with the nearest name, before the first record."""

from __future__ import annotations

from pathlib import Path

import pytest

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_crm
from firms import PEOPLE, SCHEMA, person
from support import deliver, written

TYPOS = {
    HUBSPOT: ("tickts", "tickets"),
    PIPEDRIVE: ("organisations", "organizations"),
    SALESFORCE: ("Campagin", "Campaign"),
}
"""Objects that no shipped rule is about, mistyped and right."""


def failure(
    box: Box, crm: Crm, folder: Path, caplog: pytest.LogCaptureFixture, link: str, rule: str = ""
) -> str:
    """What a run with one link says, which it cannot make."""
    text = f"stream: people\n{rule or PEOPLE[crm]}links: [{link}]\n"
    mapping = written(folder / "rules", "people.yml", text).parent
    result = deliver(box, crm, [SCHEMA, person(1, "One")], folder, mapping=str(mapping))
    assert (result.code, result.states, box.people(crm)) == (1, [], [])
    (line,) = {
        record.getMessage()
        for record in caplog.records
        if record.getMessage().startswith("people.yml:")
    }
    return line


@each_crm
@pytest.mark.parametrize("by", ["", ", by: name"])
def test_a_mistyped_object_of_a_link_gets_the_nearest_name(
    box: Box, crm: Crm, by: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mistyped, meant = TYPOS[crm]
    line = failure(box, crm, tmp_path, caplog, f"{{to: {mistyped}, key: firm{by}}}")
    assert mistyped in line
    assert f"Did you mean '{meant}'?" in line


def test_a_mistyped_custom_object_gets_the_nearest_name(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    schema = {
        "name": "service_plan",
        "labels": {"singular": "Plan", "plural": "Plans"},
        "primaryDisplayProperty": "code",
        "requiredProperties": ["code"],
        "properties": [{"name": "code", "label": "Code", "type": "string", "fieldType": "text"}],
        "associatedObjects": [],
    }
    box.call("POST", "/hubspot/crm-object-schemas/v3/schemas", schema, HUBSPOT.headers())
    line = failure(box, HUBSPOT, tmp_path, caplog, "{to: service_plans, key: firm}")
    assert "Did you mean 'service_plan'?" in line


def test_a_wrong_link_is_its_own_message_where_the_crm_does_not_answer(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box.fault(SALESFORCE, "401", times=1000)
    line = failure(box, SALESFORCE, tmp_path, caplog, "{to: Campagin, key: firm}")
    assert "links to 'Campagin', which no rule maps" in line


def test_a_link_that_only_new_records_have_cannot_wait_alone(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fields = "{marker: id, hs_note_body: name, hs_timestamp: due}"
    rule = f"object: notes\nupsert_key: marker\nfields: {fields}\n"
    link = "{to: companies, key: firm, by: name, wait: link}"
    line = failure(box, HUBSPOT, tmp_path, caplog, link, rule)
    assert "Leave `wait` out: the record waits." in line
