"""People and the firms that they work for, as rules of YAML in each CRM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm
from crms.salesforce import DATA
from support import Result, by_key, deliver, linked, written

LAG_S = 60
"""Longer than HubSpot's search takes to know a new record."""
COMPANIES = {HUBSPOT: "companies", PIPEDRIVE: "organizations", SALESFORCE: "Account"}
NAMES = {HUBSPOT: "name", PIPEDRIVE: "name", SALESFORCE: "Name"}
PLACES = {
    HUBSPOT: "/hubspot/crm/v3/objects/companies",
    PIPEDRIVE: "/pipedrive/api/v2/organizations",
    SALESFORCE: f"{DATA}/sobjects/Account",
}
PEOPLE: Mapping[Crm, str] = {
    HUBSPOT: "object: contacts\nupsert_key: nr\nfields: {nr: id, lastname: name}\n",
    PIPEDRIVE: "object: persons\nupsert_key: nr\nfields: {nr: id, name: name}\n",
    SALESFORCE: "object: Contact\nupsert_key: Nr__c\nfields: {Nr__c: id, LastName: name}\n",
}
NEAR: Mapping[Crm, tuple[str, str]] = {
    HUBSPOT: ("jobtitl", "jobtitle"),
    PIPEDRIVE: ("phone", "phones"),
    SALESFORCE: ("Descriptio", "Description"),
}
"""A field that no object has, and the one that is meant."""
SCHEMA = {
    "type": "SCHEMA",
    "stream": "people",
    "key_properties": ["id"],
    "schema": {
        "properties": {name: {"type": ["null", "string"]} for name in ("id", "name", "firm", "due")}
    },
}


def rules_folder(folder: Path) -> Path:
    """The folder of a test's own rules."""
    (folder / "rules").mkdir(exist_ok=True)
    return folder / "rules"


def changes(box: Box, crm: Crm) -> list[Any]:
    """Calls of the last run that could change the CRM."""
    reading = ("oauth", "/search", "batch/read", "/composite")
    lines = [line for line in box.log(crm) if line["method"] != "GET"]
    return [line for line in lines if not any(part in line["path"] for part in reading)]


def put_company(box: Box, crm: Crm, **values: str) -> str:
    """A company that people made in the CRM; its id."""
    body: dict[str, Any] = {"properties": values} if crm is HUBSPOT else values
    made = box.call("POST", PLACES[crm], body, crm.headers())
    box.advance(LAG_S)
    return str(made["data"]["id"] if crm is PIPEDRIVE else made["id"])


def person(number: int, firm: str | None) -> dict[str, Any]:
    due = "2026-03-01T00:00:00Z"
    record = {"id": str(number), "name": f"Person {number}", "firm": firm, "due": due}
    return {"type": "RECORD", "stream": "people", "record": record}


def people_by_firm(box: Box, crm: Crm, folder: Path, *people: object, **config: Any) -> Result:
    """Deliver people, each linked to the company whose name is their firm."""
    link = f"links: [{{to: {COMPANIES[crm]}, key: firm, by: {NAMES[crm]}}}]\n"
    written(rules_folder(folder), "people.yml", f"stream: people\n{PEOPLE[crm]}{link}")
    mapping = str(folder / "rules")
    return deliver(box, crm, [SCHEMA, *people], folder, mapping=mapping, **config)


def firms_of(box: Box, crm: Crm) -> dict[str, list[str]]:
    """Ids of the companies that each person is linked to."""
    key = "Nr__c" if crm is SALESFORCE else "nr"
    rows = by_key(box, crm, crm.people, key)
    # an association with a label counts twice: HubSpot makes the plain one with it
    return {name: [*dict.fromkeys(linked(row, COMPANIES[crm]))] for name, row in rows.items()}


BOTH: Mapping[Crm, Sequence[str]] = {
    HUBSPOT: (
        "object: companies\nupsert_key: firm_nr\nfields: {firm_nr: id, name: name}\n"
        "links: [{to: contacts, key: firm, label: Main contact}]\n",
        "links: [{to: companies, key: firm}]\n",
    ),
    PIPEDRIVE: (
        "object: organizations\nupsert_key: firm_nr\nfields: {firm_nr: id, name: name}\n"
        "links: [{to: persons, key: firm, field: Main contact}]\n",
        "links: [{to: organizations, key: firm}]\n",
    ),
    SALESFORCE: (
        "object: Account\nupsert_key: Firm__c\nfields: {Firm__c: id, Name: name}\n"
        "links: [{to: Contact, key: firm, field: Main_Contact__c}]\n",
        "links: [{to: Account, key: firm}]\n",
    ),
}
