"""Links that move at the source: the CRM shows where they lead now, and what people have added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, Crm, each_crm
from firms import (
    NAMES,
    PEOPLE,
    SCHEMA,
    firms_of,
    people_by_firm,
    person,
    put_company,
    rules_folder,
)
from support import Result, by_key, deliver, later, written

LABELS = "/hubspot/crm/v4/associations/contacts/companies/labels"


def at(day: int, number: int, firm: str) -> dict[str, Any]:
    """A person with a firm, as observed on a day."""
    return later(person(number, firm), day)


def associate(box: Box, contact: str, company: str, *types: dict[str, Any]) -> None:
    """What people do in HubSpot: associate a contact with a company."""
    path = f"/hubspot/crm/v4/objects/contacts/{contact}/associations"
    if types:
        box.call("PUT", f"{path}/companies/{company}", types, HUBSPOT.headers())
    else:
        box.call("PUT", f"{path}/default/companies/{company}", None, HUBSPOT.headers())


def new_label(box: Box, label: str) -> dict[str, Any]:
    """The type of a label that people have created."""
    body = {"label": label, "name": label.casefold()}
    (made, *_) = box.call("POST", LABELS, body, HUBSPOT.headers())["results"]
    return {"associationCategory": made["category"], "associationTypeId": made["typeId"]}


def contact_of(box: Box, number: int) -> dict[str, Any]:
    return by_key(box, HUBSPOT, "contacts", "nr")[str(number)]


def labels_of(box: Box, number: int) -> dict[str, list[str | None]]:
    """The labels of a contact's associations, by company; None for the plain one."""
    labels: dict[str, list[str | None]] = {}
    for link in contact_of(box, number)["links"]:
        labels.setdefault(link["id"], []).append(link["label"])
    return {company: sorted(found, key=str) for company, found in labels.items()}


@each_crm
def test_a_link_that_moves_leads_to_the_new_record_only(box: Box, crm: Crm, tmp_path: Path) -> None:
    one, two = (put_company(box, crm, **{NAMES[crm]: name}) for name in ("One", "Two"))
    people_by_firm(box, crm, tmp_path, at(1, 1, "One"), at(1, 2, "One"))
    moved = people_by_firm(box, crm, tmp_path, at(2, 1, "Two"), at(1, 2, "One"))
    assert moved.code == 0
    assert firms_of(box, crm) == {"1": [two], "2": [one]}
    assert moved.report["calls"]["made"] <= moved.report["calls"]["least"] + 1

    box.forget_log(crm)
    again = people_by_firm(box, crm, tmp_path, at(3, 1, "Two"), at(1, 2, "One"))
    assert (again.code, box.writes(crm)) == (0, [])
    back = people_by_firm(box, crm, tmp_path, at(4, 1, "One"))
    assert (back.code, firms_of(box, crm)) == (0, {"1": [one], "2": [one]})


def test_an_association_that_people_made_stays(box: Box, tmp_path: Path) -> None:
    one, two, theirs = (put_company(box, HUBSPOT, name=name) for name in ("One", "Two", "Theirs"))
    people_by_firm(box, HUBSPOT, tmp_path, at(1, 1, "One"))
    associate(box, contact_of(box, 1)["id"], theirs)
    people_by_firm(box, HUBSPOT, tmp_path, at(2, 1, "Two"))
    assert labels_of(box, 1) == {two: [None], theirs: [None]}
    assert one not in labels_of(box, 1)


def test_an_association_that_people_have_labelled_stays(box: Box, tmp_path: Path) -> None:
    one, two = (put_company(box, HUBSPOT, name=name) for name in ("One", "Two"))
    people_by_firm(box, HUBSPOT, tmp_path, at(1, 1, "One"))
    associate(box, contact_of(box, 1)["id"], one, new_label(box, "Founder"))
    people_by_firm(box, HUBSPOT, tmp_path, at(2, 1, "Two"))
    assert labels_of(box, 1) == {one: ["Founder", None], two: [None]}


def labelled(box: Box, folder: Path, *people: object) -> Result:
    """Deliver people, each linked by a label to the company whose name is their firm."""
    links = "links: [{to: companies, key: firm, by: name, label: Employer}]\n"
    written(rules_folder(folder), "people.yml", f"stream: people\n{PEOPLE[HUBSPOT]}{links}")
    return deliver(box, HUBSPOT, [SCHEMA, *people], folder, mapping=str(folder / "rules"))


def test_a_label_moves_and_other_labels_and_the_plain_association_stay(
    box: Box, tmp_path: Path
) -> None:
    one, two = (put_company(box, HUBSPOT, name=name) for name in ("One", "Two"))
    labelled(box, tmp_path, at(1, 1, "One"))
    associate(box, contact_of(box, 1)["id"], one, new_label(box, "Founder"))
    labelled(box, tmp_path, at(2, 1, "Two"))
    assert labels_of(box, 1) == {one: ["Founder", None], two: ["Employer", None]}


