"""`check`: whether the account is ready for a run. Signs in and reads; writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click
from singer_kit.command_line import config_option

from reverse_etl.crm.adapter import Account, Adapter
from reverse_etl.crm.preflight import AccountState, Problem
from reverse_etl.errors import CrmError, NoSuchObjectError
from reverse_etl.mapping.kinds import source_kind
from reverse_etl.mapping.rules import FieldRule
from reverse_etl.mapping.schemas import NoSuchPathError
from reverse_etl.singer.configured import validated
from reverse_etl.singer.target import CrmTarget
from reverse_etl.values import FieldInfo

Fields = Mapping[str, FieldInfo]


@dataclass(frozen=True, slots=True)
class Preflight:
    """An account before a run, and what an administrator has to do first."""

    account: Account
    state: AccountState
    problems: Sequence[Problem]

    def report(self) -> dict[str, Any]:
        """The check as a JSON object."""
        return {
            "id": self.account.id,
            **asdict(self.state),
            "problems": list(map(asdict, self.problems)),
        }

    def lines(self) -> Iterator[str]:
        """The check as text."""
        kind = f", {self.state.kind}" if self.state.kind else ""
        name = self.state.name or self.account.label
        yield f"account {self.account.id}: {name}{kind}"
        if self.state.calls_left is not None:
            yield f"{self.state.calls_left} {self.state.unit} are left today"
        for problem in self.problems:
            yield f"- {problem.message} {problem.hint}".rstrip()
        yield f"{len(self.problems)} problems"


def check_account(target: CrmTarget) -> Preflight:
    """Read what a run would need. Raises: FatalError if the sign-in fails."""
    adapter = target.open_adapter()
    account = adapter.account()
    preflight = adapter.preflight
    state = preflight.state() if preflight is not None else AccountState(account.label)
    return Preflight(account, state, list(problems_of(target, adapter)))


def problems_of(target: CrmTarget, adapter: Adapter) -> Iterator[Problem]:
    """What a run would stumble over."""
    known: dict[str, Fields] = {}
    for name in sorted({rule.object for rule in target.rules}):
        try:
            known[name] = adapter.describe(name)
        except NoSuchObjectError as error:
            spec = adapter.objects[name]
            if not spec.optional and not (spec.listed and target.config.get("provision")):
                yield Problem(error.message, error.hint)
        except CrmError as error:
            yield Problem(error.message, error.hint)
    missing = {} if target.config.get("provision") else missing_fields(target, known)
    for name, fields in missing.items():
        yield Problem(
            f"{name} has no field {', '.join(fields)}, or hides it from the user.",
            "Create it and grant access to it, or set `provision: true`.",
        )
    yield from removed_problems(target, known)
    yield from (Problem(note) for note in target.mapping_notes(target.rules))
    if adapter.preflight is not None:
        yield from adapter.preflight.problems(list(known), missing)


def missing_fields(target: CrmTarget, known: Mapping[str, Fields]) -> dict[str, list[str]]:
    """Fields that rules write and the CRM does not show, by object."""
    missing: dict[str, dict[str, None]] = {}
    for rule in target.rules:
        for field in rule.fields:
            if rule.object in known and field.name not in known[rule.object]:
                missing.setdefault(rule.object, {})[field.name] = None
    return {name: list(fields) for name, fields in missing.items()}


def removed_problems(target: CrmTarget, known: Mapping[str, Fields]) -> Iterator[Problem]:
    """Stages and other default options that rules name and people have removed."""
    functions = target.mapping.functions()
    removed: dict[tuple[str, str, str], None] = {}
    for rule in target.rules:
        for field in rule.fields:
            info = known.get(rule.object, {}).get(field.name)
            if info is not None:
                for option in named_options(field, functions):
                    if option in info.removed:
                        removed[(rule.object, field.name, option)] = None
    for object_name, name, option in removed:
        yield Problem(
            f"{name} of {object_name} no longer has the option {option!r}.",
            "Add it in the CRM, or map the value onto another option.",
        )


def named_options(field: FieldRule, functions: Mapping[str, Any]) -> Sequence[str]:
    """The options that a rule names by itself, whatever its stream holds."""
    try:
        return source_kind(field, {}, functions).options
    except NoSuchPathError:  # they depend on the stream
        return ()


def check_command(target: type[CrmTarget]) -> click.Command:
    """The command `check`."""

    @click.command("check")
    @click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
    @config_option
    def check(as_json: bool, config_files: Sequence[str]) -> int:
        """Sign in, and list what has to be done before a run. Writes nothing.

        The exit code is 1 if there is anything.
        """
        result = check_account(validated(target, config_files))
        if as_json:
            click.echo(json.dumps(result.report(), indent=2))
        else:
            for line in result.lines():
                click.echo(line)
        return int(bool(result.problems))

    return check
