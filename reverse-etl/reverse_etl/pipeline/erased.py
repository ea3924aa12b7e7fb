"""Records of people who were erased, or are now: they end between receive and map.

Invalid ones end here too, or their dead letters would hold the person again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from reverse_etl.crm.adapter import Adapter
from reverse_etl.errors import GuardError
from reverse_etl.ledger import Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.computation import BAD_RECORD
from reverse_etl.mapping.persons import Belongings, Person
from reverse_etl.mapping.rules import Rule
from reverse_etl.pipeline.erasing import Erasure
from reverse_etl.records import Outcome, Received, SourceRecord


@dataclass(slots=True)
class ErasedPeople:
    """Keeps the erased out of a run, and erases people that the source has deleted."""

    adapter: Adapter
    ledger: Ledger
    rules: Sequence[Rule]
    erase_deleted: bool = False
    max_erasures: int = 10
    clean_files: Callable[[Ledger], int] = lambda ledger: 0
    _done: int = field(default=0)

    def sift(
        self, rules: Sequence[CompiledRule], received: Received, drain: Callable[[], None]
    ) -> Received:
        """A block without records of erased people, each of which is an outcome of its own.

        `drain` sends what is gathered. Raises: GuardError, CrmError, LedgerError.
        """
        if self.erase_deleted:
            self._erase(rules, received, drain)
        objects = self.ledger.tombstones.objects()
        if not objects:
            return received
        sources = [*received.records, *(outcome.source for outcome in received.ended)]
        erased = self._erased(rules, sources, objects)
        if not erased:
            return received
        ended = [outcome for outcome in received.ended if id(outcome.source) not in erased]
        ended += [Outcome("erased", source) for source in sources if id(source) in erased]
        kept = [source for source in received.records if id(source) not in erased]
        return Received(kept, ended)

    def _erased(
        self,
        rules: Sequence[CompiledRule],
        sources: Sequence[SourceRecord],
        objects: frozenset[str],
    ) -> set[int]:
        """Which of these records belong to someone who was erased, by identity."""
        keys: dict[str, dict[str, list[int]]] = {}
        for rule in rules:
            for source in sources:
                for person in self._people(rule, source, objects):
                    holders = keys.setdefault(person.object, {}).setdefault(person.key, [])
                    holders.append(id(source))
        return {
            source
            for object_name, of_keys in keys.items()
            for key in self.ledger.tombstones.among(object_name, of_keys)
            for source in of_keys[key]
        }

    def _people(
        self, rule: CompiledRule, source: SourceRecord, objects: frozenset[str]
    ) -> Iterator[Person]:
        """The people that a record may belong to, of the objects that have tombstones."""
        if rule.object in objects:
            key = rule.key_in(source)
            if key is not None:
                yield Person(rule.object, key)
        for link in rule.links:
            if link.form.to in objects and not link.form.found_by:
                try:
                    to_key = link.key(source.values)
                except BAD_RECORD:
                    continue
                if to_key is not None:
                    known = self.ledger.keys.canonical(link.form.to, to_key)
                    yield Person(link.form.to, known)

    def _erase(
        self, rules: Sequence[CompiledRule], received: Received, drain: Callable[[], None]
    ) -> None:
        """Erase the people whose records say that the source has deleted them.

        Raises: GuardError before the first of a block that has too many.
        """
        deleted = [
            outcome.source for outcome in received.ended if outcome.name == "deleted_in_source"
        ]
        people = dict.fromkeys(self._deleted_people(rules, deleted))
        if not people:
            return
        if self._done + len(people) > self.max_erasures:
            raise GuardError(
                f"{self._done + len(people)} people were deleted at the source, more than "
                f"max_erasures allows ({self.max_erasures}).",
                "Check that they are to be erased, then raise max_erasures and run again.",
            )
        drain()
        for person in people:
            belongings = Belongings(self.rules, person, self.ledger.keys.canonical)
            Erasure(self.adapter, self.ledger, belongings, self.clean_files).run("erase_deleted")
            self._done += 1

    def _deleted_people(
        self, rules: Sequence[CompiledRule], deleted: Iterable[SourceRecord]
    ) -> Iterator[Person]:
        """The people of deleted rows, without those that were erased before."""
        for rule in rules:
            if not rule.spec.person:
                continue
            keys = [key for source in deleted if (key := rule.key_in(source)) is not None]
            known = self.ledger.tombstones.among(rule.object, keys)
            yield from (Person(rule.object, key) for key in keys if key not in known)
