"""Which scopes a call accepts, and which ones a README names.

HubSpot's scopes are those of its public OpenAPI specifications (`security` of an operation; public
specification collection of 2026-08-21, versions 2026-09 and 2026-03). They list the scopes of all
objects at once; here they are sorted by the object of the call. Notes have no scopes of their own:
their specification names those of contacts. Scopes for sensitive data are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"^### Scopes\n(.*?)^(?:#|\Z)", re.MULTILINE | re.DOTALL)
READ, WRITE = "crm.objects.{}.read", "crm.objects.{}.write"
SCHEMA_READ, SCHEMA_WRITE = "crm.schemas.{}.read", "crm.schemas.{}.write"
HUBSPOT_CALLS = (
    (r"POST /crm/objects/[\w-]+/(?P<kind>[\w-]+)/(batch/read|search)", (READ,)),
    (r"GET /crm/objects/[\w-]+/(?P<kind>[\w-]+)", (READ,)),
    (r"POST /crm/objects/[\w-]+/(?P<kind>[\w-]+)/batch/(upsert|create|update)", (WRITE,)),
    (
        r"GET /crm/(properties|pipelines)/[\w-]+/(?P<kind>[\w-]+)(/groups)?",
        (READ, WRITE, SCHEMA_READ),
    ),
    (
        r"POST /crm/properties/[\w-]+/(?P<kind>[\w-]+)/(groups|batch/create)",
        (SCHEMA_WRITE,),
    ),
    (
        r"(GET|POST) /crm/associations/[\w-]+/(?P<kind>[\w-]+)/[\w-]+/(labels|batch/\w+)",
        (READ, WRITE),
    ),
    (
        r"GET /crm-object-schemas/[\w-]+/schemas",
        ("crm.objects.custom.read", "crm.schemas.custom.read"),
    ),
    (r"POST /crm-object-schemas/[\w-]+/schemas", ("crm.schemas.custom.write",)),
    (r"POST /files/[\w-]+/files", ("files", "files.write")),
    (r"GET /account-info/[\w-]+/details", ("oauth",)),
)
"""Calls, and the scopes of which each accepts any one."""
SCOPED_AS = {"contacts": "contacts", "notes": "contacts", "deals": "deals"}
"""The word for an object in its scopes; every other object of the shipped rules is a custom one."""


def named_scopes(target: str) -> set[str]:
    """The scopes in the table of a target's README."""
    table = TABLE.search((ROOT / target / "README.md").read_text(encoding="utf-8"))
    assert table is not None
    rows = [line.split("|")[1] for line in table.group(1).splitlines() if line.startswith("| `")]
    return {scope for row in rows for scope in re.findall(r"`([^`]+)`", row)}


def hubspot_accepts(call: str) -> set[str]:
    """The scopes of which a call to HubSpot accepts any one."""
    for pattern, scopes in HUBSPOT_CALLS:
        match = re.fullmatch(pattern, call)
        if match:
            kind = match.groupdict().get("kind", "")
            return {scope.format(SCOPED_AS.get(kind, "custom")) for scope in scopes}
    raise AssertionError(f"no scopes are known for {call}")


def check_scopes(named: set[str], accepted: Iterable[set[str]]) -> None:
    """Assert that each call accepts a named scope, and that none could be left out."""
    used = [scopes & named for scopes in accepted]
    assert all(used)
    assert named == {scope for scopes in used if len(scopes) == 1 for scope in scopes}
