"""The export API's response bodies: the envelope and the `ExportResponse` of the export guide."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sandbox.canai.fields import PRIMARY_KEYS
from sandbox.canai.state import Export, Platform
from sandbox.canai.users import Row
from sandbox.clock import iso
from sandbox.http import Call, Reply

URL_LIFETIME = timedelta(hours=24)


def metadata(platform: Platform) -> dict[str, Any]:
    """`metadata` of a response."""
    return {
        "export_created_at": iso(platform.clock.now()),
        "processing_time_ms": 12,
        "request_id": f"req_{secrets.token_hex(8)}",
    }


def export_reply(platform: Platform, call: Call, export: Export) -> Reply:
    """An export; 202 while it is in the making."""
    envelope = metadata(platform) | {"export_created_at": iso(export.created)}
    processing = export.ready_at is not None and platform.clock.now() < export.ready_at
    if processing or export.failed:
        status = "processing" if processing else "failed"
        data = {"export_id": export.export_id, "status": status}
    else:
        data = ready(platform, call, export)
    body = {"data": data, "error": None, "metadata": envelope}
    return Reply(202 if processing else 200, body)


def ready(platform: Platform, call: Call, export: Export) -> dict[str, Any]:
    """An export with the URLs of its files."""
    urls = download_urls(platform, call, export)
    data: dict[str, Any] = {
        "export_id": export.export_id,
        "status": "ready",
        "expires_at": iso(export.created + URL_LIFETIME),
        "record_count": export.records + export.wrong_by,
        "file_size_bytes": sum(len(content) for content, _ in export.files),
        "format": export.format,
    }
    if not export.chunked:
        return {**data, "download_url": urls[0]}

    chunks = []
    for url, (content, count) in zip(urls, export.files, strict=True):
        chunk = {"download_url": url, "file_size_bytes": len(content), "record_count": count}
        chunks.append(chunk)
    return {**data, "chunks": chunks}


def download_urls(platform: Platform, call: Call, export: Export) -> list[str]:
    """A signed URL for each file."""
    stamp = int((export.created + URL_LIFETIME).timestamp())
    signed = f"expires={stamp}&token={platform.sign(export.export_id, stamp)}"
    folder = f"{call.base_url.removesuffix('/canai')}/storage/exports/{export.export_id}"
    return [f"{folder}/{number}.{export.format}?{signed}" for number in range(len(export.files))]


def control_rows(record_set: str, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows as the control plane shows them."""
    key = PRIMARY_KEYS[record_set]
    return [{"id": row[key], "properties": row, "links": []} for row in rows]
