"""Salesforce's schema: objects and fields by the Tooling and the Metadata API."""

from __future__ import annotations

from sandbox.http import Call, Reply
from sandbox.salesforce.api import Salesforce
from sandbox.salesforce.state import Org

route = Salesforce.router.add


@route("POST", "/tooling/sobjects/CustomField")
def create_custom_field(api: Salesforce, call: Call, org: Org) -> Reply:
    """A new field; field-level security is granted apart."""
    given = call.json() or {}
    field_id = org.add_custom_field(given.get("FullName", ""), given.get("Metadata") or {})
    return Reply(201, {"id": field_id, "success": True, "errors": [], "warnings": [], "infos": []})
