"""The types of associations between two objects, which the account itself lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reverse_etl.crm.http import SETUP
from reverse_etl.errors import CrmError, NoSuchLinkError, NoSuchObjectError
from reverse_etl.near_names import near_name
from reverse_etl.objects import LinkForm, LinkWanted

from target_hubspot.api import HubSpotApi
from target_hubspot.errors import body_of
from target_hubspot.object_types import ObjectTypes
from target_hubspot.objects import ASSOCIATION_LIMIT

OWN = "HUBSPOT_DEFINED"
USERS = "USER_DEFINED"
"""Categories: HubSpot's own types, and labels and types between custom objects."""
LATER = "LATER"
"""In place of a category, if the other object is yet to be created; a label follows."""
LIKELY = "Association labels need the scope of the objects' schemas and a paid subscription."
Type = Mapping[str, Any]
Pair = tuple[str, str]


@dataclass(slots=True)
class LinkTypes:
    """The association types of one account, asked for once for each pair of objects."""

    api: HubSpotApi
    objects: ObjectTypes
    is_planned: Callable[[str], bool]
    """Tells whether the mapping lets an object be created."""
    created: Callable[[str, str], None]
    """Called with an object and the association type that was created for it."""
    pairs: dict[Pair, Sequence[Type]] = field(default_factory=dict)

    def form(self, object_name: str, wanted: LinkWanted, *, provision: bool) -> LinkForm:
        """An association of the wanted label. Raises: NoSuchLinkError, NoSuchObjectError, CrmError.

        A label that is missing is created with `provision`.
        """
        pair = (object_name, wanted.to)
        try:
            found = self._find(pair, wanted.label)
        except NoSuchObjectError:
            if not provision or not self.is_planned(wanted.to):
                raise
            return association(wanted.to, f"{LATER}/{wanted.label}")
        if found is None and provision:
            # Another process may have created it since the types were listed.
            del self.pairs[pair]
            found = self._find(pair, wanted.label)
        if found is None and provision:
            self._create(pair, wanted.label)
            found = self._find(pair, wanted.label)
        if found is None:
            raise self._no_such_link(pair, wanted.label)
        return association(wanted.to, notation(found))

    def planned(self, object_name: str, wanted: LinkWanted) -> LinkForm:
        """The association that `form` gives with `provision`; creates nothing.

        Raises: NoSuchLinkError, NoSuchObjectError, CrmError.
        """
        pair, label = (object_name, wanted.to), wanted.label
        later = association(wanted.to, f"{LATER}/{label}")
        try:
            found = self._find(pair, label)
        except NoSuchObjectError:
            for name in pair:
                if not self.is_planned(name):
                    self._resolve(name)
            return later
        if found is not None:
            return association(wanted.to, notation(found))
        if not label and not self._is_custom(pair):
            raise self._no_such_link(pair, label)
        self._check_is_new(pair, label)
        return later

    def _check_is_new(self, pair: Pair, label: str) -> None:
        """Raises: NoSuchLinkError if a new label is nearly that of an existing association."""
        existing = near_name(label, self._labels(pair))
        if existing:
            raise NoSuchLinkError(
                f"HubSpot has no association from {pair[0]} to {pair[1]} with the label {label!r}, "
                f"and provision does not create it, since it is nearly the existing {existing!r}.",
                f"Did you mean {existing!r}? If not, create {label!r} in HubSpot yourself.",
            )

    def _is_custom(self, pair: Pair) -> bool:
        """Returns True if an end is a custom object, whose associations are ours to create."""
        return bool(set(pair) & self.objects.schemas.keys())

    def _labels(self, pair: Pair) -> list[str]:
        return sorted(str(known["label"]) for known in self._between(pair) if known.get("label"))

    def known(self, object_name: str, form: LinkForm) -> LinkForm:
        """A form with its type, which is not known before the other object exists.

        Raises: NoSuchLinkError, NoSuchObjectError, CrmError.
        """
        category, _, label = form.type.partition("/")
        if category != LATER:
            return form
        return self.form(object_name, LinkWanted(form.to, label=label), provision=True)

    def plain(self, object_name: str, to: str) -> dict[str, Any]:
        """The default type between two objects, for a call. Raises: NoSuchLinkError, CrmError."""
        return spec_of(self.form(object_name, LinkWanted(to), provision=False).type)

    def is_plain(self, object_name: str, form: LinkForm) -> bool:
        """Returns True if an association has no label. Raises: CrmError."""
        types = self._between((object_name, form.to))
        return any(notation(known) == form.type and not known.get("label") for known in types)

    def _find(self, pair: Pair, label: str) -> Type | None:
        """The type of a label; without one that of HubSpot's own, if there are several."""
        types = [
            known
            for known in self._between(pair)
            if str(known.get("label") or "").casefold() == label.casefold()
        ]
        return min(types, key=lambda known: known["category"] != OWN, default=None)

    def _between(self, pair: Pair) -> Sequence[Type]:
        """The types that lead from one object to another. Raises: NoSuchObjectError, CrmError."""
        if pair not in self.pairs:
            answer = self.api.http.call("GET", self._path(pair), SETUP)
            if self.objects.is_unknown(answer):
                for name in pair:
                    self._resolve(name)
                answer = self.api.http.call("GET", self._path(pair), SETUP)
            if not answer.ok:
                message = body_of(answer).get("message", "")
                raise CrmError(
                    f"HubSpot does not list the associations from {pair[0]} to {pair[1]} "
                    f"({answer.status}): {message}",
                    "Check the names of the objects and the token's scopes.",
                )
            self.pairs[pair] = body_of(answer).get("results") or ()
        return self.pairs[pair]

    def _resolve(self, name: str) -> None:
        """Raises: NoSuchObjectError if a name is neither HubSpot's own nor a custom object's."""
        if self.objects.is_unknown(
            self.api.http.call("GET", self.api.paths.properties(name), SETUP)
        ):
            self.objects.resolve(name)

    def _create(self, pair: Pair, label: str) -> None:
        """Create a label, or the plain type of a custom object. Raises: CrmError."""
        if label:
            path, body = self._path(pair), {"label": label, "name": internal_name(label)}
        else:
            if not self._is_custom(pair):
                return
            path = f"{self.api.paths.schemas()}/{self.objects.type_id(pair[0])}/associations"
            ends = [self.objects.type_id(name) for name in pair]
            body = {
                "fromObjectTypeId": ends[0],
                "toObjectTypeId": ends[1],
                "name": internal_name("_to_".join(pair)),
            }
        answer = self.api.post(path, SETUP, body)
        if not answer.ok:
            message = body_of(answer).get("message", "")
            raise CrmError(
                f"HubSpot could not create the association from {pair[0]} to {pair[1]} "
                f"({answer.status}): {message}",
                f"Create it by hand. {LIKELY}",
            )
        del self.pairs[pair]
        self.created(pair[0], f"{pair[1]} ({label})" if label else pair[1])

    def _path(self, pair: Pair) -> str:
        return self.api.paths.associations(*pair, "labels")

    def _no_such_link(self, pair: Pair, label: str) -> NoSuchLinkError:
        labels = self._labels(pair)
        if not label:
            return NoSuchLinkError(
                f"HubSpot has no association from {pair[0]} to {pair[1]} without a label.",
                f"Labels: {', '.join(labels)}." if labels else "Set `provision: true`.",
            )
        return NoSuchLinkError(
            f"HubSpot has no association from {pair[0]} to {pair[1]} with the label {label!r}.",
            f"Labels: {', '.join(labels) or 'none'}. Set `provision: true` to create it.",
        )


def association(to: str, link_type: str) -> LinkForm:
    """An association of a type."""
    return LinkForm(to, "association", rows_a_call=ASSOCIATION_LIMIT, type=link_type)


def notation(known: Type) -> str:
    """A type as links name it, such as `HUBSPOT_DEFINED/3`."""
    return f"{known['category']}/{known['typeId']}"


def spec_of(link_type: str) -> dict[str, Any]:
    """A type as calls name it, from its notation."""
    category, _, number = link_type.partition("/")
    return {"associationCategory": category, "associationTypeId": int(number)}


def internal_name(label: str) -> str:
    """The internal name of a label: letters, digits and underscores, no digit first.

    Source: HubSpot, Associations schema guide, read 2026-11-29.
    """
    name = re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_")
    return name if name[:1].isalpha() else f"label_{name}"
