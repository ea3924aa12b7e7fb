"""`dead-letters close`: letters that nobody needs to deliver, closed by hand and noted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from reverse_etl.errors import SettingError
from reverse_etl.ledger import Ledger, LetterChoice, Reason, Scope
from reverse_etl.singer.configured import open_ledger
from reverse_etl.singer.target import CrmTarget


def close_letters(
    target: CrmTarget, choice: LetterChoice, *, closes_all: bool = False
) -> list[Reason]:
    """Close the letters of the account that the credentials belong to; returns why they were open.

    Raises: SettingError if none is chosen, CrmError, LedgerError.
    """
    check_choice(target, choice, closes_all=closes_all)
    scope = Scope(target.crm, target.open_adapter().account().id)
    with open_ledger(target) as ledger_engine:
        return close_chosen(target.name, Ledger(ledger_engine, scope), choice)


def close_chosen(name: str, ledger: Ledger, choice: LetterChoice) -> list[Reason]:
    """Close letters of a ledger, and note it. Raises: SettingError, LedgerError."""
    with ledger.rows.writing() as connection:
        reasons = ledger.letters.close_chosen(connection, choice)
        if not reasons and not choice.is_all:
            raise none_chosen(name)
        if reasons:
            ledger.audit.record(connection, event("dead-letters close", choice, reasons))
    return reasons


def check_choice(target: CrmTarget, choice: LetterChoice, *, closes_all: bool) -> None:
    """Raises: SettingError unless the letters to close are named, and may be closed."""
    if target.dry_run is not None:
        target.dry_run.close()
        raise SettingError("dry_run is on, so nothing is closed.", "Turn dry_run off.")
    if choice.is_all != closes_all:
        raise SettingError(
            "Which dead letters are to be closed is not clear.",
            "Name them by --key, --code, --object or --stream, or close every letter with --all.",
        )


def none_chosen(name: str) -> SettingError:
    """The error of options that match no letter of the account."""
    return SettingError(
        "No open dead letter of this account matches.", f"`{name} dead-letters list` names them."
    )


def event(command: str, choice: LetterChoice, reasons: Sequence[Reason]) -> dict[str, object]:
    """What the ledger notes of a command. It names no key: a key may be personal data."""
    chosen_by = {name: values for name, values in choice.words().items() if name != "key"}
    if choice.key:
        chosen_by["keys"] = [str(len(choice.key))]
    return {
        "command": command,
        "chosen_by": chosen_by,
        "letters": [asdict(reason) for reason in reasons],
    }
