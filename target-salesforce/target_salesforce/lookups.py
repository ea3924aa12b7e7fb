"""Links between records: which lookup field holds one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reverse_etl.errors import NoSuchLinkError
from reverse_etl.objects import LinkForm, LinkWanted
from reverse_etl.values import FieldInfo
from singer_kit.words import nearest

FIELDS_OF_NEW = {"OwnerId": FieldInfo("OwnerId", "text", refers=("Group", "User"))}
"""The lookup that a new custom object has by itself: its records have an owner."""


def lookup_form(
    object_name: str, infos: Mapping[str, FieldInfo], wanted: LinkWanted, special: LinkForm | None
) -> LinkForm:
    """The form of a link, from the fields of the object that holds it. Raises: NoSuchLinkError.

    `special` is the form of a link that is more than its field.
    """
    if wanted.label:
        raise NoSuchLinkError(
            "A link of Salesforce has no label.", "Name its lookup field with `field:` instead."
        )
    if special is not None and wanted.field in ("", special.field):
        return special

    name = wanted.field or only_lookup(object_name, infos, wanted.to)
    info = infos.get(name)
    if info is None:
        return LinkForm(wanted.to, "reference", field=name)
    if wanted.to not in info.refers or not info.writable:
        raise NoSuchLinkError(
            f"{object_name}.{name} is not a lookup to {wanted.to} that can be written.",
            choices(lookups(infos, wanted.to)),
        )
    return LinkForm(wanted.to, "reference", field=name, on_create=info.create_only)


def only_lookup(object_name: str, infos: Mapping[str, FieldInfo], to: str) -> str:
    """The lookup to an object: the standard one, else the only one. Raises: NoSuchLinkError."""
    names = lookups(infos, to)
    standard = f"{to}Id"
    if standard in names:
        return standard
    if len(names) == 1:
        return names[0]

    if names:
        raise NoSuchLinkError(f"{object_name} has {len(names)} lookups to {to}.", choices(names))
    others = {other for info in infos.values() if info.writable for other in info.refers}
    raise NoSuchLinkError(
        f"{object_name} has no lookup to {to}.", nearest(to, sorted(others)) or choices(names)
    )


def lookups(infos: Mapping[str, FieldInfo], to: str) -> list[str]:
    """The fields that can be set to a record of another object."""
    return sorted(name for name, info in infos.items() if to in info.refers and info.writable)


def choices(names: Iterable[str]) -> str:
    """What to do, with the lookups there are."""
    listed = ", ".join(names)
    if listed:
        return f"Say which with `field:`: {listed}."
    return "Create a lookup field, or name one with `field:` and set `provision: true`."
