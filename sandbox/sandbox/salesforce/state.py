"""A Salesforce org in memory: rows, fields, field-level security, and the rules of writing."""

from __future__ import annotations

import base64
import re
from datetime import date, datetime
from typing import Any

from sandbox.clock import Clock, iso, parse_iso
from sandbox.salesforce.schema import PREFIXES, custom_object, field, standard_objects

EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
TEXT_TYPES = {
    "string",
    "textarea",
    "email",
    "phone",
    "url",
    "picklist",
    "reference",
    "id",
    "base64",
}
TOOLING_TYPES = {
    "Text": "string",
    "Number": "double",
    "Currency": "currency",
    "Percent": "percent",
    "DateTime": "datetime",
    "Date": "date",
    "Checkbox": "boolean",
    "Picklist": "picklist",
    "LongTextArea": "textarea",
    "TextArea": "textarea",
    "Email": "email",
    "Phone": "phone",
    "Url": "url",
    "Lookup": "reference",
}
LARGEST = 10**18


class RowError(Exception):
    """A row Salesforce does not take; `code` is a StatusCode of the metadata WSDL."""

    def __init__(self, code: str, message: str, fields: list[str] | None = None, status: int = 400):
        super().__init__(message)
        self.code, self.message, self.fields, self.status = code, message, fields or [], status


def long_id(prefix: str, number: int) -> str:
    """An 18-character id: 15 significant ones and the three that make case safe."""
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = ALPHABET[rest] + digits
    short = prefix + digits.rjust(12, "0")
    suffix = "".join(
        CHECK[
            sum(1 << place for place, char in enumerate(short[block : block + 5]) if char.isupper())
        ]
        for block in (0, 5, 10)
    )
    return short + suffix


