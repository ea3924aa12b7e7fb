"""The emulators, driven by clients that other people wrote: upsert or create, read, link."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce

from box import Box
from crms import HUBSPOT, SALESFORCE
from support import deliver, extract, has_node, schema_message

NODE_PACKAGES = {"pipedrive": "33.7.0", "jsforce": "3.9.5", "@hubspot/api-client": "14.0.1"}
"""jsforce 3.10 needs Node 22."""
SCRIPTS = sorted((Path(__file__).parent / "clients").glob("*.js"))


def test_hubspot_api_client_upserts_reads_and_links(box: Box, tmp_path: Path) -> None:
    deliver(
        box, HUBSPOT, extract(box, tmp_path, streams=["users"]), tmp_path
    )  # provisions canai_user_id
    import hubspot
    from hubspot.crm.associations.v4 import AssociationSpec
    from hubspot.crm.contacts import (
        BatchInputSimplePublicObjectBatchInputUpsert,
        BatchReadInputSimplePublicObjectId,
        SimplePublicObjectBatchInputUpsert,
        SimplePublicObjectId,
        SimplePublicObjectInputForCreate,
    )
    from hubspot.crm.deals import SimplePublicObjectInputForCreate as DealInput

    client = hubspot.Client.create(access_token="sandbox-token", host=f"{box.url}/hubspot")
    batch = client.crm.contacts.batch_api
    row = SimplePublicObjectBatchInputUpsert(
        id="client-1",
        id_property="canai_user_id",
        properties={"email": "c1@example.com", "firstname": "Cleo"},
    )
    made = batch.upsert(BatchInputSimplePublicObjectBatchInputUpsert(inputs=[row]))
    assert made.status == "COMPLETE"
    assert made.results[0].new is True
    again = batch.upsert(BatchInputSimplePublicObjectBatchInputUpsert(inputs=[row]))
    assert again.results[0].new is False
    contact_id = made.results[0].id
    assert again.results[0].id == contact_id
    read = batch.read(
        BatchReadInputSimplePublicObjectId(
            inputs=[SimplePublicObjectId(id="client-1")],
            id_property="canai_user_id",
            properties=["firstname"],
            properties_with_history=[],
        )
    )
    assert read.results[0].properties["firstname"] == "Cleo"
    single = client.crm.contacts.basic_api.create(
        SimplePublicObjectInputForCreate(properties={"email": "c2@example.com"}, associations=[])
    )
    assert (
        client.crm.contacts.basic_api.get_by_id(single.id, properties=["email"]).properties["email"]
        == "c2@example.com"
    )
    deal = client.crm.deals.basic_api.create(
        DealInput(
            properties={
                "dealname": "Client deal",
                "dealstage": "qualifiedtobuy",
                "pipeline": "default",
            },
            associations=[],
        )
    )
    specs = [AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=3)]
    client.crm.associations.v4.basic_api.create(
        "deals", deal.id, "contacts", contact_id, association_spec=specs
    )
    page = client.crm.associations.v4.basic_api.get_page("deals", deal.id, "contacts")
    assert [str(link.to_object_id) for link in page.results] == [contact_id]


def test_simple_salesforce_upserts_reads_and_links(box: Box, tmp_path: Path) -> None:
    deliver(box, SALESFORCE, extract(box, tmp_path), tmp_path)  # provisions CanAI_User_ID__c
    session = requests.Session()
    session.trust_env = False
    client: Any = Salesforce(
        instance_url=f"{box.url}/salesforce", session_id="sandbox", version="59.0", session=session
    )
    client.base_url = f"{box.url}/salesforce/services/data/v59.0/"
    contact = client.Contact
    contact.base_url = f"{client.base_url}sobjects/Contact/"
    path, created = "CanAI_User_ID__c/client-1", 201
    names = {"LastName": "Client", "Email": "client@example.com"}
    assert contact.upsert(path, names) == created
    assert contact.upsert(path, {"FirstName": "Cleo"}) in (200, 204)
    found = client.query("SELECT Id, Name FROM Contact WHERE CanAI_User_ID__c = 'client-1'")
    assert found["totalSize"] == 1
    contact_id = found["records"][0]["Id"]
    assert contact.get(contact_id)["Name"] == "Cleo Client"
    opportunity = client.Opportunity
    opportunity.base_url = f"{client.base_url}sobjects/Opportunity/"
    made = opportunity.create(
        {
            "Name": "Client deal",
            "StageName": "Closed Won",
            "CloseDate": "2026-01-31",
            "ContactId": contact_id,
        }
    )
    assert made["success"]
    roles = client.query(
        "SELECT ContactId, IsPrimary FROM OpportunityContactRole"
        f" WHERE OpportunityId = '{made['id']}'"
    )
    (role,) = roles["records"]
    assert (role["ContactId"], role["IsPrimary"]) == (contact_id, True)


@pytest.fixture(scope="session")
def node_packages(disk_folder: Path) -> Path:
    """The folder of the vendors' clients from npm."""
    folder = disk_folder / "node"
    quiet = ("--silent", "--no-audit", "--no-fund", "--no-package-lock")
    packages = [f"{name}@{version}" for name, version in NODE_PACKAGES.items()]
    install = ["npm", "install", *quiet, "--prefix", str(folder), *packages]
    subprocess.run(install, check=True, timeout=300, capture_output=True)
    return folder / "node_modules"


