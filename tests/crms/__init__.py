"""The three CRMs, each behind `Crm`; tests are parametrised with `crm`."""

from __future__ import annotations

import pytest

from crms.base import Crm, PipelineCrm
from crms.hubspot import HubSpot
from crms.pipedrive import Pipedrive
from crms.salesforce import Salesforce

HUBSPOT, PIPEDRIVE, SALESFORCE = HubSpot(), Pipedrive(), Salesforce()
CRMS: tuple[Crm, ...] = (HUBSPOT, PIPEDRIVE, SALESFORCE)
PIPELINE_CRMS: tuple[PipelineCrm, ...] = (HUBSPOT, PIPEDRIVE)

each_crm = pytest.mark.parametrize("crm", CRMS, ids=str)
SOAK = pytest.mark.soak
one_crm = pytest.mark.parametrize(
    "crm",
    [HUBSPOT, *(pytest.param(crm, marks=SOAK) for crm in CRMS if crm is not HUBSPOT)],
    ids=str,
)
"""For what takes long and depends little on the CRM: the others by `make soak`."""
each_pipeline_crm = pytest.mark.parametrize("crm", PIPELINE_CRMS, ids=str)
each_portal = pytest.mark.parametrize(
    ("crm", "trace_ids"),
    [(HUBSPOT, True), (HUBSPOT, False), (PIPEDRIVE, True), (SALESFORCE, True)],
    ids=["hubspot", "hubspot without trace ids", "pipedrive", "salesforce"],
    indirect=["trace_ids"],
)
"""Each CRM; HubSpot also as a portal that ignores trace ids, where a batch with a bad row is
refused as a whole and results are matched by key. For tests that read the responses to batches.
"""

__all__ = [
    "CRMS",
    "HUBSPOT",
    "PIPEDRIVE",
    "PIPELINE_CRMS",
    "SALESFORCE",
    "Crm",
    "PipelineCrm",
    "each_crm",
    "each_pipeline_crm",
    "each_portal",
    "one_crm",
]
