"""What a new company has: standard fields, stages, pipelines, users, currencies, limits.

Source: Pipedrive's published openapi-v2.yaml (2026-08).
"""

from __future__ import annotations

from typing import Any

from sandbox.pipedrive.catalog import FIELDS, OPTIONAL_IN_RESPONSE, SUBFIELDS

BURST = (80, 2.0)
"""Calls per 2 s and token by OAuth on the smallest plan.

Source: Pipedrive, Rate limiting, 2026-11.
"""

CURRENCIES = {"USD", "EUR", "GBP", "CHF", "CAD", "AUD", "JPY", "SEK", "NOK", "DKK", "PLN", "BRL"}
"""Currencies that a company may use."""
RETIRED_CURRENCIES = {"HRK"}
"""Currencies that are listed as inactive."""
PIPELINES = ((1, "Pipeline"), (2, "Partners"))
STAGES = (
    (1, "Qualified", 1),
    (2, "Contact Made", 1),
    (3, "Demo Scheduled", 1),
    (4, "Proposal Made", 1),
    (5, "Negotiations Started", 1),
    (6, "Met", 2),
    (7, "Agreed", 2),
)
"""Stages by number, with their name and pipeline."""

USERS = (
    (1, "owner", "Sam Owner", True),
    (2, "ada", "Ada Sales", True),
    (3, "gone", "Gone", False),
)


def field(
    name: str, code: str, field_type: str, *, custom: bool, optional: bool = False
) -> dict[str, Any]:
    """A field as Pipedrive defines it."""
    described: dict[str, Any] = {
        "field_name": name,
        "field_code": code,
        "field_type": field_type,
        "is_custom_field": custom,
        "is_optional_response_field": optional,
        "description": "",
    }
    if field_type in SUBFIELDS:
        described["subfields"] = [
            {"field_code": part, "field_name": f"{label} of {name}", "field_type": part_type}
            for part, (label, part_type) in SUBFIELDS[field_type].items()
        ]
    return described


def standard_fields(kind: str) -> list[dict[str, Any]]:
    """The fields of a record before a custom one is added."""
    return [
        field(
            code.replace("_", " ").capitalize(),
            code,
            field_type,
            custom=False,
            optional=code in OPTIONAL_IN_RESPONSE,
        )
        for code, field_type in FIELDS.get(kind, {}).items()
    ]


def currencies() -> list[dict[str, Any]]:
    """The currencies of a company, those it no longer uses included."""
    codes = sorted(CURRENCIES | RETIRED_CURRENCIES)
    return [
        {
            "id": number,
            "code": code,
            "name": code,
            "decimal_points": 0 if code == "JPY" else 2,
            "symbol": code,
            "active_flag": code in CURRENCIES,
            "is_custom_flag": False,
        }
        for number, code in enumerate(codes, 1)
    ]


def stages(now: str) -> list[dict[str, Any]]:
    """The stages of a new company."""
    return [
        {
            "id": number,
            "order_nr": number,
            "name": name,
            "is_deleted": False,
            "deal_probability": 100,
            "pipeline_id": pipeline,
            "is_deal_rot_enabled": False,
            "days_to_rotten": None,
            "add_time": now,
            "update_time": now,
        }
        for number, name, pipeline in STAGES
    ]


def pipelines(now: str) -> list[dict[str, Any]]:
    """The pipelines of a new company."""
    return [
        {
            "id": number,
            "name": name,
            "order_nr": number,
            "is_deleted": False,
            "is_deal_probability_enabled": False,
            "add_time": now,
            "update_time": now,
        }
        for number, name in PIPELINES
    ]


def users() -> list[dict[str, Any]]:
    """The users of a company; the last has left."""
    return [
        {
            "id": number,
            "name": name,
            "email": f"{login}@example.com",
            "active_flag": active,
            "default_currency": "USD",
        }
        for number, login, name, active in USERS
    ]


def current_user(company_id: int, company_name: str) -> dict[str, Any]:
    """The user whose token it is, and the company."""
    return {
        "id": 1,
        "name": "Sam Owner",
        "email": "owner@example.com",
        "default_currency": "USD",
        "company_id": company_id,
        "company_name": f"Sandbox {company_name}",
        "company_domain": f"sandbox-{company_id}",
        "is_admin": 1,
        "active_flag": True,
        "language": {"language_code": "en", "country_code": "US"},
    }
