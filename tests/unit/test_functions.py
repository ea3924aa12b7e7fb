"""CanAI's functions: the guide's examples and the decisions, and what holds for any input."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import canai_rules as rules
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

numbers = (
    st.none() | st.decimals(min_value=-1000, max_value=10**9, places=2) | st.integers(-5, 10**6)
)
stages = st.none() | st.sampled_from([f"F{n}" for n in range(1, 10)] + ["X1", "", "F10"])
texts = st.none() | st.text(max_size=20)
users = st.fixed_dictionaries(
    {},
    optional={
        "trust_delta_average": numbers,
        "total_sessions": st.none() | st.integers(0, 10**4),
        "total_spent": numbers,
        "referrals_made": numbers,
        "nps_score": numbers,
        "average_rating": st.none() | st.decimals(0, 5, places=1),
        "current_journey_stage": stages,
        "subscription_tier": st.sampled_from([None, "standard", "premium"]),
        "funding_goal": numbers,
        "first_name": texts,
        "last_name": texts,
        "email": texts,
        "business_type": texts,
        "preferred_product_track": st.sampled_from(
            [None, "business_builder", "social_email", "site_audit", "other"]
        ),
    },
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(users)
def test_functions_of_a_user_take_anything_and_keep_their_range(user: dict[str, Any]) -> None:
    assert 0 <= rules.lead_score(user) <= 100
    assert rules.lead_score(user) == rules.lead_score(user).quantize(Decimal("0.01"))
    assert rules.customer_segment(user) in (
        "champion",
        "customer",
        "qualified",
        "engaged",
        "prospect",
    )
    assert rules.lead_status(user) in (None, "NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "CONNECTED")
    assert rules.revenue_potential(user) == rules.revenue_potential(user).to_integral_value()
    assert rules.revenue_potential(user) >= 0
    assert isinstance(rules.is_qualified_lead(user), bool)
    for name in (rules.deal_name(user), rules.deal_title(user)):
        assert name is None or name


@pytest.mark.parametrize(
    ("user", "score"),
    [
        ({}, "0.00"),
        (
            {
                "trust_delta_average": 4.3,
                "total_sessions": 5,
                "total_spent": 99,
                "referrals_made": 1,
            },
            "67.90",
        ),
        ({"trust_delta_average": 5, "total_sessions": 30}, "100.00"),
        ({"total_spent": Decimal("0.05")}, "0.01"),
    ],
)
def test_lead_score(user: dict[str, Any], score: str) -> None:
    assert rules.lead_score(user) == Decimal(score)


@pytest.mark.parametrize(
    ("stage", "label"),
    [
        ("F1", "Subscriber"),
        ("F4", "Sales Qualified Lead"),
        ("F6", "Opportunity"),
        ("F8", "Customer"),
        ("F9", "Evangelist"),
        ("X", "Other"),
        (None, "Other"),
    ],
)
def test_lifecycle_stage(stage: str | None, label: str) -> None:
    assert rules.lifecycle_stage(stage) == label


@pytest.mark.parametrize(
    ("stage", "spent", "status"),
    [
        ("F1", 0, "NEW"),
        ("F3", 0, "OPEN"),
        ("F5", 9, "IN_PROGRESS"),
        ("F6", 1, "OPEN_DEAL"),
        ("F9", 0, "CONNECTED"),
        ("X", 0, None),
    ],
)
def test_lead_status(stage: str, spent: int, status: str | None) -> None:
    assert rules.lead_status({"current_journey_stage": stage, "total_spent": spent}) == status


@pytest.mark.parametrize(
    ("user", "segment"),
    [
        ({"total_spent": 200, "nps_score": 9}, "champion"),
        ({"subscription_tier": "premium", "nps_score": 10}, "champion"),
        ({"total_spent": 1, "nps_score": 9}, "customer"),
        (
            {"current_journey_stage": "F3", "trust_delta_average": 4, "total_sessions": 2},
            "qualified",
        ),
        ({"total_sessions": 3}, "engaged"),
        ({}, "prospect"),
    ],
)
def test_customer_segment(user: dict[str, Any], segment: str) -> None:
    assert rules.customer_segment(user) == segment


def test_revenue_potential_follows_the_guide_and_its_defaults() -> None:
    assert (
        rules.revenue_potential(
            {"preferred_product_track": "site_audit", "total_sessions": 6, "average_rating": 4}
        )
        == 126
    )
    assert rules.revenue_potential({"total_sessions": 30}) == 297
    assert (
        rules.revenue_potential(
            {
                "preferred_product_track": "social_email",
                "total_sessions": 3,
                "average_rating": Decimal("2.5"),
            }
        )
        == 25
    )


def test_deal_value_falls_back_to_the_potential() -> None:
    assert rules.deal_value({"funding_goal": Decimal("12000.505")}) == Decimal("12000.51")
    assert rules.deal_value({"funding_goal": 0, "total_sessions": 3}) == 99


@pytest.mark.parametrize(
    ("user", "name", "title"),
    [
        (
            {"first_name": "Ann", "last_name": "Lee", "business_type": "bakery"},
            "Ann Lee - bakery",
            "bakery - Ann Lee",
        ),
        ({"first_name": "Ann", "business_type": None}, "Ann", "Ann"),
        ({"email": "ann@example.com", "business_type": "bakery"}, "ann - bakery", "bakery - ann"),
        ({}, None, None),
    ],
)
def test_deal_names(user: dict[str, Any], name: str | None, title: str | None) -> None:
    assert (rules.deal_name(user), rules.deal_title(user)) == (name, title)


@given(st.integers(3, 9), st.integers(1, 12))
def test_pipeline_stages_spread_and_never_go_back(stage: int, count: int) -> None:
    ids = list(range(100, 100 + count))
    stages = [rules.pipeline_stage(f"F{number}", stage_ids=ids) for number in range(3, 10)]
    places = [ids.index(found) for found in stages if found is not None]
    assert len(places) == len(stages)
    assert places == sorted(places)
    assert places[0] == 0
    assert places[stage - 3] == min(count - 1, (stage - 3) * count // 7)


def test_pipeline_stage_of_no_deal() -> None:
    assert rules.pipeline_stage("F2", stage_ids=[1]) is None
    assert rules.pipeline_stage("F5", stage_ids=[]) is None


@pytest.mark.parametrize(
    ("stage", "day"), [("F3", 31), ("F4", 15), ("F5", 8), ("F6", 4), ("F7", 1), ("F9", 1)]
)
def test_expected_close_date(stage: str, day: int) -> None:
    assert rules.expected_close_date("2026-01-01T23:00:00+00:00", stage) == date(2026, 1, day)


def test_payments() -> None:
    paid = {"amount": 99, "refunded_amount": Decimal("24.75"), "status": "partially_refunded"}
    assert rules.payment_value(paid) == Decimal("74.25")
    assert rules.payment_value({"amount": 99, "refunded_amount": 99, "status": "refunded"}) == 99
    stages = [
        rules.closed_stage(status)
        for status in ("succeeded", "partially_refunded", "refunded", "failed")
    ]
    assert stages == ["Closed Won", "Closed Won", "Closed Lost", None]
    assert rules.opportunity_name("site_audit", None) == "site_audit"
    assert rules.utc_date("2026-01-31T23:30:00-02:00") == date(2026, 2, 1)


def test_names_people_need() -> None:
    assert rules.full_name(None, None, "ann@example.com") == "ann"
    assert rules.full_name("Ann", None, "x@y.z") == "Ann"
    assert rules.last_name_or_email(None, "ann@example.com") == "ann"


@given(texts, texts, texts, st.uuids().map(str))
def test_functions_of_an_event_always_find_a_name(
    last: str | None, first: str | None, email: str | None, user_id: str
) -> None:
    assert rules.event_last_name(last, email, user_id)
    event = {"first_name": first, "last_name": last, "email": email, "user_id": user_id}
    assert rules.event_full_name(event)
    known_as = rules.event_known_as(last, first, email, user_id)
    assert any(text and text.strip() for text in (known_as, first, email))
    assert rules.event_last_name(last, None, user_id) == ((last or "").strip() or user_id)


def test_functions_of_an_event_say_nothing_of_what_it_does_not_tell() -> None:
    assert rules.event_stage("user.registered", None) == "F1"
    assert rules.event_stage("payment.completed", None) is None
    assert rules.event_stage("user.journey_stage_completed", "F7") == "F7"
    assert rules.event_lifecycle(None) is None
    assert rules.event_lifecycle("F7") == "Customer"
    assert rules.event_activity("feedback.submitted", "2026-01-05T10:00:00Z") is None
    assert (
        str(rules.event_activity("user.registered", "2026-01-05T10:00:00+02:00"))
        == "2026-01-05 08:00:00+00:00"
    )
    assert rules.event_day(None, "2026-01-05T23:30:00-05:00") == date(2026, 1, 6)
    assert rules.event_day("2026-01-04T10:00:00Z", "2026-01-05T10:00:00Z") == date(2026, 1, 4)
    payment = {
        "product_track": "site_audit",
        "user_email": "paid@example.com",
        "email": "ann@example.com",
    }
    assert rules.event_payment_name(payment) == rules.opportunity_name(
        "site_audit", "paid@example.com"
    )
    assert (
        rules.event_payment_name({**payment, "user_email": None}) == "site_audit - ann@example.com"
    )
