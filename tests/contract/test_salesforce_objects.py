"""The emulator's objects, as a client that other people wrote sees them: simple-salesforce.

Its metadata client reads and writes by the vendor's WSDL, so what it understands is well-formed.
"""

from __future__ import annotations

from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError
from simple_salesforce.metadata import SfdcMetadataApi

from box import Box
from crms import SALESFORCE


class Client:
    """simple-salesforce on the sandbox, as an administrator."""

    def __init__(self, box: Box) -> None:
        session = requests.Session()
        session.trust_env = False
        self.rest: Any = Salesforce(
            instance_url=f"{box.url}/salesforce",
            session_id="sandbox",
            version="67.0",
            session=session,
        )
        self.rest.base_url = f"{box.url}/salesforce/services/data/v67.0/"
        url = f"{box.url}/salesforce/services/Soap/m/63.0"
        self.metadata: Any = SfdcMetadataApi(session, "sandbox", "", url, {}, "63.0")

    def of(self, name: str) -> Any:
        """Rows of an object."""
        handler = getattr(self.rest, name)
        handler.base_url = f"{self.rest.base_url}sobjects/{name}/"
        return handler

    def field(self, name: str, field: str) -> dict[str, Any]:
        """A field as describe shows it."""
        described = self.of(name).describe()["fields"]
        found: dict[str, Any] = next(item for item in described if item["name"] == field)
        return found

    def grant(self, *fields: str, objects: tuple[str, ...] = ()) -> None:
        """Give the running user access to what was created."""
        user = self.rest.query("SELECT Id FROM User WHERE Username LIKE 'sync%'")["records"][0]
        label = {"Name": f"P{len(fields)}{fields[0]}", "Label": "Permissions"}
        parent = self.of("PermissionSet").create(label)["id"]
        ends = {"PermissionSetId": parent, "AssigneeId": user["Id"]}
        self.of("PermissionSetAssignment").create(ends)
        rights = {"ParentId": parent, "PermissionsRead": True, "PermissionsEdit": True}
        for name in objects:
            right = {"SobjectType": name, "ParentId": parent, "PermissionsRead": True}
            self.of("ObjectPermissions").create(right)
        for field in fields:
            name = field.partition(".")[0]
            self.of("FieldPermissions").create({**rights, "SobjectType": name, "Field": field})

    def value_set(self, *values: str) -> Any:
        """Values that a field restricts itself to."""
        entries = [
            self.metadata.CustomValue(fullName=value, default=False, label=value)
            for value in values
        ]
        definition = self.metadata.ValueSetValuesDefinition(sorted=False, value=entries)
        return self.metadata.ValueSet(restricted=True, valueSetDefinition=definition)


@pytest.fixture
def client(box: Box) -> Client:
    return Client(box)


def refused(error: pytest.ExceptionInfo[SalesforceError]) -> tuple[str, str]:
    """Code and message of a refusal."""
    content: Any = error.value.content
    return content[0]["errorCode"], content[0]["message"]


def multi_select(client: Client) -> None:
    """A multi-select picklist of accounts."""
    client.metadata.CustomField.create(
        client.metadata.CustomField(
            fullName="Account.Topics__c",
            label="Topics",
            type="MultiselectPicklist",
            visibleLines=4,
            valueSet=client.value_set("art", "music", "sport"),
        )
    )
    client.grant("Account.Topics__c")


def test_standard_objects_take_rows_and_say_what_they_require(client: Client) -> None:
    account = client.of("Account").create({"Name": "Acme"})["id"]
    parent = {"Name": "Acme East", "ParentId": account}
    assert client.of("Account").create(parent)["success"]
    lead = client.of("Lead").create({"LastName": "Lee", "Company": "Acme"})["id"]
    row = client.of("Lead").get(lead)
    assert [row["Status"], row["IsConverted"], row["Name"]] == [
        "Open - Not Contacted",
        False,
        "Lee",
    ]
    for name in ("Campaign", "Product2", "Case"):
        values = {"Subject": "Broken"} if name == "Case" else {"Name": "Spring"}
        assert client.of(name).create(values)["success"]
    with pytest.raises(SalesforceError) as error:
        client.of("Lead").create({"LastName": "Lee"})
    assert refused(error) == ("REQUIRED_FIELD_MISSING", "Required fields are missing: [Company]")


def test_lookups_take_only_rows_of_their_objects(client: Client) -> None:
    contact = client.of("Contact").create({"LastName": "Lee"})["id"]
    with pytest.raises(SalesforceError) as error:
        client.of("Contact").create({"LastName": "Ray", "AccountId": contact})
    assert refused(error)[0] == "INVALID_CROSS_REFERENCE_KEY"
    boss = client.of("Contact").create({"LastName": "Ray", "ReportsToId": contact})["id"]
    assert client.of("Contact").get(boss)["ReportsToId"] == contact


