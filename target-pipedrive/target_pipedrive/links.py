"""Links between records: every link of Pipedrive is a field that holds the other record's id."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from reverse_etl.errors import NoSuchLinkError
from reverse_etl.objects import LinkForm, LinkWanted
from reverse_etl.values import FieldInfo

from target_pipedrive.objects import ENDPOINTS

LINK_TYPES = {"organizations": "org", "persons": "people"}
"""Types of custom fields that refer to an object.

Source: Pipedrive openapi-v2 (2026-08), `field_type` of POST /dealFields.
"""


def link_form(object_name: str, wanted: LinkWanted, infos: Mapping[str, FieldInfo]) -> LinkForm:
    """The field of a link: the one that is named, else the only one, a standard field first.

    Raises: NoSuchLinkError.
    """
    if wanted.label:
        raise NoSuchLinkError(
            f"Pipedrive's links have no labels, and this one asks for {wanted.label!r}.",
            "Name the field instead: `field`.",
        )
    fitting = [info for info in infos.values() if wanted.to in info.refers]
    if wanted.field:
        return named_form(object_name, wanted, infos, fitting)

    standard = [info for info in fitting if not info.wire_name]
    candidates = standard or fitting
    if not candidates:
        raise NoSuchLinkError(f"{object_name} has no field that refers to {wanted.to}.")
    if len(candidates) > 1:
        names = ", ".join(sorted(info.name for info in candidates))
        raise NoSuchLinkError(
            f"{object_name} has several fields that refer to {wanted.to}.",
            f"Choose one with `field`: {names}.",
        )
    return form_of(wanted.to, candidates[0])


def named_form(
    object_name: str,
    wanted: LinkWanted,
    infos: Mapping[str, FieldInfo],
    fitting: list[FieldInfo],
) -> LinkForm:
    """The field that a link names, though it may not exist yet. Raises: NoSuchLinkError."""
    for info in fitting:
        if info.name == wanted.field:
            return form_of(wanted.to, info)
    names = sorted(info.name for info in fitting)
    choices = f"Fields that refer to {wanted.to}: {', '.join(names) or 'none'}."
    if wanted.field in infos:
        raise NoSuchLinkError(
            f"{wanted.field} of {object_name} does not refer to {wanted.to}.", choices
        )
    near = get_close_matches(wanted.field, names, 1)
    creates = ENDPOINTS[object_name].creates_fields and wanted.to in LINK_TYPES
    if near or not creates:
        hint = f"Did you mean {near[0]}?" if near else choices
        raise NoSuchLinkError(f"{object_name} has no field {wanted.field}.", hint)
    return LinkForm(wanted.to, "reference", field=wanted.field)


def form_of(to: str, info: FieldInfo) -> LinkForm:
    """The form of a link that a field holds."""
    return LinkForm(to, "reference", field=info.name, on_create=info.create_only)
