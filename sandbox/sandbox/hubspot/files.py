"""HubSpot's file manager: uploads, look-ups."""

from __future__ import annotations

import json
from typing import Any

from sandbox.clock import iso
from sandbox.http import Call, Reply
from sandbox.hubspot.api import HubSpot
from sandbox.hubspot.state import Portal, RowError
from sandbox.multipart import NoForm, form_of

ACCESS = (
    "PUBLIC_INDEXABLE",
    "PUBLIC_NOT_INDEXABLE",
    "HIDDEN_INDEXABLE",
    "HIDDEN_NOT_INDEXABLE",
    "PRIVATE",
    "HIDDEN_PRIVATE",
)

route = HubSpot.router.add


@route("POST", "/files/v3/files")
def upload(api: HubSpot, call: Call, portal: Portal) -> Reply:
    """A new file, or the one that is there already where that is asked for."""
    try:
        parts = form_of(call)
    except NoForm as error:
        raise RowError("VALIDATION_ERROR", str(error), status=415) from error
    options = json.loads(parts.get("options", ("", b"{}"))[1] or b"{}")
    if "file" not in parts or options.get("access") not in ACCESS:
        raise RowError("VALIDATION_ERROR", "file and options.access are required")
    if ("folderId" in parts) == ("folderPath" in parts):
        raise RowError("VALIDATION_ERROR", "One of folderId and folderPath is required")
    file_name, body = parts["file"]
    name = parts["fileName"][1].decode() if "fileName" in parts else file_name
    folder = (parts.get("folderPath") or parts["folderId"])[1].decode()
    there = next((one for one in portal.files.values() if one["path"] == f"{folder}/{name}"), None)
    if there is not None and options.get("duplicateValidationStrategy") == "RETURN_EXISTING":
        return Reply(201, there)
    made = new_file(api, portal, folder, name, body, options["access"])
    return Reply(201, made)


def new_file(
    api: HubSpot, portal: Portal, folder: str, name: str, body: bytes, access: str
) -> dict[str, Any]:
    """A file in a folder."""
    now = iso(api.clock.now(), 3)
    stem, _, extension = name.rpartition(".")
    made = {
        "id": str(50_000 + len(portal.files) + 1), "createdAt": now, "updatedAt": now, "archived": False, "path": f"{folder}/{name}",
        "name": stem or name, "extension": extension, "type": "DOCUMENT", "size": len(body), "access": access,
        "isUsableInContent": True, "url": f"{call_origin(api)}/files/{name}", "defaultHostingUrl": "", "parentFolderId": "1",
    }  # fmt: skip
    portal.files[str(made["id"])] = made
    return made


def call_origin(api: HubSpot) -> str:
    """Where files would be served; they are not."""
    return f"https://{api.name}.example.com"


@route("GET", "/files/v3/files/search")
def search_files(api: HubSpot, call: Call, portal: Portal) -> Reply:
    """Files by name."""
    wanted = call.query.get("name", "")
    found = [one for one in portal.files.values() if not wanted or one["name"] == wanted]
    return Reply(200, {"results": found}, rows=len(found))


@route("GET", "/files/v3/files/{file_id}")
def get_file(api: HubSpot, call: Call, portal: Portal, file_id: str) -> Reply:
    """One file."""
    if file_id not in portal.files:
        raise RowError("OBJECT_NOT_FOUND", f"File not found: {file_id}", status=404)
    return Reply(200, portal.files[file_id], rows=1)
