"""`mapping check --online`, and what it prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from reverse_etl.errors import AwaitedError, RowError
from reverse_etl.mapping.compiler import RuleCompiler
from reverse_etl.objects import FieldWanted
from reverse_etl.pipeline.crm_objects import CrmObjects
from reverse_etl.pipeline.online_check import CheckedRule, OnlineCheck
from reverse_etl.records import SourceRecord
from reverse_etl.singer.sample_messages import SampleMessages
from reverse_etl.singer.target import CrmTarget
from reverse_etl.values import FieldInfo, Value


def check_online(plugin: CrmTarget, samples: SampleMessages) -> list[CheckedRule]:
    """Every rule against the CRM; nothing is written. Raises: FatalError."""
    rules = plugin.rules
    adapter, provisions = plugin.open_adapter(), bool(plugin.config.get("provision"))
    crm = CrmObjects(adapter, rules, provisions)
    compiler = RuleCompiler(
        plugin.mapping.functions(),
        adapter.facts(),
        crm.currencies(rules),
        adds_options=bool(plugin.config.get("add_options")),
    )
    check = OnlineCheck(crm, compiler, samples.schemas)
    return [check.check(rule) for rule in rules]


def lines_of(
    checked: Sequence[CheckedRule], samples: SampleMessages, *, values: bool
) -> Iterator[str]:
    """What to know about rules that fit: what would be created, notes, and samples."""
    for entry in checked:
        rule = entry.rule
        if entry.created:
            created = ", ".join(described(field) for field in entry.created)
            yield f"{rule.file}: provision would create in {rule.object}: {created}"
        for note in entry.notes:
            yield f"{rule.file}: {note}"
        if samples.schemas and rule.stream not in samples.schemas:
            yield f"{rule.file}: the input has no SCHEMA of {rule.stream}; its paths are unchecked"
        yield from sample_lines(entry, samples, values=values)


def described(field: FieldWanted) -> str:
    """A field that would be created, with its kind."""
    parts = [f"refers to {field.refers}" if field.refers else field.kind]
    if field.options:
        parts.append(f"{len(field.options)} options")
    if field.unique:
        parts.append("unique")
    return f"{field.name} ({', '.join(parts)})"


def sample_lines(entry: CheckedRule, samples: SampleMessages, *, values: bool) -> Iterator[str]:
    """What a rule makes of the first records of its stream."""
    compiled = entry.compiled
    if compiled is None:
        return
    for number, record in enumerate(samples.records.get(entry.rule.stream, ()), 1):
        place = f"{entry.rule.file}: record {number} of {entry.rule.stream}"
        try:
            mapped = compiled.map(SourceRecord(entry.rule.stream, str(number), record, 0))
        except AwaitedError:
            yield f"{place} waits: another stream brings its key"
        except RowError as error:
            yield f"{place} would be rejected: {error.code}: {error.message}"
        else:
            if mapped is None or mapped.leaving:
                yield f"{place} is filtered out"
                continue
            yield f"{place} gives"
            for name, value in mapped.fields.items():
                shown = str(value) if values else masked(compiled.info(name), value)
                yield f"  {name}: {'(empty)' if value is None else shown}"


def masked(info: FieldInfo, value: Value) -> str:
    """What a value is, without saying it: a sample may be of a person."""
    if value in info.options or isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and info.kind == "text":
        return f"text of {len(value)} characters"
    if isinstance(value, tuple):
        return f"{len(value)} options"
    return "a number" if isinstance(value, (int, Decimal)) else f"a {info.kind}"
