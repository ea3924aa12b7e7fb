"""Notes. A note has no key field: its marker, the visible last line of its body, is its key.

`marker` and `contact` are fields of this package, not HubSpot's. The contact is associated by the
call that creates the note, so that no note is ever without its contact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import Hit, Lookup, RowResult
from reverse_etl.crm.http import Answer, Purpose
from reverse_etl.crm.notes import note_html, note_parts
from reverse_etl.errors import AmbiguousAnswerError
from reverse_etl.records import Write

from target_hubspot.api import HubSpotApi
from target_hubspot.associations import Associations, association_type
from target_hubspot.errors import rejected
from target_hubspot.find import Finder
from target_hubspot.objects import BODY, CONTACT, MARKER, NOTE_FIELDS, NOTES
from target_hubspot.write import properties_of, results_of, traced


@dataclass(frozen=True, slots=True)
class Notes:
    """Notes of one account."""

    api: HubSpotApi
    finder: Finder
    associations: Associations

    def find(self, lookups: Sequence[Lookup], names: Sequence[str]) -> dict[str, list[Hit]]:
        """Notes by marker, among those of the contacts. Raises: CrmError.

        Associations and batch reads see what was just written.
        """
        contacts = [lookup.near[CONTACT] for lookup in lookups if CONTACT in lookup.near]
        contact_of = dict(self.associations.notes_of(list(dict.fromkeys(contacts))))
        wanted = {lookup.key for lookup in lookups}
        properties = [BODY, *(name for name in names if name not in {BODY, *NOTE_FIELDS})]

        hits: dict[str, list[Hit]] = {}
        purpose = Purpose(NOTES, "find")
        for record in self.finder.records(purpose, list(contact_of), properties):
            note_id = str(record["id"])
            shown = shown_properties(record, contact_of.get(note_id))
            if shown[MARKER] in wanted:
                hit = self.finder.fields.hit(NOTES, note_id, shown, names)
                hits.setdefault(shown[MARKER], []).append(hit)
        return hits

    def read(self, ids: Sequence[str], names: Sequence[str]) -> dict[str, Hit]:
        """Notes by id; ids that do not exist are left out. Raises: CrmError."""
        hits = {}
        for record in self.finder.records(Purpose(NOTES, "read"), ids, names):
            shown = shown_properties(record, None)
            note_id = str(record["id"])
            hits[note_id] = self.finder.fields.hit(NOTES, note_id, shown, names)
        return hits

    def write(self, writes: Sequence[Write]) -> list[RowResult]:
        """A result for each write, in order.

        Raises: AmbiguousAnswerError, BatchRejectedError, CrmError.
        """
        creating = writes[0].kind == "create"
        input_of = creation if creating else update
        inputs = [traced(input_of(write), index) for index, write in enumerate(writes)]

        # HubSpot would create a note twice if a create were repeated, so it is sent only once. If
        # the response is lost, or lacks a row, the core looks the notes up before it sends more.
        path = self.api.paths.objects(NOTES, "batch/create" if creating else "batch/update")
        purpose = Purpose(NOTES, "write")
        answer = self.api.post(path, purpose, {"inputs": inputs}, repeatable=not creating)
        if not answer.ok:
            raise rejected(answer)
        results = results_of(with_markers(answer), writes, MARKER)
        if creating and any(result.again for result in results):
            raise AmbiguousAnswerError("HubSpot's answer does not name each of the new notes")
        return results


def shown_properties(record: Mapping[str, Any], contact: str | None) -> dict[str, Any]:
    """A note's properties with marker and contact, its body without the marker."""
    properties = dict(record.get("properties") or {})
    body, marker = note_parts(properties.get(BODY) or "")
    return properties | {BODY: body, MARKER: marker, CONTACT: contact}


def creation(write: Write) -> dict[str, Any]:
    """The input of a create: a note with its marker, on its contact."""
    contact = properties_of(write)[CONTACT]
    types = [association_type(NOTES, "contacts")]
    return {
        "properties": stored_properties(write),
        "associations": [{"to": {"id": contact}, "types": types}],
    }


def update(write: Write) -> dict[str, Any]:
    """The input of an update."""
    return {"id": write.crm_id, "properties": stored_properties(write)}


def stored_properties(write: Write) -> dict[str, str]:
    """A note's properties as HubSpot stores them, the body with its marker."""
    properties = properties_of(write)
    stored = {name: value for name, value in properties.items() if name not in NOTE_FIELDS}
    if BODY in properties or write.kind == "create":
        stored[BODY] = note_html(properties.get(BODY, ""), write.key)
    return stored


def with_markers(answer: Answer) -> Answer:
    """A batch's answer whose results have their markers as a property."""
    if not isinstance(answer.body, dict):
        return answer
    results = [
        {**item, "properties": shown_properties(item, None)}
        for item in answer.body.get("results") or []
    ]
    return Answer(answer.status, {**answer.body, "results": results}, answer.headers)
