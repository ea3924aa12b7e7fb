"""The receiver against its own OpenAPI document, by schemathesis, with every check it has; the document itself by its schema."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from openapi_schema_validator import OAS31Validator
from receiver import TOKEN, receiver
from support import BIN
from tap_canai.webhooks.events import KINDS
from tap_canai.webhooks.inbox import Inbox
from tap_canai.webhooks.openapi import envelope


@pytest.mark.process
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/inbox.db"
    with receiver(tmp_path, url, "--sender-limit", "100000") as one:
        base = f"http://127.0.0.1:{one.port}"
        command = [
            str(BIN / "st"), "run", f"{base}/openapi.json", "-H", f"Authorization: Bearer {TOKEN}", "-n", "30", "--generation-deterministic",
            "--no-color",
        ]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout[-6000:]
        told = one.get("/metrics")[1]
    refused = dict(re.findall(r'canai_webhooks_refused_total\{status="(\d+)"\} ([\d.]+)', told))
    taken = sum(
        float(found) for found in re.findall(r"canai_webhooks_events_total\{[^}]*\} ([\d.]+)", told)
    )
    assert taken >= 20, "too few requests got past validation to say anything"
    assert float(refused["422"]) >= 20
    assert not [status for status in refused if status >= "500"]
    with Inbox.open(url) as inbox:
        assert 0 < len(inbox.read(0, 10_000)) <= taken
    assert "Traceback" not in one.log.read_text()


def test_the_schemas_of_events_are_schemas(tmp_path: Path) -> None:
    for kind in KINDS:
        OAS31Validator.check_schema(json.loads(json.dumps(envelope(kind))))
