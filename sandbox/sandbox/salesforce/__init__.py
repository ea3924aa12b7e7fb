"""Emulates Salesforce's REST API."""
