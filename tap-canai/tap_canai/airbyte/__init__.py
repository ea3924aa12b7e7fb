"""`source-canai`: the streams over the Airbyte protocol, in process."""

from tap_canai.airbyte.cli import main

__all__ = ["main"]
