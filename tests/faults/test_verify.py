"""Records that did not change at the source, and that people deleted or merged in the CRM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, SALESFORCE, Crm, each_crm
from support import deliver, later, payment, record_message, schema_message, user

PEOPLE = [schema_message(), user(1), user(2), user(3)]


def first(box: Box, crm: Crm, folder: Path) -> dict[str, str]:
    """Deliver three people; their CRM ids by key."""
    assert deliver(box, crm, PEOPLE, folder).code == 0
    return ids_of(box, crm)


def ids_of(box: Box, crm: Crm) -> dict[str, str]:
    """CRM ids of the people, by key."""
    return {row["properties"][crm.person_key]: str(row["id"]) for row in box.people(crm)}


def reads(box: Box, crm: Crm) -> int:
    """Calls so far that read people."""
    return sum(1 for call in box.log(crm) if call["kind"] == "read" and call["rows"])


@each_crm
@pytest.mark.parametrize("on_missing", ["leave", "follow"])
def test_an_unchanged_record_that_was_deleted_is_gone(
    box: Box, tmp_path: Path, crm: Crm, on_missing: str
) -> None:
    ids = first(box, crm, tmp_path)
    crm.delete(box, crm.people, ids["user-2"])
    result = deliver(box, crm, PEOPLE, tmp_path, on_missing=on_missing, verify_days=0)
    assert result.counts(crm.people) == {"planned": 3, "unchanged": 2, "gone": 1}
    assert result.report["objects"][crm.people]["whereabouts"] == {"verified": 3, "moved": 0}
    assert sorted(ids_of(box, crm)) == ["user-1", "user-3"]


@each_crm
def test_an_unchanged_record_that_was_deleted_is_created_again(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    ids = first(box, crm, tmp_path)
    crm.delete(box, crm.people, ids["user-2"])
    result = deliver(box, crm, PEOPLE, tmp_path, on_missing="recreate", verify_days=0)
    assert result.counts(crm.people) == {"planned": 3, "unchanged": 2, "created": 1}
    assert sorted(ids_of(box, crm)) == ["user-1", "user-2", "user-3"]
    again = deliver(box, crm, PEOPLE, tmp_path, on_missing="recreate", verify_days=0)
    assert again.counts(crm.people) == {"planned": 3, "unchanged": 3}


@each_crm
@pytest.mark.parametrize(("on_missing", "what"), [("leave", "gone"), ("recreate", "created")])
def test_a_document_that_was_deleted_without_a_change_is_found_out(
    box: Box, tmp_path: Path, crm: Crm, on_missing: str, what: str
) -> None:
    """Notes, too, which Pipedrive cannot list by ids."""
    messages = [*PEOPLE, schema_message("deliverables", "deliverable_id")]
    for number in (1, 2, 3):
        document = {
            "deliverable_id": f"d-{number}",
            "user_id": f"user-{number}",
            "canai_output": "Text",
            "created_at": "2026-01-01T00:00:00.000000Z",
            "updated_at": "2026-01-01T00:00:00.000000Z",
        }
        messages.append(record_message("deliverables", document))
    assert deliver(box, crm, messages, tmp_path).code == 0
    ids = {crm.document_id(row): str(row["id"]) for row in box.objects(crm, crm.documents)}
    crm.delete(box, crm.documents, ids["d-2"])
    result = deliver(box, crm, messages, tmp_path, on_missing=on_missing, verify_days=0)
    assert result.counts(crm.documents) == {"planned": 3, "unchanged": 2, what: 1}
    left = {crm.document_id(row) for row in box.objects(crm, crm.documents)}
    assert left == {"d-1", "d-3"} | ({"d-2"} if what == "created" else set())


@each_crm
def test_a_record_that_was_just_seen_in_the_crm_is_not_verified(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    ids = first(box, crm, tmp_path)
    crm.delete(box, crm.people, ids["user-2"])
    result = deliver(box, crm, PEOPLE, tmp_path)
    assert result.counts(crm.people) == {"planned": 3, "unchanged": 3}
    assert result.report["objects"][crm.people]["whereabouts"]["verified"] == 0


@each_crm
def test_an_unchanged_record_that_was_merged_goes_on_in_the_one_that_is_left(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    """In Salesforce the survivor does not carry our key: the recycle bin says which it is."""
    ids = first(box, crm, tmp_path)
    survivor = crm.merge(box, ids["user-2"], crm.put_person(box, "hand@example.com"))
    result = deliver(box, crm, PEOPLE, tmp_path, verify_days=0)
    counts = result.counts(crm.people)
    assert counts.pop("updated", 0) + counts.pop("unchanged") == 3, counts
    assert result.report["objects"][crm.people]["whereabouts"]["moved"] == 1
    assert ids_of(box, crm) == {**ids, "user-2": survivor}
    held = {str(row["id"]): row["properties"] for row in box.people(crm)}[survivor]
    assert held[crm.text_field] == "bakery"
    assert crm.is_as_put(held)
    again = deliver(box, crm, PEOPLE, tmp_path, verify_days=0)
    assert again.counts(crm.people) == {"planned": 3, "unchanged": 3}


@pytest.mark.parametrize("crm", [HUBSPOT, SALESFORCE], ids=str)
def test_two_people_of_the_source_that_were_merged_are_a_conflict(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    ids = first(box, crm, tmp_path)
    survivor = crm.merge(box, ids["user-2"], ids["user-1"])
    result = deliver(box, crm, PEOPLE, tmp_path, verify_days=0)
    counts = result.counts(crm.people)
    assert counts["dead"] == 1
    (letter,) = result.letters
    assert (letter["key"], letter["code"]) == ("user-2", "identity_conflict")
    assert "merge the two at the source" in letter["hint"]
    assert ids_of(box, crm) == {"user-1": survivor, "user-3": ids["user-3"]}


@each_crm
@pytest.mark.parametrize("on_missing", ["leave", "follow", "recreate"])
def test_a_record_that_people_restored_goes_on(
    box: Box, tmp_path: Path, crm: Crm, on_missing: str
) -> None:
    ids = first(box, crm, tmp_path)
    crm.delete(box, crm.people, ids["user-2"])
    left = "follow" if on_missing == "recreate" else on_missing
    deliver(box, crm, PEOPLE, tmp_path, on_missing=left, verify_days=0)
    crm.undelete(box, crm.people, ids["user-2"])
    result = deliver(box, crm, PEOPLE, tmp_path, on_missing=on_missing, verify_days=0)
    assert result.counts(crm.people) == {"planned": 3, "unchanged": 3}
    assert ids_of(box, crm) == ids


def test_a_merge_that_the_recycle_bin_has_forgotten_is_a_deletion(box: Box, tmp_path: Path) -> None:
    ids = first(box, SALESFORCE, tmp_path)
    SALESFORCE.merge(box, ids["user-2"], SALESFORCE.put_person(box, "hand@example.com"))
    box.by_hand(SALESFORCE, "purge", "Contact", id=ids["user-2"])
    result = deliver(box, SALESFORCE, PEOPLE, tmp_path, verify_days=0)
    assert result.counts("Contact") == {"planned": 3, "unchanged": 2, "gone": 1}


@pytest.mark.parametrize("on_missing", ["follow", "recreate"])
def test_what_a_job_finds_gone_is_planned_again_in_the_same_run(
    box: Box, tmp_path: Path, on_missing: str
) -> None:
    ids = first(box, SALESFORCE, tmp_path)
    SALESFORCE.delete(box, "Contact", ids["user-2"])
    changed = [schema_message(), *(later(user(n, business_type="florist")) for n in (1, 2, 3))]
    settings = {"on_missing": on_missing, "bulk_threshold": 2}
    result = deliver(box, SALESFORCE, changed, tmp_path, **settings)
    assert box.log(SALESFORCE, "PUT /salesforce/services/data/")
    what = {"follow": "gone", "recreate": "created"}[on_missing]
    assert result.counts("Contact") == {"planned": 3, "updated": 2, what: 1}


def test_no_call_is_left_for_verifying(box: Box, tmp_path: Path) -> None:
    """What is not verified stays due, and nothing is taken for gone."""
    first(box, HUBSPOT, tmp_path)
    box.fault(HUBSPOT, "daily_limit", match="batch/read", times=9)
    result = deliver(box, HUBSPOT, PEOPLE, tmp_path, verify_days=0)
    assert result.report["objects"]["contacts"]["whereabouts"]["verified"] == 0
    assert result.counts("contacts") == {"planned": 3, "unchanged": 3}
    box.clear_faults()
    again = deliver(box, HUBSPOT, PEOPLE, tmp_path, verify_days=0)
    assert again.report["objects"]["contacts"]["whereabouts"]["verified"] == 3


def with_deals(crm: Crm, **more: Any) -> list[dict[str, Any]]:
    """Two people who paid, and what makes their deals."""
    pays = {"total_spent": 20, "trust_delta_average": 4.5, "total_sessions": 3}
    people = [schema_message(), *(user(n, **pays, **more) for n in (1, 2))]
    if crm is not SALESFORCE:
        return people
    return [*people, schema_message("payments", "payment_id"), payment(1, 1), payment(2, 2)]


@each_crm
@pytest.mark.parametrize("changed", [False, True])
def test_links_to_a_record_that_was_created_again_are_made_again_in_the_same_run(
    box: Box, tmp_path: Path, crm: Crm, changed: bool
) -> None:
    deliver(box, crm, with_deals(crm), tmp_path)
    ids = ids_of(box, crm)
    assert sorted(person for _, person in crm.deal_links(box)) == sorted(ids.values())
    crm.delete(box, crm.people, ids["user-2"])
    messages = with_deals(crm, **({"business_type": "florist"} if changed else {}))
    for message in messages:
        if changed and message["type"] == "RECORD" and message["stream"] == "users":
            message["time_extracted"] = "2026-01-03T00:00:00.000000Z"
    result = deliver(box, crm, messages, tmp_path, on_missing="recreate", verify_days=0)
    assert result.code == 0
    assert result.letters == []
    now = ids_of(box, crm)
    assert now["user-2"] != ids["user-2"]
    assert sorted(person for _, person in crm.deal_links(box)) == sorted(now.values())
    again = deliver(box, crm, messages, tmp_path, on_missing="recreate", verify_days=0)
    assert again.counts(crm.deals) == {"planned": 2, "unchanged": 2}
    assert again.report["links"]["kept"] == again.report["links"]["wanted"]


@each_crm
def test_a_link_to_a_record_that_is_left_alone_is_reported_and_heals(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    messages = with_deals(crm)
    deliver(box, crm, messages, tmp_path)
    ids = ids_of(box, crm)
    crm.delete(box, crm.people, ids["user-2"])
    result = deliver(box, crm, messages, tmp_path, on_missing="leave", verify_days=0)
    assert [letter["code"] for letter in result.letters] == ["link_end_gone"]
    crm.undelete(box, crm.people, ids["user-2"])
    deliver(box, crm, messages, tmp_path, on_missing="follow", verify_days=0)
    healed = deliver(box, crm, messages, tmp_path, on_missing="follow", verify_days=0)
    assert healed.letters == []
    assert sorted(person for _, person in crm.deal_links(box)) == sorted(ids.values())


@each_crm
@pytest.mark.parametrize("on_missing", ["leave", "follow"])
def test_a_link_is_made_in_the_run_after_people_restored_its_end(
    box: Box, tmp_path: Path, crm: Crm, on_missing: str
) -> None:
    """No record comes again, of neither side; until then each run looks the end up in one call."""
    messages = with_deals(crm)
    deliver(box, crm, messages, tmp_path)
    ids = ids_of(box, crm)
    crm.delete(box, crm.people, ids["user-2"])
    config: dict[str, Any] = {"on_missing": on_missing, "verify_days": 0}
    deliver(box, crm, messages, tmp_path, **config)
    schemas = [message for message in messages if message["type"] == "SCHEMA"]
    still = deliver(box, crm, schemas, tmp_path, **config)
    assert [letter["code"] for letter in still.letters] == ["link_end_gone"]
    crm.undelete(box, crm.people, ids["user-2"])
    healed = deliver(box, crm, schemas, tmp_path, **config)
    assert healed.letters == []
    assert sorted(person for _, person in crm.deal_links(box)) == sorted(ids.values())


@each_crm
@pytest.mark.parametrize(("on_missing", "what"), [("follow", "gone"), ("recreate", "created")])
def test_a_record_that_was_deleted_with_the_other_end_of_its_link_is_found_out(
    box: Box, tmp_path: Path, crm: Crm, on_missing: str, what: str
) -> None:
    messages = with_deals(crm)
    deliver(box, crm, messages, tmp_path)
    ids = ids_of(box, crm)
    crm.delete(box, crm.people, ids["user-2"])
    (deal,) = (
        row["id"]
        for row in box.objects(crm, crm.deals)
        if str(row["properties"][crm.deal_key]).endswith("-2")
    )
    crm.delete(box, crm.deals, str(deal))
    config: dict[str, Any] = {"on_missing": on_missing, "verify_days": 0}
    result = deliver(box, crm, messages, tmp_path, **config)
    assert result.counts(crm.deals) == {"planned": 2, "unchanged": 1, what: 1}
    if on_missing == "recreate":
        again = deliver(box, crm, messages, tmp_path, **config)
        assert again.letters == []
        assert sorted(person for _, person in crm.deal_links(box)) == sorted(
            ids_of(box, crm).values()
        )


@each_crm
def test_a_deleted_record_is_found_out_after_a_late_older_version(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    newest = [schema_message(), later(user(1), 20)]
    deliver(box, crm, newest, tmp_path)
    late = [schema_message(), later(user(1, business_type="florist"), 5)]
    deliver(box, crm, late, tmp_path)
    crm.delete(box, crm.people, ids_of(box, crm)["user-1"])
    result = deliver(box, crm, newest, tmp_path, verify_days=0)
    assert result.counts(crm.people) == {"planned": 1, "gone": 1}
