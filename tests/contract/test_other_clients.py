"""The emulators, driven by clients that other people wrote: upsert or create, read, link."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support import Box, deliver, extract, has_node, schema_message

NODE_PACKAGES = {"pipedrive": "33.7.0", "jsforce": "3.9.5", "@hubspot/api-client": "14.0.1"}
"""jsforce 3.10 needs Node 22."""


def test_hubspot_api_client_upserts_reads_and_links(box: Box, tmp_path: Path) -> None:
    deliver(
        box, "hubspot", extract(box, tmp_path, streams=["users"]), tmp_path
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
    assert [str(one.to_object_id) for one in page.results] == [contact_id]


def test_simple_salesforce_upserts_reads_and_links(box: Box, tmp_path: Path) -> None:
    deliver(box, "salesforce", extract(box, tmp_path), tmp_path)  # provisions CanAI_User_ID__c
    import requests
    from simple_salesforce import Salesforce

    session = requests.Session()
    session.trust_env = False
    client = Salesforce(
        instance_url=f"{box.url}/salesforce", session_id="sandbox", version="59.0", session=session
    )
    client.base_url = f"{box.url}/salesforce/services/data/v59.0/"
    contact = client.Contact
    contact.base_url = f"{client.base_url}sobjects/Contact/"
    assert (
        contact.upsert(
            "CanAI_User_ID__c/client-1", {"LastName": "Client", "Email": "client@example.com"}
        )
        == 201
    )
    assert contact.upsert("CanAI_User_ID__c/client-1", {"FirstName": "Cleo"}) in (200, 204)
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
        f"SELECT ContactId, IsPrimary FROM OpportunityContactRole WHERE OpportunityId = '{made['id']}'"
    )
    assert [(one["ContactId"], one["IsPrimary"]) for one in roles["records"]] == [
        (contact_id, True)
    ]


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


PIPEDRIVE_FILES = """
const fs = require('fs');
const v1 = require('pipedrive/v1'), v2 = require('pipedrive/v2');
(async () => {
  const base = process.env.URL + '/pipedrive';
  const two = new v2.Configuration({ apiKey: 'sandbox-token', basePath: base + '/api/v2' });
  const one = new v1.Configuration({ apiKey: 'sandbox-token', basePath: base + '/v1' });
  const person = (await new v2.PersonsApi(two).addPerson({ AddPersonRequest: { name: 'Cleo' } })).data;
  const other = (await new v2.PersonsApi(two).addPerson({ AddPersonRequest: { name: 'Cleo again' } })).data;
  const notes = new v1.NotesApi(one);
  const note = (await notes.addNote({ AddNoteRequest: { content: 'Hello', person_id: other.id } })).data;
  await notes.updateNote({ id: note.id, NoteRequest: { content: 'Hello again' } });
  const listed = await notes.getNotes({ person_id: other.id });
  if (listed.data.length !== 1 || listed.data[0].content !== 'Hello again') throw new Error('notes: ' + JSON.stringify(listed));
  await new v1.PersonsApi(one).mergePersons({ id: other.id, MergePersonsRequest: { merge_with_id: person.id } });
  const files = new v1.FilesApi(one);
  const file = (await files.addFile({ file: new File(['pdf'], 'plan.pdf', { type: 'application/pdf' }), person_id: person.id })).data;
  const held = await new v1.PersonsApi(one).getPersonFiles({ id: person.id });
  if (held.data.length !== 1 || held.data[0].name !== 'plan.pdf') throw new Error('files: ' + JSON.stringify([file, held]));
  const moved = await notes.getNotes({ person_id: person.id });
  if (moved.data.length !== 1) throw new Error('merge: ' + JSON.stringify(moved));
  console.log('round trip done');
})().catch((error) => { console.error(error.message, error.response && JSON.stringify(error.response.data)); process.exit(1); });
"""

JSFORCE = """
const jsforce = require('jsforce');
(async () => {
  const url = process.env.URL + '/salesforce';
  const connection = new jsforce.Connection({ instanceUrl: url, accessToken: 'sandbox', version: '67.0' });
  const saved = await connection.sobject('Contact').upsert(
    [{ LastName: 'One', CanAI_User_ID__c: 'js-1' }, { LastName: 'Two', CanAI_User_ID__c: 'js-2', Email: 'no address' }],
    'CanAI_User_ID__c', { allOrNone: false });
  if (!saved[0].success || saved[1].success) throw new Error('collections: ' + JSON.stringify(saved));
  const rows = [];
  for (let n = 0; n < 30; n++) rows.push({ LastName: 'Row ' + n, CanAI_User_ID__c: 'bulk-' + n, Email: n === 7 ? 'no address' : `b${n}@example.com` });
  const result = await connection.bulk2.loadAndWaitForResults({
    object: 'Contact', operation: 'upsert', externalIdFieldName: 'CanAI_User_ID__c', input: rows, pollTimeout: 20000, pollInterval: 200 });
  const failed = result.failedResults;
  if (result.successfulResults.length !== 29 || failed.length !== 1) throw new Error('bulk: ' + JSON.stringify(result));
  if (!failed[0].sf__Error.startsWith('INVALID_EMAIL_ADDRESS:')) throw new Error('error: ' + failed[0].sf__Error);
  const found = await connection.query("SELECT Id, LastName FROM Contact WHERE CanAI_User_ID__c = 'bulk-3'");
  if (found.records[0].LastName !== 'Row 3') throw new Error('query: ' + JSON.stringify(found));
  const stream = await connection.bulk2.query("SELECT Id, CanAI_User_ID__c FROM Contact WHERE CanAI_User_ID__c != null", { pollTimeout: 20000, pollInterval: 200 });
  const records = await stream.toArray();
  if (records.length !== 30) throw new Error('bulk query: ' + records.length);
  const file = await connection.sobject('ContentVersion').create({
    Title: 'plan', PathOnClient: 'plan.pdf', VersionData: Buffer.from('pdf').toString('base64'), FirstPublishLocationId: saved[0].id });
  const version = await connection.sobject('ContentVersion').retrieve(file.id);
  if (!version.ContentDocumentId) throw new Error('file: ' + JSON.stringify(version));
  const described = await connection.sobject('Contact').describe();
  if (!described.fields.some((one) => one.name === 'CanAI_User_ID__c' && one.externalId)) throw new Error('describe');
  console.log('round trip done');
})().catch((error) => { console.error(error.stack); process.exit(1); });
"""

HUBSPOT_NODE = """
const { Client } = require('@hubspot/api-client');
(async () => {
  const client = new Client({ accessToken: 'sandbox-token', basePath: process.env.URL + '/hubspot' });
  await client.crm.properties.groupsApi.create('contacts', { name: 'client', label: 'Client', displayOrder: 1 });
  await client.crm.properties.coreApi.create('contacts', {
    name: 'client_key', label: 'Client key', type: 'string', fieldType: 'text', groupName: 'client', hasUniqueValue: true });
  const contacts = await client.crm.contacts.batchApi.upsert({ inputs: [
    { id: 'k1', idProperty: 'client_key', properties: { client_key: 'k1', email: 'k1@example.com' } },
    { id: 'k2', idProperty: 'client_key', properties: { client_key: 'k2', email: 'k2@example.com' } } ] });
  const contact = contacts.results[0].id;
  const deals = await client.crm.deals.batchApi.create({ inputs: [
    { properties: { dealname: 'One', dealstage: 'qualifiedtobuy', pipeline: 'default' }, associations: [] } ] });
  await client.crm.associations.v4.batchApi.create('deals', 'contacts', { inputs: [ {
    _from: { id: deals.results[0].id }, to: { id: contact }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 3 }] } ] });
  const linked = await client.crm.associations.v4.batchApi.getPage('contacts', 'deals', { inputs: [{ id: contact }] });
  if (linked.results[0].to.length !== 1) throw new Error('associations: ' + JSON.stringify(linked));
  const note = await client.crm.objects.notes.basicApi.create({
    properties: { hs_timestamp: '2026-01-01T00:00:00Z', hs_note_body: 'Hello' },
    associations: [{ to: { id: contact }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 202 }] }] });
  const read = await client.crm.objects.notes.basicApi.getById(note.id, ['hs_note_body']);
  if (read.properties.hs_note_body !== 'Hello') throw new Error('note: ' + JSON.stringify(read));
  const file = await client.files.filesApi.upload(
    { data: Buffer.from('pdf'), name: 'plan.pdf' }, undefined, '/client', 'plan.pdf', undefined, JSON.stringify({ access: 'PRIVATE' }));
  await client.crm.objects.notes.basicApi.update(note.id, { properties: { hs_attachment_ids: String(file.id) } });
  const schema = await client.crm.schemas.coreApi.create({
    name: 'client_thing', labels: { singular: 'Thing', plural: 'Things' }, requiredProperties: ['key'], primaryDisplayProperty: 'key',
    properties: [{ name: 'key', label: 'Key', type: 'string', fieldType: 'text', hasUniqueValue: true }], associatedObjects: [] });
  const thing = await client.crm.objects.basicApi.create(schema.objectTypeId, { properties: { key: 't1' }, associations: [] });
  if (thing.properties.key !== 't1') throw new Error('custom object: ' + JSON.stringify(thing));
  const owners = await client.crm.owners.ownersApi.getPage();
  if (owners.results.length !== 2) throw new Error('owners');
  console.log('round trip done');
})().catch((error) => { console.error(error.stack, error.body && JSON.stringify(error.body)); process.exit(1); });
"""


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the vendors' clients from npm."""
    folder = tmp_path_factory.mktemp("node")
    packages = [f"{name}@{version}" for name, version in NODE_PACKAGES.items()]
    install = [
        "npm",
        "install",
        "--silent",
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
        "--prefix",
        str(folder),
        *packages,
    ]
    subprocess.run(install, check=True, timeout=300, capture_output=True)
    return folder


