"""Adding values to picklists of custom fields by the Metadata API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement  # nosec B405  # only builds XML

from reverse_etl.crm.adapter import OptionAdapter
from reverse_etl.errors import CrmError
from reverse_etl.values import FieldInfo

from target_salesforce.fields import Fields
from target_salesforce.soap import SoapApi

BY_HAND = "Add the values in Salesforce's Setup, or map them to existing ones."


@dataclass(frozen=True, slots=True)
class Options(OptionAdapter):
    """Picklists of one org."""

    soap: SoapApi
    fields: Fields

    def add_options(self, object_name: str, field_name: str, options: Sequence[str]) -> FieldInfo:
        """Add values to a picklist; returns the field as it is then. Raises: CrmError."""
        full_name = f"{object_name}.{field_name}"
        record = self.soap.read_field(full_name) if field_name.endswith("__c") else None
        values = record.find("valueSet/valueSetDefinition") if record is not None else None
        if record is None or values is None:
            # Values of a standard field, or of a set that several fields share, are kept apart.
            raise CrmError(f"{full_name} has no values of its own to add to.", BY_HAND)

        # An update replaces the field: values that it leaves out would become inactive.
        for option in options:
            add_value(values, option)
        self.soap.update_field(record)
        return self.fields.describe(object_name)[field_name]


def add_value(values: Element, option: str) -> None:
    """Add a value, or activate the one that was deactivated."""
    for value in values.iter("value"):
        if value.findtext("fullName") == option:
            active = value.find("isActive")
            if active is not None:
                active.text = "true"
            return

    value = SubElement(values, "value")
    for name, text in (("fullName", option), ("default", "false"), ("label", option)):
        SubElement(value, name).text = text
