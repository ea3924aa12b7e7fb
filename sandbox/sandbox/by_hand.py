"""What people do by hand in a CRM, beyond what its API offers: asked for by the control plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any


class UnknownActionError(ValueError):
    """An action, or what it is done to, that the vendor does not know."""


@dataclass(frozen=True, slots=True)
class Deed:
    """An action on a record or a field of an object."""

    action: str
    object: str
    id: str = ""
    """The record that it is done to."""
    into: str = ""
    """The record that a merge keeps."""
    field: str = ""
    """The field that it is done to."""
    type: str = ""
    """The type that a field gets, in the vendor's words."""
    option: str = ""
    """The option, stage or pipeline that is removed."""


def deed_of(body: Mapping[str, Any]) -> Deed:
    """An action as posted.

    Raises: UnknownActionError.
    """
    names = {known.name for known in fields(Deed)}
    unknown = set(body) - names - {"crm", "account"}
    if unknown or not {"action", "object"} <= set(body):
        raise UnknownActionError(f"an action is an object {{crm, account, {', '.join(names)}}}")
    return Deed(**{name: str(body[name]) for name in names & set(body)})


def carry_out(
    actions: Mapping[str, Callable[[Any, Deed], object]], account: Any, deed: Deed
) -> None:
    """Do it in an account of a vendor that has these actions.

    Raises: UnknownActionError.
    """
    if deed.action not in actions:
        known = ", ".join(sorted(actions))
        raise UnknownActionError(f"unknown action {deed.action!r}; known: {known}")
    try:
        actions[deed.action](account, deed)
    except KeyError as error:
        raise UnknownActionError(f"{deed.object} has no {error}") from error
