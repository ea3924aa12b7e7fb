"""What people do in a company by hand: restore what was deleted, change fields.

Deleted records can be restored for 30 days.
Source: Pipedrive, Restoring deleted items; API reference, DELETE /persons/{id}, read 2026-11-29.
"""

from __future__ import annotations

from typing import Any

from sandbox.by_hand import Deed
from sandbox.pipedrive.catalog import fields_of
from sandbox.pipedrive.merges import merge_into
from sandbox.pipedrive.state import Company


def merge(company: Company, deed: Deed) -> None:
    """Merge a record into another, whose values stand."""
    records = company.records[deed.object]
    merge_into(company, deed.object, records[number(deed.into)], records[number(deed.id)])


def undelete(company: Company, deed: Deed) -> None:
    """Restore a deleted record."""
    company.records[deed.object][number(deed.id)]["is_deleted"] = False


def number(text: str) -> int | str:
    """A record's id."""
    return int(text) if text.isdigit() else text


def field_named(company: Company, deed: Deed) -> dict[str, Any]:
    """A custom field by its name.

    Raises: KeyError.
    """
    by_name = {entry["field_name"]: entry for entry in company.custom(deed.object).values()}
    return by_name[deed.field]


def delete_field(company: Company, deed: Deed) -> None:
    """Delete a custom field with all its values."""
    entry = field_named(company, deed)
    company.fields[fields_of(deed.object)].remove(entry)
    for record in company.records[deed.object].values():
        record["custom_fields"].pop(entry["field_code"], None)


def retype_field(company: Company, deed: Deed) -> None:
    """Replace a custom field by one of another type, which alone is possible: it is empty."""
    delete_field(company, deed)
    company.add_field(deed.object, {"field_name": deed.field, "field_type": deed.type})


def remove_option(company: Company, deed: Deed) -> None:
    """Delete a stage (`stage_id`), or a pipeline with its stages (`pipeline_id`)."""
    place = "id" if deed.field == "stage_id" else deed.field
    company.stages = [stage for stage in company.stages if str(stage[place]) != deed.option]


ACTIONS = {
    "remove_option": remove_option,
    "merge": merge,
    "undelete": undelete,
    "delete_field": delete_field,
    "retype_field": retype_field,
}
