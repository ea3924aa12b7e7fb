"""A plan that people approve: one JSON file with what would be done, signed, and the input.

Each change and each message of the input is a line, so that a large plan is written and read piece
by piece. The signature is an HMAC of every byte before its own line. The file holds personal data:
only its owner can read it.
"""

from __future__ import annotations

import hmac
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from reverse_etl.dry_run.approved import ApprovedChanges
from reverse_etl.dry_run.changes import Changes
from reverse_etl.errors import SettingError
from reverse_etl.ledger.database import to_json

FORMAT = 1
CHANGES, INPUT, END = b'  "changes": [\n', b'  "input": [\n', b"  ],\n"
SIGNATURE = b'  "signature": '
METHOD = "hmac-sha256"


@dataclass(frozen=True, slots=True)
class PlanHead:
    """What a plan says besides its changes and its input."""

    id: str
    target: str
    account: str
    mapping: str
    """The hash of the mapping that it was made with."""
    made_at: str
    expires_at: str
    records: Mapping[str, int]
    """How many records of each object the ledger would know."""
    report: Mapping[str, Any]
    """The report of the dry run."""

    def fields(self) -> dict[str, Any]:
        """The head as a JSON object."""
        return {
            "format": FORMAT, "id": self.id, "target": self.target, "account": self.account,
            "mapping": self.mapping, "made_at": self.made_at, "expires_at": self.expires_at,
            "records": dict(self.records), "report": dict(self.report),
        }  # fmt: skip

    @property
    def has_expired(self) -> bool:
        """True once the plan may no longer be applied."""
        return datetime.fromisoformat(self.expires_at) <= datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A plan as its file says it; its signature is right."""

    head: PlanHead
    signature: str
    changes: ApprovedChanges


class Signed:
    """A file of bytes that are signed as they are written or read."""

    def __init__(self, key: bytes) -> None:
        self._hash = hmac.new(key, digestmod="sha256")

    def add(self, line: bytes) -> bytes:
        """The line, which counts from now on."""
        self._hash.update(line)
        return line

    def signature(self) -> str:
        """The signature of all lines so far."""
        return f"{METHOD}:{self._hash.hexdigest()}"


def write_plan(
    path: Path, head: PlanHead, changes: Changes, lines: Iterable[str], key: bytes
) -> None:
    """Write a plan that only its owner can read, whole or not at all. Raises: SettingError."""
    name = ""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "wb") as file:
            signed = Signed(key)
            for line in plan_lines(head, changes, lines):
                file.write(signed.add(line))
            file.write(SIGNATURE + json.dumps(signed.signature()).encode() + b"\n}\n")
        os.replace(name, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(name)
        raise SettingError(
            f"The plan cannot be written to {path} ({error.strerror}).",
            "Name a file in a folder that can be written.",
        ) from None


def plan_lines(head: PlanHead, changes: Changes, lines: Iterable[str]) -> Iterator[bytes]:
    """The lines of a plan before its signature."""
    text = json.dumps(head.fields(), indent=2)
    yield (text.rstrip().removesuffix("}").rstrip() + ",\n").encode()
    yield CHANGES
    yield from listed(
        to_json({**change.report(), "planned_id": change.crm_id}) for change in changes
    )
    yield END
    yield INPUT
    yield from listed(line.rstrip("\r\n") for line in lines if not line.isspace())
    yield END


def listed(items: Iterable[str]) -> Iterator[bytes]:
    """The items of a JSON array, one a line."""
    last: str | None = None
    for item in items:
        if last is not None:
            yield f"    {last},\n".encode(errors="surrogateescape")
        last = item
    if last is not None:
        yield f"    {last}\n".encode(errors="surrogateescape")


def read_plan(path: Path, key: bytes, messages: IO[str]) -> ReadPlan:
    """A plan whose signature is right; its input goes into `messages`. Raises: SettingError."""
    changes = ApprovedChanges()
    try:
        with path.open("rb") as file:
            head, signature = read_lines(file, Signed(key), changes, messages)
            known = PlanHead(**{name: head[name] for name in PlanHead.__slots__})
    except OSError as error:
        raise SettingError(
            f"The plan {path} cannot be read ({error.strerror}).", "Name the file of `plan --out`."
        ) from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise changed_plan(path) from None
    if not signature:
        raise changed_plan(path)
    return ReadPlan(known, signature, changes)


def read_lines(
    file: IO[bytes], signed: Signed, changes: ApprovedChanges, messages: IO[str]
) -> tuple[dict[str, Any], str]:
    """Head and signature of a plan; the signature is empty if it is wrong. Raises: ValueError."""
    lines = iter(file)
    head: list[bytes] = []
    for line in lines:
        signed.add(line)
        if line == CHANGES:
            break
        head.append(line)
    changes.add(items(lines, signed))
    if signed.add(next(lines, b"")) != INPUT:
        raise ValueError
    for item in items(lines, signed):
        messages.write(item.decode(errors="surrogateescape") + "\n")
    expected = signed.signature()
    rest = b"".join(lines)
    is_right = hmac.compare_digest(rest, SIGNATURE + json.dumps(expected).encode() + b"\n}\n")
    fields = json.loads(b"".join(head).rstrip().removesuffix(b",") + b"}")
    return fields, expected if is_right else ""


def items(lines: Iterator[bytes], signed: Signed) -> Iterator[bytes]:
    """The items of an array up to its end. Raises: ValueError if it has none."""
    for line in lines:
        signed.add(line)
        if line == END:
            return
        yield line.strip().removesuffix(b",")
    raise ValueError


def changed_plan(path: Path) -> SettingError:
    """The error of a plan whose signature is wrong."""
    return SettingError(
        f"{path} was changed after it was made, or was made beside another ledger.",
        "Make a new plan with `plan --out`, and apply it where it was made.",
    )