@pytest.mark.node
@pytest.mark.skipif(not has_node(), reason="node and npm are not on this machine")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_clients_from_npm_run_their_cycles(
    box: Box, script: Path, node_packages: Path, tmp_path: Path
) -> None:
    deliver(box, SALESFORCE, [schema_message()], tmp_path)  # provisions CanAI_User_ID__c
    done = subprocess.run(
        ["node", str(script)],
        env={**os.environ, "URL": box.url, "NODE_PATH": str(node_packages)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "round trip done", done.stderr


def test_simple_salesforce_runs_a_bulk_job_with_failed_rows(box: Box, tmp_path: Path) -> None:
    deliver(box, SALESFORCE, [schema_message()], tmp_path)  # provisions CanAI_User_ID__c
    session = requests.Session()
    session.trust_env = False
    client: Any = Salesforce(
        instance_url=f"{box.url}/salesforce", session_id="sandbox", version="67.0", session=session
    )
    client.bulk2_url = f"{box.url}/salesforce/services/data/v67.0/jobs/"
    handler = client.bulk2.Contact
    rows = [
        {
            "CanAI_User_ID__c": f"py-{n}",
            "LastName": f"Row {n}",
            "Email": "no address" if n == 4 else f"p{n}@example.com",
        }
        for n in range(20)
    ]
    (result,) = handler.upsert(records=rows, external_id_field="CanAI_User_ID__c", wait=1)
    assert [result["numberRecordsTotal"], result["numberRecordsFailed"]] == [20, 1]
    assert "INVALID_EMAIL_ADDRESS" in handler.get_failed_records(result["job_id"])
    assert handler.get_successful_records(result["job_id"]).count("py-") == 19
    pages = list(
        handler.query("SELECT Id, CanAI_User_ID__c FROM Contact WHERE CanAI_User_ID__c != null")
    )
    assert "".join(pages).count("py-") == 19


def test_hubspot_api_client_makes_notes_files_and_properties(box: Box, tmp_path: Path) -> None:
    import hubspot
    from hubspot.crm.objects.notes import (
        PublicAssociationsForObject,
        SimplePublicObjectInputForCreate,
    )
    from hubspot.crm.properties import PropertyCreate, PropertyGroupCreate

    client = hubspot.Client.create(access_token="sandbox-token", host=f"{box.url}/hubspot")
    client.crm.properties.groups_api.create(
        "contacts", PropertyGroupCreate(name="client", label="Client", display_order=1)
    )
    made = PropertyCreate(
        name="client_key",
        label="Key",
        type="string",
        field_type="text",
        group_name="client",
        has_unique_value=True,
        hidden=False,
    )
    assert client.crm.properties.core_api.create("contacts", made).has_unique_value
    contact = client.crm.contacts.basic_api.create(
        hubspot.crm.contacts.SimplePublicObjectInputForCreate(
            properties={"email": "c@example.com", "client_key": "k"}, associations=[]
        )
    )
    link = PublicAssociationsForObject(
        to={"id": contact.id},
        types=[{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}],
    )
    body = {"hs_timestamp": "2026-01-01T00:00:00Z", "hs_note_body": "Hello"}
    note = client.crm.objects.notes.basic_api.create(
        SimplePublicObjectInputForCreate(properties=body, associations=[link])
    )
    (tmp_path / "plan.pdf").write_bytes(b"pdf")
    file = client.files.files_api.upload(
        file=str(tmp_path / "plan.pdf"),
        folder_path="/client",
        file_name="plan.pdf",
        options='{"access": "PRIVATE"}',
    )
    assert file.name == "plan"
    (held,) = box.objects(HUBSPOT, "notes")
    assert held["id"] == note.id
    assert [link["id"] for link in held["links"]] == [contact.id]
