"""The sync ledger: what was delivered, what waits, what died, and what each run did."""

from reverse_etl.ledger.store import DeadLetter, Entry, FieldMark, Ledger, Scope, Waiting

__all__ = ["DeadLetter", "Entry", "FieldMark", "Ledger", "Scope", "Waiting"]
