"""Secrets as settings hold them, cleaned and checked before anything can print them."""

from __future__ import annotations

from singer_kit.errors import SettingError

PEM = "-----BEGIN"
"""How a private key begins, whose text has several lines."""


def clean_secret(text: str, name: str) -> str:
    """A secret without the blanks around it, such as the line break at the end of a file.

    Raises: SettingError if it has a character that no header can carry; otherwise the HTTP library
    would refuse it in an error that quotes it.
    """
    secret = text.strip()
    carries = secret.isprintable() and (secret.isascii() or "://" in secret)
    if not carries and not secret.startswith(PEM):
        raise SettingError(
            f"{name} has a line break, or another character that a secret cannot have.",
            "Copy it again, without what stands around it.",
        )
    return secret
