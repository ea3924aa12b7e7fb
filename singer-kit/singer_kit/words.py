"""A hint for a word that is not known: the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHORT_WORD = 3
"""Characters of a word in which a single typo changes a third."""


def nearest(word: str, known: Iterable[str]) -> str:
    """`Did you mean …?`, or nothing if no known word is close."""
    # in a word of three letters a single typo already costs a third of the similarity
    cutoff = 0.5 if len(word) <= SHORT_WORD else 0.6
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f"Did you mean {matches[0]!r}?" if matches else ""


def suggestion(word: str, known: Iterable[str], introduction: str = "Known") -> str:
    """`Did you mean …?`, or all known words after the introduction if none is close."""
    words = list(known)
    return nearest(word, words) or f"{introduction}: {', '.join(words)}."
