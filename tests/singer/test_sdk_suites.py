"""singer-sdk's standard tests for taps and targets."""

from __future__ import annotations

import atexit
import contextlib
import tempfile
from pathlib import Path

from singer_sdk.testing import SuiteConfig, get_tap_test_class, get_target_test_class
from support import sandbox, tap_config, target_config
from tap_canai.tap import TapCanAI
from target_hubspot.target import TargetHubSpot
from target_pipedrive.target import TargetPipedrive
from target_salesforce.target import TargetSalesforce

STACK = contextlib.ExitStack()
atexit.register(STACK.close)
BOX = STACK.enter_context(sandbox(60))
FOLDER = Path(STACK.enter_context(tempfile.TemporaryDirectory()))

TestTap = get_tap_test_class(
    TapCanAI, config=tap_config(BOX), suite_config=SuiteConfig(ignore_no_records=False)
)
TestTargetHubSpot = get_target_test_class(
    TargetHubSpot, config=target_config(BOX, "hubspot", FOLDER)
)
TestTargetPipedrive = get_target_test_class(
    TargetPipedrive, config=target_config(BOX, "pipedrive", FOLDER)
)
TestTargetSalesforce = get_target_test_class(
    TargetSalesforce, config=target_config(BOX, "salesforce", FOLDER)
)
