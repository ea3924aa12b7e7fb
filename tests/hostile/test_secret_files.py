"""Secrets in files: read like values, and read again when they are refused."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
import requests
from reverse_etl.crm.http import SETUP, CrmHttp
from reverse_etl.crm.stored_token import StoredToken
from singer_kit.errors import SettingError
from singer_kit.secret_files import LARGEST_BYTES, secret_of
from tap_canai import cli
from tap_canai.api_keys import ApiKeys
from tap_canai.webhooks.tokens import Tokens

from box import Box
from crms import CRMS, Crm, each_crm
from odd_server import Reply, odd_server
from support import deliver, run_tap, users, written

WAYS = {way: crm for crm in CRMS for way in crm.sign_ins()}
SECRETS = ("refresh_token", "private_key", "client_secret", "access_token", "api_token")
OLD = "token-that-was-replaced"
REFUSED = (401, 403)
"""Statuses for a token that is not accepted; Salesforce's userinfo answers 403."""


def secret_file(folder: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "secret.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def in_files(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings whose secrets are in files, with a line break at their end."""
    moved = dict(settings)
    for name in SECRETS:
        if settings.get(name):
            moved[name] = None
            moved[f"{name}_file"] = str(written(folder, name, f"{settings[name]}\n"))
            (folder / name).chmod(0o600)
    return moved


def on_first_refusal(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> list[Any]:
    """Do something when a token is refused for the first time; the requests that were sent."""
    sent: list[Any] = []
    send = requests.Session.send

    def observed(session: requests.Session, request: Any, **more: Any) -> requests.Response:
        sent.append(request)
        response = send(session, request, **more)
        if response.status_code in REFUSED and todo:
            todo.pop()()
        return response

    todo = [do]
    monkeypatch.setattr(requests.Session, "send", observed)
    return sent


@pytest.mark.parametrize("way", WAYS)
def test_every_secret_of_a_sign_in_may_come_from_a_file(
    box: Box, way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    crm = WAYS[way]
    settings = {
        name: str(value).replace("{url}", box.url) for name, value in crm.sign_ins()[way].items()
    }
    config = {**crm.no_credentials, **in_files(tmp_path, settings)}
    assert any(name.endswith("_file") for name in config)
    assert deliver(box, crm, users(2), tmp_path, **config).code == 0
    assert "_file" not in caplog.text


def stored_token(crm: Crm, box: Box) -> tuple[str, dict[str, Any]]:
    """The name of the setting that holds a CRM's token, and the settings that use it."""
    ways = [crm.credentials("{url}", "x"), *crm.sign_ins().values()]
    given = next(way for way in ways if "access_token" in way or "api_token" in way)
    settings = {name: str(value).replace("{url}", box.url) for name, value in given.items()}
    name = next(name for name in SECRETS if name in settings)
    return name, {**crm.no_credentials, **settings}


@each_crm
def test_a_token_that_was_replaced_is_read_again_and_the_call_goes_again(
    box: Box, crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, settings = stored_token(crm, box)
    path = secret_file(tmp_path, OLD)
    on_first_refusal(monkeypatch, lambda: path.write_text(settings[name] + "\n"))
    files = {**settings, name: None, f"{name}_file": str(path)}
    assert deliver(box, crm, users(3), tmp_path, **files).code == 0
    assert len(box.people(crm, "x")) == 3
    refused = [line for line in box.log(crm) if line["status"] in REFUSED]
    assert len(refused) == 1


@each_crm
def test_a_token_that_stays_refused_is_sent_once(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name, settings = stored_token(crm, box)
    files = {**settings, name: None, f"{name}_file": str(secret_file(tmp_path, OLD))}
    assert deliver(box, crm, users(3), tmp_path, **files).code == 1
    assert len([line for line in box.log(crm) if line["status"] in REFUSED]) == 1
    assert OLD not in caplog.text


def test_calls_that_were_refused_together_read_the_token_once() -> None:
    held = ["old"]
    reads: list[str] = []

    def read() -> str:
        reads.append(held[0])
        return held[0]

    stored = StoredToken(read)
    held[0] = "new"
    with odd_server() as server:
        met = threading.Barrier(2)

        def refused(connection: socket.socket) -> None:
            met.wait(10)
            connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")

        server.replies["*"] = [Reply(raw=refused), Reply(raw=refused), Reply(body=b"{}")]
        crm = CrmHttp(server.url, "CRM", lambda: {"x-api-token": stored.value}, renew=stored.renew)
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: crm.call("GET", "/x", SETUP).status, range(2)))
    assert answers == [200, 200]
    assert reads == ["old", "new"]


@pytest.mark.parametrize("way", [way for way in WAYS if "given" not in way and "JWT" not in way])
def test_a_sign_in_sends_what_the_files_hold_at_that_time(
    box: Box, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm = WAYS[way]
    given = crm.sign_ins()[way]
    config = {**crm.no_credentials, **in_files(tmp_path, dict(given))}
    sent = on_first_refusal(monkeypatch, lambda: written(tmp_path, "client_secret", "replaced"))
    box.fault(crm, "expired_token", match=crm.person_writes)
    deliver(box, crm, users(2), tmp_path, **config)
    sign_ins = [request for request in sent if "oauth" in request.url and request.body]
    basic = base64.b64decode(sign_ins[-1].headers.get("Authorization", "Basic ")[6:]).decode()
    assert "replaced" in unquote_plus(str(sign_ins[-1].body)) + basic
    assert "replaced" not in unquote_plus(str(sign_ins[0].body))


def test_an_api_key_that_was_replaced_is_read_again_and_the_call_goes_again(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secret_file(tmp_path, json.dumps(["old-key", "older-key"]))
    on_first_refusal(monkeypatch, lambda: path.write_text("sandbox-key\n"))
    code, messages = run_tap(box, tmp_path, api_key=None, api_key_file=str(path))
    assert code == 0
    assert any(message["type"] == "RECORD" for message in messages)
    assert len([line for line in box.log("canai") if line["status"] == 401]) == 1


def test_an_api_key_whose_file_is_gone_by_then_is_one_line(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = secret_file(tmp_path, "old-key")
    on_first_refusal(monkeypatch, path.unlink)
    assert run_tap(box, tmp_path, api_key=None, api_key_file=str(path))[0] == 1
    assert "api_key_file names a file that cannot be read (No such file" in caplog.text


def test_keys_are_tried_in_order_and_a_changed_file_starts_again() -> None:
    files = [("a", "b"), ("a", "b"), ("a", "c"), ("a", "c")]
    keys = ApiKeys(("a", "b"), lambda: files.pop(0))
    assert keys.after_refusal("a")
    assert keys.current == "b"
    assert keys.after_refusal("a")  # of a call that went out before
    assert not keys.after_refusal("b")
    assert keys.after_refusal("b")
    assert keys.current == "a"
    assert keys.after_refusal("a")
    assert keys.current == "c"


WRONG: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "cannot be read (No such file or directory)"),
    "empty": (b"", "is empty"),
    "blank": (b" \n\t", "is empty"),
    "binary": (b"\xff\xfe\x00", "does not name a text file"),
    "long": (b"x" * (LARGEST_BYTES + 1), "a file too large for a secret"),
    "two lines": (b"secret-one\nX-Forged: 1", "has a line break"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_cannot_be_used_is_one_line_without_its_content(
    case: str, tmp_path: Path
) -> None:
    content, said = WRONG[case]
    path = tmp_path / "none" if content is None else secret_file(tmp_path, content)
    with pytest.raises(SettingError) as error:
        secret_of({"api_token_file": str(path)}, "api_token")
    assert "api_token_file" in str(error.value)
    assert said in str(error.value)
    assert "secret-one" not in str(error.value)


def test_a_folder_a_pipe_and_an_odd_path_are_not_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "a\0b"):
        with pytest.raises(SettingError, match="api_token_file"):
            secret_of({"api_token_file": str(path)}, "api_token")


@pytest.mark.parametrize("content", ["secret\n", "\ufeffsecret\r\n", "  secret"])
def test_a_file_is_read_without_what_editors_add(content: str, tmp_path: Path) -> None:
    config = {"api_token_file": str(secret_file(tmp_path, content)), "api_token": ""}
    assert secret_of(config, "api_token") == "secret"


def test_a_file_that_every_user_can_read_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = {"api_token_file": str(secret_file(tmp_path, "secret", 0o644))}
    assert [secret_of(config, "api_token") for _ in range(3)] == ["secret"] * 3
    assert caplog.text.count("can be read by every user") == 1


def test_a_value_and_a_file_together_are_refused(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(secret_file(tmp_path, "sandbox-key"))
    assert run_tap(box, tmp_path, api_key_file=path)[0] == 1
    assert "api_key and api_key_file are both set" in caplog.text
    monkeypatch.setenv("CANAI_API_KEY", "sandbox-key")
    config = written(tmp_path, "tap.json", {"api_key_file": path, "api_url": f"{box.url}/canai"})
    assert cli.main(["--config", str(config)]) == 1
    assert "CANAI_API_KEY and api_key_file are both set" in caplog.text
    for crm in CRMS:
        name, settings = stored_token(crm, box)
        both = {**settings, f"{name}_file": path}
        assert deliver(box, crm, users(1), tmp_path, **both).code == 1
        assert f"{name} and {name}_file are both set" in caplog.text


def test_webhook_tokens_are_read_again_when_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secret_file(tmp_path, "old")
    monkeypatch.delenv("WEBHOOK_SECRET", raising=False)
    monkeypatch.setenv("WEBHOOK_SECRET_FILE", str(path))
    now = [0.0]
    tokens = Tokens.from_environment()
    tokens._monotonic = lambda: now[0]
    tokens._read_at = 0.0
    assert tokens.accept(b"Bearer old")
    path.write_text('["new", "old"]\n')
    assert not tokens.accept(b"Bearer new")  # just read
    now[0] = 1.5
    assert tokens.accept(b"Bearer new")
    assert tokens.accept(b"Bearer old")
    path.write_text("")
    now[0] = 3.0
    assert not tokens.accept(b"Bearer guess")
    assert tokens.accept(b"Bearer new")
    assert not tokens.accept(b"Basic new")
