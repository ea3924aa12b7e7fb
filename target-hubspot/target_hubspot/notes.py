"""Notes and their files. A note has no key: its marker is the visible last line of its body.

`marker` and `contact` are fields of this package, not HubSpot's: the first is that line, the second the contact that the
note is made on, in the same call, so that no note is ever without its contact.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import Attachment, Hit, Lookup
from reverse_etl.crm.http import Answer, CrmHttp, Purpose, Upload
from reverse_etl.crm.notes import note_html, note_parts
from reverse_etl.errors import BatchRejectedError, CrmError, RowError
from reverse_etl.records import Write
from reverse_etl.values import FieldInfo

from target_hubspot.api import Paths, check, row_fault
from target_hubspot.objects import ASSOCIATION_READ_LIMIT, ASSOCIATION_TYPES

NOTES = "notes"
MARKER, CONTACT, BODY, FILES = "marker", "contact", "hs_note_body", "hs_attachment_ids"
FOLDER = "/canai"
UPLOAD_OPTIONS = {
    "access": "PRIVATE",
    "overwrite": False,
    "duplicateValidationStrategy": "RETURN_EXISTING",
    "duplicateValidationScope": "EXACT_FOLDER",
}
"""A file of that name in the folder is returned, not made again. Source: HubSpot, Files guide, read 2026-11-23."""
VIRTUAL = {
    MARKER: FieldInfo(MARKER, "text", max_length=200, unique=True, trims=True),
    CONTACT: FieldInfo(CONTACT, "text"),
}

MakeHit = Callable[[str, str, Mapping[str, Any]], Hit]
ReadRecords = Callable[
    [str, str | None, Sequence[str], Sequence[str], str], Iterator[dict[str, Any]]
]


def shown(record: Mapping[str, Any], contact: str | None) -> dict[str, Any]:
    """A note's properties, its body without the marker, which is a property of its own."""
    own = dict(record.get("properties") or {})
    own[BODY], own[MARKER] = note_parts(own.get(BODY) or "")
    own[CONTACT] = contact
    return own


def creation(write: Write, properties: dict[str, str]) -> dict[str, Any]:
    """The input of a create: body with marker, and the contact it belongs to."""
    contact = properties.pop(CONTACT)
    spec = {
        "associationCategory": "HUBSPOT_DEFINED",
        "associationTypeId": ASSOCIATION_TYPES[(NOTES, "contacts")],
    }
    return {
        "properties": with_marker(write, properties),
        "associations": [{"to": {"id": contact}, "types": [spec]}],
    }


def with_marker(write: Write, properties: dict[str, str]) -> dict[str, str]:
    """Properties as HubSpot keeps them."""
    kept = {name: value for name, value in properties.items() if name not in VIRTUAL}
    if BODY in properties or write.kind == "create":
        kept[BODY] = note_html(properties.get(BODY, ""), write.key)
    return kept


@dataclass(slots=True)
class Notes:
    """Notes of one account."""

    http: CrmHttp
    paths: Paths
    read: ReadRecords

    def find(
        self, lookups: Sequence[Lookup], fields: Sequence[str], hit: MakeHit
    ) -> dict[str, list[Hit]]:
        """Notes by marker among those of the contact: associations and batch reads do not lag. Raises: CrmError."""
        contacts = list(dict.fromkeys(one.near[CONTACT] for one in lookups if CONTACT in one.near))
        holders = dict(self._notes_of(contacts))
        wanted = {one.key for one in lookups}
        names = list(dict.fromkeys([BODY, *(name for name in fields if name not in VIRTUAL)]))
        hits: dict[str, list[Hit]] = {}
        for record in self.read(NOTES, None, list(holders), names, "find"):
            own = shown(record, holders.get(str(record["id"])))
            if own[MARKER] in wanted:
                hits.setdefault(own[MARKER], []).append(hit(NOTES, str(record["id"]), own))
        return hits

    def _notes_of(self, contacts: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Ids of notes, and the contact of each. Raises: CrmError."""
        for start in range(0, len(contacts), ASSOCIATION_READ_LIMIT):
            body = {
                "inputs": [{"id": one} for one in contacts[start : start + ASSOCIATION_READ_LIMIT]]
            }
            path = self.paths.associations("contacts", NOTES, "batch/read")
            answer = check(self.http.call("POST", path, Purpose(NOTES, "find"), json=body))
            if not answer.ok or not isinstance(answer.body, dict):
                raise CrmError(
                    f"HubSpot answered {answer.status} to a read of associations.",
                    "Run again; check the token's read scopes.",
                )
            for one in answer.body.get("results") or []:
                for end in one["to"]:
                    yield str(end["toObjectId"]), str(one["from"]["id"])

    def attach(self, crm_id: str, file: Attachment, *, new: bool) -> bool:
        """Upload a file, which HubSpot keeps once, and name it in the note. Raises: BatchRejectedError, RowError, CrmError."""
        held = [] if new else self._files_of(crm_id)
        if any(self._name_of(one) == file.name for one in held):
            return False
        file_id = self._upload(file)
        if file_id in held:
            return False
        properties = {FILES: ";".join([*held, file_id])}
        body = {"inputs": [{"id": crm_id, "properties": properties}]}
        answer = check(
            self.http.call(
                "POST",
                self.paths.objects(NOTES, "batch/update"),
                Purpose(NOTES, "attach"),
                json=body,
            )
        )
        self._good(answer)
        return True

    def _files_of(self, crm_id: str) -> list[str]:
        record = next(self.read(NOTES, None, [crm_id], [FILES], "attach"), None)
        if record is None:
            raise RowError(
                "note_gone", "the note is not there any more", "sync it again with a full refresh"
            )
        return [
            one for one in str((record.get("properties") or {}).get(FILES) or "").split(";") if one
        ]

    def _name_of(self, file_id: str) -> str:
        answer = check(
            self.http.call("GET", f"{self.paths.files()}/{file_id}", Purpose(NOTES, "attach"))
        )
        if not answer.ok or not isinstance(answer.body, dict):
            return ""
        return ".".join(
            part for part in (answer.body.get("name"), answer.body.get("extension")) if part
        )

    def _upload(self, file: Attachment) -> str:
        with file.open() as content:
            body = content.read()
        parts = {
            "file": (file.name, body, file.media_type),
            "folderPath": (None, FOLDER),
            "options": (None, json.dumps(UPLOAD_OPTIONS)),
        }
        answer = check(
            self.http.call(
                "POST",
                self.paths.files(),
                Purpose(NOTES, "attach"),
                upload=Upload(files=lambda: parts),
            )
        )
        self._good(answer)
        return str(answer.body["id"])

    @staticmethod
    def _good(answer: Answer) -> None:
        """Raises: BatchRejectedError."""
        body = answer.body if isinstance(answer.body, dict) else {}
        if not answer.ok or body.get("errors"):
            raise BatchRejectedError(row_fault(body))
