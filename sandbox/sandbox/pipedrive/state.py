"""A Pipedrive company in memory: persons, deals, custom fields, stages, and the strict types of API v2.

Source: Pipedrive's published openapi-v2.yaml (2026-08) and the v2 migration guide.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from sandbox.clock import Clock, iso

KINDS = {"persons": "person", "deals": "deal"}
STAGE_NAMES = (
    "Qualified",
    "Contact Made",
    "Demo Scheduled",
    "Proposal Made",
    "Negotiations Started",
)
CURRENCIES = {"USD", "EUR", "GBP", "CHF", "CAD", "AUD", "JPY", "SEK", "NOK", "DKK", "PLN", "BRL"}
VARCHAR_LENGTH = 255
CUSTOM_TYPES = {
    "varchar",
    "varchar_auto",
    "text",
    "double",
    "monetary",
    "date",
    "enum",
    "set",
    "phone",
}
DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
STANDARD = {
    "persons": {
        "name": "varchar", "owner_id": "user", "org_id": "org", "add_time": "date", "update_time": "date", "emails": "varchar",
        "phones": "phone", "visible_to": "int", "label_ids": "set", "marketing_status": "enum",
    },
    "deals": {
        "title": "varchar", "owner_id": "user", "person_id": "people", "org_id": "org", "pipeline_id": "int",
        "stage_id": "stage", "value": "double", "currency": "varchar", "is_deleted": "boolean", "is_archived": "boolean",
        "archive_time": "date", "status": "status", "probability": "double", "lost_reason": "varchar", "visible_to": "int",
        "close_time": "date", "won_time": "date", "lost_time": "date", "expected_close_date": "date", "label_ids": "set",
        "add_time": "date", "update_time": "date",
    },
}  # fmt: skip


class Refused(Exception):
    """A body Pipedrive does not take."""

    def __init__(self, message: str, status: int = 400, info: str = ""):
        super().__init__(message)
        self.message, self.status, self.info = message, status, info


class Company:
    """One account."""

    def __init__(self, clock: Clock, company_id: int, name: str) -> None:
        self.clock, self.company_id, self.name = clock, company_id, name
        self.records: dict[str, dict[int, dict[str, Any]]] = {kind: {} for kind in KINDS}
        self.fields: dict[str, list[dict[str, Any]]] = {
            kind: self._standard_fields(kind) for kind in KINDS
        }
        self.stages = [
            {
                "id": number,
                "order_nr": number,
                "name": name,
                "is_deleted": False,
                "deal_probability": 100,
                "pipeline_id": 1,
                "is_deal_rot_enabled": False,
                "days_to_rotten": None,
                "add_time": self.now(),
                "update_time": self.now(),
            }
            for number, name in enumerate(STAGE_NAMES, 1)
        ]
        self.stages += [
            {**self.stages[0], "id": number, "order_nr": number, "name": name, "pipeline_id": 2}
            for number, name in enumerate(("Met", "Agreed"), len(STAGE_NAMES) + 1)
        ]
        self.notes: dict[int, dict[str, Any]] = {}
        self.files: dict[int, dict[str, Any]] = {}
        self._next_id, self._next_option = 0, 0

    def now(self) -> str:
        """Pipedrive's timestamp: UTC, whole seconds."""
        return iso(self.clock.now())[:19] + "Z"

    @staticmethod
    def _standard_fields(kind: str) -> list[dict[str, Any]]:
        return [
            {
                "field_name": code.replace("_", " ").capitalize(),
                "field_code": code,
                "field_type": field_type,
                "is_custom_field": False,
                "is_optional_response_field": False,
                "description": "",
            }
            for code, field_type in STANDARD[kind].items()
        ]

    def add_field(self, kind: str, given: dict[str, Any]) -> dict[str, Any]:
        """Define a custom field; names need not be unique. Raises: Refused."""
        name, field_type = given.get("field_name"), given.get("field_type")
        if not isinstance(name, str) or not name or field_type not in CUSTOM_TYPES:
            raise Refused(
                "Parameters validation failed: field_name and a known field_type are required"
            )
        if field_type in ("enum", "set") and not given.get("options"):
            raise Refused(
                "Parameters validation failed: options are required for enum and set fields"
            )
        seed = f"{self.company_id}/{kind}/{name}/{len(self.fields[kind])}"
        made = {
            "field_name": name,
            "field_code": hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest(),
            "field_type": field_type,
            "is_custom_field": True,
            "is_optional_response_field": False,
            "description": "",
        }
        if given.get("options"):
            made["options"] = self.new_options(given["options"])
        self.fields[kind].append(made)
        return made

    def new_options(self, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Options with ids."""
        made = []
        for one in wanted:
            self._next_option += 1
            made.append(
                {
                    "id": self._next_option,
                    "label": one["label"],
                    "color": None,
                    "add_time": self.now(),
                    "update_time": None,
                }
            )
        return made

    def custom(self, kind: str) -> dict[str, dict[str, Any]]:
        """Custom fields by key."""
        return {one["field_code"]: one for one in self.fields[kind] if one["is_custom_field"]}

    def check(self, kind: str, given: dict[str, Any], *, creating: bool) -> None:
        """Raises: Refused for what v2's strict types do not take."""
        required = "name" if kind == "persons" else "title"
        if creating and not given.get(required):
            raise Refused(f"Parameters validation failed: {required} is required")
        for name, value in given.items():
            if name == "custom_fields":
                self._check_custom(kind, value)
            elif name not in STANDARD[kind]:
                raise Refused(f"Parameters validation failed: unknown field {name}")
            else:
                self._check_standard(kind, name, value)

    def _check_standard(self, kind: str, name: str, value: Any) -> None:
        bad = Refused(f"Parameters validation failed: {name} has the wrong type or value")
        if name in ("name", "title") and (
            not isinstance(value, str) or not value or len(value) > VARCHAR_LENGTH
        ):
            raise bad
        if name in ("emails", "phones"):
            if not isinstance(value, list) or not all(
                isinstance(one, dict) and isinstance(one.get("value"), str) for one in value
            ):
                raise bad
            if name == "emails" and any(not EMAIL.match(one["value"]) for one in value):
                raise bad
        if name == "value" and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise bad
        if name == "currency" and value not in CURRENCIES:
            raise Refused(
                f"Parameters validation failed: currency {value} is not active in this company"
            )
        if name == "stage_id" and value not in {one["id"] for one in self.stages}:
            raise bad
        if name == "person_id" and value is not None:
            person = self.records["persons"].get(value) if isinstance(value, int) else None
            if person is None or person["is_deleted"]:
                raise Refused("Person not found", 400, "person_id does not exist")
        if name == "expected_close_date" and not (isinstance(value, str) and DATE.match(value)):
            raise bad
        if name == "status" and value not in ("open", "won", "lost"):
            raise bad

    def _check_custom(self, kind: str, given: Any) -> None:
        if not isinstance(given, dict):
            raise Refused("Parameters validation failed: custom_fields is an object")
        known = self.custom(kind)
        for key, value in given.items():
            field = known.get(key)
            if field is None:
                raise Refused(f"Parameters validation failed: custom field {key} does not exist")
            if value is not None and not self._fits(field, value):
                raise Refused(
                    f"Parameters validation failed: custom field {field['field_name']} has the wrong type or value"
                )

    @staticmethod
    def _fits(field: dict[str, Any], value: Any) -> bool:
        match field["field_type"]:
            case "varchar" | "varchar_auto" | "phone":
                return isinstance(value, str) and len(value) <= VARCHAR_LENGTH
            case "text":
                return isinstance(value, str)
            case "double":
                return isinstance(value, (int, float)) and not isinstance(value, bool)
            case "monetary":
                return isinstance(value, dict) and value.get("currency") in CURRENCIES
            case "date":
                return isinstance(value, str) and bool(DATE.match(value))
            case "enum":
                return value in {one["id"] for one in field["options"]} and not isinstance(
                    value, bool
                )
            case "set":
                return (
                    isinstance(value, list)
                    and bool(value)
                    and set(value) <= {one["id"] for one in field["options"]}
                )
        return False

    def write(
        self, kind: str, record: dict[str, Any] | None, given: dict[str, Any]
    ) -> dict[str, Any]:
        """Create or update with a checked body."""
        if record is None:
            self._next_id += 1
            record = self._blank(kind, self._next_id)
            self.records[kind][self._next_id] = record
        for name, value in given.items():
            if name == "custom_fields":
                record["custom_fields"] |= value
            elif name in ("emails", "phones"):
                record[name] = [
                    {"label": "work", "primary": index == 0, **one}
                    for index, one in enumerate(value)
                ]
            else:
                record[name] = value
        if kind == "deals" and "stage_id" in given:
            record["stage_change_time"] = self.now()
            record["pipeline_id"] = next(
                one["pipeline_id"] for one in self.stages if one["id"] == given["stage_id"]
            )
        record["update_time"] = self.now()
        return record

    def _blank(self, kind: str, number: int) -> dict[str, Any]:
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

    def shown(self, kind: str, record: dict[str, Any]) -> dict[str, Any]:
        """A record as answered: every custom field, null where unset."""
        filled = dict.fromkeys(self.custom(kind)) | record["custom_fields"]
        return {**record, "custom_fields": filled}

    def live(self, kind: str) -> list[dict[str, Any]]:
        """Records that a listing shows."""
        return [
            one
            for one in self.records[kind].values()
            if not one["is_deleted"] and not one.get("is_archived")
        ]
