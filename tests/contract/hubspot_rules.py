"""Rules for objects of HubSpot that the target ships none for, and records for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from box import Box
from crms import HUBSPOT
from support import Message, Result, deliver

RULES = {
    "firms.company.yml": """
        stream: firms
        object: companies
        upsert_key: firm_id
        match_by: [domain]
        fields:
          firm_id: id
          name: name
          domain: domain
          numberofemployees: staff
        links:
          - {to: contacts, key: bill_to, by: email, label: Billing contact}
        """,
    "cases.ticket.yml": """
        stream: cases
        object: tickets
        upsert_key: case_id
        fields:
          case_id: id
          subject: title
          hs_pipeline_stage: {value: Waiting on us, write: on_create}
        links:
          - {to: companies, key: domain, by: domain}
        """,
    "goods.product.yml": """
        stream: goods
        object: products
        upsert_key: goods_code
        fields:
          goods_code: code
          name: name
          price: price
        """,
    "sales.line_item.yml": """
        stream: sales
        object: line_items
        upsert_key: sale_id
        fields:
          sale_id: id
          name: name
          quantity: quantity
        links:
          - {to: deals, key: deal, by: dealname}
        """,
    "plans.service_plan.yml": """
        stream: plans
        object: service_plan
        fields:
          plan_code: code
          seats: seats
          renewed_on: renewed
        links:
          - {to: companies, key: firm}
        """,
    "todos.task.yml": """
        stream: todos
        object: tasks
        fields:
          marker: id
          hs_task_subject: title
          hs_task_body: text
          hs_timestamp: due
        links:
          - {to: companies, key: firm}
        """,
    "objects.yml": """
        namespace: Acme
        objects:
          service_plan: {key: plan_code, label: Service plan}
          tasks: {marker: hs_task_body, required: [hs_timestamp]}
        """,
}
ROWS: Mapping[str, list[dict[str, Any]]] = {
    "firms": [
        {
            "id": "f1",
            "name": "Ann",
            "domain": "Ann.example",
            "staff": 5,
            "bill_to": "a@ann.example",
        },
        {"id": "f2", "name": "Bo", "domain": "bo.example", "staff": 7, "bill_to": None},
    ],
    "cases": [{"id": "c1", "title": "Broken", "plan": "p1", "domain": "ann.EXAMPLE"}],
    "goods": [{"code": "g1", "name": "Chair", "price": 12.5}],
    "sales": [{"id": "s1", "name": "Chair", "quantity": 3, "deal": "Big deal"}],
    "plans": [{"code": "p1", "seats": 4, "renewed": "2026-01-05", "firm": "f2"}],
    "todos": [
        {
            "id": "todo 1",
            "title": "Call",
            "text": "soon",
            "due": "2026-01-05T00:00:00Z",
            "firm": "f1",
        }
    ],
}
TYPES = {"staff": "integer", "price": "number", "quantity": "integer", "seats": "integer"}
FORMATS = {"due": "date-time", "renewed": "date"}


def mapping(folder: Path, **changed: str) -> Path:
    """A folder of the rules above, one of them changed by the stem of its stream."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in RULES.items():
        lines = changed.get(name.partition(".")[0], text).splitlines()
        (folder / name).write_text("\n".join(line[8:] for line in lines))
    return folder


def messages(*streams: str) -> list[Message]:
    """Schemas, records and a state."""
    lines: list[Message] = []
    for stream in streams or tuple(ROWS):
        properties = {}
        for name in ROWS[stream][0]:
            properties[name] = {"type": [TYPES.get(name, "string"), "null"]}
            if name in FORMATS:
                properties[name]["format"] = FORMATS[name]  # type: ignore[assignment]
        schema = {"type": "object", "properties": properties}
        lines.append({"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []})
        lines += [{"type": "RECORD", "stream": stream, "record": row} for row in ROWS[stream]]
    return [*lines, {"type": "STATE", "value": {}}]


def by_hand(box: Box, kind: str, **properties: str) -> str:
    """The id of a record created by hand."""
    path = f"/hubspot/crm/v3/objects/{kind}"
    return str(box.call("POST", path, {"properties": properties}, HUBSPOT.headers())["id"])


def run(box: Box, folder: Path, *streams: str, **more: Any) -> Result:
    """A run of the rules, at a time when searches show everything before it."""
    box.advance(11)
    rules = more.pop("rules", None) or mapping(folder / "rules")
    return deliver(box, HUBSPOT, messages(*streams), folder, mapping=str(rules), **more)
