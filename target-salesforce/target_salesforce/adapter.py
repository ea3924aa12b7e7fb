"""The seam to Salesforce: queries in composite calls, collections of 200 rows, jobs beyond that."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reverse_etl.crm.adapter import Account, Adapter, Hit, Lookup, RowResult
from reverse_etl.crm.call_count import CallCount
from reverse_etl.crm.http import CrmHttp
from reverse_etl.errors import CrmError, NoSuchObjectError
from reverse_etl.objects import FieldWanted, LinkForm, LinkWanted, Namespace, ObjectSpec
from reverse_etl.records import Write
from reverse_etl.values import FieldInfo

from target_salesforce.api import SalesforceApi
from target_salesforce.bulk import Bulk
from target_salesforce.currencies import Money
from target_salesforce.erasure import Eraser
from target_salesforce.errors import PASSING_CODES
from target_salesforce.fields import Fields
from target_salesforce.files import Files
from target_salesforce.find import Finder, Search
from target_salesforce.identity import Identity
from target_salesforce.jobs import Jobs
from target_salesforce.locate import Locator
from target_salesforce.lookups import FIELDS_OF_NEW, lookup_form
from target_salesforce.objects import (
    DEFAULT_BULK_THRESHOLD,
    DEFAULT_OBJECT,
    NAME,
    OBJECTS,
    with_bulk,
)
from target_salesforce.options import Options
from target_salesforce.owners import Owners
from target_salesforce.permissions import Permissions
from target_salesforce.preflight import Preflight
from target_salesforce.provision import Provisioner, check_creatable
from target_salesforce.roles import ContactRoles
from target_salesforce.session import Session
from target_salesforce.snapshot import Snapshots
from target_salesforce.soap import SoapApi
from target_salesforce.soql import Soql
from target_salesforce.write import Writer

logger = logging.getLogger(__name__)

DEFAULT_NAMESPACE = Namespace()


class SalesforceAdapter(Adapter):
    """One Salesforce org."""

    crm = "salesforce"
    passing_codes = PASSING_CODES

    def __init__(
        self,
        http: CrmHttp,
        session: Session,
        version: str,
        bulk_threshold: int = DEFAULT_BULK_THRESHOLD,
        allow_duplicates: bool = False,
        namespace: Namespace = DEFAULT_NAMESPACE,
    ) -> None:
        self.objects: Mapping[str, ObjectSpec] = {
            name: with_bulk(spec, bulk_threshold) for name, spec in OBJECTS.items()
        }
        self.default_object = self._default = with_bulk(DEFAULT_OBJECT, bulk_threshold)
        self.calls: CallCount = http.calls
        api = SalesforceApi(http, session, version)
        soql, jobs = Soql(api), Jobs(api, http.sleep)

        soap = SoapApi(api)

        self.identity = Identity(api)
        self.fields = Fields(api)
        permissions = Permissions(api, self.identity.user_id, namespace)
        self.provisioner = Provisioner(soap, permissions)
        snapshots = Snapshots(jobs, http.monotonic)
        self.listing = self.finder = Finder(soql, self.fields, snapshots, bulk_threshold)
        self.writer = Writer(api, self.fields, allow_duplicates)
        self.locator = Locator(api, soql, self.fields)
        self.roles = ContactRoles(soql)

        self.jobs = Bulk(jobs, self.fields)
        self.files = Files(soql)
        self.erasing = Eraser(api, soql, soap)
        self.owning = Owners(soql)
        self.choosing = Options(soap, self.fields)
        self.preflight = Preflight(api, soap)
        self.money = Money(soap, soql)

    def account(self) -> Account:
        """The org."""
        return self.identity.account()

    def facts(self) -> Mapping[str, object]:
        """Empty: functions need to know nothing about an org."""
        return {}

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """The fields that the running user sees."""
        return self.fields.describe(object_name)

    def object_names(self) -> Iterable[str]:
        """The objects that the running user may create records of."""
        return self.fields.object_names()

    def link_form(
        self, object_name: str, wanted: LinkWanted, *, provision: bool = False
    ) -> LinkForm:
        """The lookup field that holds a link; `provision` creates one that is missing."""
        infos = self.fields.infos.get(object_name, FIELDS_OF_NEW)
        # not what the core has remembered: that is a link of some other rule
        special = OBJECTS[object_name].links.get(wanted.to) if object_name in OBJECTS else None
        return lookup_form(object_name, infos, wanted, special)

    def check_creatable(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Only custom objects and custom fields can be created."""
        is_new = object_name not in self.fields.infos
        check_creatable(self._spec(object_name), wanted, is_new=is_new)

    def provision(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create fields, and the custom object if it is missing, by the Metadata API.

        A lookup needs the object that it leads to: one whose stream comes later is created first.
        """
        spec = self._spec(object_name)
        if object_name not in self.fields.infos:
            self.provisioner.create_object(spec, wanted)
            wanted = [field for field in wanted if field.name != NAME]
        for end in {field.refers for field in wanted} - {"", object_name}:
            self._create_end(self._spec(end))
        self.provisioner.create_fields(spec, wanted)

    def _create_end(self, spec: ObjectSpec) -> None:
        """Create an object that only has a name yet, if it is missing and ours to create."""
        if not spec.listed:
            return
        try:
            self.fields.describe(spec.name)
        except NoSuchObjectError:
            named = [FieldWanted(NAME, "text")] if NAME in spec.written else []
            self.provisioner.create_object(spec, named)
            logger.info("created the object %s, which a lookup leads to", spec.name)

    def _spec(self, object_name: str) -> ObjectSpec:
        """What is known of an object."""
        return self.objects.get(object_name) or replace(self._default, name=object_name)

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
        """Records by key or match field; queries do not lag behind writes."""
        names = tuple(dict.fromkeys([key_field, *fields]))
        infos = self.fields.infos[object_name]
        return self.finder.find(Search(object_name, key_field, lookups, names, infos))

    def read(
        self, object_name: str, crm_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, Hit]:
        """Records by id."""
        return self.finder.read(object_name, crm_ids, fields)

    def locate(self, object_name: str, crm_ids: Sequence[str]) -> Mapping[str, str]:
        """Present ids of records, 2,000 a call; what was merged leads to its master record."""
        return self.locator.locate(object_name, crm_ids)

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """One collection: an upsert by external ID, or an update by id."""
        return self.writer.write(object_name, key_field, writes)

    def link(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> list[RowResult]:
        """Contact roles of opportunities; every other link travels with the write."""
        if not form.later:
            raise CrmError(
                f"{object_name} has no association to {form.to}.", "Please report this bug."
            )
        return self.roles.link(pairs)
