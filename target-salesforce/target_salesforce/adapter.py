"""The seam to Salesforce: queries in composite calls, upsert and update by collections of 200."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import IO, Any
from urllib.parse import quote

from reverse_etl.crm.adapter import Account, Adapter, Attachment, CallCount, Hit, Lookup, RowResult
from reverse_etl.crm.http import SETUP, Answer, CrmHttp, Purpose, Upload
from reverse_etl.errors import (
    AmbiguousAnswerError,
    BatchRejectedError,
    CrmError,
    NoSuchObjectError,
    NotRepresentableError,
    RowError,
)
from reverse_etl.objects import FieldWanted, LinkForm, ObjectSpec
from reverse_etl.records import Write
from reverse_etl.values import FieldInfo, Kind, Value, canonical

from target_salesforce.api import PASSING, check, errors_of, in_list, quoted, row_fault
from target_salesforce.bulk import Bulk, Snapshot, Verdicts
from target_salesforce.metadata import Provisioner
from target_salesforce.objects import (
    COMPOSITE_QUERIES,
    DEFAULT_BULK_THRESHOLD,
    KEYS_A_QUERY,
    with_bulk,
)  # fmt: skip
from target_salesforce.session import Session

KINDS: dict[str, Kind] = {
    "double": "number", "currency": "number", "percent": "number", "int": "integer", "boolean": "boolean", "date": "date",
    "datetime": "datetime", "picklist": "choice", "multipicklist": "choices",
}  # fmt: skip
ALLOW_DUPLICATES = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
"""Saves a row that a duplicate rule only warns of. Source: Salesforce REST API guide, headers, read 2026-11-23."""
ROLE_ATTEMPTS = 3
SNAPSHOT_S = 600.0
"""How long a reading of a whole object may be used again in a run."""
DATETIME_DIGITS = 0
"""Salesforce keeps whole seconds of a date-time. Source: REST API answers recorded from an org."""


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
        self.http, self.session, self.bulk_threshold = http, session, bulk_threshold
        self.objects: Mapping[str, ObjectSpec] = with_bulk(bulk_threshold)
        self.bulk = Bulk(self._call, sleep=http.sleep)
        self._rules = ALLOW_DUPLICATES if allow_duplicates else {}
        self._snapshots: dict[str, tuple[Snapshot, float]] = {}
        self.version = version if version.startswith("v") else f"v{version}"
        self.calls: CallCount = http.calls
        self.files = self.jobs = self.owning = self
        self._infos: dict[str, dict[str, FieldInfo]] = {}
        self._relations: dict[str, dict[str, str]] = {}
        """By object and look-up field: the name of the relationship."""

    def _call(
        self,
        method: str,
        path: str,
        purpose: Purpose,
        body: object = None,
        *,
        upload: Upload | None = None,
        into: IO[bytes] | None = None,
        final: frozenset[int] = frozenset(),
        missing_ok: bool = False,
        repeatable: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        self.session.headers()  # signs in first, since the instance's URL is known only then
        url = f"{self.session.instance_url}{path if path.startswith('/services/') else f'/services/data/{self.version}{path}'}"
        if headers:
            encoded, body = json.dumps(body).encode(), None
            upload = Upload(lambda: encoded, {"Content-Type": "application/json", **headers})
        answer = self.http.call(
            method,
            url,
            purpose,
            json=body,
            upload=upload,
            into=into,
            final=final,
            repeatable=repeatable,
        )
        return answer if missing_ok and answer.status == 404 else check(answer)

    def account(self) -> Account:
        """The org of the session."""
        self.session.headers()
        parts = self.session.identity_url.rstrip("/").split("/")
        if len(parts) >= 2 and parts[-2].startswith("00D"):
            return Account(parts[-2], self.session.instance_url)
        return Account(str(self._userinfo()["organization_id"]), self.session.instance_url)

    def _userinfo(self) -> Mapping[str, Any]:
        answer = self._call("GET", "/services/oauth2/userinfo", SETUP)
        if not answer.ok or not isinstance(answer.body, dict):
            raise CrmError(
                f"Salesforce answered {answer.status} to userinfo.",
                "Check `instance_url` and the access token.",
            )
        return answer.body

    def facts(self) -> Mapping[str, object]:
        """Nothing of an org is passed to functions."""
        return {}

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """Fields that the running user sees."""
        answer = self._call("GET", f"/sobjects/{object_name}/describe", SETUP, missing_ok=True)
        if answer.status == 404:
            hint = "Create it, grant the user access to it, or set `provision: true`."
            raise NoSuchObjectError(
                f"Salesforce has no object {object_name}, or hides it from the user.", hint
            )
        if not answer.ok or not isinstance(answer.body, dict):
            raise CrmError(
                f"Salesforce answered {answer.status} to a describe of {object_name}.",
                "Check `api_version` and the user's access.",
            )
        self._infos[object_name] = {one["name"]: field_info(one) for one in answer.body["fields"]}
        self._relations[object_name] = {
            one["name"]: one["relationshipName"]
            for one in answer.body["fields"]
            if one.get("relationshipName")
        }
        return self._infos[object_name]

    def provision(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create fields, and a custom object that is missing, by the Metadata API."""
        provisioner = Provisioner(
            self._call, self.version, lambda: self.session.access_token, self._user_id
        )
        if object_name not in self._infos:
            provisioner.create_object(object_name)
        provisioner.create_fields(object_name, wanted)

    def _user_id(self) -> str:
        parts = self.session.identity_url.rstrip("/").split("/")
        return parts[-1] if parts[-1].startswith("005") else str(self._userinfo()["user_id"])

    # Records

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
        """By key or match field: in queries of 200 look-ups, five a call; where there are many, in one query of the whole
        object as a job. Queries do not lag.
        """
        names = list(dict.fromkeys([key_field, *fields]))
        match_fields = sorted({name for one in lookups for name in one.match})
        if len(lookups) >= self.bulk_threshold:
            rows = self._from_snapshot(object_name, key_field, match_fields, names, lookups)
        else:
            rows = self._rows(
                self._queries(object_name, key_field, match_fields, names, lookups),
                Purpose(object_name, "find"),
            )
        return self._by_lookup(object_name, key_field, match_fields, names, lookups, rows)

    @staticmethod
    def _queries(
        object_name: str,
        key_field: str,
        match_fields: Sequence[str],
        names: Sequence[str],
        lookups: Sequence[Lookup],
    ) -> list[str]:
        queries = []
        for start in range(0, len(lookups), KEYS_A_QUERY):
            part = lookups[start : start + KEYS_A_QUERY]
            tests = [in_list(key_field, (one.key for one in part))]
            tests += [
                in_list(name, values)
                for name in match_fields
                if (values := [one.match[name] for one in part if name in one.match])
            ]
            queries.append(
                f"SELECT {', '.join(dict.fromkeys(['Id', *names]))} FROM {object_name} WHERE {' OR '.join(tests)}"
            )
        return queries

    def _from_snapshot(
        self,
        object_name: str,
        key_field: str,
        match_fields: Sequence[str],
        names: Sequence[str],
        lookups: Sequence[Lookup],
    ) -> Iterator[Mapping[str, Any]]:
        """Rows out of one reading of all that have a key or a match field. What this run writes meanwhile is in the ledger."""
        held = self._snapshots.get(object_name)
        if (
            held is None
            or not held[0].covers(key_field, match_fields, names)
            or self.http.monotonic() - held[1] > SNAPSHOT_S
        ):
            snapshot = Snapshot(key_field, match_fields, names)
            tests = " OR ".join(f"{name} != null" for name in (key_field, *match_fields))
            soql = f"SELECT {', '.join(dict.fromkeys(['Id', *names]))} FROM {object_name} WHERE {tests}"
            snapshot.fill(self.bulk.query(object_name, soql))
            held = self._snapshots[object_name] = (snapshot, self.http.monotonic())
        infos = self._infos[object_name]
        for name in (key_field, *match_fields):
            values = (
                [one.key for one in lookups]
                if name == key_field
                else [one.match[name] for one in lookups if name in one.match]
            )
            for row in held[0].rows(name, values):
                yield {
                    one: from_cell(infos[one], text) if one in infos else text
                    for one, text in row.items()
                }

    def _by_lookup(
        self,
        object_name: str,
        key_field: str,
        match_fields: Sequence[str],
        names: Sequence[str],
        lookups: Sequence[Lookup],
        rows: Iterator[Mapping[str, Any]],
    ) -> dict[str, list[Hit]]:
        by_key = {one.key.casefold(): one.key for one in lookups}
        by_match: dict[tuple[str, str], list[str]] = {}
        for one in lookups:
            for name, value in one.match.items():
                by_match.setdefault((name, value.casefold()), []).append(one.key)
        hits: dict[str, dict[str, Hit]] = {}
        for row in rows:
            hit = self._hit(object_name, row, names)
            keys = (
                [by_key[str(row[key_field]).casefold()]]
                if str(row.get(key_field)).casefold() in by_key
                else []
            )
            for name in match_fields:
                keys += by_match.get((name, str(row.get(name)).casefold()), [])
            for key in keys:
                hits.setdefault(key, {})[hit.crm_id] = hit
        return {key: list(found.values()) for key, found in hits.items()}

    def read(
        self, object_name: str, crm_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, Hit]:
        """Records by id."""
        names = ", ".join(dict.fromkeys(["Id", *fields]))
        parts = [
            crm_ids[start : start + KEYS_A_QUERY] for start in range(0, len(crm_ids), KEYS_A_QUERY)
        ]
        queries = [
            f"SELECT {names} FROM {object_name} WHERE {in_list('Id', part)}" for part in parts
        ]
        return {
            str(row["Id"]): self._hit(object_name, row, fields)
            for row in self._rows(queries, Purpose(object_name, "read"))
        }

    def _rows(self, queries: Sequence[str], purpose: Purpose) -> Iterator[Mapping[str, Any]]:
        """Rows of queries, in the body of composite calls since a URL ends at 16,384 bytes."""
        for start in range(0, len(queries), COMPOSITE_QUERIES):
            part = queries[start : start + COMPOSITE_QUERIES]
            requests = [
                {
                    "method": "GET",
                    "url": f"/services/data/{self.version}/query?q={quote(one)}",
                    "referenceId": f"q{index}",
                }
                for index, one in enumerate(part)
            ]
            answer = self._call(
                "POST", "/composite", purpose, {"allOrNone": False, "compositeRequest": requests}
            )
            parts = answer.body.get("compositeResponse") if isinstance(answer.body, dict) else None
            if not answer.ok or not isinstance(parts, list) or len(parts) != len(part):
                raise CrmError(
                    f"Salesforce answered {answer.status} to a composite of queries.",
                    "Run again; if it stays, check the user's access.",
                )
            for one in parts:
                yield from self._pages(
                    check(Answer(one["httpStatusCode"], one["body"], {})), purpose
                )

    def _pages(self, answer: Answer, purpose: Purpose) -> Iterator[Mapping[str, Any]]:
        while True:
            if not answer.ok or not isinstance(answer.body, dict):
                raise CrmError(
                    f"Salesforce answered {answer.status} to a query.",
                    "Check the fields of the mapping and the user's access.",
                )
            yield from answer.body["records"]
            if answer.body.get("done", True):
                return
            answer = self._call("GET", str(answer.body["nextRecordsUrl"]), purpose)

    def _hit(self, object_name: str, row: Mapping[str, Any], fields: Sequence[str]) -> Hit:
        infos = self._infos[object_name]
        return Hit(
            str(row["Id"]), {name: from_wire(infos[name], row.get(name)) for name in fields}, row
        )

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """One collection: upsert by external id, or update by id; results come in the order of the rows."""
        creating = writes[0].kind == "create"
        records = []
        for write in writes:
            record: dict[str, Any] = {"attributes": {"type": object_name}}
            for name, value in self._fields_of(object_name, write).items():
                relation, _, key = name.partition(".")
                record[relation] = {key: value} if key else to_wire(value)
            if not creating:
                record["id"] = write.crm_id
            records.append(record)
        path = (
            f"/composite/sobjects/{object_name}/{key_field}" if creating else "/composite/sobjects"
        )
        answer = self._call(
            "PATCH",
            path,
            Purpose(object_name, "write"),
            {"allOrNone": False, "records": records},
            headers=self._rules,
        )
        if not answer.ok:
            errors = errors_of(answer.body)
            raise BatchRejectedError(
                row_fault(errors[0])
                if errors
                else RowError("rejected", f"Salesforce answered {answer.status}")
            )
        if not isinstance(answer.body, list) or len(answer.body) != len(writes):
            missing = RowError(
                "no_verdict",
                "Salesforce's answer names neither a result nor an error for it",
                "sync again",
            )
            return [RowResult(fault=missing, again=True) for _ in writes]
        return [row_result(one) for one in answer.body]

    def _fields_of(self, object_name: str, write: Write) -> dict[str, Value]:
        """A write's fields; a look-up goes by the other's external id, as `Contact__r.Key__c`, which stands however the
        other's record id may change.
        """
        named = dict(write.fields)
        relations = self._relations.get(object_name, {})
        for link in write.record.links:
            form = link.form
            if form.key_field and form.field in relations and named.get(form.field) is not None:
                del named[form.field]
                named[f"{relations[form.field]}.{form.key_field}"] = link.to_key
        return named

    def run_jobs(
        self,
        object_name: str,
        key_field: str,
        blocks: Callable[[], Iterator[Sequence[Write]]],
        began: Callable[[str], None],
        ended: Callable[[str], None],
        stopping: Callable[[], bool],
    ) -> Verdicts:
        """Many rows by Bulk API 2.0."""
        fields_of = partial(self._fields_of, object_name)
        return self.bulk.run(object_name, key_field, fields_of, blocks, began, ended, stopping)

    def finish_job(self, object_name: str, job_id: str) -> None:
        """See a job of a killed run to its end."""
        self.bulk.finish(object_name, job_id)

    def attach(self, object_name: str, crm_id: str, file: Attachment, *, new: bool = False) -> bool:
        """As a ContentVersion, published on the record, unless one of that name is."""
        purpose = Purpose(object_name, "attach")
        tests = f"FirstPublishLocationId = {quoted(crm_id)} AND PathOnClient = {quoted(file.name)}"
        if (
            not new
            and next(self._rows([f"SELECT Id FROM ContentVersion WHERE {tests}"], purpose), None)
            is not None
        ):
            return False
        with file.open() as content:
            data = base64.b64encode(content.read()).decode()
        body = {
            "Title": file.name.rpartition(".")[0] or file.name,
            "PathOnClient": file.name,
            "VersionData": data,
        }
        body["FirstPublishLocationId"] = crm_id
        answer = self._call("POST", "/sobjects/ContentVersion", purpose, body, repeatable=False)
        if not answer.ok:
            errors = errors_of(answer.body)
            raise BatchRejectedError(
                row_fault(errors[0])
                if errors
                else RowError("rejected", f"Salesforce answered {answer.status}")
            )
        return True

    def link(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> list[RowResult]:
        """OpportunityContactRoles that are not there yet; every other link travels with the write."""
        if (object_name, form.to) != ("Opportunity", "Contact"):
            raise CrmError(
                f"{object_name} has no association to {form.to}.", "Please report this bug."
            )
        purpose = Purpose(object_name, "link")
        for _ in range(ROLE_ATTEMPTS):
            test = in_list("OpportunityId", (one for one, _ in pairs))
            found = self._rows(
                [f"SELECT OpportunityId, ContactId FROM OpportunityContactRole WHERE {test}"],
                purpose,
            )
            there = {(str(row["OpportunityId"]), str(row["ContactId"])) for row in found}
            missing = [pair for pair in dict.fromkeys(pairs) if pair not in there]
            if not missing:
                return [RowResult(one) for one, _ in pairs]
            role = {"attributes": {"type": "OpportunityContactRole"}}
            records = [{**role, "OpportunityId": one, "ContactId": other} for one, other in missing]
            body = {"allOrNone": False, "records": records}
            try:
                answer = self._call("POST", "/composite/sobjects", purpose, body, repeatable=False)
            except AmbiguousAnswerError:
                continue  # a role has no external id: what there is now is asked for again
            if (
                not answer.ok
                or not isinstance(answer.body, list)
                or len(answer.body) != len(missing)
            ):
                raise CrmError(
                    f"Salesforce answered {answer.status} to new contact roles.",
                    "Run again: roles that are missing are made then.",
                )
            results = dict(zip(missing, (row_result(one) for one in answer.body), strict=True))
            return [results.get(pair, RowResult(pair[0])) for pair in pairs]
        raise CrmError(
            "The fate of contact roles stayed unknown.", "Run again: they are looked for first."
        )

    def owners(self) -> Mapping[str, str]:
        """Active users."""
        rows = self._rows(["SELECT Id, Email FROM User WHERE IsActive = true"], SETUP)
        return {str(row["Email"]).casefold(): str(row["Id"]) for row in rows if row.get("Email")}


def row_result(one: Mapping[str, Any]) -> RowResult:
    """A row's verdict. Raises: CrmError for a cause that is every row's."""
    if one.get("success"):
        return RowResult(str(one["id"]))
    error = (one.get("errors") or [{}])[0]
    return RowResult(fault=row_fault(error), again=error.get("statusCode") in PASSING)


def field_info(one: Mapping[str, Any]) -> FieldInfo:
    """A described field as the core knows it."""
    kind = KINDS.get(one["type"], "text")
    options = tuple(
        str(value["value"])
        for value in one.get("picklistValues") or []
        if value.get("active", True)
    )
    scale = (
        int(one.get("scale") or 0)
        if kind == "number"
        else DATETIME_DIGITS
        if kind == "datetime"
        else None
    )
    return FieldInfo(
        one["name"],
        kind,
        writable=bool(one.get("createable") or one.get("updateable")),
        max_length=int(one.get("length") or 0) or None if kind in ("text", "choice") else None,
        options=options if kind in ("choice", "choices") else (),
        strict_options=bool(one.get("restrictedPicklist")),
        scale=scale,
        unique=bool(one.get("externalId") and one.get("unique")) or one["name"] == "Id",
        trims=kind in ("text", "choice"),
        folds_case=one["type"] == "email"
        or (bool(one.get("externalId")) and not one.get("caseSensitive")),
    )


def to_wire(value: Value) -> Any:
    """A value in JSON; null clears."""
    if isinstance(value, Decimal):
        return float(value)
    return ";".join(value) if isinstance(value, tuple) else value


def from_cell(info: FieldInfo, text: str) -> Any:
    """A cell of a CSV answer as JSON would have it."""
    if info.kind == "boolean":
        return text == "true"
    return text or None


def from_wire(info: FieldInfo, value: Any) -> Value:
    """A field's value in canonical form; one that the type cannot hold compares as text."""
    if value in (None, ""):
        return None
    try:
        return canonical(info, value.split(";") if info.kind == "choices" else value)
    except NotRepresentableError:
        return str(value)
