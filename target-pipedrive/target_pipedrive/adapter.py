"""The seam to Pipedrive: no upsert and one record a call, so look up by listings, then create or update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import chain
from typing import Any
from urllib.parse import quote

from reverse_etl.crm.adapter import Account, Adapter, Attachment, CallCount, Hit, Lookup, RowResult
from reverse_etl.crm.http import SETUP, Answer, CrmHttp, Purpose
from reverse_etl.errors import (
    AmbiguousAnswerError,
    BatchRejectedError,
    CrmError,
    NotRepresentableError,
    RowError,
)
from reverse_etl.objects import FieldWanted, LinkForm, ObjectSpec
from reverse_etl.records import Write
from reverse_etl.values import FieldInfo, Kind, Value, canonical

from target_pipedrive.api import check, message_of, row_fault
from target_pipedrive.notes import INFOS, NOTES, Notes
from target_pipedrive.objects import (
    IDS_LIMIT,
    KINDS,
    LIST_TOKENS,
    LISTINGS,
    LISTS,
    OBJECTS,
    PAGE_LIMIT,
    SEARCH_TOKENS,
    VARCHAR_LENGTH,
)

FIELD_KINDS: dict[str, Kind] = {
    "double": "number",
    "int": "integer",
    "date": "date",
    "enum": "choice",
    "set": "choices",
    "boolean": "boolean",
}
WANTED: dict[Kind, str] = {
    "integer": "double",
    "number": "double",
    "date": "date",
    "choice": "enum",
    "choices": "set",
}
"""Pipedrive has no integer, boolean or date-time field: the first is a double, the others text."""


RECENT_S = 600.0
"""How far back a listing of what was just sent goes."""
MERGED = ("persons", "deals")


class PipedriveAdapter(Adapter):
    """One Pipedrive company."""

    crm = "pipedrive"
    objects: Mapping[str, ObjectSpec] = OBJECTS

    def __init__(self, http: CrmHttp, stage_ids: Sequence[int] = (), pipeline: str = "") -> None:
        self.http, self._pipeline = http, pipeline
        self.calls: CallCount = http.calls
        self.files = self.owning = self.merging = self
        self._stage_ids = tuple(stage_ids)
        self._infos: dict[str, dict[str, FieldInfo]] = {}
        self._notes = Notes(http)
        self._options: dict[tuple[str, str], dict[str, int]] = {}

    def _get(self, path: str, purpose: Purpose = SETUP) -> Mapping[str, Any]:
        answer = check(self.http.call("GET", path, purpose))
        if not answer.ok or not isinstance(answer.body, dict):
            raise CrmError(
                f"Pipedrive answered {answer.status} to GET {path.split('?')[0]}.",
                "Check `api_url` and the token's permissions.",
            )
        return answer.body

    def _since(self) -> str:
        """A listing's restriction to what changed in the last minutes, by Pipedrive's clock; v2 takes no fractions."""
        moment = self.http.now() - timedelta(seconds=RECENT_S)
        return f"&updated_since={quote(moment.strftime('%Y-%m-%dT%H:%M:%SZ'))}"

    def _pages(
        self, path: str, purpose: Purpose = SETUP, more: str = ""
    ) -> Iterator[Mapping[str, Any]]:
        cursor = ""
        while True:
            body = self._get(
                f"/api/v2/{path}?limit={PAGE_LIMIT}{more}{f'&cursor={cursor}' if cursor else ''}",
                purpose,
            )
            yield from body.get("data") or []
            cursor = (body.get("additional_data") or {}).get("next_cursor") or ""
            if not cursor:
                return

    def account(self) -> Account:
        """The company of the token."""
        data = self._get("/api/v1/users/me").get("data") or {}
        return Account(str(data["company_id"]), str(data.get("company_domain", "")))

    def facts(self) -> Mapping[str, object]:
        """The ids of the first pipeline's stages, in order."""
        if not self._stage_ids:
            stages = [one for one in self._pages("stages") if not one.get("is_deleted")]
            pipeline = (
                self._pipeline_id()
                if self._pipeline
                else min((one["pipeline_id"] for one in stages), default=None)
            )
            own = sorted(
                (one for one in stages if one["pipeline_id"] == pipeline),
                key=lambda one: one["order_nr"],
            )
            self._stage_ids = tuple(int(one["id"]) for one in own)
        return {"stage_ids": self._stage_ids}

    def _pipeline_id(self) -> int:
        """The pipeline of the setting. Raises: CrmError."""
        known = [one for one in self._pages("pipelines") if not one.get("is_deleted")]
        wanted = self._pipeline.casefold()
        found = next(
            (one for one in known if wanted in (str(one["id"]), str(one["name"]).casefold())), None
        )
        if found is None:
            names = ", ".join(str(one["name"]) for one in known)
            raise CrmError(
                "Pipedrive has no pipeline of the name or id in `pipeline`.", f"Known: {names}."
            )
        return int(found["id"])

    def owners(self) -> Mapping[str, str]:
        """Active users by e-mail."""
        found = self._get("/api/v1/users").get("data") or []
        return {
            str(one["email"]).casefold(): str(one["id"])
            for one in found
            if one.get("active_flag", True)
        }

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """Standard fields by code, custom ones by name. Raises: CrmError where two of them have one name."""
        if object_name == NOTES:
            return dict(INFOS)
        kind = KINDS[object_name]
        infos = {one.name: one for one in kind.standard}
        for one in self._pages(kind.fields):
            if not one.get("is_custom_field"):
                continue
            name = one["field_name"]
            if name in infos:
                hint = "Rename one of them in Pipedrive, so that it is clear which one the mapping means."
                raise CrmError(f"Pipedrive has two fields of {object_name} named {name!r}.", hint)
            infos[name] = self._field_info(object_name, one)
        self._infos[object_name] = infos
        return infos

    def _field_info(self, object_name: str, one: Mapping[str, Any]) -> FieldInfo:
        kind = FIELD_KINDS.get(one["field_type"], "text")
        options = {str(option["label"]): int(option["id"]) for option in one.get("options") or []}
        self._options[(object_name, one["field_name"])] = options
        return FieldInfo(
            one["field_name"],
            kind,
            max_length=VARCHAR_LENGTH
            if one["field_type"] in ("varchar", "varchar_auto", "phone")
            else None,
            options=tuple(options) if kind in ("choice", "choices") else (),
            strict_options=kind == "choice",
            wire_name=one["field_code"],
        )

    def provision(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create custom fields by name."""
        for one in wanted:
            field_type = WANTED.get(one.kind, "text" if one.long_text else "varchar")
            body: dict[str, Any] = {"field_name": one.name, "field_type": field_type}
            if one.kind in ("choice", "choices"):
                body["options"] = [{"label": option} for option in one.options]
            answer = check(
                self.http.call(
                    "POST",
                    f"/api/v2/{KINDS[object_name].fields}",
                    SETUP,
                    json=body,
                    repeatable=False,
                )
            )
            if not answer.ok:
                told = message_of(answer.body)
                raise CrmError(
                    f"Pipedrive could not create the field {one.name} ({answer.status}): {told}",
                    "Create it by hand, or use an admin's token.",
                )

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
        """By listing everything, or by search where that costs less; search lags, so never where it must be exact."""
        if object_name == NOTES:
            return self._notes.find(lookups, list(dict.fromkeys([key_field, *fields])))
        purpose = Purpose(object_name, "find")
        search_cost = sum(1 + len(one.match) for one in lookups) * SEARCH_TOKENS + LIST_TOKENS
        list_cost = (known // PAGE_LIMIT + 1) * LIST_TOKENS
        if exact or list_cost <= search_cost:
            paths = LISTINGS.get(object_name, (KINDS[object_name].path,))
            since = self._since() if all(one.recent for one in lookups) else ""
            records: Iterator[Mapping[str, Any]] = chain.from_iterable(
                self._pages(path, purpose, since) for path in paths
            )
        else:
            records = self._by_ids(
                object_name, sorted(self._search(object_name, key_field, lookups)), purpose
            )
        by_key = {one.key: one.key for one in lookups}
        by_match: dict[tuple[str, str], list[str]] = {}
        for one in lookups:
            for name, value in one.match.items():
                by_match.setdefault((name, value.casefold()), []).append(one.key)
        match_fields = {name for one in lookups for name in one.match}
        names = list(dict.fromkeys([key_field, *fields]))
        hits: dict[str, dict[str, Hit]] = {}
        for record in records:
            keys = (
                [by_key[own]]
                if (own := str(self._value(object_name, record, key_field))) in by_key
                else []
            )
            for name in match_fields:
                for value in entries(record, name):
                    keys += by_match.get((name, value.casefold()), [])
            if keys:
                hit = self._hit(object_name, record, names)
                for key in keys:
                    hits.setdefault(key, {})[hit.crm_id] = hit
        return {key: list(found.values()) for key, found in hits.items()}

    def _search(self, object_name: str, key_field: str, lookups: Sequence[Lookup]) -> set[str]:
        """Ids of candidates, by key and by e-mail."""
        kind, found = KINDS[object_name], set[str]()
        code = self._infos[object_name][key_field].wire_name
        for one in lookups:
            params = {"entity_type": kind.entity, "field": code, "term": one.key, "match": "exact"}
            found |= {
                str(hit["item"]["id"])
                for hit in self._searched(object_name, "itemSearch/field", params) or []
            }
            for value in one.match.values():
                params = {"term": value, "fields": "email", "exact_match": "true"}
                items = (self._searched(object_name, f"{kind.path}/search", params) or {}).get(
                    "items", []
                )
                found |= {str(hit["item"]["id"]) for hit in items}
        return found

    def _searched(self, object_name: str, path: str, params: Mapping[str, str]) -> Any:
        answer = check(
            self.http.call("GET", f"/api/v2/{path}", Purpose(object_name, "find"), params=params)
        )
        if not answer.ok or not isinstance(answer.body, dict):
            raise CrmError(
                f"Pipedrive answered {answer.status} to a search.",
                "Check the token's search permission.",
            )
        return answer.body.get("data")

    def _by_ids(
        self, object_name: str, ids: Sequence[str], purpose: Purpose
    ) -> Iterator[Mapping[str, Any]]:
        for start in range(0, len(ids), IDS_LIMIT):
            part = ",".join(ids[start : start + IDS_LIMIT])
            left = set(ids[start : start + IDS_LIMIT])
            for path in LISTINGS.get(object_name, (KINDS[object_name].path,)):
                found = (
                    self._get(f"/api/v2/{path}?limit={IDS_LIMIT}&ids={part}", purpose).get("data")
                    or []
                )
                left -= {str(one["id"]) for one in found}
                yield from found
                if not left:
                    break

    def read(
        self, object_name: str, crm_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, Hit]:
        """Records by id."""
        if object_name == NOTES:
            return self._notes.read(crm_ids, fields)
        found = self._by_ids(object_name, list(crm_ids), Purpose(object_name, "read"))
        return {str(one["id"]): self._hit(object_name, one, fields) for one in found}

    def _hit(self, object_name: str, record: Mapping[str, Any], fields: Sequence[str]) -> Hit:
        return Hit(
            str(record["id"]),
            {name: self._value(object_name, record, name) for name in fields},
            record,
        )

    def _value(self, object_name: str, record: Mapping[str, Any], name: str) -> Value:
        """A field's value in canonical form; of a list, the primary entry."""
        info = self._infos[object_name][name]
        if name in LISTS:
            own = record.get(name) or []
            primary = next((one for one in own if one.get("primary")), own[0] if own else {})
            return primary.get("value") or None
        value = (
            (record.get("custom_fields") or {}).get(info.wire_name)
            if info.wire_name
            else record.get(name)
        )
        labels = {
            number: label for label, number in self._options.get((object_name, name), {}).items()
        }
        if labels and value is not None:
            value = (
                [labels.get(one, str(one)) for one in value]
                if isinstance(value, list)
                else labels.get(value, str(value))
            )
        try:
            return canonical(info, value.get("value") if isinstance(value, dict) else value)
        except NotRepresentableError:
            return str(value)

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """One record: a create that must not be repeated blindly, or an update."""
        (write,) = writes
        if object_name == NOTES:
            return [self._notes.write(write)]
        creating = write.kind == "create"
        path = f"/api/v2/{KINDS[object_name].path}" + ("" if creating else f"/{write.crm_id}")
        body = self._body(object_name, write)
        answer = check(
            self.http.call(
                "POST" if creating else "PATCH",
                path,
                Purpose(object_name, "write"),
                json=body,
                repeatable=not creating,
            )
        )
        if not answer.ok:
            raise BatchRejectedError(row_fault(answer))
        return [self._result(answer, creating)]

    @staticmethod
    def _result(answer: Answer, creating: bool) -> RowResult:
        data = answer.body.get("data") if isinstance(answer.body, dict) else None
        if isinstance(data, dict) and "id" in data:
            return RowResult(str(data["id"]))
        if creating:
            raise AmbiguousAnswerError("Pipedrive answered a create with success and no record")
        return RowResult(
            fault=RowError("no_verdict", "Pipedrive's answer names no record", "sync again"),
            again=True,
        )

    def _body(self, object_name: str, write: Write) -> dict[str, Any]:
        body: dict[str, Any] = {}
        current = write.current
        if (
            write.kind == "update"
            and current is None
            and any(name in LISTS for name in write.fields)
        ):
            current = next(
                self._by_ids(object_name, [str(write.crm_id)], Purpose(object_name, "read")), None
            )
        for name, value in write.fields.items():
            info = self._infos[object_name][name]
            if name in LISTS:
                body[name] = merged(value, (current or {}).get(name) or [])
            elif info.wire_name:
                body.setdefault("custom_fields", {})[info.wire_name] = self._to_wire(
                    object_name, name, value
                )
            else:
                body[name] = self._to_wire(object_name, name, value)
        return body

    def _to_wire(self, object_name: str, name: str, value: Value) -> Any:
        options = self._options.get((object_name, name))
        if isinstance(value, tuple):
            return [options[one] for one in value] if options else list(value)
        if options and isinstance(value, str):
            return options[value]
        return float(value) if isinstance(value, Decimal) else value

    def attach(self, object_name: str, crm_id: str, file: Attachment, *, new: bool = False) -> bool:
        """A file of a note's person, who may have it though the note is new. Raises: RowError for another object."""
        if object_name != NOTES:
            raise RowError(
                "no_files",
                f"files of {object_name} are not supported",
                "take `attach` out of the rule",
            )
        return self._notes.attach(crm_id, file)

    def merge(self, object_name: str, keep_id: str, other_id: str) -> bool:
        """Persons and deals; the values of the one that is kept stand, its id stays."""
        if object_name not in MERGED:
            return False
        path = f"/api/v1/{KINDS[object_name].path}/{other_id}/merge"
        answer = check(
            self.http.call(
                "PUT", path, Purpose(object_name, "merge"), json={"merge_with_id": int(keep_id)}
            )
        )
        return answer.ok

    def link(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> list[RowResult]:
        """Every link of these objects is a reference and travels with the write."""
        raise CrmError(f"{object_name} has no association to {form.to}.", "Please report this bug.")


def entries(record: Mapping[str, Any], name: str) -> list[str]:
    """The values of a list field, of any rank."""
    return [str(one["value"]) for one in record.get(name) or [] if one.get("value")]


def merged(value: Value, held: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A list field with our value as the primary entry, the others kept: a PATCH replaces the whole list."""
    others = [
        {**one, "primary": False}
        for one in held
        if str(one.get("value", "")).casefold() != str(value or "").casefold()
    ]
    label = next(
        (
            one.get("label")
            for one in held
            if str(one.get("value", "")).casefold() == str(value or "").casefold()
        ),
        None,
    )
    ours = (
        [{"value": value, "primary": True, "label": label or "work"}] if value is not None else []
    )
    return [*ours, *others]
