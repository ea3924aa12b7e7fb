"""The rules and their words, as docs/mapping.md shows them."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path

import canai_rules
from generated_settings import choice
from reverse_etl.mapping.link_rules import LinkRule
from reverse_etl.mapping.load import load_rules, schema
from reverse_etl.mapping.objects_file import objects_schema
from reverse_etl.mapping.rules import Example, FieldRule, Rule
from reverse_etl.singer.target import CrmTarget
from target_hubspot.target import TargetHubSpot
from target_pipedrive.target import TargetPipedrive
from target_salesforce.target import TargetSalesforce
from workspace import ROOT

TARGETS: tuple[type[CrmTarget], ...] = (TargetHubSpot, TargetPipedrive, TargetSalesforce)
CRMS = ("salesforce", "hubspot", "pipedrive")


def value_of(field: FieldRule) -> str:
    """Where a field's value comes from, in words."""
    if field.constant is not None:
        return f"`{field.constant}`"
    value = "the record" if field.whole_record else ", ".join(f"`{path}`" for path in field.paths)
    if field.function:
        value = f"`{field.function}` of {value}"
    notes = []
    if field.table:
        notes.append(f"{len(field.table)} values mapped")
    if field.write != "always":
        notes.append(field.write.replace("_", " "))
    if field.max_length:
        notes.append(f"at most {field.max_length}")
    return f"{value} ({', '.join(notes)})" if notes else value


def rule_section(rule: Rule) -> str:
    """A rule in Markdown."""
    matched = ", ".join(f"`{field}`" for field in rule.match_by)
    lines = [
        f"### {rule.name}: `{rule.stream}` → `{rule.object}`",
        "",
        f"Found by `{rule.upsert_key}`{f', otherwise by {matched}' if matched else ''}.",
    ]
    if rule.where:
        lines.append(f"Only rows where `{rule.where}`.")
    lines += [f"Linked to `{link.to}` by {link_key(link)}." for link in rule.links]
    if rule.attach:
        lines.append(
            f"The file at `{rule.attach.url}` goes with it as `{rule.attach.name}`, "
            "if attach_files is on."
        )
    lines += ["", "| CRM field | value |", "| --- | --- |"]
    lines += [f"| `{field.name}` | {value_of(field)} |" for field in rule.fields]
    for example in rule.examples:
        lines += ["", example_sentence(example)]
    return "\n".join(lines)


def link_key(link: LinkRule) -> str:
    """How a link's other end is found, in words."""
    key = ", ".join(f"`{path}`" for path in link.paths)
    if link.setting:
        key = f"the setting `{link.setting}`"
    elif link.fixed:
        key = f"`{link.fixed}`"
    return f"{key}, its `{link.by}`" if link.by else key


def example_sentence(example: Example) -> str:
    """A record and what the rule makes of it."""
    result = f"`{dict(example.gives or {})}`"
    if example.filtered:
        result = "filtered"
    elif example.error:
        result = f"dead letter `{example.error}`"
    return f"Example, {example.title}: `{dict(example.record)}` gives {result}."


def side_by_side() -> str:
    """Every value that a shipped rule takes from a stream, and its field in each CRM."""
    lines = [
        "| stream | value | Salesforce | HubSpot | Pipedrive |",
        "| --- | --- | --- | --- | --- |",
    ]
    for (stream, source), fields in sorted(fields_by_source().items()):
        cells = [", ".join(f"`{name}`" for name in fields.get(crm, [])) or "–" for crm in CRMS]
        lines.append(f"| {stream} | {source} | {' | '.join(cells)} |")
    return "\n".join(lines)


def fields_by_source() -> dict[tuple[str, str], dict[str, list[str]]]:
    """By stream and value, then by CRM: the fields that take it."""
    fields: dict[tuple[str, str], dict[str, list[str]]] = {}
    for target in TARGETS:
        for rule in load_rules(target_rules(target)):
            for field in rule.fields:
                source = ", ".join(field.paths) or f"constant {field.constant}"
                if field.function:
                    source = f"`{field.function}`"
                by_crm = fields.setdefault((rule.stream, source), {})
                by_crm.setdefault(target.crm, []).append(f"{rule.object}.{field.name}")
    return fields


def shipped_rules(target: type[CrmTarget]) -> list[Rule]:
    """A target's rules, then its optional rules under the names that the setting takes."""
    folder = target_rules(target)
    optional = load_rules(folder / "optional") if (folder / "optional").is_dir() else []
    return load_rules(folder) + [replace(rule, name=f"optional/{rule.name}") for rule in optional]


def target_rules(target: type[CrmTarget]) -> Path:
    """The folder of a target's shipped rules."""
    return ROOT / target.name / target.__module__.split(".")[0] / "mappings"


def vocabulary() -> str:
    """The words of a rule, from its JSON Schema."""
    rule = schema()["properties"]
    levels = {
        "": rule,
        "fields.….": schema()["$defs"]["field"]["properties"],
        "links.….": rule["links"]["items"]["properties"],
        "attach.": rule["attach"]["properties"],
    }
    lines = ["| word | what it says |", "| --- | --- |"]
    for prefix, words in levels.items():
        for name, declared in words.items():
            word = schema()["$defs"].get(declared.get("$ref", "").rpartition("/")[2], declared)
            lines.append(f"| `{prefix}{name}` | {word['description']}{choice(word)} |")
    return "\n".join(lines)


def objects_vocabulary() -> str:
    """The words of objects.yml, from its JSON Schema."""
    top = objects_schema()["properties"]
    words = top["objects"]["additionalProperties"]["properties"]
    links = words["links"]["additionalProperties"]["properties"]
    levels = {"": top, "objects.….": words, "objects.….links.….": links}
    lines = ["| word | what it says |", "| --- | --- |"]
    for prefix, level in levels.items():
        lines += [f"| `{prefix}{name}` | {word['description']} |" for name, word in level.items()]
    return "\n".join(lines)


def functions() -> str:
    """The functions that rules may name."""
    lines = ["| function | what it gives |", "| --- | --- |"]
    for name in sorted(canai_rules.__all__):
        text = " ".join((inspect.getdoc(getattr(canai_rules, name)) or "").split())
        lines.append(f"| `{name}` | {text} |")
    return "\n".join(lines)


def all_rules() -> str:
    """Every shipped rule, under its target."""
    sections = []
    for target in TARGETS:
        sections.append(f"## {target.__name__.removeprefix('Target')}")
        sections += [rule_section(rule) for rule in shipped_rules(target)]
    return "\n\n".join(sections)
