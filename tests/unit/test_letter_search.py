"""Which letters a command is about, and what the ledger notes of commands."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from reverse_etl.ledger import Changes, DeadLetter, Ledger, LetterChoice, Scope
from reverse_etl.ledger.audit import chained
from reverse_etl.ledger.letter_search import LetterSearch


def letter(key: str, code: str, **more: str) -> DeadLetter:
    return DeadLetter(
        "rule", key, "users", "person", "send", code, "why", "do that", {"name": "Ann"}, 7,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def ledgers(ledger_url: str) -> Iterator[tuple[Ledger, Ledger]]:
    """The ledgers of two accounts of one CRM, each with letters."""
    crm = f"crm-{uuid.uuid4().hex[:8]}"
    first, second = (Ledger(Ledger.open(ledger_url), Scope(crm, name)) for name in ("a", "b"))
    first.apply(Changes("person", dead=[letter(f"k{number}", "bad") for number in range(5)]))
    first.apply(Changes("person", dead=[letter("k5", "worse"), letter("k6", "gone")]))
    first.apply(Changes("person", closed=[("rule", "k6")]))
    second.apply(Changes("person", dead=[letter("k1", "bad")]))
    with first, second:
        yield first, second


def test_open_letters_of_every_account_are_found_by_reason(
    ledgers: tuple[Ledger, Ledger],
) -> None:
    first, _ = ledgers
    search = LetterSearch(first.engine, first.scope.crm)
    reasons = search.reasons()
    found = [(reason["account"], reason["code"], reason["letters"]) for reason in reasons]
    assert found == [("a", "bad", 5), ("a", "worse", 1), ("b", "bad", 1)]
    assert [row["key"] for row in search.of_reason(reasons[0], 2)] == ["k0", "k1"]
    assert len(search.of_reason(reasons[0], 0)) == 5
    assert len(list(search.letters())) == 7
    chosen = LetterChoice(key=["k1", "k5"], code=["bad"])
    by_key = LetterSearch(first.engine, first.scope.crm, chosen)
    assert [(row["account"], row["key"]) for row in by_key.letters()] == [("a", "k1"), ("b", "k1")]


def test_a_choice_says_the_same_of_a_letter_as_a_query(ledgers: tuple[Ledger, Ledger]) -> None:
    first, _ = ledgers
    for choice in (
        LetterChoice(),
        LetterChoice(code=["bad"], key=["k0", "k5"]),
        LetterChoice(object=["person"], stream=["users"]),
        LetterChoice(stream=["payments"]),
    ):
        kept = [each for each in first.letters.open() if choice.has(each)]
        assert first.letters.chosen(choice) == kept


def test_letters_are_closed_in_their_account_alone(ledgers: tuple[Ledger, Ledger]) -> None:
    first, second = ledgers
    with first.rows.writing() as connection:
        (reason,) = first.letters.close_chosen(connection, LetterChoice(code=["bad"]))
    assert (reason.code, reason.letters) == ("bad", 5)
    assert [each.key for each in first.letters.open()] == ["k5"]
    assert [each.key for each in second.letters.open()] == ["k1"]


def test_events_are_chained_by_account(ledgers: tuple[Ledger, Ledger]) -> None:
    first, second = ledgers
    for ledger, command in ((first, "one"), (second, "two"), (first, "three")):
        with ledger.rows.writing() as connection:
            ledger.audit.record(connection, {"command": command})
    one, three = first.audit.events()
    assert [one["event"]["command"], three["event"]["command"]] == ["one", "three"]
    assert one["chain"] == chained("", one["at"], one["event"])
    assert three["chain"] == chained(one["chain"], three["at"], three["event"])
    (two,) = second.audit.events()
    assert two["chain"] == chained("", two["at"], two["event"])
