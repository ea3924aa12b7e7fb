"""Creating objects and fields by the Metadata API. What exists stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reverse_etl.errors import CrmError, NoSuchObjectError
from reverse_etl.objects import FieldWanted, ObjectSpec

from target_salesforce.metadata import field_metadata, object_metadata
from target_salesforce.objects import NAME
from target_salesforce.permissions import Permissions
from target_salesforce.soap import SoapApi


@dataclass(frozen=True, slots=True)
class Provisioner:
    """Creates what is missing in one org, and grants the running user access to it."""

    soap: SoapApi
    permissions: Permissions

    def create_object(self, spec: ObjectSpec, fields: Sequence[str]) -> None:
        """Create a custom object, named by automatic numbers if `Name` is not among the fields.

        Raises: NoSuchObjectError, CrmError.
        """
        if not spec.name.endswith("__c"):
            raise NoSuchObjectError(
                f"Salesforce has no object {spec.name}, and only custom objects (…__c) can be "
                "created.",
                "Check its name in the rule.",
            )
        check_custom(spec, [name for name in fields if name != NAME])
        named = NAME in fields
        self.soap.create("CustomObject", [object_metadata(spec, named=named)])
        self.permissions.grant_object(spec.name)

    def create_fields(self, spec: ObjectSpec, wanted: Sequence[FieldWanted]) -> None:
        """Create custom fields. Raises: CrmError."""
        check_custom(spec, [field.name for field in wanted])
        self.soap.create("CustomField", [field_metadata(spec, field) for field in wanted])
        self.permissions.grant_fields(spec.name, [field.name for field in wanted])


def check_custom(spec: ObjectSpec, names: Iterable[str]) -> None:
    """Raises: CrmError for a field that only Salesforce itself could create."""
    for name in names:
        if not name.endswith("__c"):
            raise CrmError(
                f"{spec.name} has no field {name}, and only custom fields (…__c) can be created.",
                "Check its name in the rule.",
            )
