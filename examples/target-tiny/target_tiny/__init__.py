"""Singer target for Tiny, an imaginary CRM: the fourth CRM of docs/adding-a-crm.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import reverse_etl as etl
from singer_sdk import typing as th

ROWS = 50
"""Rows of a call."""
LANES = (etl.Lane("batch", 1, ROWS),)
spec = partial(etl.ObjectSpec, lanes=LANES, upserts=True, unique_keys=True, find_rows_a_call=ROWS)
TO_PERSON = etl.LinkForm("people", "reference", field="person")
OBJECTS = {"people": spec("people"), "visits": spec("visits", links={"people": TO_PERSON})}


def good(answer: etl.Answer) -> Any:
    """The body of a success. Raises: CrmError."""
    if not answer.ok:
        raise etl.CrmError(f"Tiny answered {answer.status}.", "Check `api_url` and `token`.")
    return answer.body


class TinyAdapter(etl.Adapter):
    """One account of Tiny."""

    crm = "tiny"
    objects = OBJECTS

    def __init__(self, http: etl.CrmHttp) -> None:
        self.http = http
        self.calls = http.calls
        self._infos: dict[str, dict[str, etl.FieldInfo]] = {}

    def account(self) -> etl.Account:
        """The account of the token."""
        return etl.Account(str(good(self.http.call("GET", "/me", etl.SETUP))["account"]))

    def facts(self) -> Mapping[str, object]:
        """Functions need to know nothing about Tiny."""
        return {}

    def describe(self, object_name: str) -> dict[str, etl.FieldInfo]:
        """The fields that Tiny has."""
        fields = good(self.http.call("GET", f"/fields/{object_name}", etl.SETUP))
        self._infos[object_name] = {
            field["name"]: etl.FieldInfo(field["name"], field["kind"], unique=field["unique"])
            for field in fields
        }
        return self._infos[object_name]

    def provision(self, object_name: str, wanted: Sequence[etl.FieldWanted]) -> None:
        """Create fields."""
        for field in wanted:
            body = {"name": field.name, "kind": field.kind, "unique": field.unique}
            good(self.http.call("POST", f"/fields/{object_name}", etl.SETUP, json=body))

    def find(
        self,
        object_name: str,
        key_field: str,
        lookups: Sequence[etl.Lookup],
        fields: Sequence[str],
        *,
        exact: bool = False,
        known: int = 0,
    ) -> dict[str, list[etl.Hit]]:
        """By key or match field, in batches; Tiny never lags, so `exact` makes no difference."""
        hits: dict[str, list[etl.Hit]] = {}
        for start in range(0, len(lookups), ROWS):
            part = lookups[start : start + ROWS]
            wanted = [{key_field: lookup.key, **lookup.match} for lookup in part]
            for row in self._rows(object_name, "find", wanted):
                hit = self._hit(object_name, row, [key_field, *fields])
                for lookup, values in zip(part, wanted, strict=True):
                    if any(row.get(name) == value for name, value in values.items()):
                        hits.setdefault(lookup.key, []).append(hit)
        return hits

    def read(
        self, object_name: str, crm_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, etl.Hit]:
        """By id."""
        rows = self._rows(object_name, "read", [{"id": crm_id} for crm_id in crm_ids])
        return {row["id"]: self._hit(object_name, row, fields) for row in rows}

    def _rows(self, object_name: str, purpose: str, wanted: Sequence[Mapping[str, str]]) -> Any:
        to_find = etl.Purpose(object_name, purpose)
        return good(self.http.call("POST", f"/{object_name}/find", to_find, json={"any": wanted}))

    def _hit(self, object_name: str, row: Mapping[str, Any], fields: Sequence[str]) -> etl.Hit:
        infos = self._infos[object_name]
        values = {name: etl.canonical(infos[name], row.get(name)) for name in fields}
        return etl.Hit(str(row["id"]), values, row)

    def write(
        self, object_name: str, key_field: str, writes: Sequence[etl.Write]
    ) -> list[etl.RowResult]:
        """One call; Tiny answers row by row, or refuses the call as a whole."""
        to_write = etl.Purpose(object_name, "write")
        rows = [{"id": write.crm_id, **write.fields} for write in writes]
        body = {"key": key_field, "rows": rows}
        answer = self.http.call("POST", f"/{object_name}/upsert", to_write, json=body)
        if answer.status == 400:
            raise etl.BatchRejectedError(etl.RowError("rejected", "Tiny refuses the call"))
        return [row_result(row) for row in good(answer)]

    def link(
        self, object_name: str, form: etl.LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> list[etl.RowResult]:
        """Every link is a field."""
        raise etl.CrmError(f"{object_name} has no association to {form.to}.", "Report this bug.")


def row_result(row: Mapping[str, str]) -> etl.RowResult:
    """What Tiny says of one row."""
    if "error" not in row:
        return etl.RowResult(row["id"])
    hint = "fix the record at the source"
    return etl.RowResult(fault=etl.RowError(row["error"], row["message"], hint))


class TargetTiny(etl.CrmTarget):
    """People in Tiny."""

    name = "target-tiny"
    package_name = "target-tiny"
    crm = "tiny"
    objects = OBJECTS
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True, description="Host of Tiny's API."),
        th.Property(
            "token", th.StringType, secret=True, required=True, description="Tiny's token."
        ),
        *etl.COMMON,
    ).to_dict()

    def build_adapter(self) -> TinyAdapter:
        """Tiny behind these settings."""
        headers = {"Authorization": f"Bearer {self.config['token']}"}
        url = etl.checked_url(str(self.config["api_url"]), "api_url")
        return TinyAdapter(etl.CrmHttp(url, "Tiny", lambda: headers, sleep=self.control.sleep))


def main() -> int:
    """Entry point of `target-tiny`."""
    return etl.main(TargetTiny)
