"""A record that people deleted or merged in the CRM."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, PipelineCrm, each_crm, each_pipeline_crm
from support import deliver, later, payment, schema_message, user

CHANGED = "florist"
LETTER_CALLS = {HUBSPOT: 1, PIPEDRIVE: 1, SALESFORCE: 2}
"""Calls in which all letters of gone records are looked at; Salesforce asks the recycle bin too."""


def first(box: Box, crm: Crm, folder: Path) -> dict[str, str]:
    """Deliver three people; their CRM ids by key."""
    assert deliver(box, crm, [schema_message(), user(1), user(2), user(3)], folder).code == 0
    return {row["properties"][crm.person_key]: str(row["id"]) for row in box.people(crm)}


def changed(*numbers: int, day: int = 3) -> list[dict[str, Any]]:
    return [schema_message(), *(later(user(n, business_type=CHANGED), day) for n in numbers)]


def keys(box: Box, crm: Crm) -> list[str]:
    return sorted(row["properties"][crm.person_key] for row in box.people(crm))


@each_crm
@pytest.mark.parametrize("on_missing", ["leave", "follow"])
def test_a_deleted_record_is_left_alone(
    box: Box, tmp_path: Path, crm: Crm, on_missing: str
) -> None:
    ids = first(box, crm, tmp_path)
    crm.delete(box, crm.people, ids["user-2"])
    result = deliver(box, crm, changed(1, 2, 3), tmp_path, on_missing=on_missing)
    assert result.code == 0
    assert result.counts(crm.people) == {"planned": 3, "updated": 2, "gone": 1}
    assert keys(box, crm) == ["user-1", "user-3"]
    assert [(each["key"], each["code"]) for each in result.letters] == [("user-2", "record_gone")]
    again = deliver(box, crm, changed(2, day=4), tmp_path, on_missing=on_missing)
    assert again.counts(crm.people) == {"planned": 1, "gone": 1}


@each_crm
def test_a_deleted_record_is_created_again_within_the_run(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    ids = first(box, crm, tmp_path)
    crm.delete(box, crm.people, ids["user-2"])
    result = deliver(box, crm, changed(1, 2, 3), tmp_path, on_missing="recreate")
    assert result.counts(crm.people) == {"planned": 3, "updated": 2, "created": 1}
    assert keys(box, crm) == ["user-1", "user-2", "user-3"]
    values = {row["properties"][crm.text_field] for row in box.people(crm)}
    assert values == {CHANGED}
    again = deliver(box, crm, changed(1, 2, 3), tmp_path, on_missing="recreate")
    assert again.counts(crm.people) == {"planned": 3, "unchanged": 3}


@each_crm
def test_a_record_that_was_left_alone_is_created_once_the_setting_changes(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    ids = first(box, crm, tmp_path)
    crm.delete(box, crm.people, ids["user-2"])
    deliver(box, crm, changed(2), tmp_path, on_missing="leave")
    result = deliver(box, crm, changed(2), tmp_path, on_missing="recreate")
    # its letter, then the record
    assert result.counts(crm.people) == {"planned": 2, "created": 1, "unchanged": 1}
    assert keys(box, crm) == ["user-1", "user-2", "user-3"]


@each_crm
def test_a_record_that_was_left_alone_is_written_again_once_people_restore_it(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    """Another that stays deleted stays gone; both are looked up in one call."""
    ids = first(box, crm, tmp_path)
    for key in ("user-2", "user-3"):
        crm.delete(box, crm.people, ids[key])
    left = deliver(box, crm, changed(2, 3), tmp_path, on_missing="leave")
    assert left.counts(crm.people) == {"planned": 2, "gone": 2}
    crm.undelete(box, crm.people, ids["user-2"])
    result = deliver(box, crm, changed(2, 3, day=4), tmp_path, on_missing="leave")
    assert result.counts(crm.people) == {"planned": 3, "updated": 1, "unchanged": 1, "gone": 1}
    held = {str(row["id"]): row["properties"] for row in box.people(crm)}
    assert held.keys() == {ids["user-1"], ids["user-2"]}
    assert held[ids["user-2"]][crm.text_field] == CHANGED
    again = deliver(box, crm, changed(2, 3, day=4), tmp_path, on_missing="leave")
    assert again.counts(crm.people) == {"planned": 2, "unchanged": 1, "gone": 1}


def texts(box: Box, crm: Crm) -> dict[str, str]:
    """A field of each person, by key."""
    rows = [row["properties"] for row in box.people(crm)]
    return {row[crm.person_key]: row[crm.text_field] for row in rows}


def left(box: Box, crm: Crm, folder: Path, *numbers: int, **config: Any) -> dict[str, str]:
    """Delete these people by hand, and let them change at the source on day 5; all CRM ids."""
    ids = first(box, crm, folder)
    for number in numbers:
        crm.delete(box, crm.people, ids[f"user-{number}"])
    result = deliver(box, crm, changed(*numbers, day=5), folder, **config)
    assert result.counts(crm.people) == {"planned": len(numbers), "gone": len(numbers)}
    codes = [(letter["key"], letter["code"]) for letter in result.letters]
    assert codes == [(f"user-{number}", "record_gone") for number in numbers]
    return ids


@each_crm
@pytest.mark.parametrize("on_missing", ["leave", "follow"])
def test_what_was_left_is_written_by_itself_once_people_restore_the_record(
    box: Box, tmp_path: Path, crm: Crm, on_missing: str
) -> None:
    """Another that stays deleted costs no more than being looked up in the same call."""
    ids = left(box, crm, tmp_path, 2, 3, on_missing=on_missing)
    still = deliver(box, crm, [schema_message()], tmp_path, on_missing=on_missing)
    assert still.counts(crm.people) == {}
    assert still.report["calls"]["objects"][crm.people]["made"] == LETTER_CALLS[crm]
    assert [letter["times"] for letter in still.letters] == [1, 1]

    crm.undelete(box, crm.people, ids["user-2"])
    result = deliver(box, crm, [schema_message()], tmp_path, on_missing=on_missing)
    assert result.counts(crm.people) == {"planned": 1, "updated": 1}
    assert texts(box, crm) == {"user-1": "bakery", "user-2": CHANGED}
    assert [letter["key"] for letter in result.letters] == ["user-3"]
    again = deliver(box, crm, changed(2, 3, day=6), tmp_path, on_missing=on_missing)
    assert again.counts(crm.people) == {"planned": 2, "unchanged": 1, "gone": 1}


@each_crm
@pytest.mark.parametrize("letter", ["open", "masked", "closed"])
def test_nothing_older_is_written_once_the_record_is_restored(
    box: Box, tmp_path: Path, crm: Crm, letter: str
) -> None:
    """Without the values of the letter, the ledger knows still that there are newer ones."""
    config: dict[str, Any] = {"on_missing": "leave", "mask_dead_letters": letter == "masked"}
    ids = left(box, crm, tmp_path, 2, **config)
    if letter == "closed":
        with closing(sqlite3.connect(tmp_path / f"{crm}.db")) as ledger, ledger:
            ledger.execute("UPDATE dead_letter SET closed_at = '2026-01-06'")
    crm.undelete(box, crm.people, ids["user-2"])
    late = [schema_message(), later(user(2, business_type="late"), 4)]
    counts = deliver(box, crm, late, tmp_path, **config).counts(crm.people)
    is_open = letter == "open"
    assert (counts["superseded"], counts.get("updated", 0)) == (1, int(is_open))
    assert texts(box, crm)["user-2"] == (CHANGED if is_open else "bakery")
    newest = deliver(box, crm, changed(2, day=5), tmp_path, **config)
    assert (texts(box, crm)["user-2"], newest.letters) == (CHANGED, [])


ORDERS = [*permutations((3, 4, 5)), (3, 5, 0), (5, 3, 0), (0, 5, 3), (0, 3, 5)]
"""The days of the versions that come before people delete a record, while it is gone, and after
they restored it; 0 where none comes. Each is a person of its own."""


@each_crm
@pytest.mark.parametrize("on_missing", ["leave", "follow"])
def test_the_newest_version_is_held_in_whatever_order_they_come_around_a_deletion(
    box: Box, tmp_path: Path, crm: Crm, on_missing: str
) -> None:
    numbers = range(len(ORDERS))
    deliver(box, crm, [schema_message(), *map(user, numbers)], tmp_path)
    ids = {row["properties"][crm.person_key]: str(row["id"]) for row in box.people(crm)}
    for phase in range(3):
        if phase == 1:
            for crm_id in ids.values():
                crm.delete(box, crm.people, crm_id)
        if phase == 2:
            for crm_id in ids.values():
                crm.undelete(box, crm.people, crm_id)
        days = {number: ORDERS[number][phase] for number in numbers if ORDERS[number][phase]}
        versions = [later(user(n, business_type=f"day {day}"), day) for n, day in days.items()]
        result = deliver(box, crm, [schema_message(), *versions], tmp_path, on_missing=on_missing)
        assert result.code == 0
    assert (set(texts(box, crm).values()), result.letters) == ({"day 5"}, [])


@each_crm
def test_what_was_left_ends_when_the_source_says_again_what_the_record_held(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    ids = left(box, crm, tmp_path, 2, on_missing="leave")
    back = [schema_message(), later(user(2), 6)]
    result = deliver(box, crm, back, tmp_path, on_missing="leave")
    assert (result.counts(crm.people), result.letters) == ({"planned": 1, "gone": 1}, [])
    crm.undelete(box, crm.people, ids["user-2"])
    deliver(box, crm, changed(2, day=5), tmp_path, on_missing="leave")
    assert texts(box, crm)["user-2"] == "bakery"


@each_crm
def test_what_was_left_makes_the_record_again_once_the_setting_changes(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    left(box, crm, tmp_path, 2, on_missing="leave")
    result = deliver(box, crm, [schema_message()], tmp_path, on_missing="recreate")
    assert result.counts(crm.people) == {"planned": 1, "created": 1}
    assert texts(box, crm)["user-2"] == CHANGED
    assert result.letters == []


@pytest.mark.parametrize("crm", [PIPEDRIVE, SALESFORCE], ids=str)
def test_records_that_are_left_alone_cost_few_calls_a_run(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    """Those for the letters, and one for the records that came along."""
    ids = first(box, crm, tmp_path)
    for crm_id in ids.values():
        crm.delete(box, crm.people, crm_id)
    deliver(box, crm, changed(1, 2, 3), tmp_path, on_missing="leave")
    result = deliver(box, crm, changed(1, 2, 3, day=4), tmp_path, on_missing="leave")
    assert result.counts(crm.people) == {"planned": 3, "gone": 3}
    calls = result.report["calls"]["objects"][crm.people]
    assert (calls["made"], calls["least"]) == (LETTER_CALLS[crm] + 1, 2)


@each_pipeline_crm
def test_a_merged_record_goes_on_in_the_one_that_carries_its_key(
    box: Box, tmp_path: Path, crm: PipelineCrm
) -> None:
    """The record that people made by hand stays, and takes the key over."""
    ids = first(box, crm, tmp_path)
    survivor = crm.merge(box, ids["user-2"], crm.put_person(box, "hand@example.com"))
    result = deliver(box, crm, changed(2), tmp_path)
    assert result.counts(crm.people) == {"planned": 1, "updated": 1}
    held = {str(row["id"]): row["properties"] for row in box.people(crm)}
    assert held[survivor][crm.person_key] == "user-2"
    assert held[survivor][crm.text_field] == CHANGED
    assert len(held) == 3
    again = deliver(box, crm, changed(2, day=4), tmp_path)
    assert again.counts(crm.people) == {"planned": 1, "unchanged": 1}


def test_a_link_to_a_deleted_record_is_reported(box: Box, tmp_path: Path) -> None:
    paid = [schema_message("payments", "payment_id"), payment(1, 2)]
    ids = first(box, SALESFORCE, tmp_path)
    SALESFORCE.delete(box, "Contact", ids["user-2"])
    result = deliver(box, SALESFORCE, [*changed(2), *paid], tmp_path)
    assert result.counts("Opportunity") == {"planned": 1, "dead": 1}
    (letter,) = (letter for letter in result.letters if letter["key"] == "pay-1")
    assert letter["code"] == "link_end_gone"


def test_a_link_that_was_made_does_not_count_as_kept_once_its_end_is_gone(
    box: Box, tmp_path: Path
) -> None:
    paying = [schema_message(), user(1, total_spent=20), user(2, total_spent=20)]
    made = deliver(box, HUBSPOT, paying, tmp_path).report["links"]["made"]
    assert made == 2
    ids = {row["properties"]["canai_user_id"]: row["id"] for row in box.people(HUBSPOT)}
    HUBSPOT.delete(box, "contacts", ids["user-2"])
    moved = later(user(2, total_spent=20, business_type=CHANGED))
    result = deliver(box, HUBSPOT, [schema_message(), user(1, total_spent=20), moved], tmp_path)
    assert result.counts("contacts") == {"planned": 2, "unchanged": 1, "gone": 1}
    links = result.report["links"]
    assert (links["wanted"], links["kept"], links["dead"]) == (2, 1, 1)
