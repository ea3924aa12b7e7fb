"""Requests and answers of HubSpot and Pipedrive against the vendors' specifications.

The specifications are in `CRM_SPECS_DIR`; without it these tests skip and say so. Paths of 2026-09
are validated as their v3/v4 twins, with unknown keys allowed and 200 for 201.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml
from openapi_schema_validator import OAS30Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4
from target_pipedrive.api import tokens

from box import Box
from contract import foreign_shop, hubspot_rules
from crms import HUBSPOT, PIPEDRIVE
from support import Message, deliver, extract, lose_ledger, messages_of

SPECS = Path(os.environ.get("CRM_SPECS_DIR", "/nonexistent"))
pytestmark = pytest.mark.skipif(
    not SPECS.is_dir(), reason="CRM_SPECS_DIR names no folder of vendor specifications"
)

HUBSPOT_FILES = (
    "crm-contacts",
    "crm-deals",
    "crm-objects-generic",
    "crm-associations-v4",
    "crm-associations-v4-schema",
    "crm-properties",
    "crm-pipelines",
    "crm-owners",
    "crm-schemas",
    "files",
)
TWINS = (
    (r"^/crm/objects/\d{4}-\d{2}/", "/crm/v3/objects/"),
    (r"^/crm/associations/\d{4}-\d{2}/", "/crm/v4/associations/"),
    (r"^/crm/properties/\d{4}-\d{2}/", "/crm/v3/properties/"),
    (r"^/crm/pipelines/\d{4}-\d{2}/", "/crm/v3/pipelines/"),
    (r"^/crm/owners/\d{4}-\d{2}", "/crm/v3/owners"),
    (r"^/crm-object-schemas/\d{4}-\d{2}/", "/crm-object-schemas/v3/"),
    (r"^/files/\d{4}-\d{2}/", "/files/v3/"),
)
UNKNOWN_OBJECT = "Unable to infer object type from"
"""A refusal that lacks the category its specification asks for, as recorded answers show."""
NOT_IN_SPEC = ("/account-info/", "/storage/")
Exchange = tuple[str, str, Any, int, Any]


class Spec:
    """One OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.registry: Registry[Any] = Registry().with_resource(
            "urn:spec", DRAFT4.create_resource(document)
        )

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The operation for a path; one without parameters wins."""
        for template in sorted(self.document["paths"], key=lambda template: template.count("{")):
            pattern = "^" + re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template)) + "/?$"
            if re.match(pattern, path) and method.lower() in self.document["paths"][template]:
                found: dict[str, Any] = self.document["paths"][template][method.lower()]
                return found
        return None

    def errors(self, schema: dict[str, Any], value: Any) -> list[str]:
        """What is wrong with a value."""
        text = json.dumps(schema).replace('"#/', '"urn:spec#/')
        validator = OAS30Validator(json.loads(text), registry=self.registry)
        return [
            f"{'/'.join(map(str, error.absolute_path))}: {error.message[:150]}"
            for error in validator.iter_errors(value)
        ]


MORE = {"attach_deliverables": True, "allow_private_download_hosts": True}


@pytest.fixture(scope="session")
def hubspot_specs() -> list[Spec]:
    folder = SPECS / "hubspot" / "derived-from-api-client"
    return [
        Spec(json.loads((folder / f"{name}.openapi.json").read_text())) for name in HUBSPOT_FILES
    ]


@pytest.fixture(scope="session")
def pipedrive_specs() -> list[Spec]:
    folder = SPECS / "pipedrive"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    texts = [(folder / f"pipedrive-{version}-openapi.yml").read_text() for version in ("v2", "v1")]
    documents = [yaml.load(text, Loader=loader) for text in texts]  # noqa: S506  # a safe loader
    return [Spec(document) for document in documents]


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    """Everything that goes over the wire."""
    seen: list[Exchange] = []
    real: Callable[..., requests.Response] = requests.Session.request

    def record(self: requests.Session, method: str, url: str, **more: Any) -> requests.Response:
        answer = real(self, method, url, **more)
        if more.get("stream"):
            return answer
        body = (
            answer.json()
            if answer.content and "json" in answer.headers.get("Content-Type", "")
            else None
        )
        seen.append((method, urlsplit(url).path, more.get("json"), answer.status_code, body))
        return answer

    monkeypatch.setattr(requests.Session, "request", record)
    return seen


def without_null_labels(answer: Any) -> Any:
    """An answer without the nulls that HubSpot's specification does not know.

    Recorded answers show them: a type of association without a label has the label null.
    """
    if isinstance(answer, list):
        return [without_null_labels(entry) for entry in answer]
    if not isinstance(answer, dict):
        return answer
    return {
        name: without_null_labels(value)
        for name, value in answer.items()
        if (name, value) != ("label", None)
    }


def problems(specs: list[Spec], exchange: Exchange, prefix: str, twin: bool) -> list[str]:
    """What the vendor's specification has against one exchange."""
    method, path, request, status, answer = exchange
    path = path.removeprefix(prefix)
    if any(part in path for part in NOT_IN_SPEC):
        return []
    if isinstance(answer, dict) and str(answer.get("message", "")).startswith(UNKNOWN_OBJECT):
        return []
    answer = without_null_labels(answer)
    if twin:
        for pattern, replacement in TWINS:
            path = re.sub(pattern, replacement, path)
    else:
        path = re.sub(r"^/api/v2|^/api/v1|^/v1", "", path)
    for spec in specs:
        operation = spec.operation(method, path)
        if operation is not None:
            break
    else:
        return [f"{method} {path}: the vendor has no such call"]
    wrong = []
    if request is not None:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        wrong += [f"request {method} {path}: {error}" for error in spec.errors(schema, request)]
    responses = operation["responses"]
    response = (
        responses.get(str(status))
        or (responses.get("201") if status == 200 else None)
        or responses.get("default")
    )
    if response is None:
        return [*wrong, f"{method} {path}: the vendor never answers {status}"]
    schema = (response.get("content") or {}).get("application/json", {}).get("schema")
    if schema is not None:
        wrong += [
            f"answer {status} {method} {path}: {error}" for error in spec.errors(schema, answer)
        ]
    return wrong


