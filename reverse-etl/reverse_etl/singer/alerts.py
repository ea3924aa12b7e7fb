"""Alerts: one message to a chat whenever the state that runs end in changes.

A state is `failed`, `part` (delivered, except for open dead letters or records that were not
attempted), `silent` (the source has sent nothing for long) or `ok`. The last state that was sent is
kept beside the reports, so that there is one message when a state begins and one when it ends.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
from singer_kit.http import BROKEN_OFF, new_session
from singer_kit.private_files import make_private_folder, replace_private
from singer_kit.settings import LOOPBACK

from reverse_etl.errors import SettingError

logger = logging.getLogger(__name__)

STATE_FILE = "alert.json"
TIMEOUT_S = (5.0, 10.0)
"""To connect, and for the answer: an alert must not hold a run up."""
LONGEST_CAUSE = 400
MOST_REASONS = 5
ACCEPTED = range(200, 300)
SIGNALLED = 128
"""Exit codes of 128 and more: a signal stopped the run, which is not a failure."""
DEFAULT_SILENCE_H = 72

Kind = Literal["ok", "part", "failed", "silent"]


@dataclass(frozen=True, slots=True)
class State:
    """The state that a run ended in; another `cause` is another state."""

    kind: Kind
    cause: str = ""
    text: str = ""
    """What the message says of it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What is known from earlier runs."""

    kind: str = "ok"
    cause: str = ""
    received_at: str = ""
    """When a run last received a record, in UTC; empty if none has."""


@dataclass(frozen=True, slots=True)
class Alerts:
    """Sends to a chat's incoming webhook."""

    url: str
    target: str
    folder: Path
    silence_h: float = DEFAULT_SILENCE_H

    @classmethod
    def of(cls, config: Mapping[str, Any], target: str, folder: Path) -> Alerts:
        """As the settings say."""
        url = str(config.get("alert_url") or "").strip()
        return cls(url, target, folder, float(config.get("alert_silence_h", DEFAULT_SILENCE_H)))

    def check(self) -> None:
        """Raises: SettingError if `alert_url` is nothing that can be posted to."""
        if self.url and not self._can_be_sent():
            raise SettingError(
                "alert_url is not a valid https URL; plain http is for this machine only.",
                "Give the chat's incoming webhook, whole.",
            )

    def _can_be_sent(self) -> bool:
        try:
            parts = urlsplit(self.url)
            host, _ = parts.hostname, parts.port
        except ValueError:  # a port that is not a number, a bracket without its pair
            return False
        allowed = ("https", "http") if host in LOOPBACK else ("https",)
        return bool(host) and parts.scheme in allowed

    def after(self, report: Mapping[str, Any], now: datetime | None = None) -> None:
        """Send what changed with a run. An alert that cannot be sent is a warning, and due again.

        `report` is the run's, as `latest.json` holds it.
        """
        if not self._can_be_sent() or int(report["exit_code"] or 0) >= SIGNALLED:
            return
        if not report["exit_code"] and not report["run_id"]:
            return  # an empty input: no account was opened, so nothing was found out
        at = now or datetime.now(UTC)
        before = self._sent()
        received_at = before.received_at
        if any(report["received"].values()) or not received_at:
            received_at = at.isoformat()
        state = self._state(report, at - datetime.fromisoformat(received_at), received_at)
        sent = Sent(state.kind, state.cause, received_at)
        changed = (before.kind, before.cause) != (state.kind, state.cause)
        if changed and not self._send(report, state):
            sent = Sent(before.kind, before.cause, received_at)
        self._keep(sent)

    def _state(self, report: Mapping[str, Any], silent: timedelta, received_at: str) -> State:
        if report["exit_code"]:
            message = str(report["message"])[:LONGEST_CAUSE]
            # Counts and times in a message differ from run to run, and do not make another state.
            return State("failed", re.sub(r"\d+", "#", message), f"failed: {message.rstrip('.')}")
        reasons = by_reason(report["dead_letters"])
        missed = sum(counts["not_attempted"] for counts in report["objects"].values())
        if reasons or missed:
            cause = json.dumps([sorted(reasons), bool(missed)])
            return State("part", cause, f"delivered in part: {in_part(reasons, missed)}")
        if self.silence_h and silent >= timedelta(hours=self.silence_h):
            text = f"works, but the source has sent no record since {received_at[:16]} UTC"
            return State("silent", "", text)
        return State("ok", "", "delivers everything again")

    def _send(self, report: Mapping[str, Any], state: State) -> bool:
        """Post the message; returns True if it was accepted."""
        where = f"exit code {report['exit_code']}, run {report['run_id'] or 'not begun'}"
        answer = "no answer"
        with suppress(requests.RequestException, *BROKEN_OFF), new_session(self.url) as session:
            response = session.post(
                self.url,
                json={"text": f"{self.target} {state.text} ({where})."},
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
            if response.status_code in ACCEPTED:
                return True
            answer = str(response.status_code)
        logger.warning("the alert was not accepted (%s); the next run sends it again", answer)
        return False

    def _sent(self) -> Sent:
        """What was sent last; nothing if the file does not exist or is damaged."""
        try:
            kept = json.loads((self.folder / STATE_FILE).read_text(encoding="utf-8"))
            datetime.fromisoformat(kept["received_at"])
            return Sent(str(kept["kind"]), str(kept["cause"]), str(kept["received_at"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Sent()

    def _keep(self, sent: Sent) -> None:
        try:
            make_private_folder(self.folder)
            content = json.dumps(asdict(sent)).encode()
            replace_private(self.folder / STATE_FILE, content)
        except OSError as error:
            logger.warning("the alert's state cannot be kept (%s)", error.strerror)


def by_reason(letters: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """How many letters there are by rule and code."""
    number: dict[tuple[str, str], int] = {}
    for letter in letters:
        reason = (letter["rule"], letter["code"])
        number[reason] = number.get(reason, 0) + 1
    return number


def in_part(reasons: Mapping[tuple[str, str], int], missed: int) -> str:
    """What is missing: dead letters by code and rule, the most frequent first, and records."""
    ordered = sorted(reasons.items(), key=lambda item: -item[1])
    parts = [f"{count} × {code} in {rule}" for (rule, code), count in ordered[:MOST_REASONS]]
    if len(ordered) > MOST_REASONS:
        parts.append(f"{len(ordered) - MOST_REASONS} more reasons")
    letters = f"{sum(reasons.values())} dead letters are open: {', '.join(parts)}"
    said = [letters] if reasons else []
    return "; ".join([*said, f"{missed} records were not attempted"] if missed else said)
