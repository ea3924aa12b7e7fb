"""Creating objects and fields by the Metadata API. What exists stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reverse_etl.errors import CrmError, NoSuchObjectError
from reverse_etl.objects import FieldWanted, ObjectSpec

from target_salesforce.metadata import field_metadata, object_metadata
from target_salesforce.permissions import Permissions
from target_salesforce.soap import SoapApi


@dataclass(frozen=True, slots=True)
class Provisioner:
    """Creates what is missing in one org, and grants the running user access to it."""

    soap: SoapApi
    permissions: Permissions

    def create_object(self, spec: ObjectSpec) -> None:
        """Create a custom object. Raises: NoSuchObjectError, CrmError."""
        if not spec.name.endswith("__c"):
            raise NoSuchObjectError(
                f"Salesforce has no object {spec.name}, and only custom objects (…__c) can be "
                "created.",
                "Check its name in the rule.",
            )
        self.soap.create("CustomObject", [object_metadata(spec)])
        self.permissions.grant_object(spec.name)

    def create_fields(self, spec: ObjectSpec, wanted: Sequence[FieldWanted]) -> None:
        """Create custom fields. Raises: CrmError."""
        for field in wanted:
            if not field.name.endswith("__c"):
                raise CrmError(
                    f"{spec.name} has no field {field.name}, "
                    "and only custom fields (…__c) can be created.",
                    "Check its name in the rule.",
                )

        self.soap.create("CustomField", [field_metadata(spec, field) for field in wanted])
        self.permissions.grant_fields(spec.name, [field.name for field in wanted])
