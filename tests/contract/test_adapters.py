"""The adapter suite, for the three targets on the sandbox and for target-tiny on its emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest
from target_tiny import TargetTiny

from box import Box
from contract.adapter_suite import AdapterSuite, Linked, Subject
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm
from tiny import Tiny, tiny_emulator


def on_sandbox(box: Box, crm: Crm) -> Subject:
    """A target's adapter on the sandbox, with its people."""

    def held() -> dict[str, str]:
        return {row["properties"][crm.person_key]: str(row["id"]) for row in box.people(crm)}

    account_id = crm.account_id(box)
    box.forget_log(crm)
    return Subject(
        adapter=crm.target(config=crm.credentials(box.url)).build_adapter(),
        account_id=account_id,
        kind=crm.people,
        key_field=crm.person_key,
        match_field=crm.email_field,
        text_field=crm.text_field,
        number_field=crm.spent_field,
        fields={crm.name_fields[-1]: "Lee"},
        bad={crm.email_field: "no address"},
        missing_id=crm.missing_id,
        linked=Linked(crm.deals, crm.deal_key, crm.new_deal, lambda: crm.deal_links(box)),
        held=held,
        calls=lambda: len([line for line in box.log(crm) if line["kind"] != "auth"]),
        lose_response=lambda: box.fault(crm, "drop_after_commit", match=crm.person_writes),
        deny=lambda: box.fault(crm, "403_permission", match=crm.person_writes),
    )


class OnSandbox(AdapterSuite):
    """The suite for a target of the project's own."""

    crm: ClassVar[Crm]

    @pytest.fixture
    def subject(self, box: Box) -> Subject:
        return on_sandbox(box, self.crm)


class TestHubSpot(OnSandbox):
    crm = HUBSPOT


class TestHubSpotWithoutTraceIds(OnSandbox):
    crm = HUBSPOT

    @pytest.fixture
    def subject(self, box: Box) -> Subject:
        box.limit(HUBSPOT, trace_ids=False)
        return on_sandbox(box, self.crm)


class TestPipedrive(OnSandbox):
    crm = PIPEDRIVE


class TestSalesforce(OnSandbox):
    crm = SALESFORCE


def on_emulator(tiny: Tiny) -> Subject:
    """Tiny's adapter on its emulator, with its people."""
    return Subject(
        adapter=TargetTiny(config=tiny.settings).build_adapter(),
        account_id="tiny-1",
        kind="people",
        key_field="external_id",
        match_field="mail",
        text_field="trade",
        number_field="spent",
        fields={"name": "Lee"},
        bad={"mail": "no address"},
        missing_id="people-99",
        linked=Linked(
            "visits",
            "external_id",
            {},
            lambda: [(row["id"], row["person"]) for row in tiny.get("visits")],
        ),
        held=lambda: {row["external_id"]: row["id"] for row in tiny.get("people")},
        calls=lambda: len(tiny.get("calls")),
        lose_response=lambda: tiny.next_upsert("drop"),
        deny=lambda: tiny.next_upsert("deny"),
    )


@pytest.mark.process
class TestTiny(AdapterSuite):
    @pytest.fixture
    def subject(self) -> Iterator[Subject]:
        with tiny_emulator() as tiny:
            yield on_emulator(tiny)