def edited(message: Message, **values: Any) -> Message:
    """A later observation, with other values, of the record in a message."""
    if message["type"] != "RECORD":
        return message
    record = {**message["record"], **values}
    return {**message, "record": record, "time_extracted": "2027-01-01T00:00:00Z"}


@pytest.mark.parametrize("version", ["2026-09", "v3"])
def test_hubspot_exchanges_are_as_hubspot_specifies(
    box: Box, version: str, tmp_path: Path, exchanges: list[Exchange], hubspot_specs: list[Spec]
) -> None:
    messages = extract(box, tmp_path, streams=("users", "deliverables", "analytics"))
    exchanges.clear()
    lines = messages_of(messages)
    first = next(message for message in lines if message["type"] == "RECORD")
    first["record"]["email"] = "no address"
    first_run = deliver(box, HUBSPOT, lines, tmp_path, api_version=version, **MORE)
    changed = [edited(message, business_type="museum") for message in lines[:20]]
    second_run = deliver(box, HUBSPOT, changed, tmp_path, api_version=version)
    lose_ledger(tmp_path, HUBSPOT)
    lost_run = deliver(box, HUBSPOT, lines, tmp_path, api_version=version, **MORE)
    assert lost_run.code == 0
    assert first_run.report["attachments"]["made"] == lost_run.report["attachments"]["kept"] > 0
    assert first_run.code == second_run.code == 0
    assert second_run.counts(HUBSPOT.people)["updated"]
    assert {exchange[3] for exchange in exchanges} >= {200, 207}
    wrong = [
        problem
        for exchange in exchanges
        for problem in problems(hubspot_specs, exchange, "/hubspot", twin=True)
    ]
    assert "\n".join(sorted(set(wrong))) == ""


@pytest.mark.parametrize("version", ["2026-09", "v3"])
def test_calls_for_any_object_are_as_hubspot_specifies(
    box: Box, version: str, tmp_path: Path, exchanges: list[Exchange], hubspot_specs: list[Spec]
) -> None:
    hubspot_rules.by_hand(box, "contacts", email="a@ann.example")
    hubspot_rules.by_hand(box, "deals", dealname="Big deal", dealstage="qualifiedtobuy")
    for folder in ("first", "lost ledger"):
        result = hubspot_rules.run(box, tmp_path / folder, api_version=version)
        assert (result.code, result.letters) == (0, [])
    config = {**HUBSPOT.credentials(box.url), "api_version": version}
    adapter = HUBSPOT.target(config=config).build_adapter()
    adapter.describe("tickets")
    assert adapter.choosing is not None
    adapter.choosing.add_options("tickets", "hs_ticket_priority", ["NOW"])
    paths = " ".join(f"{exchange[0]} {exchange[1]}" for exchange in exchanges)
    for call in ("/search", "/labels", "/schemas", "/associations", "PATCH", "/batch/create"):
        assert call in paths
    wrong = [
        problem
        for exchange in exchanges
        for problem in problems(hubspot_specs, exchange, "/hubspot", twin=True)
    ]
    assert "\n".join(sorted(set(wrong))) == ""


