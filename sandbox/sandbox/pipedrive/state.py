"""A Pipedrive company in memory: records, custom fields, stages, notes, files."""

from __future__ import annotations

import copy
import hashlib
import uuid
from typing import Any

from sandbox.clock import Clock, iso
from sandbox.pipedrive.catalog import BODY, KINDS, NO_CUSTOM, READ_ONLY, REQUIRED, fields_of
from sandbox.pipedrive.errors import RefusedError, invalid, not_given
from sandbox.pipedrive.fixtures import CURRENCIES, field, stages, standard_fields
from sandbox.pipedrive.values import BODY_VALUES, CUSTOM_TYPES, REFERENCES, fits_custom

Record = dict[str, Any]
RecordId = int | str
"""A lead's id is a UUID; any other record's is a number."""
BLANKS: dict[str, Record] = {
    "persons": {"name": "", "emails": [], "phones": [], "label_ids": []},
    "deals": {
        "title": "",
        "pipeline_id": 1,
        "stage_id": 1,
        "value": 0,
        "currency": "USD",
        "status": "open",
        "is_archived": False,
        "probability": None,
        "lost_reason": None,
        "close_time": None,
        "label_ids": [],
    },
    "organizations": {"name": "", "label_ids": []},
    "products": {"name": "", "is_linkable": True, "tax": 0, "prices": []},
    "activities": {"type": "call", "busy": False, "done": False},
    "leads": {
        "title": "",
        "creator_id": 1,
        "label_ids": [],
        "person_id": None,
        "organization_id": None,
        "source_name": "API",
        "origin": "API",
        "origin_id": None,
        "is_archived": False,
        "was_seen": False,
        "value": None,
        "expected_close_date": None,
    },
}
"""What a new record holds beside what every record does."""


