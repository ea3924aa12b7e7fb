"""Access to what was provisioned: a new field is invisible until access to it is granted.

A permission set, created and assigned to the running user, holds the rights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from reverse_etl.crm.http import SETUP
from reverse_etl.errors import CrmError
from reverse_etl.objects import Namespace

from target_salesforce.api import SalesforceApi
from target_salesforce.errors import errors_of, json_object
from target_salesforce.objects import COLLECTION_LIMIT
from target_salesforce.soql import quoted, select

OBJECT_RIGHTS = {"PermissionsCreate": True, "PermissionsRead": True, "PermissionsEdit": True}
FIELD_RIGHTS = {"PermissionsRead": True, "PermissionsEdit": True}


@dataclass(frozen=True, slots=True)
class Permissions:
    """Grants access in one org."""

    api: SalesforceApi
    user_id: Callable[[], str]
    namespace: Namespace

    def grant_object(self, object_name: str) -> None:
        """Let the running user create, read and edit records. Raises: CrmError."""
        self._grant("ObjectPermissions", [{"SobjectType": object_name, **OBJECT_RIGHTS}])

    def grant_fields(self, object_name: str, names: Sequence[str]) -> None:
        """Let the running user read and edit fields. Raises: CrmError."""
        rows = [
            {"SobjectType": object_name, "Field": f"{object_name}.{name}", **FIELD_RIGHTS}
            for name in names
        ]
        self._grant("FieldPermissions", rows)

    def _grant(self, row_type: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows to the permission set. Raises: CrmError."""
        parent = {"attributes": {"type": row_type}, "ParentId": self._permission_set()}
        for start in range(0, len(rows), COLLECTION_LIMIT):
            batch = [{**parent, **row} for row in rows[start : start + COLLECTION_LIMIT]]
            body = {"allOrNone": False, "records": batch}
            answer = self.api.post("/composite/sobjects", SETUP, body)
            for item in answer.body if isinstance(answer.body, list) else []:
                check_granted(row_type, item)

    def _permission_set(self) -> str:
        """The id of our permission set, created and assigned if needed. Raises: CrmError."""
        user_id, wanted = self.user_id(), permission_set_of(self.namespace)
        by_name = f"Name = {quoted(wanted['Name'])}"
        permission_set = self._first_id("PermissionSet", by_name)
        if permission_set is None:
            permission_set = self._create("PermissionSet", wanted)

        test = f"PermissionSetId = {quoted(permission_set)} AND AssigneeId = {quoted(user_id)}"
        if self._first_id("PermissionSetAssignment", test) is None:
            assignment = {"PermissionSetId": permission_set, "AssigneeId": user_id}
            self._create("PermissionSetAssignment", assignment)
        return permission_set

    def _first_id(self, object_name: str, test: str) -> str | None:
        query = select([], object_name, [test])
        answer = self.api.get(f"/query?q={quote(query)}", SETUP)
        body = json_object(answer, f"a query of {object_name}", "Check the user's permissions.")
        return str(body["records"][0]["Id"]) if body["records"] else None

    def _create(self, object_name: str, record: Mapping[str, str]) -> str:
        answer = self.api.post(f"/sobjects/{object_name}", SETUP, record)
        if answer.ok and isinstance(answer.body, dict):
            return str(answer.body["id"])

        codes = ", ".join(str(error.get("errorCode")) for error in errors_of(answer.body))
        raise CrmError(
            f"Salesforce could not create a {object_name} ({codes}).",
            "Grant the user Manage Profiles and Permission Sets, or create it by hand.",
        )


def permission_set_of(namespace: Namespace) -> dict[str, str]:
    """The permission set that holds access to provisioned objects and fields."""
    label = namespace.label
    return {
        "Name": re.sub(r"\W+", "_", f"{label} Sync").strip("_"),
        "Label": f"{label} Sync",
        "Description": f"Read and edit access to the fields that the {label} sync writes.",
    }


def check_granted(row_type: str, item: Mapping[str, Any]) -> None:
    """Raises: CrmError if a right was not granted and had not been granted before."""
    if item.get("success"):
        return
    code = item["errors"][0]["statusCode"]
    if code != "DUPLICATE_VALUE":
        raise CrmError(
            f"Salesforce could not grant access ({row_type}, {code}).", "Grant it by hand."
        )
