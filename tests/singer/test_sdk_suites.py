"""singer-sdk's standard tests for taps and targets.

The suites take settings when this module is imported; what they name exists while they run.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class, get_target_test_class
from tap_canai.tap import TapCanAI

from box import Box, free_port, sandbox
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE
from support import tap_config, target_config

BOX = Box(free_port())
FOLDER = Path(tempfile.gettempdir()) / f"canai-suites-{uuid.uuid4().hex}"


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    """The sandbox and the folder that the settings name."""
    FOLDER.mkdir()
    with sandbox(60, port=BOX.port):
        yield
    shutil.rmtree(FOLDER)


TestTap = get_tap_test_class(
    TapCanAI,
    config=tap_config(BOX, FOLDER),
    suite_config=SuiteConfig(ignore_no_records=False),
)
TestTargetHubSpot = get_target_test_class(
    HUBSPOT.target, config=target_config(BOX, HUBSPOT, FOLDER, ignore_streams=["*"])
)
TestTargetPipedrive = get_target_test_class(
    PIPEDRIVE.target, config=target_config(BOX, PIPEDRIVE, FOLDER, ignore_streams=["*"])
)
TestTargetSalesforce = get_target_test_class(
    SALESFORCE.target, config=target_config(BOX, SALESFORCE, FOLDER, ignore_streams=["*"])
)
