"""The command `audit verify`: whether the ledger's audit is as it was written."""

from __future__ import annotations

from collections.abc import Sequence

import click
from singer_kit.command_line import config_option

from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger.audit import BrokenAuditError, audited_accounts
from reverse_etl.singer.configured import configured, open_ledger
from reverse_etl.singer.target import CrmTarget


def audit_commands(target: type[CrmTarget]) -> click.Group:
    """The group `audit` of a target."""

    @click.group("audit")
    def group() -> None:
        """What commands did to the ledger."""

    @group.command("verify")
    @config_option
    def verify(config_files: Sequence[str]) -> int:
        """Check that no event of the audit was changed, taken out, put in or cut off.

        Every account in the ledger is checked. The exit code is 1 if an audit was changed.
        """
        plugin = configured(target, config_files)
        with open_ledger(plugin) as engine:
            accounts = audited_accounts(engine, plugin.crm)
            broken = 0
            for account in accounts:
                audit = Ledger(engine, Scope(plugin.crm, account)).audit
                try:
                    click.echo(f"{account}: {audit.verify()} events, each fits the one before")
                except BrokenAuditError as error:
                    broken += 1
                    click.echo(f"{account}: {error}", err=True)
        if not accounts:
            click.echo("the audit holds no events")
        return int(broken > 0)

    return group
