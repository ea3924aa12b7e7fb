"""The receiver against its own OpenAPI document, by every check that schemathesis has."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from openapi_schema_validator import OAS31Validator
from tap_canai.webhooks.events import KINDS
from tap_canai.webhooks.openapi import envelope

from box import BIN
from receiver import TOKEN, receiving, stored


@pytest.mark.process
@pytest.mark.parametrize(
    ("phases", "invalid"),
    [(("--phases", "examples,fuzzing"), 2), pytest.param((), 20, marks=pytest.mark.soak)],
    ids=["short", "all phases"],
)
def test_schemathesis_finds_nothing(phases: tuple[str, ...], invalid: int, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/inbox.db"
    with receiving(tmp_path, url, "--sender-limit", "100000") as receiver:
        base = f"http://127.0.0.1:{receiver.port}"
        command = [
            str(BIN / "st"),
            "run",
            f"{base}/openapi.json",
            "-H",
            f"Authorization: Bearer {TOKEN}",
            *phases,
            "-n",
            "40",
            "--generation-deterministic",
            "--no-color",
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout[-6000:]
        metrics = receiver.get("/metrics")[1]
    refused = dict(re.findall(r'canai_webhooks_refused_total\{status="(\d+)"\} ([\d.]+)', metrics))
    taken = sum(
        float(found)
        for found in re.findall(r"canai_webhooks_events_total\{[^}]*\} ([\d.]+)", metrics)
    )
    assert taken >= 20, "too few requests got past validation to say anything"
    assert float(refused["422"]) >= invalid
    assert not [status for status in refused if status >= "500"]
    assert 0 < len(stored(url)) <= taken
    assert "Traceback" not in receiver.log.read_text()


def test_the_schemas_of_events_are_schemas(tmp_path: Path) -> None:
    for kind in KINDS:
        OAS31Validator.check_schema(json.loads(json.dumps(envelope(kind))))
