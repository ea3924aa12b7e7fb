"""Stage 4, plan: `CrmRecord`s of a rule → writes with just the fields that changed, or a fate without a write.

The ledger says what the CRM holds, by hashes; on a miss `identity` asks the CRM. A field that is older than what the
ledger knows is not sent; a field whose policy depends on the CRM's own value is judged after one batch read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reverse_etl.crm.adapter import Adapter, Hit
from reverse_etl.errors import RowError
from reverse_etl.ledger import Entry, Ledger
from reverse_etl.mapping.compiler import CompiledRule
from reverse_etl.pipeline.identity import Found, resolve
from reverse_etl.pipeline.outcomes import ObjectTally
from reverse_etl.records import CrmRecord, Fate, WantedLink, Write
from reverse_etl.values import FieldInfo, Value, canonical, hash_value, same

JUDGED = ("if_empty", "forward_only")
FILE_MARK = "-> file"
"""How the ledger knows an attachment beside the fields."""


@dataclass(slots=True)
class Plan:
    """What a block of one rule comes to."""

    writes: list[Write] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    """The ledger's entries of the block, by key."""
    claimed: set[str] = field(default_factory=set)
    """Keys that are this run's to write until it gives them back."""
    deferred: list[CrmRecord] = field(default_factory=list)
    """Records whose keys another process is writing."""


