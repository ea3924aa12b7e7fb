"""Stages and pipelines of a new portal, which people may remove.

Source: HubSpot's guides to contacts, deals, tickets and pipelines, read 2026-11-29: the customer
may edit them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from reverse_etl.values import FieldInfo

DEFAULTS: dict[str, tuple[str, ...]] = {
    "lifecyclestage": (
        "subscriber",
        "lead",
        "marketingqualifiedlead",
        "salesqualifiedlead",
        "opportunity",
        "customer",
        "evangelist",
        "other",
    ),
    "hs_lead_status": (
        "NEW",
        "OPEN",
        "IN_PROGRESS",
        "OPEN_DEAL",
        "UNQUALIFIED",
        "ATTEMPTED_TO_CONTACT",
        "CONNECTED",
        "BAD_TIMING",
    ),
    "pipeline": ("default",),
    "dealstage": (
        "appointmentscheduled",
        "qualifiedtobuy",
        "presentationscheduled",
        "decisionmakerboughtin",
        "contractsent",
        "closedwon",
        "closedlost",
    ),
    "hs_pipeline": ("0",),
    "hs_pipeline_stage": ("1", "2", "3", "4"),
}
"""Options of a new portal, by property."""


def without_removed(info: FieldInfo, known: Collection[str], instead: str = "") -> FieldInfo:
    """The property with those of its default options that the portal no longer has.

    `instead` is written in their place: a deal or ticket cannot be created without a stage.
    """
    removed = {
        option: instead
        for option in DEFAULTS.get(info.name, ())
        if option not in known and info.aliases.get(option) not in info.options
    }
    return replace(info, removed=removed) if removed and info.strict_options else info
