"""Pipedrive's merges of two persons, deals or organizations, which only API v1 has.

Source: Pipedrive's published openapi-v1.yaml (2026-08).
"""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.pipedrive.catalog import BODY
from sandbox.pipedrive.errors import RefusedError
from sandbox.pipedrive.files import OWNER_FIELDS
from sandbox.pipedrive.records import body_of
from sandbox.pipedrive.responses import record_body, success
from sandbox.pipedrive.state import Company, Record


def merge(call: Call, company: Company, kind: str, number: str) -> Reply:
    """One of two: `merge_with_id` is kept and its values stand; what belongs to the other goes
    over to it.
    """
    keep_id: Any = body_of(call).get("merge_with_id")
    records = company.records[kind]
    kept = records.get(keep_id) if isinstance(keep_id, int) else None
    other = records.get(int(number)) if number.isdigit() else None
    if kept is None or other is None or other["is_deleted"] or kept is other:
        raise RefusedError("Parameters validation failed: merge_with_id", 404)

    merge_into(company, kind, kept, other)
    return success(record_body(company, kind, kept))


def merge_into(company: Company, kind: str, kept: Record, other: Record) -> None:
    """Give a record what another one has, and delete that."""
    fill(kept, other)
    hand_over(company, kind, other["id"], kept["id"])
    other["is_deleted"] = True


def fill(kept: Record, other: Record) -> None:
    """Add what only the other record has in its custom fields.

    Source: Pipedrive, Merging two Persons, read 2026-11-29.
    """
    for code, value in other["custom_fields"].items():
        if kept["custom_fields"].get(code) is None:
            kept["custom_fields"][code] = value


def hand_over(company: Company, kind: str, old_id: int, new_id: int) -> None:
    """Move the notes and files of a record, and those linked to it, to another."""
    owner = OWNER_FIELDS[kind]
    for row in (*company.notes.values(), *company.files.values()):
        if row.get(owner) == old_id:
            row[owner] = new_id

    for holder, body in BODY.items():
        for name in (name for name, wanted in body.items() if wanted == kind):
            for record in company.records[holder].values():
                if record.get(name) == old_id:
                    record[name] = new_id
