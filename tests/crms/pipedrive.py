"""Pipedrive, as the tests see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from reverse_etl.crm.adapter import Adapter
from reverse_etl.crm.http import CrmHttp
from target_pipedrive import api
from target_pipedrive.adapter import PipedriveAdapter
from target_pipedrive.target import TargetPipedrive

from crms.base import JSON, PipelineCrm, Row, suffix, users_where

if TYPE_CHECKING:
    from box import Box

FIELD_LISTS = {"persons": "personFields", "deals": "dealFields"}


class Pipedrive(PipelineCrm):
    """Persons, deals and notes; one row per call, and custom fields go by codes."""

    name = "pipedrive"
    target = TargetPipedrive

    people = "persons"
    person_key = "canai_user_id"
    person_rule = "users.person.yml"
    deals = "deals"
    deal_key = "canai_deal_id"
    new_deal: ClassVar = {"title": "Deal"}
    amount_field = "value"
    passing_fault = "unnamed_400"
    missing_id = "999999"
    documents = "notes"

    name_fields = ("name",)
    identity_fields = ("name", "emails")
    email_field = "emails"
    text_field = "canai_business_type"
    stage_field = "canai_journey_stage"
    spent_field = "canai_total_value"
    owner_field = "owner_id"
    owners = ("ada@example.com", "owner@example.com")
    mutated_fields = frozenset({"canai_business_type"})
    facts: ClassVar = {
        "canai_journey_stage": "current_journey_stage",
        "canai_total_value": "total_spent",
        "canai_deliverables_count": "deliverables_generated",
        "canai_satisfaction_score": "average_rating",
        "canai_referrals_made": "referrals_made",
    }
    volatile = frozenset({"add_time", "update_time", "stage_change_time", "person_id"})

    rows_a_call = 1
    find_calls_for_1000 = 5
    calls_a_file = 3
    person_writes = "POST /pipedrive/api/v2/persons"
    record_writes = "/api/v2/"
    document_writes = "POST /pipedrive/api/v1/notes"
    file_writes = "/v1/files"

    no_credentials: ClassVar = {"api_token": None}
    meaning = staticmethod(api.meaning)
    moved = ("stage_id", 5)
    won = ("status", "won")

    def credentials(self, url: str, account: str = "") -> dict[str, Any]:
        return {"api_url": f"{url}/pipedrive", "api_token": f"sandbox-token{suffix(account)}"}

    def headers(self, account: str = "") -> dict[str, str]:
        return {"x-api-token": f"sandbox-token{suffix(account)}", **JSON}

    def account_id(self, box: Box) -> str:
        me = box.call("GET", "/pipedrive/api/v1/users/me", None, self.headers())
        return str(me["data"]["company_id"])

    def sign_ins(self) -> Mapping[str, Mapping[str, Any]]:
        return {
            "Pipedrive refresh token": {
                "client_id": "sandbox-x",
                "client_secret": "sandbox-x",
                "refresh_token": "sandbox-refresh",
            }
        }

    def put_person(self, box: Box, email: str) -> str:
        emails = [
            {"value": email, "primary": True},
            {"value": f"second.{email}", "primary": False},
        ]
        body = {"name": "By Hand", "emails": emails}
        person = box.call("POST", "/pipedrive/api/v2/persons", body, self.headers())
        return str(person["data"]["id"])

    def is_as_put(self, properties: Mapping[str, Any]) -> bool:
        return bool(properties["emails"][1]["value"].startswith("second."))

    def edit(
        self, box: Box, kind: str, crm_id: str, values: Mapping[str, object], account: str = ""
    ) -> None:
        headers = self.headers(account)
        listing = f"/pipedrive/api/v2/{FIELD_LISTS[kind]}?limit=500"
        codes = {
            field["field_name"]: field["field_code"]
            for field in box.call("GET", listing, None, headers)["data"]
            if field.get("is_custom_field")
        }
        body: dict[str, Any] = {}
        for name, value in values.items():
            if name in codes:
                body.setdefault("custom_fields", {})[codes[name]] = value
            else:
                body[name] = value
        box.call("PATCH", f"/pipedrive/api/v2/{kind}/{crm_id}", body, headers)

    def delete(self, box: Box, kind: str, crm_id: str) -> None:
        version = "v1" if kind in ("notes", "leads") else "v2"
        box.call("DELETE", f"/pipedrive/api/{version}/{kind}/{crm_id}", None, self.headers())

    def merge(self, box: Box, crm_id: str, keep_id: str) -> str:
        path = f"/pipedrive/api/v1/persons/{crm_id}/merge"
        body = {"merge_with_id": int(keep_id)}
        return str(box.call("PUT", path, body, self.headers())["data"]["id"])

    def expected_deals(self, box: Box) -> dict[str, str]:
        return users_where(
            box,
            lambda user: (
                user["current_journey_stage"] >= "F3"
                and user["trust_delta_average"] >= 4
                and user["total_sessions"] >= 2
            ),
        )

    def document_id(self, row: Row) -> str:
        return str(row["properties"]["content"]).rpartition("CanAI deliverable ")[2]

    def files(self, box: Box) -> list[tuple[str, str]]:
        rows = (row["properties"] for row in box.objects(self, "files"))
        return sorted((file["name"], str(file["person_id"])) for file in rows)

    def adapter(self, http: CrmHttp) -> Adapter:
        return PipedriveAdapter(http)

    def created(self, crm_id: str) -> object:
        return {"success": True, "data": {"id": int(crm_id)}}
