"""What every adapter keeps to, whatever its CRM: a suite that runs for any adapter described to it.

Subclass `AdapterSuite`, and give it a fixture `subject` that describes the adapter, an object of
its CRM, and how to look into the CRM past the adapter. `test_adapters.py` does so for the three
targets on the sandbox and for examples/target-tiny on its emulator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from reverse_etl.crm.adapter import Adapter, Hit, Lookup, RowResult
from reverse_etl.errors import (
    AmbiguousAnswerError,
    BatchRejectedError,
    BudgetSpentError,
    CrmError,
    RowError,
)
from reverse_etl.objects import FieldWanted, LinkWanted, ObjectSpec
from reverse_etl.records import Write
from reverse_etl.values import Value, canonical

from writes import create, update


@dataclass(frozen=True)
class Linked:
    """An object whose records are linked to those of the subject's."""

    kind: str
    key_field: str
    fields: Mapping[str, Value]
    """Values that a new record needs beside its key."""
    links: Callable[[], Sequence[tuple[str, str]]]
    """Ids of the records at the two ends of each link, as the CRM shows them."""


@dataclass(frozen=True)
class Subject:
    """An adapter, and what the suite has to know of its CRM, which is empty."""

    adapter: Adapter
    account_id: str
    """As the CRM itself names the account."""
    kind: str
    """An object with a key field and a match field."""
    key_field: str
    match_field: str
    text_field: str
    number_field: str
    """Fields that may hold anything; like the key field they do not exist yet."""
    fields: Mapping[str, Value]
    """Values that a new record needs beside its key."""
    bad: Mapping[str, Value]
    """Values that the CRM refuses, as the fault of their record alone."""
    missing_id: str
    """An id that no record has."""
    linked: Linked
    held: Callable[[], Mapping[str, str]]
    """Ids of the object's records by key, as the CRM shows them."""
    calls: Callable[[], int]
    """Calls that the CRM has answered to the adapter, without those that sign in."""
    lose_response: Callable[[], None]
    """Let the next create be carried out, and its response be lost."""
    deny: Callable[[], None]
    """Let the next create be refused for an error that would fail every row."""

    @property
    def spec(self) -> ObjectSpec:
        known = self.adapter.objects.get(self.kind)
        if known is None:
            assert self.adapter.default_object is not None
            known = replace(self.adapter.default_object, name=self.kind)
        return known

    @property
    def wanted(self) -> list[FieldWanted]:
        """The fields to be provisioned."""
        return [
            FieldWanted(self.key_field, "text", unique=True),
            FieldWanted(self.text_field, "text"),
            FieldWanted(self.number_field, "number"),
        ]

    def provisioned(self) -> Subject:
        """The same, once the CRM has the fields and the adapter has seen them."""
        self.adapter.describe(self.kind)
        self.adapter.provision(self.kind, self.wanted)
        self.adapter.describe(self.kind)
        return self

    def new(self, number: int, **more: Value) -> Write:
        """A record to be created."""
        key = f"key-{number}"
        values = {self.key_field: key, self.match_field: mail(number), **self.fields, **more}
        return create(key, values)

    def write(self, *writes: Write) -> list[RowResult]:
        """Results of writes, in calls that hold as many as the CRM takes."""
        rows = min(lane.rows_a_call for lane in self.spec.lanes if not lane.job)
        return [
            result
            for start in range(0, len(writes), rows)
            for result in self.adapter.write(
                self.kind, self.key_field, writes[start : start + rows]
            )
        ]

    def create(self, count: int) -> list[str]:
        """Ids of new records."""
        return ids_of(self.write(*(self.new(number) for number in range(count))))

    def find(self, *lookups: Lookup, exact: bool = True) -> dict[str, list[Hit]]:
        """Hits; as the core does, the match field is among the fields asked for."""
        names = [self.match_field, self.text_field]
        return self.adapter.find(self.kind, self.key_field, lookups, names, exact=exact)

    def read(self, *ids: str) -> dict[str, Hit]:
        return self.adapter.read(
            self.kind, ids, [self.key_field, self.match_field, self.text_field, self.number_field]
        )


