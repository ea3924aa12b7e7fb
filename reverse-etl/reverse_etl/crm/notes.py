"""Notes: CRM records that have a text and no key field.

The key is in the text's visible last line. CRMs keep a note as HTML; these functions convert
between that and plain text.
"""

from __future__ import annotations

import html
import re

BREAK = "<br>"
BREAKS = re.compile(r"<br\s*/?>|</p>\s*<p>", re.IGNORECASE)
TAGS = re.compile(r"<[^>]+>")


def note_html(text: str, marker: str) -> str:
    """A note's body: the text, and the marker as its last line."""
    lines = [*text.splitlines(), marker]
    return BREAK.join(html.escape(line, quote=False) for line in lines)


def note_parts(body: str) -> tuple[str, str]:
    """The text and the last line of a note, as plain text; people may have changed both."""
    lines = [html.unescape(TAGS.sub("", line)) for line in BREAKS.split(body)]
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        return "", ""
    return "\n".join(lines[:-1]), lines[-1].strip()
