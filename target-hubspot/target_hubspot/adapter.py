"""The seam to HubSpot: batches of 100 rows, upserted by a unique property, and associations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reverse_etl.crm.adapter import Account, Adapter, CallCount, Hit, Lookup, RowResult
from reverse_etl.crm.http import CrmHttp
from reverse_etl.objects import FieldWanted, LinkForm, ObjectSpec
from reverse_etl.records import Write
from reverse_etl.values import FieldInfo

from target_hubspot.api import HubSpotApi, Paths
from target_hubspot.associations import Associations
from target_hubspot.fields import Fields
from target_hubspot.files import Files
from target_hubspot.find import Finder
from target_hubspot.notes import Notes
from target_hubspot.objects import CUSTOM, NOTES, OBJECTS
from target_hubspot.owners import Owners
from target_hubspot.provision import Provisioner
from target_hubspot.write import Writer


class HubSpotAdapter(Adapter):
    """One HubSpot account."""

    crm = "hubspot"
    objects: Mapping[str, ObjectSpec] = OBJECTS

    def __init__(self, http: CrmHttp, version: str, pipeline: str = "") -> None:
        self.calls: CallCount = http.calls
        self.api = HubSpotApi(http, Paths(version))

        self.fields = Fields(self.api, pipeline)
        self.provisioner = Provisioner(self.api)
        self.finder = Finder(self.api, self.fields)
        self.writer = Writer(self.api)
        self.associations = Associations(self.api)
        self.notes = Notes(self.api, self.finder, self.associations)

        self.files = Files(self.api, self.finder)
        self.owning = Owners(self.api)

    def account(self) -> Account:
        """The portal of the token."""
        body = self.api.get("/account-info/v3/details")
        return Account(str(body["portalId"]), str(body.get("uiDomain", "")))

    def facts(self) -> Mapping[str, object]:
        """Empty: functions need to know nothing about a portal."""
        return {}

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """Properties by internal name."""
        return self.fields.describe(object_name)

    def provision(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create properties, and the custom object if it is missing."""
        if object_name in CUSTOM and object_name not in self.api.paths.types:
            self.provisioner.create_object(object_name, wanted)
        else:
            self.provisioner.create_properties(object_name, wanted)

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
        """Records by key or match field, 100 a call; batch reads do not lag behind writes."""
        names = list(dict.fromkeys([key_field, *fields]))
        if object_name == NOTES:
            return self.notes.find(lookups, names)
        return self.finder.find(object_name, key_field, lookups, names)

    def read(
        self, object_name: str, crm_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, Hit]:
        """Records by id."""
        if object_name == NOTES:
            return self.notes.read(crm_ids, fields)
        return self.finder.read(object_name, crm_ids, fields)

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """One batch: an upsert by key, or an update by id; notes are created, not upserted."""
        if object_name == NOTES:
            return self.notes.write(writes)
        return self.writer.write(object_name, key_field, writes)

    def link(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> list[RowResult]:
        """One batch of associations; repeating it changes nothing."""
        return self.associations.link(object_name, form.to, pairs)
