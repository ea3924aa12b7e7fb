"""Pipedrive's search for records, and for the values of a custom field."""

from __future__ import annotations

from sandbox.http import Call, Reply
from sandbox.pipedrive.catalog import KINDS, SEARCHED
from sandbox.pipedrive.errors import RefusedError, invalid
from sandbox.pipedrive.responses import PAGE, only, page_reply, search_item
from sandbox.pipedrive.state import Company, Record

ENTITY_TYPES = {KINDS[kind]: kind for kind in SEARCHED}
SEARCHABLE_TYPES = ("address", "varchar", "text", "varchar_auto", "double", "monetary", "phone")
"""Types of the custom fields that search looks into.

Source: Pipedrive's published openapi-v2.yaml (2026-08), GET /itemSearch/field.
"""


def search_records(call: Call, company: Company, kind: str) -> Reply:
    """Exact search."""
    only(call, ("term", "exact_match", "fields", "limit"))
    term = call.query.get("term", "")
    exact = call.query.get("exact_match") == "true"
    if len(term) < (1 if exact else 2):
        raise invalid("term is too short")

    fields = wanted_fields(call, kind)
    items = []
    for record in company.live(kind):
        texts = searched_texts(record, fields)
        hit = term.lower() in texts if exact else any(term.lower() in text for text in texts)
        if hit:
            items.append({"result_score": 1.0, "item": search_item(kind, record)})
    items = items[: int(call.query.get("limit", PAGE))]

    body = {"success": True, "data": {"items": items}, "additional_data": {}}
    return Reply(200, body, rows=len(items))


def wanted_fields(call: Call, kind: str) -> set[str]:
    """The fields that a search looks into: those it names, else all.

    Raises: RefusedError.
    """
    fields = set(filter(None, call.query.get("fields", "").split(",")))
    unknown = sorted(fields - set(SEARCHED[kind]))
    if unknown:
        raise RefusedError(f"the sandbox does not search {unknown[0]} of {kind}", 501)
    return fields or set(SEARCHED[kind])


def searched_texts(record: Record, fields: set[str]) -> list[str]:
    """What search compares in these fields of a record, in lower case."""
    values = []
    if "email" in fields:
        values += [entry["value"] for entry in record.get("emails", [])]
    values += [record.get(name) for name in ("name", "title", "code") if name in fields]
    if "address" in fields:
        values.append((record.get("address") or {}).get("value"))
    if "custom_fields" in fields:
        values += [value for value in record["custom_fields"].values() if isinstance(value, str)]
    return [str(value).lower() for value in values if value]


def search_field(call: Call, company: Company) -> Reply:
    """Values of one custom field; `match=exact` is case sensitive."""
    only(call, ("term", "entity_type", "field", "match", "limit"))
    kind = ENTITY_TYPES.get(call.query.get("entity_type", ""))
    if call.query.get("match") != "exact":
        raise RefusedError("the sandbox emulates match=exact only", 501)
    field = company.custom(kind).get(call.query.get("field", "")) if kind else None
    if kind is None or field is None or field["field_type"] not in SEARCHABLE_TYPES:
        raise invalid("entity_type or field")

    term = call.query.get("term", "")
    items = []
    for record in company.live(kind):
        if str(record["custom_fields"].get(field["field_code"])) == term:
            item = {"id": record["id"], "name": record.get("name") or record.get("title")}
            items.append({"result_score": 1.0, "item": item})
    return page_reply(items)
