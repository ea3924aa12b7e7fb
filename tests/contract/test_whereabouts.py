"""Where records are that people deleted, merged or restored: the emulators, and `locate`."""

from __future__ import annotations

from math import ceil
from urllib.error import HTTPError

import pytest
from reverse_etl.crm.adapter import Adapter

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_crm
from crms.salesforce import DATA

UNKNOWN = 240
MANY = 13
"""Records of which a listing takes fewer of Pipedrive's tokens than reading each."""


def adapter_of(box: Box, crm: Crm) -> Adapter:
    """A target's adapter, which has seen the people's fields."""
    adapter = crm.target(config=crm.credentials(box.url)).build_adapter()
    adapter.account()
    adapter.describe(crm.people)
    return adapter


def people(box: Box, crm: Crm, count: int) -> list[str]:
    """Ids of people who were created by hand."""
    return [crm.put_person(box, f"p{number}@example.com") for number in range(count)]


@each_crm
def test_locate_tells_live_from_deleted_and_restored(box: Box, crm: Crm) -> None:
    live, deleted, restored = people(box, crm, 3)
    for crm_id in (deleted, restored):
        crm.delete(box, crm.people, crm_id)
    crm.undelete(box, crm.people, restored)
    located = adapter_of(box, crm).locate(crm.people, [live, deleted, restored, crm.missing_id])
    assert located == {live: live, restored: restored}


@pytest.mark.parametrize("crm", [HUBSPOT, SALESFORCE], ids=str)
def test_locate_leads_from_merge_to_merge(box: Box, crm: Crm) -> None:
    first, second, third = people(box, crm, 3)
    between = crm.merge(box, first, second)
    survivor = crm.merge(box, between, third)
    located = adapter_of(box, crm).locate(crm.people, [first, second, third])
    assert located == dict.fromkeys((first, second, third), survivor)


@each_crm
def test_locate_takes_few_calls(box: Box, crm: Crm) -> None:
    ids = people(box, crm, 3)
    adapter = adapter_of(box, crm)
    spec = adapter.objects.get(crm.people) or adapter.default_object
    assert spec is not None
    box.forget_log(crm)
    shape = "003{:012}AAA" if crm is SALESFORCE else "9{:09}"
    unknown = [shape.format(number + 500) for number in range(UNKNOWN)]
    assert adapter.locate(crm.people, [*ids, *unknown]) == {crm_id: crm_id for crm_id in ids}
    calls = ceil((len(ids) + UNKNOWN) / spec.locate_rows_a_call)
    if crm is SALESFORCE:  # the recycle bin is asked for what is not live
        calls += 1
    assert len([line for line in box.log(crm) if line["kind"] == "read"]) == calls


def put_pipedrive(box: Box, kind: str, person: str, count: int) -> list[str]:
    """Ids of notes or leads that were created by hand."""
    bodies = [{"person_id": int(person), "content": "Called", "title": "Chairs"}] * count
    path, headers = f"/pipedrive/api/v1/{kind}", PIPEDRIVE.headers()
    sent = {"notes": ("person_id", "content"), "leads": ("person_id", "title")}[kind]
    made = [
        box.call("POST", path, {name: body[name] for name in sent}, headers)["data"]
        for body in bodies
    ]
    return [str(row["id"]) for row in made]


@pytest.mark.parametrize("kind", ["notes", "leads"])
def test_pipedrive_lists_what_cannot_be_listed_by_ids_where_that_costs_less(
    box: Box, kind: str
) -> None:
    (person,) = people(box, PIPEDRIVE, 1)
    deleted, archived, *live = put_pipedrive(box, kind, person, MANY)
    adapter = adapter_of(box, PIPEDRIVE)
    adapter.describe(kind)
    PIPEDRIVE.delete(box, kind, deleted)
    if kind == "leads":
        path = f"/pipedrive/api/v1/leads/{archived}"
        box.call("PATCH", path, {"is_archived": True}, PIPEDRIVE.headers())
    box.forget_log(PIPEDRIVE)

    few = [deleted, archived]
    assert adapter.locate(kind, few) == {archived: archived}
    assert [line["path"] for line in box.log(PIPEDRIVE)] == [
        f"/pipedrive/api/v1/{kind}/{crm_id}" for crm_id in few
    ]
    box.forget_log(PIPEDRIVE)
    located = adapter.locate(kind, [deleted, archived, *live])
    assert located == {crm_id: crm_id for crm_id in (archived, *live)}
    # The listing, and one by one what it does not show.
    left = {"notes": 1, "leads": 2}[kind]
    assert len(box.log(PIPEDRIVE)) == 1 + left


