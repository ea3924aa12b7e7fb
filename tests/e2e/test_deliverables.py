"""Deliverables in the three CRMs: one note or record each, one file each, whatever happens in between."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support import BIN, PEOPLE, TARGETS, Box, deliver, extract, target_config, written

CRMS = sorted(TARGETS)
OBJECT = {"hubspot": "notes", "pipedrive": "notes", "salesforce": "CanAI_Deliverable__c"}
STREAMS = ("users", "deliverables")
FILES = {"attach_deliverables": True, "allow_private_download_hosts": True}


@pytest.fixture
def messages(box: Box, tmp_path: Path) -> Path:
    return extract(box, tmp_path, streams=STREAMS)


def expected(box: Box) -> dict[str, dict[str, Any]]:
    """The source's deliverables by id."""
    return {row["id"]: row["properties"] for row in box.objects("canai", "deliverables")}


def held(box: Box, crm: str) -> dict[str, list[dict[str, Any]]]:
    """The CRM's records by the deliverable's id."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in box.objects(crm, OBJECT[crm]):
        own = row["properties"]
        body = own.get("hs_note_body") or own.get("content") or ""
        key = (
            own["CanAI_Deliverable_ID__c"]
            if crm == "salesforce"
            else body.rpartition("CanAI deliverable ")[2]
        )
        found.setdefault(key, []).append(row)
    return found


def files_of(box: Box, crm: str) -> list[tuple[str, str]]:
    """Name of each file, and the record it is on."""
    if crm == "salesforce":
        return sorted(
            (row["properties"]["PathOnClient"], row["properties"]["FirstPublishLocationId"])
            for row in box.objects(crm, "ContentVersion")
        )
    if crm == "pipedrive":
        return sorted(
            (row["properties"]["name"], str(row["properties"]["person_id"]))
            for row in box.objects(crm, "files")
        )
    names = {
        row["id"]: f"{row['properties']['name']}.{row['properties']['extension']}"
        for row in box.objects(crm, "files")
    }
    return sorted(
        (names[one], row["id"])
        for row in box.objects(crm, "notes")
        for one in str(row["properties"].get("hs_attachment_ids") or "").split(";")
        if one
    )


def check_one_each(box: Box, crm: str, files: bool) -> None:
    wanted, found = expected(box), held(box, crm)
    assert found.keys() == wanted.keys()
    assert all(len(rows) == 1 for rows in found.values())
    people = {
        str(row["id"]): row["properties"].get("canai_user_id")
        or row["properties"].get("CanAI_User_ID__c")
        for row in box.objects(crm, PEOPLE[crm])
    }
    for key, (row,) in found.items():
        owners = [people[str(link["id"])] for link in row["links"] if link["object"] == PEOPLE[crm]]
        assert owners == [wanted[key]["user_id"]]
    assert [name for name, _ in files_of(box, crm)] == (
        sorted(f"{key}.pdf" for key in wanted) if files else []
    )


@pytest.mark.parametrize("crm", CRMS)
def test_twice_over_with_the_ledger_deleted_in_between_leaves_one_note_and_one_file_each(
    box: Box, crm: str, messages: Path, tmp_path: Path
) -> None:
    count = len(expected(box))
    first = deliver(box, crm, messages, tmp_path, **FILES)
    assert first.code == 0
    assert first.counts(OBJECT[crm]) == {"planned": count, "created": count}
    assert first.report["attachments"] == {
        "wanted": count,
        "made": count,
        "kept": 0,
        "dead": 0,
        "not_attempted": 0,
    }
    check_one_each(box, crm, files=True)
    again = deliver(box, crm, messages, tmp_path, **FILES)
    assert again.counts(OBJECT[crm]) == {"planned": count, "unchanged": count}
    assert again.report["attachments"] == {
        "wanted": count,
        "made": 0,
        "kept": count,
        "dead": 0,
        "not_attempted": 0,
    }
    (tmp_path / f"{crm}.db").unlink()
    box.call("DELETE", f"/_sandbox/requests/{crm}")
    lost = deliver(box, crm, messages, tmp_path, **FILES)
    assert lost.counts(OBJECT[crm]) == {"planned": count, "unchanged": count}
    assert lost.report["attachments"] == {
        "wanted": count,
        "made": 0,
        "kept": count,
        "dead": 0,
        "not_attempted": 0,
    }
    writes = [line["path"] for line in box.log(crm) if line["kind"] == "write" and line["rows"]]
    assert [
        path for path in writes if "/associations/" not in path
    ] == []  # making an association again changes nothing
    check_one_each(box, crm, files=True)


@pytest.mark.parametrize("crm", CRMS)
def test_files_come_only_where_asked_for_and_later_is_not_too_late(
    box: Box, crm: str, messages: Path, tmp_path: Path
) -> None:
    assert deliver(box, crm, messages, tmp_path).code == 0
    check_one_each(box, crm, files=False)
    later = deliver(box, crm, messages, tmp_path, **FILES)
    assert later.counts(OBJECT[crm])["unchanged"] == len(expected(box))
    check_one_each(box, crm, files=True)


@pytest.mark.parametrize("crm", CRMS)
def test_a_file_that_is_gone_or_on_a_private_host_is_a_dead_letter_of_its_own(
    box: Box, crm: str, messages: Path, tmp_path: Path
) -> None:
    count = len(expected(box))
    refused = deliver(box, crm, messages, tmp_path, attach_deliverables=True)
    assert refused.code == 0
    assert refused.counts(OBJECT[crm]) == {"planned": count, "created": count}
    assert refused.report["attachments"]["dead"] == count
    assert {one["code"] for one in refused.report["dead_letters"]} == {"bad_file_url"}
    gone = next(iter(expected(box)))
    text = messages.read_text().replace(f"/storage/plans/{gone}.pdf", "/storage/plans/gone.pdf")
    second = deliver(box, crm, written(tmp_path, "gone.jsonl", text), tmp_path, **FILES)
    assert second.report["attachments"] == {
        "wanted": count,
        "made": count - 1,
        "kept": 0,
        "dead": 1,
        "not_attempted": 0,
    }
    (letter,) = second.report["dead_letters"]
    assert [letter["key"], letter["stage"], letter["code"]] == [gone, "attach", "file_gone"]
    third = deliver(box, crm, messages, tmp_path, **FILES)
    assert third.report["dead_letters"] == []
    check_one_each(box, crm, files=True)


@pytest.mark.parametrize(
    "fault", ["drop_after_commit", "drop_before_commit", "500", "empty_success"]
)
@pytest.mark.parametrize("crm", CRMS)
def test_an_answer_that_is_lost_makes_no_second_note_and_no_second_file(
    box: Box, crm: str, fault: str, messages: Path, tmp_path: Path
) -> None:
    notes = {
        "hubspot": "notes/batch/create",
        "pipedrive": "/v1/notes",
        "salesforce": "CanAI_Deliverable__c/CanAI",
    }[crm]
    files = {
        "hubspot": "/files/2026-03/files",
        "pipedrive": "/v1/files",
        "salesforce": "/sobjects/ContentVersion",
    }[crm]
    after = 1 if crm == "pipedrive" else 0
    box.fault(crm, fault, match=notes, after=after, times=2 if crm != "pipedrive" else 1)
    if fault != "empty_success":
        box.fault(crm, fault, match=files, after=1)
    result = deliver(box, crm, messages, tmp_path, **FILES)
    assert result.code == 0
    assert [line for line in box.log(crm) if line["fault"] == fault]
    assert result.counts(OBJECT[crm])["created"] == len(expected(box))
    check_one_each(box, crm, files=True)


@pytest.mark.parametrize("place", ["notes", "files"])
@pytest.mark.parametrize("crm", CRMS)
def test_a_kill_between_note_and_file_is_made_good(
    box: Box, crm: str, place: str, messages: Path, tmp_path: Path
) -> None:
    match = {
        ("hubspot", "notes"): "notes/batch/create", ("hubspot", "files"): "/files/2026-03/files",
        ("pipedrive", "notes"): "/v1/notes", ("pipedrive", "files"): "/v1/files",
        ("salesforce", "notes"): "CanAI_Deliverable__c/CanAI", ("salesforce", "files"): "/sobjects/ContentVersion",
    }[(crm, place)]  # fmt: skip
    box.fault(
        crm, "kill_pid", match=match, after=2 if place == "files" else 0, args={"pid": "client"}
    )
    config = written(tmp_path, f"{crm}.json", target_config(box, crm, tmp_path, **FILES))
    killed = subprocess.run(
        [str(BIN / f"target-{crm}"), "--config", str(config), "--input", str(messages)],
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -9
    box.call("DELETE", "/_sandbox/faults")
    assert deliver(box, crm, messages, tmp_path, **FILES).code == 0
    check_one_each(box, crm, files=True)


def test_text_of_a_note_reads_as_it_was_written_and_html_is_no_html(
    box: Box, tmp_path: Path
) -> None:
    text = "First <b>line</b>\n\n  second & third\nCanAI deliverable other"
    record = {
        "deliverable_id": "d-1",
        "user_id": "user-1",
        "canai_output": text,
        "created_at": "2026-01-05T00:00:00.000000Z",
    }
    from support import schema_message, user

    lines = [
        schema_message(), user(1), schema_message("deliverables", "deliverable_id"),
        {"type": "RECORD", "stream": "deliverables", "record": record, "time_extracted": "2026-01-06T00:00:00.000000Z"},
    ]  # fmt: skip
    for crm, field in (("hubspot", "hs_note_body"), ("pipedrive", "content")):
        for _ in range(2):
            result = deliver(box, crm, lines, tmp_path)
            assert result.code == 0
            (tmp_path / f"{crm}.db").unlink()
        assert result.counts("notes") == {"planned": 1, "unchanged": 1}
        (note,) = box.objects(crm, "notes")
        lines_shown = note["properties"][field].split("<br>")
        assert lines_shown[0] == "First &lt;b&gt;line&lt;/b&gt;"
        assert lines_shown[-1] == "CanAI deliverable d-1"


def test_metrics_go_into_custom_objects_where_the_account_has_them(
    box: Box, tmp_path: Path
) -> None:
    messages = extract(box, tmp_path, streams=("analytics",))
    days = len(box.objects("canai", "analytics")) or 60
    for crm, name, key in (
        ("salesforce", "CanAI_Platform_Metric__c", "CanAI_Metric_ID__c"), ("hubspot", "canai_platform_metric", "canai_metric_id"),
    ):  # fmt: skip
        result = deliver(box, crm, messages, tmp_path)
        assert result.code == 0
        rows = box.objects(crm, name)
        assert (
            len({row["properties"][key] for row in rows})
            == len(rows)
            == result.counts(name)["created"]
            >= days - 1
        )
        rates = rows[0]["properties"][
            "Stage_Completion_Rates__c" if crm == "salesforce" else "canai_stage_completion_rates"
        ]
        assert isinstance(json.loads(rates), dict)
        again = deliver(box, crm, messages, tmp_path)
        assert again.counts(name) == {"planned": len(rows), "unchanged": len(rows)}


def test_a_portal_without_custom_objects_skips_and_counts_metrics(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box.call("POST", "/_sandbox/limits", {"crm": "hubspot", "custom_objects": False})
    result = deliver(
        box, "hubspot", extract(box, tmp_path, streams=("analytics",)), tmp_path, caplog
    )
    assert result.code == 0
    counts = result.counts("canai_platform_metric")
    assert counts == {"planned": counts["no_object"], "no_object": counts["planned"]}
    assert caplog.text.count("the account has no canai_platform_metric") == 1


def test_a_custom_object_that_is_missing_is_told_where_nothing_may_be_created(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture, messages: Path
) -> None:
    deliver(box, "salesforce", extract(box, tmp_path, streams=("users",)), tmp_path)
    result = deliver(box, "salesforce", messages, tmp_path, caplog, provision=False)
    assert result.code == 1
    assert "has no object CanAI_Deliverable__c" in caplog.text
    assert "provision: true" in caplog.text


def test_many_files_all_arrive_under_a_small_burst(
    box: Box, messages: Path, tmp_path: Path
) -> None:
    deliver(box, "hubspot", messages, tmp_path)
    box.call("POST", "/_sandbox/limits", {"crm": "hubspot", "calls": 30, "per_s": 2})
    box.call("DELETE", "/_sandbox/requests/hubspot")
    result = deliver(box, "hubspot", messages, tmp_path, **FILES, max_concurrency=8)
    assert result.code == 0
    assert result.report["attachments"]["made"] == len(expected(box))
    refused = [line for line in box.log("hubspot") if line["status"] == 429]
    assert len(refused) < len(box.log("hubspot")) / 2
    check_one_each(box, "hubspot", files=True)


def test_a_new_records_file_is_not_looked_for(box: Box, messages: Path, tmp_path: Path) -> None:
    """Salesforce takes the least possible; HubSpot's notes are updated one at a time; Pipedrive's files are the person's."""
    calls_a_file = {"salesforce": 1, "hubspot": 2, "pipedrive": 3}
    for crm, calls in calls_a_file.items():
        folder = tmp_path / crm
        folder.mkdir()
        count = len(expected(box))
        plain = deliver(box, crm, messages, folder).report["calls"]["objects"][OBJECT[crm]]
        box.reset()
        (folder / f"{crm}.db").unlink()
        filed = deliver(box, crm, messages, folder, **FILES).report["calls"]["objects"][OBJECT[crm]]
        assert filed["made"] - plain["made"] == calls * count
        assert filed["least"] - plain["least"] == count + (crm == "hubspot")
        check_one_each(box, crm, files=True)
