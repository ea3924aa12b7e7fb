"""A platform report as a file, HTML or PDF, that only its owner can read."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from singer_kit.private_files import write_private

from tap_canai.errors import SettingError
from tap_canai.platform_report import PeriodSource, Report, Table, build

FORMATS = (".html", ".pdf")
TITLE = "CanAI platform report"


def write_report(source: PeriodSource, days: float, output: Path) -> Report:
    """Write the report in the format that the file's name says. Raises: FatalError."""
    if output.suffix not in FORMATS:
        raise SettingError(
            f"--output ends in {output.suffix or 'nothing'}.",
            "Choose a file name that ends in .html or .pdf.",
        )
    report = build(source, days)
    try:
        body = as_pdf(report) if output.suffix == ".pdf" else as_html(report)
    except ImportError:
        raise SettingError(
            "The report needs jinja2 and fpdf2.", "Install tap-canai[report]."
        ) from None
    try:
        write_private(output, body, replace=True)
    except OSError as error:
        raise SettingError(
            f"The report cannot be written ({error.strerror}).", "Choose another --output."
        ) from None
    return report


def as_html(report: Report) -> bytes:
    """One page that needs no other file. Raises: ImportError."""
    from jinja2 import Environment

    template = (resources.files("tap_canai") / "report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(report=report).encode()


def as_pdf(report: Report) -> bytes:
    """A4 pages. Raises: ImportError."""
    from fpdf import FPDF

    pdf = FPDF(format="A4")
    pdf.set_creation_date(report.end)
    pdf.set_title(TITLE)
    pdf.set_margins(18, 16)
    pdf.add_page()
    pdf.set_font("Helvetica", "B", 18)
    pdf.cell(0, 10, TITLE, new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", "", 10)
    pdf.cell(0, 6, report.period, new_x="LMARGIN", new_y="NEXT")
    for table in report.tables:
        add_table(pdf, table)
    return bytes(pdf.output())


def add_table(pdf: Any, table: Table) -> None:
    """Add a table to a PDF, under its title and above its note."""
    from fpdf.fonts import FontFace

    number_columns = len(table.columns) - 1
    pdf.ln(4)
    pdf.set_font("Helvetica", "B", 13)
    pdf.cell(0, 8, table.title, new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", "", 9)
    with pdf.table(
        text_align=("LEFT", *("RIGHT",) * number_columns),
        col_widths=(3, *(2,) * number_columns),
        borders_layout="HORIZONTAL_LINES",
        headings_style=FontFace(emphasis="BOLD"),
        line_height=5,
    ) as grid:
        for row in (table.columns, *table.rows):
            grid.row([latin(cell) for cell in row])
    pdf.set_font("Helvetica", "I", 8)
    pdf.cell(0, 6, latin(table.note), new_x="LMARGIN", new_y="NEXT")


def latin(text: str) -> str:
    """Text in the letters that a PDF's built-in fonts have."""
    return text.encode("latin-1", "replace").decode("latin-1")
