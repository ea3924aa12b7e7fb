"""Standard objects that people work with, and their fields.

Source: describe responses of Account, Contact, Lead, Opportunity and OpportunityContactRole,
recorded from a real org (API 52.0, CumulusCI's shared_cassettes); Object Reference for the
Salesforce Platform, Campaign, Case, Product2, read 2026-11-29. Fields that no integration writes
are left out.
"""

from __future__ import annotations

from sandbox.salesforce.fields import Field, address, alike, read_only, reference, texts

SYSTEM = (
    read_only("Id", "id", 18, defaulted=True, lookup=True),
    read_only("IsDeleted", "boolean"),
    read_only("CreatedDate", "datetime", defaulted=True),
    read_only("LastModifiedDate", "datetime", defaulted=True),
    read_only("SystemModstamp", "datetime", defaulted=True),
)
"""Fields that every object has."""

OWNER = reference("OwnerId", "User", defaulted=True)
QUEUE_OWNER = reference("OwnerId", "Group", "User", defaulted=True)
"""The owner of an object whose records may belong to a queue."""
DESCRIPTION = Field("Description", "textarea", 32000, filterable=False)
LEAD_SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
LEAD_SOURCE = Field("LeadSource", "picklist", 255, values=LEAD_SOURCES)
RATINGS = ("Hot", "Warm", "Cold")
SALUTATIONS = ("Mr.", "Ms.", "Mrs.", "Dr.", "Prof.")
INDUSTRIES = (
    *("Agriculture", "Apparel", "Banking", "Biotechnology", "Chemicals", "Communications"),
    *("Construction", "Consulting", "Education", "Electronics", "Energy", "Engineering"),
    *("Entertainment", "Environmental", "Finance", "Food & Beverage", "Government", "Healthcare"),
    *("Hospitality", "Insurance", "Machinery", "Manufacturing", "Media", "Not For Profit"),
    *("Recreation", "Retail", "Shipping", "Technology", "Telecommunications", "Transportation"),
    *("Utilities", "Other"),
)
ACCOUNT_TYPES = (
    *("Prospect", "Customer - Direct", "Customer - Channel", "Channel Partner / Reseller"),
    *("Installation Partner", "Technology Partner", "Other"),
)
STAGES = (
    *("Prospecting", "Qualification", "Needs Analysis", "Value Proposition"),
    *("Id. Decision Makers", "Perception Analysis", "Proposal/Price Quote"),
    *("Negotiation/Review", "Closed Won", "Closed Lost"),
)
FORECASTS = ("Omitted", "Pipeline", "Best Case", "Commit", "Closed")
LEAD_STATUSES = (
    *("Open - Not Contacted", "Working - Contacted"),
    *("Closed - Converted", "Closed - Not Converted"),
)
CASE_STATUSES = ("New", "Working", "Escalated", "Closed")
ROLES = (
    *("Business User", "Decision Maker", "Economic Buyer", "Economic Decision Maker"),
    *("Evaluator", "Executive Sponsor", "Influencer", "Technical Buyer", "Other"),
)


def master_record(sobject: str) -> Field:
    """The record that a deleted one was merged into.

    Source: Object Reference, Account, Case, Contact, Lead, read 2026-11-29.
    """
    return read_only("MasterRecordId", "reference", 18, refers_to=(sobject,))


