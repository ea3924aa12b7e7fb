"""Whatever a source may hold arrives or is a dead letter.

A second run writes nothing, a lost ledger creates nothing.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from box import Box
from crms import PIPEDRIVE, Crm, each_crm
from support import contents, deliver, lose_ledger, record_message, schema_message

plain = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
odd = st.sampled_from(
    [
        "",
        " ",
        "O'Brien",
        'a "quoted" \\ one',
        "ünï çødé",
        "semi;colon, comma",
        "#N/A",
        "=1+1",
        "x" * 70,
        "line\nbreak",
        "0",
        "null",
    ]
)
texts = st.none() | odd | plain
numbers = (
    st.none()
    | st.integers(0, 10**9)
    | st.floats(0, 10**6, allow_nan=False).map(lambda value: round(value, 4))
)
counts = st.none() | st.integers(0, 10**6)
emails = (
    st.none()
    | st.from_regex(r"[a-zA-Z0-9._+-]{1,12}@[a-z0-9]{1,8}\.(com|ORG|io)", fullmatch=True)
    | st.sampled_from(["no address", "a b@c.io"])
)
users = st.fixed_dictionaries(
    {
        "email": emails,
        "first_name": texts,
        "last_name": texts,
        "phone": texts,
        "business_type": texts,
        "business_description": texts,
        "location": texts,
        "last_active_at": st.datetimes().map(lambda value: value.isoformat() + "Z"),
        "current_journey_stage": st.sampled_from([None, *(f"F{n}" for n in range(1, 10))]),
        "total_spent": numbers,
        "funding_goal": numbers,
        "trust_delta_average": numbers,
        "emotional_resonance_average": numbers,
        "nps_score": numbers,
        "average_rating": numbers,
        "total_sessions": counts,
        "referrals_made": counts,
        "deliverables_generated": counts,
        "sparks_generated": counts,
        "subscription_tier": st.sampled_from([None, "standard", "premium"]),
        "preferred_product_track": st.sampled_from(
            [None, "business_builder", "social_email", "site_audit"]
        ),
    }
)


@each_crm
def test_any_user_arrives_once_or_is_a_dead_letter(
    shared_box: Box, crm: Crm, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(
        max_examples=6,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
    )
    @given(st.lists(users, min_size=1, max_size=8))
    def check(drawn: list[dict[str, Any]]) -> None:
        round_trip(shared_box, crm, tmp_path_factory.mktemp("round"), drawn)

    check()


def round_trip(box: Box, crm: Crm, folder: Path, drawn: list[dict[str, Any]]) -> None:
    box.reset()
    messages = [schema_message()]
    for number, drawn_user in enumerate(drawn):
        messages.append(record_message("users", {"user_id": f"u'{number}", **drawn_user}))
    first = deliver(box, crm, messages, folder)
    assert first.code == 0
    counts = first.counts(crm.people)
    assert counts.get("created", 0) + counts.get("dead", 0) == len(drawn)
    assert len(box.people(crm)) == counts.get("created", 0)
    held = contents(box, crm)
    box.forget_log()
    second = deliver(box, crm, messages, folder)
    assert second.counts(crm.people).get("unchanged", 0) == counts.get("created", 0)
    if crm is PIPEDRIVE:
        assert [line for line in box.writes(crm) if line["status"] == 200] == []
    assert contents(box, crm) == held
    lose_ledger(folder, crm)
    third = deliver(box, crm, messages, folder)
    assert third.counts(crm.people).get("unchanged", 0) == counts.get("created", 0), third.report
    for name in (crm.people, crm.deals):
        if name in third.report["objects"]:
            assert "created" not in third.counts(name)
    assert contents(box, crm) == held
    shutil.rmtree(folder)
