"""CanAI's business functions, as the export guide and this project's decisions define them.

Every function is pure and takes null where the source may have null. Keyword-only parameters are
facts of the CRM account, which the target passes in.
"""

from canai_rules.deals import (
    closed_stage,
    deal_name,
    deal_stage,
    deal_title,
    deal_value,
    expected_close_date,
    opportunity_name,
    payment_value,
    pipeline_stage,
    utc_date,
)
from canai_rules.events import (
    event_activity,
    event_day,
    event_full_name,
    event_known_as,
    event_last_name,
    event_lifecycle,
    event_payment_name,
    event_stage,
)
from canai_rules.metrics import deliverable_marker, json_text, metric_id
from canai_rules.people import (
    customer_segment,
    full_name,
    is_qualified_lead,
    last_name_or_email,
    lead_score,
    lead_status,
    lifecycle_stage,
    revenue_potential,
)

__all__ = [
    "closed_stage",
    "customer_segment",
    "deal_name",
    "deal_stage",
    "deal_title",
    "deal_value",
    "deliverable_marker",
    "event_activity",
    "event_day",
    "event_full_name",
    "event_known_as",
    "event_last_name",
    "event_lifecycle",
    "event_payment_name",
    "event_stage",
    "expected_close_date",
    "full_name",
    "is_qualified_lead",
    "json_text",
    "last_name_or_email",
    "lead_score",
    "lead_status",
    "lifecycle_stage",
    "metric_id",
    "opportunity_name",
    "payment_value",
    "pipeline_stage",
    "revenue_potential",
    "utc_date",
]
