"""What the CRM has of the objects, links and owners that rules name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from singer_kit.words import nearest, suggestion

from reverse_etl.crm.adapter import Adapter, Currencies
from reverse_etl.errors import CrmError, MappingError, NoSuchLinkError, NoSuchObjectError
from reverse_etl.mapping.compiler import link_form
from reverse_etl.mapping.link_rules import LinkRule
from reverse_etl.mapping.rules import Rule
from reverse_etl.objects import LinkForm, LinkWanted, ObjectSpec
from reverse_etl.values import FieldInfo

Fields = Mapping[str, FieldInfo]
FormOf = Callable[[str, LinkWanted], LinkForm]
"""Gives the form of a link of an object."""


@dataclass(frozen=True, slots=True)
class CrmObjects:
    """Looks up what rules name, and says where a rule names what does not exist."""

    adapter: Adapter
    rules: Sequence[Rule] = ()
    """All rules of the mapping."""
    provisions: bool = False
    """True if what is missing may be created."""

    def spec(self, rule: Rule) -> ObjectSpec:
        """Raises: MappingError if the CRM cannot have such an object."""
        spec = self.adapter.objects.get(rule.object)
        if spec is None:
            raise self.no_such_object(rule)
        return spec

    def described(self, rule: Rule, spec: ObjectSpec) -> Mapping[str, FieldInfo] | None:
        """The fields of a rule's object, none if it is yet to be created.

        None if the account may lack the object, and does. Raises: MappingError, CrmError.
        """
        try:
            return self.adapter.describe(rule.object)
        except NoSuchObjectError as error:
            # A mistyped name must not become an object in a customer's CRM.
            if self.provisions and spec.listed:
                return {}
            if not spec.optional:
                raise self.no_such_object(rule, error) from None
            return None

    def link_forms(self, rule: Rule, spec: ObjectSpec, form_of: FormOf) -> list[LinkForm]:
        """The forms of a rule's links, in order. Raises: MappingError, CrmError."""
        return [self.link_form(rule, link, spec, form_of) for link in rule.links]

    def link_form(self, rule: Rule, link: LinkRule, spec: ObjectSpec, form_of: FormOf) -> LinkForm:
        """The form of one link. Raises: MappingError, CrmError."""
        wanted = LinkWanted(link.to, link.field, link.label)
        try:
            form = form_of(rule.object, wanted)
        except (NoSuchLinkError, NoSuchObjectError) as error:
            raise self._no_such_link(rule, link, error) from None
        return link_form(link, form, needed=spec.needs_link)

    def check_ends(self, rule: Rule) -> None:
        """Raises: MappingError if the CRM lacks what a link leads to, or its field; CrmError."""
        for link in rule.links:
            self.check_end(rule, link)

    def check_end(self, rule: Rule, link: LinkRule) -> None:
        """The same for one link. Raises: MappingError, CrmError."""
        if not link.found_by:
            return
        writers = self.writers(link)
        try:
            fields = self.adapter.describe(link.to)
        except NoSuchObjectError as error:
            if not writers:
                raise self._no_such_link(rule, link, error) from None
            fields = {}
        if link.found_by not in fields:
            self._check_writers(rule, link, writers, fields)

    def writers(self, link: LinkRule) -> list[Rule]:
        """The rules that write the field by which a link's other end is found."""
        return [
            other
            for other in self.rules
            if other.object == link.to and link.found_by in other.field_names
        ]

    def _check_writers(
        self, rule: Rule, link: LinkRule, writers: Sequence[Rule], fields: Fields
    ) -> None:
        """Raises: MappingError unless a rule of the same stream creates a link's field."""
        streams = sorted({writer.stream for writer in writers})
        is_on = self.provisions
        if is_on and rule.stream in streams:
            return
        if writers:
            switch = "" if is_on else "set `provision: true` and "
            raise rule.error(
                f"{link.to} has no field {link.found_by!r} yet.",
                link.line,
                f"The rule {writers[0].name} writes it: {switch}bring its stream, {streams[0]}, "
                "first. Or create the field in the CRM.",
            )
        raise rule.error(
            f"{link.to} has no field {link.found_by!r}.",
            link.line,
            suggestion(link.found_by, sorted(fields)),
        )

    def no_such_object(self, rule: Rule, error: NoSuchObjectError | None = None) -> MappingError:
        """The object's name is wrong, or the account lacks it."""
        message = f"unknown object {rule.object!r}." if error is None else error.message
        known = [name for name in self.adapter.object_names() if name != rule.object]
        hint = nearest(rule.object, known) or (error.hint if error else "")
        return rule.error(message, "object", hint or suggestion(rule.object, known))

    def _no_such_link(self, rule: Rule, link: LinkRule, error: CrmError) -> MappingError:
        """A link that the CRM does not have, or that leads to an object whose name is wrong."""
        names = set(self.adapter.object_names())
        hint = "" if link.to in names else nearest(link.to, names)
        return rule.error(f"links to {link.to!r}: {error.message}", link.line, hint or error.hint)

    def currencies(self, rules: Sequence[Rule]) -> Currencies | None:
        """The account's currencies, if a rule asks for them and the CRM knows. Raises: CrmError."""
        asked = any(field.currency is not None for rule in rules for field in rule.fields)
        return self.adapter.money.currencies() if asked and self.adapter.money else None

    def owners(self, rule: Rule) -> Mapping[str, str]:
        """Who may own records, if the rule asks for owners. Raises: CrmError."""
        if not rule.owner:
            return {}
        if self.adapter.owning is None:
            raise CrmError(
                f"{self.adapter.crm} has no owners, and the rule {rule.name} names one.",
                "Take the link to owner out of the rule.",
            )
        return self.adapter.owning.owners()


def fields_of_new(spec: ObjectSpec) -> dict[str, FieldInfo]:
    """What a new object has by itself: the field of its records' owner."""
    return {spec.owner_field: FieldInfo(spec.owner_field, "text")} if spec.owner_field else {}
