"""Generates what repeats the packages' own declarations.

Plugin settings in meltano.yml, tables in the READMEs, .env.example, and parts of docs/mapping.md.

python scripts/generate.py           writes the files
python scripts/generate.py --check   exits with code 1 if a file is out of date
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from generated_rules import (
    TARGETS,
    all_rules,
    functions,
    objects_vocabulary,
    side_by_side,
    vocabulary,
)
from generated_settings import env_example, meltano_yml, settings_table
from sandbox.hubspot.routes import HubSpot
from sandbox.pipedrive.routes import Pipedrive
from sandbox.salesforce.routes import Salesforce
from tap_canai.streams import STREAMS
from tap_canai.tap import TapCanAI
from tap_canai.webhooks.stream import Events
from workspace import ROOT

BEGIN, END = "<!-- generated: {} -->", "<!-- end -->"


def files() -> dict[Path, str]:
    """Every generated file and the content it should have."""
    wanted = {ROOT / "meltano.yml": meltano_yml(), ROOT / ".env.example": env_example()}
    wanted |= filled(
        "tap-canai/README.md", {"streams": streams_table(), "settings": settings_table(TapCanAI)}
    )
    for target in TARGETS:
        wanted |= filled(f"{target.name}/README.md", {"settings": settings_table(target)})
    wanted |= filled(
        "docs/mapping.md",
        {
            "vocabulary": vocabulary(),
            "objects": objects_vocabulary(),
            "functions": functions(),
            "side by side": side_by_side(),
            "rules": all_rules(),
        },
    )
    wanted |= filled("sandbox/README.md", {"emulated": emulated()})
    return wanted


def filled(name: str, parts: dict[str, str]) -> dict[Path, str]:
    """A Markdown file, by its path, with its generated parts replaced."""
    path = ROOT / name
    text = path.read_text(encoding="utf-8")
    for part, content in parts.items():
        begin = BEGIN.format(part)
        if begin not in text:
            raise SystemExit(f"{name} has no line {begin}")
        before, after = text.split(begin, 1)
        text = f"{before}{begin}\n\n{content}\n\n{END}{after.split(END, 1)[1]}"
    return {path: text}


def streams_table() -> str:
    """The tap's streams as a Markdown table."""
    lines = [
        "| stream | export type, record set | primary key | replication key | lookback |",
        "| --- | --- | --- | --- | --- |",
    ]
    streams: tuple[Any, ...] = STREAMS
    for stream in streams:
        export = f"`{stream.export_type}`, `{stream.record_set}`"
        keys = ", ".join(f"`{key}`" for key in stream.primary_keys)
        days = stream.default_lookback_s / 86_400
        lookback = f"{days:g} days" if days >= 1 else f"{stream.default_lookback_s} s"
        lines.append(
            f"| `{stream.name}` | {export} | {keys} | `{stream.replication_key}` | {lookback} |"
        )
    inbox = "the inbox of `canai-webhooks`, where `inbox_url` is set"
    lines.append(f"| `{Events.name}` | {inbox} | `event_id` | `{Events.replication_key}` | – |")
    return "\n".join(lines)


def emulated() -> str:
    """Every call that the sandbox answers."""
    vendors: tuple[Any, ...] = (HubSpot, Pipedrive, Salesforce)
    lines = ["| vendor | call | what it does |", "| --- | --- | --- |"]
    for vendor in vendors:
        for method, template, doc in vendor.router.listed:
            text = doc.splitlines()[0] if doc else ""
            lines.append(f"| {vendor.__name__} | `{method} {template}` | {text} |")
    return "\n".join(lines)


def main() -> int:
    """Write the files that are out of date, or only name them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = {
        path: content
        for path, content in files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    }
    for path, content in stale.items():
        name = path.relative_to(ROOT)
        if check:
            print(f"{name} is out of date: run `make generate`", file=sys.stderr)
        else:
            path.write_text(content, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
