"""What a target needs to open the account behind its credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reverse_etl.crm.adapter import Adapter
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.mapping.objects_file import ObjectsFile, complete_specs, shipped_settings
from reverse_etl.mapping.rules import Rule
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.engine_settings import EngineSettings
from reverse_etl.singer.settings import engine_settings, ledger_url, with_other_names


def prepared(
    adapter: Adapter,
    rules: Sequence[Rule],
    file: ObjectsFile,
    config: Mapping[str, Any],
    control: RunControl,
) -> Adapter:
    """An adapter that knows all mapped objects, and the run's limits. Raises: MappingError."""
    adapter.objects = complete_specs(adapter.objects, adapter.default_object, rules, file)
    limit = config.get("max_api_calls")
    adapter.calls.limit = int(limit) if limit else None
    adapter.calls.check = control.check_signal
    return adapter


def open_ledger(config: Mapping[str, Any], target: str, scope: Scope) -> Ledger:
    """The ledger of an account, in which a run has begun, without what is not to be kept.

    Raises: LedgerError.
    """
    masks = bool(config.get("mask_dead_letters"))
    ledger = Ledger(Ledger.open(ledger_url(config, target)), scope, masks_letters=masks)
    ledger.begin_run()
    if masks:
        ledger.retention.mask_letters()
    if config.get("retention_days"):
        ledger.retention.delete_older(float(config["retention_days"]))
    return ledger


def run_settings(
    config: Mapping[str, Any], shipped_mapping: Path, concurrency: int, regress_setting: str
) -> EngineSettings:
    """What the settings say to the engine. Raises: SettingError, MappingError."""
    named = with_other_names(config, shipped_settings(shipped_mapping))
    return engine_settings(named, concurrency, regress_setting)
