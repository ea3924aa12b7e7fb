"""Pipedrive's objects: where each is kept, and what its field lists do not say.

A company cannot have objects of its own, so this is all of them.

`marker` is a field of this package, not Pipedrive's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reverse_etl.objects import Lane, ObjectSpec
from reverse_etl.values import FieldInfo

PAGE_LIMIT = 500
"""Records in a page of a listing. Source: Pipedrive openapi-v2 (2026-08), `limit`."""
V1_PAGE_LIMIT = 500
"""Rows in a page of a v1 listing. Source: Pipedrive openapi-v1 (2026-08)."""
IDS_LIMIT = 100
"""Ids in a listing by ids. Source: Pipedrive openapi-v2 (2026-08), `ids`."""
VARCHAR_LENGTH = 255
NOTE_LENGTH = 60_000
"""A note holds 65,535 characters of HTML. Its text is kept shorter: escaping makes it longer."""
LISTING_FINDS = 1_000_000
"""Lookups that one listing answers: all of them, so that the least is one call."""
MARKER = "marker"
NOTES = "notes"
V1 = "/api/v1/"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The calls of one object, and the names that Pipedrive uses for it in them."""

    path: str
    fields: str = ""
    """The list that describes its fields; empty if there is none."""
    entity: str = ""
    """Its name in itemSearch; empty if search does not know it."""
    searched: Mapping[str, str] = field(default_factory=dict)
    """Standard fields that its own search compares, by what the search calls them."""
    apart: tuple[str, ...] = ()
    """Listings of records that its main listing leaves out."""
    since: bool = True
    """True if its listing can be narrowed to what changed since a moment."""
    creates_fields: bool = True
    """True if custom fields can be created for it."""
    required: str = ""
    """The field that every new record needs."""
    verb: str = "PATCH"
    """The method of an update."""

    @property
    def listings(self) -> tuple[str, ...]:
        """Listings that together hold every record."""
        return (self.path, *self.apart)

    @property
    def is_v1(self) -> bool:
        """True if only API v1 has it."""
        return self.path.startswith(V1)


ENDPOINTS = {
    "persons": Endpoint(
        "/api/v2/persons",
        "personFields",
        "person",
        {"emails": "email", "name": "name"},
        required="name",
    ),
    "deals": Endpoint(
        "/api/v2/deals",
        "dealFields",
        "deal",
        {"title": "title"},
        apart=("/api/v2/deals/archived",),
        required="title",
    ),
    "organizations": Endpoint(
        "/api/v2/organizations",
        "organizationFields",
        "organization",
        {"name": "name", "address": "address"},
        required="name",
    ),
    "products": Endpoint(
        "/api/v2/products",
        "productFields",
        "product",
        {"name": "name", "code": "code"},
        since=False,
        required="name",
    ),
    "leads": Endpoint(
        "/api/v1/leads",
        "dealFields",
        "lead",
        {"title": "title"},
        apart=("/api/v1/leads/archived",),
        required="title",
    ),
    "activities": Endpoint("/api/v2/activities", "activityFields", creates_fields=False),
    NOTES: Endpoint("/api/v1/notes", creates_fields=False, verb="PUT"),
}
"""Source: Pipedrive openapi-v1 and openapi-v2 (2026-08): leads have the custom fields of deals,
and archived deals and leads have listings of their own."""

LISTS = frozenset({"emails", "phones"})
"""Fields that hold several entries; ours is the primary one."""
RENAMED = {
    "email": "emails",
    "phone": "phones",
    "user_id": "owner_id",
    "label": "label_ids",
    "pipeline": "pipeline_id",
}
"""What records of v2 call a field that the field lists name as v1 does.

Source: Pipedrive openapi-v2 (2026-08), the example of GET /personFields; v2 migration guide,
read 2026-11-29.
"""
READ_ONLY = frozenset({"id", "creator_user_id", "stage_change_time", "weighted_value"})
"""Standard fields that no write takes. Source: Pipedrive openapi-v2 (2026-08)."""
LEAD_FIELDS = {
    "title": "title",
    "owner_id": "owner_id",
    "person_id": "person_id",
    "org_id": "organization_id",
    "value": "value",
    "currency": "currency",
    "expected_close_date": "expected_close_date",
}
"""Standard fields that leads share with deals, by the deal's name.

Source: Pipedrive openapi-v1 (2026-08), POST /leads.
"""
STATUSES = ("open", "won", "lost")
"""Source: Pipedrive openapi-v2 (2026-08), `status` of GET /deals."""

CURRENCY = FieldInfo("currency", "text")
PRICE = FieldInfo("price", "number", scale=2)
MARKER_FIELD = FieldInfo(MARKER, "text", max_length=200, unique=True, trims=True)
NOTE_FIELDS = (
    FieldInfo("content", "text", max_length=NOTE_LENGTH),
    FieldInfo("person_id", "integer", refers=("persons",), create_only=True),
    FieldInfo("org_id", "integer", refers=("organizations",), create_only=True),
    FieldInfo("deal_id", "integer", refers=("deals",), create_only=True),
    FieldInfo("lead_id", "text", refers=("leads",), create_only=True),
)
"""Source: Pipedrive openapi-v1 (2026-08), POST /notes."""
PARENTS = {
    "person_id": "persons",
    "org_id": "organizations",
    "deal_id": "deals",
    "lead_id": "leads",
}
"""What a note or an activity can belong to, by the field that names it."""

DEFAULT = ObjectSpec(
    "",
    (Lane("single", 1, 1),),
    upserts=False,
    unique_keys=False,
    find_rows_a_call=LISTING_FINDS,
    owner_field="owner_id",
)
"""What holds for every object."""


def spec_of(name: str, endpoint: Endpoint) -> ObjectSpec:
    """What is known of an object before its fields are described."""
    required = {endpoint.required: "Pipedrive requires it"} if endpoint.required else {}
    return replace(DEFAULT, name=name, find_calls=len(endpoint.listings), required=required)


OBJECTS = {name: spec_of(name, endpoint) for name, endpoint in ENDPOINTS.items()}
OBJECTS[NOTES] = replace(OBJECTS[NOTES], marker_in="content", owner_field="", file_rows=(1,))
OBJECTS["activities"] = replace(OBJECTS["activities"], marker_in="note")
