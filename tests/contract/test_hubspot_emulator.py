"""HubSpot's emulator: what it knows of associations, searches, schemas and required properties."""

from __future__ import annotations

from typing import Any

import requests

from box import Box
from crms import HUBSPOT

CRM = "/hubspot/crm"


def answer(box: Box, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Status and JSON of a call."""
    reply = requests.request(
        method, f"{box.url}{path}", json=body, headers=HUBSPOT.headers(), timeout=10
    )
    return reply.status_code, reply.json()


def created(box: Box, kind: str, **properties: str) -> str:
    """The id of a new record."""
    status, body = answer(box, "POST", f"{CRM}/v3/objects/{kind}", {"properties": properties})
    assert status == 201, body
    return str(body["id"])


def found(box: Box, kind: str, name: str, *values: str) -> list[str]:
    """The names of records that a search finds by values of a property."""
    test = {"propertyName": name, "operator": "IN", "values": list(values)}
    body = {"filterGroups": [{"filters": [test]}], "properties": ["name"], "limit": 200}
    status, answered = answer(box, "POST", f"{CRM}/objects/2026-09/{kind}/search", body)
    assert status == 200, answered
    return [result["properties"]["name"] for result in answered["results"]]


def test_a_search_lags_behind_writes(box: Box) -> None:
    company = created(box, "companies", name="Ann", domain="Example.com")
    assert found(box, "companies", "domain", "example.com") == []
    box.advance(11)
    assert found(box, "companies", "domain", "example.com") == ["Ann"]
    answer(box, "PATCH", f"{CRM}/v3/objects/companies/{company}", {"properties": {"name": "Bo"}})
    assert found(box, "companies", "domain", "example.com") == ["Ann"]
    box.advance(11)
    assert found(box, "companies", "domain", "example.com") == ["Bo"]
    assert found(box, "companies", "domain", "Example.com") == []


def test_a_search_refuses_what_it_does_not_act_on(box: Box) -> None:
    path = f"{CRM}/v3/objects/companies/search"
    assert answer(box, "POST", path, {"sorts": ["name"]})[0] == 501
    test = {"propertyName": "name", "operator": "LT", "value": "a"}
    assert created(box, "companies", name="Ann")
    box.advance(11)
    assert answer(box, "POST", path, {"filterGroups": [{"filters": [test]}]})[0] == 501
    assert answer(box, "POST", path, {"limit": 201})[0] == 400


def test_a_label_is_created_in_both_directions(box: Box) -> None:
    path = f"{CRM}/associations/2026-09/companies/contacts/labels"
    wanted = {"label": "Billing contact", "name": "billing_contact"}
    status, body = answer(box, "POST", path, wanted)
    assert (status, len(body["results"])) == (200, 2)
    labels = {result["label"]: result for result in answer(box, "GET", path)[1]["results"]}
    assert labels[None]["typeId"] == 280
    assert labels["Primary"]["typeId"] == 2
    assert labels["Billing contact"]["category"] == "USER_DEFINED"
    back = answer(box, "GET", f"{CRM}/v4/associations/contacts/companies/labels")[1]["results"]
    assert "Billing contact" in {result["label"] for result in back}


def test_a_labelled_association_is_a_plain_one_too(box: Box) -> None:
    company, contact = created(box, "companies", name="A"), created(box, "contacts", email="a@b.co")
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 2}
    pair = {"from": {"id": company}, "to": {"id": contact}, "types": [spec]}
    path = f"{CRM}/v4/associations/companies/contacts/batch"
    status, body = answer(box, "POST", f"{path}/create", {"inputs": [pair]})
    assert (status, body["results"][0]["labels"]) == (201, ["Primary"])
    ends = answer(box, "POST", f"{path}/read", {"inputs": [{"id": company}]})[1]["results"][0]["to"]
    assert [known["typeId"] for known in ends[0]["associationTypes"]] == [2, 280]


def test_a_type_of_another_pair_is_refused(box: Box) -> None:
    company, contact = created(box, "companies", name="A"), created(box, "contacts", email="a@b.co")
    spec = [{"associationCategory": "USER_DEFINED", "associationTypeId": 3}]
    path = f"{CRM}/v4/objects/companies/{company}/associations/contacts/{contact}"
    status, body = answer(box, "PUT", path, spec)
    assert status == 400
    assert body["context"]["INVALID_ASSOCIATION_TYPE_ID"] == [
        "USER_DEFINED=3 is not a valid association definition id"
    ]


def test_an_unknown_object_is_refused_without_a_category(box: Box) -> None:
    status, body = answer(box, "GET", f"{CRM}/v3/objects/widgets")
    assert (status, body["message"]) == (400, "Unable to infer object type from: widgets")
    assert "category" not in body


def test_required_properties_are_named(box: Box) -> None:
    body = {"properties": {"content": "x"}}
    status, refused = answer(box, "POST", f"{CRM}/v3/objects/tickets", body)
    assert (status, refused["message"]) == (
        400,
        "Error creating TICKET. Some required properties were not set.",
    )
    assert refused["context"] == {"properties": ["subject", "hs_pipeline_stage"]}


def test_a_custom_object_is_linked_to_what_its_schema_names(box: Box) -> None:
    schema = {
        "name": "plant",
        "labels": {"singular": "Plant", "plural": "Plants"},
        "properties": [{"name": "code", "label": "c", "type": "string", "fieldType": "text"}],
        "requiredProperties": ["code"],
        "primaryDisplayProperty": "code",
        "associatedObjects": ["COMPANY"],
    }
    status, made = answer(box, "POST", "/hubspot/crm-object-schemas/v3/schemas", schema)
    assert status == 201
    kind = made["objectTypeId"]
    assert answer(box, "GET", f"{CRM}/v3/objects/plant")[0] == 400
    assert created(box, kind, code="1")
    ends = {known["toObjectTypeId"] for known in made["associations"]}
    assert "0-2" in ends
    assert "0-1" not in ends
    path = f"/hubspot/crm-object-schemas/2026-03/schemas/{kind}/associations"
    pair = {"fromObjectTypeId": kind, "toObjectTypeId": "0-1", "name": "plant_to_contact"}
    assert answer(box, "POST", path, pair)[0] == 200
    assert answer(box, "GET", f"{CRM}/v4/associations/{kind}/contacts/labels")[1]["results"]


def test_options_are_replaced_as_a_whole(box: Box) -> None:
    path = f"{CRM}/v3/properties/tickets/hs_ticket_priority"
    options = answer(box, "GET", path)[1]["options"]
    more = {"label": "Now", "value": "NOW", "displayOrder": 9, "hidden": False}
    assert answer(box, "PATCH", path, {"options": [*options, more]})[0] == 200
    assert answer(box, "GET", path)[1]["options"][-1]["value"] == "NOW"
    assert answer(box, "PATCH", path, {"options": [{"label": "x"}]})[0] == 400
    assert answer(box, "PATCH", path, {"hasUniqueValue": True})[0] == 501