SCRIPTS = {
    "pipedrive persons": NODE_SCRIPT, "pipedrive notes": PIPEDRIVE_FILES, "jsforce": JSFORCE, "@hubspot/api-client": HUBSPOT_NODE,
}  # fmt: skip


@pytest.mark.node
@pytest.mark.skipif(not has_node(), reason="node and npm are not on this machine")
@pytest.mark.parametrize("name", SCRIPTS)
def test_clients_from_npm_run_their_cycles(
    box: Box, name: str, node_folder: Path, tmp_path: Path
) -> None:
    if name == "jsforce":
        deliver(box, "salesforce", [schema_message()], tmp_path)  # provisions CanAI_User_ID__c
    script = node_folder / f"{name.replace('/', '-').replace(' ', '-')}.js"
    script.write_text(SCRIPTS[name])
    done = subprocess.run(
        ["node", str(script)],
        cwd=node_folder,
        env={**os.environ, "URL": box.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "round trip done", done.stderr


def test_simple_salesforce_runs_a_bulk_job_with_failed_rows(box: Box, tmp_path: Path) -> None:
    deliver(box, "salesforce", [schema_message()], tmp_path)  # provisions CanAI_User_ID__c
    import requests
    from simple_salesforce import Salesforce

    session = requests.Session()
    session.trust_env = False
    client = Salesforce(
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
    (held,) = box.objects("hubspot", "notes")
    assert held["id"] == note.id
    assert [link["id"] for link in held["links"]] == [contact.id]
