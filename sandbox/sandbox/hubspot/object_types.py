"""HubSpot's own objects: their type ids, and the names that a path may use.

Source: HubSpot, Understanding the CRM (object type IDs), read 2026-11-29.
"""

from __future__ import annotations

OBJECT_TYPES = {
    "contacts": "0-1",
    "companies": "0-2",
    "deals": "0-3",
    "tickets": "0-5",
    "products": "0-7",
    "line_items": "0-8",
    "tasks": "0-27",
    "notes": "0-46",
    "meetings": "0-47",
    "calls": "0-48",
}
SINGULARS = {
    "contact": "contacts",
    "company": "companies",
    "deal": "deals",
    "ticket": "tickets",
    "product": "products",
    "line_item": "line_items",
    "task": "tasks",
    "note": "notes",
    "meeting": "meetings",
    "call": "calls",
}
TYPE_NAMES = {
    **{number: name for name, number in OBJECT_TYPES.items()},
    **{name: name for name in OBJECT_TYPES},
    **SINGULARS,
}
"""Every name that a path may use for a standard object."""
ACTIVITIES = ("calls", "meetings", "notes", "tasks")


def shown_name(kind: str) -> str:
    """An object as HubSpot's messages call it, such as `TICKET`."""
    return next((noun for noun, name in SINGULARS.items() if name == kind), kind).upper()
