"""`canai-webhooks`: receive events, show and keep the inbox, print what to register.

What only the extra `webhooks` installs is imported by the commands that need it.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from singer_kit.command_line import run_command
from singer_kit.settings import checked_url
from singer_kit.times import parse_utc

from tap_canai.audit import open_audit_log
from tap_canai.errors import SettingError
from tap_canai.webhooks.inbox import Inbox, default_url

NAME = "canai-webhooks"
PACKAGES = ("singer_kit", "tap_canai")
"""Those whose code an unexpected error names."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return run_command(
            commands,
            NAME,
            list(sys.argv[1:] if argv is None else argv),
            packages=PACKAGES,
            let_pass=(ImportError,),
        )
    except ImportError as error:
        logging.getLogger(NAME).error(
            "%s is missing. Install tap-canai with its extra: tap-canai[webhooks].", error.name
        )
        return 1


def inbox_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The inbox's URL, from the tap's setting."""
    text = (
        "sqlite:///FILE or postgresql+psycopg://…; by default "
        ".meltano/run/canai-webhooks/inbox.db of the Meltano project."
    )
    return click.option("--inbox-url", envvar="TAP_CANAI_INBOX_URL", default="", help=text)(command)


def audit_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The audit log, from the tap's setting."""
    text = "Where this is recorded: the file or database of the tap's setting audit_log."
    return click.option("--audit-log", envvar="TAP_CANAI_AUDIT_LOG", default="", help=text)(command)


def note(audit_log: str, event: dict[str, Any]) -> None:
    """Record in the audit log what a person had done to the inbox. Raises: FatalError."""
    with open_audit_log(audit_log) as log:
        log.write(event)


def open_inbox(url: str) -> Inbox:
    """The inbox. Raises: SettingError, InboxError."""
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
    "--sender-limit",
    type=click.FloatRange(min=0.1),
    default=1000.0,
    show_default=True,
    help="Events per second per address.",
)
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
    help="Addresses of proxies whose X-Forwarded-For is believed, separated by commas.",
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
def serve_command(**options: Any) -> None:
    """Receive events at POST /webhooks/canai.

    WEBHOOK_SECRET holds the bearer token, or a JSON list of tokens; WEBHOOK_SECRET_FILE names a
    file that does.
    """
    from tap_canai.webhooks.deliverer import Deliverer
    from tap_canai.webhooks.limits import Limits
    from tap_canai.webhooks.pruner import Pruner
    from tap_canai.webhooks.receiver import Receiver
    from tap_canai.webhooks.server import Listening, log_as_json, serve
    from tap_canai.webhooks.tokens import Tokens

    tokens = Tokens.from_environment()
    limits = Limits(options["max_body_bytes"], options["body_timeout_s"], options["sender_limit"])
    listening = Listening(
        options["host"],
        options["port"],
        options["body_timeout_s"],
        options["forwarded_from"],
        options["certificate"],
        options["key"],
    )
    inbox = open_inbox(options["inbox_url"])
    log_as_json(options["log_level"])
    deliverer = Deliverer(
        inbox,
        options["command"],
        options["debounce_s"],
        longest_s=options["deliver_timeout_s"],
    )
    pruner = Pruner(inbox, options["keep_days"])
    receiver = Receiver(inbox, tokens, limits, deliverer if options["command"] else None, pruner)
    serve(receiver.app(), listening)


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

    base = checked_url(url, "--url").removesuffix(PATH)
    registration = {
        "url": base + PATH,
        "events": list(KINDS),
        "auth": {"type": "bearer", "token": "${WEBHOOK_SECRET}"},  # nosec B105  # a variable's name
    }
    click.echo(json.dumps(registration, indent=2))


@commands.group("inbox")
def inbox_commands() -> None:
    """The events that were received."""


@inbox_commands.command("list")
@inbox_option
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--data", is_flag=True, help="With the events' data, which is personal.")
def list_events(inbox_url: str, limit: int, data: bool) -> None:
    """The newest events as JSON lines, newest first."""
    with open_inbox(inbox_url) as inbox:
        delivered = inbox.delivered() or 0
        rows = inbox.recent(limit)
    for row in rows:
        event: dict[str, Any] = {
            "sequence": row.sequence,
            "event_id": row.event_id,
            "event": row.event,
            "at": row.at,
            "received_at": row.received_at,
            "delivered": row.sequence <= delivered,
        }
        if data:
            event["data"] = row.data
        click.echo(json.dumps(event, ensure_ascii=False))


@inbox_commands.command("erase")
@inbox_option
@click.option("--user-id", required=True, help="The user whose events go.")
@audit_option
def erase(inbox_url: str, user_id: str, audit_log: str) -> None:
    """Delete the events of a user, delivered or not."""
    with open_inbox(inbox_url) as inbox:
        erased = inbox.erase(user_id)
    note(audit_log, {"event": "erase", "events": erased})
    click.echo(f"{erased} events erased")


@inbox_commands.command("prune")
@inbox_option
@click.option(
    "--days",
    type=click.FloatRange(min=0),
    required=True,
    help="Keep what was received in this many days.",
)
@audit_option
def prune(inbox_url: str, days: float, audit_log: str) -> None:
    """Delete events that every reader has delivered."""
    with open_inbox(inbox_url) as inbox:
        if inbox.delivered() is None:
            click.echo("nothing pruned: no stream has read the inbox yet")
            return
        pruned = inbox.prune(datetime.now(UTC) - timedelta(days=days))
        note(audit_log, {"event": "prune", "older_than_days": days, "events": pruned})
        click.echo(f"{pruned} events pruned, {inbox.count()} left")


@inbox_commands.command("resend")
@inbox_option
@click.option("--id", "event_ids", multiple=True, help="An event's id; several times for several.")
@click.option("--since", default="", help="All that was received since then, ISO 8601.")
@audit_option
def resend(inbox_url: str, event_ids: Sequence[str], since: str, audit_log: str) -> None:
    """Have events read and delivered again; newer values in the CRM stay."""
    if bool(event_ids) == bool(since):
        raise SettingError("Name events by --id, or a time by --since.")
    try:
        moment = parse_utc(since) if since else None
    except ValueError:
        raise SettingError(
            "--since is not a valid timestamp.", "Use ISO 8601, as in 2026-01-31T00:00:00Z."
        ) from None
    with open_inbox(inbox_url) as inbox:
        resent = inbox.resend(event_ids=event_ids, since=moment)
        note(audit_log, {"event": "resend", "since": since or None, "events": resent})
    click.echo(f"{resent} events will be read again")
