"""A Pipedrive company in memory: persons, deals, custom fields, stages, notes, files."""

from __future__ import annotations

import hashlib
from typing import Any

from sandbox.clock import Clock, iso
from sandbox.pipedrive.errors import RefusedError, invalid
from sandbox.pipedrive.fixtures import CURRENCIES, KINDS, STANDARD, field, stages, standard_fields
from sandbox.pipedrive.values import CUSTOM_TYPES, fits_custom, fits_standard

Record = dict[str, Any]


class Company:
    """An account."""

    def __init__(self, clock: Clock, company_id: int, name: str) -> None:
        self.clock, self.company_id, self.name = clock, company_id, name
        self.records: dict[str, dict[int, Record]] = {kind: {} for kind in KINDS}
        self.fields = {kind: standard_fields(kind) for kind in KINDS}
        self.stages = stages(self.now())
        self.notes: dict[int, Record] = {}
        self.files: dict[int, Record] = {}
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
        return {
            entry["field_code"]: entry for entry in self.fields[kind] if entry["is_custom_field"]
        }

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
        required = "name" if kind == "persons" else "title"
        if creating and not values.get(required):
            raise invalid(f"{required} is required")

        for name, value in values.items():
            if name == "custom_fields":
                self._check_custom(kind, value)
            elif name not in STANDARD[kind]:
                raise invalid(f"unknown field {name}")
            else:
                self._check_standard(name, value)

    def _check_standard(self, name: str, value: Any) -> None:
        if name == "currency" and value not in CURRENCIES:
            raise invalid(f"currency {value} is not active in this company")
        if name == "person_id" and value is not None:
            person = self.records["persons"].get(value) if isinstance(value, int) else None
            if person is None or person["is_deleted"]:
                raise RefusedError("Person not found", 400, "person_id does not exist")

        known_stage = name != "stage_id" or value in {stage["id"] for stage in self.stages}
        if not known_stage or not fits_standard(name, value):
            raise invalid(f"{name} has the wrong type or value")

    def _check_custom(self, kind: str, values: Any) -> None:
        if not isinstance(values, dict):
            raise invalid("custom_fields is an object")

        known = self.custom(kind)
        for key, value in values.items():
            if key not in known:
                raise invalid(f"custom field {key} does not exist")
            if value is not None and not fits_custom(known[key], value):
                name = known[key]["field_name"]
                raise invalid(f"custom field {name} has the wrong type or value")

    def write(self, kind: str, record: Record | None, values: dict[str, Any]) -> Record:
        """Create or update a record with a checked body."""
        if record is None:
            self._next_id += 1
            record = self._blank(kind, self._next_id)
            self.records[kind][self._next_id] = record

        for name, value in values.items():
            if name == "custom_fields":
                record["custom_fields"] |= value
            elif name in ("emails", "phones"):
                record[name] = with_labels(value)
            else:
                record[name] = value
        if kind == "deals" and "stage_id" in values:
            self._enter_stage(record)

        record["update_time"] = self.now()
        return record

    def _enter_stage(self, deal: Record) -> None:
        stage = next(entry for entry in self.stages if entry["id"] == deal["stage_id"])
        deal["stage_change_time"] = self.now()
        deal["pipeline_id"] = stage["pipeline_id"]

    def _blank(self, kind: str, number: int) -> Record:
        common = {
            "id": number,
            "owner_id": 1,
            "add_time": self.now(),
            "update_time": self.now(),
            "is_deleted": False,
            "visible_to": 3,
            "label_ids": [],
            "custom_fields": {},
        }
        if kind == "persons":
            return {**common, "name": "", "emails": [], "phones": []}
        return {
            **common,
            "title": "",
            "pipeline_id": 1,
            "stage_id": self.stages[0]["id"],
            "value": 0,
            "currency": "USD",
            "status": "open",
            "is_archived": False,
            "probability": None,
            "lost_reason": None,
            "close_time": None,
        }


def with_labels(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """E-mail addresses or phone numbers; the first is the primary one unless they say otherwise."""
    return [
        {"label": "work", "primary": place == 0, **entry} for place, entry in enumerate(entries)
    ]
