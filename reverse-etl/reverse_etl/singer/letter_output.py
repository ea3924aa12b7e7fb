"""Dead letters as text, as JSON and as CSV."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import click

from reverse_etl.errors import SettingError
from reverse_etl.ledger.letter_search import RECORD_COLUMNS, SUMMARY_COLUMNS, LetterSearch

CSV_COLUMNS = (*SUMMARY_COLUMNS, *RECORD_COLUMNS)
NO_VALUES = "no values of this record are kept"


def listed(search: LetterSearch, limit: int) -> Iterator[str]:
    """Each reason with its oldest letters, then the number of all."""
    reasons = search.reasons()
    several = len({reason["account"] for reason in reasons}) > 1
    for reason in reasons:
        account = f", account {reason['account']}" if several else ""
        rule = f"rule {reason['rule']}{account}"
        what = f"{reason['object']} from {reason['stream']}: {reason['stage']}/{reason['code']}"
        yield f"{reason['letters']} × {what} ({rule})"
        yield f"  To do: {reason['hint']}"
        for letter in search.of_reason(reason, limit):
            yield f"  {letter['key']}: {letter['message']} ({tries(letter)})"
        if 0 < limit < reason["letters"]:
            yield f"  and {reason['letters'] - limit} more; --limit 0 shows all"
    yield f"{sum(reason['letters'] for reason in reasons)} open dead letters"


def tries(letter: Mapping[str, Any]) -> str:
    """How often a letter was tried, and when last."""
    times = "once" if letter["times"] == 1 else f"{letter['times']} times"
    return f"tried {times}, last {letter['last_at']}"


def details(letter: Mapping[str, Any]) -> str:
    """All that is known of one letter, as lines."""
    lines = [
        f"{letter['object']} from {letter['stream']}, rule {letter['rule']}, "
        f"account {letter['account']}",
        f"  {letter['stage']}/{letter['code']}: {letter['message']}",
        f"  To do: {letter['hint']}",
        f"  {tries(letter)}, first {letter['first_at']}",
    ]
    if letter["record"]:
        record = json.dumps(letter["record"], indent=2, ensure_ascii=False)
        lines += [f"  {line}" for line in record.splitlines()]
    else:
        names = ", ".join(letter["properties"])
        lines.append(f"  {NO_VALUES}{names and '; these properties had a value: '}{names}")
    return "\n".join(lines)


def write_json(letters: Iterable[Mapping[str, Any]]) -> None:
    """Print letters as a JSON array, one at a time."""
    before = "[\n"
    for letter in letters:
        click.echo(before + json.dumps(dict(letter), indent=2), nl=False)
        before = ",\n"
    click.echo("[]" if before == "[\n" else "\n]")


def write_csv(file: IO[str], letters: Iterable[Mapping[str, Any]]) -> int:
    """Write a row per letter, as RFC 4180 has it; returns their number.

    Properties and record are JSON in one cell. Cells are written as they are: a spreadsheet may
    take one that begins with `=` for a formula.
    """
    writer = csv.writer(file)
    writer.writerow(CSV_COLUMNS)
    number = 0
    for letter in letters:
        cells = (
            json.dumps(letter[name]) if name in RECORD_COLUMNS else letter[name]
            for name in CSV_COLUMNS
        )
        writer.writerow(cells)
        number += 1
    return number


def save_csv(path: Path, letters: Iterable[Mapping[str, Any]]) -> int:
    """Write a file that only its owner can read, whole or not at all; returns the letters in it.

    Raises: SettingError, LedgerError.
    """
    name = ""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            number = write_csv(file, letters)
        os.replace(name, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(name)
        if isinstance(error, OSError):
            raise SettingError(
                f"{path} cannot be written ({error.strerror}).", "Name a file in another folder."
            ) from None
        raise
    return number
