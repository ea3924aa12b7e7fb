"""Bulk API 2.0: ingest jobs and query jobs.

A job's rows are written when its upload is closed; for a moment it still shows as InProgress, as a
real one does. Source: Salesforce Bulk API 2.0 developer guide, read 2026-11-23; the responses are
those that jsforce and simple-salesforce accept.
"""
