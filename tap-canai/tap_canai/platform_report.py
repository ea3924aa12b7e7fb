"""`tap-canai report --output FILE`: what happened on the platform in a period, in sums.

Only sums and averages: no name, no address and no user id is in it, and only the properties that
the sums need are requested.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from singer_kit.times import utc_text

from tap_canai.streams import catalog_entry

Row = Mapping[str, Any]
Rows = Iterable[Row]
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
NONE = "-"
PROMOTER, DETRACTOR = 9, 6
"""Scores from which, and up to which, an answer counts for the net promoter score."""


class PeriodSource(Protocol):
    """What a report needs of the tap."""

    @property
    def end_date(self) -> datetime:
        """Where the range ends. Raises: FatalError."""

    def records_between(self, name: str, start: datetime, end: datetime) -> Rows:
        """Records of a stream in `[start, end)`. Raises: FatalError."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the first column is text, the others are numbers as text."""

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
    entries = [catalog_entry(name, selected=True, fields=fields) for name, fields in NEEDED.items()]
    return {"streams": entries}


def build(source: PeriodSource, days: float) -> Report:
    """The report on the last days before the end of the tap's range. Raises: FatalError."""
    end = source.end_date
    start = end - timedelta(days=days)
    tables = [table(source.records_between(name, start, end)) for name, table in TABLES.items()]
    return Report(start, end, tuple(tables))


def summary(report: Report) -> str:
    """What the report covers, in a line."""
    sizes = ", ".join(f"{table.title} {len(table.rows)} rows" for table in report.tables)
    return f"{utc_text(report.start)} to {utc_text(report.end)}: {sizes}"


def people(rows: Rows) -> Table:
    """Active people by journey stage."""
    lines = []
    for stage, members in grouped(rows, "current_journey_stage"):
        premium = sum(1 for row in members if row.get("subscription_tier") == "premium")
        sessions_each = mean(numbers(members, "total_sessions"))
        lines.append((stage, shown(len(members)), shown(premium), shown(sessions_each, 1)))
    columns = ("Journey stage", "Active", "Premium", "Sessions each")
    return Table("People", columns, tuple(lines), "People whose last activity was in the period.")


def payments(rows: Rows) -> Table:
    """Revenue by product track and currency, in whole units."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    sums: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        group = (text_of(row, "product_track"), text_of(row, "currency"))
        if row.get("status") == "failed":
            counts[group]["failed"] += 1
            continue
        counts[group]["payments"] += 1
        for name in ("amount", "refunded_amount"):
            sums[*group, name] += Decimal(str(row.get(name) or 0))
    lines = []
    for group, count in sorted(counts.items()):
        amount, refunded = sums[*group, "amount"], sums[*group, "refunded_amount"]
        money = (shown(amount, 2), shown(refunded, 2), shown(amount - refunded, 2))
        lines.append((*group, shown(count["payments"]), *money, shown(count["failed"])))
    columns = ("Product track", "Currency", "Payments", "Amount", "Refunded", "Net", "Failed")
    note = "Payments that were made or changed in the period."
    return Table("Revenue", columns, tuple(lines), note)


def deliverables(rows: Rows) -> Table:
    """Deliverables by product track."""
    averaged = ("trust_delta", "emotional_resonance", "user_satisfaction")
    lines = []
    for track, members in grouped(rows, "product_track"):
        averages = [shown(mean(numbers(members, name)), 2) for name in averaged]
        words = sum(numbers(members, "word_count"))
        lines.append((track, shown(len(members)), shown(words), *averages))
    columns = (
        "Product track",
        "Deliverables",
        "Words",
        "Trust delta",
        "Emotional resonance",
        "Satisfaction",
    )
    note = "Deliverables created in the period; the last three columns are averages."
    return Table("Deliverables", columns, tuple(lines), note)


def feedback(rows: Rows) -> Table:
    """Feedback by kind, and the net promoter score."""
    kinds: Counter[str] = Counter()
    ratings: dict[str, list[float]] = defaultdict(list)
    scores: list[float] = []
    for row in rows:
        kind = text_of(row, "kind")
        kinds[kind] += 1
        ratings[kind] += numbers([row], "rating")
        scores += numbers([row], "nps_score")
    lines = [
        (kind, shown(count), shown(mean(ratings[kind]), 2)) for kind, count in sorted(kinds.items())
    ]
    note = (
        f"Net promoter score {net_promoter_score(scores)}, of {len(scores)} answers: "
        "promoters minus detractors."
    )
    return Table("Feedback", ("Kind", "Given", "Average rating"), tuple(lines), note)


def net_promoter_score(scores: Sequence[float]) -> str:
    """The share of promoters less that of detractors, in per cent."""
    if not scores:
        return NONE
    promoters = sum(1 for score in scores if score >= PROMOTER)
    detractors = sum(1 for score in scores if score <= DETRACTOR)
    return shown(100 * (promoters - detractors) / len(scores))


def sessions(rows: Rows) -> Table:
    """Sessions, their length and how many of them converted."""
    seconds: list[float] = []
    count = converted = 0
    for row in rows:
        count += 1
        converted += bool(row.get("converted"))
        seconds += numbers([row], "duration_seconds")
    average_s = mean(seconds)
    minutes = shown(None if average_s is None else average_s / 60, 1)
    share = shown(100 * converted / count, 1) if count else NONE
    line = ("All", shown(count), minutes, shown(converted), share)
    columns = ("Sessions", "Number", "Minutes each", "Converted", "Converted, %")
    return Table("Sessions", columns, (line,), "Sessions that began in the period.")


TABLES: dict[str, Callable[[Rows], Table]] = {
    "users": people,
    "payments": payments,
    "deliverables": deliverables,
    "feedback": feedback,
    "sessions": sessions,
}


def grouped(rows: Rows, name: str) -> list[tuple[str, list[Row]]]:
    """Rows by the text of a property, in its order."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[text_of(row, name)].append(row)
    return sorted(groups.items())


def text_of(row: Row, name: str) -> str:
    """A property as text."""
    return str(row.get(name) or NONE)


def numbers(rows: Rows, name: str) -> list[float]:
    """The values of a property that are not null."""
    return [float(row[name]) for row in rows if row.get(name) is not None]


def mean(values: Sequence[float]) -> float | None:
    """The average; None of nothing."""
    return sum(values) / len(values) if values else None


def shown(value: float | Decimal | None, places: int = 0) -> str:
    """A number as people read it."""
    return NONE if value is None else f"{value:,.{places}f}"
