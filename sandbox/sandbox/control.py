"""The control plane under `/_sandbox/` and the page at `/`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox.by_hand import UnknownActionError, deed_of
from sandbox.canai.errors import UnknownRowError
from sandbox.canai.state import Change
from sandbox.faults import UnknownFaultError, parse_fault
from sandbox.hubspot.errors import RefusedError as HubSpotRefusal
from sandbox.page import render
from sandbox.pipedrive.errors import RefusedError as PipedriveRefusal
from sandbox.salesforce.errors import RowError as SalesforceRefusal
from sandbox.state import Sandbox
from sandbox.webhooks import BadWebhookError

STREAMS = ("users", "payments", "deliverables", "feedback", "sessions")
REFUSALS = (HubSpotRefusal, PipedriveRefusal, SalesforceRefusal)
SWITCHES = (
    "trace_ids", "custom_objects", "association_context", "duplicate_rules", "multi_currency",
)  # fmt: skip


def sandbox_of(request: web.Request) -> Sandbox:
    """The sandbox behind a request."""
    sandbox: Sandbox = request.app["sandbox"]
    return sandbox


def refusal(message: str, status: int = 400) -> web.Response:
    """A refusal that says why."""
    return web.json_response({"error": message}, status=status)


async def body_of(request: web.Request) -> Any:
    """The JSON body; an empty one is an empty object.

    Raises: HTTPBadRequest.
    """
    text = await request.text()
    try:
        return json.loads(text) if text else {}
    except ValueError as error:
        raise web.HTTPBadRequest(text=json.dumps({"error": f"no JSON: {error}"})) from error


async def objects(request: web.Request) -> web.Response:
    """The rows of an account."""
    crm, name = request.match_info["crm"], request.match_info["object"]
    emulator = sandbox_of(request).emulators.get(crm)
    rows = emulator.objects(name, request.query.get("account")) if emulator else None
    if rows is None:
        return refusal(f"no object {name!r} in {crm!r}", 404)
    return web.json_response(rows)


async def requests_log(request: web.Request) -> web.Response:
    """The log of one CRM; DELETE empties it."""
    sandbox, crm = sandbox_of(request), request.match_info["crm"]
    if crm not in sandbox.emulators:
        return refusal(f"unknown crm {crm!r}", 404)
    if request.method == "DELETE":
        sandbox.log[crm].clear()
    return web.json_response([entry.shown() for entry in sandbox.log[crm]])


async def faults(request: web.Request) -> web.Response:
    """Register, list or clear faults."""
    sandbox = sandbox_of(request)
    if request.method == "DELETE":
        sandbox.faults.clear()
    elif request.method == "POST":
        body = await body_of(request)
        wanted = body if isinstance(body, list) else [body]
        try:
            sandbox.faults.extend([parse_fault(fault) for fault in wanted])
        except (UnknownFaultError, TypeError) as error:
            return refusal(str(error))
    return web.json_response([fault.shown() for fault in sandbox.faults])


async def limits(request: web.Request) -> web.Response:
    """Change a vendor's limit, `{crm, calls, per_s, daily}`, and turn its switches on or off.

    HubSpot has `trace_ids`, `custom_objects` and `association_context`, Salesforce
    `duplicate_rules` and `multi_currency`.
    """
    body = await body_of(request)
    emulator = sandbox_of(request).emulators.get(body.get("crm"))
    if emulator is None:
        return refusal(f"unknown crm {body.get('crm')!r}")

    emulator.set_limit(body.get("calls"), body.get("per_s"), body.get("daily"))
    for name in SWITCHES:
        if name not in body:
            continue
        if name not in emulator.switches:
            return refusal(f"{emulator.name} has no {name}")
        emulator.switches[name] = bool(body[name])
    return web.json_response({"crm": emulator.name, "limit": emulator.limit})


async def by_hand(request: web.Request) -> web.Response:
    """Do by hand: `{crm, account, action, object, id, into, field, type, option}`.

    Actions: `merge`, `undelete`, `delete_field`, `retype_field`, `remove_option` (a choice, a
    stage, a pipeline), and in Salesforce `purge`.
    """
    body = await body_of(request)
    emulator = sandbox_of(request).emulators.get(body.get("crm"))
    if emulator is None:
        return refusal(f"unknown crm {body.get('crm')!r}")
    try:
        emulator.by_hand(deed_of(body), body.get("account"))
    except (UnknownActionError, *REFUSALS) as error:
        return refusal(str(error))
    return web.json_response({"done": body["action"]})


async def clock(request: web.Request) -> web.Response:
    """Move the clock."""
    sandbox = sandbox_of(request)
    sandbox.clock.advance(float((await body_of(request)).get("advance_s", 0)))
    return web.json_response({"now": sandbox.clock.http_date()})


async def mutate(request: web.Request) -> web.Response:
    """Change rows at the source; answers their ids."""
    body = await body_of(request)
    for stream in STREAMS:
        if "stream" not in body and stream in body:
            # `{"users": 10}` is short for `{"stream": "users", "n": 10}`.
            body = {**body, "stream": stream, "n": body[stream]}

    change = Change(
        stream=body.get("stream", "users"),
        n=body.get("n"),
        ids=body.get("ids"),
        values=body.get("set"),
        touch=body.get("touch", True),
        late_s=body.get("late_s", 0),
    )
    try:
        return web.json_response(sandbox_of(request).canai.platform.source.change(change))
    except UnknownRowError as error:
        return refusal(str(error))


async def webhooks(request: web.Request) -> web.Response:
    """Register, list or clear receivers of webhooks."""
    hooks = sandbox_of(request).webhooks
    if request.method == "DELETE":
        hooks.receivers.clear()
    elif request.method == "POST":
        try:
            hooks.register(await body_of(request))
        except BadWebhookError as error:
            return refusal(str(error))
    return web.json_response(hooks.receivers)


async def events(request: web.Request) -> web.Response:
    """Make events happen and send them, answering the users' ids; or list what was sent."""
    hooks = sandbox_of(request).webhooks
    if request.method == "GET":
        return web.json_response([sending.shown() for sending in hooks.sent])
    try:
        return web.json_response(hooks.happen(await body_of(request)))
    except BadWebhookError as error:
        return refusal(str(error))


