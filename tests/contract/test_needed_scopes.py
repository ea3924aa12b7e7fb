"""The scopes that a README names are those that the adapter's calls need."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from reverse_etl.crm.adapter import Lookup

from box import Box
from contract.needed_scopes import check_scopes, hubspot_accepts, named_scopes
from contract.test_vendor_specs import MORE, SPECS, Spec, pipedrive_specs
from crms import HUBSPOT, PIPEDRIVE, Crm
from support import STREAMS, deliver, extract

__all__ = ["pipedrive_specs"]


def calls_of_all_rules(box: Box, crm: Crm, folder: Path) -> set[str]:
    """Method and path of every call of a run with all shipped rules."""
    messages = extract(box, folder, streams=STREAMS)
    box.forget_log(crm)
    assert deliver(box, crm, messages, folder, **MORE).code == 0
    return logged_calls(box, crm)


def logged_calls(box: Box, crm: Crm) -> set[str]:
    paths = {(line["method"], urlsplit(line["path"]).path) for line in box.log(crm)}
    return {f"{method} {path.removeprefix(f'/{crm}')}" for method, path in paths}


def test_hubspots_readme_names_the_scopes_that_its_calls_need(box: Box, tmp_path: Path) -> None:
    calls = calls_of_all_rules(box, HUBSPOT, tmp_path)
    check_scopes(named_scopes("target-hubspot"), map(hubspot_accepts, calls))


@pytest.mark.skipif(not SPECS.is_dir(), reason="CRM_SPECS_DIR names no folder of specifications")
def test_pipedrives_readme_names_the_scopes_that_its_calls_need(
    box: Box, tmp_path: Path, pipedrive_specs: list[Spec]
) -> None:
    calls = calls_of_all_rules(box, PIPEDRIVE, tmp_path)
    adapter = PIPEDRIVE.target(config=PIPEDRIVE.credentials(box.url)).build_adapter()
    adapter.describe("persons")
    adapter.find("persons", "canai_user_id", [Lookup("u1", {})], [], known=100_000)
    calls |= logged_calls(box, PIPEDRIVE)
    by_version = dict(zip(("/api/v2", "/api/v1"), pipedrive_specs, strict=True))
    accepted = []
    for call in calls:
        match = re.fullmatch(r"(\w+) (/api/v\d)(.+)", call)
        assert match is not None
        operation = by_version[match[2]].operation(match[1], match[3])
        assert operation is not None
        scopes = [entry["oauth2"] for entry in operation["security"] if "oauth2" in entry]
        accepted.append(set(scopes[0]))
    check_scopes(named_scopes("target-pipedrive"), accepted)


@pytest.mark.parametrize("broken", [{"a"}, {"a", "b", "c"}])
def test_a_scope_too_few_or_too_many_is_found(broken: set[str]) -> None:
    check_scopes({"a", "b"}, [{"a", "c"}, {"b"}])
    with pytest.raises(AssertionError):
        check_scopes(broken, [{"a", "d"}, {"b"}])
