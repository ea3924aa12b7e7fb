"""What a new portal has: pipelines, owners, details of the account, limits.

Source: HubSpot's CRM object guides, read 2026-11-23. Stages are the defaults of a new portal, which
the customer may edit.
"""

from __future__ import annotations

from typing import Any

BURST = (250, 10.0)
"""Calls per 10 s of an account with the API limit increase.

Source: HubSpot, API usage guidelines, 2026-11.
"""

DEAL_STAGES = (
    "appointmentscheduled",
    "qualifiedtobuy",
    "presentationscheduled",
    "decisionmakerboughtin",
    "contractsent",
    "closedwon",
    "closedlost",
)
PARTNER_STAGES = ((1, "Qualified to Buy"), (4, "Contract sent"), (5, "Won"), (6, "Lost"))
"""Stages of the second pipeline: the place of the deal stage they resemble, and their label."""

TICKET_STAGES = ("New", "Waiting on contact", "Waiting on us", "Closed")
"""Stages of the support pipeline, whose ids are their places from 1.

Source: HubSpot, Tickets guide and Pipelines guide, read 2026-11-29.
"""

OWNERS = (("1", "owner", "Sam", "Owner"), ("2", "ada", "Ada", "Sales"))


def deal_stage(stage: str, order: int, began: str) -> dict[str, Any]:
    """A stage of the default pipeline."""
    return {
        "id": stage,
        "label": stage,
        "displayOrder": order,
        "archived": False,
        "createdAt": began,
        "updatedAt": began,
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        "metadata": {
            "isClosed": str(stage.startswith("closed")).lower(),
            "probability": f"{min(order + 1, 10) / 10}",
        },
    }


def deal_pipelines(began: str) -> list[dict[str, Any]]:
    """The pipelines of deals, with their stages."""
    stages = [deal_stage(stage, order, began) for order, stage in enumerate(DEAL_STAGES)]

    partners = []
    for place, (like, label) in enumerate(PARTNER_STAGES):
        marks = {"id": str(7000 + place), "label": label, "displayOrder": place}
        partners.append({**stages[like], **marks})
    partners[2]["metadata"] = {"isClosed": "true", "probability": "1.0"}

    common = {"archived": False, "createdAt": began, "updatedAt": began}
    return [
        {"id": "default", "label": "Sales Pipeline", "displayOrder": 0, **common, "stages": stages},
        {"id": "7000", "label": "Partners", "displayOrder": 1, **common, "stages": partners},
    ]


def ticket_pipelines(began: str) -> list[dict[str, Any]]:
    """The pipelines of tickets: one, with the id 0."""
    common = {"archived": False, "createdAt": began, "updatedAt": began}
    stages = []
    for order, label in enumerate(TICKET_STAGES):
        closed = label == TICKET_STAGES[-1]
        state = {"ticketState": "CLOSED" if closed else "OPEN", "isClosed": str(closed).lower()}
        stages.append(
            {
                "id": str(order + 1),
                "label": label,
                "displayOrder": order,
                "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
                "metadata": state,
                **common,
            }
        )
    return [{"id": "0", "label": "Support Pipeline", "displayOrder": 0, **common, "stages": stages}]


def owners(now: str) -> list[dict[str, Any]]:
    """The owners of a portal."""
    return [
        {
            "id": number,
            "email": f"{name}@example.com",
            "type": "PERSON",
            "firstName": first,
            "lastName": last,
            "userId": int(number),
            "createdAt": now,
            "updatedAt": now,
            "archived": False,
        }
        for number, name, first, last in OWNERS
    ]


def account_details(portal_id: int) -> dict[str, Any]:
    """What the account information API says of a portal, its currencies included.

    Source: HubSpot, Account information guide, read 2026-11-29.
    """
    return {
        "portalId": portal_id,
        "accountType": "STANDARD",
        "timeZone": "US/Eastern",
        "companyCurrency": "USD",
        "additionalCurrencies": ["EUR"],
        "utcOffset": "-05:00",
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }
