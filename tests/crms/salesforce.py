"""Salesforce, as the tests see it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from reverse_etl.crm.adapter import Adapter
from reverse_etl.crm.http import CrmHttp
from reverse_etl.crm.stored_token import StoredToken
from target_salesforce import api
from target_salesforce.adapter import SalesforceAdapter
from target_salesforce.session import Session
from target_salesforce.target import TargetSalesforce

from crms.base import JSON, Crm, Row, paid_for, suffix

if TYPE_CHECKING:
    from box import Box

DATA = f"/salesforce/services/data/{api.DEFAULT_VERSION}"


@cache
def private_key() -> str:
    """A key whose certificate the sandbox takes for its app's, made once."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


class Salesforce(Crm):
    """Contacts, an opportunity for each payment, custom objects for the rest."""

    name = "salesforce"
    target = TargetSalesforce

    people = "Contact"
    person_key = "CanAI_User_ID__c"
    person_rule = "users.contact.yml"
    deals = "Opportunity"
    deal_key = "CanAI_Payment_ID__c"
    new_deal: ClassVar = {
        "Name": "Deal",
        "StageName": "Prospecting",
        "CloseDate": "2026-01-31",
    }
    amount_field = "Amount"
    passing_fault = "locked_rows"
    missing_id = "003000000000001AAA"
    documents = "CanAI_Deliverable__c"

    name_fields = ("FirstName", "LastName")
    identity_fields = ("FirstName", "LastName", "Email")
    email_field = "Email"
    text_field = "Business_Type__c"
    stage_field = "Journey_Stage__c"
    spent_field = "Total_Spent__c"
    owner_field = "OwnerId"
    owners = ("ada@example.com", "sync@example.com")
    mutated_fields = frozenset({"Business_Type__c", "Last_Activity__c"})
    facts: ClassVar = {
        "Journey_Stage__c": "current_journey_stage",
        "Total_Spent__c": "total_spent",
        "Deliverables_Created__c": "deliverables_generated",
        "NPS_Score__c": "nps_score",
        "Overall_Satisfaction__c": "average_rating",
        "Referrals_Made__c": "referrals_made",
        "Email": "email",
    }
    volatile = frozenset(
        {"CreatedDate", "LastModifiedDate", "SystemModstamp", "ContactId", "OwnerId"}
    )

    rows_a_call = 200
    find_calls_for_1000 = 5
    calls_a_file = 1
    person_writes = "/composite/sobjects/Contact"
    record_writes = "/composite/sobjects/"
    document_writes = "CanAI_Deliverable__c/CanAI"
    file_writes = "/sobjects/ContentVersion"

    url_setting = "login_url"
    no_credentials: ClassVar = {"client_id": None, "client_secret": None}
    meaning = staticmethod(api.meaning)

    def custom_field(self, name: str) -> str:
        return f"{name.title()}__c"

    def credentials(self, url: str, account: str = "") -> dict[str, Any]:
        client = f"sandbox{suffix(account)}"
        return {"login_url": f"{url}/salesforce", "client_id": client, "client_secret": client}

    def headers(self, account: str = "") -> dict[str, str]:
        return {"Authorization": f"Bearer sandbox{suffix(account)}", **JSON}

    def account_id(self, box: Box) -> str:
        path = "/salesforce/services/oauth2/userinfo"
        return str(box.call("GET", path, None, self.headers())["organization_id"])

    def sign_ins(self) -> Mapping[str, Mapping[str, Any]]:
        client = {"client_id": "sandbox-x", "client_secret": "sandbox-x"}
        bearer = {"client_id": "sandbox-x", "username": "sync@example.com"}
        return {
            "Salesforce client credentials": client,
            "Salesforce JWT bearer": {**bearer, "private_key": private_key()},
            "Salesforce JWT bearer, key in one line": {
                **bearer,
                "private_key": private_key().replace("\n", "\\n"),
            },
            "Salesforce refresh token": {**client, "refresh_token": "r"},
            "Salesforce given token": {
                "access_token": "sandbox-x",
                "instance_url": "{url}/salesforce",
            },
        }

    def put_person(self, box: Box, email: str) -> str:
        body = {"LastName": "By Hand", "Email": email.upper(), "Title": "Baker"}
        return str(box.call("POST", f"{DATA}/sobjects/Contact", body, self.headers())["id"])

    def is_as_put(self, properties: Mapping[str, Any]) -> bool:
        return bool(properties["Title"] == "Baker")

    def edit(
        self, box: Box, kind: str, crm_id: str, values: Mapping[str, object], account: str = ""
    ) -> None:
        path = f"{DATA}/sobjects/{kind}/{crm_id}"
        box.call("PATCH", path, dict(values), self.headers(account))

    def delete(self, box: Box, kind: str, crm_id: str) -> None:
        box.call("DELETE", f"{DATA}/sobjects/{kind}/{crm_id}", None, self.headers())

    def merge(self, box: Box, crm_id: str, keep_id: str) -> str:
        box.by_hand(self, "merge", "Contact", id=crm_id, into=keep_id)
        return keep_id

    def expected_deals(self, box: Box) -> dict[str, str]:
        return paid_for(box)

    def deal_links(self, box: Box) -> list[tuple[str, str]]:
        """The contact roles, of which Salesforce itself makes the first."""
        roles = (row["properties"] for row in box.objects(self, "OpportunityContactRole"))
        return [(role["OpportunityId"], role["ContactId"]) for role in roles]

    def document_id(self, row: Row) -> str:
        return str(row["properties"]["CanAI_Deliverable_ID__c"])

    def files(self, box: Box) -> list[tuple[str, str]]:
        rows = (row["properties"] for row in box.objects(self, "ContentVersion"))
        return sorted((file["PathOnClient"], file["FirstPublishLocationId"]) for file in rows)

    def is_of_people(self, call: Mapping[str, Any]) -> bool:
        """A collection of updates does not say in its path what it holds."""
        return super().is_of_people(call) or call["path"].endswith("/composite/sobjects")

    def adapter(self, http: CrmHttp) -> Adapter:
        http.renew = lambda: True
        session = Session(None, http.base_url, StoredToken(lambda: "token"))
        return SalesforceAdapter(http, session, api.DEFAULT_VERSION)

    def created(self, crm_id: str) -> object:
        return [{"id": crm_id, "success": True, "errors": []}]
