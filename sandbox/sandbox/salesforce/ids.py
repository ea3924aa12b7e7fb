"""Salesforce's record ids."""

from __future__ import annotations

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def long_id(prefix: str, number: int) -> str:
    """An 18-character id: 15 significant ones, and three that make it safe to ignore case."""
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = ALPHABET[rest] + digits

    short = prefix + digits.rjust(12, "0")
    return short + "".join(check_character(short[start : start + 5]) for start in (0, 5, 10))


def check_character(block: str) -> str:
    """Which of five characters are upper case, as a character."""
    return CHECK[sum(1 << place for place, char in enumerate(block) if char.isupper())]
