"""The emulators, driven by clients that other people wrote: upsert or create, read, link."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support import Box, deliver, extract, has_node

NODE_PACKAGES = {"pipedrive": "33.7.0"}


def test_hubspot_api_client_upserts_reads_and_links(box: Box, tmp_path: Path) -> None:
    deliver(box, "hubspot", extract(box, tmp_path, streams=["users"]), tmp_path)  # provisions canai_user_id
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
        id="client-1", id_property="canai_user_id", properties={"email": "c1@example.com", "firstname": "Cleo"}
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
            inputs=[SimplePublicObjectId(id="client-1")], id_property="canai_user_id", properties=["firstname"], properties_with_history=[]
        )
    )
    assert read.results[0].properties["firstname"] == "Cleo"
    single = client.crm.contacts.basic_api.create(SimplePublicObjectInputForCreate(properties={"email": "c2@example.com"}, associations=[]))
    assert client.crm.contacts.basic_api.get_by_id(single.id, properties=["email"]).properties["email"] == "c2@example.com"
    deal = client.crm.deals.basic_api.create(
        DealInput(properties={"dealname": "Client deal", "dealstage": "qualifiedtobuy", "pipeline": "default"}, associations=[])
    )
    specs = [AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=3)]
    client.crm.associations.v4.basic_api.create("deals", deal.id, "contacts", contact_id, association_spec=specs)
    page = client.crm.associations.v4.basic_api.get_page("deals", deal.id, "contacts")
    assert [str(one.to_object_id) for one in page.results] == [contact_id]


def test_simple_salesforce_upserts_reads_and_links(box: Box, tmp_path: Path) -> None:
    deliver(box, "salesforce", extract(box, tmp_path), tmp_path)  # provisions CanAI_User_ID__c
    import requests
    from simple_salesforce import Salesforce

    session = requests.Session()
    session.trust_env = False
    client = Salesforce(instance_url=f"{box.url}/salesforce", session_id="sandbox", version="59.0", session=session)
    client.base_url = f"{box.url}/salesforce/services/data/v59.0/"
    contact = client.Contact
    contact.base_url = f"{client.base_url}sobjects/Contact/"
    assert contact.upsert("CanAI_User_ID__c/client-1", {"LastName": "Client", "Email": "client@example.com"}) == 201
    assert contact.upsert("CanAI_User_ID__c/client-1", {"FirstName": "Cleo"}) in (200, 204)
    found = client.query("SELECT Id, Name FROM Contact WHERE CanAI_User_ID__c = 'client-1'")
    assert found["totalSize"] == 1
    contact_id = found["records"][0]["Id"]
    assert contact.get(contact_id)["Name"] == "Cleo Client"
    opportunity = client.Opportunity
    opportunity.base_url = f"{client.base_url}sobjects/Opportunity/"
    made = opportunity.create({"Name": "Client deal", "StageName": "Closed Won", "CloseDate": "2026-01-31", "ContactId": contact_id})
    assert made["success"]
    roles = client.query(f"SELECT ContactId, IsPrimary FROM OpportunityContactRole WHERE OpportunityId = '{made['id']}'")
    assert [(one["ContactId"], one["IsPrimary"]) for one in roles["records"]] == [(contact_id, True)]


NODE_SCRIPT = """
const { Configuration, PersonsApi, DealsApi, PersonFieldsApi, ItemSearchApi } = require('pipedrive/v2');
(async () => {
  const configuration = new Configuration({ apiKey: 'sandbox-token', basePath: process.env.URL + '/pipedrive/api/v2' });
  const fields = await new PersonFieldsApi(configuration).addPersonField(
    { AddPersonFieldRequest: { field_name: 'client key', field_type: 'varchar' } });
  const code = fields.data.field_code;
  const persons = new PersonsApi(configuration);
  const made = await persons.addPerson({ AddPersonRequest: {
    name: 'Cleo', emails: [{ value: 'cleo@example.com', primary: true, label: 'work' }], custom_fields: { [code]: 'client-1' } } });
  const id = made.data.id;
  await persons.updatePerson({ id, UpdatePersonRequest: { name: 'Cleo Client' } });
  const read = await persons.getPerson({ id });
  if (read.data.name !== 'Cleo Client' || read.data.custom_fields[code] !== 'client-1') throw new Error('read: ' + JSON.stringify(read));
  const found = await persons.searchPersons({ term: 'CLEO@example.com', fields: 'email', exact_match: true });
  if (found.data.items[0].item.id !== id) throw new Error('search: ' + JSON.stringify(found));
  const deals = new DealsApi(configuration);
  const deal = await deals.addDeal({ AddDealRequest: { title: 'Client deal', person_id: id } });
  const linked = await deals.getDeal({ id: deal.data.id });
  if (linked.data.person_id !== id) throw new Error('link: ' + JSON.stringify(linked));
  console.log('round trip done');
})().catch((error) => { console.error(error.message, error.response && JSON.stringify(error.response.data)); process.exit(1); });
"""


@pytest.mark.node
@pytest.mark.skipif(not has_node(), reason="node and npm are not on this machine")
def test_the_pipedrive_client_from_npm_creates_reads_searches_and_links(box: Box, tmp_path: Path) -> None:
    packages = [f"{name}@{version}" for name, version in NODE_PACKAGES.items()]
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(tmp_path), *packages]
    subprocess.run(install, check=True, timeout=300, capture_output=True)
    (tmp_path / "round.js").write_text(NODE_SCRIPT)
    done = subprocess.run(
        ["node", "round.js"], cwd=tmp_path, env={**os.environ, "URL": box.url}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "round trip done", done.stderr
