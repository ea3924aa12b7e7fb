"""singer-kit: settings, commands, private files, databases, times, downloads."""

from __future__ import annotations

import contextlib
import logging
import socket
import sqlite3
import stat
import tempfile
import threading
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import click
import pytest
import requests
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from singer_kit.command_line import run_command
from singer_kit.database import database_errors, exclusive, open_engine
from singer_kit.downloads import UnsafeUrlError, check_url, get
from singer_kit.errors import FatalError, SettingError
from singer_kit.private_files import make_private, write_private
from singer_kit.settings import (
    bad_setting,
    checked_url,
    coerced,
    command_line_settings,
    run_folder,
    settings_from_files,
    with_environment,
)
from singer_kit.times import microseconds, parse_utc, utc_text
from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError, FatalAPIError

SCHEMA = th.PropertiesList(
    th.Property("key", th.StringType, required=True),
    th.Property("count", th.IntegerType(minimum=1)),
    th.Property("share", th.NumberType(exclusive_minimum=0)),
    th.Property("on", th.BooleanType),
    th.Property("names", th.ArrayType(th.StringType)),
    th.Property("seconds", th.ObjectType(additional_properties=th.NumberType(minimum=0))),
    th.Property("format", th.StringType, allowed_values=["json", "csv"]),
).to_dict()


class TapKit(Tap):
    """A tap that has settings and nothing else."""

    name = "tap-kit"
    config_jsonschema = SCHEMA

    def discover_streams(self) -> list[Any]:
        return []


def test_errors_say_what_happened_and_what_to_do() -> None:
    error = SettingError("The setting is missing.", "Set it.")
    assert str(error) == "The setting is missing. Set it."
    assert error.hint == "Set it."
    assert isinstance(error, FatalError)
    assert isinstance(error, FatalAPIError)


def test_text_from_the_environment_is_converted_by_the_schema() -> None:
    given = {"key": "12", "count": "5", "on": "TRUE", "names": '["a"]', "seconds": "", "share": "x"}
    expected = {"key": "12", "count": 5, "on": True, "names": ["a"], "share": "x"}
    assert coerced(given, SCHEMA) == expected
    assert coerced({"count": 5, "unknown": "1"}, SCHEMA) == {"count": 5, "unknown": 1}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "The setting 'key' is missing."),
        ({"key": 4711}, "The setting 'key' is not valid: it is not of type 'string'. "),
        ({"key": "k", "count": 0}, "'count' is not valid: it is less than the minimum of 1."),
        ({"key": "k", "share": 0}, "it is less than or equal to the minimum of 0"),
        ({"key": "k", "format": "4711"}, "'format' is not valid: it is not one of ['json', 'csv'"),
        ({"key": "k", "seconds": {"users": "4711"}}, "The setting 'seconds' is not valid"),
        (
            {"key": "k", "count": "4711 in config['key'] is not of type 4711"},
            "'count' is not valid",
        ),
    ],
)
def test_validation_errors_name_the_setting_and_not_its_value(
    config: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigValidationError) as caught:
        TapKit(config=config)
    message = str(bad_setting(caught.value.errors))
    assert said in message
    assert "4711" not in message


def test_several_validation_errors_are_one_error() -> None:
    message = str(bad_setting(["'key' is a required property", "5 is bad in config['on']", "what"]))
    assert message == (
        "The setting 'key' is missing. The setting 'on' is not valid. A setting is not valid. "
        "The README says what each setting takes."
    )


def test_the_environment_goes_over_the_settings_files(monkeypatch: pytest.MonkeyPatch) -> None:
    class Parsed:
        config: Any = {"key": "from-file", "count": 1}  # noqa: RUF012
        parse_env = True

    monkeypatch.setenv("TAP_KIT_COUNT", "7")
    assert command_line_settings(TapKit, Parsed()) == {"key": "from-file", "count": 7}
    assert command_line_settings(TapKit, None) == {}


@pytest.mark.parametrize("text", ['["a", "b"]', "['a', 'b']", "a,b", " a , b "])
def test_a_list_in_the_environment_is_json_or_as_meltano_writes_it_or_with_commas(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAP_KIT_NAMES", text)
    for count in ("7", "many"):  # the SDK gives all up over a text that is not a number
        monkeypatch.setenv("TAP_KIT_COUNT", count)
        assert with_environment(TapKit, {})["names"] == ["a", "b"]
    monkeypatch.setenv("TAP_KIT_NAMES", "['a'")
    assert with_environment(TapKit, {})["names"] == "['a'"


def test_settings_files_are_read_in_order(tmp_path: Path) -> None:
    first, second, bad = (tmp_path / name for name in ("first.json", "second.json", "bad.json"))
    first.write_text('{"a": 1, "b": 1}')
    second.write_text('{"b": 2}')
    bad.write_text("[1]")
    assert settings_from_files([str(first), str(second)]) == {"a": 1, "b": 2}
    for name in (bad, tmp_path / "missing.json"):
        with pytest.raises(SettingError, match="settings file"):
            settings_from_files([str(name)])


@pytest.mark.parametrize(
    "url",
    ["https://api.example.com", "http://127.0.0.1:8765/x", "http://[::1]:1", "http://localhost"],
)
def test_a_good_base_url_loses_its_trailing_slash(url: str) -> None:
    assert checked_url(url + "/", "api_url") == url


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "ftp://x", "https://", "https://h:port", "http://[::1", "http://u:pw@h.com"],
)
def test_a_bad_base_url_is_an_error_that_names_the_setting(url: str) -> None:
    with pytest.raises(SettingError, match="api_url") as caught:
        checked_url(url, "api_url")
    assert "pw" not in str(caught.value)


