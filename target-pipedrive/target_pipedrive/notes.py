"""Notes and files, which only API v1 has. A note's key is its marker, the visible last line; a file is known by its name.

`marker` is a field of this package, not Pipedrive's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import Attachment, Hit, Lookup, RowResult
from reverse_etl.crm.http import Answer, CrmHttp, Purpose, Upload
from reverse_etl.crm.notes import note_html, note_parts
from reverse_etl.errors import AmbiguousAnswerError, BatchRejectedError, CrmError, RowError
from reverse_etl.records import Write
from reverse_etl.values import FieldInfo, canonical

from target_pipedrive.api import check, row_fault

NOTES = "notes"
PAGE = 500
"""Rows of a v1 listing's page. Source: Pipedrive openapi-v1 (2026-08)."""
OWNERS_ONE_BY_ONE = 20
"""Up to so many persons their notes are listed person by person, else all notes are."""
INFOS = {
    "marker": FieldInfo("marker", "text", max_length=200, unique=True, trims=True),
    "content": FieldInfo("content", "text", max_length=60_000),
    "person_id": FieldInfo("person_id", "integer"),
}
"""A note holds 65,535 characters of HTML; the text is kept below, since escaping makes it longer."""


@dataclass(slots=True)
class Notes:
    """Notes and files of one company."""

    http: CrmHttp

    def find(self, lookups: Sequence[Lookup], fields: Sequence[str]) -> dict[str, list[Hit]]:
        """Notes by marker; listings do not lag. Raises: CrmError."""
        persons = {one.near["person_id"] for one in lookups if "person_id" in one.near}
        wanted = {one.key for one in lookups}
        hits: dict[str, list[Hit]] = {}
        for note in self._listed(persons) if persons else ():
            hit = self._hit(note, fields)
            marker = str(hit.current["marker"])
            if marker in wanted and str(note.get("person_id")) in persons:
                hits.setdefault(marker, []).append(hit)
        return hits

    def _listed(self, persons: set[str]) -> Iterator[Mapping[str, Any]]:
        if len(persons) > OWNERS_ONE_BY_ONE:
            yield from self._pages(NOTES, "", "find")
            return
        for person in sorted(persons):
            yield from self._pages(NOTES, f"&person_id={person}", "find")

    def _pages(self, path: str, more: str, purpose: str) -> Iterator[Mapping[str, Any]]:
        start = 0
        while True:
            answer = check(
                self.http.call(
                    "GET",
                    f"/api/v1/{path}?start={start}&limit={PAGE}{more}",
                    Purpose(NOTES, purpose),
                )
            )
            if not answer.ok or not isinstance(answer.body, dict):
                raise CrmError(
                    f"Pipedrive answered {answer.status} to a listing of {path}.",
                    "Check the token's permissions.",
                )
            yield from answer.body.get("data") or []
            pages = (answer.body.get("additional_data") or {}).get("pagination") or {}
            if not pages.get("more_items_in_collection"):
                return
            start = int(pages["next_start"])

    @staticmethod
    def _hit(note: Mapping[str, Any], fields: Sequence[str]) -> Hit:
        content, marker = note_parts(note.get("content") or "")
        own = {"content": content, "marker": marker, "person_id": note.get("person_id")}
        return Hit(
            str(note["id"]), {name: canonical(INFOS[name], own[name]) for name in fields}, own
        )

    def read(self, crm_ids: Sequence[str], fields: Sequence[str]) -> dict[str, Hit]:
        """Notes by id."""
        found = {}
        for crm_id in crm_ids:
            note = self._note(crm_id, "read")
            if note is not None:
                found[crm_id] = self._hit(note, fields)
        return found

    def _note(self, crm_id: str, purpose: str) -> Mapping[str, Any] | None:
        answer = check(self.http.call("GET", f"/api/v1/notes/{crm_id}", Purpose(NOTES, purpose)))
        data = answer.body.get("data") if answer.ok and isinstance(answer.body, dict) else None
        return data if isinstance(data, dict) else None

    def write(self, write: Write) -> RowResult:
        """One note. Raises: AmbiguousAnswerError for a create without an answer, BatchRejectedError."""
        creating = write.kind == "create"
        body: dict[str, Any] = {}
        if creating or "content" in write.fields:
            body["content"] = note_html(str(write.fields.get("content") or ""), write.key)
        if creating:
            body["person_id"] = write.fields["person_id"]
        method, path = (
            ("POST", "/api/v1/notes") if creating else ("PUT", f"/api/v1/notes/{write.crm_id}")
        )
        answer = check(
            self.http.call(
                method, path, Purpose(NOTES, "write"), json=body, repeatable=not creating
            )
        )
        return RowResult(self._id_of(answer, "note"))

    def attach(self, crm_id: str, file: Attachment) -> bool:
        """A file of the note's person, unless it has one of that name. Raises: AmbiguousAnswerError, BatchRejectedError, RowError."""
        note = self._note(crm_id, "attach")
        if note is None or not note.get("person_id"):
            raise RowError(
                "note_gone", "the note is not there any more", "sync it again with a full refresh"
            )
        person = str(note["person_id"])
        if any(
            one.get("name") == file.name
            for one in self._pages(f"persons/{person}/files", "", "attach")
        ):
            return False
        with file.open() as content:
            body = content.read()
        parts = {"file": (file.name, body, file.media_type), "person_id": (None, person)}
        upload = Upload(files=lambda: parts)
        self._id_of(
            check(
                self.http.call(
                    "POST",
                    "/api/v1/files",
                    Purpose(NOTES, "attach"),
                    upload=upload,
                    repeatable=False,
                )
            ),
            "file",
        )
        return True

    @staticmethod
    def _id_of(answer: Answer, what: str) -> str:
        """The id of what was made. Raises: AmbiguousAnswerError, BatchRejectedError."""
        if not answer.ok:
            raise BatchRejectedError(row_fault(answer))
        data = answer.body.get("data") if isinstance(answer.body, dict) else None
        if not isinstance(data, dict) or "id" not in data:
            raise AmbiguousAnswerError(f"Pipedrive answered with success and no {what}")
        return str(data["id"])
