"""HubSpot's file manager: uploads and look-ups."""

from __future__ import annotations

import json
from typing import Any

from sandbox.http import Call, Reply
from sandbox.hubspot.errors import RefusedError, invalid, not_found
from sandbox.hubspot.responses import list_reply
from sandbox.hubspot.state import Portal
from sandbox.multipart import NotMultipartError, form_of

ACCESS = (
    "PUBLIC_INDEXABLE",
    "PUBLIC_NOT_INDEXABLE",
    "HIDDEN_INDEXABLE",
    "HIDDEN_NOT_INDEXABLE",
    "PRIVATE",
    "HIDDEN_PRIVATE",
)
FILES_ORIGIN = "https://hubspot.example.com"
"""Where files say they are served from; they are not served."""


def upload(call: Call, portal: Portal) -> Reply:
    """Create a file, or return the existing one if the request says so."""
    try:
        parts = form_of(call)
    except NotMultipartError as error:
        raise RefusedError("VALIDATION_ERROR", str(error), status=415) from error

    options = json.loads(parts.get("options", ("", b"{}"))[1] or b"{}")
    if "file" not in parts or options.get("access") not in ACCESS:
        raise invalid("file and options.access are required")
    if ("folderId" in parts) == ("folderPath" in parts):
        raise invalid("One of folderId and folderPath is required")

    file_name, content = parts["file"]
    name = parts["fileName"][1].decode() if "fileName" in parts else file_name
    folder = (parts.get("folderPath") or parts["folderId"])[1].decode()

    path = f"{folder}/{name}"
    existing = next((file for file in portal.files.values() if file["path"] == path), None)
    if existing is not None and options.get("duplicateValidationStrategy") == "RETURN_EXISTING":
        return Reply(201, existing)
    return Reply(201, add_file(portal, folder, name, len(content), options["access"]))


def add_file(portal: Portal, folder: str, name: str, size: int, access: str) -> dict[str, Any]:
    """Add a file to a portal, without its content."""
    now = portal.now()
    stem, _, extension = name.rpartition(".")
    file_id = str(max(map(int, portal.files), default=50_000) + 1)
    portal.files[file_id] = {
        "id": file_id,
        "createdAt": now,
        "updatedAt": now,
        "archived": False,
        "path": f"{folder}/{name}",
        "name": stem or name,
        "extension": extension,
        "type": "DOCUMENT",
        "size": size,
        "access": access,
        "isUsableInContent": True,
        "url": f"{FILES_ORIGIN}/files/{name}",
        "defaultHostingUrl": "",
        "parentFolderId": "1",
    }
    return portal.files[file_id]


def search(call: Call, portal: Portal) -> Reply:
    """Files by name."""
    wanted = call.query.get("name", "")
    files = [file for file in portal.files.values() if not wanted or file["name"] == wanted]
    return list_reply(files)


def get(call: Call, portal: Portal, file_id: str) -> Reply:
    """One file."""
    if file_id not in portal.files:
        raise not_found(f"File not found: {file_id}")
    return Reply(200, portal.files[file_id], rows=1)
