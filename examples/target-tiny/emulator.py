"""Tiny itself, as far as its target needs it: `python emulator.py PORT` serves an empty account."""

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


def upsert(kind: str, key: str, row: dict[str, Any]) -> dict[str, Any]:
    """One row's verdict."""
    unknown = set(row) - set(FIELDS[kind]) - {"id"}
    if unknown:
        return {"error": "unknown_field", "message": f"no field {sorted(unknown)}"}
    if "mail" in row and "@" not in str(row["mail"]):
        return {"error": "bad_mail", "message": "not an address"}
    rows = ROWS[kind]
    known = rows.get(row.get("id") or "") or by_key(kind, key, row)
    if known is None:
        crm_id = f"{kind}-{len(rows) + 1}"
        known = rows[crm_id] = {"id": crm_id}
    known.update({name: value for name, value in row.items() if name != "id"})
    return {"id": known["id"]}


def by_key(kind: str, key: str, row: dict[str, Any]) -> dict[str, Any] | None:
    """The row that has the same key."""
    same = (known for known in ROWS[kind].values() if key in row and known.get(key) == row[key])
    return next(same, None)


def matches(row: dict[str, Any], wanted: list[dict[str, Any]]) -> bool:
    """Returns True if a row has any of the values that are wanted."""
    return any(row.get(name) == value for values in wanted for name, value in values.items())


class Tiny(BaseHTTPRequestHandler):
    """Every call."""

    def do_GET(self) -> None:
        """Account, fields, and the records, for tests."""
        parts = self.path.strip("/").split("/")
        if parts == ["me"]:
            self.answer(200, {"account": "tiny-1"})
        elif parts == ["calls"]:
            self.answer(200, CALLS)
        elif parts[0] == "fields":
            self.answer(200, list(FIELDS[parts[1]].values()))
        else:
            self.answer(200, list(ROWS[parts[0]].values()))

    def do_POST(self) -> None:
        """New fields, look-ups, writes."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        CALLS.append(self.path)
        parts = self.path.strip("/").split("/")
        if self.headers.get("Authorization") != "Bearer tiny":
            self.answer(401, {"message": "no such token"})
        elif parts[0] == "fields":
            FIELDS[parts[1]][body["name"]] = body
            self.answer(200, body)
        elif parts[1] == "find":
            rows = ROWS[parts[0]].values()
            self.answer(200, [row for row in rows if matches(row, body["any"])])
        else:
            self.answer(200, [upsert(parts[0], body["key"], row) for row in body["rows"]])

    def answer(self, status: int, body: object) -> None:
        """JSON."""
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Suppresses the log line of each request."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Tiny) as server:
        server.serve_forever()
