"""What the source says, and what a CRM says of the same people."""

from __future__ import annotations

from typing import Any

from box import Box
from crms import Crm
from support import by_key

KINDS = (
    "user.journey_stage_completed",
    "payment.completed",
    "deliverable.generated",
    "feedback.submitted",
    "user.referred_signup",
)


def people(box: Box, crm: Crm) -> dict[str, dict[str, Any]]:
    """Properties of the people in a CRM by key; no key occurs twice."""
    rows = by_key(box, crm, crm.people, crm.person_key)
    return {key: row["properties"] for key, row in rows.items()}


def truth(box: Box) -> dict[str, dict[str, Any]]:
    """Properties of the source's users by key."""
    return {row["id"]: row["properties"] for row in box.objects("canai", "users")}


def alike(held: Any, expected: Any) -> bool:
    """Returns True if a CRM's value and the source's are the same."""
    if held in (None, "") or expected is None:
        return held in (None, "") and expected is None
    if isinstance(expected, (int, float)):
        return float(held) == float(expected)
    return str(held) == str(expected)


def facts_differ(box: Box, crm: Crm, users: set[str]) -> list[tuple[str, str, Any, Any]]:
    """Where a CRM differs from the source: user, field, the CRM's value, the source's."""
    held, expected = people(box, crm), truth(box)
    return [
        (key, field, held[key].get(field), expected[key][name])
        for key in sorted(users)
        for field, name in crm.facts.items()
        if not alike(held[key].get(field), expected[key][name])
    ]