@dataclass(slots=True)
class Planner:
    """Plans blocks of records."""

    adapter: Adapter
    ledger: Ledger
    force: bool = False
    regress: bool = False
    attach: bool = False
    """Whether files are attached, so that a record is not done without its file."""

    def plan(self, rule: CompiledRule, records: Sequence[CrmRecord], tally: ObjectTally) -> Plan:
        """Writes and fates for a block; every record gets exactly one of the two."""
        plan = Plan()
        newest = self._collapse(records, plan)
        plan.entries = self.ledger.entries(rule.object, newest)
        self._claim(rule, newest, plan)
        parents = self._parents(rule, newest.values())
        misses = []
        drafts: list[Draft] = []
        for record in newest.values():
            entry = plan.entries.get(record.key)
            if entry is not None and entry.state == "settled" and entry.crm_id is not None:
                self._known(
                    Draft(
                        rule,
                        record,
                        entry,
                        self._references(rule, record, parents),
                        regress=self.regress,
                    ),
                    plan,
                    drafts,
                )
            elif record.leaving:
                plan.fates.append(Fate(record, "filtered"))
            else:
                misses.append(record)
        self._judge(rule, drafts, plan, tally)
        self._missed(rule, misses, parents, plan, tally)
        return plan

    @staticmethod
    def _collapse(records: Sequence[CrmRecord], plan: Plan) -> dict[str, CrmRecord]:
        """One record a key, with the newest observation of each field."""
        by_key: dict[str, list[CrmRecord]] = {}
        for record in records:
            by_key.setdefault(record.key, []).append(record)
        for same_key in by_key.values():
            if len(same_key) > 1:
                same_key.sort(key=lambda one: one.observed_us)
                plan.fates += [Fate(older, "collapsed") for older in same_key[:-1]]
        return {key: merged(same_key) for key, same_key in by_key.items()}

    def _claim(self, rule: CompiledRule, newest: dict[str, CrmRecord], plan: Plan) -> None:
        """Claim what may be written, and look at it afresh; what another process is writing is deferred."""
        wanted = [
            key
            for key, record in newest.items()
            if not self._is_done(record, plan.entries.get(key))
        ]
        plan.claimed = self.ledger.claims.take(rule.object, wanted)
        for key in wanted:
            if key not in plan.claimed:
                plan.deferred.append(newest.pop(key))
                plan.entries.pop(key, None)
        plan.entries |= self.ledger.entries(rule.object, plan.claimed)

    def _is_done(self, record: CrmRecord, entry: Entry | None) -> bool:
        """Whether nothing can be left to do for a record, its links and its file."""
        if (
            self.force
            or entry is None
            or entry.state != "settled"
            or entry.fingerprints.get(record.rule.name) != record.fingerprint
        ):
            return False
        linked = all(
            link.name in entry.marks or link.form.field in entry.marks
            for link in record.links
            if apart(link)
        )
        return linked and (not self.attach or record.file is None or FILE_MARK in entry.marks)

    def _parents(
        self, rule: CompiledRule, records: Iterable[CrmRecord]
    ) -> dict[str, dict[str, str]]:
        forms = [form for _, form in rule.forms if form.form == "reference"]
        wanted: dict[str, list[str]] = {form.to: [] for form in forms}
        for record in records:
            for link in record.links:
                if link.form.to in wanted:
                    wanted[link.form.to].append(link.to_key)
        return {to: self.ledger.crm_ids(to, keys) for to, keys in wanted.items()}

    @staticmethod
    def _references(
        rule: CompiledRule, record: CrmRecord, parents: Mapping[str, Mapping[str, str]]
    ) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for link in record.links:
            parent = (
                parents.get(link.form.to, {}).get(link.to_key)
                if link.form.form == "reference"
                else None
            )
            if parent is not None:
                found[link.form.field] = canonical(rule.reference_infos[link.form.field], parent)
        return found

    def _known(self, draft: Draft, plan: Plan, drafts: list[Draft]) -> None:
        """A record the ledger knows: compare hashes."""
        if (
            not self.force
            and draft.entry is not None
            and draft.entry.fingerprints.get(draft.rule.name) == draft.record.fingerprint
        ):
            plan.fates.append(
                Fate(
                    draft.record,
                    "filtered" if draft.record.leaving else "unchanged",
                    draft.entry.crm_id,
                )
            )
            return
        if draft.rule.rule.mode == "create_only":
            plan.fates.append(Fate(draft.record, "mode"))
            return
        draft.compare_with_ledger(self.force)
        drafts.append(draft)

    def _judge(
        self, rule: CompiledRule, drafts: Sequence[Draft], plan: Plan, tally: ObjectTally
    ) -> None:
        """Read what the CRM holds where a policy depends on it, then decide."""
        ids = [draft.crm_id for draft in drafts if draft.to_judge]
        names = sorted({name for draft in drafts for name in draft.to_judge})
        shown = self.adapter.read(rule.object, ids, names) if ids else {}
        tally.read += len(ids)
        for draft in drafts:
            if draft.to_judge:
                draft.judge(shown.get(draft.crm_id))
            self._finish(draft, plan)

    def _finish(self, draft: Draft, plan: Plan) -> None:
        if draft.changed:
            plan.writes.append(draft.write())
        else:
            plan.fates.append(draft.fate())

    def _missed(
        self,
        rule: CompiledRule,
        misses: Sequence[CrmRecord],
        parents: Mapping[str, Mapping[str, str]],
        plan: Plan,
        tally: ObjectTally,
    ) -> None:
        """Records the ledger does not know: the CRM is asked."""
        if not misses:
            return
        tally.looked_up += len(misses)
        pending = {key for key, entry in plan.entries.items() if entry.state == "pending"}

        def near(record: CrmRecord) -> dict[str, str]:
            return {
                name: str(value) for name, value in self._references(rule, record, parents).items()
            }

        found = resolve(
            rule,
            misses,
            self.adapter,
            self.ledger,
            exact=any(record.key in pending for record in misses),
            near=near,
        )
        for record in misses:
            verdict = found[record.key]
            if not (isinstance(verdict, Found) and not verdict.adopt) and any(
                record.fields.get(name) for name in rule.rule.match_by
            ):
                tally.matched += 1
            references = self._references(rule, record, parents)
            if isinstance(verdict, RowError):
                plan.fates.append(Fate(record, "dead", fault=verdict, stage="plan"))
            elif isinstance(verdict, Found):
                self._seen(rule, record, verdict, references, plan, recovered=record.key in pending)
            else:
                self._new(rule, record, references, plan)

    def _seen(
        self,
        rule: CompiledRule,
        record: CrmRecord,
        found: Found,
        references: Mapping[str, Value],
        plan: Plan,
        *,
        recovered: bool,
    ) -> None:
        if rule.rule.mode == "create_only":
            plan.fates.append(Fate(record, "mode"))
            return
        draft = Draft(
            rule,
            record,
            None,
            references,
            hit=found.hit,
            adopt=found.adopt,
            recovered=recovered and not found.adopt,
            regress=self.regress,
        )
        draft.compare_with_crm()
        self._finish(draft, plan)

    def _new(
        self, rule: CompiledRule, record: CrmRecord, references: Mapping[str, Value], plan: Plan
    ) -> None:
        if rule.rule.mode == "update_only":
            plan.fates.append(Fate(record, "mode"))
            return
        missing = next(
            (
                link
                for link in record.links
                if link.form.form == "reference" and link.form.field not in references
            ),
            None,
        )
        if missing is not None:
            plan.fates.append(Fate(record, "waiting", missing=missing))
            return
        values: dict[str, Value] = {
            name: value
            for name, value in {**record.fields, **references}.items()
            if value is not None
        }
        plan.writes.append(Write(record, "create", values))


def apart(link: WantedLink) -> bool:
    """Whether a link may be a call of its own."""
    return link.form.form == "association" or link.form.later


def merged(records: Sequence[CrmRecord]) -> CrmRecord:
    """Records of one key, oldest first, as the newest one with what it says nothing of from those before.

    A null says something only where it clears the field; a row that leaves `where` stands alone.
    """
    newest = records[-1]
    if newest.leaving:
        return newest
    told: dict[str, Value] = {}
    links: dict[str, WantedLink] = {}
    seen: dict[str, int] = {}
    files = [one.file for one in records if one.file is not None]
    for record in (one for one in records if not one.leaving):
        for name, value in record.fields.items():
            if value is not None or record.rule.fields[name].rule.clear_on_null:
                told[name] = value
                seen[name] = record.seen_us(name)
        for link in record.links:
            links[link.name] = link
            seen[link.name] = record.observed_us
    fields = {**newest.fields, **told}
    earlier = {name: at_us for name, at_us in seen.items() if at_us != newest.observed_us}
    if not earlier:
        return newest
    return replace(
        newest,
        fields=fields,
        links=tuple(links.values()),
        file=files[-1] if files else None,
        earlier=earlier,
        collapsed=tuple(one.source for one in records[:-1]),
    )


