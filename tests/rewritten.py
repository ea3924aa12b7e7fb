"""Lets pytest explain the assertions of modules that are not tests themselves."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "airbyte_source", "contract.adapter_suite", "receiver", "source", "support", "tiny"
)
