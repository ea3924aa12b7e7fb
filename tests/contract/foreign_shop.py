"""A shop's data, and rules that bring all of it to Pipedrive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from box import Box
from crms import PIPEDRIVE
from support import Message, Result, deliver, record_message, written

TEXT = {"type": ["string", "null"]}
NUMBER = {"type": ["number", "null"]}
STREAMS = {
    "companies": {"id": TEXT, "name": TEXT, "street": TEXT, "country": TEXT},
    "people": {"id": TEXT, "name": TEXT, "email": TEXT, "company": TEXT},
    "orders": {"id": TEXT, "title": TEXT, "amount": NUMBER, "company": TEXT, "person": TEXT},
    "requests": {"id": TEXT, "title": TEXT, "amount": NUMBER, "company": TEXT, "person": TEXT},
    "goods": {"sku": TEXT, "name": TEXT, "price": NUMBER},
    "visits": {"id": TEXT, "about": TEXT, "text": TEXT, "person": TEXT, "request": TEXT},
}
RULES = {
    "companies.organization.yml": """
stream: companies
object: organizations
upsert_key: company_key
match_by: [name]
fields:
  company_key: id
  name: name
  address: street
  address_country: country
""",
    "people.person.yml": """
stream: people
object: persons
upsert_key: person_key
match_by: [emails]
fields: {person_key: id, name: name, emails: email}
links:
  - {to: organizations, key: company}
""",
    "orders.deal.yml": """
stream: orders
object: deals
upsert_key: order_key
fields: {order_key: id, title: title, value: amount, currency: {value: EUR}}
links:
  - {to: organizations, key: company}
  - {to: persons, key: person}
""",
    "requests.lead.yml": """
stream: requests
object: leads
upsert_key: request_key
fields: {request_key: id, title: title, value: amount, currency: {value: EUR}}
links:
  - {to: organizations, key: company}
  - {to: persons, key: person}
""",
    "goods.product.yml": """
stream: goods
object: products
upsert_key: code
fields: {code: sku, name: name, price: price, currency: {value: EUR}}
""",
    "visits.activity.yml": """
stream: visits
object: activities
upsert_key: marker
fields: {marker: id, subject: about, note: text, done: {value: true}}
links:
  - {to: persons, key: person}
  - {to: leads, key: request}
""",
}
RECORDS: Mapping[str, list[dict[str, Any]]] = {
    "companies": [
        {"id": "c1", "name": "Acme", "street": "Main St 1, Springfield", "country": "USA"},
        {"id": "c2", "name": "Bolt", "street": None, "country": None},
    ],
    "people": [{"id": "p1", "name": "Ann", "email": "ann@example.com", "company": "c1"}],
    "orders": [{"id": "o1", "title": "Desk", "amount": 99.5, "company": "c1", "person": "p1"}],
    "requests": [{"id": "r1", "title": "Chairs", "amount": 12, "company": "c2", "person": "p1"}],
    "goods": [{"sku": "D-1", "name": "Desk", "price": 99.5}],
    "visits": [{"id": "v1", "about": "Call", "text": "Busy", "person": "p1", "request": "r1"}],
}


def messages(records: Mapping[str, Iterable[dict[str, Any]]]) -> list[Message]:
    """Streams with their schemas."""
    lines: list[Message] = []
    for stream, rows in records.items():
        key = next(iter(STREAMS[stream]))
        schema = {"type": "object", "properties": STREAMS[stream]}
        head = {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": [key]}
        lines += [head, *(record_message(stream, row) for row in rows)]
    return lines


def mapping(folder: Path, rules: Mapping[str, str]) -> str:
    """A folder of rules."""
    for name, text in rules.items():
        assert len(text.strip().splitlines()) <= 12
        written(folder / "mapping", name, text)
    return str(folder / "mapping")


def run(
    box: Box,
    folder: Path,
    rules: Mapping[str, str] = RULES,
    records: Mapping[str, Iterable[dict[str, Any]]] = RECORDS,
    **config: Any,
) -> Result:
    """Deliver the records by the rules."""
    chosen = {"mapping": mapping(folder, rules), **config}
    return deliver(box, PIPEDRIVE, messages(records), folder, **chosen)


def only(*names: str) -> dict[str, str]:
    """Some of the rules."""
    return {name: text for name, text in RULES.items() if name.partition(".")[0] in names}
