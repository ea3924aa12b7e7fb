"""What a rule says, as hashes: one of each part, and one of the whole.

A fingerprint in the ledger ends in the version under which the rule delivered the record, so that a
run can tell which known records lack what a changed rule adds. What a function does is not part of
it: only its name is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from reverse_etl.mapping.content import content_hash
from reverse_etl.mapping.rules import Rule

VERSION_BYTES = 4
"""Of the whole rule's hash, at the end of a fingerprint."""


def rule_parts(rule: Rule) -> dict[str, str]:
    """A hash of each field, link, and other part of a rule, by name."""
    parts: dict[str, object] = {field.name: field for field in rule.fields}
    for link in rule.links:
        # what other rules say, and not this one
        parts[f"link to {link.name}"] = replace(link, wait=link.wait_asked, key_field="")
    if rule.owner is not None:
        parts["link to owner"] = rule.owner
    if rule.attach is not None:
        parts["attach"] = rule.attach
    parts["where"] = rule.where
    return {name: content_hash(part) for name, part in parts.items()}


def rule_version(rule: Rule) -> bytes:
    """The hash of the whole rule."""
    parts = sorted(rule_parts(rule).items())
    return hashlib.blake2b(repr(parts).encode(), digest_size=VERSION_BYTES).digest()


def added(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of the parts that are new or other than before."""
    return [name for name, known in now.items() if before.get(name) != known]
