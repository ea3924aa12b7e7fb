"""A HubSpot portal in memory: records, properties, associations, and the rules of writing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.clock import Clock, iso
from sandbox.hubspot.association_types import AssociationType, AssociationTypes
from sandbox.hubspot.definitions import (
    DEFAULT_GROUP,
    LIFECYCLE,
    default_properties,
    property_group,
)
from sandbox.hubspot.errors import (
    RefusedError,
    end_not_found,
    invalid,
    invalid_association,
    required,
    value_taken,
)
from sandbox.hubspot.object_types import OBJECT_TYPES, TYPE_NAMES, shown_name
from sandbox.hubspot.values import stored, text_of, value_error

Record = dict[str, Any]
End = tuple[str, str]
"""An object and the id of a record."""
PIPELINES = {"deals": ("pipeline", "default"), "tickets": ("hs_pipeline", "0")}
"""The property and the pipeline of a record that is created without one."""
REQUIRED = {
    "deals": ("dealname", "dealstage"),
    "tickets": ("subject", "hs_pipeline_stage"),
    "products": ("name",),
    "notes": ("hs_timestamp",),
    "tasks": ("hs_timestamp",),
    "calls": ("hs_timestamp",),
    "meetings": ("hs_timestamp",),
}
"""Properties that a new record needs. Source: HubSpot's guide to each object, read 2026-11-29."""
EITHER = {"contacts": ("email", "firstname", "lastname"), "companies": ("name", "domain")}
"""Properties of which a new record needs one. Source: as above."""
SEARCH_LAG_S = 10.0
"""Seconds until a write shows in searches. HubSpot speaks of a few moments, and gives no number.

Source: HubSpot, Search the CRM, read 2026-11-29.
"""


