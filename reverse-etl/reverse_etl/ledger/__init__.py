"""The sync ledger: what was delivered, what waits, what was rejected, and what each run did."""

from reverse_etl.ledger.entries import (
    FILE_MARK,
    Changes,
    DeadLetter,
    Doubt,
    Entry,
    FieldMark,
    Scope,
    Waiting,
    forgotten,
)
from reverse_etl.ledger.letter_search import LetterChoice
from reverse_etl.ledger.letters import Reason
from reverse_etl.ledger.schemas import StreamSchema
from reverse_etl.ledger.store import Ledger
from reverse_etl.ledger.versions import Version

__all__ = [
    "FILE_MARK",
    "Changes",
    "DeadLetter",
    "Doubt",
    "Entry",
    "FieldMark",
    "Ledger",
    "LetterChoice",
    "Reason",
    "Scope",
    "StreamSchema",
    "Version",
    "Waiting",
    "forgotten",
]
