// Collections, Bulk API 2.0, queries and files, by jsforce.
const jsforce = require('jsforce');
(async () => {
  const url = process.env.URL + '/salesforce';
  const connection = new jsforce.Connection({
    instanceUrl: url,
    accessToken: 'sandbox',
    version: '67.0',
  });
  const saved = await connection.sobject('Contact').upsert(
    [
      { LastName: 'One', CanAI_User_ID__c: 'js-1' },
      { LastName: 'Two', CanAI_User_ID__c: 'js-2', Email: 'no address' },
    ],
    'CanAI_User_ID__c',
    { allOrNone: false },
  );
  if (!saved[0].success || saved[1].success)
    throw new Error('collections: ' + JSON.stringify(saved));
  const rows = [];
  for (let n = 0; n < 30; n++)
    rows.push({
      LastName: 'Row ' + n,
      CanAI_User_ID__c: 'bulk-' + n,
      Email: n === 7 ? 'no address' : `b${n}@example.com`,
    });
  const result = await connection.bulk2.loadAndWaitForResults({
    object: 'Contact',
    operation: 'upsert',
    externalIdFieldName: 'CanAI_User_ID__c',
    input: rows,
    pollTimeout: 20000,
    pollInterval: 200,
  });
  const failed = result.failedResults;
  if (result.successfulResults.length !== 29 || failed.length !== 1)
    throw new Error('bulk: ' + JSON.stringify(result));
  if (!failed[0].sf__Error.startsWith('INVALID_EMAIL_ADDRESS:'))
    throw new Error('error: ' + failed[0].sf__Error);
  const found = await connection.query(
    "SELECT Id, LastName FROM Contact WHERE CanAI_User_ID__c = 'bulk-3'",
  );
  if (found.records[0].LastName !== 'Row 3') throw new Error('query: ' + JSON.stringify(found));
  const stream = await connection.bulk2.query(
    'SELECT Id, CanAI_User_ID__c FROM Contact WHERE CanAI_User_ID__c != null',
    { pollTimeout: 20000, pollInterval: 200 },
  );
  const records = await stream.toArray();
  if (records.length !== 30) throw new Error('bulk query: ' + records.length);
  const file = await connection.sobject('ContentVersion').create({
    Title: 'plan',
    PathOnClient: 'plan.pdf',
    VersionData: Buffer.from('pdf').toString('base64'),
    FirstPublishLocationId: saved[0].id,
  });
  const version = await connection.sobject('ContentVersion').retrieve(file.id);
  if (!version.ContentDocumentId) throw new Error('file: ' + JSON.stringify(version));
  const described = await connection.sobject('Contact').describe();
  if (!described.fields.some((field) => field.name === 'CanAI_User_ID__c' && field.externalId))
    throw new Error('describe');
  console.log('round trip done');
})().catch((error) => {
  console.error(error.stack);
  process.exit(1);
});
