"""Pipedrive's notes, which only API v1 has.

Source: Pipedrive's published openapi-v1.yaml (2026-08).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.http import Call, Reply
from sandbox.pipedrive.catalog import KINDS, OWNERS
from sandbox.pipedrive.errors import invalid, not_found
from sandbox.pipedrive.records import body_of
from sandbox.pipedrive.responses import only, success, v1_body, v1_page
from sandbox.pipedrive.state import Company, Record, RecordId

LONGEST_NOTE = 65_535


def owners_of(
    company: Company, values: Mapping[str, Any], known: Mapping[str, str] = OWNERS
) -> dict[str, RecordId]:
    """What a note or a file belongs to.

    Raises: RefusedError.
    """
    owners: dict[str, RecordId] = {}
    for name, kind in known.items():
        if values.get(name) in (None, ""):
            continue
        record = company.living(kind, values[name])
        if record is None:
            raise not_found(KINDS[kind])
        owners[name] = record["id"]

    if not owners:
        raise invalid("person_id, deal_id, org_id, lead_id or project_id is required")
    return owners


def list_notes(call: Call, company: Company) -> Reply:
    """Notes, of one owner where asked."""
    only(call, (*OWNERS, "start", "limit"))
    wanted = {name: call.query[name] for name in OWNERS if name in call.query}
    notes = []
    for note in company.notes.values():
        asked_for = all(str(note.get(name)) == number for name, number in wanted.items())
        if note["active_flag"] and asked_for:
            notes.append(note)
    return v1_page(call, notes)


def create(call: Call, company: Company) -> Reply:
    """A new note."""
    body = body_of(call)
    content = body.get("content")
    if not isinstance(content, str) or not 0 < len(content) <= LONGEST_NOTE:
        raise invalid("content is required and holds at most 65535 characters")

    owners = owners_of(company, body)
    number = len(company.notes) + 1
    now = company.now()
    company.notes[number] = {
        "id": number,
        "user_id": 1,
        **dict.fromkeys(OWNERS),
        "content": content,
        "add_time": now,
        "update_time": now,
        "active_flag": True,
        "last_update_user_id": None,
        **owners,
    }
    return success(v1_body(company.notes[number]))


def note_of(company: Company, number: str) -> Record:
    """The note a path names.

    Raises: RefusedError.
    """
    note = company.notes.get(int(number)) if number.isdigit() else None
    if note is None or not note["active_flag"]:
        raise not_found("note")
    return note


def get(call: Call, company: Company, number: str) -> Reply:
    """One note."""
    return success(v1_body(note_of(company, number)), rows=1)


def update(call: Call, company: Company, number: str) -> Reply:
    """Change a note."""
    note, body = note_of(company, number), body_of(call)
    content = body.get("content", "")
    if not isinstance(content, str) or len(content) > LONGEST_NOTE:
        raise invalid("content")

    note |= {name: body[name] for name in ("content", *OWNERS) if name in body}
    note["update_time"] = company.now()
    return success(v1_body(note))


def delete(call: Call, company: Company, number: str) -> Reply:
    """Delete a note."""
    note_of(company, number)["active_flag"] = False
    return success(True)
