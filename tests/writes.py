"""Writes, as the core plans them."""

from __future__ import annotations

from collections.abc import Mapping

from reverse_etl.records import CrmRecord, SourceRecord, Write
from reverse_etl.values import Value


def record_of(key: str, fields: Mapping[str, Value]) -> CrmRecord:
    return CrmRecord(key, fields, (), SourceRecord("users", key, {}, 0), b"")


def create(key: str, fields: Mapping[str, Value] | None = None) -> Write:
    """A record to be created."""
    return Write(record_of(key, fields or {}), "create", dict(fields or {}))


def update(key: str, crm_id: str, fields: Mapping[str, Value] | None = None) -> Write:
    """Fields of a record to be changed."""
    return Write(record_of(key, fields or {}), "update", dict(fields or {}), crm_id)
