"""Drawn input: decoders, errors, events and rules end only in the errors that they name.

FUZZ=100000 gives the long version.
"""

from __future__ import annotations

import io
import json
import os
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reverse_etl.errors import AwaitedError, RowError
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.compiler import RuleCompiler
from reverse_etl.records import SourceRecord
from sandbox.canai.files import write
from tap_canai.answers import FinishedExport, Poll, Reply, decode
from tap_canai.decoders import DECODERS
from tap_canai.decoders.reader import CountingReader
from tap_canai.errors import ApiRefusedError, ExportBrokenError, FatalError
from tap_canai.normal_form import normal
from tap_canai.refusals import refusal
from tap_canai.schema_files import load_schema
from tap_canai.webhooks.events import NotAnEventError, parse

from box import Box
from crms import Crm, each_crm
from export_rows import edited, edits
from nasty import VALUES
from support import deliver, extract, pipeline_streams

FUZZ = int(os.environ.get("FUZZ", "2000"))
SCHEMA = load_schema("users")
drawn = settings(
    max_examples=FUZZ,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
USERS = [
    {
        "user_id": f"u{number}",
        "email": "ann@example.org",
        "total_spent": 12.5,
        "total_sessions": 3,
        "stages_completed": ["F1", "F2"],
        "last_active_at": "2026-01-31T00:00:00Z",
    }
    for number in range(3)
]
FILES = {
    form: write({"users": USERS}, form, {"users": list(SCHEMA["properties"])}, None)
    for form in DECODERS
}


@pytest.mark.parametrize("form", DECODERS)
def test_a_decoder_reads_a_damaged_file_or_refuses_it(form: str) -> None:
    @drawn
    @given(edits)
    def check(changes: list[tuple[float, int, bytes]]) -> None:
        source = CountingReader(io.BytesIO(edited(FILES[form], changes)))
        with suppress(FatalError), closing(DECODERS[form](source, "users", SCHEMA)) as rows:
            for row in rows:
                for name, value in row.items():
                    normal(value, SCHEMA["properties"].get(name, {}), name)

    check()


ANSWER = json.dumps(
    {
        "data": {
            "export_id": "e",
            "download_url": "https://storage.example/x",
            "record_count": 1,
            "file_size_bytes": 2,
            "expires_at": "2026-02-01T00:00:00Z",
            "format": "json",
            "status": "ready",
        },
        "metadata": {"export_created_at": "2026-01-31T00:00:00Z"},
        "error": {"code": "x", "message": "y", "details": {"unknown_fields": ["z"]}},
    }
).encode()


@drawn
@given(edits, st.sampled_from([400, 401, 403, 404, 409, 302]))
def test_a_damaged_answer_is_one_of_our_errors(
    changes: list[tuple[float, int, bytes]], status: int
) -> None:
    body = edited(ANSWER, changes)
    for shape in (FinishedExport, Poll):
        with suppress(ExportBrokenError):
            decode(body, shape)
    error = refusal(Reply(status, {}, body))
    assert isinstance(error, ApiRefusedError)
    assert len(str(error)) < 3000
    assert str(error).isprintable()


EVENT = json.dumps(
    {
        "event": "payment.completed",
        "timestamp": "2026-01-31T00:00:00Z",
        "data": {
            "user_id": "u",
            "payment_id": "p",
            "amount": 99.5,
            "currency": "USD",
            "product_track": "site_audit",
        },
    }
).encode()


@drawn
@given(edits)
def test_a_damaged_event_is_not_an_event(changes: list[tuple[float, int, bytes]]) -> None:
    with suppress(NotAnEventError):
        parse(edited(EVENT, changes))


def test_what_is_damaged_is_whole_before() -> None:
    assert parse(EVENT).kind == "payment.completed"
    assert decode(ANSWER, FinishedExport).data.export_id == "e"
    for form, file in FILES.items():
        with closing(DECODERS[form](CountingReader(io.BytesIO(file)), "users", SCHEMA)) as rows:
            assert len(list(rows)) == len(USERS)


def compiled_rules(
    box: Box, crm: Crm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[CompiledRule]:
    """The shipped rules of a target, compiled against the CRM."""
    rules: list[CompiledRule] = []
    compile_rule = RuleCompiler.compile

    def keep(self: RuleCompiler, *arguments: Any, **more: Any) -> CompiledRule:
        rules.append(compile_rule(self, *arguments, **more))
        return rules[-1]

    monkeypatch.setattr(RuleCompiler, "compile", keep)
    messages = extract(box, folder, streams=pipeline_streams(crm))
    assert deliver(box, crm, messages, folder).code == 0
    return rules


@each_crm
def test_a_shipped_rule_maps_a_nasty_record_or_rejects_it(
    box: Box, crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = compiled_rules(box, crm, tmp_path, monkeypatch)
    assert len(rules) >= 2
    properties = {rule.name: sorted(load_schema(rule.stream)["properties"]) for rule in rules}

    @settings(drawn, max_examples=max(FUZZ // len(rules), 100))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        for rule in rules:
            names = st.sampled_from(properties[rule.name])
            values = data.draw(st.dictionaries(names, st.sampled_from(VALUES), max_size=8))
            source = SourceRecord(rule.stream, "key", {**BLANK, **values}, 0)
            with suppress(RowError, AwaitedError):
                rule.map(source)

    check()


BLANK: dict[str, Any] = {"user_id": "u", "email": "ann@example.org"}