def test_a_custom_object_is_seen_once_access_is_granted(client: Client) -> None:
    name_field = client.metadata.CustomField(type="Text", label="Name")
    client.metadata.CustomObject.create(
        client.metadata.CustomObject(
            fullName="Visit__c",
            label="Visit",
            pluralLabel="Visits",
            nameField=name_field,
            deploymentStatus="Deployed",
            sharingModel="ReadWrite",
        )
    )
    relation = {"referenceTo": "Account", "relationshipName": "Visits"}
    lookup = client.metadata.CustomField(
        fullName="Visit__c.Account__c", label="Account", type="Lookup", **relation
    )
    client.metadata.CustomField.create(lookup)
    names = {item["name"] for item in client.rest.describe()["sobjects"]}
    assert "Visit__c" not in names
    client.grant("Visit__c.Account__c", objects=("Visit__c",))
    listed = {item["name"]: item for item in client.rest.describe()["sobjects"]}
    assert [listed["Visit__c"][key] for key in ("label", "labelPlural")] == ["Visit", "Visits"]
    field = client.field("Visit__c", "Account__c")
    assert [field["referenceTo"], field["relationshipName"]] == [["Account"], "Account__r"]

    lookup.fullName = "Visit__c.Host__c"
    with pytest.raises(Exception, match="already a Child Relationship named Visits on Account"):
        client.metadata.CustomField.create(lookup)


def test_a_multi_select_picklist_keeps_values_in_their_order_and_refuses_others(
    client: Client,
) -> None:
    multi_select(client)
    field = client.field("Account", "Topics__c")
    assert [field["type"], field["length"], field["restrictedPicklist"]] == [
        "multipicklist",
        4099,
        True,
    ]
    created = client.of("Account").create({"Name": "Acme", "Topics__c": "sport;art;sport"})["id"]
    assert client.of("Account").get(created)["Topics__c"] == "art;sport"
    with pytest.raises(SalesforceError) as error:
        client.of("Account").create({"Name": "Acme", "Topics__c": "art;chess"})
    assert refused(error) == (
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "Topics: bad value for restricted picklist field: chess",
    )


def test_values_are_added_to_a_picklist_and_left_out_ones_become_inactive(client: Client) -> None:
    multi_select(client)
    field = client.metadata.CustomField.read("Account.Topics__c")
    assert [value.fullName for value in field.valueSet.valueSetDefinition.value] == [
        "art",
        "music",
        "sport",
    ]
    field.valueSet = client.value_set("art", "sport", "chess")
    client.metadata.CustomField.update(field)
    entries = client.field("Account", "Topics__c")["picklistValues"]
    assert {entry["value"]: entry["active"] for entry in entries} == {
        "art": True,
        "sport": True,
        "chess": True,
        "music": False,
    }
    assert client.of("Account").create({"Name": "Acme", "Topics__c": "chess"})["success"]
    with pytest.raises(SalesforceError) as error:
        client.of("Account").create({"Name": "Acme", "Topics__c": "music"})
    assert refused(error)[0] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"


def test_currencies_exist_only_where_an_org_has_several(box: Box, client: Client) -> None:
    query = "SELECT IsoCode FROM CurrencyType WHERE IsActive = true"
    with pytest.raises(SalesforceError) as error:
        client.rest.query(query)
    assert refused(error) == ("INVALID_TYPE", "sObject type 'CurrencyType' is not supported.")
    with pytest.raises(SalesforceError) as error:
        client.of("Account").create({"Name": "Acme", "CurrencyIsoCode": "EUR"})
    assert refused(error)[0] == "INVALID_FIELD"

    box.limit(SALESFORCE, multi_currency=True)
    codes = [row["IsoCode"] for row in client.rest.query(query)["records"]]
    assert codes == ["USD", "EUR"]
    created = client.of("Account").create({"Name": "Acme"})["id"]
    assert client.of("Account").get(created)["CurrencyIsoCode"] == "USD"
    client.of("Account").update(created, {"CurrencyIsoCode": "EUR"})
    with pytest.raises(SalesforceError) as error:
        client.of("Account").update(created, {"CurrencyIsoCode": "GBP"})
    assert refused(error)[0] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"


def test_a_query_compares_numbers_without_quotes_and_text_with_them(client: Client) -> None:
    client.of("Account").create({"Name": "Acme", "NumberOfEmployees": 12})
    found = client.rest.query("SELECT Id FROM Account WHERE NumberOfEmployees IN (12)")
    assert found["totalSize"] == 1
    for test, kind in (("NumberOfEmployees = '12'", "int"), ("Name = 12", "string")):
        with pytest.raises(SalesforceError) as error:
            client.rest.query(f"SELECT Id FROM Account WHERE {test}")
        code, message = refused(error)
        assert [code, f"must be of type {kind} " in message] == ["INVALID_FIELD", True]


def test_a_number_beyond_precision_minus_scale_is_refused(client: Client) -> None:
    with pytest.raises(SalesforceError) as refused:
        client.of("Opportunity").create(
            {"Name": "x", "StageName": "Prospecting", "CloseDate": "2026-01-01", "Amount": 1e16}
        )
    content: Any = refused.value.content
    (error,) = content
    assert error["errorCode"] == "NUMBER_OUTSIDE_VALID_RANGE"
    assert "value outside of valid range on numeric field" in error["message"]
