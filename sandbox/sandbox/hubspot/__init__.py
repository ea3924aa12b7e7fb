"""HubSpot: `api` is its front, the others its resources, `state` a portal in memory."""

from sandbox.hubspot import associations, files, objects, schema  # their routes

__all__ = ["associations", "files", "objects", "schema"]