def test_salesforce_keeps_what_was_deleted_in_the_recycle_bin(box: Box) -> None:
    master, loser, deleted = people(box, SALESFORCE, 3)
    SALESFORCE.merge(box, loser, master)
    SALESFORCE.delete(box, "Contact", deleted)
    headers = SALESFORCE.headers()
    fields = "SELECT%20Id,IsDeleted,MasterRecordId%20FROM%20Contact"
    rows = box.call("GET", f"{DATA}/queryAll?q={fields}", None, headers)["records"]
    shown = {row["Id"]: (row["IsDeleted"], row["MasterRecordId"]) for row in rows}
    assert shown == {master: (False, None), loser: (True, master), deleted: (True, None)}
    assert box.call("GET", f"{DATA}/query?q={fields}", None, headers)["totalSize"] == 1

    body = {"ids": [loser, master], "fields": ["Id"]}
    answer = box.call("POST", f"{DATA}/composite/sobjects/Contact", body, headers)
    assert [row and row["Id"] for row in answer] == [None, master]
    record = {"attributes": {"type": "Contact"}, "id": deleted, "Title": "x"}
    updates = {"allOrNone": False, "records": [record, {**record, "id": "003000000000zzzAAA"}]}
    results = box.call("PATCH", f"{DATA}/composite/sobjects", updates, headers)
    codes = [result["errors"][0]["statusCode"] for result in results]
    assert codes == ["ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"]
    with pytest.raises(HTTPError) as refused:
        box.call("PATCH", f"{DATA}/sobjects/Contact/{deleted}", {"Title": "x"}, headers)
    assert refused.value.code == 404
    assert b"ENTITY_IS_DELETED" in refused.value.read()


def test_what_lost_a_merge_does_not_come_back(box: Box) -> None:
    loser, master = people(box, SALESFORCE, 2)
    SALESFORCE.merge(box, loser, master)
    with pytest.raises(HTTPError) as refused:
        SALESFORCE.undelete(box, "Contact", loser)
    assert b"not in the recycle bin" in refused.value.read()


def test_hubspot_reads_a_merged_record_by_the_ids_it_had(box: Box) -> None:
    loser, kept, deleted = people(box, HUBSPOT, 3)
    survivor = HUBSPOT.merge(box, loser, kept)
    HUBSPOT.delete(box, "contacts", deleted)
    body = {"inputs": [{"id": loser}, {"id": deleted}], "properties": ["hs_merged_object_ids"]}
    path = "/hubspot/crm/v3/objects/contacts/batch/read"
    answer = box.call("POST", path, body, HUBSPOT.headers())
    assert [result["id"] for result in answer["results"]] == [survivor]
    (error,) = answer["errors"]
    assert (error["category"], error["context"]) == ("OBJECT_NOT_FOUND", {"ids": [deleted]})


def test_pipedrive_restores_what_was_deleted(box: Box) -> None:
    (person,) = people(box, PIPEDRIVE, 1)
    PIPEDRIVE.delete(box, "persons", person)
    assert box.people(PIPEDRIVE) == []
    PIPEDRIVE.undelete(box, "persons", person)
    assert [str(row["id"]) for row in box.people(PIPEDRIVE)] == [person]


def test_an_unknown_action_by_hand_is_refused(box: Box) -> None:
    with pytest.raises(HTTPError) as refused:
        box.by_hand(HUBSPOT, "purge", "contacts", id="1")
    assert b"unknown action 'purge'" in refused.value.read()
