"""HubSpot: `routes` lists the calls and their handlers, `state` is a portal in memory."""
