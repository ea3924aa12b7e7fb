"""Drawn input: decoders, errors, events and rules end only in the errors that they name.

FUZZ=100000 gives the long version.
"""

from __future__ import annotations

import io
import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
from export_rows import edited, some_edits
from nasty import TEXTS, VALUES
from support import deliver, schema_message

FUZZ = int(os.environ.get("FUZZ", "2000"))
A_BATCH = 50
SCHEMA = load_schema("users")
drawn = settings(
    max_examples=FUZZ // A_BATCH,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def inputs(seed: int) -> Iterator[random.Random]:
    """What each input of a batch is drawn from: Hypothesis costs more than the tested code."""
    return (random.Random(f"{seed}/{number}") for number in range(A_BATCH))


seeds = st.integers(0, 2**64)
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
    @given(seeds)
    def check(seed: int) -> None:
        for chance in inputs(seed):
            read(form, edited(FILES[form], some_edits(chance)))

    check()


def read(form: str, file: bytes) -> None:
    source = CountingReader(io.BytesIO(file))
    with suppress(FatalError), closing(DECODERS[form](source, "users", SCHEMA)) as rows:
        for row in rows:
            for name, value in row.items():
                normal(value, SCHEMA["properties"].get(name, {}), name)


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
@given(seeds, st.sampled_from([400, 401, 403, 404, 409, 302]))
def test_a_damaged_answer_is_one_of_our_errors(seed: int, status: int) -> None:
    for chance in inputs(seed):
        body = edited(ANSWER, some_edits(chance))
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
@given(seeds)
def test_a_damaged_event_is_not_an_event(seed: int) -> None:
    for chance in inputs(seed):
        with suppress(NotAnEventError):
            parse(edited(EVENT, some_edits(chance)))


def test_what_is_damaged_is_whole_before() -> None:
    assert parse(EVENT).kind == "payment.completed"
    assert decode(ANSWER, FinishedExport).data.export_id == "e"
    for form, file in FILES.items():
        with closing(DECODERS[form](CountingReader(io.BytesIO(file)), "users", SCHEMA)) as rows:
            assert len(list(rows)) == len(USERS)


OPTIONAL = "shipped, optional/payments.deal"


def shipped_rules(
    box: Box, crm: Crm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[CompiledRule]:
    """All rules that ship with a target, compiled against the CRM."""
    rules: dict[str, CompiledRule] = {}
    compile_rule = RuleCompiler.compile

    def keep(self: RuleCompiler, *arguments: Any, **more: Any) -> CompiledRule:
        compiled = compile_rule(self, *arguments, **more)
        rules[compiled.name] = compiled
        return compiled

    monkeypatch.setattr(RuleCompiler, "compile", keep)
    mappings = crm.target.shipped_mapping()
    names = {path.stem for path in mappings.rglob("*.yml")} - {"objects"}
    streams = dict.fromkeys(name.partition(".")[0] for name in sorted(names))
    schemas = [schema_message(stream, load_schema(stream)["required"][0]) for stream in streams]
    more = {"mapping": OPTIONAL} if (mappings / "optional").is_dir() else {}
    assert deliver(box, crm, schemas, folder, provision=True, **more).code == 0
    assert {name.rpartition("/")[2] for name in rules} == names
    return list(rules.values())


def nasty(chance: random.Random, depth: int = 0) -> Any:
    """A value that has broken programs, or something made of such values."""
    form = chance.randrange(8) if depth < 3 else 7
    if form == 0:
        return [nasty(chance, depth + 1) for _ in range(chance.randrange(4))]
    if form == 1:
        names = [str(chance.choice(TEXTS)) for _ in range(chance.randrange(4))]
        return {name: nasty(chance, depth + 1) for name in names}
    if form == 2:
        return "".join(chance.choice(TEXTS)[:20] for _ in range(3))
    if form == 3:
        return chance.uniform(-1, 1) * 10.0 ** chance.randrange(-20, 40)
    return chance.choice(VALUES)


def damaged(
    chance: random.Random, record: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    """A record with some of its values replaced, and some left out."""
    values = {**record}
    for name in chance.sample(names, min(len(names), chance.randrange(9))):
        if chance.random() < 0.1:
            values.pop(name, None)
        else:
            values[name] = nasty(chance)
    return values


@each_crm
def test_a_shipped_rule_maps_a_nasty_record_or_rejects_it(
    box: Box, crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = shipped_rules(box, crm, tmp_path, monkeypatch)
    examples = {rule.name: [each.record for each in rule.rule.examples] for rule in rules}
    names = {rule.name: sorted(load_schema(rule.stream)["properties"]) for rule in rules}
    mapped: Counter[str] = Counter()

    @drawn
    @given(seeds)
    def check(seed: int) -> None:
        for chance in inputs(seed):
            for rule in rules:
                record = chance.choice(examples[rule.name])
                values = damaged(chance, record, names[rule.name])
                with suppress(RowError, AwaitedError):
                    result = rule.map(SourceRecord(rule.stream, "key", values, 0))
                    mapped[rule.name] += result is not None and not result.leaving

    check()
    assert min(mapped[rule.name] for rule in rules) > FUZZ / 100
