"""Pipedrive's files, which only API v1 has.

Source: Pipedrive's published openapi-v1.yaml (2026-08).
"""

from __future__ import annotations

from sandbox.http import Call, Reply
from sandbox.multipart import NotMultipartError, form_of
from sandbox.pipedrive.catalog import FILE_OWNERS, KINDS
from sandbox.pipedrive.errors import RefusedError, invalid, not_found
from sandbox.pipedrive.notes import owners_of
from sandbox.pipedrive.responses import success, v1_body, v1_page
from sandbox.pipedrive.state import Company, Record

OWNER_FIELDS = {kind: name for name, kind in FILE_OWNERS.items()}


def upload(call: Call, company: Company) -> Reply:
    """A file of a record."""
    try:
        parts = form_of(call)
    except NotMultipartError as error:
        raise RefusedError(str(error)) from error
    if "file" not in parts or not parts["file"][0]:
        raise invalid("file is required")

    values = {name: content.decode() for name, (_, content) in parts.items() if name in FILE_OWNERS}
    owners = owners_of(company, values, FILE_OWNERS)
    name, content = parts["file"]
    file = {**new_file(company, name, len(content)), **owners}
    company.files[file["id"]] = file
    return success(v1_body(file))


def new_file(company: Company, name: str, size: int) -> Record:
    """A file that belongs to nothing yet."""
    number = len(company.files) + 1
    now = company.now()
    return {
        "id": number,
        "user_id": 1,
        **dict.fromkeys(FILE_OWNERS),
        "add_time": now,
        "update_time": now,
        "file_name": f"{number}_{name}",
        "name": name,
        "file_type": name.rpartition(".")[2],
        "file_size": size,
        "active_flag": True,
        "inline_flag": False,
        "remote_location": "s3",
        "description": "",
    }


def list_files(call: Call, company: Company) -> Reply:
    """Every file."""
    return v1_page(call, active_files(company))


def list_files_of(call: Call, company: Company, kind: str, number: str) -> Reply:
    """Files of one owner."""
    record = company.living(kind, number)
    if record is None:
        raise not_found(KINDS[kind])

    owner = OWNER_FIELDS[kind]
    files = [file for file in active_files(company) if file[owner] == record["id"]]
    return v1_page(call, files)


def active_files(company: Company) -> list[Record]:
    """Files that were not deleted."""
    return [file for file in company.files.values() if file["active_flag"]]


def delete(call: Call, company: Company, number: str) -> Reply:
    """Delete a file."""
    file = company.files.get(int(number)) if number.isdigit() else None
    if file is None or not file["active_flag"]:
        raise not_found("file")
    file["active_flag"] = False
    return success({"id": file["id"]})
