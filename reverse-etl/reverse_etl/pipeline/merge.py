"""Records of one key become one: for each field, the newest observation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

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
            if value is not None or rule.clears(name):
                fields[name] = value
                seen[name] = record.seen_us(name)
        for link in record.links:
            links[link.name] = link
            seen[link.name] = record.observed_us

    # What an older version brings keeps the older time, or it would override what is newer than it.
    earlier = {name: at_us for name, at_us in seen.items() if at_us != newest.observed_us}
    if not earlier:
        return newest
    return replace(
        newest,
        fields=fields,
        links=tuple(links.values()),
        file=newest_file(versions),
        earlier=earlier,
        collapsed=tuple(older_sources(versions)),
    )


def newest_file(versions: Sequence[CrmRecord]) -> WantedFile | None:
    """The file of the newest version that has one."""
    files = [record.file for record in versions if record.file is not None]
    return files[-1] if files else None


def older_sources(versions: Sequence[CrmRecord]) -> list[SourceRecord]:
    """The source records of all versions but the newest."""
    sources = [source for record in versions for source in (*record.collapsed, record.source)]
    return sources[:-1]
