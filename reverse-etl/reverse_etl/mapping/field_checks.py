"""Does a field of the CRM take what a rule gives it, and which field would?"""

from __future__ import annotations

from collections.abc import Mapping

from singer_kit.words import nearest

from reverse_etl.errors import NotRepresentableError
from reverse_etl.mapping.kinds import ACCEPTS, SourceKind
from reverse_etl.mapping.rules import FieldRule, Rule
from reverse_etl.objects import FieldWanted
from reverse_etl.values import FieldInfo, Kind, canonical

OPTIONED: tuple[Kind, ...] = ("choice", "choices")
"""The kinds of fields that have options."""
MOMENTS: tuple[Kind, ...] = ("date", "datetime")
"""The kinds of fields that take a date written as text, if the rule itself says it."""


def wanted_field(field: FieldRule, source: SourceKind, *, unique: bool) -> FieldWanted:
    """A field of the CRM as `provision` creates it; a list without known options is text.

    A key is text, too, whatever the source has: it is compared as text.
    """
    if unique:
        return FieldWanted(field.name, "text", unique=True)
    kind, long_text = source.kind or "text", source.long_text
    if kind == "choices" and not source.options:
        kind, long_text = "text", True
    options = source.options if kind in OPTIONED else ()
    return FieldWanted(field.name, kind, options, long_text=long_text)


def planned_info(wanted: FieldWanted) -> FieldInfo:
    """A field as it will be once it has been created, for checks before that."""
    return FieldInfo(
        wanted.name,
        wanted.kind,
        options=wanted.options,
        unique=wanted.unique,
        refers=(wanted.refers,) if wanted.refers else (),
    )


def check_fields_exist(rule: Rule, crm_fields: Mapping[str, FieldInfo]) -> None:
    """Raises: MappingError that names every field the CRM's object lacks."""
    missing = [field for field in rule.fields if field.name not in crm_fields]
    if not missing:
        return
    names = ", ".join(field.name for field in missing)
    near = nearest(missing[0].name, crm_fields)
    create = f"{near} Otherwise create" if near else "Create"
    raise rule.error(
        f"{rule.object} has no field {names}.",
        missing[0].line,
        f"{create} them in the CRM, grant the user access to them, or set `provision: true`.",
    )


def check_field_takes(rule: Rule, field: FieldRule, info: FieldInfo, source: SourceKind) -> None:
    """Raises: MappingError if the CRM's field cannot take what the rule gives."""
    if not info.writable:
        raise rule.error(
            f"{field.name} of {rule.object} cannot be written.",
            field.line,
            "Map onto a writable field, or grant the right to edit it.",
        )
    if source.structured:
        raise rule.error(
            f"{field.name} takes a {info.kind}, the rule gives {source.structured}.",
            field.line,
            "Name one of its parts in the path, or use a function (`as`).",
        )
    if source.kind == "choice" and source.options and info.kind in MOMENTS:
        check_moments(rule, field, info, source)
    elif source.kind is not None and source.kind not in ACCEPTS[info.kind]:
        raise rule.error(
            f"{field.name} takes a {info.kind}, the rule gives a {source.kind}.",
            field.line,
            "Use a function (`as`) that converts it, or `parse` if it is text; or, if people "
            "changed the field's type in the CRM, change it back.",
        )


def check_moments(rule: Rule, field: FieldRule, info: FieldInfo, source: SourceKind) -> None:
    """Raises: MappingError if a constant, or another value that the rule names, is not a date."""
    for option in source.options:
        try:
            canonical(info, option)
        except NotRepresentableError:
            raise rule.error(
                f"{field.name} takes a {info.kind}, the rule gives {option!r}.",
                field.line,
                "Write it as 2026-12-31 or 2026-12-31T08:00:00Z.",
            ) from None


def check_options(rule: Rule, field: FieldRule, info: FieldInfo, source: SourceKind) -> None:
    """Raises: MappingError if the rule can give a value that is not an option."""
    if source.kind in OPTIONED and info.kind in OPTIONED and info.strict_options:
        for option in source.options:
            if option in info.removed:
                continue
            if option not in info.options and not is_alias(info, option):
                raise rule.error(
                    f"{field.name} has no option {option!r}.",
                    field.line,
                    "Add it in the CRM, or map the value onto an existing option.",
                )


def is_alias(info: FieldInfo, option: str) -> bool:
    """Returns True if the CRM knows an option by this other name."""
    return info.aliases.get(option.casefold()) in info.options