class Portal:
    """An account. `switches` are the emulator's, shared by all portals."""

    def __init__(self, clock: Clock, portal_id: int, switches: Mapping[str, bool]) -> None:
        self.clock, self.portal_id, self.switches = clock, portal_id, switches
        self.records: dict[str, dict[str, Record]] = {kind: {} for kind in OBJECT_TYPES}
        self.properties = default_properties()
        self.groups = {
            kind: {DEFAULT_GROUP: property_group(DEFAULT_GROUP, "Information")}
            for kind in OBJECT_TYPES
        }
        self.unique: dict[tuple[str, str], dict[str, str]] = {}
        """Record ids by value, for each object and unique property."""
        self.association_types = AssociationTypes()
        self.associations: dict[End, dict[End, set[AssociationType]]] = {}
        """Association types by the two ends."""
        self.schemas: dict[str, dict[str, Any]] = {}
        """Custom objects by name."""
        self.further_emails: dict[str, str] = {}
        """Contacts by the addresses in hs_additional_emails, which identify them just as well."""
        self.merged: dict[End, str] = {}
        """Ids of the records that others were merged into."""
        self.files: dict[str, dict[str, Any]] = {}
        self.removed_places: set[tuple[str, str]] = set()  # ids of stages and pipelines, by object
        self.newly_required = ""
        """The property that every write needs while a `refuse_all` strikes; empty for none."""
        self._next_id = 100

    def now(self) -> str:
        """HubSpot's timestamp: UTC, milliseconds."""
        return iso(self.clock.now(), 3)

    def kind_of(self, name: str) -> str | None:
        """The object that a path names: by name or type id, a custom one by its full name.

        Source: recorded answers in public repositories (the bare name of a custom object is
        refused), read 2026-11-29.
        """
        if name in TYPE_NAMES:
            return TYPE_NAMES[name]

        for kind, schema in self.schemas.items():
            if name in (schema["objectTypeId"], schema["fullyQualifiedName"]):
                return kind
        return None

    def type_id(self, kind: str) -> str:
        """The type id of an object."""
        return OBJECT_TYPES.get(kind) or str(self.schemas[kind]["objectTypeId"])

    def live(self, kind: str) -> list[Record]:
        """Records that are not in the recycle bin."""
        return [record for record in self.records[kind].values() if not record["archived"]]

    def find(self, kind: str, value: str, id_property: str | None = None) -> Record | None:
        """A live record by id or by a unique property."""
        if id_property in (None, "hs_object_id"):
            record = self.records[kind].get(self.merged.get((kind, value), value))
            return record if record and not record["archived"] else None

        wanted = value.strip().lower() if id_property == "email" else value
        holder = self.holder_of(kind, str(id_property), wanted)
        return self.records[kind].get(holder) if holder else None

    def holder_of(self, kind: str, name: str, value: str) -> str | None:
        """The id of the record that holds a value of a unique property."""
        holder = self.unique.get((kind, name), {}).get(value)
        if holder is None and (kind, name) == ("contacts", "email"):
            return self.further_emails.get(value)
        return holder

    def check_id_property(self, kind: str, name: str) -> None:
        """Check that a property identifies records.

        Raises: RefusedError.
        """
        known = self.properties[kind].get(name)
        if known is None or not known["hasUniqueValue"]:
            number = self.type_id(kind)
            raise invalid(f"Unable to perform update/upsert by non-unique {number} property {name}")

    def check(self, kind: str, values: dict[str, Any], record: Record | None) -> dict[str, str]:
        """The values as they will be kept; `record` is None for a create.

        Raises: RefusedError.
        """
        kept = {}
        for name, value in values.items():
            kept[name] = self._check_value(kind, name, text_of(value), record)

        if self.newly_required and not kept.get(self.newly_required):
            raise required(shown_name(kind), [self.newly_required])
        if record is None:
            self._check_required(kind, kept)
        self._check_attachments(kept.get("hs_attachment_ids", ""))
        return kept

    def _check_value(self, kind: str, name: str, value: str, record: Record | None) -> str:
        known = self.properties[kind].get(name)
        if known is None:
            message = f'Property "{name}" does not exist'
            raise invalid(message, code="PROPERTY_DOESNT_EXIST", prop=name)

        error = value_error(known, value)
        if error:
            raise invalid(error[1], code=error[0], prop=name)

        kept = stored(known, value)
        holder = self.holder_of(kind, name, kept) if known["hasUniqueValue"] and kept else None
        if holder and (record is None or holder != record["id"]):
            raise value_taken(kind, name, holder)
        return kept

    def _check_attachments(self, file_ids: str) -> None:
        unknown = set(filter(None, file_ids.split(";"))) - set(self.files)
        if unknown:
            raise invalid(f"unknown files {sorted(unknown)}", prop="hs_attachment_ids")

    def write(self, kind: str, record: Record | None, kept: dict[str, str]) -> Record:
        """Create or update a record with checked values."""
        now = self.now()
        if record is None:
            record = self._new_record(kind, now)
            name, first = PIPELINES.get(kind, ("", ""))
            kept = {name: first, **kept} if name else kept
        elif self.has_settled(record):
            record["searched"] = dict(record["properties"])
        record["writtenAt"] = self.clock.now()
        for name, value in kept.items():
            self._set(kind, record, name, value)
        record["updatedAt"] = record["properties"]["lastmodifieddate"] = now
        return record

    def has_settled(self, record: Record) -> bool:
        """Returns True if searches show a record as it is now."""
        age = self.clock.now() - record["writtenAt"]
        return bool(age.total_seconds() >= SEARCH_LAG_S)

    def searched(self, kind: str) -> list[Record]:
        """Live records as searches see them: what was just written is missing, or is as before."""
        seen = []
        for record in self.live(kind):
            if self.has_settled(record):
                seen.append(record)
            elif "searched" in record:
                seen.append({**record, "properties": record["searched"]})
        return seen

    def _new_record(self, kind: str, now: str) -> Record:
        self._next_id += 1
        record_id = str(self._next_id)
        record: Record = {
            "id": record_id,
            "properties": {"hs_object_id": record_id, "createdate": now},
            "createdAt": now,
            "updatedAt": now,
            "archived": False,
        }
        self.records[kind][record_id] = record
        return record

    def _set(self, kind: str, record: Record, name: str, value: str) -> None:
        present = record["properties"].get(name, "")
        if name == "lifecyclestage" and goes_back(present, value):
            # HubSpot moves a lifecycle stage only forward; to go back, it is cleared first.
            return

        if (kind, name) == ("contacts", "hs_additional_emails"):
            self._set_further_emails(record["id"], value)
        if self.properties[kind][name]["hasUniqueValue"]:
            index = self.unique.setdefault((kind, name), {})
            if present:
                index.pop(present, None)
            if value:
                index[value] = record["id"]
        record["properties"][name] = value

    def _set_further_emails(self, record_id: str, value: str) -> None:
        others = {
            address: holder
            for address, holder in self.further_emails.items()
            if holder != record_id
        }
        addresses = [address.strip().lower() for address in value.split(";") if address.strip()]
        self.further_emails = others | dict.fromkeys(addresses, record_id)

    def archive(self, kind: str, record: Record) -> None:
        """Move a record into the recycle bin, which frees its unique values."""
        record["archived"] = True
        for (indexed_kind, name), index in self.unique.items():
            if indexed_kind == kind:
                index.pop(record["properties"].get(name, ""), None)

    def restore(self, kind: str, record: Record) -> None:
        """Take a record out of the recycle bin, where it keeps the values that are still free."""
        record["archived"] = False
        for name, value in record["properties"].items():
            if self.properties[kind].get(name, {}).get("hasUniqueValue") and value:
                self.unique.setdefault((kind, name), {}).setdefault(value, record["id"])

    def drop_property(self, kind: str, name: str) -> None:
        """Delete a property and its values."""
        del self.properties[kind][name]
        self.unique.pop((kind, name), None)
        for record in self.records[kind].values():
            record["properties"].pop(name, None)

    def lead_to(self, kind: str, old_id: str, new_id: str) -> None:
        """Let the id of a merged record, and its associations, lead to another record."""
        for known, target in self.merged.items():
            if target == old_id and known[0] == kind:
                self.merged[known] = new_id
        self.merged[kind, old_id] = new_id
        for end, types in self.associations.pop((kind, old_id), {}).items():
            self.associations.setdefault((kind, new_id), {}).setdefault(end, set()).update(types)
            back = self.associations[end].pop((kind, old_id), set())
            self.associations[end].setdefault((kind, new_id), set()).update(back)

    def associate(
        self, start: End, end: End, spec: dict[str, Any] | None = None
    ) -> AssociationType:
        """Link two records both ways; returns the type, the one without a label if none is given.

        A link with a label is one without, too.
        Source: recorded answers in public repositories, read 2026-11-29.

        Raises: RefusedError.
        """
        (kind, _), (to_kind, _) = start, end
        plain = self.association_types.plain(kind, to_kind)
        wanted = self.association_types.of(kind, to_kind, spec) if spec else plain
        if wanted is None:
            raise invalid_association("HUBSPOT_DEFINED", 0)

        for error in self.missing_ends(start, end):
            raise error
        self._add_link(start, end, wanted)
        if plain is not None:
            self._add_link(start, end, plain)
        return wanted

    def missing_ends(self, start: End, end: End) -> list[RefusedError]:
        """What a link is refused for if one of its ends, or each, does not exist."""
        return [
            end_not_found(name, shown_name(kind).lower(), record_id)
            for name, (kind, record_id) in (("FROM", start), ("TO", end))
            if self.find(kind, record_id) is None
        ]

    def _add_link(self, start: End, end: End, there: AssociationType) -> None:
        back = self.association_types.back(start[0], end[0], there)
        self.associations.setdefault(start, {}).setdefault(end, set()).add(there)
        self.associations.setdefault(end, {}).setdefault(start, set()).add(back)

    def dissociate(self, start: End, end: End, spec: dict[str, Any]) -> None:
        """Remove a type from a link, both ways; all types go with the plain one.

        Source: HubSpot, API reference of batch/labels/archive, read 2026-11-29.

        Raises: RefusedError.
        """
        there = self.association_types.of(start[0], end[0], spec)
        known = self.associations.get(start, {}).get(end, set())
        gone = set(known) if there.label is None else known & {there}
        for association_type in gone:
            known.remove(association_type)
            back = self.association_types.back(start[0], end[0], association_type)
            self.associations[end][start].discard(back)

    def links(self, kind: str, record_id: str) -> list[dict[str, Any]]:
        """Associations of a record with live records."""
        links = []
        for (to_kind, to_id), types in self.associations.get((kind, record_id), {}).items():
            if self.find(to_kind, to_id) is None:
                continue
            for known in sorted(types, key=lambda known: known.key):
                link = {"object": to_kind, "id": to_id, "type": known.id, "label": known.label}
                links.append({**link, "category": known.category})
        return links

    def _check_required(self, kind: str, kept: dict[str, str]) -> None:
        """Check that a new record has the properties HubSpot requires. Raises: RefusedError."""
        names = REQUIRED.get(kind, ())
        if kind in self.schemas:
            names = tuple(self.schemas[kind]["requiredProperties"])
        missing = [name for name in names if not kept.get(name)]
        either = EITHER.get(kind, ())
        if either and not any(kept.get(name) for name in either):
            missing = list(either)
        if missing:
            raise required(shown_name(kind), missing)


def goes_back(present: str, wanted: str) -> bool:
    """Returns True if the wanted lifecycle stage comes before the present one."""

    def rank(stage: str) -> int:
        return LIFECYCLE.index(stage) if stage in LIFECYCLE else -1

    return bool(wanted and present) and rank(wanted) < rank(present)