async def reset(request: web.Request) -> web.Response:
    """Return everything to the start."""
    sandbox_of(request).reset()
    return web.json_response({"reset": True})


async def page(request: web.Request) -> web.Response:
    """The page for people."""
    return web.Response(text=render(sandbox_of(request)), content_type="text/html")


async def unknown(request: web.Request) -> web.Response:
    """501 for what the control plane does not have."""
    return refusal(f"the control plane has no {request.method} {request.path}", 501)


ROUTES: tuple[tuple[str, str, Callable[[web.Request], Awaitable[web.Response]]], ...] = (
    ("GET", "/", page),
    ("GET", "/_sandbox/objects/{crm}/{object}", objects),
    ("GET", "/_sandbox/requests/{crm}", requests_log),
    ("DELETE", "/_sandbox/requests/{crm}", requests_log),
    ("POST", "/_sandbox/faults", faults),
    ("GET", "/_sandbox/faults", faults),
    ("DELETE", "/_sandbox/faults", faults),
    ("POST", "/_sandbox/limits", limits),
    ("POST", "/_sandbox/by_hand", by_hand),
    ("POST", "/_sandbox/clock", clock),
    ("POST", "/_sandbox/mutate", mutate),
    ("POST", "/_sandbox/webhooks", webhooks),
    ("GET", "/_sandbox/webhooks", webhooks),
    ("DELETE", "/_sandbox/webhooks", webhooks),
    ("POST", "/_sandbox/events", events),
    ("GET", "/_sandbox/events", events),
    ("POST", "/_sandbox/reset", reset),
    ("*", "/_sandbox/{rest:.*}", unknown),
)


def control_routes(app: web.Application) -> None:
    """Register the control plane and the page."""
    for method, path, handler in ROUTES:
        app.router.add_route(method, path, handler)
