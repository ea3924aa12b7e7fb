"""URLs as messages show them."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

NOT_A_URL = "<not a valid URL>"


def shown_url(url: str) -> str:
    """A URL without what may be secret in it: user, password, query and fragment.

    Control characters, which could forge a line of the log, leave as well.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # a port that is not a number, a bracket without its pair
        return NOT_A_URL
    if not parts.scheme or not host:
        return NOT_A_URL
    place = f"[{host}]" if ":" in host else host
    shown = urlunsplit((parts.scheme, f"{place}:{port}" if port else place, parts.path, "", ""))
    return "".join(sign for sign in shown if sign.isprintable())
