"""The page at `/`: what is at the source and in each CRM."""

from __future__ import annotations

import html
from typing import Any

from sandbox.state import Sandbox

SHOWN = {
    "canai": ["users", "payments", "deliverables", "analytics", "feedback", "sessions"],
    "hubspot": ["contacts", "deals", "notes", "canai_platform_metric", "files"],
    "pipedrive": ["persons", "deals", "organizations", "leads", "products", "notes", "files"],
    "salesforce": [
        "Contact",
        "Opportunity",
        "CanAI_Deliverable__c",
        "CanAI_Platform_Metric__c",
        "ContentVersion",
    ],
}
TITLES = {
    "canai": "CanAI, the source",
    "hubspot": "HubSpot",
    "pipedrive": "Pipedrive",
    "salesforce": "Salesforce",
}
SAMPLE_ROWS = 5
SAMPLE_FIELDS = 8
SAMPLE_CHARACTERS = 80
FONT = "font:15px/1.5 system-ui,sans-serif"
STYLE = f"""
body{{{FONT};margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c2430}}
h1{{font-size:1.5rem}}h2{{margin:2rem 0 .3rem;font-size:1.15rem}}
table{{border-collapse:collapse;width:100%;font-size:.85rem;display:block;overflow-x:auto}}
td,th{{border-bottom:1px solid #d9dee6;padding:.25rem .6rem;text-align:left;white-space:nowrap}}
th{{background:#f3f5f9}}.count{{color:#4a5668}}summary{{cursor:pointer;padding:.2rem 0}}
"""


def render(sandbox: Sandbox) -> str:
    """The whole page."""
    now = sandbox.clock.now().strftime("%Y-%m-%d %H:%M:%S UTC")
    sections = "".join(section(sandbox, crm) for crm in SHOWN)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>CanAI sandbox</title>"
        f"<style>{STYLE}</style><h1>CanAI sandbox</h1>"
        f"<p class=count>sandbox time {now}</p>{sections}</html>"
    )


def section(sandbox: Sandbox, crm: str) -> str:
    """The source or a CRM."""
    log = sandbox.log[crm]
    writes = sum(1 for entry in log if entry.kind == "write")
    parts = [
        f"<h2>{TITLES[crm]}</h2>",
        f"<p class=count>{len(log)} requests, {writes} of them writes</p>",
    ]
    for name in SHOWN[crm]:
        rows = sandbox.emulators[crm].objects(name, None) or []
        summary = f"<summary><b>{len(rows):,}</b> {name}</summary>"
        parts.append(f"<details open>{summary}{sample(rows)}</details>")
    return "".join(parts)


def sample(rows: list[dict[str, Any]]) -> str:
    """The first rows as a table."""
    shown = [flat(row) for row in rows[:SAMPLE_ROWS]]
    if not shown:
        return ""

    names = list(dict.fromkeys(name for row in shown for name in row))[:SAMPLE_FIELDS]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    lines = "".join(f"<tr>{cells(row, names)}</tr>" for row in shown)
    return f"<table><tr>{head}</tr>{lines}</table>"


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row's id and values side by side."""
    return {"id": row["id"], **row["properties"]} if "properties" in row else row


def cells(row: dict[str, Any], names: list[str]) -> str:
    """The cells of a row."""
    texts = [html.escape(str(row.get(name, "")))[:SAMPLE_CHARACTERS] for name in names]
    return "".join(f"<td>{text}</td>" for text in texts)
