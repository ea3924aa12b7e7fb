"""Pipedrive's notes, files and merges, which only API v1 has.

Source: Pipedrive's published openapi-v1.yaml (2026-08).
"""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.multipart import NoForm, form_of
from sandbox.pipedrive.api import Pipedrive, body_of
from sandbox.pipedrive.state import KINDS, Company, Refused

OWNERS = {"person_id": "persons", "deal_id": "deals"}
PAGE = 100
LONGEST_NOTE = 65_535

route = Pipedrive.router.add


def told(row: dict[str, Any]) -> dict[str, Any]:
    """A row as answered; the specification knows no null here."""
    return {name: value for name, value in row.items() if value is not None}


def listed(call: Call, records: list[dict[str, Any]]) -> Reply:
    """A page of a v1 listing."""
    start, limit = int(call.query.get("start") or 0), min(int(call.query.get("limit") or PAGE), 500)
    page = records[start : start + limit]
    more = start + limit < len(records)
    pagination: dict[str, Any] = {"start": start, "limit": limit, "more_items_in_collection": more}
    if more:
        pagination["next_start"] = start + limit
    return Reply(
        200,
        {
            "success": True,
            "data": [told(one) for one in page],
            "additional_data": {"pagination": pagination},
        },
        rows=len(page),
    )


def owners_of(company: Company, given: dict[str, Any]) -> dict[str, int]:
    """What a note or file belongs to. Raises: Refused."""
    found = {}
    for name, kind in OWNERS.items():
        if given.get(name) in (None, ""):
            continue
        number = int(given[name])
        record = company.records[kind].get(number)
        if record is None or record["is_deleted"]:
            raise Refused(f"{KINDS[kind].capitalize()} not found", 404)
        found[name] = number
    if not found:
        raise Refused(
            "Parameters validation failed: person_id, deal_id, org_id, lead_id or project_id is required"
        )
    return found


@route("GET", "/api/v1/notes")
def list_notes(api: Pipedrive, call: Call, company: Company) -> Reply:
    """Notes, of one owner where asked."""
    found = [
        one
        for one in company.notes.values()
        if one["active_flag"]
        and all(str(one.get(name)) == call.query[name] for name in OWNERS if name in call.query)
    ]
    return listed(call, found)


@route("POST", "/api/v1/notes")
def create_note(api: Pipedrive, call: Call, company: Company) -> Reply:
    """A new note."""
    given = body_of(call)
    if (
        not isinstance(given.get("content"), str)
        or not given["content"]
        or len(given["content"]) > LONGEST_NOTE
    ):
        raise Refused(
            "Parameters validation failed: content is required and holds at most 65535 characters"
        )
    owners = owners_of(company, given)
    number = len(company.notes) + 1
    now = company.now()
    company.notes[number] = {
        "id": number, "user_id": 1, "deal_id": None, "person_id": None, "org_id": None, "lead_id": None, "content": given["content"],
        "add_time": now, "update_time": now, "active_flag": True, "last_update_user_id": None, **owners,
    }  # fmt: skip
    return Reply(200, {"success": True, "data": told(company.notes[number])})


def note_of(company: Company, number: str) -> dict[str, Any]:
    """The note a path names. Raises: Refused."""
    note = company.notes.get(int(number)) if number.isdigit() else None
    if note is None or not note["active_flag"]:
        raise Refused("Note not found", 404)
    return note


@route("GET", "/api/v1/notes/{number}")
def get_note(api: Pipedrive, call: Call, company: Company, number: str) -> Reply:
    """One note."""
    return Reply(200, {"success": True, "data": told(note_of(company, number))}, rows=1)


@route("PUT", "/api/v1/notes/{number}")
def update_note(api: Pipedrive, call: Call, company: Company, number: str) -> Reply:
    """Change a note."""
    note, given = note_of(company, number), body_of(call)
    if "content" in given and (
        not isinstance(given["content"], str) or len(given["content"]) > LONGEST_NOTE
    ):
        raise Refused("Parameters validation failed: content")
    note |= {name: given[name] for name in ("content", *OWNERS) if name in given}
    note["update_time"] = company.now()
    return Reply(200, {"success": True, "data": told(note)})


@route("DELETE", "/api/v1/notes/{number}")
def delete_note(api: Pipedrive, call: Call, company: Company, number: str) -> Reply:
    """Delete a note."""
    note_of(company, number)["active_flag"] = False
    return Reply(200, {"success": True, "data": True})


@route("POST", "/api/v1/files")
def upload(api: Pipedrive, call: Call, company: Company) -> Reply:
    """A file of a person or a deal."""
    try:
        parts = form_of(call)
    except NoForm as error:
        raise Refused(str(error)) from error
    if "file" not in parts or not parts["file"][0]:
        raise Refused("Parameters validation failed: file is required")
    owners = owners_of(
        company, {name: body.decode() for name, (_, body) in parts.items() if name in OWNERS}
    )
    name, body = parts["file"]
    number = len(company.files) + 1
    now = company.now()
    company.files[number] = {
        "id": number, "user_id": 1, "deal_id": None, "person_id": None, "org_id": None, "add_time": now, "update_time": now,
        "file_name": f"{number}_{name}", "name": name, "file_type": name.rpartition(".")[2], "file_size": len(body), "active_flag": True,
        "inline_flag": False, "remote_location": "s3", "description": "", **owners,
    }  # fmt: skip
    return Reply(200, {"success": True, "data": told(company.files[number])})


@route("GET", "/api/v1/files")
def list_files(api: Pipedrive, call: Call, company: Company) -> Reply:
    """Every file."""
    return listed(call, [one for one in company.files.values() if one["active_flag"]])


def register(kind: str, owner: str) -> None:
    """Listings of one owner's files."""

    @route("GET", f"/api/v1/{kind}/{{number}}/files")
    def files_of(api: Pipedrive, call: Call, company: Company, number: str) -> Reply:
        """Files of one owner."""
        if not number.isdigit() or int(number) not in company.records[kind]:
            raise Refused(f"{KINDS[kind].capitalize()} not found", 404)
        return listed(
            call,
            [
                one
                for one in company.files.values()
                if one["active_flag"] and one[owner] == int(number)
            ],
        )

    @route("PUT", f"/api/v1/{kind}/{{number}}/merge")
    def merge(api: Pipedrive, call: Call, company: Company, number: str) -> Reply:
        """One of two: `merge_with_id` is kept and its values stand; what belongs to the other goes over to it."""
        keep_id = body_of(call).get("merge_with_id")
        records = company.records[kind]
        other = records.get(int(number)) if number.isdigit() else None
        if (
            not isinstance(keep_id, int)
            or keep_id not in records
            or other is None
            or other["is_deleted"]
            or keep_id == int(number)
        ):
            raise Refused("Parameters validation failed: merge_with_id", 404)
        for note_or_file in (*company.notes.values(), *company.files.values()):
            if note_or_file[owner] == int(number):
                note_or_file[owner] = keep_id
        if kind == "persons":
            for deal in company.records["deals"].values():
                if deal.get("person_id") == int(number):
                    deal["person_id"] = keep_id
        other["is_deleted"] = True
        return Reply(200, {"success": True, "data": company.shown(kind, records[keep_id])})


for one_owner, one_kind in OWNERS.items():
    register(one_kind, one_owner)
