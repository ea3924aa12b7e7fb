"""A HubSpot portal in memory: records, properties, groups, associations, and the rules of writing."""

from __future__ import annotations

from typing import Any

from sandbox.clock import Clock, iso
from sandbox.hubspot.properties import (
    ASSOCIATIONS,
    DEAL_STAGES,
    LIFECYCLE,
    OBJECT_TYPES,
    TYPE_NAMES,
    default_properties,
    stored,
    value_error,
)


class RowError(Exception):
    """One row HubSpot does not take."""

    def __init__(
        self, category: str, message: str, *, code: str = "", prop: str = "", status: int = 400
    ):
        super().__init__(message)
        self.category, self.message, self.code, self.prop, self.status = (
            category,
            message,
            code,
            prop,
            status,
        )


class Portal:
    """One account."""

    def __init__(self, clock: Clock, portal_id: int) -> None:
        self.clock, self.portal_id = clock, portal_id
        self.records: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in OBJECT_TYPES}
        self.properties = default_properties()
        self.groups: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in OBJECT_TYPES}
        self.unique: dict[tuple[str, str], dict[str, str]] = {}
        self.associations: dict[tuple[str, str], dict[tuple[str, str], set[int]]] = {}
        self.schemas: dict[str, dict[str, Any]] = {}
        """Custom objects by name."""
        self.further_emails: dict[str, str] = {}
        """Contacts by the addresses of hs_additional_emails, which are as good as the first one."""
        self.files: dict[str, dict[str, Any]] = {}
        self._next_id = 100
        for name in OBJECT_TYPES:
            self.groups[name]["contactinformation"] = {
                "name": "contactinformation",
                "label": "Information",
                "displayOrder": 0,
                "archived": False,
            }

    def kind_of(self, name: str) -> str | None:
        """The object that a path names: by name, type id or fully qualified name."""
        own = (
            one["name"]
            for one in self.schemas.values()
            if name in (one["name"], one["objectTypeId"], one["fullyQualifiedName"])
        )
        return TYPE_NAMES.get(name) or next(own, None)

    def stage_options(self) -> list[dict[str, Any]]:
        """The pipelines of deals."""
        began = iso(self.clock.now(), 3)
        stages = [
            {
                "id": stage, "label": stage, "displayOrder": order, "archived": False, "createdAt": began,
                "updatedAt": began, "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
                "metadata": {"isClosed": str(stage.startswith("closed")).lower(), "probability": f"{min(order + 1, 10) / 10}"},
            }
            for order, stage in enumerate(DEAL_STAGES)
        ]  # fmt: skip
        partners = [
            {**stages[number], "id": str(7000 + place), "label": label, "displayOrder": place}
            for place, (number, label) in enumerate(
                ((1, "Qualified to Buy"), (4, "Contract sent"), (5, "Won"), (6, "Lost"))
            )
        ]
        partners[2]["metadata"] = {"isClosed": "true", "probability": "1.0"}
        second = {
            "id": "7000",
            "label": "Partners",
            "displayOrder": 1,
            "archived": False,
            "createdAt": began,
            "updatedAt": began,
        }
        return [
            {
                "id": "default",
                "label": "Sales Pipeline",
                "displayOrder": 0,
                "archived": False,
                "createdAt": began,
                "updatedAt": began,
                "stages": stages,
            },
            {**second, "stages": partners},
        ]

    def find(self, kind: str, value: str, id_property: str | None) -> dict[str, Any] | None:
        """A live record by id or by a unique property."""
        if id_property in (None, "hs_object_id"):
            record = self.records[kind].get(value)
            return record if record and not record["archived"] else None
        wanted = value.strip().lower() if id_property == "email" else value
        record_id = self.unique.get((kind, str(id_property)), {}).get(wanted)
        if record_id is None and (kind, id_property) == ("contacts", "email"):
            record_id = self.further_emails.get(wanted)
        return self.records[kind].get(record_id) if record_id else None

    def check_id_property(self, kind: str, name: str) -> None:
        """Raises: RowError for one that does not identify records."""
        known = self.properties[kind].get(name)
        if known is None or not known["hasUniqueValue"]:
            raise RowError(
                "VALIDATION_ERROR",
                f"Unable to perform update/upsert by non-unique {OBJECT_TYPES[kind]} property {name}",
            )

    def check(
        self, kind: str, given: dict[str, Any], record: dict[str, Any] | None
    ) -> dict[str, str]:
        """The values as they will be kept. Raises: RowError."""
        kept = {}
        for name, value in given.items():
            known = self.properties[kind].get(name)
            if known is None:
                raise RowError(
                    "VALIDATION_ERROR",
                    f'Property "{name}" does not exist',
                    code="PROPERTY_DOESNT_EXIST",
                    prop=name,
                )
            text = (
                ""
                if value is None
                else value
                if isinstance(value, str)
                else str(value).lower()
                if isinstance(value, bool)
                else str(value)
            )
            error = value_error(known, text)
            if error:
                raise RowError("VALIDATION_ERROR", error[1], code=error[0], prop=name)
            text = stored(known, text)
            if known["hasUniqueValue"] and text:
                holder = self.unique.get((kind, name), {}).get(text)
                if holder is None and (kind, name) == ("contacts", "email"):
                    holder = self.further_emails.get(text)
                if holder and (record is None or holder != record["id"]):
                    noun = "Contact" if kind == "contacts" else "Object"
                    raise RowError(
                        "CONFLICT",
                        f"{noun} already exists. Existing ID: {holder}",
                        prop=name,
                        status=409,
                    )
            kept[name] = text
        if (
            record is None
            and kind == "contacts"
            and not any(kept.get(name) for name in ("email", "firstname", "lastname"))
        ):
            raise RowError(
                "VALIDATION_ERROR",
                "A contact needs email, firstname or lastname",
                code="MISSING_REQUIRED_PROPERTY",
            )
        if (
            record is None
            and kind == "deals"
            and not (kept.get("dealname") and kept.get("dealstage"))
        ):
            raise RowError(
                "VALIDATION_ERROR",
                "A deal needs dealname and dealstage",
                code="MISSING_REQUIRED_PROPERTY",
            )
        if record is None and kind == "notes" and not kept.get("hs_timestamp"):
            raise RowError(
                "VALIDATION_ERROR",
                "hs_timestamp is required",
                code="MISSING_REQUIRED_PROPERTY",
                prop="hs_timestamp",
            )
        if unknown := set(filter(None, kept.get("hs_attachment_ids", "").split(";"))) - set(
            self.files
        ):
            raise RowError(
                "VALIDATION_ERROR", f"unknown files {sorted(unknown)}", prop="hs_attachment_ids"
            )
        return kept

    def write(
        self, kind: str, record: dict[str, Any] | None, kept: dict[str, str]
    ) -> dict[str, Any]:
        """Create or update with checked values."""
        now = iso(self.clock.now(), 3)
        if record is None:
            self._next_id += 1
            record_id = str(self._next_id)
            record = {
                "id": record_id,
                "properties": {"hs_object_id": record_id, "createdate": now},
                "createdAt": now,
                "updatedAt": now,
                "archived": False,
            }
            self.records[kind][record_id] = record
        for name, value in kept.items():
            self._set(kind, record, name, value)
        record["updatedAt"] = record["properties"]["lastmodifieddate"] = now
        return record

    def _set(self, kind: str, record: dict[str, Any], name: str, value: str) -> None:
        present = record["properties"].get(name, "")
        if (
            name == "lifecyclestage"
            and value
            and present
            and self._rank(value) < self._rank(present)
        ):
            return  # an update moves a lifecycle only forward; to go back it is cleared first
        if (kind, name) == ("contacts", "hs_additional_emails"):
            self.further_emails = {
                one: holder for one, holder in self.further_emails.items() if holder != record["id"]
            }
            self.further_emails |= dict.fromkeys(
                (one.strip().lower() for one in value.split(";") if one.strip()), record["id"]
            )
        if self.properties[kind][name]["hasUniqueValue"]:
            index = self.unique.setdefault((kind, name), {})
            if present:
                index.pop(present, None)
            if value:
                index[value] = record["id"]
        record["properties"][name] = value

    @staticmethod
    def _rank(stage: str) -> int:
        return LIFECYCLE.index(stage) if stage in LIFECYCLE else -1

    def archive(self, kind: str, record: dict[str, Any]) -> None:
        """Into the recycle bin; its unique values are free again."""
        record["archived"] = True
        for (of, name), index in self.unique.items():
            if of == kind:
                index.pop(record["properties"].get(name, ""), None)

    def associate(
        self, kind: str, from_id: str, to_kind: str, to_id: str, type_id: int | None
    ) -> int:
        """Link two records both ways; returns the type id. Raises: RowError."""
        default = ASSOCIATIONS.get((kind, to_kind))
        if default is None or (type_id is not None and type_id != default):
            raise RowError(
                "VALIDATION_ERROR",
                f"{type_id or 'default'} is no association type from {kind} to {to_kind}",
            )
        for of, one in ((kind, from_id), (to_kind, to_id)):
            if self.find(of, one, None) is None:
                raise RowError(
                    "OBJECT_NOT_FOUND", f"{OBJECT_TYPES[of]} {one} does not exist", status=404
                )
        self.associations.setdefault((kind, from_id), {}).setdefault((to_kind, to_id), set()).add(
            default
        )
        back = ASSOCIATIONS[(to_kind, kind)]
        self.associations.setdefault((to_kind, to_id), {}).setdefault((kind, from_id), set()).add(
            back
        )
        return default

    def links(self, kind: str, record_id: str) -> list[dict[str, Any]]:
        """Associations of a record whose other end lives."""
        found = self.associations.get((kind, record_id), {})
        return [
            {"object": to_kind, "id": to_id, "type": type_id}
            for (to_kind, to_id), types in found.items()
            for type_id in sorted(types)
            if self.find(to_kind, to_id, None)
        ]
