"""Pipedrive's objects, as data for the core, and the standard fields that its field lists do not type."""

from __future__ import annotations

from dataclasses import dataclass

from reverse_etl.objects import Lane, LinkForm, ObjectSpec
from reverse_etl.values import FieldInfo

PAGE_LIMIT = 500
"""Records of a listing's page. Source: Pipedrive openapi-v2 (2026-08), `limit`."""
IDS_LIMIT = 100
"""Ids of a listing by ids. Source: Pipedrive openapi-v2 (2026-08), `ids`."""
LIST_TOKENS, SEARCH_TOKENS = 10, 20
"""Cost of a listing's page and of a search. Source: `x-token-cost` in Pipedrive openapi-v2 (2026-08)."""
VARCHAR_LENGTH = 255
LISTING_FINDS = 1_000_000
"""Look-ups that one listing answers: all of them, so the least is one call however many records there are."""
ONE_BY_ONE = (Lane("single", 1, 1),)


@dataclass(frozen=True, slots=True)
class Kind:
    """Names that Pipedrive uses for one object."""

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
LISTS = ("emails", "phones")
"""Fields that hold several entries; ours is the primary one."""

LISTINGS = {"deals": ("deals", "deals/archived")}
"""Listings that together hold every record: archived deals are kept apart. Source: Pipedrive openapi-v2 (2026-08)."""

OBJECTS = {
    "persons": ObjectSpec(
        "persons",
        ONE_BY_ONE,
        upserts=False,
        unique_keys=False,
        find_rows_a_call=LISTING_FINDS,
        owner_field="owner_id",
        required={"name": "Pipedrive requires it"},
    ),
    "deals": ObjectSpec(
        "deals",
        ONE_BY_ONE,
        upserts=False,
        unique_keys=False,
        find_rows_a_call=LISTING_FINDS,
        find_calls=len(LISTINGS["deals"]),
        links={"persons": LinkForm("persons", "reference", field="person_id")},
        owner_field="owner_id",
        required={"title": "Pipedrive requires it"},
    ),
    "notes": ObjectSpec(
        "notes",
        ONE_BY_ONE,
        upserts=False,
        unique_keys=False,
        find_rows_a_call=LISTING_FINDS,
        links={"persons": LinkForm("persons", "reference", field="person_id", on_create=True)},
        file_rows=(1,),
    ),
}
