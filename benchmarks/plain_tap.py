"""A tap as the SDK's docs teach it: a stream with a schema, whose records it reads from a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import requests
from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from tap_canai.schema_files import load_schema


class Users(Stream):
    """The users of an export file."""

    name = "users"
    primary_keys = ("user_id",)
    replication_key = None

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:
        """The file's users."""
        yield from requests.get(self.config["url"], timeout=60).json()["users"]


class PlainTap(Tap):
    """One stream."""

    name = "tap-plain"
    config_jsonschema = th.PropertiesList(
        th.Property("url", th.StringType, required=True)
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        """The users."""
        return [Users(self, schema=load_schema("users"))]


if __name__ == "__main__":
    PlainTap.cli()
