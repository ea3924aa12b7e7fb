"""The newest observation of a link wins, whenever its other end comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from box import Box
from crms import Crm, each_crm
from firms import BOTH, COMPANIES, PEOPLE, SCHEMA, firms_of, person, rules_folder
from support import Message, Result, by_key, deliver, later, written

FIRMS: Message = {**SCHEMA, "stream": "firms"}


def works(day: int, firm: str | None, name: str = "") -> Message:
    """The person as seen on a day of January: who it works for, and its name if not that day's."""
    message = person(1, firm)
    return later({**message, "record": {**message["record"], "name": name or f"Day {day}"}}, day)


def firm(number: str) -> Message:
    return {**person(int(number), None), "stream": "firms"}


class Town:
    """People and firms in one CRM."""

    def __init__(self, box: Box, crm: Crm, folder: Path) -> None:
        self.box, self.crm, self.folder = box, crm, folder
        firm_rule, link = BOTH[crm]
        rules = rules_folder(folder)
        written(rules, "firms.yml", f"stream: firms\n{firm_rule.partition('links:')[0]}")
        written(rules, "people.yml", f"stream: people\n{PEOPLE[crm]}{link}")

    def run(self, *messages: Message, **config: object) -> Result:
        mapping = str(self.folder / "rules")
        sent = [FIRMS, SCHEMA, *messages]
        result = deliver(self.box, self.crm, sent, self.folder, mapping=mapping, **config)
        assert (result.code, result.letters) == (0, [])
        return result

    @property
    def employers(self) -> list[str]:
        """The numbers of the firms that the person works for."""
        rows = by_key(self.box, self.crm, COMPANIES[self.crm], self.firm_key)
        numbers = {str(row["id"]): number for number, row in rows.items()}
        return [numbers[crm_id] for crm_id in firms_of(self.box, self.crm)["1"]]

    @property
    def firm_key(self) -> str:
        return "Firm__c" if "Firm__c" in BOTH[self.crm][0] else "firm_nr"


@pytest.fixture
def town(box: Box, crm: Crm, tmp_path: Path) -> Town:
    return Town(box, crm, tmp_path)


@each_crm
@pytest.mark.parametrize("same", [False, True], ids=["changed", "unchanged"])
def test_a_late_link_does_not_replace_the_one_that_was_seen_again_since(
    town: Town, same: bool
) -> None:
    name = "Same" if same else ""
    town.run(firm("2"), works(2, "2", name))
    town.run(works(20, "2", name))
    late = town.run(works(10, "1"))
    assert (late.report["links"]["kept"], late.report["links"]["waiting"]) == (1, 0)
    came = town.run(firm("1"))
    assert (came.report["links"]["wanted"], town.employers) == (0, ["2"])
    town.run(works(11, "1"), works(21, "1"), batch_size_rows=1)
    assert town.employers == ["1"]


@each_crm
def test_a_late_link_neither_is_made_nor_ends_the_wait_while_a_newer_link_waits(
    town: Town,
) -> None:
    town.run(firm("2"), firm("3"), works(2, "3"))
    town.run(works(20, "1"), works(10, "2"), batch_size_rows=1)
    assert town.employers == ["3"]
    town.run(works(9, "4"))
    assert town.run(firm("1")).report["links"]["made"] == 1
    assert town.employers == ["1"]
    assert town.run(firm("4")).report["links"]["wanted"] == 0
    assert town.employers == ["1"]
