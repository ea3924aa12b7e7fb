"""Notes, tasks and other objects without a key field.

The key is the marker, the visible last line of a text. `marker` and the fields that hold the ids
of the records it belongs to are this package's, not HubSpot's. These records are associated by the
call that creates the object, so that none is ever without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import Hit, Lookup, RowResult
from reverse_etl.crm.http import Answer, Purpose
from reverse_etl.crm.notes import note_html, note_parts
from reverse_etl.errors import AmbiguousAnswerError, NoSuchLinkError
from reverse_etl.objects import LinkForm, LinkWanted, ObjectSpec
from reverse_etl.records import Write
from reverse_etl.values import FieldInfo

from target_hubspot.api import HubSpotApi
from target_hubspot.associations import Associations
from target_hubspot.errors import rejected
from target_hubspot.find import Finder
from target_hubspot.link_types import LinkTypes
from target_hubspot.write import properties_of, results_of, traced

MARKER = "marker"
MAX_MARKER = 200
PARENT_FIELDS = {"contacts": "contact"}
"""Fields that hold the id of the other record, where they are not named like its object.

Ledgers know the field of contacts by this name.
"""


def parent_field(object_name: str) -> str:
    """The field that holds the id of a record of this object."""
    return PARENT_FIELDS.get(object_name, object_name)


@dataclass(frozen=True, slots=True)
class Keyless:
    """Objects without a key field, of one account."""

    api: HubSpotApi
    finder: Finder
    associations: Associations
    types: LinkTypes
    specs: Callable[[], Mapping[str, ObjectSpec]]
    """What is known of the objects, by name."""

    def holds(self, object_name: str) -> bool:
        """Returns True if an object has no key field."""
        return bool(self.body_field(object_name))

    def body_field(self, object_name: str) -> str:
        """The text whose last line is the marker; empty if an object has a key field."""
        spec = self.specs().get(object_name)
        return spec.marker_in if spec else ""

    def fields(self) -> dict[str, FieldInfo]:
        """The fields that are this package's: the marker, and the records it belongs to."""
        parents = [parent_field(name) for name in self.specs()]
        return {
            MARKER: FieldInfo(MARKER, "text", max_length=MAX_MARKER, unique=True, trims=True),
            **{name: FieldInfo(name, "text") for name in parents},
        }

    def _parents(self, names: Iterable[str]) -> dict[str, str]:
        """Objects by the field that holds the id of their records, for some of the fields."""
        parents = {parent_field(name): name for name in self.specs()}
        return {name: parents[name] for name in names if name in parents}

    def link_form(self, object_name: str, wanted: LinkWanted) -> LinkForm:
        """A reference that is written on creation. Raises: NoSuchLinkError, CrmError."""
        if wanted.label or wanted.field:
            raise NoSuchLinkError(
                f"HubSpot links {object_name} to {wanted.to} without a label or a field.",
                "Take `label` and `field` out of the link.",
            )
        self.types.plain(object_name, wanted.to)
        return LinkForm(wanted.to, "reference", field=parent_field(wanted.to), on_create=True)

    def find(
        self, object_name: str, lookups: Sequence[Lookup], names: Sequence[str]
    ) -> dict[str, list[Hit]]:
        """Records by marker, among those of the records they belong to. Raises: CrmError.

        Associations and batch reads see what was just written.
        """
        owned: dict[str, dict[str, str]] = {}
        near = {field for lookup in lookups for field in lookup.near}
        for field, parent in self._parents(near).items():
            ids = dict.fromkeys(lookup.near[field] for lookup in lookups if field in lookup.near)
            for record_id, parent_id in self.associations.of(parent, object_name, list(ids)):
                owned.setdefault(record_id, {})[field] = parent_id

        body, shown_by_us = self.body_field(object_name), self.fields()
        properties = [body, *(name for name in names if name not in {body, *shown_by_us})]
        wanted = {lookup.key for lookup in lookups}
        hits: dict[str, list[Hit]] = {}
        purpose = Purpose(object_name, "find")
        for record in self.finder.records(purpose, list(owned), properties):
            record_id = str(record["id"])
            shown = shown_properties(record, body) | owned.get(record_id, {})
            if shown[MARKER] in wanted:
                hit = self.finder.fields.hit(object_name, record_id, shown, names)
                hits.setdefault(shown[MARKER], []).append(hit)
        return hits

    def read(self, object_name: str, ids: Sequence[str], names: Sequence[str]) -> dict[str, Hit]:
        """Records by id; ids that do not exist are left out. Raises: CrmError."""
        hits = {}
        body = self.body_field(object_name)
        for record in self.finder.records(Purpose(object_name, "read"), ids, names):
            shown = shown_properties(record, body)
            record_id = str(record["id"])
            hits[record_id] = self.finder.fields.hit(object_name, record_id, shown, names)
        return hits

    def write(self, object_name: str, writes: Sequence[Write]) -> list[RowResult]:
        """A result for each write, in order.

        Raises: AmbiguousAnswerError, BatchRejectedError, CrmError.
        """
        creating = writes[0].kind == "create"
        input_of = self._creation if creating else self._update
        inputs = [traced(input_of(object_name, write), index) for index, write in enumerate(writes)]

        # HubSpot would create a note twice if a create were repeated, so it is sent only once. If
        # the response is lost, or lacks a row, the core looks the notes up before it sends more.
        path = self.api.paths.objects(object_name, "batch/create" if creating else "batch/update")
        purpose = Purpose(object_name, "write")
        answer = self.api.post(path, purpose, {"inputs": inputs}, repeatable=not creating)
        if not answer.ok:
            raise rejected(answer)
        shown = with_markers(answer, self.body_field(object_name))
        results = results_of(shown, writes, MARKER)
        if creating and any(result.again for result in results):
            raise AmbiguousAnswerError("HubSpot's answer does not name each of the new records")
        return results

    def _creation(self, object_name: str, write: Write) -> dict[str, Any]:
        """The input of a create: a record with its marker, on those it belongs to."""
        properties = properties_of(write)
        associations = [
            {"to": {"id": properties[field]}, "types": [self.types.plain(object_name, parent)]}
            for field, parent in self._parents(properties).items()
            if properties[field]
        ]
        return {"properties": self._stored(object_name, write), "associations": associations}

    def _update(self, object_name: str, write: Write) -> dict[str, Any]:
        """The input of an update."""
        return {"id": write.crm_id, "properties": self._stored(object_name, write)}

    def _stored(self, object_name: str, write: Write) -> dict[str, str]:
        """A record's properties as HubSpot stores them, the body with its marker."""
        properties, ours = properties_of(write), self.fields()
        body = self.body_field(object_name)
        stored = {name: value for name, value in properties.items() if name not in ours}
        if body in properties or write.kind == "create":
            stored[body] = note_html(properties.get(body, ""), write.key)
        return stored


def shown_properties(record: Mapping[str, Any], body: str) -> dict[str, Any]:
    """A record's properties with its marker, the body without it."""
    properties = dict(record.get("properties") or {})
    text, marker = note_parts(properties.get(body) or "")
    return properties | {body: text, MARKER: marker}


def with_markers(answer: Answer, body: str) -> Answer:
    """A batch's answer whose results have their markers as a property."""
    if not isinstance(answer.body, dict):
        return answer
    results = [
        {**item, "properties": shown_properties(item, body)}
        for item in answer.body.get("results") or []
    ]
    return Answer(answer.status, {**answer.body, "results": results}, answer.headers)
