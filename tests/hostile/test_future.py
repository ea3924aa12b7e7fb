"""An event and an export that say they are of the year 2999, then the truth: it arrives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from tap_canai.exports import Export, ExportClient

from box import Box
from crms import Crm, each_crm
from receiver import event, receiving
from source import facts_differ, truth
from support import deliver, extract

FUTURE = "2999-01-01T00:00:00Z"
FALSE = 77
"""What events of the future say, and no user of the source has."""
FALSE_FACTS = {
    "user.referred_signup": "referrals_made",
    "deliverable.generated": "total_deliverables",
    "payment.completed": "total_spent",
}
Create = Callable[[ExportClient, Mapping[str, Any]], Export]


def of_the_future(create: Create) -> Create:
    """Makes exports that say they were made in the future."""

    def ahead(self: ExportClient, request: Mapping[str, Any]) -> Export:
        return replace(create(self, request), created_at=datetime(2999, 1, 1, tzinfo=UTC))

    return ahead


def to_the_present(box: Box, ahead_s: float = 0) -> None:
    """Let the source's clock show the time of this machine, as it does outside the sandbox."""
    shown = parsedate_to_datetime(box.call("POST", "/_sandbox/clock", {})["now"])
    box.advance((datetime.now(UTC) - shown).total_seconds() + ahead_s)


@each_crm
def test_the_truth_arrives_after_an_event_and_an_export_of_2999(
    box: Box, crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_the_present(box, -10)  # so that an event that comes now is newer than the export
    known = next(iter(truth(box)))
    with monkeypatch.context() as future:
        future.setattr(ExportClient, "create", of_the_future(ExportClient.create))
        exported = extract(box, tmp_path, streams=("users",), window_days=400)
    assert deliver(box, crm, exported, tmp_path).code == 0
    inbox = f"sqlite:///{tmp_path}/inbox.db"
    with receiving(tmp_path, inbox) as receiver:
        for kind, name in FALSE_FACTS.items():
            more = {"amount": FALSE, "product_track": "site_audit"} if "spent" in name else {}
            false = event(kind, at=FUTURE, user_id=known, **{name: FALSE}, **more)
            assert receiver.post(false)[0] == 200
    events = extract(box, tmp_path, streams=("events",), inbox_url=inbox)
    assert deliver(box, crm, events, tmp_path).code == 0
    assert {field for _, field, *_ in facts_differ(box, crm, {known})} != set()

    to_the_present(box, 10)
    box.mutate(users=60)
    true = extract(box, tmp_path, window_days=400)
    assert deliver(box, crm, true, tmp_path).code == 0
    assert facts_differ(box, crm, set(truth(box))) == []
