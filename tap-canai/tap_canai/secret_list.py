"""A secret that may be several: the old and the new one, while it is changed."""

from __future__ import annotations

import json

from singer_kit.errors import SettingError
from singer_kit.secrets import clean_secret


def secret_list(text: str) -> tuple[str, ...]:
    """A secret, or those of a JSON list, in order. Raises: ValueError."""
    text = text.strip()
    secrets = json.loads(text) if text.startswith("[") else [text]
    if not secrets or not all(isinstance(secret, str) and secret.strip() for secret in secrets):
        raise ValueError("not a secret, nor a JSON list of secrets")
    try:
        return tuple(clean_secret(secret, "secret") for secret in secrets)
    except SettingError:
        raise ValueError("a secret with a character that no header can carry") from None
