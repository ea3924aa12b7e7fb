"""Pipedrive's objects, as data for the core, with the standard fields its field lists do not type.

`marker` is a field of this package, not Pipedrive's.
"""

from __future__ import annotations

from dataclasses import dataclass

from reverse_etl.objects import Lane, LinkForm, ObjectSpec
from reverse_etl.values import FieldInfo

PAGE_LIMIT = 500
"""Records in a page of a listing. Source: Pipedrive openapi-v2 (2026-08), `limit`."""
V1_PAGE_LIMIT = 500
"""Rows in a page of a v1 listing. Source: Pipedrive openapi-v1 (2026-08)."""
IDS_LIMIT = 100
"""Ids in a listing by ids. Source: Pipedrive openapi-v2 (2026-08), `ids`."""
LIST_TOKENS, SEARCH_TOKENS = 10, 20
"""Cost of a page of a listing, and of a search.
Source: `x-token-cost` in Pipedrive openapi-v2 (2026-08)."""
VARCHAR_LENGTH = 255
NOTE_LENGTH = 60_000
"""A note holds 65,535 characters of HTML. Its text is kept shorter: escaping makes it longer."""
LISTING_FINDS = 1_000_000
"""Lookups that one listing answers: all of them, so that the least is one call."""
SINGLE = (Lane("single", 1, 1),)


@dataclass(frozen=True, slots=True)
class Kind:
    """The names that Pipedrive uses for one object."""

    path: str
    entity: str
    fields: str
    standard: tuple[FieldInfo, ...]


KINDS = {
    "persons": Kind(
        "persons",
        "person",
        "personFields",
        (
            FieldInfo("name", "text", max_length=VARCHAR_LENGTH),
            FieldInfo("emails", "text", folds_case=True),
            FieldInfo("phones", "text"),
            FieldInfo("owner_id", "integer"),
            FieldInfo("org_id", "integer"),
        ),
    ),
    "deals": Kind(
        "deals",
        "deal",
        "dealFields",
        (
            FieldInfo("title", "text", max_length=VARCHAR_LENGTH),
            FieldInfo("value", "number", scale=2),
            FieldInfo("currency", "text"),
            FieldInfo("stage_id", "integer"),
            FieldInfo("pipeline_id", "integer"),
            FieldInfo("person_id", "integer"),
            FieldInfo("org_id", "integer"),
            FieldInfo("owner_id", "integer"),
            FieldInfo("status", "choice", options=("open", "won", "lost"), strict_options=True),
            FieldInfo("expected_close_date", "date"),
        ),
    ),
}
LISTS = frozenset({"emails", "phones"})
"""Fields that hold several entries; ours is the primary one."""
NOTES = "notes"
NOTE_FIELDS = {
    "marker": FieldInfo("marker", "text", max_length=200, unique=True, trims=True),
    "content": FieldInfo("content", "text", max_length=NOTE_LENGTH),
    "person_id": FieldInfo("person_id", "integer"),
}
LISTINGS = {"persons": ("persons",), "deals": ("deals", "deals/archived")}
"""Listings that together hold every record: Pipedrive keeps archived deals apart.
Source: Pipedrive openapi-v2 (2026-08)."""

OBJECTS = {
    "persons": ObjectSpec(
        "persons",
        SINGLE,
        upserts=False,
        unique_keys=False,
        find_rows_a_call=LISTING_FINDS,
        owner_field="owner_id",
        required={"name": "Pipedrive requires it"},
    ),
    "deals": ObjectSpec(
        "deals",
        SINGLE,
        upserts=False,
        unique_keys=False,
        find_rows_a_call=LISTING_FINDS,
        find_calls=len(LISTINGS["deals"]),
        links={"persons": LinkForm("persons", "reference", field="person_id")},
        owner_field="owner_id",
        required={"title": "Pipedrive requires it"},
    ),
    NOTES: ObjectSpec(
        NOTES,
        SINGLE,
        upserts=False,
        unique_keys=False,
        find_rows_a_call=LISTING_FINDS,
        links={"persons": LinkForm("persons", "reference", field="person_id", on_create=True)},
        file_rows=(1,),
    ),
}
