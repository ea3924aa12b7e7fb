"""What a target needs to open the account behind its credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reverse_etl.crm.adapter import Account, Adapter
from reverse_etl.dry_run.run import DryRun
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.mapping.objects_file import ObjectsFile, complete_specs, shipped_settings
from reverse_etl.mapping.rules import Rule
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.engine_settings import EngineSettings
from reverse_etl.pipeline.guard import Limit
from reverse_etl.singer.settings import engine_settings, ledger_url, with_other_names


def prepared(
    adapter: Adapter,
    rules: Sequence[Rule],
    file: ObjectsFile,
    config: Mapping[str, Any],
    control: RunControl,
    dry_run: DryRun | None,
) -> Adapter:
    """An adapter that knows all mapped objects, and the run's limits.

    Raises: MappingError, SettingError.
    """
    adapter.objects = complete_specs(adapter.objects, adapter.default_object, rules, file)
    limit = config.get("max_api_calls")
    adapter.calls.limit = int(limit) if limit else None
    adapter.calls.check = control.check_signal
    kept = config.get("keep_calls_free")
    if kept not in (None, ""):
        adapter.calls.reserve = Limit.parse("keep_calls_free", kept).allowed
    return adapter if dry_run is None else dry_run.adapter(adapter)


def open_account(
    adapter: Adapter, config: Mapping[str, Any], target: str, dry_run: DryRun | None
) -> tuple[Account, Ledger]:
    """The account behind the credentials, and its ledger or a copy of it, in which a run has begun.

    What is not to be kept is deleted. Raises: CrmError, LedgerError.
    """
    account, url = adapter.account(), ledger_url(config, target)
    scope, masks = Scope(adapter.crm, account.id), bool(config.get("mask_dead_letters"))
    if dry_run is None:
        ledger = Ledger(Ledger.open(url), scope, masks_letters=masks)
    else:
        ledger = dry_run.ledger(url, scope, masks_letters=masks)
    ledger.begin_run()
    delete_old(ledger, config, logs=dry_run is None)
    return account, ledger


def delete_old(ledger: Ledger, config: Mapping[str, Any], *, logs: bool) -> None:
    """Delete what the settings say is not to be kept. Raises: LedgerError.

    A dry run does so in its copy, or its plan would try letters again that a run could not.
    """
    if config.get("mask_dead_letters"):
        ledger.retention.mask(logs=logs)
    if config.get("retention_days"):
        ledger.retention.delete_older(float(config["retention_days"]), logs=logs)


def run_settings(
    config: Mapping[str, Any], shipped_mapping: Path, concurrency: int, regress_setting: str
) -> EngineSettings:
    """What the settings say to the engine. Raises: SettingError, MappingError."""
    named = with_other_names(config, shipped_settings(shipped_mapping))
    return engine_settings(named, concurrency, regress_setting)