ACCOUNT = (
    master_record("Account"),
    Field("Name", length=255, required=True),
    Field("Type", "picklist", 40, values=ACCOUNT_TYPES),
    reference("ParentId", "Account"),
    *address("Billing"),
    *address("Shipping"),
    *alike("phone", "Phone", "Fax", length=40),
    Field("AccountNumber", length=40),
    Field("Website", "url", 255),
    Field("Sic", length=20),
    Field("Industry", "picklist", 40, values=INDUSTRIES),
    Field("AnnualRevenue", "currency"),
    Field("NumberOfEmployees", "int"),
    Field("Ownership", "picklist", 40, values=("Public", "Private", "Subsidiary", "Other")),
    Field("TickerSymbol", length=20),
    DESCRIPTION,
    Field("Rating", "picklist", 40, values=RATINGS),
    Field("Site", length=80),
    OWNER,
    Field("AccountSource", "picklist", 40, values=LEAD_SOURCES),
)
CONTACT = (
    master_record("Contact"),
    reference("AccountId", "Account"),
    Field("LastName", length=80, required=True),
    Field("FirstName", length=40),
    Field("Salutation", "picklist", 40, values=SALUTATIONS),
    read_only("Name", length=121, required=True),
    *address("Other"),
    *address("Mailing"),
    *alike("phone", "Phone", "Fax", "MobilePhone", "HomePhone", "OtherPhone", length=40),
    Field("AssistantPhone", "phone", 40),
    reference("ReportsToId", "Contact"),
    Field("Email", "email", 80, lookup=True),
    Field("Title", length=128),
    Field("Department", length=80),
    Field("AssistantName", length=40),
    LEAD_SOURCE,
    Field("Birthdate", "date"),
    DESCRIPTION,
    OWNER,
)
LEAD = (
    master_record("Lead"),
    Field("LastName", length=80, required=True),
    Field("FirstName", length=40),
    Field("Salutation", "picklist", 40, values=(*SALUTATIONS, "Mx.")),
    read_only("Name", length=121, required=True),
    Field("Title", length=128),
    Field("Company", length=255, required=True),
    *address(),
    *alike("phone", "Phone", "MobilePhone", "Fax", length=40),
    Field("Email", "email", 80, lookup=True),
    Field("Website", "url", 255),
    DESCRIPTION,
    LEAD_SOURCE,
    Field("Status", "picklist", 255, values=LEAD_STATUSES, defaulted=True),
    Field("Industry", "picklist", 255, values=INDUSTRIES),
    Field("Rating", "picklist", 255, values=RATINGS),
    Field("AnnualRevenue", "currency"),
    Field("NumberOfEmployees", "int"),
    QUEUE_OWNER,
    Field("IsConverted", "boolean", updateable=False),
    Field("IsUnreadByOwner", "boolean"),
)
OPPORTUNITY = (
    reference("AccountId", "Account"),
    Field("IsPrivate", "boolean"),
    Field("Name", length=120, required=True, lookup=True),
    DESCRIPTION,
    Field("StageName", "picklist", 255, required=True, values=STAGES),
    Field("Amount", "currency", scale=2),
    Field("Probability", "percent", precision=3),
    Field("TotalOpportunityQuantity", "double", scale=2),
    Field("CloseDate", "date", required=True),
    Field("Type", "picklist", 255),
    Field("NextStep", length=255),
    LEAD_SOURCE,
    read_only("IsClosed", "boolean"),
    read_only("IsWon", "boolean"),
    Field("ForecastCategoryName", "picklist", 255, values=FORECASTS, restricted=True),
    reference("CampaignId", "Campaign"),
    OWNER,
    # The only look-up here that no relationship leads along.
    reference("ContactId", "Contact", updateable=False, related=False),
)
CONTACT_ROLE = (
    reference("OpportunityId", "Opportunity", updateable=False, required=True),
    reference("ContactId", "Contact", required=True),
    Field("Role", "picklist", 40, values=ROLES),
    Field("IsPrimary", "boolean"),
)
CAMPAIGN = (
    Field("Name", length=80, required=True),
    reference("ParentId", "Campaign"),
    Field("Type", "picklist", 40, values=("Conference", "Webinar", "Email", "Other")),
    Field("Status", "picklist", 40, values=("Planned", "In Progress", "Completed", "Aborted")),
    *alike("date", "StartDate", "EndDate"),
    *alike("currency", "ExpectedRevenue", "BudgetedCost", "ActualCost"),
    Field("ExpectedResponse", "percent", precision=10, scale=2),
    Field("NumberSent", "double"),
    Field("IsActive", "boolean"),
    DESCRIPTION,
    OWNER,
)
CASE = (
    master_record("Case"),
    reference("ContactId", "Contact"),
    reference("AccountId", "Account"),
    reference("ParentId", "Case"),
    *texts(80, "SuppliedName", "SuppliedCompany"),
    Field("Type", "picklist", 255),
    Field(
        "Status", "picklist", 255, values=("New", "Working", "Escalated", "Closed"), defaulted=True
    ),
    Field("Reason", "picklist", 255),
    Field("Origin", "picklist", 255, values=("Phone", "Email", "Web")),
    Field("Subject", length=255),
    Field("Priority", "picklist", 255, values=("High", "Medium", "Low"), defaulted=True),
    DESCRIPTION,
    QUEUE_OWNER,
)
PRODUCT = (
    Field("Name", length=255, required=True),
    Field("ProductCode", length=255),
    Field("Description", "textarea", 4000),
    Field("IsActive", "boolean"),
    Field("Family", "picklist", 255),
    Field("DisplayUrl", "url", 1000),
    Field("QuantityUnitOfMeasure", "picklist", 255),
    Field("StockKeepingUnit", length=180),
)
BUSINESS_OBJECTS = {
    "Account": ACCOUNT,
    "Campaign": CAMPAIGN,
    "Case": CASE,
    "Contact": CONTACT,
    "Lead": LEAD,
    "Opportunity": OPPORTUNITY,
    "OpportunityContactRole": CONTACT_ROLE,
    "Product2": PRODUCT,
}
"""Each name to the fields beside those of SYSTEM."""
DEFAULTS = {
    "Lead": {"Status": LEAD_STATUSES[0]},
    "Case": {"Status": CASE_STATUSES[0], "Priority": "Medium"},
}
"""What Salesforce fills in where a new row does not. Source: the recorded describe of Lead; the
picklists of a new org, Object Reference, Case, read 2026-11-29."""
