"""The seam to HubSpot: batch read, upsert and update with trace ids, batched associations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from reverse_etl.crm.adapter import Account, Adapter, Attachment, CallCount, Hit, Lookup, RowResult
from reverse_etl.crm.http import SETUP, Answer, CrmHttp, Purpose
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
from reverse_etl.values import FieldInfo, Kind, Value, canonical, plain_number

from target_hubspot.api import SCHEMAS, Paths, check, row_fault
from target_hubspot.notes import MARKER, NOTES, VIRTUAL, Notes, creation, shown, with_marker
from target_hubspot.objects import (
    ASSOCIATION_TYPES,
    BATCH_LIMIT,
    CUSTOM,
    EXTRA_EMAILS,
    FOLDS_CASE,
    GROUP,
    OBJECTS,
)

KINDS: dict[str, Kind] = {
    "string": "text",
    "number": "number",
    "datetime": "datetime",
    "date": "date",
    "enumeration": "choice",
    "bool": "boolean",
}
WANTED: dict[Kind, tuple[str, str]] = {
    "text": ("string", "text"), "integer": ("number", "number"), "number": ("number", "number"), "boolean": ("bool", "booleancheckbox"),
    "date": ("date", "date"), "datetime": ("datetime", "date"), "choice": ("enumeration", "select"), "choices": ("enumeration", "checkbox"),
}  # fmt: skip
MAX_TEXT = 65_536
"""Characters of a text property. Source: HubSpot, Properties guide, read 2026-11-23."""
MILLISECOND_DIGITS = 3


class HubSpotAdapter(Adapter):
    """One HubSpot account."""

    crm = "hubspot"
    objects: Mapping[str, ObjectSpec] = OBJECTS

    def __init__(self, http: CrmHttp, version: str, pipeline: str = "") -> None:
        self.http, self.paths, self.pipeline = http, Paths(version), pipeline
        self.calls: CallCount = http.calls
        self.files = self.owning = self
        self._infos: dict[str, dict[str, FieldInfo]] = {}
        self._types: dict[str, str] = {}
        """Type ids of custom objects."""
        self._notes = Notes(http, self.paths, self._read_by)

    def account(self) -> Account:
        """The portal of the token."""
        body = self._get("/account-info/v3/details")
        return Account(str(body["portalId"]), str(body.get("uiDomain", "")))

    def facts(self) -> Mapping[str, object]:
        """Nothing of a HubSpot account is passed to functions."""
        return {}

    def _get(self, path: str) -> Any:
        answer = check(self.http.call("GET", path, SETUP))
        if not answer.ok or not isinstance(answer.body, dict):
            raise CrmError(
                f"HubSpot answered {answer.status} to GET {path}.",
                "Check `api_url` and `api_version`.",
            )
        return answer.body

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """Properties by internal name. Raises: NoSuchObjectError, CrmError."""
        if object_name in CUSTOM:
            self._find_type(object_name)
        found = self._get(self.paths.properties(self._type(object_name)))["results"]
        self._infos[object_name] = {one["name"]: field_info(object_name, one) for one in found}
        if object_name == NOTES:
            self._infos[object_name] |= VIRTUAL
        if object_name == "deals":
            self._infos[object_name] |= self._pipeline_infos(self._infos[object_name])
        return self._infos[object_name]

    def _pipeline_infos(self, infos: Mapping[str, FieldInfo]) -> dict[str, FieldInfo]:
        """Pipeline and stage of deals as fields that take names as well as ids, in the pipeline of the setting. Raises: CrmError."""
        pipelines = self._get(self.paths.pipelines("deals"))["results"]
        chosen = chosen_pipeline(pipelines, self.pipeline)
        by_name = {str(one["label"]).casefold(): str(one["id"]) for one in pipelines}
        if self.pipeline:
            by_name["default"] = str(chosen["id"])
        ids = tuple(str(one["id"]) for one in pipelines)
        ids = (
            tuple(one for one in ids if one != "default")
            if by_name.get("default", "default") != "default"
            else ids
        )
        stages = sorted(chosen["stages"], key=lambda one: one.get("displayOrder", 0))
        made = {}
        if "pipeline" in infos:
            made["pipeline"] = replace(
                infos["pipeline"], kind="choice", options=ids, strict_options=True, aliases=by_name
            )
        if "dealstage" in infos:
            options = tuple(str(one["id"]) for one in stages)
            made["dealstage"] = replace(
                infos["dealstage"],
                kind="choice",
                options=options,
                strict_options=True,
                aliases=stage_names(stages),
            )
        return made

    def owners(self) -> Mapping[str, str]:
        """Owners by e-mail."""
        found: dict[str, str] = {}
        after = ""
        while True:
            body = self._get(f"{self.paths.owners()}?limit=100{f'&after={after}' if after else ''}")
            found |= {
                str(one["email"]).casefold(): str(one["id"])
                for one in body["results"]
                if one.get("email") and not one.get("archived")
            }
            after = str(((body.get("paging") or {}).get("next") or {}).get("after") or "")
            if not after:
                return found

    def _type(self, object_name: str) -> str:
        """How paths name an object."""
        return self._types.get(object_name, object_name)

    def _find_type(self, object_name: str) -> None:
        """Raises: NoSuchObjectError where the portal has no such custom object, or shows none."""
        answer = self.http.call("GET", SCHEMAS, SETUP)
        known = (
            answer.body.get("results") or [] if answer.ok and isinstance(answer.body, dict) else []
        )
        found = next((one for one in known if one.get("name") == object_name), None)
        if found is None:
            raise NoSuchObjectError(
                f"HubSpot has no custom object {object_name}.",
                "Create it, or take its rule out of the mapping.",
            )
        self._types[object_name] = str(found["objectTypeId"])

    def provision(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create properties, in a group of their own, and a custom object that is missing."""
        if object_name in CUSTOM and object_name not in self._types:
            self._create_object(object_name, wanted)
            return
        object_name = self._type(object_name)
        groups = {
            one["name"]
            for one in self._get(self.paths.properties(object_name, "groups"))["results"]
        }
        if GROUP["name"] not in groups:
            self._create(self.paths.properties(object_name, "groups"), dict(GROUP), {201, 200, 409})
        for start in range(0, len(wanted), BATCH_LIMIT):
            inputs = [property_body(one) for one in wanted[start : start + BATCH_LIMIT]]
            self._create(
                self.paths.properties(object_name, "batch/create"), {"inputs": inputs}, {200, 201}
            )

    def _create_object(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """A custom object with its properties. Raises: NoSuchObjectError where the portal has no right to it."""
        key = next(one.name for one in wanted if one.unique)
        properties = [
            {name: value for name, value in property_body(one).items() if name != "groupName"}
            for one in wanted
        ]
        body = {
            "name": object_name,
            "labels": CUSTOM[object_name],
            "primaryDisplayProperty": key,
            "requiredProperties": [key],
            "properties": properties,
            "associatedObjects": [],
        }
        answer = self.http.call("POST", SCHEMAS, SETUP, json=body)
        if not answer.ok:
            hint = "Custom objects need an Enterprise portal and the schema scopes."
            raise NoSuchObjectError(
                f"HubSpot could not create the custom object {object_name} ({answer.status}).", hint
            )

    def _create(self, path: str, body: object, good: set[int]) -> None:
        answer = check(self.http.call("POST", path, SETUP, json=body))
        if answer.status not in good:
            told = answer.body.get("message", "") if isinstance(answer.body, dict) else ""
            raise CrmError(
                f"HubSpot could not provision ({answer.status}): {told}",
                "Create the properties by hand, or grant the schema scopes.",
            )

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
        """By key, then, for those not found, by e-mail; 100 a call. Batch reads do not lag."""
        names = list(dict.fromkeys([key_field, *fields]))
        if object_name == NOTES:
            return self._notes.find(
                lookups, names, lambda kind, crm_id, own: self._hit_of(kind, crm_id, own, names)
            )
        hits: dict[str, list[Hit]] = {}
        for record in self._read_by(
            object_name, key_field, [one.key for one in lookups], names, "find"
        ):
            hit = self._hit(object_name, record, names)
            hits.setdefault(str(hit.values.get(key_field)), []).append(hit)
        for match_field in {name for one in lookups for name in one.match}:
            left = [one for one in lookups if one.key not in hits and match_field in one.match]
            by_value = {one.match[match_field].casefold(): one.key for one in left}
            extra = [*names, EXTRA_EMAILS] if match_field == "email" else names
            for record in self._read_by(
                object_name, match_field, [one.match[match_field] for one in left], extra, "find"
            ):
                own = record.get("properties") or {}
                addresses = [own.get(match_field) or "", *(own.get(EXTRA_EMAILS) or "").split(";")]
                for key in {
                    by_value[one.casefold()] for one in addresses if one.casefold() in by_value
                }:
                    hits.setdefault(key, []).append(self._hit(object_name, record, names))
        return hits

    def read(
        self, object_name: str, crm_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, Hit]:
        """Records by id."""
        found = self._read_by(object_name, None, crm_ids, fields, "read")
        return {str(one["id"]): self._hit(object_name, one, fields) for one in found}

    def _read_by(
        self,
        object_name: str,
        id_property: str | None,
        values: Sequence[str],
        fields: Sequence[str],
        purpose: str,
    ) -> Iterator[dict[str, Any]]:
        wanted = list(dict.fromkeys(values))
        for start in range(0, len(wanted), BATCH_LIMIT):
            inputs = [{"id": value} for value in wanted[start : start + BATCH_LIMIT]]
            body: dict[str, Any] = {
                "inputs": inputs,
                "properties": list(fields),
                "propertiesWithHistory": [],
            }
            if id_property:
                body["idProperty"] = id_property
            path = self.paths.objects(self._type(object_name), "batch/read")
            answer = check(self.http.call("POST", path, Purpose(object_name, purpose), json=body))
            if not answer.ok or not isinstance(answer.body, dict) or "results" not in answer.body:
                raise CrmError(
                    f"HubSpot answered {answer.status} to a batch read of {object_name}.",
                    "Run again; if it stays, check the token's read scopes.",
                )
            yield from answer.body["results"]

    def _hit(self, object_name: str, record: Mapping[str, Any], fields: Sequence[str]) -> Hit:
        own = shown(record, None) if object_name == NOTES else record.get("properties") or {}
        return self._hit_of(object_name, str(record["id"]), own, fields)

    def _hit_of(
        self, object_name: str, crm_id: str, own: Mapping[str, Any], fields: Sequence[str]
    ) -> Hit:
        infos = self._infos[object_name]
        return Hit(crm_id, {name: from_wire(infos[name], own.get(name)) for name in fields}, own)

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """One batch/upsert or batch/update; rows are told apart by trace id, else by key or id."""
        if object_name == NOTES:
            return self._write_notes(writes)
        creating = writes[0].kind == "create"
        self._clear(object_name, writes)
        inputs = []
        for index, write in enumerate(writes):
            properties = {name: to_wire(value) for name, value in write.fields.items()}
            one: dict[str, Any] = {
                "id": write.key if creating else write.crm_id,
                "properties": properties,
                "objectWriteTraceId": f"row-{index}",
            }
            if creating:
                one["idProperty"] = key_field
            inputs.append(one)
        path = self.paths.objects(
            self._type(object_name), "batch/upsert" if creating else "batch/update"
        )
        answer = check(
            self.http.call("POST", path, Purpose(object_name, "write"), json={"inputs": inputs})
        )
        if not answer.ok:
            raise BatchRejectedError(
                row_fault(answer.body if isinstance(answer.body, dict) else {})
            )
        return self._results(answer, writes, key_field if creating else None)

    def _clear(self, object_name: str, writes: Sequence[Write]) -> None:
        """Empty what only moves forward, where it is to go back. Source: HubSpot, Contacts guide, read 2026-11-23."""
        inputs = [
            {"id": one.crm_id, "properties": dict.fromkeys(one.cleared_first, "")}
            for one in writes
            if one.cleared_first
        ]
        if inputs:
            path = self.paths.objects(self._type(object_name), "batch/update")
            check(
                self.http.call("POST", path, Purpose(object_name, "write"), json={"inputs": inputs})
            )

    def _write_notes(self, writes: Sequence[Write]) -> list[RowResult]:
        """One batch/create, which HubSpot would repeat, or batch/update. Raises: AmbiguousAnswerError."""
        creating = writes[0].kind == "create"
        inputs = []
        for index, write in enumerate(writes):
            properties = {name: to_wire(value) for name, value in write.fields.items()}
            own = (
                creation(write, properties)
                if creating
                else {"id": write.crm_id, "properties": with_marker(write, properties)}
            )
            inputs.append({**own, "objectWriteTraceId": f"row-{index}"})
        path = self.paths.objects(NOTES, "batch/create" if creating else "batch/update")
        answer = check(
            self.http.call(
                "POST",
                path,
                Purpose(NOTES, "write"),
                json={"inputs": inputs},
                repeatable=not creating,
            )
        )
        if not answer.ok:
            raise BatchRejectedError(
                row_fault(answer.body if isinstance(answer.body, dict) else {})
            )
        if isinstance(answer.body, dict):
            answer.body["results"] = [
                {**one, "properties": shown(one, None)} for one in answer.body.get("results") or []
            ]
        results = self._results(answer, writes, MARKER if creating else None)
        if creating and any(one.again for one in results):
            raise AmbiguousAnswerError("HubSpot's answer to new notes does not name each of them")
        return results

    def attach(self, object_name: str, crm_id: str, file: Attachment, *, new: bool = False) -> bool:
        """A file of a note. Raises: RowError for an object that HubSpot keeps no files of."""
        if object_name != NOTES:
            raise RowError(
                "no_files",
                f"HubSpot attaches files to notes, not to {object_name}",
                "take `attach` out of the rule",
            )
        return self._notes.attach(crm_id, file, new=new)

    @staticmethod
    def _results(answer: Answer, writes: Sequence[Write], key_field: str | None) -> list[RowResult]:
        places = {f"row-{index}": index for index in range(len(writes))}
        places |= {
            (write.key if key_field else str(write.crm_id)): index
            for index, write in enumerate(writes)
        }
        missing = RowError(
            "no_verdict",
            "HubSpot's answer names neither a result nor an error for it",
            "sync again",
        )
        results = [RowResult(fault=missing, again=True) for _ in writes]
        body = answer.body if isinstance(answer.body, dict) else {}
        for item in body.get("results") or []:
            own = item.get("properties") or {}
            name = item.get("objectWriteTraceId") or (
                own.get(key_field) if key_field else item.get("id")
            )
            if name in places:
                results[places[name]] = RowResult(str(item["id"]))
        for item in body.get("errors") or []:
            context = item.get("context") or {}
            names = [
                *context.get("objectWriteTraceId", []),
                *context.get("ids", []),
                item.get("id"),
            ]
            for name in names:
                if name in places:
                    results[places[name]] = RowResult(fault=row_fault(item))
                    break
        return results

    def link(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> list[RowResult]:
        """Associations of HubSpot's own type; making one twice changes nothing."""
        spec = {
            "associationCategory": "HUBSPOT_DEFINED",
            "associationTypeId": ASSOCIATION_TYPES[(object_name, form.to)],
        }
        inputs = [
            {"from": {"id": one}, "to": {"id": other}, "types": [spec]} for one, other in pairs
        ]
        answer = check(
            self.http.call(
                "POST",
                self.paths.associations(object_name, form.to),
                Purpose(object_name, "link"),
                json={"inputs": inputs},
            )
        )
        body = answer.body if isinstance(answer.body, dict) else {}
        if not answer.ok or not (body.get("results") or body.get("errors")):
            raise CrmError(
                f"HubSpot answered {answer.status} to an association batch.",
                "Run again: links that are missing are made then.",
            )
        failed: dict[tuple[str, str], RowError] = {}
        for item in body.get("errors") or []:
            context = item.get("context") or {}
            failed |= dict.fromkeys(
                zip(context.get("fromObjectId", []), context.get("toObjectId", []), strict=False),
                row_fault(item),
            )
        return [
            RowResult(one) if (one, other) not in failed else RowResult(fault=failed[(one, other)])
            for one, other in pairs
        ]


def chosen_pipeline(pipelines: Sequence[Mapping[str, Any]], wanted: str) -> Mapping[str, Any]:
    """A pipeline by id or name, or the first. Raises: CrmError."""
    ordered = sorted(
        pipelines, key=lambda one: (str(one["id"]) != "default", one.get("displayOrder", 0))
    )
    found = [
        one
        for one in ordered
        if not wanted
        or wanted.casefold() in (str(one["id"]).casefold(), str(one["label"]).casefold())
    ]
    if not found:
        known = ", ".join(str(one["label"]) for one in ordered)
        raise CrmError(
            "HubSpot has no deal pipeline of the name or id in `pipeline`.", f"Known: {known}."
        )
    return found[0]


def stage_names(stages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Ids of stages by name, with and without spaces; a won and a lost stage also by the names of the default pipeline."""
    names: dict[str, str] = {}
    for one in stages:
        label, metadata = str(one["label"]).casefold(), one.get("metadata") or {}
        closed = str(metadata.get("isClosed", "")).lower() == "true"
        if closed:
            names.setdefault(
                "closedwon"
                if str(metadata.get("probability", "")) in ("1", "1.0")
                else "closedlost",
                str(one["id"]),
            )
        names[label.replace(" ", "")] = names[label] = str(one["id"])
    return names


def field_info(object_name: str, one: Mapping[str, Any]) -> FieldInfo:
    """A property as the core knows it."""
    kind = KINDS.get(one["type"], "text")
    if kind == "choice" and one.get("fieldType") == "checkbox":
        kind = "choices"
    options = tuple(
        str(option["value"])
        for option in sorted(
            one.get("options") or [], key=lambda option: option.get("displayOrder", 0)
        )
    )
    read_only = (one.get("modificationMetadata") or {}).get("readOnlyValue") or one.get(
        "calculated"
    )
    folds = (object_name, one["name"]) in FOLDS_CASE
    return FieldInfo(
        one["name"],
        kind,
        writable=not read_only,
        max_length=MAX_TEXT if kind == "text" else None,
        options=options if kind in ("choice", "choices") else (),
        strict_options=bool(options) and kind == "choice",
        scale=MILLISECOND_DIGITS if kind == "datetime" else None,
        unique=bool(one.get("hasUniqueValue")) or folds,
        folds_case=folds,
        trims=folds,
    )


def property_body(one: FieldWanted) -> dict[str, Any]:
    """A property to be created."""
    kind, field_type = WANTED[one.kind]
    label = one.name.replace("_", " ").replace("canai", "CanAI", 1)
    body: dict[str, Any] = {
        "name": one.name,
        "label": label,
        "groupName": GROUP["name"],
        "type": kind,
        "fieldType": "textarea" if one.long_text else field_type,
    }
    options = ("true", "false") if one.kind == "boolean" else one.options
    if options:
        body["options"] = [
            {"label": value, "value": value, "displayOrder": order, "hidden": False}
            for order, value in enumerate(options)
        ]
    if one.unique:
        body["hasUniqueValue"] = True
    return body


def to_wire(value: Value) -> str:
    """All properties travel as text; an empty one clears."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return plain_number(Decimal(value))
    return ";".join(value) if isinstance(value, tuple) else value


def from_wire(info: FieldInfo, value: str | None) -> Value:
    """A property's value in canonical form; one that the type cannot hold compares as text."""
    if value in (None, ""):
        return None
    try:
        return canonical(info, value.split(";") if info.kind == "choices" and value else value)
    except NotRepresentableError:
        return value
