"""Links found by any field, in both directions, and to records that come late or never."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_crm
from firms import (
    BOTH,
    COMPANIES,
    NAMES,
    PEOPLE,
    SCHEMA,
    firms_of,
    people_by_firm,
    person,
    put_company,
    rules_folder,
)
from support import Result, by_key, deliver, linked, lose_ledger, written


@each_crm
def test_a_link_finds_a_record_that_no_rule_writes(box: Box, crm: Crm, tmp_path: Path) -> None:
    firm = put_company(box, crm, **{NAMES[crm]: "Ode Books"})
    result = people_by_firm(
        box, crm, tmp_path, person(1, "Ode Books"), person(2, None), person(3, "Ode Books")
    )
    assert (result.code, result.letters) == (0, [])
    assert firms_of(box, crm) == {"1": [firm], "2": [], "3": [firm]}
    box.forget_log()
    again = people_by_firm(box, crm, tmp_path, person(1, "Ode Books"), person(3, "Ode Books"))
    assert (again.code, box.writes(crm)) == (0, [])
    assert again.report["calls"]["made"] == 0


@each_crm
def test_a_record_goes_out_while_its_link_waits_for_a_company_that_comes_later(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    first = people_by_firm(box, crm, tmp_path, person(1, "Ode Books"))
    assert first.counts(crm.people)["created"] == 1
    assert (first.code, first.report["links"]["waiting"]) == (0, 1)
    firm = put_company(box, crm, **{NAMES[crm]: "Ode Books"})
    second = people_by_firm(box, crm, tmp_path)
    assert (second.code, second.report["links"]["made"]) == (0, 1)
    assert firms_of(box, crm) == {"1": [firm]}
    third = people_by_firm(box, crm, tmp_path)
    assert third.report["links"] == {"wanted": 0, "made": 0, "kept": 0, "waiting": 0, "dead": 0}


@each_crm
def test_a_link_whose_other_end_never_comes_is_a_dead_letter_and_the_record_stays(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    first = people_by_firm(box, crm, tmp_path, person(1, "Nowhere"), link_wait_days=0)
    second = people_by_firm(box, crm, tmp_path, link_wait_days=0)
    assert (first.code, second.code) == (0, 0)
    assert [letter["code"] for letter in second.letters] == ["link_expired"]
    assert firms_of(box, crm) == {"1": []}


ADVISERS = {HUBSPOT: "label: Adviser", PIPEDRIVE: "field: Adviser", SALESFORCE: "field: Adviser__c"}


@each_crm
@pytest.mark.parametrize("comes", ["Firm", "Person 1"], ids=["first", "second"])
def test_of_two_links_that_expired_either_is_made_once_its_other_end_exists(
    box: Box, crm: Crm, comes: str, tmp_path: Path
) -> None:
    end = f"to: {COMPANIES[crm]}, by: {NAMES[crm]}"
    links = f"links: [{{{end}, key: firm}}, {{{end}, key: name, {ADVISERS[crm]}}}]\n"
    written(rules_folder(tmp_path), "people.yml", f"stream: people\n{PEOPLE[crm]}{links}")

    def run(*people: object, **config: Any) -> Result:
        mapping = str(tmp_path / "rules")
        return deliver(box, crm, [SCHEMA, *people], tmp_path, mapping=mapping, **config)

    run(person(1, "Firm"), link_wait_days=0)
    expired = run(link_wait_days=0)
    assert [letter["code"] for letter in expired.letters] == ["link_expired"]
    assert run().letters == expired.letters
    company = put_company(box, crm, **{NAMES[crm]: comes})
    assert run().code == 0
    key = "Nr__c" if crm is SALESFORCE else "nr"
    (row,) = by_key(box, crm, crm.people, key).values()
    ends = {str(link["id"]) for link in row["links"]} | {*map(str, row["properties"].values())}
    assert company in ends


@each_crm
def test_a_link_that_could_lead_to_two_records_is_a_dead_letter(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    for _ in range(2):
        put_company(box, crm, **{NAMES[crm]: "Ode Books"})
    result = people_by_firm(box, crm, tmp_path, person(1, "Ode Books"))
    assert result.code == 0
    assert [(row["code"], row["stage"]) for row in result.letters] == [("ambiguous_link", "link")]
    assert firms_of(box, crm) == {"1": []}


@each_crm
@pytest.mark.parametrize("people_first", [True, False])
def test_links_in_both_directions_are_made_whatever_comes_first(
    box: Box, crm: Crm, people_first: bool, tmp_path: Path
) -> None:
    firm_rule, person_link = BOTH[crm]
    written(rules_folder(tmp_path), "firms.yml", f"stream: firms\n{firm_rule}")
    written(rules_folder(tmp_path), "people.yml", f"stream: people\n{PEOPLE[crm]}{person_link}")
    firms = [{**SCHEMA, "stream": "firms"}, {**person(7, "1"), "stream": "firms"}]
    people: list[dict[str, Any]] = [SCHEMA, person(1, "7"), person(2, "7")]
    messages = [*people, *firms] if people_first else [*firms, *people]
    mapping = str(tmp_path / "rules")
    result = deliver(box, crm, messages, tmp_path, mapping=mapping)
    assert (result.code, result.letters, result.report["links"]["waiting"]) == (0, [], 0)

    key = "Firm__c" if crm is SALESFORCE else "firm_nr"
    firm = by_key(box, crm, COMPANIES[crm], key)["7"]
    assert firms_of(box, crm) == {number: [str(firm["id"])] for number in ("1", "2")}
    main = by_key(box, crm, crm.people, "Nr__c" if crm is SALESFORCE else "nr")["1"]
    labels = {"Main contact", "Main_Contact__c"}
    ends = [str(link["id"]) for link in firm["links"] if {link.get("label"), link["type"]} & labels]
    if crm is PIPEDRIVE:
        ends = [str(firm["properties"]["Main contact"])]
    assert ends == [str(main["id"])]
    box.forget_log()
    again = deliver(box, crm, messages, tmp_path, mapping=mapping)
    assert (again.code, box.writes(crm)) == (0, [])


@each_crm
def test_a_known_record_whose_new_company_is_missing_is_linked_once_it_comes(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    firm_rule, person_link = BOTH[crm]
    no_links, _, _ = firm_rule.partition("links:")
    written(rules_folder(tmp_path), "firms.yml", f"stream: firms\n{no_links}")
    written(rules_folder(tmp_path), "people.yml", f"stream: people\n{PEOPLE[crm]}{person_link}")
    firms = {**SCHEMA, "stream": "firms"}

    def send(*messages: dict[str, Any]) -> Result:
        return deliver(box, crm, messages, tmp_path, mapping=str(tmp_path / "rules"))

    first = {**person(1, "7"), "time_extracted": "2026-02-01T00:00:00Z"}
    send(firms, {**person(7, None), "stream": "firms"}, SCHEMA, first)
    moved = send(SCHEMA, {**person(1, "8"), "time_extracted": "2026-03-01T00:00:00Z"})
    assert (moved.code, moved.report["links"]["waiting"]) == (0, 1)
    settled = send(SCHEMA, firms, {**person(8, None), "stream": "firms"})
    assert (settled.code, settled.letters, settled.report["links"]["made"]) == (0, [], 1)
    key = "Firm__c" if crm is SALESFORCE else "firm_nr"
    ids = {nr: str(row["id"]) for nr, row in by_key(box, crm, COMPANIES[crm], key).items()}
    assert ids["8"] in firms_of(box, crm)["1"]
    if crm is not HUBSPOT:  # an association is added; a field can only hold one
        assert firms_of(box, crm)["1"] == [ids["8"]]


@each_crm
def test_what_waits_is_tried_by_a_run_that_brings_only_what_it_waits_for(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    firm_rule, person_link = BOTH[crm]
    written(
        rules_folder(tmp_path), "firms.yml", f"stream: firms\n{firm_rule.partition('links:')[0]}"
    )
    written(rules_folder(tmp_path), "people.yml", f"stream: people\n{PEOPLE[crm]}{person_link}")
    mapping = str(tmp_path / "rules")
    first = deliver(box, crm, [SCHEMA, person(1, "7")], tmp_path, mapping=mapping)
    assert (first.code, first.report["links"]["waiting"]) == (0, 1)
    firms = [{**SCHEMA, "stream": "firms"}, {**person(7, None), "stream": "firms"}]
    second = deliver(box, crm, firms, tmp_path, mapping=mapping)
    assert (second.code, second.report["links"]["made"]) == (0, 1)
    (firm,) = box.objects(crm, COMPANIES[crm])
    assert firms_of(box, crm) == {"1": [str(firm["id"])]}


@each_crm
def test_every_record_can_be_linked_to_the_same_one(box: Box, crm: Crm, tmp_path: Path) -> None:
    firm = put_company(box, crm, **{NAMES[crm]: "Shared Ltd"})
    link = f"links: [{{to: {COMPANIES[crm]}, fixed: Shared Ltd, by: {NAMES[crm]}}}]\n"
    written(rules_folder(tmp_path), "people.yml", f"stream: people\n{PEOPLE[crm]}{link}")
    messages = [SCHEMA, person(1, None), person(2, None)]
    result = deliver(box, crm, messages, tmp_path, mapping=str(tmp_path / "rules"))
    assert (result.code, result.letters) == (0, [])
    assert firms_of(box, crm) == {"1": [firm], "2": [firm]}


NEEDY: Mapping[Crm, tuple[str, str]] = {
    HUBSPOT: ("tasks", "upsert_key: marker\nfields: {marker: id, hs_task_subject: name, "
              "hs_timestamp: {from: due, parse: datetime}}\n"),
    PIPEDRIVE: ("leads", "upsert_key: nr\nfields: {nr: id, title: name}\n"),
}  # fmt: skip


def needy(box: Box, crm: Crm, folder: Path, link: str, *people: object) -> Result:
    kind, words = NEEDY[crm]
    written(rules_folder(folder), "needy.yml", f"stream: people\nobject: {kind}\n{words}{link}")
    if crm is HUBSPOT:
        written(rules_folder(folder), "objects.yml", "objects:\n  tasks: {marker: hs_task_body}\n")
    return deliver(box, crm, [SCHEMA, *people], folder, mapping=str(folder / "rules"))


@pytest.mark.parametrize("crm", NEEDY, ids=str)
def test_a_record_that_needs_a_link_waits_for_it_or_is_a_dead_letter(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    kind, _ = NEEDY[crm]
    link = f"links: [{{to: {COMPANIES[crm]}, key: firm, by: {NAMES[crm]}}}]\n"
    for name in ("Twins", "Twins"):
        put_company(box, crm, **{NAMES[crm]: name})
    people = (person(1, "Ode Books"), person(2, None), person(3, "Twins"))
    first = needy(box, crm, tmp_path, link, *people)
    assert first.counts(kind)["waiting"] == 1
    codes = {letter["key"]: letter["code"] for letter in first.letters}
    assert codes == {"2": "no_link", "3": "ambiguous_link"}
    assert box.objects(crm, kind) == []
    firm = put_company(box, crm, **{NAMES[crm]: "Ode Books"})
    assert needy(box, crm, tmp_path, link).code == 0
    lose_ledger(tmp_path, crm)
    assert needy(box, crm, tmp_path, link, *people).code == 0
    (record,) = box.objects(crm, kind)
    assert linked(record, COMPANIES[crm]) == [firm]


@pytest.mark.parametrize("crm", NEEDY, ids=str)
def test_a_rule_for_records_that_need_a_link_has_one(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert needy(box, crm, tmp_path, "", person(1, None)).code == 1
    assert "needy.yml:2: " in capsys.readouterr().err
    assert box.writes(crm) == []


@pytest.mark.parametrize("word", ["wait: record", "write: if_empty"])
def test_a_word_that_means_nothing_for_an_association_is_an_error(
    box: Box, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = f"links: [{{to: companies, key: firm, by: name, {word}}}]\n"
    written(rules_folder(tmp_path), "people.yml", f"stream: people\n{PEOPLE[HUBSPOT]}{link}")
    result = deliver(box, HUBSPOT, [SCHEMA], tmp_path, mapping=str(tmp_path / "rules"))
    assert (result.code, "people.yml:5: " in capsys.readouterr().err) == (1, True)
