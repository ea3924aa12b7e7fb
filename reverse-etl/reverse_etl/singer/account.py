"""Opening the account behind a target's credentials: for a run, or just to look into the CRM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reverse_etl.crm.adapter import Account, Adapter
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.mapping.objects_file import complete_specs, shipped_settings
from reverse_etl.pipeline.engine import Engine
from reverse_etl.singer.settings import engine_settings, ledger_url, with_other_names

if TYPE_CHECKING:
    from reverse_etl.singer.target import CrmTarget


def open_adapter(target: CrmTarget) -> Adapter:
    """The adapter, with the specs of all mapped objects. Raises: SettingError, MappingError."""
    adapter = target.build_adapter()
    adapter.objects = complete_specs(
        adapter.objects, adapter.default_object, target.rules, target.mapping.file
    )
    limit = target.config.get("max_api_calls")
    adapter.calls.limit = int(limit) if limit else None
    adapter.calls.check = target.control.check_signal
    return adapter


def open_engine(target: CrmTarget, adapter: Adapter, account: Account) -> Engine:
    """The engine of a run, whose row is in the ledger then. Raises: FatalError."""
    functions = target.mapping.functions()
    database = Ledger.open(ledger_url(target.config, target.name))
    ledger = Ledger(database, Scope(target.crm, account.id))
    ledger.begin_run()
    settings = engine_settings(
        with_other_names(target.config, shipped_settings(target.shipped_mapping())),
        target.default_concurrency,
        target.regress_setting,
    )
    return Engine(
        adapter, ledger, target.rules, functions, settings, target.outcomes, target.control
    )
