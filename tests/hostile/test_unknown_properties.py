"""Properties that the schema does not know: a few are named, thousands are not."""

from __future__ import annotations

import logging

import pytest
from tap_canai.unknown_properties import MOST_NAMED, UnknownProperties

LOGGER = logging.getLogger("tap")


def noted(rows: list[dict[str, object]], caplog: pytest.LogCaptureFixture) -> list[str]:
    unknown = UnknownProperties("users", LOGGER)
    for row in rows:
        unknown.note(row, {"known": {}})
    return [record.getMessage() for record in caplog.records]


def test_each_of_a_few_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    lines = noted([{"known": 1, "b": 1, "a": 1}, {"a": 2}, {"known": 2, "c": 3}], caplog)
    assert lines == [
        f"users: the property {name} is not in the schema and is dropped" for name in "abc"
    ]


@pytest.mark.parametrize("rows", [1, 10_000])
def test_of_thousands_a_few_are_named(rows: int, caplog: pytest.LogCaptureFixture) -> None:
    names = [f"p{number:05}" for number in range(10_000)]
    content: list[dict[str, object]] = (
        [dict.fromkeys(names)] if rows == 1 else [{name: None} for name in names]
    )
    lines = noted(content, caplog)
    assert len(lines) == MOST_NAMED + 1
    assert "more properties are not in the schema and are dropped" in lines[-1]


def test_a_name_cannot_forge_a_line_or_show_an_address(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = noted([{"ann@example.com\n2026 ERROR all is lost " + "x" * 500: 1}], caplog)
    assert "\n" not in line
    assert "ann@example.com" not in line
    assert len(line) < 150
