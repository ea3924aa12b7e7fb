"""Two people of the source whose records were merged in the CRM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from reverse_etl.pipeline.verify import Verifier

from box import Box
from crms import HUBSPOT, SALESFORCE, Crm, each_crm
from support import Result, deliver, later, schema_message, user


def merged(box: Box, crm: Crm, folder: Path) -> str:
    """Three people, the second merged into the first; the CRM id of the survivor."""
    people = [schema_message(), user(1), user(2), user(3)]
    assert deliver(box, crm, people, folder).code == 0
    ids = {row["properties"][crm.person_key]: str(row["id"]) for row in box.people(crm)}
    return crm.merge(box, ids["user-2"], ids["user-1"])


def changed(*numbers: int, day: int) -> list[dict[str, Any]]:
    """People with other values in two fields; the e-mail address is one of them."""
    news = (
        user(n, business_type=f"type {n} of day {day}", email=f"u{n}-{day}@example.com")
        for n in numbers
    )
    return [schema_message(), *(later(new, day) for new in news)]


def held(box: Box, crm: Crm) -> dict[str, str]:
    """The text field of the people, by key; each key once."""
    people = [row["properties"] for row in box.people(crm)]
    by_key = {person[crm.person_key]: person[crm.text_field] for person in people}
    assert len(by_key) == len(people)
    return by_key


def letters(result: Result, crm: Crm) -> list[tuple[str, str]]:
    rule = crm.person_rule.removesuffix(".yml")
    return [(letter["key"], letter["code"]) for letter in result.letters if letter["rule"] == rule]


@each_crm
@pytest.mark.parametrize("on_missing", ["follow", "recreate"])
def test_the_conflict_stays_in_every_run(
    box: Box, tmp_path: Path, crm: Crm, on_missing: str
) -> None:
    merged(box, crm, tmp_path)
    settings = {"on_missing": on_missing, "verify_days": 0}
    for day in (3, 3):
        result = deliver(box, crm, changed(1, 2, day=day), tmp_path, **settings)
        assert held(box, crm)["user-1"] == f"type 1 of day {day}"
        if crm in (HUBSPOT, SALESFORCE):
            assert letters(result, crm) == [("user-2", "identity_conflict")]
        if crm in (HUBSPOT, SALESFORCE) or on_missing == "follow":
            assert sorted(held(box, crm)) == ["user-1", "user-3"]


@each_crm
def test_left_alone_the_other_goes_on_by_itself(box: Box, tmp_path: Path, crm: Crm) -> None:
    survivor = merged(box, crm, tmp_path)
    settings = {"on_missing": "leave"}
    for numbers, day in (((2,), 3), ((2, 1), 4)):
        before = held(box, crm)
        result = deliver(box, crm, changed(*numbers, day=day), tmp_path, **settings)
        assert letters(result, crm) == [("user-2", "record_gone")]
        assert result.counts(crm.people)["gone"] == 1
        goes_on = {"user-1": f"type 1 of day {day}"} if 1 in numbers else {}
        assert held(box, crm) == {**before, **goes_on}
    assert survivor in {str(row["id"]) for row in box.people(crm)}


def test_an_update_that_was_carried_over_anyway_is_made_good(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People merge the two between the look at them and the update."""
    merged(box, HUBSPOT, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Verifier, "verify_now", lambda *_: {})
        result = deliver(box, HUBSPOT, changed(2, day=3), tmp_path, on_missing="leave")
    assert result.counts("contacts") == {"planned": 1, "gone": 1}
    assert held(box, HUBSPOT)["user-1"] == "type 2 of day 3"
    result = deliver(box, HUBSPOT, changed(2, 1, day=4), tmp_path, on_missing="leave")
    assert result.counts("contacts") == {"planned": 2, "updated": 1, "gone": 1}
    assert held(box, HUBSPOT)["user-1"] == "type 1 of day 4"


def test_left_alone_the_other_goes_on_unchanged(box: Box, tmp_path: Path) -> None:
    """The look at records that come along unchanged takes neither of the two for the other."""
    survivor = merged(box, HUBSPOT, tmp_path)
    people = [schema_message(), user(1), user(2), user(3)]
    for _ in range(2):
        result = deliver(box, HUBSPOT, people, tmp_path, on_missing="leave", verify_days=0)
        assert result.counts("contacts") == {"planned": 3, "unchanged": 2, "gone": 1}
    result = deliver(box, HUBSPOT, changed(1, 2, day=3), tmp_path, on_missing="leave")
    assert result.counts("contacts") == {"planned": 2, "updated": 1, "gone": 1}
    (first,) = (row for row in box.people(HUBSPOT) if str(row["id"]) == survivor)
    assert first["properties"]["email"] == "u1-3@example.com"
