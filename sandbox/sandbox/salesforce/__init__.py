"""Salesforce: `routes` lists the calls and their handlers, `state` is an org in memory."""
