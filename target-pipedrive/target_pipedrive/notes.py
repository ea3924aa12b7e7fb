"""Notes, which only API v1 has.

A note has no key field: its marker, the visible last line of its content, is its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import Hit, Lookup, RowResult
from reverse_etl.crm.http import Purpose
from reverse_etl.crm.notes import note_html, note_parts
from reverse_etl.records import Write
from reverse_etl.values import canonical

from target_pipedrive.api import PipedriveApi, Record
from target_pipedrive.errors import check, created_id
from target_pipedrive.objects import NOTE_FIELDS, NOTES

PERSONS_LISTED_SINGLY = 20
"""Up to this many persons, their notes are listed person by person; beyond, all notes are."""


@dataclass(frozen=True, slots=True)
class Notes:
    """Notes of one company."""

    api: PipedriveApi

    def find(self, lookups: Sequence[Lookup], names: Sequence[str]) -> dict[str, list[Hit]]:
        """Notes by marker, among those of the persons; listings do not lag. Raises: CrmError."""
        persons = {lookup.near["person_id"] for lookup in lookups if "person_id" in lookup.near}
        wanted = {lookup.key for lookup in lookups}
        hits: dict[str, list[Hit]] = {}
        for note in self._listed(persons):
            hit = hit_of(note, names)
            marker = str(hit.current["marker"])
            if marker in wanted and str(note.get("person_id")) in persons:
                hits.setdefault(marker, []).append(hit)
        return hits

    def _listed(self, persons: set[str]) -> Iterator[Record]:
        purpose = Purpose(NOTES, "find")
        if len(persons) > PERSONS_LISTED_SINGLY:
            yield from self.api.pages_v1(NOTES, purpose)
            return
        for person in sorted(persons):
            yield from self.api.pages_v1(NOTES, purpose, f"&person_id={person}")

    def read(self, ids: Sequence[str], names: Sequence[str]) -> dict[str, Hit]:
        """Notes by id; ids that do not exist are left out. Raises: CrmError."""
        notes = {note_id: self.note(note_id, Purpose(NOTES, "read")) for note_id in ids}
        return {note_id: hit_of(note, names) for note_id, note in notes.items() if note is not None}

    def note(self, note_id: str, purpose: Purpose) -> Record | None:
        """A note; None if it does not exist. Raises: CrmError."""
        answer = check(self.api.http.call("GET", f"/api/v1/notes/{note_id}", purpose))
        data = answer.body.get("data") if answer.ok and isinstance(answer.body, dict) else None
        return data if isinstance(data, dict) else None

    def write(self, write: Write) -> RowResult:
        """The result. Raises: AmbiguousAnswerError, BatchRejectedError, CrmError."""
        creating, purpose = write.kind == "create", Purpose(NOTES, "write")
        body: dict[str, Any] = {}
        if creating or "content" in write.fields:
            body["content"] = note_html(str(write.fields.get("content") or ""), write.key)

        if creating:
            body["person_id"] = write.fields["person_id"]
            answer = self.api.create("/api/v1/notes", purpose, body)
        else:
            answer = self.api.update("PUT", f"/api/v1/notes/{write.crm_id}", purpose, body)
        return RowResult(created_id(answer, "note"))


def hit_of(note: Record, names: Sequence[str]) -> Hit:
    """A note with the canonical values of these fields."""
    content, marker = note_parts(note.get("content") or "")
    shown = {"content": content, "marker": marker, "person_id": note.get("person_id")}
    values = {name: canonical(NOTE_FIELDS[name], shown[name]) for name in names}
    return Hit(str(note["id"]), values, shown)
