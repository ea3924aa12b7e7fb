"""The mapping that the settings choose: rules, functions, and what objects.yml says."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reverse_etl.crm.adapter import Adapter
from reverse_etl.errors import FatalError, ReverseEtlError
from reverse_etl.mapping.checks import check_rules, with_settings
from reverse_etl.mapping.functions import Function, load_functions
from reverse_etl.mapping.load import SHIPPED, named_rules
from reverse_etl.mapping.objects_file import (
    ObjectsFile,
    complete_rules,
    load_objects,
    named_objects,
)
from reverse_etl.mapping.rules import Rule
from reverse_etl.objects import Namespace


def object_names(table: Iterable[str], adapter: Callable[[], Adapter]) -> Iterable[str]:
    """Names of the account's objects, or just those of the table if the account does not answer.

    They are for a message about a wrong name, which must not become one about credentials.
    """
    with contextlib.suppress(FatalError, ReverseEtlError):
        return {*table, *adapter().object_names()}
    return table


@dataclass
class ChosenMapping:
    """The mapping of one target."""

    config: Mapping[str, Any]
    settings: Iterable[str]
    """Names of all settings of the target."""
    shipped: Path
    """The folder of the rules that the target ships."""
    objects: Iterable[str] | None
    """The only objects that can be mapped; None if the CRM says later what it has."""
    known_objects: Callable[[], Iterable[str]] = tuple
    """Called where a name is wrong: the objects that may have been meant."""

    @cached_property
    def file(self) -> ObjectsFile:
        """What the mapping says about the CRM's objects. Raises: MappingError."""
        return named_objects(self._names, self.shipped)

    @property
    def namespace(self) -> Namespace:
        """Under which name `provision` puts what it creates. Raises: MappingError."""
        label = str(self.config.get("namespace") or self.file.namespace)
        return Namespace(label) if label else Namespace()

    @property
    def _names(self) -> list[str]:
        names = str(self.config.get("mapping") or SHIPPED).split(",")
        return [name.strip() for name in names if name.strip()]

    def rules(self) -> list[Rule]:
        """Rules, parents first, after the first two rings of checks. Raises: MappingError."""
        rules = [rule for name in self._names for rule in named_rules(name, self.shipped)]
        # what links may take from settings: empty if a setting is not set
        values = {name: str(self.config.get(name) or "") for name in self.settings}
        rules = [with_settings(rule, values) for rule in rules]
        return check_rules(complete_rules(rules, self.file), self.objects, self.known_objects)

    def functions(self) -> dict[str, Function]:
        """The functions that rules may name: shipped, of the mapping, and of `transforms`.

        Raises: SettingError, MappingError.
        """
        transforms = self.config.get("transforms")
        modules = [
            *load_objects(self.shipped).functions,
            *self.file.functions,
            *([str(transforms)] if transforms else []),
        ]
        return load_functions(dict.fromkeys(modules))
