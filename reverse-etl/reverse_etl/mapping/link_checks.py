"""Links that a rule asks for, against the form that the CRM gives them."""

from __future__ import annotations

from collections.abc import Sequence

from reverse_etl.mapping.rules import Rule
from reverse_etl.objects import LinkForm, ObjectSpec


def check_links(rule: Rule, spec: ObjectSpec, forms: Sequence[LinkForm]) -> None:
    """Raises: MappingError if a link that is needed is missing, or a word has no effect on one."""
    if spec.needs_link and not rule.links and rule.mode != "update_only":
        why = "are found among those of the record they belong to" if spec.marker_in else "need one"
        raise rule.error(
            f"{rule.object} {why}, and the rule has no link.", "object", "Add one under `links`."
        )
    for link, form in zip(rule.links, forms, strict=True):
        if form.form == "association" and link.write != "always":
            raise rule.error(
                f"the link to {link.to} is an association, which has no `write`.",
                link.line,
                "Leave `write` out.",
            )
        if form.form == "association" and link.wait_asked == "record":
            raise rule.error(
                f"the link to {link.to} is an association, for which no record can wait.",
                link.line,
                "Leave `wait` out: the link itself waits.",
            )
        if form.holds_back and link.wait_asked == "link":
            raise rule.error(
                f"a record of {rule.object} is linked to {link.to} when it is created, so the link "
                "cannot wait alone.",
                link.line,
                "Leave `wait` out: the record waits.",
            )
