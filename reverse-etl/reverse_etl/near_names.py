"""Is a new name more likely a typo of an existing one? For what `provision` would create."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

TOO_CLOSE = 0.9
"""Similarity from which on a long new name is taken for a typo: one letter of ten."""
LONG_NAME = 8
"""Letters of a name that is compared by similarity."""


def near_name(name: str, existing: Iterable[str]) -> str:
    """The existing name that a new one is nearly; empty if there is none."""
    return next((known for known in existing if is_close(name, known)), "")


def is_close(name: str, existing: str) -> bool:
    """Returns True if two names differ by a typo.

    Names that differ in their digits do not, nor a custom field named as a standard one is.
    """
    if digits(name) != digits(existing) or is_custom(name) != is_custom(existing):
        return False
    new, known = letters(name), letters(existing)
    if not new or not known:
        return False
    if max(len(new), len(known)) < LONG_NAME:
        return is_one_letter_off(new, known)
    matcher = SequenceMatcher(None, new, known, autojunk=False)
    return matcher.quick_ratio() >= TOO_CLOSE and matcher.ratio() >= TOO_CLOSE


def is_one_letter_off(new: str, known: str) -> bool:
    """Returns True if a letter is missing or too many, or letters changed places.

    Another letter makes another short word: `stage` is not `state`.
    """
    if len(new) == len(known):
        return sorted(new) == sorted(known)
    short, long = sorted((new, known), key=len)
    return any(long[:at] + long[at + 1 :] == short for at in range(len(long)))


def is_custom(name: str) -> bool:
    """Returns True if a name has the ending that marks custom fields in some CRMs."""
    return name.casefold().endswith("__c")


def letters(name: str) -> str:
    """A name without case, signs, digits, and the ending of custom fields."""
    stem = name.casefold().removesuffix("__c")
    return "".join(sign for sign in stem if sign.isalpha())


def digits(name: str) -> str:
    """The digits of a name."""
    return "".join(sign for sign in name if sign.isdigit())