def belongs(box: Box, folder: Path, day: int, firm: str, agent: str, **config: Any) -> Result:
    """Deliver a person with a plain and a labelled link to companies."""
    links = (
        "links:\n- {to: companies, key: firm, by: name}\n"
        "- {to: companies, key: name, by: name, label: Agent}\n"
    )
    rule = PEOPLE[HUBSPOT].replace("lastname: name", "lastname: id")
    written(rules_folder(folder), "people.yml", f"stream: people\n{rule}{links}")
    message = at(day, 1, firm)
    message["record"]["name"] = agent
    mapping = str(folder / "rules")
    return deliver(box, HUBSPOT, [SCHEMA, message], folder, mapping=mapping, **config)


AGENT = ["Agent", None]
MOVES = {
    "one by one": [("One", "Two"), ("Two", "Two")],
    "together": [("Two", "Two")],
    "crossing": [("One", "Two"), ("Two", "One")],
    "the label last": [("Two", "One"), ("Two", "Two")],
}


@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
def test_a_plain_and_a_labelled_link_between_the_same_records_move_apart_and_together(
    box: Box, tmp_path: Path, moves: list[tuple[str, str]]
) -> None:
    ids = {name: put_company(box, HUBSPOT, name=name) for name in ("One", "Two")}
    belongs(box, tmp_path, 1, "One", "One")
    assert labels_of(box, 1) == {ids["One"]: AGENT}
    for day, (firm, agent) in enumerate(moves, 2):
        belongs(box, tmp_path, day, firm, agent)
        assert labels_of(box, 1) == {ids[firm]: [None]} | {ids[agent]: AGENT}
    box.forget_log()
    belongs(box, tmp_path, day, firm, agent)
    assert box.writes(HUBSPOT) == []


def test_a_plain_association_stays_under_a_label_of_people_though_ours_has_moved(
    box: Box, tmp_path: Path
) -> None:
    one, two = (put_company(box, HUBSPOT, name=name) for name in ("One", "Two"))
    belongs(box, tmp_path, 1, "One", "One")
    associate(box, contact_of(box, 1)["id"], one, new_label(box, "Founder"))
    belongs(box, tmp_path, 2, "Two", "Two")
    assert labels_of(box, 1) == {one: ["Founder", None], two: AGENT}


def test_a_label_and_its_plain_association_are_removed_by_a_later_run_if_calls_run_out(
    box: Box, tmp_path: Path
) -> None:
    one, two = (put_company(box, HUBSPOT, name=name) for name in ("One", "Two"))
    belongs(box, tmp_path, 1, "One", "One")
    box.forget_log(HUBSPOT)
    belongs(box, tmp_path, 2, "Two", "Two")
    budget = len(box.log(HUBSPOT)) - 1
    belongs(box, tmp_path, 3, "One", "One", max_api_calls=budget)
    assert labels_of(box, 1) == {one: AGENT, two: [None]}
    belongs(box, tmp_path, 4, "One", "One")
    assert labels_of(box, 1) == {one: AGENT}


def test_both_leave_the_earlier_company_once_the_new_one_has_come(box: Box, tmp_path: Path) -> None:
    one = put_company(box, HUBSPOT, name="One")
    belongs(box, tmp_path, 1, "One", "One")
    belongs(box, tmp_path, 2, "Two", "Two")
    assert labels_of(box, 1) == {one: AGENT}
    two = put_company(box, HUBSPOT, name="Two")
    deliver(box, HUBSPOT, [SCHEMA], tmp_path, mapping=str(tmp_path / "rules"))
    assert labels_of(box, 1) == {two: AGENT}


@pytest.mark.parametrize("missing", [1, 2])
def test_a_link_that_moved_is_removed_by_a_later_run_if_no_call_was_left(
    box: Box, tmp_path: Path, missing: int
) -> None:
    one, two = (put_company(box, HUBSPOT, name=name) for name in ("One", "Two"))
    people_by_firm(box, HUBSPOT, tmp_path, at(1, 1, "One"), at(1, 2, "One"))
    box.forget_log(HUBSPOT)
    people_by_firm(box, HUBSPOT, tmp_path, at(2, 2, "Two"))
    budget = len(box.log(HUBSPOT)) - missing
    people_by_firm(box, HUBSPOT, tmp_path, at(2, 1, "Two"), max_api_calls=budget)
    assert labels_of(box, 1) == {one: [None], two: [None]}
    people_by_firm(box, HUBSPOT, tmp_path, at(3, 1, "Two"))
    assert labels_of(box, 1) == {two: [None]}
