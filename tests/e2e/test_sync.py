"""What the main job promises, seen in each CRM after real runs of tap and target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import DEAL_KEY, DEALS, PEOPLE, PERSON_KEY, TARGETS, Box, contents, deliver, extract

CRMS = sorted(TARGETS)


@pytest.mark.parametrize("crm", CRMS)
def test_a_first_sync_fills_the_crm_and_a_second_makes_no_write(
    box: Box, crm: str, tmp_path: Path
) -> None:
    messages = extract(box, tmp_path)
    first = deliver(box, crm, messages, tmp_path)
    assert first.code == 0
    users = {row["id"]: row["properties"] for row in box.objects("canai", "users")}
    people = box.objects(crm, PEOPLE[crm])
    assert {row["properties"][PERSON_KEY[crm]] for row in people} == set(users)
    deals = box.objects(crm, DEALS[crm])
    expected = {
        "hubspot": {key for key, one in users.items() if one["total_spent"] > 0},
        "pipedrive": {
            key
            for key, one in users.items()
            if one["current_journey_stage"] >= "F3"
            and one["trust_delta_average"] >= 4
            and one["total_sessions"] >= 2
        },
        "salesforce": {
            row["id"]
            for row in box.objects("canai", "payments")
            if row["properties"]["status"] != "failed"
        },
    }[crm]
    assert {row["properties"][DEAL_KEY[crm]] for row in deals} == expected
    assert expected
    by_id = {str(row["id"]): row["properties"][PERSON_KEY[crm]] for row in people}
    payers = {row["id"]: row["properties"]["user_id"] for row in box.objects("canai", "payments")}
    for deal in deals:
        owner = deal["properties"][DEAL_KEY[crm]]
        ends = {by_id[str(link["id"])] for link in deal["links"] if link["object"] == PEOPLE[crm]}
        assert ends == {payers[owner] if crm == "salesforce" else owner}
    before = contents(box, crm)
    box.forget_log()
    second = deliver(box, crm, messages, tmp_path)
    assert second.code == 0
    assert box.writes(crm) == []
    assert second.report["calls"]["made"] == 0
    assert contents(box, crm) == before


@pytest.mark.parametrize("crm", CRMS)
def test_only_the_people_that_changed_are_sent_and_only_their_changed_fields(
    box: Box, crm: str, tmp_path: Path
) -> None:
    messages = extract(box, tmp_path)
    first = deliver(box, crm, messages, tmp_path)
    before = contents(box, crm)
    changed = box.call("POST", "/_sandbox/mutate", {"users": 10})
    assert len(changed) == 10
    box.forget_log()
    later = extract(box, tmp_path, state=first.states[-1])
    result = deliver(box, crm, later, tmp_path)
    assert result.counts(PEOPLE[crm])["updated"] == 10
    after = contents(box, crm)
    people = {key for key in after if after[key] != before.get(key) and key.startswith(PEOPLE[crm])}
    assert people == {f"{PEOPLE[crm]}/{key}" for key in changed}
    business, activity = {
        "hubspot": ("canai_business_type", "canai_last_activity"),
        "pipedrive": ("canai_business_type", ""),
        "salesforce": ("Business_Type__c", "Last_Activity__c"),
    }[crm]
    for key in people:
        old, new = before[key][0]["values"], after[key][0]["values"]
        assert {name for name in new if new[name] != old.get(name)} == {business, activity} - {""}
    sent = [line for line in box.writes(crm) if PEOPLE[crm] in line["path"] or crm == "salesforce"]
    assert sum(line["rows"] for line in sent) == 10


@pytest.mark.parametrize("crm", CRMS)
def test_a_lost_ledger_makes_no_duplicate(box: Box, crm: str, tmp_path: Path) -> None:
    messages = extract(box, tmp_path)
    deliver(box, crm, messages, tmp_path)
    before = contents(box, crm)
    for file in tmp_path.glob(f"{crm}.db*"):
        file.unlink()
    result = deliver(box, crm, messages, tmp_path)
    assert result.code == 0
    assert result.counts(PEOPLE[crm]) == {"planned": 60, "unchanged": 60}
    assert "created" not in result.counts(DEALS[crm])
    assert contents(box, crm) == before


@pytest.mark.parametrize("crm", CRMS)
def test_calls_for_a_thousand_new_people_are_the_least(
    big_box: Box, crm: str, tmp_path: Path
) -> None:
    big_box.forget_log()
    big_box.call("POST", "/_sandbox/limits", {"crm": "pipedrive", "calls": 100_000, "per_s": 1})
    messages = extract(big_box, tmp_path, streams=["users"])
    result = deliver(big_box, crm, messages, tmp_path)
    assert result.counts(PEOPLE[crm])["created"] == 1000
    people = [
        line
        for line in big_box.log(crm)
        if (f"/{PEOPLE[crm]}" in line["path"] and "/associations/" not in line["path"])
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
    assert len(writes) == {"hubspot": 10, "salesforce": 5, "pipedrive": 1000}[crm]
    assert len(reads) <= {"hubspot": 20, "salesforce": 5, "pipedrive": 5}[crm]
    calls = result.report["calls"]
    assert calls["made"] == calls["least"]


def put_person(box: Box, crm: str, email: str, **more: Any) -> str:
    """A person in the CRM with an e-mail and a field of their own; the CRM id."""
    if crm == "hubspot":
        body = {"properties": {"email": email, "jobtitle": "Baker", **more}}
        return str(
            box.call(
                "POST",
                "/hubspot/crm/v3/objects/contacts",
                body,
                {"Authorization": "Bearer sandbox-token"},
            )["id"]
        )
    if crm == "pipedrive":
        body = {
            "name": "By Hand",
            "emails": [
                {"value": email, "primary": True},
                {"value": f"second.{email}", "primary": False},
            ],
            **more,
        }
        return str(
            box.call("POST", "/pipedrive/api/v2/persons", body, {"x-api-token": "sandbox-token"})[
                "data"
            ]["id"]
        )
    body = {"LastName": "By Hand", "Email": email.upper(), "Title": "Baker", **more}
    return str(
        box.call(
            "POST",
            "/salesforce/services/data/v60.0/sobjects/Contact",
            body,
            {"Authorization": "Bearer sandbox"},
        )["id"]
    )


@pytest.mark.parametrize("crm", CRMS)
def test_people_already_there_by_email_alone_are_adopted(
    box: Box, crm: str, tmp_path: Path
) -> None:
    messages = extract(box, tmp_path)
    emails = {row["properties"]["email"]: row["id"] for row in box.objects("canai", "users")[:20]}
    ids = {put_person(box, crm, email): key for email, key in emails.items()}
    result = deliver(box, crm, messages, tmp_path)
    assert result.counts(PEOPLE[crm]) == {"planned": 60, "created": 40, "updated": 20}
    people = {str(row["id"]): row["properties"] for row in box.objects(crm, PEOPLE[crm])}
    assert len(people) == 60
    for crm_id, key in ids.items():
        assert people[crm_id][PERSON_KEY[crm]] == key
        own = {"hubspot": ("jobtitle", "Baker"), "salesforce": ("Title", "Baker")}.get(crm)
        if own:
            assert people[crm_id][own[0]] == own[1]
        else:
            assert [one["value"] for one in people[crm_id]["emails"]][1].startswith("second.")


@pytest.mark.parametrize("crm", CRMS)
def test_an_email_held_under_another_key_is_a_dead_letter_that_says_so(
    box: Box, crm: str, tmp_path: Path
) -> None:
    messages = extract(box, tmp_path)
    deliver(box, crm, messages, tmp_path)
    victim = box.objects("canai", "users")[0]
    box.reset()
    first = deliver(box, crm, messages, tmp_path, account="other")
    holder = next(
        row
        for row in box.objects(crm, PEOPLE[crm], "other")
        if row["properties"][PERSON_KEY[crm]] == victim["id"]
    )
    rename_key(box, crm, str(holder["id"]))
    for file in tmp_path.glob(f"{crm}.db*"):
        file.unlink()
    result = deliver(box, crm, messages, tmp_path, account="other")
    assert first.code == result.code == 0
    letters = [one for one in result.report["dead_letters"] if one["code"] == "identity_conflict"]
    assert [one["key"] for one in letters] == [victim["id"]]
    assert letters[0]["hint"]
    assert victim["properties"]["email"] not in str(letters)
    assert len(box.objects(crm, PEOPLE[crm], "other")) == 60


def rename_key(box: Box, crm: str, crm_id: str) -> None:
    """Give a person another key, in the account `other`."""
    if crm == "hubspot":
        body: dict[str, Any] = {"properties": {"canai_user_id": "somebody-else"}}
        box.call(
            "PATCH",
            f"/hubspot/crm/v3/objects/contacts/{crm_id}",
            body,
            {"Authorization": "Bearer sandbox-token-other"},
        )
    elif crm == "pipedrive":
        headers = {"x-api-token": "sandbox-token-other"}
        fields = box.call("GET", "/pipedrive/api/v2/personFields?limit=500", None, headers)["data"]
        code = next(one["field_code"] for one in fields if one["field_name"] == "canai_user_id")
        box.call(
            "PATCH",
            f"/pipedrive/api/v2/persons/{crm_id}",
            {"custom_fields": {code: "somebody-else"}},
            headers,
        )
    else:
        path = f"/salesforce/services/data/v67.0/sobjects/Contact/{crm_id}"
        box.call(
            "PATCH",
            path,
            {"CanAI_User_ID__c": "somebody-else"},
            {"Authorization": "Bearer sandbox-other"},
        )


@pytest.mark.parametrize("crm", CRMS)
def test_one_ledger_serves_two_accounts_of_a_crm(box: Box, crm: str, tmp_path: Path) -> None:
    messages = extract(box, tmp_path)
    one = deliver(box, crm, messages, tmp_path)
    two = deliver(box, crm, messages, tmp_path, account="second")
    assert one.report["account"] != two.report["account"]
    assert contents(box, crm) == contents(box, crm, "second")
    assert len(box.objects(crm, PEOPLE[crm], "second")) == 60


@pytest.mark.parametrize("crm", CRMS)
def test_a_name_edited_by_hand_stays_until_the_sources_name_changes(
    box: Box, crm: str, tmp_path: Path
) -> None:
    first = deliver(box, crm, extract(box, tmp_path), tmp_path)
    person = box.objects(crm, PEOPLE[crm])[0]
    key, crm_id = person["properties"][PERSON_KEY[crm]], str(person["id"])
    name, path, body, headers = {
        "hubspot": (
            "firstname",
            f"/hubspot/crm/v3/objects/contacts/{crm_id}",
            {"properties": {"firstname": "Edited"}},
            {"Authorization": "Bearer sandbox-token"},
        ),
        "pipedrive": (
            "name",
            f"/pipedrive/api/v2/persons/{crm_id}",
            {"name": "Edited"},
            {"x-api-token": "sandbox-token"},
        ),
        "salesforce": (
            "FirstName",
            f"/salesforce/services/data/v67.0/sobjects/Contact/{crm_id}",
            {"FirstName": "Edited"},
            {"Authorization": "Bearer sandbox"},
        ),
    }[crm]
    box.call("PATCH", path, body, headers)

    def held() -> Any:
        return next(
            row["properties"][name]
            for row in box.objects(crm, PEOPLE[crm])
            if str(row["id"]) == crm_id
        )

    box.call(
        "POST",
        "/_sandbox/mutate",
        {"stream": "users", "ids": [key], "set": {"business_type": "museum"}},
    )
    second = deliver(box, crm, extract(box, tmp_path, state=first.states[-1]), tmp_path)
    assert second.counts(PEOPLE[crm])["updated"] == 1
    assert held() == "Edited"
    box.call(
        "POST",
        "/_sandbox/mutate",
        {"stream": "users", "ids": [key], "set": {"first_name": "Renamed"}},
    )
    deliver(box, crm, extract(box, tmp_path, state=second.states[-1]), tmp_path)
    assert str(held()).startswith("Renamed")
