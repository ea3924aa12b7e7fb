"""Salesforce: `api` is its front, `rows`, `bulk` and `metadata` its resources, `state` an org in memory."""

from sandbox.salesforce import bulk, metadata, rows  # their routes

__all__ = ["bulk", "metadata", "rows"]
