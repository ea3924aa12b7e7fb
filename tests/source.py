"""What the source says, and what a CRM says of the same people."""

from __future__ import annotations

from typing import Any

from support import PEOPLE, PERSON_KEY, Box

KINDS = (
    "user.journey_stage_completed",
    "payment.completed",
    "deliverable.generated",
    "feedback.submitted",
    "user.referred_signup",
)
FACTS = {
    "hubspot": {
        "canai_journey_stage": "current_journey_stage", "canai_total_spent": "total_spent", "canai_deliverables_count": "deliverables_generated",
        "canai_nps_score": "nps_score", "canai_satisfaction_rating": "average_rating", "email": "email",
    },
    "pipedrive": {
        "canai_journey_stage": "current_journey_stage", "canai_total_value": "total_spent", "canai_deliverables_count": "deliverables_generated",
        "canai_satisfaction_score": "average_rating", "canai_referrals_made": "referrals_made",
    },
    "salesforce": {
        "Journey_Stage__c": "current_journey_stage", "Total_Spent__c": "total_spent", "Deliverables_Created__c": "deliverables_generated",
        "NPS_Score__c": "nps_score", "Overall_Satisfaction__c": "average_rating", "Referrals_Made__c": "referrals_made", "Email": "email",
    },
}  # fmt: skip
"""CRM fields that events write, and the source's property of the same fact."""


def people(box: Box, crm: str) -> dict[str, dict[str, Any]]:
    rows = box.objects(crm, PEOPLE[crm])
    found = {row["properties"][PERSON_KEY[crm]]: row["properties"] for row in rows}
    assert len(found) == len(rows)
    return found


def truth(box: Box) -> dict[str, dict[str, Any]]:
    return {row["id"]: row["properties"] for row in box.objects("canai", "users")}


def alike(held: Any, told: Any) -> bool:
    if held in (None, "") or told is None:
        return held in (None, "") and told is None
    return float(held) == float(told) if isinstance(told, (int, float)) else str(held) == str(told)


def facts_differ(box: Box, crm: str, users: set[str]) -> list[tuple[str, str, Any, Any]]:
    held, told = people(box, crm), truth(box)
    return [
        (one, field, held[one].get(field), told[one][name])
        for one in sorted(users)
        for field, name in FACTS[crm].items()
        if not alike(held[one].get(field), told[one][name])
    ]
