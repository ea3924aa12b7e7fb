"""The seam to HubSpot: batches of 100 rows, upserted by a unique property, and associations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reverse_etl.crm.adapter import Account, Adapter, Hit, Lookup, RowResult
from reverse_etl.crm.call_count import CallCount
from reverse_etl.crm.http import CrmHttp
from reverse_etl.errors import CrmError
from reverse_etl.objects import FieldWanted, LinkForm, LinkWanted, Namespace, ObjectSpec
from reverse_etl.records import Write
from reverse_etl.values import FieldInfo

from target_hubspot.api import ACCOUNT, HubSpotApi, Paths
from target_hubspot.associations import Associations
from target_hubspot.erasure import Eraser
from target_hubspot.errors import PASSING_CODES
from target_hubspot.fields import Fields
from target_hubspot.files import Files
from target_hubspot.find import Finder
from target_hubspot.keyless import MARKER, Keyless
from target_hubspot.link_types import LinkTypes
from target_hubspot.listing import Listing
from target_hubspot.money import Money
from target_hubspot.object_types import ObjectTypes
from target_hubspot.objects import ANY_OBJECT, OBJECTS
from target_hubspot.options import Options
from target_hubspot.owners import Owners
from target_hubspot.preflight import Preflight
from target_hubspot.provision import Provisioner
from target_hubspot.write import Writer


class HubSpotAdapter(Adapter):
    """One HubSpot account."""

    crm = "hubspot"
    passing_codes = PASSING_CODES
    objects: Mapping[str, ObjectSpec] = OBJECTS
    default_object = ANY_OBJECT

    def __init__(
        self,
        http: CrmHttp,
        version: str,
        pipeline: str = "",
        namespace: Namespace = Namespace(),  # noqa: B008  # it is frozen
    ) -> None:
        self.calls: CallCount = http.calls
        self.api = HubSpotApi(http, Paths(version))
        self.types = ObjectTypes(self.api)

        self.fields = Fields(self.api, self.types, pipeline)
        self.provisioner = Provisioner(self.api, self.types, namespace)
        self.finder = Finder(self.api, self.fields)
        self.writer = Writer(self.api)
        self.links = LinkTypes(self.api, self.types, self._is_planned, self._link_created)
        self.associations = Associations(self.api)
        self.keyless = Keyless(
            self.api, self.finder, self.associations, self.links, lambda: self.objects
        )

        self.listing = Listing(self.api, self.keyless)
        self.unlinking = self
        self.files = Files(self.api, self.finder, namespace)
        self.erasing = Eraser(self.api, self.files)
        self.owning = Owners(self.api)
        self.choosing = Options(self.api, self.fields)
        self.preflight = Preflight(self.api)
        self.money = Money(self.api)

    def _is_planned(self, object_name: str) -> bool:
        """Returns True if the mapping lists an object, so that it may be created later."""
        spec = self.objects.get(object_name)
        return bool(spec and spec.listed)

    def _link_created(self, object_name: str, link: str) -> None:
        self.link_created(object_name, link)

    def account(self) -> Account:
        """The portal of the token."""
        body = self.api.get(ACCOUNT)
        return Account(str(body["portalId"]), str(body.get("uiDomain", "")))

    def facts(self) -> Mapping[str, object]:
        """Empty: functions need to know nothing about a portal."""
        return {}

    def object_names(self) -> Iterable[str]:
        """HubSpot's own objects, and the custom ones."""
        return self.types.all_names()

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """Properties by internal name."""
        infos = self.fields.describe(object_name)
        if self.keyless.holds(object_name):
            body = self.objects[object_name].marker_in
            if body not in infos:
                raise CrmError(
                    f"{object_name} has no property {body} to hold the marker.",
                    "Name one of its text properties as `marker`.",
                )
            infos |= self.keyless.fields()
        return infos

    def link_form(
        self, object_name: str, wanted: LinkWanted, *, provision: bool = False
    ) -> LinkForm:
        """An association, by label or plain; a property that is named holds the other id."""
        if self.keyless.holds(object_name):
            return self.keyless.link_form(object_name, wanted)
        if wanted.field:
            return self.fields.reference(object_name, wanted, provision=provision)
        return self.links.form(object_name, wanted, provision=provision)

    def planned_link(self, object_name: str, wanted: LinkWanted) -> LinkForm:
        """The form of a link, though its label or property may not exist yet."""
        if self.keyless.holds(object_name):
            return self.keyless.link_form(object_name, wanted)
        if wanted.field:
            return self.fields.reference(object_name, wanted, provision=True)
        return self.links.planned(object_name, wanted)

    def provision(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create properties, and the custom object if it is missing."""
        if object_name in self.fields.infos:
            self.provisioner.create_properties(object_name, wanted)
        else:
            spec = self.objects.get(object_name) or replace(ANY_OBJECT, name=object_name)
            self.provisioner.create_object(spec, wanted)

    def find(
        self,
        object_name: str,
        key_field: str,
        lookups: Sequence[Lookup],
        fields: Sequence[str],
        *,
        exact: bool = False,
        known: int = 0,
    ) -> dict[str, list[Hit]]:
        """Records by key or match field, 100 a call.

        Batch reads by a unique property do not lag behind writes. A property that is not unique is
        searched, which does, so `exact` holds for unique properties only.
        """
        names = list(dict.fromkeys([key_field, *fields]))
        if self.keyless.holds(object_name) and key_field == MARKER:
            return self.keyless.find(object_name, lookups, names)
        return self.finder.find(object_name, key_field, lookups, names)

    def read(
        self, object_name: str, crm_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, Hit]:
        """Records by id."""
        if self.keyless.holds(object_name):
            return self.keyless.read(object_name, crm_ids, fields)
        return self.finder.read(object_name, crm_ids, fields)

    def locate(self, object_name: str, crm_ids: Sequence[str]) -> Mapping[str, str]:
        """Present ids of records, 100 a call; what was merged leads to the new record."""
        return self.finder.locate(object_name, crm_ids)

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """One batch: an upsert by key, or an update by id; what has no key is created."""
        if self.keyless.holds(object_name):
            return self.keyless.write(object_name, writes)
        return self.writer.write(object_name, key_field, writes)

    def link(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> list[RowResult]:
        """One batch of associations; repeating it changes nothing."""
        return self.associations.link(object_name, self.links.known(object_name, form), pairs)

    def unlink(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> Sequence[tuple[str, str]]:
        """Associations that moved are removed from where they were, in batches."""
        known = self.links.known(object_name, form)
        plain = self.links.is_plain(object_name, known)
        return self.associations.unlink(object_name, known, pairs, plain=plain)
