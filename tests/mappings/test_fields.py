"""The guide's fields for people and deals: all are mapped, each onto the field decided for it."""

from __future__ import annotations

import pytest
from reverse_etl.mapping.rules import Rule

from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_crm

SALESFORCE_CONTACT = [
    "FirstName",
    "LastName",
    "Email",
    "Phone",
    "CanAI_User_ID__c",
    "Journey_Stage__c",
    "Subscription_Tier__c",
    "Total_Spent__c",
    "Last_Activity__c",
    "Trust_Delta_Average__c",
    "Emotional_Resonance_Score__c",
    "Deliverables_Created__c",
    "Sessions_Count__c",
    "Spark_Generations__c",
    "Referrals_Made__c",
    "NPS_Score__c",
    "Overall_Satisfaction__c",
    "Business_Type__c",
    "Funding_Goal__c",
    "Location__c",
    "Lead_Score__c",
    "Lifecycle_Stage__c",
]
SALESFORCE_OPPORTUNITY = [
    "ContactId",
    "Amount",
    "StageName",
    "CloseDate",
    "Name",
    "CanAI_Payment_ID__c",
]
HUBSPOT_CONTACT = [
    "email",
    "firstname",
    "lastname",
    "phone",
    "canai_user_id",
    "canai_journey_stage",
    "canai_subscription_tier",
    "canai_total_spent",
    "canai_trust_delta",
    "canai_emotional_resonance",
    "canai_deliverables_count",
    "canai_business_type",
    "canai_funding_goal",
    "canai_product_track",
    "canai_sessions_count",
    "canai_spark_generations",
    "canai_last_activity",
    "canai_nps_score",
    "canai_satisfaction_rating",
    "lifecyclestage",
    "hs_lead_status",
]
HUBSPOT_DEAL = [
    "dealname",
    "amount",
    "dealstage",
    "pipeline",
    "canai_product_track",
    "canai_trust_delta",
    "canai_deliverables",
    "canai_deal_id",
]
PIPEDRIVE_PERSON = [
    "name",
    "emails",
    "phones",
    "canai_user_id",
    "canai_journey_stage",
    "canai_business_type",
    "canai_trust_delta",
    "canai_emotional_resonance",
    "canai_total_value",
    "canai_deliverables_count",
    "canai_satisfaction_score",
    "canai_referrals_made",
    "lead_score",
    "customer_segment",
    "revenue_potential",
]
PIPEDRIVE_DEAL = [
    "title",
    "value",
    "currency",
    "stage_id",
    "person_id",
    "canai_product_track",
    "canai_trust_delta",
    "canai_funding_goal",
    "canai_business_description",
    "expected_close_date",
    "canai_deal_id",
]


def rule(crm: Crm, name: str, *, of_events: bool = False) -> Rule:
    """The shipped rule for an object."""
    plugin = crm.target(config={}, validate_config=False)
    return next(
        rule
        for rule in plugin.rules
        if rule.object == name and (rule.stream == "events") == of_events
    )


@pytest.mark.parametrize(
    ("crm", "name", "fields", "guide"),
    [
        (SALESFORCE, "Contact", SALESFORCE_CONTACT, 22),
        (SALESFORCE, "Opportunity", SALESFORCE_OPPORTUNITY, 5),
        (HUBSPOT, "contacts", HUBSPOT_CONTACT, 21),
        (HUBSPOT, "deals", HUBSPOT_DEAL, 7),
        (PIPEDRIVE, "persons", PIPEDRIVE_PERSON, 15),
        (PIPEDRIVE, "deals", PIPEDRIVE_DEAL, 10),
    ],
)
def test_every_field_of_the_guide_is_mapped(
    crm: Crm, name: str, fields: list[str], guide: int
) -> None:
    mapped_by = rule(crm, name)
    spec = crm.target.objects.get(name)
    links = spec.links if spec else {}
    mapped = {field.name for field in mapped_by.fields} | {
        links[link.to].field for link in mapped_by.links if link.to in links
    } - {""}
    assert mapped == set(fields)
    keys_of_ours = {"CanAI_Payment_ID__c", "canai_deal_id"}
    assert len(mapped - keys_of_ours) == guide


@pytest.mark.parametrize(
    ("crm", "name", "fields"),
    [
        (HUBSPOT, "deals", {"dealstage", "pipeline"}),
        (PIPEDRIVE, "deals", {"stage_id", "expected_close_date"}),
    ],
)
def test_what_sales_moves_is_written_on_creation_only(
    crm: Crm, name: str, fields: set[str]
) -> None:
    assert {field.name for field in rule(crm, name).fields if field.write == "on_create"} == fields


WEBHOOK_CONTACT = {
    "Journey_Stage__c": {"event", "stage_completed"},
    "CanAI_Trust_Delta__c": {"trust_delta"},
    "Last_Activity__c": {"event", "timestamp"},
    "Deliverables_Created__c": {"total_deliverables"},
    "CanAI_Latest_Deliverable__c": {"deliverable_url"},
}
"""Fields that the guide's webhook handlers write, and the properties that they come from."""


def test_every_field_of_the_guides_webhook_handlers_is_mapped() -> None:
    contact = {
        field.name: set(field.paths) for field in rule(SALESFORCE, "Contact", of_events=True).fields
    }
    assert {name: contact[name] for name in WEBHOOK_CONTACT} == WEBHOOK_CONTACT
    assert len(WEBHOOK_CONTACT) == 5
    opportunity = {field.name for field in rule(SALESFORCE, "Opportunity", of_events=True).fields}
    assert opportunity == set(SALESFORCE_OPPORTUNITY) - {"ContactId"}


@each_crm
def test_events_write_names_and_email_only_where_the_crm_has_none(crm: Crm) -> None:
    personal = {
        "email",
        "firstname",
        "lastname",
        "phone",
        "name",
        "emails",
        "phones",
        "FirstName",
        "LastName",
        "Email",
        "Phone",
    }
    written = {
        field.name: field.write
        for field in rule(crm, crm.people, of_events=True).fields
        if field.name in personal
    }
    assert len(written) >= 3
    assert set(written.values()) <= {"if_empty", "on_create"}
