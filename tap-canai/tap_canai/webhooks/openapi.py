"""The receiver's own OpenAPI document, made from the events' schemas."""

from __future__ import annotations

from typing import Any

from tap_canai.webhooks.events import KINDS, event_schema

PATH = "/webhooks/canai"
REFUSALS = {
    401: "No valid bearer token.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The content type is not application/json.",
    422: "The body is none of the events; `error` names the part that is wrong.",
    429: "Too many events from this sender, or too many requests without a valid token; "
    "see Retry-After.",
    503: "The inbox cannot be written at the moment; send it again.",
}


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    metrics = {
        "description": "Metrics.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "canai-webhooks",
            "version": "1",
            "description": "Takes CanAI's webhook events into an inbox.",
        },
        "paths": {
            PATH: {"post": take_an_event()},
            "/healthz": get(
                "Does the process respond?", {"200": response("It does.", {"alive": const(True)})}
            ),
            "/readyz": get("Can events be written?", readiness()),
            "/metrics": get("Metrics for Prometheus", {"200": metrics}),
            "/openapi.json": get(
                "This document",
                {"200": response("The document.", {"openapi": {"type": "string"}})},
            ),
        },
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    }


def take_an_event() -> dict[str, Any]:
    """The operation that takes an event."""
    schema = {"oneOf": [envelope(kind) for kind in KINDS]}
    refusal = {"received": const(False), "error": {"type": "string"}}
    return {
        "summary": "Take an event",
        "security": [{"bearer": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": response("The event is in the inbox, on the disk.", {"received": const(True)}),
            **{str(status): response(text, refusal) for status, text in REFUSALS.items()},
        },
    }


def readiness() -> dict[str, Any]:
    """The responses about readiness."""
    problem = {"ready": const(False), "problem": {"type": "string"}}
    return {
        "200": response("They can.", {"ready": const(True)}),
        "503": response("They cannot.", problem),
    }


def envelope(kind: str) -> dict[str, Any]:
    """The JSON Schema of a whole payload."""
    schema = event_schema(kind)
    data = {name: value for name, value in schema.items() if name not in ("$schema", "title")}
    return {
        "title": kind,
        "type": "object",
        "required": ["event", "timestamp", "data"],
        "properties": {
            "event": const(kind),
            "timestamp": {"type": "string", "format": "date-time"},
            "data": data,
        },
    }


def get(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    """A path with one GET."""
    return {"get": {"summary": summary, "responses": responses}}


def response(text: str, properties: dict[str, Any]) -> dict[str, Any]:
    """A response with a JSON object."""
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def const(value: object) -> dict[str, object]:
    """A schema for one value."""
    return {"const": value}
