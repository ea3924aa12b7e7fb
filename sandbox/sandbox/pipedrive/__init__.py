"""Pipedrive: `routes` lists the calls and their handlers, `state` is a company in memory."""
