"""A target with its settings and its ledger, for the commands beside the Singer one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from singer_kit.settings import bad_setting, settings_from_files, with_environment
from singer_sdk.exceptions import ConfigValidationError
from sqlalchemy import Engine

from reverse_etl.ledger import Ledger
from reverse_etl.ledger.database import check_ledger_exists
from reverse_etl.singer.settings import ledger_url
from reverse_etl.singer.target import CrmTarget


def configured(target: type[CrmTarget], config_files: Sequence[str]) -> CrmTarget:
    """A target with settings from files and the environment.

    They are not validated, since these commands need few of them. Raises: SettingError.
    """
    config = with_environment(target, settings_from_files(config_files))
    return target(config=config, validate_config=False)


def validated(
    target: type[CrmTarget], config_files: Sequence[str], **settings: object
) -> CrmTarget:
    """A target that may open its account; `settings` go before others. Raises: SettingError."""
    config = with_environment(target, settings_from_files(config_files)) | settings
    try:
        return target(config=config)
    except ConfigValidationError as error:
        raise bad_setting(error.errors) from None


@contextmanager
def open_ledger(plugin: CrmTarget) -> Iterator[Engine]:
    """The ledger's database of a target's settings, closed at the end.

    Raises: LedgerError if there is none: only a run creates one.
    """
    url = ledger_url(plugin.config, plugin.name)
    check_ledger_exists(url)
    engine = Ledger.open(url)
    try:
        yield engine
    finally:
        engine.dispose()