class Company:
    """An account."""

    def __init__(self, clock: Clock, company_id: int, name: str) -> None:
        self.clock, self.company_id, self.name = clock, company_id, name
        self.records: dict[str, dict[RecordId, Record]] = {kind: {} for kind in KINDS}
        self.fields = {kind: standard_fields(kind) for kind in KINDS}
        self.stages = stages(self.now())
        self.notes: dict[int, Record] = {}
        self.files: dict[int, Record] = {}
        self.newly_required = ""
        """The field that every write needs while a `refuse_all` strikes; empty for none."""
        self._next_id, self._next_option = 0, 0

    def now(self) -> str:
        """Pipedrive's timestamp: UTC, whole seconds."""
        return iso(self.clock.now())[:19] + "Z"

    def live(self, kind: str) -> list[Record]:
        """Records that a listing shows."""
        return [
            record
            for record in self.records[kind].values()
            if not record["is_deleted"] and not record.get("is_archived")
        ]

    def custom(self, kind: str) -> dict[str, dict[str, Any]]:
        """Custom fields by key."""
        fields = self.fields[fields_of(kind)]
        return {entry["field_code"]: entry for entry in fields if entry["is_custom_field"]}

    def living(self, kind: str, record_id: Any) -> Record | None:
        """A record that is not deleted, by its id or the text of its id; None if there is none."""
        if isinstance(record_id, str) and kind != "leads":
            record_id = int(record_id) if record_id.isdigit() else None
        record = self.records[kind].get(record_id)
        return None if record is None or record["is_deleted"] else record

    def add_field(self, kind: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Define a custom field; names need not be unique.

        Raises: RefusedError.
        """
        name, field_type = wanted.get("field_name"), wanted.get("field_type")
        if not isinstance(name, str) or not name or field_type not in CUSTOM_TYPES:
            raise invalid("field_name and a known field_type are required")
        if field_type in ("enum", "set") and not wanted.get("options"):
            raise invalid("options are required for enum and set fields")

        seed = f"{self.company_id}/{kind}/{name}/{len(self.fields[kind])}"
        code = hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest()
        added = field(name, code, field_type, custom=True)
        if wanted.get("options"):
            added["options"] = self.new_options(wanted["options"])
        self.fields[kind].append(added)
        return added

    def new_options(self, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Options with ids."""
        options = []
        for entry in wanted:
            self._next_option += 1
            option = {
                "id": self._next_option,
                "label": entry["label"],
                "color": None,
                "add_time": self.now(),
                "update_time": None,
            }
            options.append(option)
        return options

    def check(self, kind: str, values: dict[str, Any], *, creating: bool) -> None:
        """Check values against the strict types of v2.

        Raises: RefusedError.
        """
        if self.newly_required and not values.get(self.newly_required):
            raise not_given(KINDS[kind], self.newly_required)
        for name in REQUIRED[kind] if creating else ():
            if not values.get(name):
                raise invalid(f"{name} is required")

        for name, value in values.items():
            if name == "custom_fields" and kind not in NO_CUSTOM:
                self._check_custom(kind, value)
            elif name in READ_ONLY.get(kind, ()):
                raise invalid(f"{name} is read-only")
            elif name not in BODY[kind]:
                raise invalid(f"unknown field {name}")
            else:
                self._check_standard(name, BODY[kind][name], value)

    def _check_standard(self, name: str, wanted: str, value: Any) -> None:
        if wanted in KINDS:
            self._check_reference(name, wanted, value)
        elif wanted == "currency":
            if value not in CURRENCIES:
                raise invalid(f"currency {value} is not active in this company")
        elif wanted == "stage":
            if value not in {stage["id"] for stage in self.stages}:
                raise invalid(f"{name} has the wrong type or value")
        elif wanted == "participants" and self._unknown_person(value):
            raise RefusedError("Person not found", 400, f"{name} names a person who does not exist")
        elif not BODY_VALUES[wanted](value):
            raise invalid(f"{name} has the wrong type or value")

    def _unknown_person(self, participants: Any) -> bool:
        if not BODY_VALUES["participants"](participants):
            return False
        return any(self.living("persons", entry["person_id"]) is None for entry in participants)

    def _check_reference(self, name: str, kind: str, value: Any) -> None:
        if value is None:
            return
        if isinstance(value, str) != (kind == "leads"):
            raise invalid(f"{name} has the wrong type or value")
        if self.living(kind, value) is None:
            raise RefusedError(
                f"{KINDS[kind].capitalize()} not found", 400, f"{name} does not exist"
            )

    def _check_custom(self, kind: str, values: Any) -> None:
        if not isinstance(values, dict):
            raise invalid("custom_fields is an object")

        known = self.custom(kind)
        for key, value in values.items():
            if key not in known:
                raise invalid(f"custom field {key} does not exist")
            if value is None:
                continue
            name, field_type = known[key]["field_name"], known[key]["field_type"]
            if not fits_custom(known[key], value):
                raise invalid(f"custom field {name} has the wrong type or value")
            if field_type in REFERENCES:
                self._check_reference(name, REFERENCES[field_type], value)

    def write(self, kind: str, record: Record | None, values: dict[str, Any]) -> Record:
        """Create or update a record with a checked body."""
        if record is None:
            record = self._blank(kind, self._new_id(kind))
            self.records[kind][record["id"]] = record

        for name, value in values.items():
            if name == "custom_fields":
                record["custom_fields"] |= value
            elif name in ("emails", "phones"):
                record[name] = with_labels(value)
            elif name == "participants":
                record |= with_participants(value)
            else:
                record[name] = value
        if kind == "deals" and "stage_id" in values:
            self._enter_stage(record)

        record["update_time"] = self.now()
        return record

    def _new_id(self, kind: str) -> RecordId:
        self._next_id += 1
        if kind == "leads":
            return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.company_id}/{self._next_id}"))
        return self._next_id

    def _enter_stage(self, deal: Record) -> None:
        stage = next(entry for entry in self.stages if entry["id"] == deal["stage_id"])
        deal["stage_change_time"] = self.now()
        deal["pipeline_id"] = stage["pipeline_id"]

    def _blank(self, kind: str, record_id: RecordId) -> Record:
        common: Record = {
            "id": record_id,
            "owner_id": 1,
            "add_time": self.now(),
            "update_time": self.now(),
            "is_deleted": False,
            "visible_to": 3,
            "custom_fields": {},
        }
        return {**common, **copy.deepcopy(BLANKS[kind])}


def with_labels(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """E-mail addresses or phone numbers; the first is the primary one unless they say otherwise."""
    return [
        {"label": "work", "primary": place == 0, **entry} for place, entry in enumerate(entries)
    ]


def with_participants(entries: list[dict[str, Any]]) -> Record:
    """Participants of an activity, and the person that it shows for them: the primary one."""
    participants = [{"primary": place == 0, **entry} for place, entry in enumerate(entries)]
    primary = next((entry for entry in participants if entry["primary"]), None)
    return {"participants": participants, "person_id": primary["person_id"] if primary else None}
