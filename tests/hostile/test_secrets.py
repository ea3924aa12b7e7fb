"""Secrets with what copying brings along: they never come out in a message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tap_canai import cli

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_crm
from support import deliver, tap_config, users, written

TOKENS = {HUBSPOT: "access_token", PIPEDRIVE: "api_token", SALESFORCE: "client_secret"}
AROUND = ["{}\n", "\n{}", " {} ", "\t{}\r\n"]
INSIDE = ["{}\nX-Forged: 1", "{}\r{}", "{}\x00", "{}\x1b[31m", "{}\u2013", "{}\u200b"]


@each_crm
@pytest.mark.parametrize("form", AROUND)
def test_blanks_around_a_token_are_left_out(box: Box, crm: Crm, form: str, tmp_path: Path) -> None:
    setting = TOKENS[crm]
    secret = str(crm.credentials(box.url)[setting])
    result = deliver(box, crm, users([1]), tmp_path, **{setting: form.format(secret)})
    assert result.code == 0


@each_crm
@pytest.mark.parametrize("form", INSIDE)
def test_a_token_that_no_header_can_carry_is_named_and_not_shown(
    box: Box, crm: Crm, form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    setting, secret = TOKENS[crm], "very-secret-token"
    bad = {setting: form.format(secret, secret)}
    assert deliver(box, crm, users([1]), tmp_path, **bad).code == 1
    assert setting in caplog.text
    assert secret not in caplog.text


@pytest.mark.parametrize("form", AROUND)
def test_blanks_around_the_api_key_are_left_out(box: Box, form: str, tmp_path: Path) -> None:
    settings = tap_config(box, tmp_path)
    for key in (form.format(settings["api_key"]), json.dumps([form.format(settings["api_key"])])):
        config = written(tmp_path, "tap.json", settings | {"api_key": key})
        assert cli.main(["--config", str(config)]) == 0


@pytest.mark.parametrize("form", INSIDE)
def test_an_api_key_that_no_header_can_carry_is_named_and_not_shown(
    box: Box, form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "very-secret-key"
    for key in (form.format(secret, secret), json.dumps([form.format(secret, secret)])):
        caplog.clear()
        config = written(tmp_path, "tap.json", tap_config(box, tmp_path) | {"api_key": key})
        assert cli.main(["--config", str(config)]) == 1
        assert "api_key" in caplog.text
        assert secret not in caplog.text
