"""HubSpot's paths and their handlers; before a handler is called: token, limit, the path's version.

A date-based path such as `/crm/objects/2026-09/…` is turned into its v3 or v4 twin. The two
differ in the status of some responses only: 200 for 201.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.clock import iso
from sandbox.emulator import NEWLY_REQUIRED, Emulator
from sandbox.http import BadJsonError, Call, Handler, Reply, Route, Router
from sandbox.hubspot import (
    account,
    associations,
    batches,
    by_hand,
    errors,
    files,
    merges,
    objects,
    properties,
    purges,
    responses,
    schemas,
)
from sandbox.hubspot.errors import NotEmulatedError, RefusedError
from sandbox.hubspot.fixtures import BURST
from sandbox.hubspot.state import Portal
from sandbox.pace import Pace

ASSOCIATION_BATCH = "/crm/v4/associations/{kind}/{to_kind}/batch"
ASSOCIATION = "/crm/v4/objects/{kind}/{record_id}/associations"
FILES = "/files/v3/files"
LABELS = "/crm/v4/associations/{kind}/{to_kind}/labels"
OBJECTS = "/crm/v3/objects/{kind}"
PROPERTIES = "/crm/v3/properties/{kind}"
SCHEMAS = "/crm-object-schemas/v3/schemas"

ROUTES = (
    Route("POST", f"{ASSOCIATION_BATCH}/associate/default", associations.associate_default),
    Route("POST", f"{ASSOCIATION_BATCH}/create", associations.associate_typed),
    Route("POST", f"{ASSOCIATION_BATCH}/labels/archive", associations.remove_types),
    Route("POST", f"{ASSOCIATION_BATCH}/read", associations.read_associations),
    Route("GET", LABELS, associations.list_labels),
    Route("POST", LABELS, associations.create_label),
    Route("PUT", f"{ASSOCIATION}/default/{{to_kind}}/{{to_id}}", associations.put_default),
    Route("PUT", f"{ASSOCIATION}/{{to_kind}}/{{to_id}}", associations.put_typed),
    Route("GET", f"{ASSOCIATION}/{{to_kind}}", associations.list_associations),
    Route("POST", FILES, files.upload),
    Route("GET", f"{FILES}/search", files.search),
    Route("GET", f"{FILES}/{{file_id}}", files.get),
    Route("DELETE", f"{FILES}/{{file_id}}/gdpr-delete", purges.purge_file),
    Route("POST", f"{OBJECTS}/gdpr-delete", purges.purge_contact),
    Route("POST", f"{OBJECTS}/merge", merges.merge),
    Route("POST", f"{OBJECTS}/batch/upsert", batches.upsert),
    Route("POST", f"{OBJECTS}/batch/create", batches.create),
    Route("POST", f"{OBJECTS}/batch/update", batches.update),
    Route("POST", f"{OBJECTS}/batch/archive", batches.archive),
    Route("POST", f"{OBJECTS}/batch/read", batches.read),
    Route("POST", f"{OBJECTS}/search", objects.search),
    Route("GET", OBJECTS, objects.list_records),
    Route("POST", OBJECTS, objects.create),
    Route("GET", f"{OBJECTS}/{{record_id}}", objects.get),
    Route("PATCH", f"{OBJECTS}/{{record_id}}", objects.update),
    Route("DELETE", f"{OBJECTS}/{{record_id}}", objects.delete),
    Route("GET", f"{PROPERTIES}/groups", properties.list_groups),
    Route("POST", f"{PROPERTIES}/groups", properties.create_group),
    Route("GET", PROPERTIES, properties.list_properties),
    Route("POST", PROPERTIES, properties.create_property),
    Route("POST", f"{PROPERTIES}/batch/create", properties.create_properties),
    Route("GET", f"{PROPERTIES}/{{name}}", properties.get_property),
    Route("PATCH", f"{PROPERTIES}/{{name}}", properties.patch_property),
    Route("GET", "/crm/v3/pipelines/{kind}", account.list_pipelines),
    Route("GET", "/crm/v3/owners", account.list_owners),
    Route("GET", "/account-info/v3/details", account.get_details),
    Route("GET", SCHEMAS, schemas.list_schemas),
    Route("POST", SCHEMAS, schemas.create_schema),
    Route("GET", f"{SCHEMAS}/{{kind}}", schemas.get_schema),
    Route("POST", f"{SCHEMAS}/{{kind}}/associations", schemas.associate_objects),
)

TWINS = (
    (
        re.compile(r"^/crm/objects/\d{4}-\d{2}/(\w[\w-]*)/([\w-]+)/associations/"),
        r"/crm/v4/objects/\1/\2/associations/",
    ),
    (re.compile(r"^/crm/objects/\d{4}-\d{2}/"), "/crm/v3/objects/"),
    (re.compile(r"^/crm/associations/\d{4}-\d{2}/"), "/crm/v4/associations/"),
    (re.compile(r"^/crm/properties/\d{4}-\d{2}/"), "/crm/v3/properties/"),
    (re.compile(r"^/crm/pipelines/\d{4}-\d{2}/"), "/crm/v3/pipelines/"),
    (re.compile(r"^/crm/owners/\d{4}-\d{2}"), "/crm/v3/owners"),
    (re.compile(r"^/crm-object-schemas/\d{4}-\d{2}/"), "/crm-object-schemas/v3/"),
    (re.compile(r"^/files/\d{4}-\d{2}/files"), "/files/v3/files"),
)
"""Date-based paths and the v3 or v4 paths that mean the same."""

SIGN_IN = re.compile(r"/oauth/v1/token$|^/oauth/\d{4}-\d{2}/token")
READS = re.compile(r"/batch/read/?$|/search/?$")
WITHOUT_ROWS = ("leads",)
"""Standard objects that the control plane knows, but that no emulated call writes to."""


class HubSpot(Emulator):
    """Portals by token.

    The switch `trace_ids` says whether rows with a trace id of their own are judged one by one,
    `custom_objects` whether the portal's licence includes custom objects, `association_context`
    whether an error of a batch of associations names the record that is missing.
    """

    name = "hubspot"
    router = Router(ROUTES)
    main_token = "sandbox-token"
    actions = by_hand.ACTIONS
    default_pace = BURST
    default_switches: ClassVar[Mapping[str, bool]] = {
        "trace_ids": True,
        "custom_objects": True,
        "association_context": True,
    }

    def new_account(self, name: str) -> Portal:
        """An empty portal."""
        return Portal(self.clock, self.new_id(), self.switches)

    def inspect(self, call: Call) -> tuple[str, int]:
        """Batch reads and searches are reads although they are posted."""
        if "/oauth/" in call.path:
            return "auth", 0
        if call.method == "GET" or READS.search(call.path):
            return "read", 0

        try:
            body = call.json()
        except BadJsonError:
            return "write", 0
        inputs = body.get("inputs") if isinstance(body, dict) else None
        return "write", len(inputs) if isinstance(inputs, list) else 1

    def objects(self, name: str, account: str | None) -> list[dict[str, Any]] | None:
        """Live records of a portal."""
        portal: Portal = self.account(account)
        if name == "files":
            return responses.control_files(portal)

        kind = name if name in portal.schemas else portal.kind_of(name)
        if kind is None:
            return [] if name in WITHOUT_ROWS else None
        return responses.control_rows(portal, kind)

    def handle(self, call: Call) -> Reply:
        """Check token and pace, then answer."""
        if SIGN_IN.search(call.path):
            return self._sign_in(call)

        name = self.account_name(call.bearer)
        if name is None:
            return errors.error_reply(*errors.UNAUTHENTICATED)

        pace = self.pace_of(name)
        if pace.spent:
            return errors.too_many("DAILY")
        if pace.wait_s(time.monotonic()):
            return errors.too_many("TEN_SECONDLY_ROLLING")
        return self._answer(call, name, pace)

    def _answer(self, call: Call, account_name: str, pace: Pace) -> Reply:
        path = v3_path(call.path)
        match = self.router.find(call.method, path)
        if match is None:
            return errors.not_emulated(f"{call.method} {call.path}")

        try:
            reply = run(match[0], call, self.account(account_name), match[1])
        except NotEmulatedError as error:
            return errors.not_emulated(str(error))
        except BadJsonError:
            reply = errors.error_reply(400, "VALIDATION_ERROR", "Invalid input JSON")
        except RefusedError as error:
            reply = errors.refusal_reply(error)

        if path != call.path and reply.status == 201:
            reply.status = 200
        reply.headers |= {
            "X-HubSpot-RateLimit-Max": str(pace.calls),
            "X-HubSpot-RateLimit-Remaining": str(pace.remaining),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(pace.per_s * 1000)),
            **daily_headers(pace),
        }
        return reply

    def _sign_in(self, call: Call) -> Reply:
        """A refresh token for an access token; the client id names the account."""
        form = call.form()
        client = form.get("client_id", "")
        wanted = {
            "grant_type": "refresh_token",
            "refresh_token": "sandbox-refresh",
            "client_secret": client,
        }
        if any(form.get(name) != value for name, value in wanted.items()):
            message = "missing or invalid refresh token"
            return Reply(400, {"status": "BAD_REFRESH_TOKEN", "message": message})

        body = {
            "access_token": client.replace("sandbox", self.main_token, 1),
            "expires_in": 1800,
            "token_type": "bearer",
            "refresh_token": "sandbox-refresh",
        }
        return Reply(200, body)

    def fault_reply(self, fault: str, call: Call, args: dict[str, Any]) -> Reply:
        """HubSpot's words for a fault, or what it does to the rows of the call."""
        if fault == "refuse_all":
            return self._handle_requiring(call, str(args.get("field", NEWLY_REQUIRED)))
        return errors.fault_reply(fault, args, iso(self.clock.now(), 3))

    def _handle_requiring(self, call: Call, name: str) -> Reply:
        """Handle a call while every row needs one more property.

        HubSpot holds every write to the rules of the administrators, since 2026-09.
        Source: HubSpot, Changelog, announcement of 2026-08-11, read 2026-11-29.
        """
        portal: Portal = self.account(self.account_name(call.bearer))
        portal.newly_required = name
        try:
            return self.handle(call)
        finally:
            portal.newly_required = ""


def v3_path(path: str) -> str:
    """The v3 or v4 path that a date-based path means; other paths as they are."""
    for pattern, twin in TWINS:
        path = pattern.sub(twin, path)
    return path


def run(handler: Handler, call: Call, portal: Portal, params: dict[str, str]) -> Reply:
    """Call a handler with the objects of its path by their names.

    Raises: RefusedError, BadJsonError.
    """
    for param in ("kind", "to_kind"):
        if param not in params:
            continue
        kind = portal.kind_of(params[param])
        if kind is None:
            raise errors.unknown_object(params[param])
        params[param] = kind
    return handler(call, portal, **params)


def daily_headers(pace: Pace) -> dict[str, str]:
    """The daily limit, which private apps get; an app that signed in by OAuth does not.

    Source: HubSpot, API usage guidelines, read 2026-11-30.
    """
    if pace.daily is None:
        return {}
    return {
        "X-HubSpot-RateLimit-Daily": str(pace.daily),
        "X-HubSpot-RateLimit-Daily-Remaining": str(pace.left_today),
    }
