"""Singer target for Tiny, a CRM that is not there: the fourth CRM of docs/adding-a-crm.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reverse_etl.crm.adapter import Account, Adapter, CallCount, Hit, Lookup, RowResult
from reverse_etl.crm.http import SETUP, Answer, CrmHttp, Purpose
from reverse_etl.errors import BatchRejectedError, CrmError, RowError
from reverse_etl.objects import FieldWanted, Lane, LinkForm, ObjectSpec
from reverse_etl.records import Write
from reverse_etl.singer import cli as commands
from reverse_etl.singer.settings import COMMON, checked_url
from reverse_etl.singer.target import CrmTarget
from reverse_etl.values import FieldInfo, Value, canonical
from singer_sdk import typing as th

ROWS = 50
"""Rows of a call."""
LANES = (Lane("batch", 1, ROWS),)
OBJECTS = {
    "people": ObjectSpec("people", LANES, upserts=True, unique_keys=True, find_rows_a_call=ROWS),
    "visits": ObjectSpec(
        "visits",
        LANES,
        upserts=True,
        unique_keys=True,
        find_rows_a_call=ROWS,
        links={"people": LinkForm("people", "reference", field="person")},
    ),
}


class TinyAdapter(Adapter):
    """One account of Tiny."""

    crm = "tiny"
    objects = OBJECTS

    def __init__(self, http: CrmHttp) -> None:
        self.http = http
        self.calls: CallCount = http.calls
        self._infos: dict[str, dict[str, FieldInfo]] = {}

    def _good(self, answer: Answer) -> Any:
        """What a call answered. Raises: CrmError."""
        if not answer.ok:
            raise CrmError(f"Tiny answered {answer.status}.", "Check `api_url` and `token`.")
        return answer.body

    def account(self) -> Account:
        """The account of the token."""
        return Account(str(self._good(self.http.call("GET", "/me", SETUP))["account"]))

    def facts(self) -> Mapping[str, object]:
        """Functions need to know nothing of Tiny."""
        return {}

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """Fields as Tiny has them."""
        found = self._good(self.http.call("GET", f"/fields/{object_name}", SETUP))
        self._infos[object_name] = {
            one["name"]: FieldInfo(one["name"], one["kind"], unique=one["unique"]) for one in found
        }
        return self._infos[object_name]

    def provision(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create fields."""
        for one in wanted:
            body = {"name": one.name, "kind": one.kind, "unique": one.unique}
            self._good(self.http.call("POST", f"/fields/{object_name}", SETUP, json=body))

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
        """By key or match field, many a call."""
        hits: dict[str, list[Hit]] = {}
        for start in range(0, len(lookups), ROWS):
            part = lookups[start : start + ROWS]
            body = {"any": [{key_field: one.key, **one.match} for one in part]}
            for row in self._good(
                self.http.call(
                    "POST", f"/{object_name}/find", Purpose(object_name, "find"), json=body
                )
            ):
                for one in part:
                    if row.get(key_field) == one.key or any(
                        row.get(name) == value for name, value in one.match.items()
                    ):
                        hits.setdefault(one.key, []).append(
                            self._hit(object_name, row, [key_field, *fields])
                        )
        return hits

    def read(
        self, object_name: str, crm_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, Hit]:
        """By id."""
        body = {"any": [{"id": one} for one in crm_ids]}
        rows = self._good(
            self.http.call("POST", f"/{object_name}/find", Purpose(object_name, "read"), json=body)
        )
        return {row["id"]: self._hit(object_name, row, fields) for row in rows}

    def _hit(self, object_name: str, row: Mapping[str, Any], fields: Sequence[str]) -> Hit:
        values: dict[str, Value] = {
            name: canonical(self._infos[object_name][name], row.get(name)) for name in fields
        }
        return Hit(str(row["id"]), values, row)

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """One call; Tiny answers row by row, or refuses the call as a whole."""
        rows = [
            {**one.fields, **({"id": one.crm_id} if one.kind == "update" else {})} for one in writes
        ]
        answer = self.http.call(
            "POST",
            f"/{object_name}/upsert",
            Purpose(object_name, "write"),
            json={"key": key_field, "rows": rows},
        )
        if answer.status == 400:
            raise BatchRejectedError(
                RowError("rejected", "Tiny refuses the call", "look at the record")
            )
        hint = "mend the record at the source"
        return [
            RowResult(fault=RowError(one["error"], one["message"], hint))
            if "error" in one
            else RowResult(one["id"])
            for one in self._good(answer)
        ]

    def link(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> list[RowResult]:
        """Every link is a field."""
        raise CrmError(f"{object_name} has no association to {form.to}.", "Please report this bug.")


class TargetTiny(CrmTarget):
    """People in Tiny."""

    name = "target-tiny"
    package_name = "target-tiny"
    crm = "tiny"
    objects = OBJECTS
    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_url",
            th.StringType,
            required=True,
            title="API URL",
            description="Host of Tiny's API.",
        ),
        th.Property(
            "token",
            th.StringType,
            secret=True,
            required=True,
            title="Token",
            description="Tiny's token.",
        ),
        *COMMON,
    ).to_dict()

    def build_adapter(self) -> TinyAdapter:
        """Tiny behind these settings."""
        headers = {"Authorization": f"Bearer {self.config['token']}"}
        url = checked_url(str(self.config["api_url"]), "api_url")
        return TinyAdapter(
            CrmHttp(
                url,
                "Tiny",
                headers=lambda: headers,
                pace_s=lambda _: 0.0,
                calls=CallCount(),
                timeout_s=30.0,
            )
        )


def main() -> int:
    """Entry point of `target-tiny`."""
    return commands.main(TargetTiny)
