"""The control plane under `/_sandbox/` and the page at `/`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.canai.state import UnknownRow
from sandbox.faults import UnknownFault, parse_fault
from sandbox.page import render
from sandbox.webhooks import BadWebhook

if TYPE_CHECKING:
    from sandbox.app import Sandbox


def box(request: web.Request) -> Sandbox:
    """The sandbox behind a request."""
    sandbox: Sandbox = request.app["sandbox"]
    return sandbox


def bad(message: str, status: int = 400) -> web.Response:
    """A refusal that says why."""
    return web.json_response({"error": message}, status=status)


async def body_of(request: web.Request) -> Any:
    """The JSON body; an empty one is an empty object. Raises: HTTPBadRequest."""
    text = await request.text()
    try:
        return json.loads(text) if text else {}
    except ValueError as error:
        raise web.HTTPBadRequest(text=json.dumps({"error": f"no JSON: {error}"})) from error


async def objects(request: web.Request) -> web.Response:
    """What is in an account."""
    crm, name = request.match_info["crm"], request.match_info["object"]
    emulator = box(request).emulators.get(crm)
    rows = emulator.objects(name, request.query.get("account")) if emulator else None
    if rows is None:
        return bad(f"no object {name!r} in {crm!r}", 404)
    return web.json_response(rows)


async def requests_log(request: web.Request) -> web.Response:
    """The log of one CRM; DELETE empties it."""
    crm = request.match_info["crm"]
    if crm not in box(request).emulators:
        return bad(f"unknown crm {crm!r}", 404)
    if request.method == "DELETE":
        box(request).log[crm].clear()
        return web.json_response([])
    return web.json_response([line.shown() for line in box(request).log[crm]])


async def faults(request: web.Request) -> web.Response:
    """Arm, list or clear faults."""
    sandbox = box(request)
    if request.method == "DELETE":
        sandbox.faults.clear()
    elif request.method == "POST":
        given = await body_of(request)
        try:
            sandbox.faults.extend(
                [parse_fault(one) for one in (given if isinstance(given, list) else [given])]
            )
        except (UnknownFault, TypeError) as error:
            return bad(str(error))
    return web.json_response([fault.shown() for fault in sandbox.faults])


async def limits(request: web.Request) -> web.Response:
    """Change a vendor's limit: `{crm, calls, per_s, daily}`; and a vendor's own switches.

    HubSpot has `trace_ids` and `custom_objects`, Salesforce `duplicate_rules`.
    """
    given = await body_of(request)
    emulator = box(request).emulators.get(given.get("crm"))
    if emulator is None:
        return bad(f"unknown crm {given.get('crm')!r}")
    emulator.set_limit(given.get("calls"), given.get("per_s"), given.get("daily"))
    for name in ("trace_ids", "custom_objects", "duplicate_rules"):
        if name in given:
            if not hasattr(emulator, name):
                return bad(f"{emulator.name} has no {name}")
            setattr(emulator, name, bool(given[name]))
    return web.json_response({"crm": emulator.name, "limit": emulator.limit})


async def clock(request: web.Request) -> web.Response:
    """Move the clock."""
    box(request).clock.advance(float((await body_of(request)).get("advance_s", 0)))
    return web.json_response({"now": box(request).clock.http_date()})


async def mutate(request: web.Request) -> web.Response:
    """Change rows at the source; answers their ids."""
    given = await body_of(request)
    if "stream" not in given and set(given) & {
        "users",
        "payments",
        "deliverables",
        "feedback",
        "sessions",
    }:
        stream = next(
            iter(set(given) & {"users", "payments", "deliverables", "feedback", "sessions"})
        )
        given = {
            **{key: value for key, value in given.items() if key != stream},
            "stream": stream,
            "n": given[stream],
        }
    try:
        ids = box(request).canai.source.mutate(
            given.get("stream", "users"),
            n=given.get("n"),
            ids=given.get("ids"),
            changes=given.get("set"),
            touch=given.get("touch", True),
            late_s=given.get("late_s", 0),
        )
    except UnknownRow as error:
        return bad(str(error))
    return web.json_response(ids)


async def webhooks(request: web.Request) -> web.Response:
    """Register, list or clear receivers of webhooks."""
    hooks = box(request).webhooks
    if request.method == "DELETE":
        hooks.receivers.clear()
    elif request.method == "POST":
        try:
            hooks.register(await body_of(request))
        except BadWebhook as error:
            return bad(str(error))
    return web.json_response(hooks.receivers)


async def events(request: web.Request) -> web.Response:
    """Make events happen and send them, answering the users' ids; or list what was sent."""
    hooks = box(request).webhooks
    if request.method == "GET":
        return web.json_response([one.shown() for one in hooks.sent])
    try:
        return web.json_response(hooks.happen(await body_of(request)))
    except BadWebhook as error:
        return bad(str(error))


async def reset(request: web.Request) -> web.Response:
    """Everything as at start."""
    box(request).reset()
    return web.json_response({"reset": True})


async def page(request: web.Request) -> web.Response:
    """What is in each CRM, for people."""
    return web.Response(text=render(box(request)), content_type="text/html")


def control_routes(app: web.Application) -> None:
    """Register the control plane and the page."""
    routes: list[tuple[str, str, Callable[[web.Request], Awaitable[web.Response]]]] = [
        ("GET", "/", page),
        ("GET", "/_sandbox/objects/{crm}/{object}", objects),
        ("GET", "/_sandbox/requests/{crm}", requests_log),
        ("DELETE", "/_sandbox/requests/{crm}", requests_log),
        ("POST", "/_sandbox/faults", faults),
        ("GET", "/_sandbox/faults", faults),
        ("DELETE", "/_sandbox/faults", faults),
        ("POST", "/_sandbox/limits", limits),
        ("POST", "/_sandbox/clock", clock),
        ("POST", "/_sandbox/mutate", mutate),
        ("POST", "/_sandbox/webhooks", webhooks),
        ("GET", "/_sandbox/webhooks", webhooks),
        ("DELETE", "/_sandbox/webhooks", webhooks),
        ("POST", "/_sandbox/events", events),
        ("GET", "/_sandbox/events", events),
        ("POST", "/_sandbox/reset", reset),
    ]
    for method, path, handler in routes:
        app.router.add_route(method, path, handler)

    async def unknown(request: web.Request) -> web.Response:
        return bad(f"the control plane has no {request.method} {request.path}", 501)

    app.router.add_route("*", "/_sandbox/{rest:.*}", unknown)
