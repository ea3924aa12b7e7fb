"""Pipedrive's search for persons, deals, and the values of a custom field."""

from __future__ import annotations

from sandbox.http import Call, Reply
from sandbox.pipedrive.errors import invalid
from sandbox.pipedrive.responses import PAGE, page_reply, search_item
from sandbox.pipedrive.state import Company, Record

ALL_FIELDS = "email,name,title,custom_fields"
ENTITY_TYPES = {"person": "persons", "deal": "deals"}


def search_records(call: Call, company: Company, kind: str) -> Reply:
    """Exact search."""
    term = call.query.get("term", "")
    exact = call.query.get("exact_match") == "true"
    if len(term) < (1 if exact else 2):
        raise invalid("term is too short")

    fields = set((call.query.get("fields") or ALL_FIELDS).split(","))
    items = []
    for record in company.live(kind):
        texts = searched_texts(record, fields)
        hit = term.lower() in texts if exact else any(term.lower() in text for text in texts)
        if hit:
            items.append({"result_score": 1.0, "item": search_item(kind, record)})
    items = items[: int(call.query.get("limit", PAGE))]

    body = {"success": True, "data": {"items": items}, "additional_data": {}}
    return Reply(200, body, rows=len(items))


def searched_texts(record: Record, fields: set[str]) -> list[str]:
    """What search compares in these fields of a record, in lower case."""
    values = []
    if "email" in fields:
        values += [entry["value"] for entry in record.get("emails", [])]
    if fields & {"name", "title"}:
        values.append(record.get("name") or record.get("title"))
    if "custom_fields" in fields:
        values += [value for value in record["custom_fields"].values() if isinstance(value, str)]
    return [str(value).lower() for value in values if value]


def search_field(call: Call, company: Company) -> Reply:
    """Values of one custom field; `match=exact` is case sensitive."""
    kind = ENTITY_TYPES.get(call.query.get("entity_type", ""))
    field = call.query.get("field", "")
    if kind is None or field not in company.custom(kind):
        raise invalid("entity_type or field")

    term = call.query.get("term", "")
    items = []
    for record in company.live(kind):
        if record["custom_fields"].get(field) == term:
            item = {"id": record["id"], "name": record.get("name") or record.get("title")}
            items.append({"result_score": 1.0, "item": item})
    return page_reply(items)
