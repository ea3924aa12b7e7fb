"""HubSpot, as the tests see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from reverse_etl.crm.adapter import Adapter
from reverse_etl.crm.http import CrmHttp
from target_hubspot import api
from target_hubspot.adapter import HubSpotAdapter
from target_hubspot.target import TargetHubSpot

from crms.base import JSON, PipelineCrm, Row, suffix, users_where

if TYPE_CHECKING:
    from box import Box

REFRESH = {
    "client_id": "sandbox-x",
    "client_secret": "sandbox-x",
    "refresh_token": "sandbox-refresh",
}


class HubSpot(PipelineCrm):
    """Contacts, deals and notes; results of a batch are matched by trace id, or by key."""

    name = "hubspot"
    target = TargetHubSpot

    people = "contacts"
    person_key = "canai_user_id"
    person_rule = "users.contact.yml"
    deals = "deals"
    deal_key = "canai_deal_id"
    new_deal: ClassVar = {"dealname": "Deal", "dealstage": "qualifiedtobuy"}
    amount_field = "amount"
    passing_fault = "unnamed_400"
    missing_id = "999999999"
    documents = "notes"

    name_fields = ("firstname", "lastname")
    identity_fields = ("firstname", "lastname", "email")
    email_field = "email"
    text_field = "canai_business_type"
    stage_field = "canai_journey_stage"
    spent_field = "canai_total_spent"
    owner_field = "hubspot_owner_id"
    owners = ("ada@example.com", "owner@example.com")
    mutated_fields = frozenset({"canai_business_type", "canai_last_activity"})
    facts: ClassVar = {
        "canai_journey_stage": "current_journey_stage",
        "canai_total_spent": "total_spent",
        "canai_deliverables_count": "deliverables_generated",
        "canai_nps_score": "nps_score",
        "canai_satisfaction_rating": "average_rating",
        "email": "email",
    }
    volatile = frozenset({"hs_object_id", "createdate", "lastmodifieddate"})

    rows_a_call = 100
    find_calls_for_1000 = 20
    calls_a_file = 2
    person_writes = "/batch/upsert"
    record_writes = "/batch/"
    document_writes = "notes/batch/create"
    file_writes = "/files/2026-03/files"

    no_credentials: ClassVar = {"access_token": None}
    meaning = staticmethod(api.meaning)
    moved = ("dealstage", "contractsent")
    won = ("dealstage", "closedwon")

    def credentials(self, url: str, account: str = "") -> dict[str, Any]:
        return {"api_url": f"{url}/hubspot", "access_token": f"sandbox-token{suffix(account)}"}

    def headers(self, account: str = "") -> dict[str, str]:
        return {"Authorization": f"Bearer sandbox-token{suffix(account)}", **JSON}

    def account_id(self, box: Box) -> str:
        details = box.call("GET", "/hubspot/account-info/v3/details", None, self.headers())
        return str(details["portalId"])

    def sign_ins(self) -> Mapping[str, Mapping[str, Any]]:
        return {
            "HubSpot refresh token": REFRESH,
            "HubSpot v3 refresh token": {**REFRESH, "api_version": "v3"},
        }

    def put_person(self, box: Box, email: str) -> str:
        body = {"properties": {"email": email, "jobtitle": "Baker"}}
        contact = box.call("POST", "/hubspot/crm/v3/objects/contacts", body, self.headers())
        return str(contact["id"])

    def is_as_put(self, properties: Mapping[str, Any]) -> bool:
        return bool(properties["jobtitle"] == "Baker")

    def edit(
        self, box: Box, kind: str, crm_id: str, values: Mapping[str, object], account: str = ""
    ) -> None:
        path = f"/hubspot/crm/v3/objects/{kind}/{crm_id}"
        box.call("PATCH", path, {"properties": dict(values)}, self.headers(account))

    def delete(self, box: Box, kind: str, crm_id: str) -> None:
        box.call("DELETE", f"/hubspot/crm/v3/objects/{kind}/{crm_id}", None, self.headers())

    def merge(self, box: Box, crm_id: str, keep_id: str) -> str:
        path = "/hubspot/crm/v3/objects/contacts/merge"
        body = {"primaryObjectId": keep_id, "objectIdToMerge": crm_id}
        return str(box.call("POST", path, body, self.headers())["id"])

    def expected_deals(self, box: Box) -> dict[str, str]:
        return users_where(box, lambda user: user["total_spent"] > 0)

    def document_id(self, row: Row) -> str:
        return str(row["properties"]["hs_note_body"]).rpartition("CanAI deliverable ")[2]

    def files(self, box: Box) -> list[tuple[str, str]]:
        names = {
            row["id"]: f"{row['properties']['name']}.{row['properties']['extension']}"
            for row in box.objects(self, "files")
        }
        return sorted(
            (names[file_id], row["id"])
            for row in box.objects(self, "notes")
            for file_id in str(row["properties"].get("hs_attachment_ids") or "").split(";")
            if file_id
        )

    def least_calls_for_files(self, count: int) -> int:
        """Each upload, and updates of the notes in batches."""
        return count + self.calls(count)

    def adapter(self, http: CrmHttp) -> Adapter:
        return HubSpotAdapter(http, api.DEFAULT_VERSION)

    def created(self, crm_id: str) -> object:
        result = {"id": crm_id, "objectWriteTraceId": "row-0", "properties": {}}
        return {"status": "COMPLETE", "results": [result]}
