"""`tap-canai report`: the sums are those of the source, and nobody is in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pypdf import PdfReader
from tap_canai import cli

from box import Box
from support import tap_config, written


class Cells(HTMLParser):
    """The cells of each table."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self._title, self._tag = "", ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._tag = tag
        if tag == "tr":
            self.tables.setdefault(self._title, []).append([])

    def handle_data(self, data: str) -> None:
        if self._tag == "h2" and data.strip():
            self._title = data
        if self._tag in ("td", "th") and data.strip():
            self.tables[self._title][-1].append(data)


def made(box: Box, folder: Path, name: str, *more: str) -> Path:
    config = str(written(folder, "tap.json", tap_config(box, folder)))
    assert cli.main(["report", "--output", str(folder / name), "--config", config, *more]) == 0
    return folder / name


def test_the_sums_are_those_of_the_source(box: Box, tmp_path: Path) -> None:
    page = Cells()
    page.feed(made(box, tmp_path, "report.html", "--days", "90").read_text())
    users = [row["properties"] for row in box.objects("canai", "users")]
    payments = [row["properties"] for row in box.objects("canai", "payments")]
    people = {row[0]: row[1] for row in page.tables["People"][1:]}
    assert people == {
        stage: str(sum(user["current_journey_stage"] == stage for user in users))
        for stage in {user["current_journey_stage"] for user in users}
    }
    for track, currency, count, amount, refunded, net, failed in page.tables["Revenue"][1:]:
        mine = [
            payment
            for payment in payments
            if payment["product_track"] == track and payment["currency"] == currency
        ]
        good = [payment for payment in mine if payment["status"] != "failed"]
        paid, back = (
            sum(payment["amount"] for payment in good),
            sum(payment["refunded_amount"] or 0 for payment in good),
        )
        assert [count, amount, refunded, net, failed] == [
            str(len(good)),
            f"{paid:,.2f}",
            f"{back:,.2f}",
            f"{paid - back:,.2f}",
            str(len(mine) - len(good)),
        ]
    assert len(page.tables["Revenue"]) - 1 == len(
        {payment["product_track"] for payment in payments}
    )
    assert page.tables["Sessions"][1][1] == f"{len(box.objects('canai', 'sessions')):,}"
    assert {"Deliverables", "Feedback"} <= page.tables.keys()


@pytest.mark.parametrize("name", ["report.html", "report.pdf"])
def test_nobody_is_in_a_report_and_only_needed_fields_are_asked_for(
    box: Box, tmp_path: Path, name: str
) -> None:
    file = made(box, tmp_path, name)
    body = (
        "".join(page.extract_text() for page in PdfReader(file).pages)
        if name.endswith(".pdf")
        else file.read_text()
    )
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert "business_builder" in body
    for user in (row["properties"] for row in box.objects("canai", "users")):
        for field in ("user_id", "email", "phone", "last_name"):
            assert not user[field] or not re.search(rf"\b{re.escape(user[field])}\b", body)


def test_a_report_in_another_format_or_place_says_what_to_do(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = str(written(tmp_path, "tap.json", tap_config(box, tmp_path)))
    assert cli.main(["report", "--output", str(tmp_path / "x.doc"), "--config", config]) == 1
    assert ".html or .pdf" in caplog.text
    assert cli.main(["report", "--output", str(tmp_path / "no" / "x.pdf"), "--config", config]) == 1
    assert "cannot be written" in caplog.text
    assert (
        cli.main(
            ["report", "--output", str(tmp_path / "x.pdf"), "--config", str(tmp_path / "none.json")]
        )
        == 1
    )
