"""Who is signed in, the resources of a version, and the daily limit."""

from __future__ import annotations

from sandbox.http import Call, Reply
from sandbox.salesforce.fixtures import DAILY_CALLS
from sandbox.salesforce.state import Org


def userinfo(call: Call, org: Org) -> Reply:
    """Who is signed in, and where."""
    body = {
        "sub": f"{call.base_url}/id/{org.org_id}/{org.user_id}",
        "user_id": org.user_id,
        "organization_id": org.org_id,
    }
    return Reply(200, body, rows=1)


def resources(call: Call, org: Org) -> Reply:
    """Resources of a version."""
    base = "/services/data/v67.0"
    return Reply(200, {"sobjects": f"{base}/sobjects", "query": f"{base}/query"})


def limits(call: Call, org: Org) -> Reply:
    """The daily limit."""
    daily = {"Max": DAILY_CALLS, "Remaining": DAILY_CALLS - org.calls}
    return Reply(200, {"DailyApiRequests": daily}, rows=1)
