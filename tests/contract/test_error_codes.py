"""Vendor error codes and the verdict each ends as, answered by a server that says just that.

row     that row is a dead letter
batch   the whole call is refused without a name: it is halved down to the row
run     every row would meet it: the run stops, with what to do
retry   the call, or the row, is sent again
lookup  the CRM may have carried it out: it is looked up before it is sent again
budget  nothing more is written in this run
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.errors import (
    AmbiguousAnswerError,
    BatchRejectedError,
    BudgetSpentError,
    CrmError,
    RowError,
)

from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm
from writes import create, update


@dataclass
class Stub:
    """A server that gives one answer once, then success."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    success: bytes = b""
    asked: int = 0
    url: str = ""


@pytest.fixture
def stub() -> Iterator[Stub]:
    answer = Stub()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer.asked += 1
            first = answer.asked == 1
            body = answer.body if first else answer.success
            self.send_response(answer.status if first else 200)
            for name, value in (
                {**answer.headers} if first else {"Content-Type": "application/json"}
            ).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PATCH = do_PUT = do_GET = respond  # noqa: N815  # the names http.server calls

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    answer.url = f"http://127.0.0.1:{server.server_port}"
    yield answer
    server.shutdown()
    thread.join()
    server.server_close()


def verdict(stub: Stub, crm: Crm, kind: str = "create") -> str:
    """What the adapter makes of the stub's answer to one write."""
    stub.success = json.dumps(crm.created("5")).encode()
    adapter = crm.adapter(crm.client(stub.url))
    write = create("user-1") if kind == "create" else update("user-1", "7")
    try:
        (result,) = adapter.write(crm.people, crm.person_key, [write])
    except BatchRejectedError as rejected:
        return "batch" if rejected.fault.hint else "batch without a hint"
    except BudgetSpentError:
        return "budget"
    except AmbiguousAnswerError:
        return "lookup"
    except RowError:
        return "row"
    except CrmError as error:
        return "run" if error.hint else "run without a hint"
    if result.fault is not None:
        assert result.fault.hint
        return "retry" if result.again else "row"
    return "retry" if stub.asked > 1 else "nothing"


