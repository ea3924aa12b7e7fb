"""Erasing a person: what was written of them in the CRM, and all that the ledger holds of them.

The tombstone comes first: from then on no record of the person goes out. Then the letters and what
waits go, then the records in the CRM, children first, and last the entries, without which nobody
would know what to erase. Each step can be repeated, so that a killed erasure is started again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from reverse_etl.crm.adapter import Adapter, ErasureAdapter, Lookup
from reverse_etl.errors import CrmError, LedgerError, NoSuchLinkError, NoSuchObjectError
from reverse_etl.hashes import HASH_BYTES, hash_value
from reverse_etl.ledger import FILE_MARK, Entry, Ledger
from reverse_etl.ledger.personal import HeldRecord
from reverse_etl.mapping.link_rules import LinkRule
from reverse_etl.mapping.persons import Belongings
from reverse_etl.mapping.rules import Rule
from reverse_etl.objects import LinkWanted
from reverse_etl.values import canonical, plain_text

CLAIM_WAIT_S = 120.0
"""How long to wait for another process that writes the person's records."""
CLAIM_PAUSE_S = 0.5

Entries = dict[str, dict[str, Entry]]
"""By object and key."""


@dataclass(slots=True)
class Proof:
    """What was erased, without naming the person."""

    crm: str
    account: str
    object: str
    hash: str
    began_at: str
    ended_at: str = ""
    records: dict[str, int] = field(default_factory=dict)
    """Records erased in the CRM, by object."""
    merged: dict[str, int] = field(default_factory=dict)
    """Records, by object, that people merged into those of someone else, who keeps them."""
    files: int = 0
    ledger: dict[str, int] = field(default_factory=dict)
    """Rows deleted from the ledger, by kind."""
    reports: int = 0
    """Files of reports and plans that were cleaned or deleted."""

    def content(self) -> dict[str, Any]:
        """The proof as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Erasure:
    """One person's erasure."""

    adapter: Adapter
    ledger: Ledger
    belongings: Belongings
    clean_files: Callable[[Ledger], int] = lambda ledger: 0
    """Cleans the files of reports and plans; returns how many it changed."""
    sleep: Callable[[float], None] = time.sleep

    def run(self, command: str) -> Proof:
        """Erase the person; the audit names the command. Raises: CrmError, LedgerError."""
        erasing = self.adapter.erasing
        if erasing is None:
            raise CrmError(f"{self.adapter.crm}: this target cannot erase records.")
        proof = self._bury()
        proof.reports = self.clean_files(self.ledger)
        entries = self._claimed()
        try:
            for object_name in sorted(entries, key=lambda name: name == self._object):
                for entry in entries[object_name].values():
                    self._erase_in_crm(erasing, object_name, entry, proof)
            self._forget(entries, proof, command)
        finally:
            for object_name, known in entries.items():
                self.ledger.claims.release(object_name, known)
        return proof

    @property
    def _object(self) -> str:
        return self.belongings.person.object

    @property
    def _key(self) -> str:
        return self.belongings.canonical(self._object, self.belongings.person.key)

    # First: no record of the person goes out

    def _bury(self) -> Proof:
        """The tombstone, and the end of what was put off. Raises: LedgerError."""
        personal, rows = self.ledger.personal, self.ledger.rows
        with rows.writing() as connection:
            key_hash = self.ledger.tombstones.write(connection, self._object, self._key)
            scope = rows.scope
            proof = Proof(scope.crm, scope.account, self._object, key_hash, rows.now())
            letters = [row for row in personal.letters(connection) if self._is_theirs(row)]
            waiting = [row for row in personal.waiting(connection) if self._is_theirs(row)]
            for row in letters:
                personal.delete_letter(connection, row)
                personal.delete_notes(connection, row.rule, (row.key,))
            for row in waiting:
                personal.delete_waiting(connection, row)
                personal.delete_notes(connection, row.rule, (row.key, row.source_key))
            for rule in self.belongings.keyed_alike():
                keys = {self._key, self.belongings.person.key}
                personal.delete_notes(connection, rule.name, keys)
            names = {(row.rule, row.key) for row in letters}
            proof.ledger = {"dead_letters": len(letters), "waiting": len(waiting)}
            proof.ledger["reports"] = personal.clean_reports(connection, names)
        return proof

    def _is_theirs(self, row: HeldRecord) -> bool:
        """Returns True if a letter, or what waits, is the person's."""
        rule = self._rule(row.rule)
        if rule is None:  # of a mapping that is no longer in use: any property may be the key
            values = (value for record in row.records for value in record.values())
            texts = (plain_text(value) for value in values if isinstance(value, (str, int)))
            return any(map(self.belongings.is_key, (row.key, row.source_key, *texts)))
        if rule.object == self._object and (
            self.belongings.is_key(row.key) or self.belongings.is_key(row.source_key)
        ):
            return True
        if row.link and self.belongings.is_key(row.to_key):
            names = {link.name for of, link in self.belongings.links() if of.name == rule.name}
            if row.link in names:
                return True
        return self.belongings.holds(rule, row.records)

    def _rule(self, name: str) -> Rule | None:
        return next((rule for rule in self.belongings.rules if rule.name == name), None)

    # Then the CRM

    def _claimed(self) -> Entries:
        """The person's entries, once no other process can write their records.

        A record that the ledger does not know has an entry here too: the CRM is asked for it.
        Raises: LedgerError.
        """
        deadline = time.monotonic() + CLAIM_WAIT_S
        while True:
            entries = self._entries()
            refused = [
                (name, known.keys() - self.ledger.claims.take(name, known))
                for name, known in entries.items()
            ]
            if not any(keys for _, keys in refused):
                return self._entries()  # as the other process has left them
            if time.monotonic() > deadline:
                raise LedgerError(
                    "Another process is writing records of this person.",
                    "Run `erase` again once it has ended: it continues.",
                )
            self.sleep(CLAIM_PAUSE_S)

    def _entries(self) -> Entries:
        entries: Entries = {}
        for rule in self.belongings.keyed_alike():
            key = self.belongings.canonical(rule.object, self._key)
            known = self.ledger.entries(rule.object, [key])
            entries.setdefault(rule.object, {})[key] = known.get(key) or Entry(key, "pending")
        ids = self._person_ids(entries[self._object][self._key])
        with self.ledger.engine.connect() as connection:
            for rule, link in self.belongings.links():
                marks = self._marks_of_links(rule, link, ids)
                for entry in self.ledger.personal.entries(connection, rule.object):
                    if any(is_marked(entry, *mark) for mark in marks):
                        entries.setdefault(rule.object, {})[entry.key] = entry
        return entries

    def _person_ids(self, entry: Entry) -> set[str]:
        """The ids of the person's own records, also where people have deleted them."""
        known = [entry.crm_id] if entry.crm_id else []
        ids, _ = self._ids(self._object, entry)
        return {*known, *ids}

    def _marks_of_links(
        self, rule: Rule, link: LinkRule, ids: Collection[str]
    ) -> list[tuple[str, bytes]]:
        """The marks, by name, of entries that are linked to the person: by a call, or in a field.

        Raises: CrmError.
        """
        keys = {self._key, self.belongings.person.key}
        marks = [(f"-> {link.name}", hash_value(key)) for key in keys]
        wanted = LinkWanted(link.to, link.field, link.label)
        try:
            infos = self.adapter.describe(rule.object)
            form = self.adapter.link_form(rule.object, wanted)
        except (NoSuchObjectError, NoSuchLinkError):
            return marks
        if form.form == "reference" and form.field in infos:
            held = (canonical(infos[form.field], crm_id) for crm_id in ids)
            marks += [(form.field, hash_value(value)) for value in held]
        return marks

    def _erase_in_crm(
        self, erasing: ErasureAdapter, object_name: str, entry: Entry, proof: Proof
    ) -> None:
        """Erase the records of one key, and their files before them. Raises: CrmError."""
        mark = entry.marks.get(FILE_MARK)
        ids, merged = self._ids(object_name, entry)
        if merged:
            proof.merged[object_name] = proof.merged.get(object_name, 0) + 1
        for crm_id in ids:
            if mark is not None:
                proof.files += erasing.erase_files(
                    object_name, crm_id, lambda name: hash_value(name) == mark.hash
                )
            erased = erasing.erase(object_name, crm_id)
            proof.records[object_name] = proof.records.get(object_name, 0) + int(erased)

    def _ids(self, object_name: str, entry: Entry) -> tuple[list[str], bool]:
        """The ids of the records of a key: that of the ledger, and those that carry the key.

        A record that was merged into another person's is theirs now, and stays: then the second
        value is True. One that is not found was deleted by people, and may be in the recycle bin.
        """
        try:
            infos = self.adapter.describe(object_name)
        except NoSuchObjectError:
            return [], False
        key_field = self._key_field(object_name)
        ids: dict[str, None] = {}
        present: str | None = None
        if entry.crm_id:
            present = self.adapter.locate(object_name, [entry.crm_id]).get(entry.crm_id)
            if present in (None, entry.crm_id):
                ids[entry.crm_id] = None
        if key_field in infos and not self.adapter.objects[object_name].marker_in:
            lookup = Lookup(entry.key, {})
            found = self.adapter.find(object_name, key_field, [lookup], [], exact=True)
            ids |= {hit.crm_id: None for hit in found.get(entry.key, ())}
        return [*ids], present not in (None, *ids)

    def _key_field(self, object_name: str) -> str:
        return next(rule.upsert_key for rule in self.belongings.rules if rule.object == object_name)

    # Last: what the ledger knew

    def _forget(self, entries: Mapping[str, Mapping[str, Entry]], proof: Proof, by: str) -> None:
        """Delete the entries, and note the erasure, in one transaction. Raises: LedgerError."""
        with self.ledger.rows.writing() as connection:
            for object_name, known in entries.items():
                number = self.ledger.personal.delete_entries(connection, object_name, known)
                proof.ledger["entries"] = proof.ledger.get("entries", 0) + number
            proof.ended_at = self.ledger.rows.now()
            self.ledger.audit.record(connection, {"command": by, "erasure": proof.content()})


def is_marked(entry: Entry, name: str, value_hash: bytes) -> bool:
    """Returns True if an entry has a value under a name; a moved link is marked with more."""
    mark = entry.marks.get(name)
    return mark is not None and mark.hash[:HASH_BYTES] == value_hash
