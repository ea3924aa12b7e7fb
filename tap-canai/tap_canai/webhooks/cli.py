"""`canai-webhooks`: take events in, show and keep the inbox, print what to register in the platform."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from tap_canai.errors import SettingError, TapError
from tap_canai.times import parse_utc

NAME = "canai-webhooks"


def inbox_option(command: Any) -> Any:
    """The inbox's URL, as the tap has it."""
    text = "sqlite:///FILE or postgresql+psycopg://…; by default .meltano/run/canai-webhooks/inbox.db of the Meltano project."
    return click.option("--inbox-url", envvar="TAP_CANAI_INBOX_URL", default="", help=text)(command)


def open_inbox(url: str) -> Any:
    """The inbox. Raises: TapError."""
    from tap_canai.webhooks.inbox import Inbox, default_url

    return Inbox.open(url or default_url())


@click.group()
def commands() -> None:
    """CanAI's webhooks: a receiver with an inbox, which the stream `events` of tap-canai reads."""


@commands.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8090, show_default=True, help="Port to listen on.")
@inbox_option
@click.option(
    "--deliver",
    "command",
    default="",
    help='Command to start when events wait, as in "meltano run events-to-hubspot".',
)
@click.option(
    "--debounce-s",
    type=click.FloatRange(min=0),
    default=0.2,
    show_default=True,
    help="Seconds between an event and that start.",
)
@click.option(
    "--deliver-timeout-s",
    type=click.FloatRange(min=1),
    default=3600.0,
    show_default=True,
    help="Seconds until that command is ended.",
)
@click.option(
    "--max-body-bytes",
    type=click.IntRange(min=1),
    default=1024 * 1024,
    show_default=True,
    help="Largest body.",
)
@click.option(
    "--body-timeout-s",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    help="Seconds for a request's head, then its body.",
)
@click.option(
    "--sender-limit", type=click.FloatRange(min=0.1), default=1000.0, show_default=True, help="Events a second of one address."
)  # fmt: skip
@click.option(
    "--keep-days",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Days that delivered events are kept.",
)
@click.option(
    "--forwarded-from",
    default="",
    help="Addresses of proxies whose X-Forwarded-For is believed, with commas between.",
)
@click.option(
    "--certificate",
    type=click.Path(exists=True),
    help="TLS certificate; without it put a proxy with TLS in front.",
)
@click.option("--key", type=click.Path(exists=True), help="The certificate's key.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
)
def serve_command(**given: Any) -> None:
    """Take events in at POST /webhooks/canai. WEBHOOK_SECRET holds the bearer token, or a JSON list of tokens."""
    from tap_canai.webhooks.app import Limits, Receiver
    from tap_canai.webhooks.delivering import Deliverer
    from tap_canai.webhooks.limits import Tokens
    from tap_canai.webhooks.pruning import prune_by_the_hour
    from tap_canai.webhooks.serving import log_as_json, serve

    tokens = Tokens.of(
        os.environ.get("WEBHOOK_SECRET", "")
    )  # no option: a process's arguments are for everybody to see
    inbox = open_inbox(given["inbox_url"])
    log_as_json(given["log_level"])
    deliverer = None
    if given["command"]:
        deliverer = Deliverer(
            inbox, given["command"], given["debounce_s"], longest_s=given["deliver_timeout_s"]
        )
    limits = Limits(given["max_body_bytes"], given["body_timeout_s"], given["sender_limit"])
    receiver = Receiver(inbox, tokens, limits, deliverer)
    prune_by_the_hour(inbox, given["keep_days"])
    serve(
        receiver.app(),
        given["host"],
        given["port"],
        head_s=given["body_timeout_s"],
        forwarded_from=given["forwarded_from"],
        certificate=given["certificate"] or "",
        key=given["key"] or "",
    )


@commands.command("config")
@click.option(
    "--url",
    required=True,
    help="Where the platform reaches the receiver, as https://hooks.example.com/webhooks/canai.",
)
def config(url: str) -> None:
    """Print what to register in the platform: the export guide's object."""
    from tap_canai.webhooks.events import KINDS
    from tap_canai.webhooks.openapi import PATH

    if not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise SettingError(
            "The URL is not https.", "Only this machine may be called by plain http."
        )
    whole = url if url.rstrip("/").endswith(PATH) else url.rstrip("/") + PATH
    click.echo(
        json.dumps(
            {
                "url": whole,
                "events": list(KINDS),
                "auth": {"type": "bearer", "token": "${WEBHOOK_SECRET}"},
            },
            indent=2,
        )
    )


@commands.group("inbox")
def inbox_commands() -> None:
    """The events that were taken in."""


@inbox_commands.command("list")
@inbox_option
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--data", is_flag=True, help="With the events' data, which is personal.")
def list_events(inbox_url: str, limit: int, data: bool) -> None:
    """The newest events as JSON lines, newest first."""
    inbox = open_inbox(inbox_url)
    delivered = inbox.delivered() or 0
    for row in inbox.recent(limit):
        told = {
            "sequence": row.sequence,
            "event_id": row.event_id,
            "event": row.event,
            "at": row.at,
            "received_at": row.received_at,
        }
        told |= {"delivered": row.sequence <= delivered, **({"data": row.data} if data else {})}
        click.echo(json.dumps(told, ensure_ascii=False))


@inbox_commands.command("prune")
@inbox_option
@click.option(
    "--days",
    type=click.FloatRange(min=0),
    required=True,
    help="Keep what was received in this many days.",
)
def prune(inbox_url: str, days: float) -> None:
    """Delete events that every reader has delivered."""
    inbox = open_inbox(inbox_url)
    if inbox.delivered() is None:
        click.echo("nothing pruned: no stream has read the inbox yet")
        return
    click.echo(
        f"{inbox.prune(datetime.now(UTC) - timedelta(days=days))} events pruned, {inbox.count()} left"
    )


@inbox_commands.command("resend")
@inbox_option
@click.option("--id", "event_ids", multiple=True, help="An event's id; several times for several.")
@click.option("--since", default="", help="All that was received since then, ISO 8601.")
def resend(inbox_url: str, event_ids: Sequence[str], since: str) -> None:
    """Have events read and delivered again; what the CRM knows newer stays."""
    if bool(event_ids) == bool(since):
        raise SettingError("Name events by --id, or a time by --since.")
    try:
        moment = parse_utc(since) if since else None
    except ValueError:
        raise SettingError(
            "--since is no timestamp.", "Give ISO 8601, as in 2026-01-31T00:00:00Z."
        ) from None
    done = open_inbox(inbox_url).resend(event_ids=event_ids, since=moment)
    click.echo(f"{done} events will be read again")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: errors a person can act on are one line, without a traceback."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        code = commands(
            args=list(sys.argv[1:] if argv is None else argv), prog_name=NAME, standalone_mode=False
        )
    except TapError as error:
        logging.getLogger(NAME).error("%s", error)
        return 1
    except ImportError as error:
        logging.getLogger(NAME).error(
            "%s is missing. Install tap-canai with its extra: tap-canai[webhooks].", error.name
        )
        return 1
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return 1
    return code if isinstance(code, int) else 0
