"""The fields of the export API's record sets: names, keys, aliases, and which are personal."""

from __future__ import annotations

USERS = (
    "user_id", "email", "first_name", "last_name", "phone", "created_at", "last_active_at",
    "current_journey_stage", "stages_completed", "journey_completion_percentage", "business_type",
    "business_description", "location", "funding_goal", "preferred_product_track",
    "trust_delta_average", "emotional_resonance_average", "deliverables_generated",
    "sparks_generated", "total_sessions", "total_time_spent_seconds", "last_login",
    "subscription_tier", "total_spent", "lifetime_value", "nps_score", "average_rating",
    "feedback_count", "referrals_made", "referral_conversions",
)  # fmt: skip
DELIVERABLES = (
    "deliverable_id", "user_id", "product_track", "canai_output", "word_count", "trust_delta",
    "emotional_resonance", "user_satisfaction", "pdf_url", "created_at",
)  # fmt: skip
PAYMENTS = (
    "payment_id", "user_id", "user_email", "amount", "currency", "status", "refunded_amount",
    "product_track", "stripe_payment_intent_id", "created_at", "updated_at",
)  # fmt: skip
ANALYTICS = (
    "period_start", "period_end", "total_users", "new_users", "active_users", "churned_users",
    "funnel_conversion_rates", "average_journey_time", "stage_completion_rates",
    "average_trust_delta", "average_emotional_resonance", "user_satisfaction_score",
    "total_revenue", "monthly_recurring_revenue", "average_order_value", "customer_lifetime_value",
    "api_response_times", "system_uptime_percentage", "error_rates", "emotional_resonance_trends",
    "geographic_distribution", "referral_conversion_rates", "average_time_per_stage",
    "drop_off_points", "conversion_funnels", "user_paths", "engagement_patterns",
    "satisfaction_by_stage", "trust_delta_progression", "emotional_resonance_journey",
    "churn_rates", "revenue_by_product_track", "upgrade_conversion_rates", "refund_rates",
    "geographic_revenue_distribution", "customer_acquisition_cost", "api_performance_metrics",
)  # fmt: skip

FEEDBACK = (
    "feedback_id", "user_id", "kind", "rating", "nps_score", "comment", "subject", "status",
    "journey_stage", "deliverable_id", "submitted_at",
)  # fmt: skip
SESSIONS = (
    "session_id", "user_id", "started_at", "ended_at", "duration_seconds", "journey_stages",
    "interactions", "converted", "product_track",
)  # fmt: skip

RECORD_SETS = {
    "feedback": FEEDBACK,
    "sessions": SESSIONS,
    "users": USERS,
    "deliverables": DELIVERABLES,
    "payments": PAYMENTS,
    "analytics": ANALYTICS,
}
EXPORT_TYPES = {
    "user_data": ("users",),
    "deliverables": ("deliverables",),
    "analytics": ("analytics",),
    "full_platform": ("users", "deliverables", "payments", "analytics", "feedback", "sessions"),
}
REPLICATION_KEYS = {
    "users": "last_active_at",
    "deliverables": "created_at",
    "payments": "updated_at",
    "analytics": "period_end",
    "feedback": "submitted_at",
    "sessions": "started_at",
}
PRIMARY_KEYS = {
    "users": "user_id",
    "deliverables": "deliverable_id",
    "payments": "payment_id",
    "analytics": "period_start",
    "feedback": "feedback_id",
    "sessions": "session_id",
}
ALIASES = {
    "registration_date": "created_at",
    "journey_progress": "journey_completion_percentage",
    "emotional_resonance_scores": "emotional_resonance_average",
    "spark_selections": "sparks_generated",
    "feedback_ratings": "average_rating",
    "referral_activity": "referrals_made",
    "daily_active_users": "active_users",
    "user_satisfaction_scores": "user_satisfaction_score",
    "journey_patterns": "user_paths",
    "satisfaction_trends": "satisfaction_by_stage",
    "geographic_insights": "geographic_distribution",
    "product_performance": "revenue_by_product_track",
}
PERSONAL = {
    "email",
    "user_email",
    "first_name",
    "last_name",
    "phone",
    "business_description",
    "location",
    "comment",
}
