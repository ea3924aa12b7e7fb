"""A default stage or pipeline that people have removed costs that field, not the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE
from support import deliver, extract


@pytest.mark.parametrize(
    ("kind", "field", "option", "instead"),
    [
        ("deals", "dealstage", "qualifiedtobuy", "appointmentscheduled"),
        ("deals", "pipeline", "default", "7000"),
        ("contacts", "lifecyclestage", "customer", None),
    ],
)
def test_what_hubspot_no_longer_has_costs_the_field(
    box: Box,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    field: str,
    option: str,
    instead: str | None,
) -> None:
    messages = extract(box, tmp_path, streams=["users"])
    box.by_hand(HUBSPOT, "remove_option", kind, field=field, option=option)
    result = deliver(box, HUBSPOT, messages, tmp_path)
    assert (result.code, result.letters) == (0, [])
    values = {row["properties"].get(field) for row in box.objects(HUBSPOT, kind)}
    assert option not in values
    if instead:
        assert instead in values
    said = [record.message for record in caplog.records if f"{field} of {kind}" in record.message]
    assert len([line for line in said if repr(option) in line]) == 1


def test_a_misspelt_stage_still_stops_the_run(box: Box, tmp_path: Path) -> None:
    messages = extract(box, tmp_path, streams=["users"])
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "users.deal.yml").write_text(
        "stream: users\nobject: deals\nupsert_key: canai_deal_id\n"
        "fields:\n  canai_deal_id: user_id\n  dealname: user_id\n"
        "  dealstage: {value: qualifidtobuy}\n"
    )
    assert deliver(box, HUBSPOT, messages, tmp_path, mapping=str(rules)).code == 1


def test_a_stage_that_pipedrive_no_longer_has_is_left_out(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    messages = extract(box, tmp_path, streams=["users"])
    box.by_hand(PIPEDRIVE, "remove_option", "deals", field="stage_id", option="3")
    result = deliver(box, PIPEDRIVE, messages, tmp_path, stage_ids=[2, 3, 4])
    assert (result.code, result.letters) == (0, [])
    stages = {row["properties"]["stage_id"] for row in box.objects(PIPEDRIVE, "deals")}
    assert stages
    assert stages <= {2, 4}
    said = [record for record in caplog.records if record.message.startswith("stage_ids:")]
    assert len(said) == 1


def test_salesforce_keeps_a_stage_that_it_no_longer_lists(box: Box, tmp_path: Path) -> None:
    messages = extract(box, tmp_path, streams=["users", "payments"])
    box.by_hand(SALESFORCE, "remove_option", "Opportunity", field="StageName", option="Closed Won")
    result = deliver(box, SALESFORCE, messages, tmp_path)
    assert (result.code, result.letters) == (0, [])
    assert result.counts("Opportunity")["created"] > 0
