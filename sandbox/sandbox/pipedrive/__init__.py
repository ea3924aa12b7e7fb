"""Pipedrive: `api` is its front and API v2, `notes` what only v1 has, `state` a company in memory."""

from sandbox.pipedrive import notes  # its routes

__all__ = ["notes"]
