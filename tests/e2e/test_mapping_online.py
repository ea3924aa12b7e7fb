"""`mapping check --online`, `mapping fields` and `mapping init` ask the CRM, and change nothing."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.singer import cli as commands

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_crm
from firms import COMPANIES, NAMES, NEAR, PEOPLE, SCHEMA, changes, person, rules_folder
from support import deliver, lines_of, log_handlers_kept, target_config, written

CHOICES: Mapping[Crm, tuple[str, str]] = {
    HUBSPOT: ("contacts", "lifecyclestage"),
    PIPEDRIVE: ("deals", "status"),
    SALESFORCE: ("Opportunity", "StageName"),
}
"""An object and a field of it that has options."""
READ_ONLY: Mapping[Crm, tuple[str, str]] = {
    HUBSPOT: ("contacts", "hs_object_id"),
    PIPEDRIVE: ("deals", "stage_change_time"),
    SALESFORCE: ("Contact", "CreatedDate"),
}
UNFIT: Mapping[Crm, tuple[str, str]] = {
    HUBSPOT: ("hs_object_id: due", "cannot be written"),
    PIPEDRIVE: ("marketing_status: {value: maybe}", "has no option 'maybe'"),
    SALESFORCE: ("CreatedDate: due", "cannot be written"),
}
"""A field of a person that does not take what the rule gives, and why."""
REQUIRED: Mapping[Crm, tuple[str, str]] = {
    HUBSPOT: ("tickets", "hs_pipeline_stage"),
    PIPEDRIVE: ("deals", "title"),
    SALESFORCE: ("Contact", "LastName"),
}


def command(box: Box, crm: Crm, folder: Path, *arguments: str, **config: Any) -> int:
    """The exit code of a command of `mapping`."""
    settings = target_config(box, crm, folder, **config)
    file = written(folder, f"{crm}.json", settings)
    with log_handlers_kept():
        return commands.main(crm.target, ["mapping", *arguments, "--config", str(file)])


def mapping(folder: Path, **rules: str) -> str:
    for name, rule in rules.items():
        written(rules_folder(folder), f"{name}.yml", f"stream: people\n{rule}")
    return str(folder / "rules")


@each_crm
def test_the_shipped_rules_fit_the_crm_and_the_check_says_what_would_be_created(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box.forget_log(crm)
    assert command(box, crm, tmp_path, "check", "--online") == 0
    out = capsys.readouterr().out
    assert f"provision would create in {crm.people}: {crm.person_key} (text, unique)" in out
    assert changes(box, crm) == []
    assert not (tmp_path / f"{crm}.db").exists()

    assert command(box, crm, tmp_path, "check", "--online", provision=False) == 1
    captured = capsys.readouterr()
    assert f"has no field {crm.person_key}." in captured.err
    assert changes(box, crm) == []


@each_crm
def test_all_mistakes_of_all_rules_are_lines_with_file_line_and_nearest_name(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typo, meant = NEAR[crm]
    unfit, why = UNFIT[crm]
    wrong = PEOPLE[crm].replace("fields: {", "fields:\n  ").replace(", ", "\n  ").replace("}", "")
    wrong += f"  {typo}: due\n  {unfit}\n  {crm.email_field}: {{from: id, as: lowercase}}\n"
    wrong += (
        f"links:\n  - {{to: {COMPANIES[crm]}z, key: firm, by: {NAMES[crm]}}}\n"
        f"  - {{to: {COMPANIES[crm]}, key: firm, by: {NAMES[crm]}x}}\n"
        "  - {to: owner, fixed: nobody@example.com}\n"
    )
    gone = PEOPLE[crm].replace(f"object: {crm.people}", f"object: {crm.people}z")
    rules = mapping(tmp_path, people=wrong, gone=gone)
    box.forget_log(crm)
    assert command(box, crm, tmp_path, "check", "--online", mapping=rules) == 1
    captured = capsys.readouterr()
    lines = captured.err.splitlines()

    def at(place: str) -> str:
        (line,) = [line for line in lines if line.startswith(f"{place}: ")]
        return line

    assert f"Did you mean '{crm.people}'?" in at("gone.yml:2")
    assert f"Did you mean '{meant}'?" in at("people.yml:7")
    assert why in at("people.yml:8")
    assert "unknown function 'lowercase'" in at("people.yml:9")
    assert f"Did you mean '{COMPANIES[crm]}'?" in at("people.yml:11")
    assert f"Did you mean '{NAMES[crm]}'?" in at("people.yml:12")
    assert "is not a user of the CRM" in at("people.yml:13")
    assert len(lines) == 7
    assert "0 of 2 rules fit the CRM" in captured.out
    assert changes(box, crm) == []


@each_crm
def test_schemas_check_paths_and_kinds_and_records_are_masked_samples(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = crm.name_fields[-1] if crm is not HUBSPOT else "lastname"
    messages = str(lines_of(tmp_path, [SCHEMA, person(1, "Ode"), person(2, None)]))
    arguments = ("check", "--online", "--input", messages)
    rules = mapping(tmp_path, people=PEOPLE[crm])
    assert command(box, crm, tmp_path, *arguments, mapping=rules) == 0
    out = capsys.readouterr().out
    assert "people.yml: record 2 of people gives" in out
    assert f"  {name}: text of 8 characters" in out
    assert "Person 1" not in out
    assert command(box, crm, tmp_path, *arguments, "--values", mapping=rules) == 0
    assert f"  {name}: Person 1" in capsys.readouterr().out

    rules = mapping(tmp_path, people=PEOPLE[crm].replace("name}", "nam}"))
    assert command(box, crm, tmp_path, *arguments, mapping=rules) == 1
    assert "the stream 'people' has no property 'nam'. Did you mean 'name'?" in (
        capsys.readouterr().err
    )
    assert command(box, crm, tmp_path, "check", "--online", mapping=rules) == 0


@each_crm
def test_a_record_that_the_rule_rejects_is_a_line(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nameless = {**person(1, None), "record": {"id": None, "name": "Ann"}}
    messages = str(lines_of(tmp_path, [SCHEMA, nameless]))
    rules = mapping(tmp_path, people=PEOPLE[crm])
    assert command(box, crm, tmp_path, "check", "--online", "--input", messages, mapping=rules) == 0
    assert "record 1 of people would be rejected: no_key" in capsys.readouterr().out


@each_crm
def test_a_mistyped_end_of_a_link_has_the_nearest_name(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of an object that no rule maps, and without a field to find it by."""
    link = f"links: [{{to: {COMPANIES[crm]}z, key: firm}}]\n"
    rules = mapping(tmp_path, people=PEOPLE[crm] + link)
    assert command(box, crm, tmp_path, "check", mapping=rules) == 1
    assert f"Did you mean '{COMPANIES[crm]}'?" in caplog.text