def mail(number: int) -> str:
    """The match field's value for a record."""
    return f"n{number}@example.com"


def ids_of(results: Sequence[RowResult]) -> list[str]:
    """Ids of rows that were all taken."""
    assert [result.fault for result in results] == [None] * len(results)
    return [str(result.crm_id) for result in results]


def fault_of(call: Callable[[], RowResult]) -> RowError:
    """The fault of a row, returned for it or for the batch that it is alone in."""
    try:
        result = call()
    except BatchRejectedError as rejected:
        return rejected.named.get(0, rejected.fault)
    assert result.fault is not None
    return result.fault


class AdapterSuite:
    """The tests; a subclass has a fixture `subject`, the adapter and what to know of its CRM."""

    @pytest.fixture
    def ready(self, subject: Subject) -> Subject:
        """The subject with its fields in place."""
        return subject.provisioned()

    def test_the_account_is_the_crms(self, subject: Subject) -> None:
        assert subject.adapter.account().id == subject.account_id

    def test_facts_are_keyword_arguments_of_functions(self, subject: Subject) -> None:
        facts: Mapping[str, Any] = subject.adapter.facts()
        assert all(name.isidentifier() for name in facts)

    def test_fields_that_are_provisioned_are_described_with_their_kinds(
        self, subject: Subject
    ) -> None:
        before = subject.adapter.describe(subject.kind)
        assert subject.match_field in before
        assert not {field.name for field in subject.wanted} & before.keys()
        subject.adapter.provision(subject.kind, subject.wanted)
        after = subject.adapter.describe(subject.kind)
        assert before.keys() < after.keys()
        for field in subject.wanted:
            assert [after[field.name].name, after[field.name].kind] == [field.name, field.kind]
            assert after[field.name].writable
        assert after[subject.key_field].unique == subject.spec.unique_keys

    def test_creates_answer_ids_in_order(self, ready: Subject) -> None:
        ids = ready.create(5)
        assert ready.held() == {f"key-{number}": crm_id for number, crm_id in enumerate(ids)}

    def test_a_create_by_key_is_repeatable_where_the_spec_says_so(self, ready: Subject) -> None:
        if ready.spec.upserts:
            assert ready.create(3) == ready.create(3)
            assert len(ready.held()) == 3

    def test_values_come_back_as_they_were_written(self, ready: Subject) -> None:
        values: dict[str, Value] = {
            ready.text_field: "Zoë's “bakery”, & more",
            ready.number_field: Decimal("12.5"),
        }
        (crm_id,) = ids_of(ready.write(ready.new(1, **values)))
        hit = ready.read(crm_id)[crm_id]
        assert hit.crm_id == crm_id
        assert hit.values == {ready.key_field: "key-1", ready.match_field: mail(1), **values}

    def test_an_update_by_id_changes_its_fields_alone(self, ready: Subject) -> None:
        first, second = ready.create(2)
        (updated,) = ids_of(ready.write(update("key-0", first, {ready.text_field: "changed"})))
        assert updated == first
        hits = ready.read(first, second)
        assert hits[first].values[ready.text_field] == "changed"
        assert hits[first].values[ready.match_field] == mail(0)
        assert hits[second].values.get(ready.text_field) is None

    def test_records_are_found_by_key_and_by_match_field_in_batches(self, ready: Subject) -> None:
        ids = ready.create(4)
        by_key = [Lookup(f"key-{number}", {}) for number in (0, 1)]
        by_match = [Lookup(f"other-{n}", {ready.match_field: mail(n)}) for n in (2, 3)]
        unknown = [
            Lookup(f"unknown-{n}", {ready.match_field: f"unknown{n}@example.com"})
            for n in range(120)
        ]
        hits = ready.find(*by_key, *unknown, *by_match)
        assert {key: [hit.crm_id for hit in found] for key, found in hits.items()} == {
            "key-0": [ids[0]],
            "key-1": [ids[1]],
            "other-2": [ids[2]],
            "other-3": [ids[3]],
        }
        values = hits["other-2"][0].values
        assert [values[ready.key_field], values.get(ready.text_field)] == ["key-2", None]

    def test_a_record_found_by_key_and_by_match_field_is_one_hit(self, ready: Subject) -> None:
        (crm_id,) = ready.create(1)
        hits = ready.find(Lookup("key-0", {ready.match_field: mail(0)}))
        assert [hit.crm_id for hit in hits["key-0"]] == [crm_id]

    def test_read_leaves_out_what_is_missing(self, ready: Subject) -> None:
        (crm_id,) = ready.create(1)
        assert ready.read(crm_id, ready.missing_id).keys() == {crm_id}
        assert ready.read(ready.missing_id) == {}

    def test_a_bad_row_is_named_or_rejects_its_batch(self, ready: Subject) -> None:
        bad = ready.new(1, **ready.bad)
        error = fault_of(lambda: ready.write(bad)[0])
        assert error.code
        assert ready.held() == {}
        lane = next(lane for lane in ready.spec.lanes if not lane.job)
        if lane.rows_a_call == 1:
            return
        try:
            first, second, third = ready.write(ready.new(0), bad, ready.new(2))
        except BatchRejectedError as rejected:
            named = rejected.named
        else:
            assert second.fault is not None
            assert second.fault.hint
            kept = ids_of([first, third])
            assert ready.held() == dict(zip(("key-0", "key-2"), kept, strict=True))
            return
        assert named.keys() <= {1}
        assert ready.held() == {}

    def test_an_error_that_would_fail_every_row_says_what_to_do(self, ready: Subject) -> None:
        ready.deny()
        with pytest.raises(CrmError) as raised:
            ready.write(ready.new(1))
        assert raised.value.hint
        assert ready.held() == {}

    def test_a_lost_response_leaves_one_record(self, ready: Subject) -> None:
        ready.lose_response()
        if ready.spec.upserts:
            (crm_id,) = ids_of(ready.write(ready.new(1)))
            assert ready.held() == {"key-1": crm_id}
            return
        with pytest.raises(AmbiguousAnswerError):
            ready.write(ready.new(1))
        hits = ready.find(Lookup("key-1", {}, recent=True), exact=True)
        assert {"key-1": hits["key-1"][0].crm_id} == ready.held()

    def test_a_link_requested_twice_is_one_link(self, ready: Subject) -> None:
        child, adapter = ready.linked, ready.adapter
        adapter.describe(child.kind)
        adapter.provision(child.kind, [FieldWanted(child.key_field, "text", unique=True)])
        infos = adapter.describe(child.kind)
        (parent_id,) = ready.create(1)
        new = create("child", {child.key_field: "child", **child.fields})
        (child_id,) = ids_of(adapter.write(child.kind, child.key_field, [new]))
        form = adapter.link_form(child.kind, LinkWanted(ready.kind))
        for _ in range(2):
            if form.form == "association" or form.later:
                results = adapter.link(child.kind, form, [(child_id, parent_id)])
            else:
                value = canonical(infos[form.field], parent_id)
                reference = update("child", child_id, {form.field: value})
                results = adapter.write(child.kind, child.key_field, [reference])
            assert [result.fault for result in results] == [None]
        assert child.links() == [(child_id, parent_id)]

    def test_calls_are_counted_by_object_and_purpose(self, ready: Subject) -> None:
        (crm_id,) = ready.create(1)
        ready.find(Lookup("key-0", {}))
        ready.read(crm_id)
        counted = ready.adapter.calls.by_purpose
        for purpose in ("write", "find", "read"):
            assert counted[ready.kind, purpose] == 1
        assert ready.adapter.calls.total == ready.calls()

    def test_no_call_goes_beyond_the_limit(self, ready: Subject) -> None:
        ready.adapter.calls.limit = ready.adapter.calls.total + 1
        ready.adapter.describe(ready.kind)
        made = ready.calls()
        with pytest.raises(BudgetSpentError, match="max_api_calls"):
            ready.write(ready.new(1))
        assert ready.calls() == made
