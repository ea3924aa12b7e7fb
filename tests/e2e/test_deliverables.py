"""Deliverables in the CRMs: one note or record each, one file each, whatever happens meanwhile."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_crm, each_portal
from support import (
    by_key,
    deliver,
    extract,
    linked,
    lose_ledger,
    record_message,
    schema_message,
    target_command,
    users,
    written,
)

STREAMS = ("users", "deliverables")
FILES = {"attach_deliverables": True, "allow_private_download_hosts": True}


@pytest.fixture
def messages(box: Box, tmp_path: Path) -> Path:
    return extract(box, tmp_path, streams=STREAMS)


def expected(box: Box) -> dict[str, dict[str, Any]]:
    """The source's deliverables by id."""
    return {row["id"]: row["properties"] for row in box.objects("canai", "deliverables")}


def held(box: Box, crm: Crm) -> dict[str, list[dict[str, Any]]]:
    """The CRM's records by the deliverable's id."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in box.objects(crm, crm.documents):
        rows.setdefault(crm.document_id(row), []).append(row)
    return rows


def check_one_each(box: Box, crm: Crm, files: bool) -> None:
    """Every deliverable is in the CRM once, on its own person, with one file or none."""
    wanted, rows = expected(box), held(box, crm)
    assert rows.keys() == wanted.keys()
    assert all(len(same) == 1 for same in rows.values())
    people = {str(row["id"]): row["properties"][crm.person_key] for row in box.people(crm)}
    for key, (row,) in rows.items():
        assert [people[end] for end in linked(row, crm.people)] == [wanted[key]["user_id"]]
    names = sorted(f"{key}.pdf" for key in wanted) if files else []
    assert [name for name, _ in crm.files(box)] == names


def attached(**counts: int) -> dict[str, int]:
    """The report's counts of attachments."""
    return {"wanted": 0, "made": 0, "kept": 0, "dead": 0, "not_attempted": 0, **counts}


@each_crm
def test_twice_over_with_the_ledger_deleted_in_between_leaves_one_note_and_one_file_each(
    box: Box, crm: Crm, messages: Path, tmp_path: Path
) -> None:
    count = len(expected(box))
    first = deliver(box, crm, messages, tmp_path, **FILES)
    assert first.code == 0
    assert first.counts(crm.documents) == {"planned": count, "created": count}
    assert first.report["attachments"] == attached(wanted=count, made=count)
    check_one_each(box, crm, files=True)
    again = deliver(box, crm, messages, tmp_path, **FILES)
    assert again.counts(crm.documents) == {"planned": count, "unchanged": count}
    assert again.report["attachments"] == attached(wanted=count, kept=count)
    lose_ledger(tmp_path, crm)
    box.forget_log(crm)
    lost = deliver(box, crm, messages, tmp_path, **FILES)
    assert lost.counts(crm.documents) == {"planned": count, "unchanged": count}
    assert lost.report["attachments"] == attached(wanted=count, kept=count)
    writes = [line["path"] for line in box.log(crm) if line["kind"] == "write" and line["rows"]]
    # Associations are made again, which changes nothing.
    assert [path for path in writes if "/associations/" not in path] == []
    check_one_each(box, crm, files=True)


@each_crm
def test_files_come_only_where_asked_for_and_later_is_not_too_late(
    box: Box, crm: Crm, messages: Path, tmp_path: Path
) -> None:
    assert deliver(box, crm, messages, tmp_path).code == 0
    check_one_each(box, crm, files=False)
    later = deliver(box, crm, messages, tmp_path, **FILES)
    assert later.counts(crm.documents)["unchanged"] == len(expected(box))
    check_one_each(box, crm, files=True)


@each_crm
def test_a_file_that_is_gone_or_on_a_private_host_is_a_dead_letter_of_its_own(
    box: Box, crm: Crm, messages: Path, tmp_path: Path
) -> None:
    count = len(expected(box))
    refused = deliver(box, crm, messages, tmp_path, attach_deliverables=True)
    assert refused.code == 0
    assert refused.counts(crm.documents) == {"planned": count, "created": count}
    assert refused.report["attachments"]["dead"] == count
    assert {letter["code"] for letter in refused.letters} == {"bad_file_url"}
    gone = next(iter(expected(box)))
    text = messages.read_text().replace(f"/storage/plans/{gone}.pdf", "/storage/plans/gone.pdf")
    second = deliver(box, crm, written(tmp_path, "gone.jsonl", text), tmp_path, **FILES)
    made = attached(wanted=count, made=count - 1, dead=1)
    assert second.report["attachments"] == made
    (letter,) = second.letters
    assert [letter["key"], letter["stage"], letter["code"]] == [gone, "attach", "file_gone"]
    third = deliver(box, crm, messages, tmp_path, **FILES)
    assert third.letters == []
    check_one_each(box, crm, files=True)


@pytest.mark.parametrize(
    "fault", ["drop_after_commit", "drop_before_commit", "500", "empty_success"]
)
@each_portal
def test_an_answer_that_is_lost_makes_no_second_note_and_no_second_file(
    box: Box, crm: Crm, trace_ids: bool, fault: str, messages: Path, tmp_path: Path
) -> None:
    box.fault(crm, fault, match=crm.document_writes, times=2)
    if fault != "empty_success":
        box.fault(crm, fault, match=crm.file_writes, after=1)
    result = deliver(box, crm, messages, tmp_path, **FILES)
    assert result.code == 0
    assert box.struck(crm, fault)
    assert result.counts(crm.documents)["created"] == len(expected(box))
    check_one_each(box, crm, files=True)


