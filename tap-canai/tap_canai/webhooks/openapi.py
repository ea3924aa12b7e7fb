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
    429: "Too many events of this sender, or too many requests without a valid token; see Retry-After.",
    503: "The inbox cannot be written at the moment; send it again.",
}


def envelope(kind: str) -> dict[str, Any]:
    """The JSON Schema of a whole payload."""
    data = {
        name: value
        for name, value in event_schema(kind).items()
        if name not in ("$schema", "title")
    }
    return {
        "title": kind,
        "type": "object",
        "required": ["event", "timestamp", "data"],
        "properties": {
            "event": {"const": kind},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": data,
        },
    }


def answer(text: str, properties: dict[str, Any]) -> dict[str, Any]:
    """An answer with a JSON object."""
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    refusal = {"received": {"const": False}, "error": {"type": "string"}}
    text = {"content": {"text/plain": {"schema": {"type": "string"}}}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "canai-webhooks",
            "version": "1",
            "description": "Takes CanAI's webhook events into an inbox.",
        },
        "paths": {
            PATH: {
                "post": {
                    "summary": "Take an event",
                    "security": [{"bearer": []}],
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {
                                "schema": {"oneOf": [envelope(kind) for kind in KINDS]}
                            }
                        },
                    },
                    "responses": {
                        "200": answer(
                            "The event is in the inbox, on the disk.", {"received": {"const": True}}
                        ),
                        **{str(status): answer(told, refusal) for status, told in REFUSALS.items()},
                    },
                }
            },
            "/healthz": {
                "get": {
                    "summary": "Does the process answer?",
                    "responses": {"200": answer("It does.", {"alive": {"const": True}})},
                }
            },
            "/readyz": {
                "get": {
                    "summary": "Can events be written?",
                    "responses": {
                        "200": answer("They can.", {"ready": {"const": True}}),
                        "503": answer(
                            "They cannot.",
                            {"ready": {"const": False}, "problem": {"type": "string"}},
                        ),
                    },
                }
            },
            "/metrics": {
                "get": {
                    "summary": "Metrics for Prometheus",
                    "responses": {"200": {"description": "Metrics.", **text}},
                }
            },
            "/openapi.json": {
                "get": {
                    "summary": "This document",
                    "responses": {"200": answer("It.", {"openapi": {"type": "string"}})},
                }
            },
        },
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    }
