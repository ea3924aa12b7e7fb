"""A secret that may be several: the old and the new one, while it is changed."""

from __future__ import annotations

import json


def secret_list(text: str) -> tuple[str, ...]:
    """A secret, or those of a JSON list, in order. Raises: ValueError."""
    text = text.strip()
    secrets = json.loads(text) if text.startswith("[") else [text]
    if not secrets or not all(isinstance(secret, str) and secret for secret in secrets):
        raise ValueError("not a secret, nor a JSON list of secrets")
    return tuple(secrets)
