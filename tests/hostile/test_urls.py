"""URLs in messages: never their user, their query or their fragment."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from singer_kit.urls import shown_url
from tap_canai.webhooks.cli import main as webhooks
from workspace import Package, packages

from box import Box
from crms import Crm, each_crm
from support import deliver, run_tap, users

SECRET = "very-secret"
BAD = [f"?token={SECRET}", f"#{SECRET}", f"/path?{SECRET}/"]
LOGS = frozenset({"debug", "info", "warning", "error", "critical", "exception", "echo"})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.example.com/v1", "https://api.example.com/v1"),
        (f"https://user:{SECRET}@h.example:8/p?x={SECRET}#{SECRET}", "https://h.example:8/p"),
        (f"https://{SECRET}@[::1]:9/p", "https://[::1]:9/p"),
        (f"https://h/p\x1b[31m?{SECRET}", "https://h/p[31m"),
        (f"https://[{SECRET}", "<not a valid URL>"),
        (f"https://h:{SECRET}/", "<not a valid URL>"),
        (SECRET, "<not a valid URL>"),
        ("", "<not a valid URL>"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@each_crm
@pytest.mark.parametrize("end", BAD)
def test_a_targets_url_with_a_query_is_refused_and_not_shown(
    box: Box, crm: Crm, end: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    credentials = crm.credentials(box.url)
    name = next(name for name in credentials if name.endswith("_url"))
    config = {name: credentials[name] + end}
    assert deliver(box, crm, users(1), tmp_path, **config).code == 1
    assert f"{name} has a user, a query or a fragment" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("end", BAD)
def test_the_taps_url_with_a_query_is_refused_and_not_shown(
    box: Box, end: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert run_tap(box, tmp_path, api_url=f"{box.url}/canai{end}")[0] == 1
    assert "api_url has a user, a query or a fragment" in caplog.text
    assert SECRET not in caplog.text


def test_the_receivers_url_with_a_query_is_refused_and_not_shown(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert webhooks(["config", "--url", f"https://hooks.example.com/?{SECRET}"]) == 1
    assert SECRET not in caplog.text + "".join(capsys.readouterr())


def shown_names(path: Path) -> Iterator[tuple[int, str]]:
    """Names of URLs that a message of a module shows, in the text of an error or a log line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        is_log = (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LOGS
        )
        if not is_log and not isinstance(node, ast.Raise):
            continue
        hidden: set[ast.AST] = set()
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call):
                is_shown = getattr(inner.func, "id", "") == "shown_url"
                hidden.update(ast.walk(inner) if is_shown else [inner.func])
        for inner in ast.walk(node):
            if not isinstance(inner, ast.Name | ast.Attribute) or inner in hidden:
                continue
            name = inner.attr if isinstance(inner, ast.Attribute) else inner.id
            if name.endswith("url"):
                yield inner.lineno, name


def test_the_check_of_messages_finds_a_url(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('raise Error(f"not at {self.base_url}")\nlogger.info("%s", shown_url(url))\n')
    assert list(shown_names(path)) == [(1, "base_url")]


@pytest.mark.parametrize("package", packages(), ids=lambda package: package.name)
def test_every_message_shows_urls_by_the_function(package: Package) -> None:
    found = [
        (path.name, *place) for path in package.source.rglob("*.py") for place in shown_names(path)
    ]
    assert found == []
