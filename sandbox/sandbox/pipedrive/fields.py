"""Pipedrive's fields and their options."""

from __future__ import annotations

from sandbox.http import Call, Reply
from sandbox.pipedrive.catalog import FIELD_LISTS, FIXED_FIELDS
from sandbox.pipedrive.errors import RefusedError, invalid
from sandbox.pipedrive.records import body_of
from sandbox.pipedrive.responses import only, page_of, page_reply, success
from sandbox.pipedrive.state import Company


def kind_of(fields: str, *, changing: bool = False) -> str:
    """`persons` for the `person` of personFields.

    Raises: RefusedError.
    """
    kind = FIELD_LISTS.get(fields)
    if kind is None or (changing and fields in FIXED_FIELDS):
        raise RefusedError(f"the sandbox does not emulate this call of {fields}Fields", 501)
    return kind


def list_fields(call: Call, company: Company, fields: str) -> Reply:
    """Fields with their keys and options."""
    only(call, ("limit", "cursor"))
    return page_reply(*page_of(call, company.fields[kind_of(fields)]))


def create_field(call: Call, company: Company, fields: str) -> Reply:
    """A new custom field."""
    return success(company.add_field(kind_of(fields, changing=True), body_of(call)))


def delete_field(call: Call, company: Company, fields: str, code: str) -> Reply:
    """A custom field less."""
    kind = kind_of(fields, changing=True)
    deleted = company.custom(kind).get(code)
    if deleted is None:
        raise RefusedError("Field not found", 404)
    company.fields[kind].remove(deleted)
    return success(deleted)


def add_options(call: Call, company: Company, fields: str, code: str) -> Reply:
    """More options; answers only the new ones."""
    field = company.custom(kind_of(fields, changing=True)).get(code)
    wanted = call.json()
    if field is None or field["field_type"] not in ("enum", "set") or not isinstance(wanted, list):
        raise invalid("field or options")

    options = company.new_options(wanted)
    field["options"] = [*field["options"], *options]
    return success(options)
