"""`source-canai`: the streams over the Airbyte protocol, in process."""

from tap_canai.airbyte.source import main

__all__ = ["main"]
