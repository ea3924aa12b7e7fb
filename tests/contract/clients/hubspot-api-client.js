// Properties, batches, associations, notes, files and custom objects, by HubSpot's own client.
const { Client } = require('@hubspot/api-client');
(async () => {
  const client = new Client({
    accessToken: 'sandbox-token',
    basePath: process.env.URL + '/hubspot',
  });
  await client.crm.properties.groupsApi.create('contacts', {
    name: 'client',
    label: 'Client',
    displayOrder: 1,
  });
  await client.crm.properties.coreApi.create('contacts', {
    name: 'client_key',
    label: 'Client key',
    type: 'string',
    fieldType: 'text',
    groupName: 'client',
    hasUniqueValue: true,
  });
  const contacts = await client.crm.contacts.batchApi.upsert({
    inputs: [
      {
        id: 'k1',
        idProperty: 'client_key',
        properties: { client_key: 'k1', email: 'k1@example.com' },
      },
      {
        id: 'k2',
        idProperty: 'client_key',
        properties: { client_key: 'k2', email: 'k2@example.com' },
      },
    ],
  });
  const contact = contacts.results[0].id;
  const deals = await client.crm.deals.batchApi.create({
    inputs: [
      {
        properties: { dealname: 'One', dealstage: 'qualifiedtobuy', pipeline: 'default' },
        associations: [],
      },
    ],
  });
  await client.crm.associations.v4.batchApi.create('deals', 'contacts', {
    inputs: [
      {
        _from: { id: deals.results[0].id },
        to: { id: contact },
        types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 3 }],
      },
    ],
  });
  const linked = await client.crm.associations.v4.batchApi.getPage('contacts', 'deals', {
    inputs: [{ id: contact }],
  });
  if (linked.results[0].to.length !== 1) throw new Error('associations: ' + JSON.stringify(linked));
  const note = await client.crm.objects.notes.basicApi.create({
    properties: { hs_timestamp: '2026-01-01T00:00:00Z', hs_note_body: 'Hello' },
    associations: [
      {
        to: { id: contact },
        types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 202 }],
      },
    ],
  });
  const read = await client.crm.objects.notes.basicApi.getById(note.id, ['hs_note_body']);
  if (read.properties.hs_note_body !== 'Hello') throw new Error('note: ' + JSON.stringify(read));
  const file = await client.files.filesApi.upload(
    { data: Buffer.from('pdf'), name: 'plan.pdf' },
    undefined,
    '/client',
    'plan.pdf',
    undefined,
    JSON.stringify({ access: 'PRIVATE' }),
  );
  await client.crm.objects.notes.basicApi.update(note.id, {
    properties: { hs_attachment_ids: String(file.id) },
  });
  const schema = await client.crm.schemas.coreApi.create({
    name: 'client_thing',
    labels: { singular: 'Thing', plural: 'Things' },
    requiredProperties: ['key'],
    primaryDisplayProperty: 'key',
    properties: [
      { name: 'key', label: 'Key', type: 'string', fieldType: 'text', hasUniqueValue: true },
    ],
    associatedObjects: [],
  });
  const thing = await client.crm.objects.basicApi.create(schema.objectTypeId, {
    properties: { key: 't1' },
    associations: [],
  });
  if (thing.properties.key !== 't1') throw new Error('custom object: ' + JSON.stringify(thing));
  const owners = await client.crm.owners.ownersApi.getPage();
  if (owners.results.length !== 2) throw new Error('owners');
  console.log('round trip done');
})().catch((error) => {
  console.error(error.stack, error.body && JSON.stringify(error.body));
  process.exit(1);
});