@pytest.mark.parametrize("place", ["notes", "files"])
@each_crm
def test_a_kill_between_note_and_file_is_made_good(
    box: Box, crm: Crm, place: str, messages: Path, tmp_path: Path
) -> None:
    match = {"notes": crm.document_writes, "files": crm.file_writes}[place]
    after = 2 if place == "files" else 0
    box.fault(crm, "kill_pid", match=match, after=after, args={"pid": "client"})
    command = target_command(box, crm, messages, tmp_path, **FILES)
    assert subprocess.run(command, capture_output=True, check=False).returncode == -9
    box.clear_faults()
    assert deliver(box, crm, messages, tmp_path, **FILES).code == 0
    check_one_each(box, crm, files=True)


@pytest.mark.parametrize(
    ("crm", "field"), [(HUBSPOT, "hs_note_body"), (PIPEDRIVE, "content")], ids=str
)
def test_text_of_a_note_reads_as_it_was_written_and_html_is_not_html(
    box: Box, crm: Crm, field: str, tmp_path: Path
) -> None:
    record = {
        "deliverable_id": "d-1",
        "user_id": "user-1",
        "canai_output": "First <b>line</b>\n\n  second & third\nCanAI deliverable other",
        "created_at": "2026-01-05T00:00:00.000000Z",
    }
    schema = schema_message("deliverables", "deliverable_id")
    lines = [*users([1]), schema, record_message("deliverables", record)]
    for _ in range(2):
        result = deliver(box, crm, lines, tmp_path)
        assert result.code == 0
        lose_ledger(tmp_path, crm)
    assert result.counts("notes") == {"planned": 1, "unchanged": 1}
    (note,) = box.objects(crm, "notes")
    shown = note["properties"][field].split("<br>")
    assert shown[0] == "First &lt;b&gt;line&lt;/b&gt;"
    assert shown[-1] == "CanAI deliverable d-1"


@pytest.mark.parametrize(
    ("crm", "kind", "key", "rates"),
    [
        (
            SALESFORCE,
            "CanAI_Platform_Metric__c",
            "CanAI_Metric_ID__c",
            "Stage_Completion_Rates__c",
        ),
        (HUBSPOT, "canai_platform_metric", "canai_metric_id", "canai_stage_completion_rates"),
    ],
    ids=["salesforce", "hubspot"],
)
def test_metrics_go_into_custom_objects_where_the_account_has_them(
    box: Box, crm: Crm, kind: str, key: str, rates: str, tmp_path: Path
) -> None:
    messages = extract(box, tmp_path, streams=("analytics",))
    days = len(box.objects("canai", "analytics")) or 60
    result = deliver(box, crm, messages, tmp_path)
    assert result.code == 0
    rows = by_key(box, crm, kind, key)
    assert len(rows) == result.counts(kind)["created"] >= days - 1
    (first, *_) = rows.values()
    assert isinstance(json.loads(first["properties"][rates]), dict)
    again = deliver(box, crm, messages, tmp_path)
    assert again.counts(kind) == {"planned": len(rows), "unchanged": len(rows)}


def test_a_portal_without_custom_objects_skips_and_counts_metrics(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box.limit(HUBSPOT, custom_objects=False)
    result = deliver(box, HUBSPOT, extract(box, tmp_path, streams=("analytics",)), tmp_path)
    assert result.code == 0
    counts = result.counts("canai_platform_metric")
    assert counts == {"planned": counts["no_object"], "no_object": counts["planned"]}
    assert caplog.text.count("the account has no canai_platform_metric") == 1


def test_a_custom_object_that_is_missing_is_named_where_nothing_may_be_created(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture, messages: Path
) -> None:
    deliver(box, SALESFORCE, extract(box, tmp_path, streams=("users",)), tmp_path)
    result = deliver(box, SALESFORCE, messages, tmp_path, provision=False)
    assert result.code == 1
    assert "has no object CanAI_Deliverable__c" in caplog.text
    assert "provision: true" in caplog.text


@pytest.mark.usefixtures("real_sleep")
def test_many_files_all_arrive_under_a_small_burst(
    box: Box, messages: Path, tmp_path: Path
) -> None:
    deliver(box, HUBSPOT, messages, tmp_path)
    box.limit(HUBSPOT, calls=30, per_s=2)
    box.forget_log(HUBSPOT)
    result = deliver(box, HUBSPOT, messages, tmp_path, **FILES, max_concurrency=8)
    assert result.code == 0
    assert result.report["attachments"]["made"] == len(expected(box))
    refused = [line for line in box.log(HUBSPOT) if line["status"] == 429]
    assert len(refused) < len(box.log(HUBSPOT)) / 2
    check_one_each(box, HUBSPOT, files=True)


@each_crm
def test_a_new_records_file_is_not_looked_for(
    box: Box, crm: Crm, messages: Path, tmp_path: Path
) -> None:
    """Salesforce takes the least possible.

    HubSpot's notes are updated one at a time; Pipedrive's files are the person's, who may have one.
    """
    count = len(expected(box))
    plain = deliver(box, crm, messages, tmp_path).report["calls"]["objects"][crm.documents]
    box.reset()
    lose_ledger(tmp_path, crm)
    filed = deliver(box, crm, messages, tmp_path, **FILES)
    calls = filed.report["calls"]["objects"][crm.documents]
    assert calls["made"] - plain["made"] == crm.calls_a_file * count
    assert calls["least"] - plain["least"] == crm.least_calls_for_files(count)
    check_one_each(box, crm, files=True)
