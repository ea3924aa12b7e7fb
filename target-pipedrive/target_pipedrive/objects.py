"""Pipedrive's objects: where each is kept, and what its field lists do not say.

A company cannot have objects of its own, so this is all of them.

`marker` is a field of this package, not Pipedrive's.
"""

from __future__ import annotations

from dataclasses import dataclass

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
MARKED = {NOTES: "content", "activities": "note"}
"""Objects without a key field, and the text whose last line is the key."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The calls of one object, and the names that Pipedrive uses for it in them."""

    name: str
    entity: str
    """Its singular."""
    required: str = ""
    """The field that every new record needs."""
    searched: tuple[str, ...] = ()
    """Standard fields that search looks into; none if search does not know the object."""
    fields: str = ""
    """The list that describes its fields; empty if there is none."""
    version: str = "v2"
    verb: str = "PATCH"
    """The method of an update."""
    archived: bool = False
    """True if archived records have a listing of their own."""
    since: bool = True
    """True if its listing can be narrowed to what changed since a moment."""
    creates_fields: bool = True
    """True if custom fields can be created for it."""

    @property
    def path(self) -> str:
        """The path of its listing and of creates."""
        return f"/api/{self.version}/{self.name}"

    @property
    def listings(self) -> tuple[str, ...]:
        """Listings that together hold every record."""
        return (self.path, f"{self.path}/archived") if self.archived else (self.path,)

    @property
    def is_v1(self) -> bool:
        """True if only API v1 has it."""
        return self.path.startswith(V1)


ENDPOINTS = {
    endpoint.name: endpoint
    for endpoint in (
        Endpoint("persons", "person", "name", ("emails", "name"), "personFields"),
        Endpoint("deals", "deal", "title", ("title",), "dealFields", archived=True),
        Endpoint("organizations", "organization", "name", ("name",), "organizationFields"),
        Endpoint("products", "product", "name", ("name", "code"), "productFields", since=False),
        Endpoint("leads", "lead", "title", ("title",), "dealFields", "v1", archived=True),
        Endpoint("activities", "activity", fields="activityFields", creates_fields=False),
        Endpoint(NOTES, "note", version="v1", verb="PUT", creates_fields=False),
    )
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
SEARCH_NAMES = {"emails": "email"}
"""What search calls a field, if not by its name. Source: Pipedrive openapi-v2 (2026-08)."""
READ_ONLY = frozenset({"id", "creator_user_id", "stage_change_time", "weighted_value"})
"""Standard fields that no write takes. Source: Pipedrive openapi-v2 (2026-08)."""
LEAD_NAMES = {"org_id": "organization_id"}
"""What leads call a field of deals, if not by its name."""
LEAD_FIELDS = frozenset(
    {"title", "owner_id", "person_id", "org_id", "value", "currency", "expected_close_date"}
)
"""Standard fields that leads share with deals.

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


def spec_of(endpoint: Endpoint) -> ObjectSpec:
    """What is known of an object before its fields are described."""
    is_note = endpoint.name == NOTES
    return ObjectSpec(
        endpoint.name,
        (Lane("single", 1, 1),),
        upserts=False,
        unique_keys=False,
        find_rows_a_call=LISTING_FINDS,
        locate_rows_a_call=V1_PAGE_LIMIT if endpoint.is_v1 else IDS_LIMIT,
        find_calls=len(endpoint.listings),
        owner_field="" if is_note else "owner_id",
        required={endpoint.required: "Pipedrive requires it"} if endpoint.required else {},
        file_rows=(1,) if is_note else (),
        marker_in=MARKED.get(endpoint.name, ""),
        belongs=endpoint.name == "leads",
        person=endpoint.name == "persons",
    )


OBJECTS = {name: spec_of(endpoint) for name, endpoint in ENDPOINTS.items()}
