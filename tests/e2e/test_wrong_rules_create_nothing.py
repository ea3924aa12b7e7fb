"""All rules of a stream are checked before `provision` creates anything for one of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_crm
from firms import COMPANIES, NAMES, NEAR, PEOPLE, SCHEMA, changes, person, rules_folder
from support import Result, deliver, run_tap, written

MESSAGES = [SCHEMA, person(1, None)]
DATES: Mapping[Crm, str] = {
    HUBSPOT: "object: deals\nupsert_key: nr\nfields: {nr: id, dealname: name, "
    "dealstage: {value: closedwon}, closedate: DAY}\n",
    PIPEDRIVE: "object: deals\nupsert_key: nr\n"
    "fields: {nr: id, title: name, expected_close_date: DAY}\n",
    SALESFORCE: "object: Opportunity\nupsert_key: Nr__c\n"
    "fields: {Nr__c: id, Name: name, StageName: {value: Prospecting}, CloseDate: DAY}\n",
}
"""Deals whose date is a constant."""
DATE_FIELDS: Mapping[Crm, str] = {
    HUBSPOT: "closedate",
    PIPEDRIVE: "expected_close_date",
    SALESFORCE: "CloseDate",
}


def run(box: Box, crm: Crm, folder: Path, rule: str, **config: Any) -> Result:
    """Deliver a person by one rule."""
    written(rules_folder(folder), "people.yml", f"stream: people\n{rule}")
    return deliver(box, crm, MESSAGES, folder, mapping=str(folder / "rules"), **config)


def refused(box: Box, crm: Crm, folder: Path, rule: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a run says of a wrong rule, which creates nothing."""
    box.forget_log(crm)
    assert run(box, crm, folder, rule).code == 1
    error = capsys.readouterr().err
    assert changes(box, crm) == []
    assert "Traceback" not in error
    return error