SALESFORCE_ROWS = [
    ("REQUIRED_FIELD_MISSING", "row"),
    ("INVALID_EMAIL_ADDRESS", "row"),
    ("STRING_TOO_LONG", "row"),
    ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "row"),
    ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "row"),
    ("DUPLICATE_VALUE", "row"),
    ("DUPLICATES_DETECTED", "row"),
    ("DUPLICATE_EXTERNAL_ID", "row"),
    ("ENTITY_IS_DELETED", "row"),
    ("INVALID_CROSS_REFERENCE_KEY", "row"),
    ("INSUFFICIENT_ACCESS_OR_READONLY", "row"),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "row"),
    ("MALFORMED_ID", "row"),
    ("INVALID_TYPE_ON_FIELD_IN_RECORD", "row"),
    ("NUMBER_OUTSIDE_VALID_RANGE", "row"),
    ("UNABLE_TO_LOCK_ROW", "retry"),
    ("STORAGE_LIMIT_EXCEEDED", "run"),
    ("INVALID_FIELD_FOR_INSERT_UPDATE", "run"),
    ("INVALID_FIELD", "row"),
]
SALESFORCE_CALLS = [
    (401, "INVALID_SESSION_ID", "Session expired or invalid", "retry"),
    (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", "budget"),
    (
        403,
        "REQUEST_LIMIT_EXCEEDED",
        "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
        "retry",
    ),
    (403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.", "run"),
    (403, "API_CURRENTLY_DISABLED", "API is currently disabled", "run"),
    (404, "NOT_FOUND", "The requested resource does not exist", "run"),
    (400, "JSON_PARSER_ERROR", "Unexpected character", "batch"),
    (400, "INVALID_FIELD", "No such column 'X__c' on sobject of type Contact", "run"),
    (500, "UNKNOWN_EXCEPTION", "An unexpected error occurred", "retry"),
    (503, "SERVER_UNAVAILABLE", "The server is temporarily unavailable", "retry"),
]


def test_the_table_has_the_forty_codes_it_is_said_to_have() -> None:
    of_salesforce = len(SALESFORCE_ROWS) + len(SALESFORCE_CALLS)
    assert of_salesforce + len(HUBSPOT_CALLS) + len(PIPEDRIVE_CALLS) >= 40


SPECS = Path(os.environ.get("CRM_SPECS_DIR", "/nonexistent"))
NOT_OF_ROWS = {"INVALID_FIELD"}
"""Answered where a row names a hidden field; the WSDL has it among the API's fault codes."""


@pytest.mark.skipif(
    not SPECS.is_dir(), reason="CRM_SPECS_DIR names no folder of vendor specifications"
)
def test_the_row_codes_of_salesforce_are_status_codes_of_the_wsdl() -> None:
    known = set(
        json.loads((SPECS / "salesforce" / "statuscode-enum-v63.json").read_text())["values"]
    )
    assert {code for code, _ in SALESFORCE_ROWS} - known - NOT_OF_ROWS == set()


@pytest.mark.parametrize(("code", "expected"), SALESFORCE_ROWS)
def test_salesforce_row_codes(stub: Stub, code: str, expected: str) -> None:
    """Source: StatusCode, metadata WSDL v63; those not in it: REST API guide, 2026-11."""
    errors = [{"statusCode": code, "message": "said", "fields": []}]
    stub.body = json.dumps([{"success": False, "errors": errors}]).encode()
    assert verdict(stub, SALESFORCE) == expected
    assert stub.asked == 1


@pytest.mark.parametrize(
    "message",
    [
        "No such column 'X__c' on sobject of type Contact",
        "Unexpected JsonMappingException: No such column 'X__c' on sobject of type Contact",
    ],
)
def test_a_column_that_does_not_exist_is_every_rows_fault(stub: Stub, message: str) -> None:
    errors = [{"statusCode": "INVALID_FIELD", "message": message, "fields": []}]
    stub.body = json.dumps([{"success": False, "errors": errors}]).encode()
    assert verdict(stub, SALESFORCE) == "run"


def test_a_parent_that_lost_its_key_is_one_rows_fault(stub: Stub) -> None:
    errors = [
        {
            "statusCode": "INVALID_FIELD",
            "message": "Foreign key external ID: u-1 not found for field X__c in entity Contact",
        }
    ]
    stub.body = json.dumps([{"success": False, "errors": errors}]).encode()
    assert verdict(stub, SALESFORCE) == "row"


@pytest.mark.parametrize(("status", "code", "message", "expected"), SALESFORCE_CALLS)
def test_salesforce_codes_of_a_call(
    stub: Stub, status: int, code: str, message: str, expected: str
) -> None:
    """Source: Salesforce REST API guide, Status Codes and Error Responses, 2026-11."""
    stub.status, stub.body = status, json.dumps([{"errorCode": code, "message": message}]).encode()
    assert verdict(stub, SALESFORCE) == expected


def refused(category: str, message: str, code: str = "", **more: Any) -> dict[str, Any]:
    errors = (
        [{"message": message, "code": code, "context": {"propertyName": ["x"]}}] if code else []
    )
    return {"status": "error", "category": category, "message": message, "errors": errors, **more}


def partly(category: str, message: str) -> dict[str, Any]:
    item = {
        "status": "error",
        "category": category,
        "message": message,
        "context": {"objectWriteTraceId": ["row-0"]},
    }
    return {"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [item]}


HUBSPOT_CALLS: list[tuple[int, dict[str, Any], str]] = [
    (207, partly("VALIDATION_ERROR", "INVALID_EMAIL: Email address is invalid"), "row"),
    (207, partly("VALIDATION_ERROR", "INVALID_OPTION: not one of the allowed options"), "row"),
    (207, partly("CONFLICT", "Contact already exists. Existing ID: 12"), "row"),
    (200, {"status": "COMPLETE", "results": []}, "retry"),
    (400, refused("VALIDATION_ERROR", "Invalid input"), "batch"),
    (400, refused("VALIDATION_ERROR", "INVALID_EMAIL", "INVALID_EMAIL"), "batch"),
    (400, refused("VALIDATION_ERROR", "Property does not exist", "PROPERTY_DOESNT_EXIST"), "run"),
    (400, refused("VALIDATION_ERROR", "read only", "READ_ONLY_VALUE"), "run"),
    (409, refused("CONFLICT", "Contact already exists. Existing ID: 12"), "batch"),
    (401, refused("INVALID_AUTHENTICATION", "Authentication credentials not found"), "run"),
    (403, refused("MISSING_SCOPES", "This app hasn't been granted all required scopes"), "run"),
    (423, refused("LOCKED", "locked by a bulk write"), "retry"),
    (
        429,
        refused(
            "RATE_LIMITS",
            "You have reached your ten_secondly_rolling limit.",
            policyName="TEN_SECONDLY_ROLLING",
        ),
        "retry",
    ),
    (
        429,
        refused("RATE_LIMITS", "You have reached your daily limit.", policyName="DAILY"),
        "budget",
    ),
    (477, refused("MIGRATION_IN_PROGRESS", "in migration"), "retry"),
    (500, refused("INTERNAL_ERROR", "internal error"), "retry"),
    (502, {}, "retry"),
    (503, {}, "retry"),
    (504, {}, "retry"),
    (521, {}, "retry"),
    (523, {}, "retry"),
    (524, {}, "retry"),
]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    HUBSPOT_CALLS,
    ids=[f"{case[0]}-{case[1].get('category', '')}-{case[2]}" for case in HUBSPOT_CALLS],
)
def test_hubspot_codes(stub: Stub, status: int, body: dict[str, Any], expected: str) -> None:
    """Source: HubSpot, Error handling, Usage guidelines, batch specifications, read 2026-11-23."""
    stub.status, stub.body = status, json.dumps(body).encode()
    assert verdict(stub, HUBSPOT) == expected


def error_body(error: str, code: int, **more: Any) -> bytes:
    return json.dumps(
        {"success": False, "error": error, "error_info": "", "errorCode": code, **more}
    ).encode()


PIPEDRIVE_CALLS: list[tuple[str, int, bytes, dict[str, str], str]] = [
    ("create", 400, error_body("Parameters validation failed: emails", 400), {}, "batch"),
    ("create", 401, error_body("unauthorized access", 401), {}, "run"),
    ("create", 402, error_body("feature_capping_deals_limit", 402), {}, "run"),
    ("create", 403, error_body("Scope and URL mismatch", 403), {}, "run"),
    ("create", 403, b"<html>Attention Required! | Cloudflare</html>", {}, "run"),
    ("update", 404, error_body("Person not found", 404), {}, "batch"),
    (
        "create",
        429,
        error_body("request over limit", 429),
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"},
        "retry",
    ),
    (
        "create",
        429,
        error_body("request over daily limit", 429),
        {"x-daily-ratelimit-token-remaining": "0"},
        "budget",
    ),
    ("create", 500, error_body("Internal server error", 500), {}, "lookup"),
    ("update", 500, error_body("Internal server error", 500), {}, "retry"),
    ("create", 502, b"", {}, "lookup"),
    ("update", 503, b"", {}, "retry"),
    ("create", 200, b'{"success": true, "data": null}', {}, "lookup"),
]
"""A call holds one record, so that a refused batch is that row."""


@pytest.mark.parametrize(("kind", "status", "body", "headers", "expected"), PIPEDRIVE_CALLS)
def test_pipedrive_codes(
    stub: Stub, kind: str, status: int, body: bytes, headers: dict[str, str], expected: str
) -> None:
    """Source: Pipedrive, Rate limiting, Status codes, read 2026-11-23; openapi-v2 (2026-08)."""
    stub.status, stub.body, stub.headers = status, body, headers
    assert verdict(stub, PIPEDRIVE, kind) == expected