def test_an_input_that_is_not_a_singer_message_is_one_line(
    box: Box,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    messages = str(written(tmp_path, "bad.jsonl", "\n{}\n"))
    arguments = ("check", "--online", "--input", messages)
    assert command(box, HUBSPOT, tmp_path, *arguments) == 1
    assert "line 2 of the input is not a Singer message." in caplog.text
    assert command(box, HUBSPOT, tmp_path, "check", "--input", messages) == 1
    assert "--input needs --online" in capsys.readouterr().err


@each_crm
def test_fields_are_listed_with_what_the_crm_says_of_them(
    box: Box,
    crm: Crm,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def listed(name: str) -> dict[str, dict[str, Any]]:
        assert command(box, crm, tmp_path, "fields", name, "--json") == 0
        return {row["name"]: row for row in json.loads(capsys.readouterr().out)}

    box.forget_log(crm)
    kind, choice = CHOICES[crm]
    assert listed(kind)[choice]["options"] > 1
    assert listed(kind)[choice]["type"] == "choice"
    kind, read_only = READ_ONLY[crm]
    assert listed(kind)[read_only]["writable"] is False
    kind, required = REQUIRED[crm]
    row = listed(kind)[required]
    assert (row["required"], row["writable"]) == (True, True)
    assert row["label"]
    assert command(box, crm, tmp_path, "fields", kind) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == [
        "name", "label", "type", "required", "unique", "writable", "options",
    ]  # fmt: skip
    assert len(rows) == len(listed(kind))
    assert command(box, crm, tmp_path, "fields", f"{crm.people}z") == 1
    assert f"Did you mean '{crm.people}'?" in caplog.text
    assert changes(box, crm) == []


@each_crm
def test_a_new_rule_proposes_near_names_and_delivers(
    box: Box,
    crm: Crm,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = {"type": ["null", "string"]}
    properties = {
        "customer_id": {"type": "string"},
        **dict.fromkeys(["e_mail", "last_name", "name", "phon", "zebra", "on"], text),
        "address": {"type": "object", "properties": {"city": text}},
    }
    schema = {
        "type": "SCHEMA", "stream": "customers", "key_properties": ["customer_id"],
        "schema": {"properties": properties},
    }  # fmt: skip
    record = {"customer_id": "7", "e_mail": "ann@example.com", "last_name": "Lee", "name": "Ann"}
    message = {"type": "RECORD", "stream": "customers", "record": record}
    messages = lines_of(tmp_path, [schema, message])
    rule = rules_folder(tmp_path) / "customers.yml"
    arguments = ("init", "--object", crm.people, "--input", str(messages))
    rules = str(tmp_path / "rules")
    assert command(box, crm, tmp_path, *arguments, "--output", str(rule), mapping=rules) == 0
    assert stat.S_IMODE(rule.stat().st_mode) == 0o600
    lines = rule.read_text().splitlines()
    assert lines[0].startswith("# yaml-language-server: $schema=https://")
    assert f"  {crm.email_field}: e_mail" in " ".join(lines)
    assert "  # zebra: no field is named like it" in lines
    assert '  # "on": no field is named like it' in lines
    assert "  # address: an object" in lines

    assert command(box, crm, tmp_path, *arguments, "--output", str(rule), mapping=rules) == 1
    assert "already exists" in caplog.text
    assert command(box, crm, tmp_path, *arguments, mapping=rules) == 0
    assert capsys.readouterr().out == rule.read_text()
    assert command(box, crm, tmp_path, "check", mapping=rules) == 0
    online = ("check", "--online", "--input", str(messages))
    assert command(box, crm, tmp_path, *online, mapping=rules) == 0
    result = deliver(box, crm, messages, tmp_path, mapping=rules)
    assert (result.code, result.letters) == (0, [])
    (row,) = box.people(crm)
    assert "7" in row["properties"].values()


def test_a_new_rule_needs_to_know_its_stream(
    box: Box,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = {**SCHEMA, "stream": "firms"}
    messages = str(lines_of(tmp_path, [SCHEMA, other]))
    arguments = ("init", "--object", "contacts")
    assert command(box, HUBSPOT, tmp_path, *arguments) == 1
    assert "no SCHEMA message" in caplog.text
    assert command(box, HUBSPOT, tmp_path, *arguments, "--input", messages) == 1
    assert "several streams: people, firms" in caplog.text
    chosen = (*arguments, "--input", messages, "--stream", "firms")
    assert command(box, HUBSPOT, tmp_path, *chosen) == 0
    assert "stream: firms" in capsys.readouterr().out
    assert command(box, HUBSPOT, tmp_path, "init", "--object", "notes", "--stream", "a") == 1
    assert "has no key field" in caplog.text
