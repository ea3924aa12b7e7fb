"""The seam to Pipedrive: no upsert, one record per call. Records are looked up, then written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reverse_etl.crm.adapter import Account, Adapter, Hit, Lookup, RowResult
from reverse_etl.crm.call_count import CallCount
from reverse_etl.crm.http import CrmHttp
from reverse_etl.errors import CrmError
from reverse_etl.objects import FieldWanted, LinkForm, LinkWanted, ObjectSpec
from reverse_etl.records import Write
from reverse_etl.values import FieldInfo

from target_pipedrive.api import PipedriveApi
from target_pipedrive.erasure import Eraser
from target_pipedrive.errors import PASSING_CODES
from target_pipedrive.fields import Fields
from target_pipedrive.files import Files
from target_pipedrive.find import Finder, Search
from target_pipedrive.links import link_form
from target_pipedrive.merge import Merger
from target_pipedrive.money import Money
from target_pipedrive.objects import OBJECTS
from target_pipedrive.owners import Owners
from target_pipedrive.pipelines import Pipelines
from target_pipedrive.preflight import Preflight
from target_pipedrive.provision import Provisioner
from target_pipedrive.write import Writer


class PipedriveAdapter(Adapter):
    """One Pipedrive company."""

    crm = "pipedrive"
    passing_codes = PASSING_CODES
    objects: Mapping[str, ObjectSpec] = OBJECTS

    def __init__(self, http: CrmHttp, stage_ids: Sequence[int] = (), pipeline: str = "") -> None:
        self.calls: CallCount = http.calls
        self.api = PipedriveApi(http)

        self.fields = Fields(self.api, self._spec)
        self.pipelines = Pipelines(self.api, pipeline, tuple(stage_ids))
        self.listing = self.finder = Finder(self.api, self.fields)
        self.preflight = Preflight(self.api, self.pipelines)
        self.money = Money(self.api)
        self.writer = Writer(self.api, self.finder, self.money)

        self.choosing = self.provisioner = Provisioner(self.api, self.fields)
        self.files = Files(self.api)
        self.owning = Owners(self.api)
        self.merging = Merger(self.api)
        self.erasing = Eraser(self.api, self.files)

    def _spec(self, object_name: str) -> ObjectSpec:
        """What is known of an object by now: the mapping may have said more of it."""
        return self.objects[object_name]

    def account(self) -> Account:
        """The company of the token."""
        data = self.api.get("/api/v1/users/me").get("data") or {}
        return Account(str(data["company_id"]), str(data.get("company_domain", "")))

    def facts(self) -> Mapping[str, object]:
        """The ids of the stages that deals are spread over, in order."""
        return {"stage_ids": self.pipelines.stage_ids()}

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """Standard fields by code, custom fields by name."""
        return self.fields.describe(object_name)

    def link_form(
        self, object_name: str, wanted: LinkWanted, *, provision: bool = False
    ) -> LinkForm:
        """The field that holds the other record's id. Raises: NoSuchLinkError."""
        return link_form(object_name, wanted, self.fields.infos[object_name])

    def check_creatable(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Some lists of fields are Pipedrive's own, and fields refer to some objects only."""
        self.provisioner.check_creatable(object_name, wanted)

    def provision(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create custom fields by name."""
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
        """Records by key or match field: in listings, or by search where that costs less."""
        names = list(dict.fromkeys([key_field, *fields]))
        return self.finder.find(Search(object_name, key_field, lookups, names, exact, known))

    def read(
        self, object_name: str, crm_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, Hit]:
        """Records by id."""
        return self.finder.read(object_name, crm_ids, fields)

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """One record: a create, which is never sent twice unasked, or an update."""
        (write,) = writes
        return [self.writer.write(object_name, write)]

    def link(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> list[RowResult]:
        """Nothing: every link of Pipedrive is a reference and travels with the write."""
        raise CrmError(f"{object_name} has no association to {form.to}.", "Please report this bug.")