def test_the_run_folder_is_meltanos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", "/project")
    assert run_folder("tap-kit") == Path("/project/.meltano/run/tap-kit")
    monkeypatch.delenv("MELTANO_PROJECT_ROOT")
    assert run_folder("tap-kit") is None


def command(raised: BaseException | None = None, code: object = None) -> Any:
    @click.command()
    def run() -> object:
        if raised is not None:
            raise raised
        return code

    return run


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3)])
def test_a_command_that_succeeds_gives_its_exit_code(returned: object, code: int) -> None:
    assert run_command(command(code=returned), "tap-kit", []) == code


def test_an_expected_error_is_one_line_and_exit_code_1(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []
    failing = command(SettingError("Bad.", "Do that."))
    assert run_command(failing, "tap-kit", [], on_failure=calls.append) == 1
    assert [record.getMessage() for record in caplog.records] == ["Bad. Do that."]
    assert caplog.records[0].exc_info is None
    assert calls == [1]
    assert run_command(command(KeyError("k")), "tap-kit", [], expected=(KeyError,)) == 1
    with pytest.raises(KeyError):
        run_command(command(KeyError("k")), "tap-kit", [], let_pass=(KeyError,))


def test_an_unexpected_error_names_its_class_and_place_and_nothing_else(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    calls: list[int] = []

    @click.command()
    def failing() -> None:
        parse_utc("ann@example.org")

    packages = ("singer_kit",)
    assert run_command(failing, "tap-kit", [], packages=packages, on_failure=calls.append) == 1
    assert "ValueError in singer_kit.times.parse_utc, line" in caplog.text
    assert "report this" in caplog.text
    assert "ann@example.org" not in caplog.text
    assert "Traceback" not in caplog.text
    assert calls == [1]
    assert list(tmp_path.iterdir()) == []
    assert run_command(failing, "tap-kit", ["--traceback"], packages=packages) == 1
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "ann@example.org" in file.read_text()


def test_wrong_usage_is_shown_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(command(), "tap-kit", ["--nonsense"]) == 1
    assert "--nonsense" in capsys.readouterr().err
    assert run_command(command(KeyboardInterrupt()), "tap-kit", []) == 130


def test_private_files_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    make_private(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"kept")
    make_private(path)
    assert path.read_bytes() == b"kept"
    with pytest.raises(FileExistsError):
        write_private(path, b"new")
    write_private(path, b"new", replace=True)
    assert path.read_bytes() == b"new"
    write_private(tmp_path / "other", b"x")
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o600


def test_a_locked_database_keeps_its_lock_while_the_file_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "kit.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    make_private(path)
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN EXCLUSIVE")
    other.close()
    holder.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/deep/kit.db"


NUMBERS = sa.Table("numbers", sa.MetaData(), sa.Column("number", sa.Integer))


def test_a_database_is_opened_by_its_url_and_writers_take_turns(url: str) -> None:
    engine = open_engine(url, "kit_url")
    with exclusive(engine, 17) as connection:
        NUMBERS.create(connection)
        connection.execute(sa.insert(NUMBERS), {"number": 0})

    def count_up() -> None:
        for _ in range(10):
            with exclusive(engine, 17) as connection:
                number = connection.scalar(sa.select(NUMBERS.c.number)) or 0
                connection.execute(sa.update(NUMBERS).values(number=number + 1))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        assert connection.scalar(sa.select(NUMBERS.c.number)) == 40
    engine.dispose()


def test_an_exclusive_transaction_that_fails_leaves_nothing(url: str) -> None:
    engine = open_engine(url, "kit_url")
    with exclusive(engine, 17) as connection:
        NUMBERS.create(connection)
    with contextlib.suppress(KeyError), exclusive(engine, 17) as connection:
        connection.execute(sa.insert(NUMBERS), {"number": 1})
        raise KeyError
    with engine.connect() as connection:
        assert connection.scalar(sa.select(NUMBERS.c.number)) is None
    engine.dispose()


def test_a_sqlite_file_is_private_and_durable(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/deep/kit.db", "kit_url")
    with engine.connect() as connection:
        for pragma, value in (
            ("journal_mode", "wal"),
            ("synchronous", 2),
            ("busy_timeout", 60_000),
        ):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    engine.dispose()
    assert stat.S_IMODE((tmp_path / "deep" / "kit.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o700


class KitError(FatalError):
    """A package's own error."""


@pytest.mark.parametrize(
    "bad",
    [
        "nonsense",
        "mysql://user:secret@host/x",
        "nothing://user:secret@host/x",
        "postgresql+nothing://user:secret@host/x",
        "postgresql://user:secret@host:port/x",
        "sqlite:////dev/null/kit.db",
    ],
)
def test_a_bad_database_url_is_an_error_that_names_the_setting(bad: str) -> None:
    with pytest.raises(KitError, match="kit_url") as caught:
        open_engine(bad, "kit_url", error=KitError)
    assert "secret" not in str(caught.value)


def test_a_missing_folder_is_an_error_where_it_should_not_be_created(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="kit_url"):
        open_engine(f"sqlite:///{tmp_path}/deep/kit.db", "kit_url", create_folder=False)
    assert not (tmp_path / "deep").exists()


def test_a_database_that_fails_is_one_line_with_the_cause(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/kit.db", "kit_url")
    with (
        pytest.raises(KitError, match=r"Cannot be read \(OperationalError\)\. Look at it\."),
        database_errors("Cannot be read", "Look at it.", KitError),
        engine.connect() as connection,
    ):
        connection.execute(sa.select(NUMBERS))
    engine.dispose()


def test_timestamps_are_utc_whatever_they_come_as() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert parse_utc("2026-01-31T13:00:00+01:00") == noon
    assert parse_utc("2026-01-31T12:00:00") == noon
    assert parse_utc(noon.astimezone(timezone(timedelta(hours=-8)))) == noon
    assert parse_utc(datetime(2026, 1, 31, 12)) == noon
    for text in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"):
        with pytest.raises(ValueError, match="outside the years"):
            parse_utc(text)
    assert parse_utc(date(2026, 1, 31)) == datetime(2026, 1, 31, tzinfo=UTC)
    with pytest.raises(ValueError, match="soon"):
        parse_utc("soon")
    with pytest.raises(TypeError):
        parse_utc(5)


def test_timestamps_have_as_many_digits_as_wanted() -> None:
    moment = datetime(2026, 1, 31, 13, 0, 1, 987_654, tzinfo=timezone(timedelta(hours=1)))
    assert utc_text(moment) == "2026-01-31T12:00:01.987654Z"
    assert utc_text(moment, 3) == "2026-01-31T12:00:01.987Z"
    assert utc_text(moment, 0) == "2026-01-31T12:00:01Z"


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))
def test_a_timestamp_survives_its_text_and_its_microseconds(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    assert parse_utc(utc_text(moment)) == moment
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds(moment)) == moment


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: answers)


@pytest.mark.parametrize(
    ("url", "refusal"),
    [
        ("file:///etc/passwd", "invalid"),
        ("https://", "invalid"),
        ("https://[::1", "invalid"),
        ("nonsense", "invalid"),
        ("http://files.example.com/a?signature=secret", "not_https"),
        ("https://127.0.0.1/a?signature=secret", "private_host"),
        ("https://10.0.0.8/a", "private_host"),
        ("https://169.254.169.254/latest/meta-data", "private_host"),
        ("https://[::1]/a", "private_host"),
        ("https://[::ffff:10.0.0.8]/a", "private_host"),
        ("https://[fe80::1]/a", "private_host"),
    ],
)
def test_an_unsafe_url_is_refused(url: str, refusal: str) -> None:
    with pytest.raises(UnsafeUrlError) as caught:
        check_url(url, allow_private=False)
    assert caught.value.refusal == refusal
    assert "secret" not in str(caught.value)


def test_a_host_is_refused_if_any_of_its_addresses_is_private(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolving(monkeypatch, "93.184.215.14")
    check_url("https://files.example.com/a", allow_private=False)
    resolving(monkeypatch, "93.184.215.14", "192.168.0.1")
    with pytest.raises(UnsafeUrlError, match=r"files\.example\.com"):
        check_url("https://files.example.com/a", allow_private=False)


def test_a_host_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UnsafeUrlError) as caught:
        check_url("https://files.example.com/a", allow_private=False)
    assert caught.value.refusal == "unknown_host"


def test_private_hosts_may_be_allowed() -> None:
    check_url("http://127.0.0.1:8765/a", allow_private=True)
    with pytest.raises(UnsafeUrlError):
        check_url("ftp://127.0.0.1/a", allow_private=True)


def test_no_credentials_go_with_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    sent: list[Any] = []

    def send(self: requests.Session, request: Any, **options: Any) -> requests.Response:
        sent.append((request.headers, options["allow_redirects"]))
        return requests.Response()

    monkeypatch.setattr(requests.Session, "send", send)
    with requests.Session() as session:
        get(session, "https://127.0.0.1/a", user_agent="kit", timeout_s=(1, 1))
    ((headers, redirects),) = sent
    assert "Authorization" not in headers
    assert headers["User-Agent"] == "kit"
    assert redirects is False


def test_the_log_of_a_run_keeps_to_the_programs_name(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="tap-kit"):
        run_command(command(FatalError("Bad.")), "tap-kit", [])
    assert caplog.records[0].name == "tap-kit"


def test_a_time_before_the_year_1000_is_still_read_back() -> None:
    moment = parse_utc("0424-01-11T15:16:15.402657+18:13")
    assert parse_utc(utc_text(moment)) == moment
