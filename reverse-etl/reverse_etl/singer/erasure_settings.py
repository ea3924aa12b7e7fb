"""The settings of erasure, which every target has."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

DEFAULT_MAX_ERASURES = 10

ERASURE: list[th.Property[Any]] = [
    th.Property(
        "erase_deleted",
        th.BooleanType,
        default=False,
        title="Erase deleted",
        description="Erase people from the CRM and the ledger when a record says that the source "
        "has deleted them (`_sdc_deleted_at`), as `erase` does. When off, such records are only "
        "counted.",
    ),
    th.Property(
        "max_erasures",
        th.IntegerType(minimum=0),
        default=DEFAULT_MAX_ERASURES,
        title="Max erasures",
        description="People that a run may erase for `erase_deleted`. If the source has deleted "
        "more, the run ends with exit code 3 before the first one of their block is erased.",
    ),
]
