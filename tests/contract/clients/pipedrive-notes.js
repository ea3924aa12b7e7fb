// Notes, files and merges, by Pipedrive's own client.
const fs = require('fs');
const v1 = require('pipedrive/v1'),
  v2 = require('pipedrive/v2');
(async () => {
  const base = process.env.URL + '/pipedrive';
  const configV2 = new v2.Configuration({ apiKey: 'sandbox-token', basePath: base + '/api/v2' });
  const configV1 = new v1.Configuration({ apiKey: 'sandbox-token', basePath: base + '/v1' });
  const person = (
    await new v2.PersonsApi(configV2).addPerson({ AddPersonRequest: { name: 'Cleo' } })
  ).data;
  const other = (
    await new v2.PersonsApi(configV2).addPerson({ AddPersonRequest: { name: 'Cleo again' } })
  ).data;
  const notes = new v1.NotesApi(configV1);
  const note = (await notes.addNote({ AddNoteRequest: { content: 'Hello', person_id: other.id } }))
    .data;
  await notes.updateNote({ id: note.id, NoteRequest: { content: 'Hello again' } });
  const listed = await notes.getNotes({ person_id: other.id });
  if (listed.data.length !== 1 || listed.data[0].content !== 'Hello again')
    throw new Error('notes: ' + JSON.stringify(listed));
  await new v1.PersonsApi(configV1).mergePersons({
    id: other.id,
    MergePersonsRequest: { merge_with_id: person.id },
  });
  const files = new v1.FilesApi(configV1);
  const file = (
    await files.addFile({
      file: new File(['pdf'], 'plan.pdf', { type: 'application/pdf' }),
      person_id: person.id,
    })
  ).data;
  const held = await new v1.PersonsApi(configV1).getPersonFiles({ id: person.id });
  if (held.data.length !== 1 || held.data[0].name !== 'plan.pdf')
    throw new Error('files: ' + JSON.stringify([file, held]));
  const moved = await notes.getNotes({ person_id: person.id });
  if (moved.data.length !== 1) throw new Error('merge: ' + JSON.stringify(moved));
  console.log('round trip done');
})().catch((error) => {
  console.error(error.message, error.response && JSON.stringify(error.response.data));
  process.exit(1);
});