def test_pipedrive_exchanges_are_as_pipedrive_specifies(
    box: Box, tmp_path: Path, exchanges: list[Exchange], pipedrive_specs: list[Spec]
) -> None:
    messages = extract(box, tmp_path, streams=["users", "deliverables"])
    exchanges.clear()
    lines = messages_of(messages)
    next(message for message in lines if message["type"] == "RECORD")["record"]["email"] = (
        "no address"
    )
    first_run = deliver(box, PIPEDRIVE, lines, tmp_path, **MORE)
    changed = [edited(message, business_type="museum", phone="+1 555 1") for message in lines[:20]]
    second_run = deliver(box, PIPEDRIVE, changed, tmp_path)
    lose_ledger(tmp_path, PIPEDRIVE)
    assert deliver(box, PIPEDRIVE, lines, tmp_path, **MORE).code == 0
    assert first_run.report["attachments"]["made"] > 0
    assert first_run.code == second_run.code == 0
    assert second_run.counts("persons")["updated"]
    wrong = [
        problem
        for exchange in exchanges
        if exchange[3] < 400
        for problem in problems(pipedrive_specs, exchange, "/pipedrive", twin=False)
    ]
    assert "\n".join(sorted(set(wrong))) == ""


def test_any_object_of_pipedrive_is_written_as_pipedrive_specifies(
    box: Box, tmp_path: Path, exchanges: list[Exchange], pipedrive_specs: list[Spec]
) -> None:
    organizations = pipedrive_specs[0].operation("POST", "/organizations")
    assert organizations is not None
    # The specification requires `title`, which organizations do not have; its text says `name`.
    schema = organizations["requestBody"]["content"]["application/json"]["schema"]
    wrong_word = json.dumps(schema).replace('"required": ["title"]', '"required": ["name"]')
    organizations["requestBody"]["content"]["application/json"]["schema"] = json.loads(wrong_word)

    assert foreign_shop.run(box, tmp_path).code == 0
    lose_ledger(tmp_path, PIPEDRIVE)
    changed = {
        "companies": [{**foreign_shop.RECORDS["companies"][0], "street": "Side St 2"}],
        "requests": [{**foreign_shop.RECORDS["requests"][0], "amount": 15}],
        "goods": [{**foreign_shop.RECORDS["goods"][0], "price": 90}],
        "visits": [{**foreign_shop.RECORDS["visits"][0], "about": "Visit"}],
    }
    result = foreign_shop.run(box, tmp_path, records={**foreign_shop.RECORDS, **changed})
    assert result.code == 0
    for kind in ("organizations", "leads", "products", "activities"):
        assert result.counts(kind)["updated"] == 1
        version = "v1" if kind == "leads" else "v2"
        assert any(exchange[1] == f"/pipedrive/api/{version}/{kind}" for exchange in exchanges)
    wrong = [
        problem
        for exchange in exchanges
        for problem in problems(pipedrive_specs, exchange, "/pipedrive", twin=False)
    ]
    assert "\n".join(sorted(set(wrong))) == ""


def test_calls_to_pipedrive_cost_the_tokens_that_pipedrive_specifies(
    box: Box, tmp_path: Path, exchanges: list[Exchange], pipedrive_specs: list[Spec]
) -> None:
    assert foreign_shop.run(box, tmp_path).code == 0
    lose_ledger(tmp_path, PIPEDRIVE)
    assert foreign_shop.run(box, tmp_path).code == 0
    by_version = dict(zip(("/api/v2", "/api/v1"), pipedrive_specs, strict=True))
    costs = {}
    for method, path, _, _, _ in exchanges:
        path = path.removeprefix("/pipedrive")
        operation = by_version[path[:7]].operation(method, path[7:])
        assert operation is not None
        costs[(method, path)] = operation["x-token-cost"]
    assert {call: tokens(*call) for call in costs} == costs
