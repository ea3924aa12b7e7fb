"""The page at `/`: what is at the source and in each CRM."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.app import Sandbox

SHOWN = {
    "canai": ["users", "payments", "deliverables", "analytics", "feedback", "sessions"],
    "hubspot": ["contacts", "deals", "notes", "canai_platform_metric", "files"],
    "pipedrive": ["persons", "deals", "notes", "files"],
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
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c2430}
h1{font-size:1.5rem}h2{margin:2rem 0 .3rem;font-size:1.15rem}
table{border-collapse:collapse;width:100%;font-size:.85rem;display:block;overflow-x:auto}
td,th{border-bottom:1px solid #d9dee6;padding:.25rem .6rem;text-align:left;white-space:nowrap}
th{background:#f3f5f9}.count{color:#4a5668}summary{cursor:pointer;padding:.2rem 0}
"""


def sample(rows: list[dict[str, Any]]) -> str:
    """The first rows as a table."""
    flat = [
        {"id": row["id"], **row["properties"]} if "properties" in row else row
        for row in rows[:SAMPLE_ROWS]
    ]
    if not flat:
        return ""
    names = list(dict.fromkeys(name for row in flat for name in row))[:SAMPLE_FIELDS]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    lines = "".join(
        "<tr>"
        + "".join(f"<td>{html.escape(str(row.get(name, '')))[:80]}</td>" for name in names)
        + "</tr>"
        for row in flat
    )
    return f"<table><tr>{head}</tr>{lines}</table>"


def render(sandbox: Sandbox) -> str:
    """The whole page."""
    parts = []
    for crm, names in SHOWN.items():
        emulator = sandbox.emulators[crm]
        log = sandbox.log[crm]
        writes = sum(1 for line in log if line.kind == "write")
        parts.append(
            f"<h2>{TITLES[crm]}</h2><p class=count>{len(log)} requests, {writes} of them writes</p>"
        )
        for name in names:
            rows = emulator.objects(name, None) or []
            parts.append(
                f"<details open><summary><b>{len(rows):,}</b> {name}</summary>{sample(rows)}</details>"
            )
    now = sandbox.clock.now().strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>CanAI sandbox</title><style>{STYLE}</style>"
        f"<h1>CanAI sandbox</h1><p class=count>sandbox time {now}</p>{''.join(parts)}</html>"
    )
