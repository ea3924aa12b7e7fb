"""Emulates Pipedrive's API v2."""
