"""Who is signed in, the resources of a version, and the daily limit."""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.salesforce import recycle_bin, soap
from sandbox.salesforce.fixtures import CURRENCIES, DAILY_CALLS
from sandbox.salesforce.state import Org

PARTNER = "urn:partner.soap.sforce.com"


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


def call_partner(call: Call, org: Org, version: str) -> Reply:
    """The SOAP API with the partner WSDL: getUserInfo and emptyRecycleBin."""
    wanted = soap.requested(call)
    if wanted is None:
        return soap.invalid()
    result: Any
    match wanted.tag.removeprefix(f"{{{PARTNER}}}"):
        case "getUserInfo":
            result = user_info(org)
        case "emptyRecycleBin":
            result = recycle_bin.empty(org, (element.text or "" for element in wanted))
        case name:
            return soap.fault("sf:NOT_EMULATED", f"the sandbox does not emulate {name}")
    answer = f"{soap.name_of(wanted)}Response"
    response = soap.elements({answer: {"result": result}})
    return soap.envelope(200, response.replace(f"<{answer}", f'<{answer} xmlns="{PARTNER}"', 1))


def user_info(org: Org) -> dict[str, Any]:
    """The running user and the currency that new records get, in the order of the partner WSDL.

    Source: SOAP API developer guide, getUserInfoResult, read 2026-11-29; recorded answers of
    getUserInfo in public repositories.
    """
    several = org.switches["multi_currency"]
    user = org.rows["User"][org.user_id]
    default = CURRENCIES[0][0]
    return {
        "currencySymbol": None if several else "$",
        "orgDefaultCurrencyIsoCode": None if several else default,
        "organizationId": org.org_id,
        "organizationMultiCurrency": several,
        "organizationName": f"Sandbox {org.name}",
        "userDefaultCurrencyIsoCode": default if several else None,
        "userEmail": user["Email"],
        "userId": org.user_id,
        "userName": user["Username"],
    }
