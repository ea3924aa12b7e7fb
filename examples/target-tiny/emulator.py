"""Tiny itself, as far as its target needs it.

`python emulator.py PORT` serves an empty account on 127.0.0.1. For tests, GET gives the records of
an object, and `calls`; POST `/next/drop` and `/next/deny` decide what becomes of the next upsert:
it is carried out and never answered, or it is refused.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FIELDS: dict[str, dict[str, dict[str, Any]]] = {
    "people": {
        "name": {"name": "name", "kind": "text", "unique": False},
        "mail": {"name": "mail", "kind": "text", "unique": False},
    },
    "visits": {"person": {"name": "person", "kind": "text", "unique": False}},
}
ROWS: dict[str, dict[str, dict[str, Any]]] = {"people": {}, "visits": {}}
CALLS: list[str] = []
NEXT: list[str] = []


def upsert(kind: str, key: str, row: dict[str, Any]) -> dict[str, Any]:
    """One row's verdict."""
    unknown = set(row) - set(FIELDS[kind]) - {"id"}
    if unknown:
        return {"error": "unknown_field", "message": f"no field {sorted(unknown)}"}
    if "mail" in row and "@" not in str(row["mail"]):
        return {"error": "bad_mail", "message": "not an address"}
    rows = ROWS[kind]
    same_key = (record for record in rows.values() if key in row and record.get(key) == row[key])
    record = rows.get(row.get("id") or "") or next(same_key, None)
    if record is None:
        record = {"id": f"{kind}-{len(rows) + 1}"}
        rows[record["id"]] = record
    record.update({name: value for name, value in row.items() if name != "id"})
    return {"id": record["id"]}


def matching(kind: str, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records that have any value of those wanted."""
    pairs = [pair for values in wanted for pair in values.items()]
    rows = ROWS[kind].values()
    return [row for row in rows if any(row.get(name) == value for name, value in pairs)]


class Tiny(BaseHTTPRequestHandler):
    """Every call."""

    def do_GET(self) -> None:
        """Account, fields, and the records, for tests."""
        parts = self.path.strip("/").split("/")
        if parts == ["me"]:
            CALLS.append(self.path)
            self.answer(200, {"account": "tiny-1"})
        elif parts == ["calls"]:
            self.answer(200, CALLS)
        elif parts[0] == "fields":
            CALLS.append(self.path)
            self.answer(200, list(FIELDS[parts[1]].values()))
        else:
            self.answer(200, list(ROWS[parts[0]].values()))

    def do_POST(self) -> None:
        """New fields, look-ups, writes."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        parts = self.path.strip("/").split("/")
        if parts[0] == "next":
            NEXT.append(parts[1])
            self.answer(200, NEXT)
            return
        CALLS.append(self.path)
        if self.headers.get("Authorization") != "Bearer tiny":
            self.answer(401, {"message": "no such token"})
        elif parts[0] == "fields":
            FIELDS[parts[1]][body["name"]] = body
            self.answer(200, body)
        elif parts[1] == "find":
            self.answer(200, matching(parts[0], body["any"]))
        else:
            self.upsert(parts[0], body)

    def upsert(self, kind: str, body: dict[str, Any]) -> None:
        """A write, unless a test decided what becomes of it."""
        fate = NEXT.pop(0) if NEXT else ""
        if fate == "deny":
            self.answer(403, {"message": "not allowed"})
            return
        verdicts = [upsert(kind, body["key"], row) for row in body["rows"]]
        if fate == "drop":
            self.close_connection = True
        else:
            self.answer(200, verdicts)

    def answer(self, status: int, body: object) -> None:
        """JSON."""
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Tiny) as server:
        server.serve_forever()
