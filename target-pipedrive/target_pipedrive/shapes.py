"""Records of every object in one form, that of v2's persons and deals, and writes back from it.

Leads are in v1's form, products hold their price in a list, activities their person, and notes
and activities their marker in a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from reverse_etl.crm.notes import note_html, note_parts
from reverse_etl.records import Write

from target_pipedrive.objects import MARKER

Body = dict[str, Any]
Record = Mapping[str, Any]

CUSTOM_KEY = re.compile(r"^([0-9a-f]{40})(_currency)?$")
"""A custom field's key in v1, and that of its currency.

Source: Pipedrive API v2 migration guide, Custom fields, read 2026-11-29.
"""
OPTION_IDS = re.compile(r"^\d+(,\d+)*$")


def lead_record(lead: Record) -> Record:
    """A lead in the form of v2: custom fields apart, value and currency beside the rest."""
    record: Body = {}
    custom: Body = {}
    for name, value in lead.items():
        key = CUSTOM_KEY.match(name)
        if key is None:
            record[name] = value
        elif not key[2]:
            currency = lead.get(f"{name}_currency")
            custom[name] = {"value": value, "currency": currency} if currency else value
    money = lead.get("value") or {}
    money_parts = {"value": money.get("amount"), "currency": money.get("currency")}
    return {**record, **money_parts, "custom_fields": custom}


def lead_body(body: Body, current: Record) -> Body:
    """The body of a write to a lead."""
    sent = dict(body)
    for key, value in sent.pop("custom_fields", {}).items():
        if isinstance(value, dict) and "currency" in value:
            sent |= {key: value["value"], f"{key}_currency": value["currency"]}
        else:
            sent[key] = ",".join(map(str, value)) if isinstance(value, list) else value
    if not {"value", "currency"}.isdisjoint(sent):
        # Pipedrive takes both or neither: the part that did not change is sent again.
        parts = {name: sent.pop(name, current.get(name)) for name in ("value", "currency")}
        amount = {"amount": parts["value"], "currency": parts["currency"]}
        sent["value"] = None if parts["value"] is None else amount
    return sent


def product_record(product: Record) -> Record:
    """A product with its first price beside the rest."""
    first: Record = next(iter(product.get("prices") or ()), {})
    return {**product, "price": first.get("price"), "currency": first.get("currency")}


def product_body(body: Body, current: Record) -> Body:
    """The body of a write to a product; prices in other currencies stay."""
    sent = dict(body)
    if {"price", "currency"}.isdisjoint(sent):
        return sent
    price = sent.pop("price", current.get("price"))
    currency = sent.pop("currency", current.get("currency"))
    replaced = (currency, current.get("currency"))
    others = [entry for entry in current.get("prices") or () if entry["currency"] not in replaced]
    ours = [] if price is None else [{"price": price, "currency": currency}]
    return {**sent, "prices": [*ours, *others]}


def activity_body(body: Body, current: Record) -> Body:
    """The body of a write to an activity, whose person is its primary participant.

    Source: Pipedrive API v2 migration guide, Activities, read 2026-11-29.
    """
    sent = dict(body)
    if "person_id" in sent:
        person = sent.pop("person_id")
        entries = current.get("participants") or ()
        others = [
            {**entry, "primary": False} for entry in entries if entry.get("person_id") != person
        ]
        ours = [] if person is None else [{"person_id": person, "primary": True}]
        sent["participants"] = [*ours, *others]
    return sent


READS: Mapping[str, Callable[[Record], Record]] = {
    "leads": lead_record,
    "products": product_record,
}
BODIES: Mapping[str, Callable[[Body, Record], Body]] = {
    "leads": lead_body,
    "products": product_body,
    "activities": activity_body,
}
MERGED = {
    "leads": {"value", "currency"},
    "products": {"price", "currency"},
    "activities": {"person_id"},
}
"""Fields that are sent together with what the record holds beside them."""


def common_form(object_name: str, record: Record, marker_in: str) -> Record:
    """A record in the common form, its marker apart from the text that holds it."""
    read = READS.get(object_name)
    record = read(record) if read else record
    if not marker_in:
        return record
    text, marker = note_parts(record.get(marker_in) or "")
    return {**record, marker_in: text, MARKER: marker}


def with_marker(body: Body, write: Write, marker_in: str) -> Body:
    """A body whose text ends with the marker; a text that does not change is not sent."""
    sent = {name: value for name, value in body.items() if name != MARKER}
    if write.kind == "create" or marker_in in sent:
        sent[marker_in] = note_html(str(sent.get(marker_in) or ""), write.key)
    return sent


def wire_form(object_name: str, body: Body, current: Record) -> Body:
    """A body as Pipedrive takes it for this object."""
    shape = BODIES.get(object_name)
    return shape(body, current) if shape else body
