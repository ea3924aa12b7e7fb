"""A Salesforce org in memory: rows, fields, field-level security, and the rules of writing."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.clock import Clock, iso
from sandbox.salesforce.errors import RowError, missing
from sandbox.salesforce.fields import Field, Fields, by_relationship, initial, is_required
from sandbox.salesforce.fixtures import (
    CURRENCIES,
    CURRENCY,
    NAMED,
    NUMBERED,
    PREFIXES,
    currencies,
    described,
    duplicate_rules,
    organization,
    standard_objects,
    users,
)
from sandbox.salesforce.ids import long_id
from sandbox.salesforce.row_faults import RowFaults
from sandbox.salesforce.standard import BUSINESS_OBJECTS, DEFAULTS, OWNER
from sandbox.salesforce.values import kept_value

Row = dict[str, Any]
NEVER_WRITTEN = ("attributes", "Id", "id")


@dataclass(slots=True)
class Deleted:
    """A row in the recycle bin."""

    row: Row
    cleared: list[tuple[Row, str]]
    """Rows and names of the lookups that its deletion cleared."""
    roles: list[Row]
    """Contact roles that were deleted with it."""


class Org:
    """An account. `switches` and `row_faults` are the emulator's, shared by all orgs."""

    def __init__(
        self,
        clock: Clock,
        number: int,
        name: str,
        switches: Mapping[str, bool],
        row_faults: RowFaults,
    ) -> None:
        self.clock, self.name = clock, name
        self.switches, self.row_faults = switches, row_faults
        self.org_id = long_id(PREFIXES["Organization"], number)
        self.objects = standard_objects()
        self.rows: dict[str, dict[str, Row]] = {sobject: {} for sobject in self.objects}
        self.index: dict[tuple[str, str], dict[str, set[str]]] = {}
        """Row ids by lower-case value, for each object and indexed field."""
        self.prefixes = dict(PREFIXES)
        self.deleted: dict[tuple[str, str], Deleted] = {}
        """The recycle bin, by object and id."""
        self.jobs: dict[str, Any] = {}
        """Bulk jobs by id, as `bulk.jobs` keeps them."""
        self.calls = 0
        self._next = 0
        self.labels: dict[str, tuple[str, str]] = {}
        """Singular and plural of custom objects."""
        self.metadata: dict[str, dict[str, Any]] = {}
        """The metadata of custom fields, by `Object.Field`."""
        self._visible: dict[tuple[str, bool], Fields] = {}
        """What `visible` returned, until fields or permissions change."""

        self.rows["Organization"][self.org_id] = {"Id": self.org_id, **organization(name)}
        self.rows["DuplicateRule"] = duplicate_rules(is_active=switches["duplicate_rules"])
        self.rows["CurrencyType"] = currencies()
        self.rows["User"] = {user["Id"]: user for user in users(number, name)}
        self.user_id = next(iter(self.rows["User"]))

    def now(self) -> str:
        """Salesforce's timestamp: UTC, whole seconds."""
        return iso(self.clock.now(), 3)[:19] + ".000+0000"

    def visible(self, sobject: str) -> Fields:
        """Fields the running user sees: standard ones, and custom ones that were granted."""
        seen = (sobject, self.has_currencies(sobject))
        if seen not in self._visible:
            granted = {
                row["Field"]
                for row in self._granted("FieldPermissions")
                if row.get("PermissionsRead")
            }
            self._visible[seen] = {
                name: field
                for name, field in self.fields_of(sobject).items()
                if not field["custom"] or f"{sobject}.{name}" in granted
            }
        return self._visible[seen]

    def fields_of(self, sobject: str) -> Fields:
        """All fields of an object, hidden ones too."""
        fields = self.objects[sobject]
        return fields | described((CURRENCY,)) if self.has_currencies(sobject) else fields

    def has_currencies(self, sobject: str) -> bool:
        """Returns True if the object's records have a currency, as in an org with several."""
        of_people = sobject in BUSINESS_OBJECTS or sobject.endswith("__c")
        return self.switches["multi_currency"] and of_people

    def may_use(self, sobject: str) -> bool:
        """Returns True if the running user sees an object: a standard one, or one granted."""
        if sobject not in self.objects:
            return False
        if sobject == "CurrencyType":
            return self.switches["multi_currency"]
        granted = {row["SobjectType"] for row in self._granted("ObjectPermissions")}
        return not sobject.endswith("__c") or sobject in granted

    def _granted(self, permissions: str) -> list[Row]:
        """Permissions of the permission sets that the running user is assigned to."""
        assigned = {
            row["PermissionSetId"]
            for row in self.rows["PermissionSetAssignment"].values()
            if row.get("AssigneeId") == self.user_id
        }
        return [row for row in self.rows[permissions].values() if row.get("ParentId") in assigned]

    def add_field(self, sobject: str, field: Field) -> str:
        """Add a field, which nobody sees until it is granted; returns its id."""
        self.objects[sobject][field.name] = field.described()
        self._visible.clear()
        self._next += 1
        return long_id("00N", self._next)

    def drop_field(self, sobject: str, name: str) -> None:
        """Delete a custom field, its values and the right to see it."""
        del self.objects[sobject][name]
        self._visible.clear()
        self.index.pop((sobject, name), None)
        for row in self.rows[sobject].values():
            row.pop(name, None)
        permissions = self.rows["FieldPermissions"]
        for row_id in [
            key for key, row in permissions.items() if row["Field"] == f"{sobject}.{name}"
        ]:
            del permissions[row_id]

    def add_object(self, name: str, labels: tuple[str, str], *, numbered: bool) -> None:
        """Add a custom object, which nobody may use until it is granted."""
        self.objects[name] = described((NUMBERED if numbered else NAMED, OWNER))
        self.labels[name] = labels
        self.rows[name] = {}
        self.prefixes[name] = f"a{len(self.prefixes) - len(PREFIXES):02d}"

    def find(self, sobject: str, name: str, value: str) -> list[Row]:
        """Rows by an indexed field; case matters only if the field is case-sensitive."""
        ids = self.index.get((sobject, name), {}).get(indexed(value), set())
        rows = [self.rows[sobject][row_id] for row_id in sorted(ids)]
        if self.is_case_sensitive(sobject, name):
            return [row for row in rows if str(row[name]) == str(value)]
        return rows

    def is_case_sensitive(self, sobject: str, name: str) -> bool:
        """Returns True if a field tells values apart that differ in case alone."""
        return bool(self.fields_of(sobject).get(name, {}).get("caseSensitive"))

    def compared(self, sobject: str, name: str, value: str) -> str:
        """A value in the form in which an external ID is compared."""
        return value if self.is_case_sensitive(sobject, name) else value.lower()

    def check(self, sobject: str, values: dict[str, Any], row: Row | None) -> dict[str, Any]:
        """Values as they will be kept; `row` is None for a create.

        Raises: RowError.
        """
        if self.row_faults.refusal is not None:
            raise self.row_faults.refusal
        fields = self.visible(sobject)
        kept = {}
        for path, value in values.items():
            if path not in NEVER_WRITTEN:
                name, plain = self._related(fields, path, value)
                kept[name] = self._check_value(sobject, name, plain, row)

        if row is None:
            without = [
                name
                for name, field in fields.items()
                if is_required(field) and kept.get(name) is None
            ]
            if without:
                raise missing(without)
        return kept

    def _check_value(self, sobject: str, name: str, value: Any, row: Row | None) -> Any:
        field = self.visible(sobject).get(name)
        if field is None:
            message = f"No such column '{name}' on sobject of type {sobject}"
            raise RowError("INVALID_FIELD", message, [name])
        if not field["createable" if row is None else "updateable"]:
            message = (
                f"Unable to create/update fields: {name}. "
                "Please check the security settings of this field."
            )
            raise RowError("INVALID_FIELD_FOR_INSERT_UPDATE", message, [name])

        kept = kept_value(field, value)
        if kept is not None and field["type"] == "reference":
            self._check_reference(field, str(value))
        if kept is not None and field["unique"]:
            self._check_unique(sobject, name, kept, row)
        return kept

    def _check_reference(self, field: dict[str, Any], row_id: str) -> None:
        anywhere = field["referenceTo"] == ["*"]
        targets = list(self.rows) if anywhere else field["referenceTo"]
        if not any(row_id in self.rows.get(target, ()) for target in targets):
            message = "invalid cross reference id"
            raise RowError("INVALID_CROSS_REFERENCE_KEY", message, [field["name"]])

    def _check_unique(self, sobject: str, name: str, value: Any, row: Row | None) -> None:
        for other in self.find(sobject, name, value):
            if row is None or other["Id"] != row["Id"]:
                raise RowError(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {name} duplicates value on record "
                    f"with id: {other['Id']}",
                )

    def _related(self, fields: Fields, path: str, value: Any) -> tuple[str, Any]:
        """Name and value of a field; a relationship by external id becomes its look-up.

        Raises: RowError.
        """
        field = by_relationship(fields, path.partition(".")[0])
        if field is None or not isinstance(value, dict):
            return path, value

        pairs = ((name, text) for name, text in value.items() if name != "attributes")
        key, wanted = next(pairs, ("", ""))
        target, *others = field["referenceTo"]
        if others:
            message = f"the sandbox does not emulate external ids of {path}, which is polymorphic"
            raise RowError("NOT_EMULATED", message, [path], status=501)
        if not self.visible(target).get(key, {}).get("idLookup"):
            message = f"{key} is not an External ID or indexed field for {target}"
            raise RowError("INVALID_FIELD", message, [path])

        rows = self.find(target, key, str(wanted))
        if len(rows) != 1:
            raise RowError(
                "INVALID_FIELD",
                f"Foreign key external ID: {wanted} not found for field {key} in entity {target}",
            )
        return field["name"], rows[0]["Id"]

    def write(self, sobject: str, row: Row | None, kept: dict[str, Any]) -> Row:
        """Create or update a row with checked values."""
        now = self.now()
        created = row is None
        if row is None:
            row = self._new_row(sobject, now)
        for name, value in kept.items():
            self._set(sobject, row, name, value)

        if sobject in ("PermissionSetAssignment", "FieldPermissions"):
            self._visible.clear()
        row |= {"LastModifiedDate": now, "SystemModstamp": now}
        self._follow(sobject, row, created=created)
        return row

    def _new_row(self, sobject: str, now: str) -> Row:
        self._next += 1
        row_id = long_id(self.prefixes[sobject], self._next)
        fields = self.fields_of(sobject)
        row: Row = {name: initial(field) for name, field in fields.items()}
        row |= {"Id": row_id, "CreatedDate": now, **DEFAULTS.get(sobject, {})}
        if "OwnerId" in row:
            row["OwnerId"] = self.user_id
        if "CurrencyIsoCode" in row:
            row["CurrencyIsoCode"] = CURRENCIES[0][0]
        self.rows[sobject][row_id] = row
        return row

    def _set(self, sobject: str, row: Row, name: str, value: Any) -> None:
        field = self.fields_of(sobject)[name]
        if field["externalId"] or field["idLookup"] or field["unique"]:
            index = self.index.setdefault((sobject, name), {})
            if row.get(name) is not None:
                index.get(indexed(row[name]), set()).discard(row["Id"])
            if value is not None:
                index.setdefault(indexed(value), set()).add(row["Id"])
        row[name] = value

    def _follow(self, sobject: str, row: Row, *, created: bool) -> None:
        """Set what Salesforce derives from a row, and create the rows that come with it."""
        match sobject:
            case "Contact" | "Lead":
                parts = (row.get("FirstName"), row.get("LastName"))
                row["Name"] = " ".join(part for part in parts if part)
            case "Opportunity":
                row["IsClosed"] = str(row["StageName"]).startswith("Closed")
                row["IsWon"] = row["StageName"] == "Closed Won"
                if created and row.get("ContactId"):
                    ends = {"OpportunityId": row["Id"], "ContactId": row["ContactId"]}
                    self.write("OpportunityContactRole", None, {**ends, "IsPrimary": True})
            case "ContentVersion" if created:
                self._publish(row)

    def _publish(self, version: Row) -> None:
        """Create a new file's document, and its link to the record it was published on."""
        size = len(base64.b64decode(version.pop("VersionData") or ""))
        values = {"Title": version["Title"], "LatestPublishedVersionId": version["Id"]}
        document = self.write("ContentDocument", None, values)
        version |= {"ContentDocumentId": document["Id"], "ContentSize": size}

        location = version.get("FirstPublishLocationId")
        if location:
            ends = {"ContentDocumentId": document["Id"], "LinkedEntityId": location}
            self.write("ContentDocumentLink", None, {**ends, "ShareType": "V"})

    def take_out(self, sobject: str, row: Row) -> None:
        """Remove a row from those that are live."""
        self._visible.clear()
        for name in list(row):
            if row[name] is not None and (sobject, name) in self.index:
                self.index[(sobject, name)].get(indexed(row[name]), set()).discard(row["Id"])
        del self.rows[sobject][row["Id"]]

    def put_back(self, sobject: str, row: Row) -> None:
        """Let a row that was removed be live again."""
        values = {name: row[name] for name in row if (sobject, name) in self.index}
        self.rows[sobject][row["Id"]] = row
        row |= dict.fromkeys(values)
        for name, value in values.items():
            self._set(sobject, row, name, value)


def indexed(value: Any) -> str:
    """A value as an index holds it: without case, and a number without what adds nothing to it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).lower()
