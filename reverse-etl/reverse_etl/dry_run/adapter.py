"""An adapter that asks the CRM, and notes what would be written instead of sending it.

To the stages it is the CRM after the write: what it would have created is described, found and read
from then on, so that a later block is planned as it would be in the run itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

from reverse_etl.crm.adapter import (
    Account,
    Adapter,
    Attachment,
    Hit,
    JobResults,
    Lookup,
    RowResult,
)
from reverse_etl.dry_run.changes import Change, Changes
from reverse_etl.errors import CrmError, NoSuchLinkError, NoSuchObjectError
from reverse_etl.mapping.field_checks import planned_info
from reverse_etl.objects import FieldWanted, LinkForm, LinkWanted, ObjectSpec
from reverse_etl.records import Write
from reverse_etl.values import FieldInfo

NEW = "-"
"""What the id of a record begins with that the CRM does not have yet.

A negative number, since some CRMs keep the ids that a record refers to as numbers.
"""
READ_ROWS = 100
"""Records read at a time, for what they hold before the write."""

Fields = dict[str, FieldInfo]


class DryAdapter(Adapter):
    """A CRM that is asked, and not written to."""

    def __init__(self, adapter: Adapter, changes: Changes) -> None:
        self.asked, self.changes = adapter, changes
        self.crm, self.calls = adapter.crm, adapter.calls
        self.default_object = adapter.default_object
        self.passing_codes = adapter.passing_codes
        self.owning, self.money, self.listing = adapter.owning, adapter.money, adapter.listing
        self.jobs = None if adapter.jobs is None else DryJobs(self)
        self.files = None if adapter.files is None else self
        self.merging = None if adapter.merging is None else self
        self.choosing = None if adapter.choosing is None else self
        self.erasing = None if adapter.erasing is None else self
        self.unlinking = None if adapter.unlinking is None else self
        self._described: dict[str, Fields] = {}
        """Fields that the CRM has, by object."""
        self._created: dict[str, Fields] = {}
        """Fields that would be created, or changed, by object."""
        self._links: set[tuple[str, LinkWanted]] = set()
        """Kinds of links that would be created."""
        self._matched: dict[str, set[str]] = {}
        """Fields by which records are looked up, by object."""
        self._numbers = count(1)  # batches are written in threads, and `next` is atomic

    @property
    def objects(self) -> Mapping[str, ObjectSpec]:
        """What is known of the mapped objects."""
        return self.asked.objects

    @objects.setter
    def objects(self, specs: Mapping[str, ObjectSpec]) -> None:
        self.asked.objects = specs

    # What the CRM has

    def account(self) -> Account:
        """The account that is asked."""
        return self.asked.account()

    def object_names(self) -> Iterable[str]:
        """Names of objects that the CRM has."""
        return self.asked.object_names()

    def facts(self) -> Mapping[str, object]:
        """What functions may need to know about the account."""
        return self.asked.facts()

    def check_creatable(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """As the CRM would."""
        self.asked.check_creatable(object_name, wanted)

    def planned_link(self, object_name: str, wanted: LinkWanted) -> LinkForm:
        """The form of a link that may not exist yet."""
        return self.asked.planned_link(object_name, wanted)

    def describe(self, object_name: str) -> Fields:
        """The fields of an object, those included that would have been created by now."""
        created = self._created.get(object_name, {})
        try:
            self._described[object_name] = self.asked.describe(object_name)
        except NoSuchObjectError:
            if not created:
                raise
        return {**self._described.get(object_name, {}), **created}

    def _exists(self, object_name: str) -> bool:
        """Returns False if the object would be created; it has been described."""
        return object_name in self._described

    def link_form(
        self, object_name: str, wanted: LinkWanted, *, provision: bool = False
    ) -> LinkForm:
        """The form of a link, also of one that would have been created by now."""
        try:
            return self.asked.link_form(object_name, wanted)
        except (NoSuchLinkError, NoSuchObjectError):
            planned = object_name in self._created or (object_name, wanted) in self._links
            if not provision and not planned:
                raise
        form = self.asked.planned_link(object_name, wanted)
        if provision and form.form == "association":
            self._links.add((object_name, wanted))
            self.link_created(object_name, wanted.label or wanted.to)
        return form

    # What would be created

    def provision(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """The fields count as created, and the object too if it is missing."""
        fields = self._created.setdefault(object_name, {})
        fields |= {field.name: planned_info(field) for field in wanted}

    def add_options(self, object_name: str, field_name: str, options: Sequence[str]) -> FieldInfo:
        """The field as it would be with more options."""
        info = self.describe(object_name)[field_name]
        longer = replace(info, options=(*info.options, *options))
        self._created.setdefault(object_name, {})[field_name] = longer
        return longer

    # Records

    def find(
        self,
        object_name: str,
        key_field: str,
        lookups: Sequence[Lookup],
        fields: Sequence[str],
        *,
        exact: bool = False,
        known: int = 0,
    ) -> dict[str, list[Hit]]:
        """Records that exist, or would by now, as they would be."""
        matched = {name for lookup in lookups for name in lookup.match}
        self._matched.setdefault(object_name, set()).update({key_field} | matched)
        old = [
            lookup
            for lookup in lookups
            if not any(crm_id.startswith(NEW) for crm_id in lookup.near.values())
        ]
        hits: dict[str, list[Hit]] = {}
        if old and self._exists(object_name):
            there = self._present(object_name, fields)
            if key_field in self._missing(object_name):
                hits = self._found_by_match(object_name, old, there)
            else:
                hits = self.asked.find(object_name, key_field, old, there, exact=exact, known=known)
        for lookup in lookups:
            hits.setdefault(lookup.key, []).extend(self._planned(object_name, key_field, lookup))
        return {key: self._as_they_would_be(object_name, of_key) for key, of_key in hits.items()}

    def _missing(self, object_name: str) -> set[str]:
        """Fields that the CRM does not have yet."""
        return self._created.get(object_name, {}).keys() - self._described[object_name].keys()

    def _present(self, object_name: str, names: Sequence[str]) -> list[str]:
        missing = self._missing(object_name)
        return [name for name in names if name not in missing]

    def _found_by_match(
        self, object_name: str, lookups: Sequence[Lookup], fields: Sequence[str]
    ) -> dict[str, list[Hit]]:
        """Records by the key of the look-up, of an object that lacks the key field.

        Each match field takes the place of the key.
        """
        hits: dict[str, list[Hit]] = {}
        for name in sorted({name for lookup in lookups for name in lookup.match}):
            asking: dict[str, list[str]] = {}
            for lookup in lookups:
                if lookup.match.get(name) and lookup.key not in hits:
                    asking.setdefault(lookup.match[name], []).append(lookup.key)
            by_value = [Lookup(value, {}) for value in asking]
            for value, found in self.asked.find(object_name, name, by_value, fields).items():
                for key in asking[value]:
                    hits.setdefault(key, []).extend(found)
        return hits

    def _planned(self, object_name: str, key_field: str, lookup: Lookup) -> list[Hit]:
        """Records that would exist by now: by the key, else by a match field."""
        values = {key_field: lookup.key}, dict(lookup.match)
        for by in values:
            crm_ids = [
                crm_id
                for name, value in by.items()
                for crm_id in self.changes.holders(object_name, name, value.casefold())
            ]
            if crm_ids:
                return [Hit(crm_id, {}, {}) for crm_id in dict.fromkeys(crm_ids)]
        return []

    def _as_they_would_be(self, object_name: str, hits: Sequence[Hit]) -> list[Hit]:
        """Hits with the values that would have been written by now, each record once."""
        by_id = {hit.crm_id: hit for hit in reversed(hits)}
        written = self.changes.values(object_name, list(by_id))
        return [
            replace(hit, values={**hit.values, **written.get(hit.crm_id, {})})
            for hit in by_id.values()
        ]

    def read(
        self, object_name: str, crm_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, Hit]:
        """Records as they would be by now."""
        new = [crm_id for crm_id in crm_ids if crm_id.startswith(NEW)]
        old = [crm_id for crm_id in crm_ids if not crm_id.startswith(NEW)]
        hits = {crm_id: Hit(crm_id, {}, {}) for crm_id in new}
        if old:
            hits |= self.asked.read(object_name, old, self._present(object_name, fields))
        return {hit.crm_id: hit for hit in self._as_they_would_be(object_name, [*hits.values()])}

    def locate(self, object_name: str, crm_ids: Sequence[str]) -> Mapping[str, str]:
        """The present CRM id of records; new ones are where they would be."""
        new = {crm_id: crm_id for crm_id in crm_ids if crm_id.startswith(NEW)}
        old = [crm_id for crm_id in crm_ids if crm_id not in new]
        return {**new, **(self.asked.locate(object_name, old) if old else {})}

    # What would be written

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """Note the writes beside what the CRM holds now; all count as taken."""
        updated = [write.crm_id for write in writes if write.crm_id]
        names = sorted({name for write in writes if write.crm_id for name in write.fields})
        before = self.read(object_name, updated, names) if updated and names else {}
        changes = []
        for write in writes:
            crm_id = write.crm_id or f"{NEW}{next(self._numbers)}"
            hit = before.get(crm_id)
            held = {} if hit is None else hit.values
            fields = {name: (held.get(name), value) for name, value in write.fields.items()}
            changes.append(Change(object_name, write.key, write.kind, crm_id, fields))
            self._hold(object_name, key_field, crm_id, write)
        self.changes.add(changes)
        return [RowResult(change.crm_id) for change in changes]

    def _hold(self, object_name: str, key_field: str, crm_id: str, write: Write) -> None:
        matched = self._matched.get(object_name, set())
        values = {
            name: str(value).casefold() for name, value in write.fields.items() if name in matched
        }
        self.changes.hold(object_name, crm_id, {key_field: write.key.casefold()} | values)

    def link(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> list[RowResult]:
        """The links count as made."""
        return [RowResult(crm_id) for crm_id, _ in pairs]

    def unlink(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> Sequence[tuple[str, str]]:
        """The links that would be removed."""
        return pairs

    def attach(self, object_name: str, crm_id: str, file: Attachment, *, new: bool = False) -> bool:
        """The file counts as attached; it is not fetched."""
        return True

    def merge(self, object_name: str, keep_id: str, other_id: str) -> bool:
        """The records count as merged."""
        return True

    def erase(self, object_name: str, crm_id: str) -> bool:
        """The record counts as erased."""
        return True

    def erase_files(self, object_name: str, crm_id: str, is_ours: Callable[[str], bool]) -> int:
        """Files are not looked for."""
        return 0


class DryResults:
    """The results of the rows of a job: all were taken."""

    failure: CrmError | None = None

    def __init__(self) -> None:
        self.by_key: dict[str, RowResult] = {}

    def of(self, write: Write) -> RowResult | None:
        """The result of a row."""
        return self.by_key.get(write.key)


class DryJobs:
    """Jobs that are noted and not begun."""

    def __init__(self, adapter: DryAdapter) -> None:
        self.adapter = adapter

    def run_jobs(
        self,
        object_name: str,
        key_field: str,
        blocks: Callable[[], Iterator[Sequence[Write]]],
        began: Callable[[str], None],
        ended: Callable[[str], None],
        stopping: Callable[[], bool],
    ) -> JobResults:
        """Note the writes; nothing is begun."""
        results = DryResults()
        for block in blocks():
            for start in range(0, len(block), READ_ROWS):
                writes = block[start : start + READ_ROWS]
                noted = self.adapter.write(object_name, key_field, writes)
                results.by_key |= {
                    write.key: result for write, result in zip(writes, noted, strict=True)
                }
        return results

    def finish_job(self, object_name: str, job_id: str) -> None:
        """A job of an earlier run is left alone."""