class Org:
    """One account."""

    def __init__(self, clock: Clock, number: int, name: str) -> None:
        self.clock, self.name = clock, name
        self.org_id, self.user_id = long_id("00D", number), long_id("005", number)
        self.objects = standard_objects()
        self.rows: dict[str, dict[str, dict[str, Any]]] = {sobject: {} for sobject in self.objects}
        self.index: dict[tuple[str, str], dict[str, set[str]]] = {}
        self.prefixes: dict[str, str] = {}
        """Id prefixes of custom objects."""
        self._next = 0
        self.calls = 0
        self._visible: dict[str, dict[str, dict[str, Any]]] = {}
        """What `visible` found, until fields or permissions change."""
        self.jobs: dict[str, Any] = {}
        """Bulk jobs, as `bulk` keeps them."""
        self.rows["Organization"][self.org_id] = {"Id": self.org_id, "Name": f"Sandbox {name}"}
        people = (
            ("sync", self.user_id, True),
            ("ada", long_id("005", number + 1), True),
            ("gone", long_id("005", number + 2), False),
        )
        for who, user_id, active in people:
            mail = {"Username": f"{who}@{name}.example.com", "Email": f"{who}@example.com"}
            self.rows["User"][user_id] = {"Id": user_id, **mail, "IsActive": active}

    def visible(self, sobject: str) -> dict[str, dict[str, Any]]:
        """Fields the running user sees: standard ones, and custom ones a permission set of theirs grants."""
        if sobject in self._visible:
            return self._visible[sobject]
        assigned = {
            row["PermissionSetId"]
            for row in self.rows["PermissionSetAssignment"].values()
            if row.get("AssigneeId") == self.user_id
        }
        granted = {
            row["Field"]
            for row in self.rows["FieldPermissions"].values()
            if row.get("ParentId") in assigned and row.get("PermissionsRead")
        }
        found = {
            name: one
            for name, one in self.objects[sobject].items()
            if not one["custom"] or f"{sobject}.{name}" in granted
        }
        self._visible[sobject] = found
        return found

    def add_custom_field(self, full_name: str, metadata: dict[str, Any]) -> str:
        """A field by the Tooling API; nobody sees it until it is granted. Raises: RowError."""
        sobject, _, name = full_name.partition(".")
        if sobject not in self.objects or not name.endswith("__c"):
            raise RowError(
                "FIELD_INTEGRITY_EXCEPTION", f"{full_name} is no custom field name", ["FullName"]
            )
        if name in self.objects[sobject]:
            raise RowError(
                "DUPLICATE_DEVELOPER_NAME",
                f"There is already a field named {name} on {sobject}.",
                ["FullName"],
            )
        kind = TOOLING_TYPES.get(metadata.get("type", ""))
        if kind is None or not metadata.get("label"):
            raise RowError("FIELD_INTEGRITY_EXCEPTION", "type and label are required", ["Metadata"])
        if kind in ("string", "textarea") and not metadata.get("length"):
            raise RowError("FIELD_INTEGRITY_EXCEPTION", "length is required for text", ["Metadata"])
        target = str(metadata.get("referenceTo") or "")
        if kind == "reference" and (
            target not in self.objects or not metadata.get("relationshipName")
        ):
            raise RowError(
                "FIELD_INTEGRITY_EXCEPTION",
                "referenceTo and relationshipName are required",
                ["Metadata"],
            )
        value_set = (metadata.get("valueSet") or {}).get("valueSetDefinition", {}).get("value", [])
        value_set = value_set if isinstance(value_set, list) else [value_set]
        values = tuple(one.get("fullName") or one.get("valueName") for one in value_set)
        restricted = bool((metadata.get("valueSet") or {}).get("restricted"))
        self.objects[sobject][name] = field(
            name, kind, int(metadata.get("length") or 255), label=metadata["label"], scale=int(metadata.get("scale") or 0),
            values=values, restricted=restricted, refers=target,
            external=bool(metadata.get("externalId")), unique=bool(metadata.get("unique")),
        )  # fmt: skip
        self._visible.clear()
        self._next += 1
        return long_id("00N", self._next)

    def add_custom_object(self, name: str, metadata: dict[str, Any]) -> None:
        """An object by the Metadata API; nobody may use it until that is granted. Raises: RowError."""
        if (
            not name.endswith("__c")
            or not metadata.get("label")
            or not metadata.get("pluralLabel")
            or not metadata.get("nameField")
        ):
            raise RowError(
                "FIELD_INTEGRITY_EXCEPTION", "label, pluralLabel and nameField are required"
            )
        if name in self.objects:
            raise RowError("DUPLICATE_DEVELOPER_NAME", f"There is already an object named {name}.")
        self.objects[name] = custom_object()
        self.rows[name] = {}
        self.prefixes[name] = f"a{len(self.prefixes):02d}"

    def may_use(self, sobject: str) -> bool:
        """Whether the running user sees an object: standard ones, and custom ones a permission set of theirs grants."""
        if sobject not in self.objects:
            return False
        assigned = {
            row["PermissionSetId"]
            for row in self.rows["PermissionSetAssignment"].values()
            if row.get("AssigneeId") == self.user_id
        }
        granted = {
            row["SobjectType"]
            for row in self.rows["ObjectPermissions"].values()
            if row.get("ParentId") in assigned
        }
        return not sobject.endswith("__c") or sobject in granted

    def find(self, sobject: str, name: str, value: str) -> list[dict[str, Any]]:
        """Rows by a text field, without case."""
        wanted = str(value).lower()
        ids = self.index.get((sobject, name), {}).get(wanted, set())
        return [self.rows[sobject][one] for one in sorted(ids)]

    def check(
        self, sobject: str, given: dict[str, Any], row: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Values as they will be kept. Raises: RowError."""
        fields = self.visible(sobject)
        kept = {}
        for given_name, given_value in given.items():
            if given_name in ("attributes", "Id", "id"):
                continue
            name, value = self._related(fields, given_name, given_value)
            known = fields.get(name)
            if known is None:
                raise RowError(
                    "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject}", [name]
                )
            if not known["createable" if row is None else "updateable"]:
                raise RowError(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    f"Unable to create/update fields: {name}. Please check the security settings of this field.",
                    [name],
                )
            kept[name] = self._value(known, value)
            if known["unique"] and kept[name] is not None:
                others = [
                    one
                    for one in self.find(sobject, name, kept[name])
                    if row is None or one["Id"] != row["Id"]
                ]
                if others:
                    raise RowError(
                        "DUPLICATE_VALUE",
                        f"duplicate value found: {name} duplicates value on record with id: {others[0]['Id']}",
                        [],
                    )
        if row is None:
            missing = [
                name
                for name, one in fields.items()
                if not one["nillable"] and one["createable"] and kept.get(name) is None
            ]
            if missing:
                raise RowError(
                    "REQUIRED_FIELD_MISSING",
                    f"Required fields are missing: [{', '.join(missing)}]",
                    missing,
                )
        return kept

    def _related(self, fields: dict[str, dict[str, Any]], name: str, value: Any) -> tuple[str, Any]:
        """A relationship given by an external id, as the look-up it stands for. Raises: RowError."""
        known = next(
            (one for one in fields.values() if one["relationshipName"] == name.partition(".")[0]),
            None,
        )
        if known is None or not isinstance(value, dict):
            return name, value
        key, wanted = next(
            ((one, text) for one, text in value.items() if one != "attributes"), ("", "")
        )
        target = known["referenceTo"][0]
        if not self.visible(target).get(key, {}).get("idLookup"):
            raise RowError(
                "INVALID_FIELD",
                f"{key} is not an External ID or indexed field for {target}",
                [name],
            )
        found = self.find(target, key, str(wanted))
        if len(found) != 1:
            raise RowError(
                "INVALID_FIELD",
                f"Foreign key external ID: {wanted} not found for field {key} in entity {target}",
                [],
            )
        return known["name"], found[0]["Id"]

    def _value(self, known: dict[str, Any], value: Any) -> Any:
        name, kind = known["name"], known["type"]
        if value is None or value == "":
            if not known["nillable"]:
                raise RowError(
                    "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{name}]", [name]
                )
            return None
        wrong = RowError(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            f"{known['label']}: value not of required type: {value}",
            [name],
        )
        if kind in TEXT_TYPES:
            if not isinstance(value, (str, int, float)) or isinstance(value, bool):
                raise wrong
            return self._text(known, str(value))
        if kind in ("double", "currency", "percent", "int"):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise wrong
            if abs(value) >= LARGEST:
                raise RowError(
                    "NUMBER_OUTSIDE_VALID_RANGE",
                    f"{known['label']}: value outside of valid range",
                    [name],
                )
            return round(float(value) + 0.0, known["scale"])
        if kind == "boolean":
            if not isinstance(value, bool):
                raise wrong
            return value
        try:
            if kind == "date":
                return date.fromisoformat(str(value)[:10]).isoformat()
            moment: datetime = parse_iso(str(value))
        except ValueError as error:
            raise wrong from error
        return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")

    def _text(self, known: dict[str, Any], value: str) -> str:
        name = known["name"]
        if known["type"] == "email" and not EMAIL.match(value):
            raise RowError(
                "INVALID_EMAIL_ADDRESS", f"{known['label']}: invalid email address: {value}", [name]
            )
        if known["length"] and len(value) > known["length"]:
            raise RowError(
                "STRING_TOO_LONG",
                f"{known['label']}: data value too large: {value} (max length={known['length']})",
                [name],
            )
        if (
            known["type"] == "picklist"
            and known["restrictedPicklist"]
            and value not in {one["value"] for one in known["picklistValues"]}
        ):
            raise RowError(
                "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                f"{known['label']}: bad value for restricted picklist field: {value}",
                [name],
            )
        if known["type"] == "reference":
            targets = known["referenceTo"] if known["referenceTo"] != ["*"] else list(self.rows)
            if not any(value in self.rows[target] for target in targets):
                raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [name])
        return value.strip()

    def write(
        self, sobject: str, row: dict[str, Any] | None, kept: dict[str, Any]
    ) -> dict[str, Any]:
        """Create or update with checked values."""
        now = iso(self.clock.now(), 3)[:19] + ".000+0000"
        created = row is None
        if row is None:
            self._next += 1
            row_id = long_id(PREFIXES.get(sobject) or self.prefixes[sobject], self._next)
            row = dict.fromkeys(self.objects[sobject])
            row |= {"Id": row_id, "IsDeleted": False, "CreatedDate": now}
            if "OwnerId" in row:
                row["OwnerId"] = self.user_id
            self.rows[sobject][row_id] = row
        for name, value in kept.items():
            self._set(sobject, row, name, value)
        if sobject in ("PermissionSetAssignment", "FieldPermissions"):
            self._visible.clear()
        row |= {"LastModifiedDate": now, "SystemModstamp": now}
        if sobject == "Contact":
            row["Name"] = " ".join(
                part for part in (row.get("FirstName"), row.get("LastName")) if part
            )
        if sobject == "Opportunity":
            row |= {
                "IsClosed": str(row["StageName"]).startswith("Closed"),
                "IsWon": row["StageName"] == "Closed Won",
            }
            if created and row.get("ContactId"):
                role = {
                    "OpportunityId": row["Id"],
                    "ContactId": row["ContactId"],
                    "IsPrimary": True,
                }
                self.write("OpportunityContactRole", None, role)
        if sobject == "ContentVersion" and created:
            self._publish(row)
        return row

    def _publish(self, version: dict[str, Any]) -> None:
        """A new file: its document, and a link to the record that it was published on."""
        size = len(base64.b64decode(version.pop("VersionData") or ""))
        document = self.write(
            "ContentDocument",
            None,
            {"Title": version["Title"], "LatestPublishedVersionId": version["Id"]},
        )
        version |= {"ContentDocumentId": document["Id"], "ContentSize": size}
        if version.get("FirstPublishLocationId"):
            link = {
                "ContentDocumentId": document["Id"],
                "LinkedEntityId": version["FirstPublishLocationId"],
                "ShareType": "V",
            }
            self.write("ContentDocumentLink", None, link)

    def _set(self, sobject: str, row: dict[str, Any], name: str, value: Any) -> None:
        known = self.objects[sobject][name]
        if known["externalId"] or known["idLookup"] or known["unique"]:
            index = self.index.setdefault((sobject, name), {})
            if row.get(name) is not None:
                index.get(str(row[name]).lower(), set()).discard(row["Id"])
            if value is not None:
                index.setdefault(str(value).lower(), set()).add(row["Id"])
        row[name] = value

    def delete(self, sobject: str, row: dict[str, Any]) -> None:
        """Into the recycle bin."""
        self._visible.clear()
        for name in list(row):
            if row[name] is not None and (sobject, name) in self.index:
                self.index[(sobject, name)].get(str(row[name]).lower(), set()).discard(row["Id"])
        del self.rows[sobject][row["Id"]]