@dataclass(slots=True)
class Draft:
    """One record while it is decided what of it is to be sent."""

    rule: CompiledRule
    record: CrmRecord
    entry: Entry | None
    references: Mapping[str, Value]
    hit: Hit | None = None
    adopt: bool = False
    recovered: bool = False
    """A create that an earlier run sent and did not live to record."""
    changed: dict[str, Value] = field(default_factory=dict)
    accepted: dict[str, Value] = field(default_factory=dict)
    to_judge: dict[str, Value] = field(default_factory=dict)
    superseded: int = 0
    kept_back: int = 0
    regress: bool = False
    """Whether a `forward_only` field may go back, which takes a clearing first."""
    cleared_first: list[str] = field(default_factory=list)

    @property
    def crm_id(self) -> str:
        """The record's id in the CRM."""
        return str(self.hit.crm_id if self.hit else self.entry.crm_id if self.entry else "")

    def _policy(self, name: str) -> str:
        if name in self.rule.reference_infos:
            return "on_create" if self.rule.reference_is_on_create(name) else "always"
        return self.rule.fields[name].rule.write

    def _info(self, name: str) -> FieldInfo:
        return (
            self.rule.reference_infos[name]
            if name in self.rule.reference_infos
            else self.rule.fields[name].info
        )

    def _values(self) -> list[tuple[str, Value]]:
        """Values that may be sent after creation; a null only where it clears."""
        clearing = self.record.leaving
        return [
            (name, value)
            for name, value in {**self.record.fields, **self.references}.items()
            if self._policy(name) != "on_create"
            and (
                value is not None
                or clearing
                or (name in self.rule.fields and self.rule.fields[name].rule.clear_on_null)
            )
        ]

    def compare_with_ledger(self, force: bool) -> None:
        """What differs from the hashes, and is not older."""
        assert self.entry is not None
        for name, value in self._values():
            mark = self.entry.marks.get(name)
            if mark is None and value is None:
                continue
            if mark is not None and mark.hash == hash_value(value) and not force:
                continue
            if mark is not None and mark.observed_us > self.record.seen_us(name):
                self.superseded += 1
            elif self._policy(name) in JUDGED:
                self.to_judge[name] = value
            else:
                self.changed[name] = value

    def compare_with_crm(self) -> None:
        """What differs from the values that the CRM showed: the source wins where the ledger knows nothing."""
        assert self.hit is not None
        for name, value in self._values():
            held = self.hit.values.get(name)
            if self._policy(name) in JUDGED:
                self.to_judge[name] = value
            elif same(self._info(name), held, value) or (
                name in self.rule.rule.match_by and not self.adopt
            ):
                self.accepted[name] = value
            else:
                self.changed[name] = value
        for name in (*self.record.fields, *self.references):
            if self._policy(name) == "on_create" and self.hit.values.get(name) is not None:
                self.accepted[name] = self.hit.values[name]  # recorded as it stands
        self.judge(self.hit)

    def judge(self, hit: Hit | None) -> None:
        """Fields whose policy depends on what the CRM holds."""
        for name, value in self.to_judge.items():
            held = hit.values.get(name) if hit else None
            if same(self._info(name), held, value):
                self.accepted[name] = value
            elif held is None or (
                self._policy(name) == "forward_only" and self._is_forward(name, held, value)
            ):
                self.changed[name] = value
            elif self.regress and self._policy(name) == "forward_only":
                self.changed[name] = value
                self.cleared_first.append(name)
            else:
                self.kept_back += 1
        self.to_judge = {}

    def _is_forward(self, name: str, held: Value, value: Value) -> bool:
        order = self.rule.fields[name].order
        ranks = {option: rank for rank, option in enumerate(order)}
        return ranks.get(str(value), -1) > ranks.get(str(held), -1)

    def write(self) -> Write:
        """The write of what changed."""
        current = self.hit.current if self.hit else None
        return Write(
            self.record,
            "update",
            self.changed,
            self.crm_id,
            self.accepted,
            current,
            self.kept_back,
            recovered=self.recovered,
            cleared_first=tuple(self.cleared_first),
            whole=not self.superseded,
        )

    def fate(self) -> Fate:
        """The fate where nothing is left to send."""
        name = (
            "created"
            if self.recovered
            else "kept_by_crm"
            if self.kept_back
            else "superseded"
            if self.superseded
            else "unchanged"
        )
        if self.record.leaving:
            name = "filtered"
        return Fate(self.record, name, self.crm_id, self.accepted, whole=not self.superseded)  # type: ignore[arg-type]
