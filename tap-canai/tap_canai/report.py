"""`tap-canai report --output FILE`: what happened on the platform in a period, for people, as HTML or PDF.

Only sums and averages: no name, no address and no user id is in it, and only the properties that the sums need are asked
for.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_canai.errors import SettingError
from tap_canai.times import utc_text

if TYPE_CHECKING:
    from tap_canai.tap import TapCanAI

Rows = Iterable[Mapping[str, Any]]
NEEDED: dict[str, tuple[str, ...]] = {
    "users": ("current_journey_stage", "subscription_tier", "total_sessions"),
    "payments": ("amount", "refunded_amount", "currency", "status", "product_track"),
    "deliverables": (
        "product_track",
        "word_count",
        "trust_delta",
        "emotional_resonance",
        "user_satisfaction",
    ),
    "feedback": ("kind", "rating", "nps_score"),
    "sessions": ("duration_seconds", "converted"),
}
"""Properties that the sums need, besides the keys."""
FORMATS = (".html", ".pdf")
NONE = "-"


@dataclass(frozen=True, slots=True)
class Table:
    """One table: the first column is text, the others are numbers as text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


@dataclass(frozen=True, slots=True)
class Report:
    """A report on `[start, end)`."""

    start: datetime
    end: datetime
    tables: tuple[Table, ...]

    @property
    def period(self) -> str:
        """The period, in words."""
        return f"{self.start:%d %B %Y %H:%M} to {self.end:%d %B %Y %H:%M} UTC"


def catalog() -> dict[str, Any]:
    """A catalog that selects just what the sums need."""
    from tap_canai.streams import catalog_entry

    return {
        "streams": [
            catalog_entry(name, selected=True, fields=fields) for name, fields in NEEDED.items()
        ]
    }


def build(tap: TapCanAI, days: float) -> Report:
    """The report on the last days before the end of the tap's range. Raises: TapError."""
    end = tap.end_date
    start = end - timedelta(days=days)
    tables = tuple(
        make(tap.export_stream(name).records_between(start, end)) for name, make in MAKERS.items()
    )
    return Report(start, end, tables)


def number(value: float | Decimal | None, places: int = 0) -> str:
    """A number as people read it."""
    return NONE if value is None else f"{value:,.{places}f}"


def mean(values: Sequence[float]) -> float | None:
    """The average; None of nothing."""
    return sum(values) / len(values) if values else None


def given(rows: Rows, name: str) -> list[float]:
    """The values of a property that are there."""
    return [float(row[name]) for row in rows if row.get(name) is not None]


def people(rows: Rows) -> Table:
    """Active people by journey stage."""
    stages: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        stages[str(row.get("current_journey_stage") or NONE)].append(row)
    made = tuple(
        (
            stage,
            number(len(found)),
            number(sum(1 for row in found if row.get("subscription_tier") == "premium")),
            number(mean(given(found, "total_sessions")), 1),
        )
        for stage, found in sorted(stages.items())
    )
    return Table(
        "People",
        ("Journey stage", "Active", "Premium", "Sessions each"),
        made,
        "People whose last activity was in the period.",
    )


def payments(rows: Rows) -> Table:
    """Revenue by product track and currency, in whole units."""
    sums: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        kept = sums[(str(row.get("product_track") or NONE), str(row.get("currency") or NONE))]
        if row.get("status") == "failed":
            kept["failed"] += 1
            continue
        kept["payments"] += 1
        kept["amount"] += Decimal(str(row.get("amount") or 0))  # type: ignore[assignment]
        kept["refunded"] += Decimal(str(row.get("refunded_amount") or 0))  # type: ignore[assignment]
    made = tuple(
        (
            track,
            currency,
            number(one["payments"]),
            number(one["amount"], 2),
            number(one["refunded"], 2),
            number(one["amount"] - one["refunded"], 2),
            number(one["failed"]),
        )
        for (track, currency), one in sorted(sums.items())
    )
    columns = ("Product track", "Currency", "Payments", "Amount", "Refunded", "Net", "Failed")
    return Table("Revenue", columns, made, "Payments that were made or changed in the period.")


def deliverables(rows: Rows) -> Table:
    """Deliverables by product track."""
    tracks: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        tracks[str(row.get("product_track") or NONE)].append(row)
    made = tuple(
        (
            track,
            number(len(found)),
            number(sum(given(found, "word_count"))),
            number(mean(given(found, "trust_delta")), 2),
            number(mean(given(found, "emotional_resonance")), 2),
            number(mean(given(found, "user_satisfaction")), 2),
        )
        for track, found in sorted(tracks.items())
    )
    columns = (
        "Product track",
        "Deliverables",
        "Words",
        "Trust delta",
        "Emotional resonance",
        "Satisfaction",
    )
    return Table(
        "Deliverables",
        columns,
        made,
        "Deliverables created in the period; the last three columns are averages.",
    )


