"""The seam to Salesforce: queries in composite calls, collections of 200 rows, jobs beyond that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reverse_etl.crm.adapter import Account, Adapter, CallCount, Hit, Lookup, RowResult
from reverse_etl.crm.http import CrmHttp
from reverse_etl.errors import CrmError
from reverse_etl.objects import FieldWanted, LinkForm, ObjectSpec
from reverse_etl.records import Write
from reverse_etl.values import FieldInfo

from target_salesforce.api import SalesforceApi
from target_salesforce.bulk import Bulk
from target_salesforce.fields import Fields
from target_salesforce.files import Files
from target_salesforce.find import Finder, Search
from target_salesforce.identity import Identity
from target_salesforce.jobs import Jobs
from target_salesforce.objects import DEFAULT_BULK_THRESHOLD, with_bulk
from target_salesforce.owners import Owners
from target_salesforce.permissions import Permissions
from target_salesforce.provision import Provisioner
from target_salesforce.roles import ContactRoles
from target_salesforce.session import Session
from target_salesforce.snapshot import Snapshots
from target_salesforce.soql import Soql
from target_salesforce.write import Writer


class SalesforceAdapter(Adapter):
    """One Salesforce org."""

    crm = "salesforce"

    def __init__(
        self,
        http: CrmHttp,
        session: Session,
        version: str,
        bulk_threshold: int = DEFAULT_BULK_THRESHOLD,
        allow_duplicates: bool = False,
    ) -> None:
        self.objects: Mapping[str, ObjectSpec] = with_bulk(bulk_threshold)
        self.calls: CallCount = http.calls
        api = SalesforceApi(http, session, version)
        soql, jobs = Soql(api), Jobs(api, http.sleep)

        self.identity = Identity(api)
        self.fields = Fields(api)
        self.provisioner = Provisioner(api, Permissions(api, self.identity.user_id))
        snapshots = Snapshots(jobs, http.monotonic)
        self.finder = Finder(soql, self.fields, snapshots, bulk_threshold)
        self.writer = Writer(api, self.fields, allow_duplicates)
        self.roles = ContactRoles(soql)

        self.jobs = Bulk(jobs, self.fields)
        self.files = Files(soql)
        self.owning = Owners(soql)

    def account(self) -> Account:
        """The org."""
        return self.identity.account()

    def facts(self) -> Mapping[str, object]:
        """Empty: functions need to know nothing about an org."""
        return {}

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """The fields that the running user sees."""
        return self.fields.describe(object_name)

    def provision(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create fields, and the custom object if it is missing, by the Metadata API."""
        if object_name not in self.fields.infos:
            self.provisioner.create_object(object_name)
        self.provisioner.create_fields(object_name, wanted)

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
        return self.finder.find(Search(object_name, key_field, lookups, names))

    def read(
        self, object_name: str, crm_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, Hit]:
        """Records by id."""
        return self.finder.read(object_name, crm_ids, fields)

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """One collection: an upsert by external ID, or an update by id."""
        return self.writer.write(object_name, key_field, writes)

    def link(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> list[RowResult]:
        """Contact roles of opportunities; every other link travels with the write."""
        if (object_name, form.to) != ("Opportunity", "Contact"):
            raise CrmError(
                f"{object_name} has no association to {form.to}.", "Please report this bug."
            )
        return self.roles.link(pairs)
