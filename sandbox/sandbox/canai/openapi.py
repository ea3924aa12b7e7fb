"""The export API's OpenAPI document, at `/canai/docs/api`."""

from __future__ import annotations

from typing import Any

from sandbox.canai.fields import EXPORT_TYPES

TEXTS = {"type": "array", "items": {"type": "string"}}
REQUEST: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["export_type", "data_fields", "format"],
    "properties": {
        "export_type": {"enum": list(EXPORT_TYPES)},
        "date_range": {
            "type": "object",
            "required": ["start", "end"],
            "properties": {
                "start": {"type": "string", "format": "date-time"},
                "end": {"type": "string", "format": "date-time"},
            },
        },
        "user_filters": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "user_ids": TEXTS,
                "subscription_tiers": {"type": "array", "items": {"enum": ["standard", "premium"]}},
                "journey_stages": {
                    "type": "array",
                    "items": {"enum": [f"F{number}" for number in range(1, 10)]},
                },
                "product_tracks": {
                    "type": "array",
                    "items": {"enum": ["business_builder", "social_email", "site_audit"]},
                },
            },
        },
        "data_fields": {**TEXTS, "minItems": 1},
        "format": {"enum": ["json", "csv", "xml"]},
        "include_metadata": {"type": "boolean"},
        "anonymize_data": {"type": "boolean"},
        "compliance_mode": {"enum": ["gdpr_export", "ccpa_export"]},
    },
}
KNOWN_FIELDS = {"type": "array", "items": {"enum": ["all"]}, "minItems": 1}
DOCUMENTED = {
    **REQUEST,
    "properties": {
        **REQUEST["properties"],
        "data_fields": {"anyOf": [KNOWN_FIELDS, {**TEXTS, "minItems": 1}]},
    },
}
"""The request as documented: field names depend on the export type, `all` is valid for each."""
CHUNK = {
    "type": "object",
    "required": ["download_url", "file_size_bytes", "record_count"],
    "properties": {
        "download_url": {"type": "string", "format": "uri"},
        "file_size_bytes": {"type": "integer"},
        "record_count": {"type": "integer"},
    },
}
ENVELOPE = {
    "type": "object",
    "required": ["data", "error", "metadata"],
    "properties": {
        "data": {
            "type": "object",
            "nullable": True,
            "required": ["export_id", "status"],
            "properties": {
                "export_id": {"type": "string"},
                "status": {"type": "string", "enum": ["processing", "ready", "failed"]},
                "download_url": {"type": "string", "format": "uri"},
                "chunks": {"type": "array", "items": CHUNK},
                "expires_at": {"type": "string", "format": "date-time"},
                "record_count": {"type": "integer"},
                "file_size_bytes": {"type": "integer"},
                "format": {"type": "string", "enum": ["json", "csv", "xml"]},
            },
        },
        "error": {
            "type": "object",
            "nullable": True,
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "object"},
            },
        },
        "metadata": {
            "type": "object",
            "required": ["export_created_at", "processing_time_ms", "request_id"],
            "properties": {
                "export_created_at": {"type": "string", "format": "date-time"},
                "processing_time_ms": {"type": "integer"},
                "request_id": {"type": "string"},
            },
        },
    },
}


STATUSES = {
    200: "Ready, or failed",
    202: "Being made",
    400: "Bad field or range",
    401: "Bad key",
    403: "No permission",
    404: "No such export",
    429: "Too many requests",
}


def responses(*statuses: int) -> dict[str, Any]:
    """Responses of these statuses, which all have the envelope."""
    content = {"application/json": {"schema": ENVELOPE}}
    return {
        str(status): {"description": STATUSES[status], "content": content} for status in statuses
    }


def create_operation() -> dict[str, Any]:
    """`POST /v1/export`."""
    return {
        "summary": "Ask for an export",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": DOCUMENTED}},
        },
        "responses": responses(200, 202, 400, 401, 403, 429),
    }


def get_operation() -> dict[str, Any]:
    """`GET /v1/export/{export_id}`."""
    export_id = {
        "name": "export_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
    }
    return {
        "summary": "An export that was asked for before",
        "parameters": [export_id],
        "responses": responses(200, 202, 401, 403, 404, 429),
    }


def openapi() -> dict[str, Any]:
    """The document."""
    return {
        "openapi": "3.0.3",
        "info": {"title": "CanAI export API", "version": "v1"},
        "servers": [{"url": "/canai"}],
        "security": [{"key": []}],
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/v1/export": {"post": create_operation()},
            "/v1/export/{export_id}": {"get": get_operation()},
        },
    }
