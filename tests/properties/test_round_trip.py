"""Whatever a source may hold: it arrives or is a dead letter, a second run writes nothing, a lost ledger creates nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import DEALS, PEOPLE, TARGETS, Box, contents, deliver, schema_message

CRMS = sorted(TARGETS)
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
    | st.floats(0, 10**6, allow_nan=False).map(lambda one: round(one, 4))
)
counts = st.none() | st.integers(0, 10**6)
emails = (
    st.none()
    | st.from_regex(r"[a-zA-Z0-9._+-]{1,12}@[a-z0-9]{1,8}\.(com|ORG|io)", fullmatch=True)
    | st.sampled_from(["no address", "a b@c.io"])
)
users = st.fixed_dictionaries(
    {
        "email": emails, "first_name": texts, "last_name": texts, "phone": texts, "business_type": texts, "business_description": texts,
        "location": texts, "last_active_at": st.datetimes().map(lambda one: one.isoformat() + "Z"),
        "current_journey_stage": st.sampled_from([None, *(f"F{n}" for n in range(1, 10))]), "total_spent": numbers, "funding_goal": numbers,
        "trust_delta_average": numbers, "emotional_resonance_average": numbers, "nps_score": numbers, "average_rating": numbers,
        "total_sessions": counts, "referrals_made": counts, "deliverables_generated": counts, "sparks_generated": counts,
        "subscription_tier": st.sampled_from([None, "standard", "premium"]),
        "preferred_product_track": st.sampled_from([None, "business_builder", "social_email", "site_audit"]),
    }
)  # fmt: skip


@pytest.mark.parametrize("crm", CRMS)
def test_any_user_arrives_once_or_is_a_dead_letter(
    shared_box: Box, crm: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
    )
    @given(st.lists(users, min_size=1, max_size=8))
    def check(drawn: list[dict[str, Any]]) -> None:
        round_trip(shared_box, crm, tmp_path_factory.mktemp("round"), drawn)

    check()


def round_trip(box: Box, crm: str, folder: Path, drawn: list[dict[str, Any]]) -> None:
    box.reset()
    box.call("POST", "/_sandbox/limits", {"crm": "pipedrive", "calls": 100_000, "per_s": 1})
    records = [
        {"type": "RECORD", "stream": "users", "record": {"user_id": f"u'{number}", **one}}
        for number, one in enumerate(drawn)
    ]
    stamped = [{**one, "time_extracted": "2026-01-02T00:00:00Z"} for one in records]
    messages = [schema_message(), *stamped]
    first = deliver(box, crm, messages, folder)
    assert first.code == 0
    counts = first.counts(PEOPLE[crm])
    assert counts.get("created", 0) + counts.get("dead", 0) == len(drawn)
    assert len(box.objects(crm, PEOPLE[crm])) == counts.get("created", 0)
    held = contents(box, crm)
    box.forget_log()
    second = deliver(box, crm, messages, folder)
    assert second.counts(PEOPLE[crm]).get("unchanged", 0) == counts.get("created", 0)
    assert [line for line in box.writes(crm) if line["status"] == 200 and crm == "pipedrive"] == []
    assert contents(box, crm) == held
    for file in folder.glob(f"{crm}.db*"):
        file.unlink()
    third = deliver(box, crm, messages, folder)
    assert third.counts(PEOPLE[crm]).get("unchanged", 0) == counts.get("created", 0), third.report
    for name in (PEOPLE[crm], DEALS[crm]):
        if name in third.report["objects"]:
            assert "created" not in third.counts(name)
    assert contents(box, crm) == held
    shutil.rmtree(folder)
