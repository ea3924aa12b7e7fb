"""Emulates HubSpot's CRM API."""
