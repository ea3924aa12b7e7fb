"""The command `explain`: the way of one record, from the ledger alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from singer_kit.command_line import config_option
from sqlalchemy import Engine, select

from reverse_etl.ledger import Scope
from reverse_etl.ledger.history import History
from reverse_etl.ledger.tables import RUN
from reverse_etl.singer.configured import configured, open_ledger
from reverse_etl.singer.letter_output import tries
from reverse_etl.singer.target import CrmTarget

STATES = {
    "pending": "a create was intended, and its end is not known yet: the next run looks it up",
    "settled": "in the CRM",
    "dead": "rejected",
    "gone": "people deleted or merged it in the CRM",
}


def explain_command(target: type[CrmTarget]) -> click.Command:
    """The command `explain` of a target."""

    @click.command("explain")
    @click.option("--key", required=True, help="Source key of the record, or its upsert key.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, by account.")
    @config_option
    def explain(key: str, as_json: bool, config_files: Sequence[str]) -> int:
        """Say where a record is, what waits of it and what was rejected.

        The ledger alone is read, of every account, and no value is shown. The exit code is 1 if
        the ledger does not know the key.
        """
        plugin = configured(target, config_files)
        with open_ledger(plugin) as engine:
            histories = {
                account: content
                for account in accounts(engine, plugin.crm)
                if any(
                    (content := History(engine, Scope(plugin.crm, account), key).content()).values()
                )
            }
        if as_json:
            click.echo(json.dumps(histories, indent=2))
        elif not histories:
            click.echo("the ledger does not know this key", err=True)
        for account, content in () if as_json else histories.items():
            click.echo(f"account {account}")
            for line in described(content):
                click.echo(f"  {line}")
        return int(not histories)

    return explain


def accounts(engine: Engine, crm: str) -> list[str]:
    """The accounts of a CRM that a run has opened and the ledger still knows."""
    query = select(RUN.c.account).where(RUN.c.crm == crm).distinct().order_by(RUN.c.account)
    with engine.connect() as connection:
        return list(connection.scalars(query))


def described(history: Mapping[str, Any]) -> Iterator[str]:
    """What is known of a key in one account, as lines."""
    for tombstone in history["erased"]:
        yield f"erased on {tombstone['erased_at']}: no record of {tombstone['object']} goes out"
    for record in history["records"]:
        yield from record_lines(record)
    for rule in history["filtered"]:
        yield f"rule {rule['rule']} filtered it, observed {rule['observed_at']}"
    for row in history["waiting"]:
        what = "the record waits" if row["whole_record"] else "a link waits"
        yield (
            f"{row['object']} {row['key']}: {what} since {row['since']} for {row['waits_for']} "
            f"{row['with_key']} (rule {row['rule']})"
        )
    for letter in history["dead_letters"]:
        closed = f", closed {letter['closed_at']}" if letter["closed_at"] else ""
        yield f"dead letter of rule {letter['rule']} ({tries(letter)}{closed})"
        yield f"  {letter['stage']}/{letter['code']}: {letter['message']}"
        yield f"  To do: {letter['hint']}"


def record_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """Where a record is, and what it is known to hold."""
    place = f" as {record['crm_id']}" if record["crm_id"] else ""
    yield f"{record['object']} {record['key']}: {STATES[record['state']]}{place}"
    if record.get("damaged"):
        yield "  its entry is damaged: the next run looks the record up"
        return
    if record["moved"]:
        yield "  it is under another CRM id than before"
    if record["claimed_until"]:
        yield f"  a process writes it, until {record['claimed_until']} at the latest"
    run = record["written_by"]
    if run is not None:
        yield f"  written last by the run of {run['began_at']} (exit code {run['exit_code']})"
    if record["seen_in_crm_at"]:
        yield f"  seen in the CRM on {record['seen_in_crm_at']}"
    if record["delivered_by"]:
        yield f"  delivered by the rules {', '.join(record['delivered_by'])}"
    for name, observed_at in record["observed"].items():
        yield f"  {name}: as the source held it on {observed_at or 'an unknown day'}"
    for name, ids in record["linked"].items():
        yield f"  {name}: {', '.join(ids)}"
