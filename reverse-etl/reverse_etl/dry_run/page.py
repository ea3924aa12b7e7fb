"""A plan as one page that people can send round: it needs no other file and no network.

It holds personal data: only its owner can read the file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from reverse_etl.dry_run.changes import Change, Changes
from reverse_etl.dry_run.plan import duration_text, value_text
from reverse_etl.dry_run.plan_file import PlanHead
from reverse_etl.errors import SettingError

TEMPLATE = "plan.html"


def write_page(path: Path, head: PlanHead, changes: Changes) -> None:
    """Write the page, whole or not at all. Raises: SettingError."""
    environment = Environment(
        loader=PackageLoader("reverse_etl.dry_run", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": value_text, "moment": moment_text}
    parts = environment.get_template(TEMPLATE).generate(
        head=head,
        report=head.report,
        objects=counted(head.report["objects"]),
        groups=by_object(changes),
        duration=duration_text(head.report["calls"]),
    )
    name = ""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(parts)
        os.replace(name, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(name)
        raise SettingError(
            f"The page cannot be written to {path} ({error.strerror}).",
            "Name a file in a folder that can be written.",
        ) from None


def moment_text(moment: str) -> str:
    """A time for people, to the minute."""
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"


def counted(objects: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The counts of each object, what is skipped as one number."""
    for name, counts in objects.items():
        yield {**counts, "name": name, "skipped": sum(counts["skipped"].values())}


def by_object(changes: Iterable[Change]) -> Iterator[tuple[str, Iterator[Change]]]:
    """Changes in runs of one object, in the order in which they would be written."""
    yield from groupby(changes, key=lambda change: change.object)
