"""Pipelines, owners, and the portal itself."""

from __future__ import annotations

from sandbox.http import Call, Reply
from sandbox.hubspot.fixtures import account_details, deal_pipelines, owners, ticket_pipelines
from sandbox.hubspot.responses import list_reply
from sandbox.hubspot.state import Portal


def list_pipelines(call: Call, portal: Portal, kind: str) -> Reply:
    """Pipelines with their stages."""
    makers = {"deals": deal_pipelines, "tickets": ticket_pipelines}
    pipelines = makers[kind](portal.now()) if kind in makers else []
    removed = {place for of_kind, place in portal.removed_places if of_kind == kind}
    for pipeline in pipelines:
        pipeline["stages"] = [entry for entry in pipeline["stages"] if entry["id"] not in removed]
    return list_reply([pipeline for pipeline in pipelines if pipeline["id"] not in removed])


def list_owners(call: Call, portal: Portal) -> Reply:
    """The owners of a sandbox portal."""
    return list_reply(owners(portal.now()))


def get_details(call: Call, portal: Portal) -> Reply:
    """Which portal the token opens."""
    return Reply(200, account_details(portal.portal_id), rows=1)
