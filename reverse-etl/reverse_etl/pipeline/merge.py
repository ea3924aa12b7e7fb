"""Records of one key become one: for each field, the newest observation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.records import CrmRecord, Outcome, SourceRecord, WantedFile, WantedLink
from reverse_etl.values import Value


def merge_keys(
    rule: CompiledRule, records: Iterable[CrmRecord]
) -> tuple[dict[str, CrmRecord], list[Outcome]]:
    """One record per key, and the outcomes `collapsed` of the older ones that went into it."""
    by_key: dict[str, list[CrmRecord]] = {}
    for record in records:
        by_key.setdefault(record.key, []).append(record)

    newest: dict[str, CrmRecord] = {}
    collapsed: list[Outcome] = []
    for key, versions in by_key.items():
        if len(versions) == 1:
            newest[key] = versions[0]
            continue
        versions.sort(key=lambda record: record.observed_us)
        newest[key] = merge(rule, versions)
        collapsed += [Outcome.of("collapsed", older) for older in versions[:-1]]
    return newest, collapsed


def merge(rule: CompiledRule, versions: Sequence[CrmRecord]) -> CrmRecord:
    """The newest version, completed with what only older ones say. `versions` are oldest first.

    A null says something only if it clears the field. A record that leaves `where` stands alone.
    """
    newest = versions[-1]
    if newest.leaving:
        return newest

    not_leaving = [record for record in versions if not record.leaving]
    fields: dict[str, Value] = dict(newest.fields)
    links: dict[str, WantedLink] = {}
    seen: dict[str, int] = {}
    for record in not_leaving:
        for name, value in record.fields.items():
            says = value is not None or rule.clears(name)
            if says and is_newest(record, name, seen):
                fields[name] = value
        for link in record.links:
            if is_newest(record, link.name, seen):
                links[link.name] = link
                if link.form.field:
                    seen[link.form.field] = seen[link.name]

    # What an older version brings keeps the older time, or it would override what is newer than it.
    earlier = {name: at_us for name, at_us in seen.items() if at_us != newest.observed_us}
    brings_more = fields != newest.fields or tuple(links.values()) != newest.links
    if not earlier and not brings_more:
        return newest
    return replace(
        newest,
        fields=fields,
        links=tuple(links.values()),
        file=newest_file(versions),
        earlier=earlier,
        collapsed=tuple(older_sources(versions)),
    )


def is_newest(record: CrmRecord, name: str, seen: dict[str, int]) -> bool:
    """Returns True, and notes the time, if no version so far says a field or a link later.

    A version that was merged before carries fields that are older than itself.
    """
    at_us = record.seen_us(name)
    if at_us < seen.get(name, at_us):
        return False
    seen[name] = at_us
    return True


def newest_file(versions: Sequence[CrmRecord]) -> WantedFile | None:
    """The file of the newest version that has one."""
    files = [record.file for record in versions if record.file is not None]
    return files[-1] if files else None


def older_sources(versions: Sequence[CrmRecord]) -> list[SourceRecord]:
    """The source records of all versions but the newest."""
    sources = [source for record in versions for source in record.sources]
    newest = sources[-1]
    distinct = {(source.key, source.observed_us): source for source in sources}
    distinct.pop((newest.key, newest.observed_us))
    return sorted(distinct.values(), key=lambda source: source.observed_us)
