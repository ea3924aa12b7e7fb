"""Messages and descriptions of Salesforce against its WSDL, and against what a real org answered.

The WSDL and the recordings are in `CRM_SPECS_DIR`; without it these tests skip and say so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from defusedxml import ElementTree
from reverse_etl.objects import FieldWanted

from box import Box
from crms import SALESFORCE
from support import deliver, extract

SPECS = Path(os.environ.get("CRM_SPECS_DIR", "/nonexistent"))
pytestmark = pytest.mark.skipif(
    not SPECS.is_dir(), reason="CRM_SPECS_DIR names no folder of vendor specifications"
)
NAMESPACE = "{http://www.w3.org/2001/XMLSchema}"
METADATA = "{http://soap.sforce.com/2006/04/metadata}"


def wsdl_types() -> dict[str, list[str]]:
    """Elements of each complex type of the metadata WSDL, in its order, those of its base first."""
    tree = ElementTree.parse(SPECS / "salesforce" / "metadata-v63.wsdl")
    own, bases = {}, {}
    for element in tree.iter(f"{NAMESPACE}complexType"):
        name = element.get("name")
        if name:
            own[name] = [
                str(element.get("name")) for element in element.iter(f"{NAMESPACE}element")
            ]
            base = next(element.iter(f"{NAMESPACE}extension"), None)
            bases[name] = str(base.get("base")).partition(":")[2] if base is not None else ""
    return {name: [*own.get(bases[name], []), *elements] for name, elements in own.items()}


NESTED = {
    "nameField": "CustomField",
    "valueSet": "ValueSet",
    "valueSetDefinition": "ValueSetValuesDefinition",
    "value": "CustomValue",
}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """SOAP messages that go over the wire."""
    messages: list[bytes] = []
    real: Callable[..., requests.Response] = requests.Session.request

    def record(self: requests.Session, method: str, url: str, **more: Any) -> requests.Response:
        if "/services/Soap/" in url:
            messages.append(more["data"])
        return real(self, method, url, **more)

    monkeypatch.setattr(requests.Session, "request", record)
    return messages


def problems(element: Any, kind: str, types: dict[str, list[str]]) -> Iterator[str]:
    """What the WSDL has against an element and those below it."""
    known = types[kind]
    names = [child.tag.removeprefix(METADATA) for child in element]
    unknown = [name for name in names if name not in known]
    if unknown:
        yield f"{kind}: unknown {unknown}"
    elif [known.index(name) for name in names] != sorted(known.index(name) for name in names):
        yield f"{kind}: {names} are not in the WSDL's order"
    for child in element:
        if len(child):
            yield from problems(child, NESTED[child.tag.removeprefix(METADATA)], types)


def checked_kinds(sent: list[bytes]) -> set[str]:
    """The types of the components that were sent, each as the WSDL documents it."""
    types, kinds = wsdl_types(), set()
    for message in sent:
        for component in ElementTree.fromstring(message).iter(f"{METADATA}metadata"):
            kind = str(component.get("{http://www.w3.org/2001/XMLSchema-instance}type"))
            kinds.add(kind)
            assert list(problems(component, kind, types)) == []
    return kinds


def test_metadata_messages_are_as_the_wsdl_documents_them(
    box: Box, tmp_path: Path, sent: list[bytes]
) -> None:
    messages = extract(box, tmp_path, streams=("users", "payments", "deliverables", "analytics"))
    assert deliver(box, SALESFORCE, messages, tmp_path).code == 0
    assert checked_kinds(sent) == {"CustomObject", "CustomField"}


def test_picklists_and_lookups_are_as_the_wsdl_documents_them(box: Box, sent: list[bytes]) -> None:
    adapter = SALESFORCE.target(config=SALESFORCE.credentials(box.url)).build_adapter()
    adapter.describe("Account")
    fields = [
        FieldWanted("Topics__c", "choices", ("art", "sport")),
        FieldWanted("Payer__c", "text", refers="Contact"),
    ]
    adapter.provision("Account", fields)
    assert adapter.choosing is not None
    adapter.choosing.add_options("Account", "Topics__c", ["chess"])
    assert checked_kinds(sent) == {"CustomField"}
    operations = {element.tag.removeprefix(METADATA) for element in map(operation_of, sent)}
    assert operations == {"createMetadata", "readMetadata", "updateMetadata"}


def operation_of(message: bytes) -> Any:
    """The element that names the operation of a message."""
    return ElementTree.fromstring(message)[1][0]


RECORDED = ("Account", "Contact", "Lead", "Opportunity", "OpportunityContactRole")
DESCRIBED = (
    *("type", "length", "precision", "scale", "createable", "updateable", "nillable"),
    *("idLookup", "externalId", "unique", "caseSensitive", "restrictedPicklist", "referenceTo"),
    *("relationshipName", "custom", "filterable"),
)


def recorded_describe(name: str) -> dict[str, Any]:
    """A describe that a real org answered."""
    folder = SPECS / "salesforce" / "describe-and-upsert-recordings"
    cassette = yaml.safe_load((folder / f"GET_sobjects_{name}_describe.yaml").read_text())
    body: dict[str, Any] = json.loads(cassette["response"]["body"]["string"])
    return body


@pytest.mark.parametrize("name", RECORDED)
def test_salesforce_describes_objects_as_a_real_org_did(box: Box, name: str) -> None:
    path = f"/salesforce/services/data/v67.0/sobjects/{name}/describe"
    answer = box.call("GET", path, None, SALESFORCE.headers())
    recorded = recorded_describe(name)
    real = {field["name"]: field for field in recorded["fields"]}
    wrong = []
    for field in answer["fields"]:
        expected = real[field["name"]]
        for key in DESCRIBED:
            if field[key] != expected[key]:
                wrong.append(f"{field['name']}.{key}: {field[key]}, really {expected[key]}")
        if not field["nillable"] and field["defaultedOnCreate"] != expected["defaultedOnCreate"]:
            wrong.append(f"{field['name']}.defaultedOnCreate")
        values = [entry["value"] for entry in field["picklistValues"]]
        if values and values != [entry["value"] for entry in expected["picklistValues"]]:
            wrong.append(f"{field['name']}: {values}")
    assert wrong == []
    for key in ("label", "keyPrefix"):
        assert answer[key] == recorded[key]


def test_salesforce_lists_objects_as_a_real_org_did(box: Box) -> None:
    path = "/salesforce/services/data/v67.0/sobjects"
    answer = box.call("GET", path, None, SALESFORCE.headers())
    real = {item["name"]: item for item in recorded_describe("Global")["sobjects"]}
    shared = [item for item in answer["sobjects"] if item["name"] in real]
    assert {item["name"] for item in shared} > {"Account", "Campaign", "Case", "Contact"}
    keys = ("custom", "createable", "queryable", "updateable")
    for item in shared:
        expected = real[item["name"]]
        if item["name"] not in ("Organization", "User"):
            assert [item[key] for key in keys] == [expected[key] for key in keys]
