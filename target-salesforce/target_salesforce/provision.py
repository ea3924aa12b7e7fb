"""Creating objects and fields by the Metadata API. What exists stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
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

    def create_object(self, spec: ObjectSpec, wanted: Sequence[FieldWanted]) -> None:
        """Create a custom object, named by automatic numbers if `Name` is not among the fields.

        Raises: NoSuchObjectError, CrmError.
        """
        check_creatable(spec, wanted, is_new=True)
        named = any(field.name == NAME for field in wanted)
        self.soap.create("CustomObject", [object_metadata(spec, named=named)])
        self.permissions.grant_object(spec.name)

    def create_fields(self, spec: ObjectSpec, wanted: Sequence[FieldWanted]) -> None:
        """Create custom fields. Raises: CrmError."""
        check_creatable(spec, wanted)
        self.soap.create("CustomField", [field_metadata(spec, field) for field in wanted])
        self.permissions.grant_fields(spec.name, [field.name for field in wanted])


def check_creatable(
    spec: ObjectSpec, wanted: Sequence[FieldWanted], *, is_new: bool = False
) -> None:
    """Raises: NoSuchObjectError, CrmError for what only Salesforce itself could create."""
    if is_new and not spec.name.endswith("__c"):
        raise NoSuchObjectError(
            f"Salesforce has no object {spec.name}, and only custom objects (__c) can be created.",
            "Check its name in the rule.",
        )
    for field in wanted:
        if is_new and field.name == NAME and not field.unique:
            continue  # every object has it
        if not field.name.endswith("__c"):
            raise CrmError(
                f"{spec.name} has no field {field.name}, and only custom fields (__c) can be "
                "created.",
                "Check its name in the rule.",
            )
