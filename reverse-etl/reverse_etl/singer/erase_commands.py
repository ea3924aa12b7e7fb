"""The commands `erase` and `unerase`: people who asked to be forgotten."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import click
from singer_kit.command_line import config_option

from reverse_etl.errors import NoSuchObjectError, SettingError
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger.database import check_ledger_exists
from reverse_etl.mapping.persons import Belongings, Person
from reverse_etl.pipeline.engine import Engine
from reverse_etl.pipeline.erasing import Erasure, Proof
from reverse_etl.singer.configured import open_ledger, validated
from reverse_etl.singer.report_cleaning import clean_files
from reverse_etl.singer.settings import ledger_url
from reverse_etl.singer.target import CrmTarget

COMMAND = "erase"


@dataclass(slots=True)
class EraseRun:
    """A run without input that erases one person."""

    target: CrmTarget
    key: str
    object: str
    keep: Collection[str]
    proofs: list[Proof]

    def run(self) -> None:
        """Erase. Raises: FatalError, StoppedError."""
        check_not_dry(self.target)
        check_ledger_exists(ledger_url(self.target.config, self.target.name))
        people = objects_of_people(self.target, self.object)
        check_kept(self.target, self.keep)
        self.target.run_with(partial(self._erase, people))

    def _erase(self, people: Sequence[str]) -> None:
        engine = self.target.open_account()
        if engine is None:
            raise SettingError("max_api_calls leaves no call to erase with.", "Raise it.")
        for object_name in people:
            adopt_keys(engine, object_name)
            belongings = Belongings(
                engine.rules,
                Person(object_name, self.key),
                engine.ledger.keys.canonical,
                frozenset(self.keep),
            )
            cleans = partial(clean_files, self.target.report_folder)
            erasure = Erasure(
                engine.adapter, engine.ledger, belongings, cleans, self.target.control.sleep
            )
            self.proofs.append(erasure.run(COMMAND))


def check_not_dry(target: CrmTarget) -> None:
    """Raises: SettingError if dry_run is on."""
    if target.dry_run is not None:
        target.dry_run.close()
        raise SettingError("dry_run is on, so nothing is erased.", "Turn dry_run off.")


def objects_of_people(target: CrmTarget, chosen: str) -> list[str]:
    """The mapped objects whose records are people, or the one chosen. Raises: SettingError."""
    mapped = sorted({rule.object for rule in target.rules})
    if chosen and chosen not in mapped:
        raise SettingError(
            f"No rule maps {chosen!r}.", f"Name one of these objects: {', '.join(mapped)}."
        )
    if chosen:
        return [chosen]
    specs = target.objects
    people = [name for name in mapped if name in specs and specs[name].person]
    if not people:
        raise SettingError(
            "No mapped object is known to hold people.",
            f"Name it with --object: {', '.join(mapped)}.",
        )
    return people


def check_kept(target: CrmTarget, keep: Collection[str]) -> None:
    """Raises: SettingError if no rule maps an object that is to stay."""
    mapped = {rule.object for rule in target.rules}
    unknown = sorted(set(keep) - mapped)
    if unknown:
        raise SettingError(
            f"No rule maps {', '.join(unknown)}.",
            f"--keep takes these objects: {', '.join(sorted(mapped))}.",
        )


def adopt_keys(engine: Engine, object_name: str) -> None:
    """Have the ledger know the form of an object's keys, though no stream was opened.

    Raises: CrmError, LedgerError.
    """
    key_field = next(rule.upsert_key for rule in engine.rules if rule.object == object_name)
    try:
        info = engine.adapter.describe(object_name).get(key_field)
    except NoSuchObjectError:
        return
    if info is not None:
        engine.ledger.keys.adopt(object_name, key_field, folds_case=info.folds_case)


def erase_command(target: type[CrmTarget]) -> click.Command:
    """The command `erase` of a target."""

    @click.command(COMMAND)
    @click.option("--user-id", "--key", "key", required=True, help="The person's source key.")
    @click.option("--object", "object_name", default="", help="CRM object of people, if not known.")
    @click.option("--keep", multiple=True, help="Linked CRM object whose records stay.")
    @config_option
    def erase(key: str, object_name: str, keep: Sequence[str], config_files: Sequence[str]) -> None:
        """Erase a person from the CRM and the ledger, and keep them out.

        The records of the person go, and records that the target linked to them. The proof is
        printed as JSON; it names nobody. If the command is interrupted, run it again.
        """
        plugin = validated(target, config_files)
        proofs: list[Proof] = []
        EraseRun(plugin, key, object_name, keep, proofs).run()
        click.echo(json.dumps([proof.content() for proof in proofs], indent=2))

    return erase


def unerase_command(target: type[CrmTarget]) -> click.Command:
    """The command `unerase` of a target."""

    @click.command("unerase")
    @click.option("--user-id", "--key", "key", required=True, help="The person's source key.")
    @click.option("--object", "object_name", default="", help="CRM object of people, if not known.")
    @config_option
    def unerase(key: str, object_name: str, config_files: Sequence[str]) -> None:
        """Let records of an erased person be delivered again.

        The next run that brings them creates the person. The exit code is 1 if the person was not
        erased.
        """
        lifted = lift_tombstones(validated(target, config_files), key, object_name)
        if not lifted:
            raise SettingError("Nobody with this key was erased.", "Check --user-id.")
        click.echo(f"{len(lifted)} tombstones were lifted: {', '.join(lifted)}")

    return unerase


def lift_tombstones(target: CrmTarget, key: str, chosen: str) -> list[str]:
    """Lift a person's tombstones; returns their hashes. Raises: SettingError, CrmError."""
    check_not_dry(target)
    people = objects_of_people(target, chosen)
    scope = Scope(target.crm, target.open_adapter().account().id)
    lifted: list[str] = []
    with open_ledger(target) as engine:
        ledger = Ledger(engine, scope)
        with ledger.rows.writing() as connection:
            for object_name in people:
                known = ledger.keys.canonical(object_name, key)
                key_hash = ledger.tombstones.lift(connection, object_name, known)
                if key_hash:
                    lifted.append(key_hash)
            if lifted:
                ledger.audit.record(connection, {"command": "unerase", "hashes": lifted})
    return lifted
