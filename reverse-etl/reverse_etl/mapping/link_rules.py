"""Links as a rule states them: to another record, or to the person who owns the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reverse_etl.mapping.paths import as_paths

OWNER = "owner"
"""The other end of the link that says who owns a record."""
SEPARATOR = "#"
"""Between the object and what tells a link from others to it, in the link's name."""

LinkWait = Literal["record", "link"]
"""What waits for a missing other end: the record as a whole, or the link alone."""
LinkPolicy = Literal["always", "on_create", "if_empty"]
"""When a link that is a field may be written."""


@dataclass(frozen=True, slots=True)
class LinkRule:
    """A link to a record of another object, found by its key or by another of its fields."""

    to: str
    name: str
    """What tells it from the rule's other links."""
    line: int
    paths: tuple[str, ...] = ()
    """The properties that hold the other record's key; empty if the key is the same for all."""
    join: str | None = None
    """What stands between the values of several properties."""
    fixed: str = ""
    """The key of the other record, the same for every record."""
    setting: str = ""
    """The setting of the target that holds the key; no link if the setting is empty."""
    by: str = ""
    """The other object's field that holds the key, if that is not its upsert key."""
    field: str = ""
    """The field that holds the link, where there are several."""
    label: str = ""
    """The label of an association."""
    wait: LinkWait | None = None
    """None until the rules have been checked together."""
    wait_asked: LinkWait | None = None
    """What the rule itself says; None if it leaves it to the default."""
    write: LinkPolicy = "always"
    key_field: str = ""
    """The upsert key of the rules that map the other object; empty if none does."""

    @property
    def found_by(self) -> str:
        """The field by which the CRM is asked for the other record; empty if the ledger knows."""
        return self.by if self.by != self.key_field else ""


@dataclass(frozen=True, slots=True)
class OwnerRule:
    """Who owns a record: a fixed person, the one whose e-mail a property holds, or by turns."""

    line: int
    fixed: str = ""
    paths: tuple[str, ...] = ()
    """The properties that hold the owner's e-mail."""
    join: str | None = None
    round_robin: tuple[str, ...] = ()
    write: Literal["always", "on_create"] = "on_create"


def build_links(content: Mapping[str, Any], lines: Mapping[str, int]) -> tuple[LinkRule, ...]:
    """The links to other records, from content of the right shape."""
    return tuple(
        LinkRule(
            to=link["to"],
            name=name_of(link),
            line=lines.get(f"links/{index}", 1),
            paths=as_paths(link.get("key", ())),
            join=link.get("join"),
            fixed=str(link.get("fixed", "")),
            setting=link.get("setting", ""),
            by=link.get("by", ""),
            field=link.get("field", ""),
            label=link.get("label", ""),
            wait=link.get("wait"),
            wait_asked=link.get("wait"),
            write=link.get("write", "always"),
        )
        for index, link in enumerate(content.get("links", []))
        if link["to"] != OWNER
    )


def build_owner(content: Mapping[str, Any], lines: Mapping[str, int]) -> OwnerRule | None:
    """The link that says who owns a record; None if there is none."""
    for index, link in enumerate(content.get("links", [])):
        if link["to"] == OWNER:
            return OwnerRule(
                lines.get(f"links/{index}", 1),
                fixed=link.get("fixed", ""),
                paths=as_paths(link.get("key", ())),
                join=link.get("join"),
                round_robin=tuple(link.get("round_robin", ())),
                write=link.get("write", "on_create"),
            )
    return None


def name_of(link: Mapping[str, Any]) -> str:
    """What tells a link from others of its rule: its object, with its label or field if it says."""
    by = link.get("label") or link.get("field")
    return f"{link['to']}{SEPARATOR}{by}" if by else str(link["to"])
