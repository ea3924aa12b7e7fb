"""What the main job promises, seen in each CRM after real runs of tap and target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from box import Box
from crms import Crm, each_crm
from support import by_key, contents, deliver, extract, linked, lose_ledger


@each_crm
def test_a_first_sync_fills_the_crm_and_a_second_makes_no_write(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    messages = extract(box, tmp_path)
    first = deliver(box, crm, messages, tmp_path)
    assert first.code == 0
    people = by_key(box, crm, crm.people, crm.person_key)
    assert people.keys() == {row["id"] for row in box.objects("canai", "users")}
    deals = by_key(box, crm, crm.deals, crm.deal_key)
    expected = crm.expected_deals(box)
    assert expected
    assert deals.keys() == expected.keys()
    by_id = {str(row["id"]): key for key, row in people.items()}
    for key, deal in deals.items():
        assert {by_id[end] for end in linked(deal, crm.people)} == {expected[key]}
    before = contents(box, crm)
    box.forget_log()
    second = deliver(box, crm, messages, tmp_path)
    assert second.code == 0
    assert box.writes(crm) == []
    assert second.report["calls"]["made"] == 0
    assert contents(box, crm) == before


@each_crm
def test_only_the_people_that_changed_are_sent_and_only_their_changed_fields(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    first = deliver(box, crm, extract(box, tmp_path), tmp_path)
    before = contents(box, crm)
    changed = box.mutate(users=10)
    assert len(changed) == 10
    box.forget_log()
    later = extract(box, tmp_path, state=first.states[-1])
    result = deliver(box, crm, later, tmp_path)
    assert result.counts(crm.people)["updated"] == 10
    after = contents(box, crm)
    people = {key for key in after if after[key] != before.get(key) and key.startswith(crm.people)}
    assert people == {f"{crm.people}/{key}" for key in changed}
    for key in people:
        old, new = before[key][0]["values"], after[key][0]["values"]
        assert {name for name in new if new[name] != old.get(name)} == crm.mutated_fields
    sent = [line for line in box.writes(crm) if crm.is_of_people(line)]
    assert sum(line["rows"] for line in sent) == 10


@each_crm
def test_a_lost_ledger_makes_no_duplicate(box: Box, crm: Crm, tmp_path: Path) -> None:
    messages = extract(box, tmp_path)
    deliver(box, crm, messages, tmp_path)
    before = contents(box, crm)
    lose_ledger(tmp_path, crm)
    result = deliver(box, crm, messages, tmp_path)
    assert result.code == 0
    assert result.counts(crm.people) == {"planned": 60, "unchanged": 60}
    assert "created" not in result.counts(crm.deals)
    assert contents(box, crm) == before


@each_crm
def test_calls_for_a_thousand_new_people_are_the_least(
    big_box: Box, crm: Crm, tmp_path: Path
) -> None:
    messages = extract(big_box, tmp_path, streams=["users"])
    result = deliver(big_box, crm, messages, tmp_path)
    assert result.counts(crm.people)["created"] == 1000
    people = [
        line
        for line in big_box.log(crm)
        if (f"/{crm.people}" in line["path"] and "/associations/" not in line["path"])
        or "/composite" in line["path"]
    ]
    writes = [line for line in big_box.writes(crm) if line in people]
    reads = [
        line
        for line in people
        if line["kind"] == "read"
        and "describe" not in line["path"]
        and "properties" not in line["path"]
    ]
    assert len(writes) == crm.calls(1000)
    assert len(reads) <= crm.find_calls_for_1000
    calls = result.report["calls"]
    assert calls["made"] == calls["least"]


@each_crm
def test_people_already_there_by_email_alone_are_adopted(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    messages = extract(box, tmp_path)
    put = {
        crm.put_person(box, user["properties"]["email"]): user["id"]
        for user in box.objects("canai", "users")[:20]
    }
    result = deliver(box, crm, messages, tmp_path)
    assert result.counts(crm.people) == {"planned": 60, "created": 40, "updated": 20}
    people = {str(row["id"]): row["properties"] for row in box.people(crm)}
    assert len(people) == 60
    for crm_id, key in put.items():
        assert people[crm_id][crm.person_key] == key
        assert crm.is_as_put(people[crm_id])


@each_crm
def test_an_email_held_under_another_key_is_a_dead_letter_that_says_so(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    messages = extract(box, tmp_path)
    first = deliver(box, crm, messages, tmp_path, account="other")
    victim = box.objects("canai", "users")[0]
    holder = by_key(box, crm, crm.people, crm.person_key, "other")[victim["id"]]
    renamed = {crm.person_key: "another-user"}
    crm.edit(box, crm.people, str(holder["id"]), renamed, account="other")
    lose_ledger(tmp_path, crm)
    result = deliver(box, crm, messages, tmp_path, account="other")
    assert first.code == result.code == 0
    letters = [letter for letter in result.letters if letter["code"] == "identity_conflict"]
    assert [letter["key"] for letter in letters] == [victim["id"]]
    assert letters[0]["hint"]
    assert victim["properties"]["email"] not in str(letters)
    assert len(box.people(crm, "other")) == 60


@each_crm
def test_one_ledger_serves_two_accounts_of_a_crm(box: Box, crm: Crm, tmp_path: Path) -> None:
    messages = extract(box, tmp_path)
    first = deliver(box, crm, messages, tmp_path)
    second = deliver(box, crm, messages, tmp_path, account="second")
    assert first.report["account"] != second.report["account"]
    assert contents(box, crm) == contents(box, crm, "second")
    assert len(box.people(crm, "second")) == 60


@each_crm
def test_a_name_edited_by_hand_stays_until_the_sources_name_changes(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    first = deliver(box, crm, extract(box, tmp_path), tmp_path)
    person = box.people(crm)[0]
    key, name = person["properties"][crm.person_key], crm.name_fields[0]
    crm.edit(box, crm.people, str(person["id"]), {name: "Edited"})

    def held() -> Any:
        return by_key(box, crm, crm.people, crm.person_key)[key]["properties"][name]

    box.mutate(stream="users", ids=[key], set={"business_type": "museum"})
    second = deliver(box, crm, extract(box, tmp_path, state=first.states[-1]), tmp_path)
    assert second.counts(crm.people)["updated"] == 1
    assert held() == "Edited"
    box.mutate(stream="users", ids=[key], set={"first_name": "Renamed"})
    deliver(box, crm, extract(box, tmp_path, state=second.states[-1]), tmp_path)
    assert str(held()).startswith("Renamed")