@each_crm
def test_a_link_field_that_is_nearly_another_is_one_line_with_its_number(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typo, meant = NEAR[crm]
    to, name = COMPANIES[crm], NAMES[crm]
    link = f"links: [{{to: {to}, key: firm, by: {name}, field: {typo}}}]\n"
    error = refused(box, crm, tmp_path, PEOPLE[crm] + link, capsys)
    assert "people.yml:5: " in error
    assert f"Did you mean '{meant}'?" in error


@each_crm
def test_an_owner_who_is_unknown_creates_nothing(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = "links: [{to: owner, fixed: nobody@example.com}]\n"
    error = refused(box, crm, tmp_path, PEOPLE[crm] + link, capsys)
    assert "people.yml:5: an owner that the rule names is not a user" in error


@each_crm
def test_a_second_rule_of_the_stream_that_is_wrong_creates_nothing_for_the_first(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = DATES[crm].replace("DAY", "name")
    written(rules_folder(tmp_path), "wrong.yml", f"stream: people\n{wrong}")
    error = refused(box, crm, tmp_path, PEOPLE[crm], capsys)
    assert f"wrong.yml:4: {DATE_FIELDS[crm]} takes a date" in error


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("object: tickets\nupsert_key: nr\nfields: {nr: id, content: name}\n", "tickets needs"),
        (
            PEOPLE[HUBSPOT] + "links: [{to: companies, key: firm, by: name, field: firm_id},"
            " {to: contacts, key: firm, by: email, field: firm_id}]\n",
            "written twice",
        ),
    ],
    ids=["a required field is missing", "a link field is written twice"],
)
def test_what_hubspot_requires_is_checked_first(
    box: Box, rule: str, part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert part in refused(box, HUBSPOT, tmp_path, rule, capsys)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ("Nr__c: id}\nlinks: [{to: Account, key: firm, by: Name}]\n", "no lookup to Account"),
        ("Nr__c: id, Titel: name}\n", "only custom fields"),
    ],
)
def test_a_new_object_of_salesforce_is_checked_first(
    box: Box, fields: str, part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(rules_folder(tmp_path), "objects.yml", "objects:\n  Guest__c: {label: Guest}\n")
    rule = f"object: Guest__c\nupsert_key: Nr__c\nfields: {{{fields}"
    assert part in refused(box, SALESFORCE, tmp_path, rule, capsys)


def test_a_new_object_of_salesforce_has_an_owner(box: Box, tmp_path: Path) -> None:
    written(rules_folder(tmp_path), "objects.yml", "objects:\n  Guest__c: {label: Guest}\n")
    rule = "object: Guest__c\nupsert_key: Nr__c\nfields: {Nr__c: id}\n"
    owner = f"links: [{{to: owner, fixed: {SALESFORCE.owners[0]}}}]\n"
    result = run(box, SALESFORCE, tmp_path, rule + owner)
    assert (result.code, result.letters) == (0, [])


def test_a_mistyped_label_of_an_association_is_not_created(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = "links: [{to: companies, key: firm, by: name, label: Treated at}]\n"
    assert run(box, HUBSPOT, tmp_path, PEOPLE[HUBSPOT] + link).code == 0
    rule = PEOPLE[HUBSPOT] + link.replace("Treated", "Treted")
    error = refused(box, HUBSPOT, tmp_path, rule, capsys)
    assert "people.yml:5: " in error
    assert "Did you mean 'Treated at'?" in error


@each_crm
def test_a_field_that_another_rule_creates_is_named_with_its_stream(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a rule of the same stream creates it in time."""
    new, to = ("Web__c" if crm is SALESFORCE else "vet_web"), COMPANIES[crm]
    nr = "Firm__c" if crm is SALESFORCE else "firm_nr"
    firms = (
        f"object: {to}\nupsert_key: {nr}\nfields: {{{nr}: id, {NAMES[crm]}: name, {new}: due}}\n"
    )
    written(rules_folder(tmp_path), "firms.yml", f"stream: firms\n{firms}")
    link = f"links: [{{to: {to}, key: firm, by: {new}}}]\n"
    error = refused(box, crm, tmp_path, PEOPLE[crm] + link, capsys)
    assert f"people.yml:5: {to} has no field '{new}' yet" in error
    assert "bring its stream, firms, first" in error

    written(rules_folder(tmp_path), "firms.yml", f"stream: people\n{firms}")
    assert run(box, crm, tmp_path, PEOPLE[crm] + link).code == 0


@each_crm
@pytest.mark.parametrize("day", ["2026-12-31", '"2026-12-31"', '"2026-12-31T00:00:00Z"'])
def test_a_date_can_be_a_constant(box: Box, crm: Crm, day: str, tmp_path: Path) -> None:
    result = run(box, crm, tmp_path, DATES[crm].replace("DAY", f"{{value: {day}}}"))
    assert (result.code, result.letters) == (0, [])
    (deal,) = box.objects(crm, "Opportunity" if crm is SALESFORCE else "deals")
    assert str(deal["properties"][DATE_FIELDS[crm]]).startswith("2026-12-31")


@each_crm
def test_a_constant_that_is_not_a_date_is_one_line(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = DATES[crm].replace("DAY", "{value: 2026-13-31}")
    error = refused(box, crm, tmp_path, rule, capsys)
    assert f"people.yml:4: {DATE_FIELDS[crm]} takes a date" in error
    assert "'2026-13-31'" in error


@each_crm
def test_a_wrong_rule_of_the_last_stream_is_found_before_the_first_record(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tap writes every SCHEMA first, so that a batch of one record comes too late, too."""
    typo, meant = NEAR[crm]
    to_people = f"object: {crm.people}\nupsert_key: {crm.person_key}\n"
    key = f"{crm.person_key}: user_id"
    names = f"{crm.email_field}: email, {crm.name_fields[-1]}: user_id"
    rules = tmp_path / "rules"
    written(rules, "people.yml", f"stream: users\n{to_people}fields: {{{key}, {names}}}\n")
    written(rules, "paid.yml", f"stream: payments\n{to_people}fields: {{{key}, {typo}: status}}\n")
    code, messages = run_tap(box, tmp_path, streams=["users", "payments"])
    assert code == 0
    kinds = [(message["type"], message.get("stream")) for message in messages]
    assert kinds[:2] == [("SCHEMA", "users"), ("SCHEMA", "payments")]
    assert ("RECORD", "users") in kinds
    assert [kind for kind, _ in kinds[2:]].count("SCHEMA") == 0
    more = {"mapping": str(rules), "batch_size_rows": 1, "provision": True}
    result = deliver(box, crm, messages, tmp_path, **more)
    assert result.code == 1
    error = capsys.readouterr().err
    assert "paid.yml:4: " in error
    assert f"Did you mean '{meant}'?" in error
    assert box.people(crm) == []
    assert result.states == []