def feedback(rows: Rows) -> Table:
    """Feedback by kind, and the net promoter score."""
    kinds: Counter[str] = Counter()
    ratings: dict[str, list[float]] = defaultdict(list)
    scores: list[float] = []
    for row in rows:
        kind = str(row.get("kind") or NONE)
        kinds[kind] += 1
        ratings[kind] += given([row], "rating")
        scores += given([row], "nps_score")
    made = tuple(
        (kind, number(count), number(mean(ratings[kind]), 2))
        for kind, count in sorted(kinds.items())
    )
    promoters, detractors = (
        sum(1 for one in scores if one >= 9),
        sum(1 for one in scores if one <= 6),
    )
    nps = number(100 * (promoters - detractors) / len(scores)) if scores else NONE
    note = f"Net promoter score {nps}, of {len(scores)} answers: promoters less detractors."
    return Table("Feedback", ("Kind", "Given", "Average rating"), made, note)


def sessions(rows: Rows) -> Table:
    """Sessions, their length and how many of them converted."""
    seconds: list[float] = []
    count = converted = 0
    for row in rows:
        count += 1
        converted += bool(row.get("converted"))
        seconds += given([row], "duration_seconds")
    average = mean(seconds)
    share = number(100 * converted / count, 1) if count else NONE
    made = (
        (
            "All",
            number(count),
            number(None if average is None else average / 60, 1),
            number(converted),
            share,
        ),
    )
    columns = ("Sessions", "Number", "Minutes each", "Converted", "Converted, %")
    return Table("Sessions", columns, made, "Sessions that began in the period.")


MAKERS: dict[str, Callable[[Rows], Table]] = {
    "users": people,
    "payments": payments,
    "deliverables": deliverables,
    "feedback": feedback,
    "sessions": sessions,
}


def as_html(report: Report) -> bytes:
    """One page that needs nothing else."""
    from jinja2 import Environment

    template = (resources.files("tap_canai") / "report.html.j2").read_text(encoding="utf-8")
    return (
        Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        .from_string(template)
        .render(report=report)
        .encode()
    )


def as_pdf(report: Report) -> bytes:
    """A4 pages."""
    from fpdf import FPDF
    from fpdf.fonts import FontFace

    pdf = FPDF(format="A4")
    pdf.set_creation_date(report.end)
    pdf.set_title("CanAI platform report")
    pdf.set_margins(18, 16)
    pdf.add_page()
    pdf.set_font("Helvetica", "B", 18)
    pdf.cell(0, 10, "CanAI platform report", new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", "", 10)
    pdf.cell(0, 6, report.period, new_x="LMARGIN", new_y="NEXT")
    for table in report.tables:
        pdf.ln(4)
        pdf.set_font("Helvetica", "B", 13)
        pdf.cell(0, 8, table.title, new_x="LMARGIN", new_y="NEXT")
        pdf.set_font("Helvetica", "", 9)
        align = ("LEFT", *("RIGHT",) * (len(table.columns) - 1))
        widths = (3, *(2,) * (len(table.columns) - 1))
        look: dict[str, Any] = {
            "borders_layout": "HORIZONTAL_LINES",
            "headings_style": FontFace(emphasis="BOLD"),
            "line_height": 5,
        }
        with pdf.table(text_align=align, col_widths=widths, **look) as made:
            for row in (table.columns, *table.rows):
                made.row([latin(cell) for cell in row])
        pdf.set_font("Helvetica", "I", 8)
        pdf.cell(0, 6, latin(table.note), new_x="LMARGIN", new_y="NEXT")
    return bytes(pdf.output())


def latin(text: str) -> str:
    """Text in the letters that a PDF's built-in fonts have."""
    return text.encode("latin-1", "replace").decode("latin-1")


def write_report(tap: TapCanAI, days: float, output: Path) -> Report:
    """Write the report, for its owner alone, in the format that the file's name says. Raises: TapError."""
    if output.suffix not in FORMATS:
        raise SettingError(
            f"--output ends in {output.suffix or 'nothing'}.",
            "Name a file that ends in .html or .pdf.",
        )
    try:
        report = build(tap, days)
        body = as_pdf(report) if output.suffix == ".pdf" else as_html(report)
    except ImportError:
        raise SettingError(
            "The report needs jinja2 and fpdf2.", "Install tap-canai[report]."
        ) from None
    try:
        with os.fdopen(os.open(output, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            file.write(body)
    except OSError as error:
        raise SettingError(
            f"The report cannot be written ({error.strerror}).", "Name another --output."
        ) from None
    return report


def summary(report: Report) -> str:
    """What was written, in a line."""
    return f"{utc_text(report.start)} to {utc_text(report.end)}: " + ", ".join(
        f"{one.title} {len(one.rows)} rows" for one in report.tables
    )
