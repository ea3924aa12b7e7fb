// Persons, fields, search and deals, by Pipedrive's own client.
const {
  Configuration,
  PersonsApi,
  DealsApi,
  PersonFieldsApi,
  ItemSearchApi,
} = require('pipedrive/v2');
(async () => {
  const configuration = new Configuration({
    apiKey: 'sandbox-token',
    basePath: process.env.URL + '/pipedrive/api/v2',
  });
  const fields = await new PersonFieldsApi(configuration).addPersonField({
    AddPersonFieldRequest: { field_name: 'client key', field_type: 'varchar' },
  });
  const code = fields.data.field_code;
  const persons = new PersonsApi(configuration);
  const made = await persons.addPerson({
    AddPersonRequest: {
      name: 'Cleo',
      emails: [{ value: 'cleo@example.com', primary: true, label: 'work' }],
      custom_fields: { [code]: 'client-1' },
    },
  });
  const id = made.data.id;
  await persons.updatePerson({ id, UpdatePersonRequest: { name: 'Cleo Client' } });
  const read = await persons.getPerson({ id });
  if (read.data.name !== 'Cleo Client' || read.data.custom_fields[code] !== 'client-1')
    throw new Error('read: ' + JSON.stringify(read));
  const found = await persons.searchPersons({
    term: 'CLEO@example.com',
    fields: 'email',
    exact_match: true,
  });
  if (found.data.items[0].item.id !== id) throw new Error('search: ' + JSON.stringify(found));
  const deals = new DealsApi(configuration);
  const deal = await deals.addDeal({ AddDealRequest: { title: 'Client deal', person_id: id } });
  const linked = await deals.getDeal({ id: deal.data.id });
  if (linked.data.person_id !== id) throw new Error('link: ' + JSON.stringify(linked));
  console.log('round trip done');
})().catch((error) => {
  console.error(error.message, error.response && JSON.stringify(error.response.data));
  process.exit(1);
});
