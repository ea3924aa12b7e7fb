"""SOQL: how a query is written, and how queries are sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from reverse_etl.crm.http import Answer, Purpose
from reverse_etl.values import Kind

from target_salesforce.api import SalesforceApi
from target_salesforce.errors import check, json_object, unexpected
from target_salesforce.objects import QUERIES_PER_COMPOSITE

UNQUOTED: tuple[Kind, ...] = ("integer", "number", "boolean", "date", "datetime")


def quoted(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def in_list(name: str, values: Iterable[str], kind: Kind = "text") -> str:
    """`Name IN ('a', 'b')`; only text is in quotes."""
    literals = values if kind in UNQUOTED else (quoted(value) for value in values)
    return f"{name} IN ({', '.join(literals)})"


def select(names: Iterable[str], object_name: str, tests: Iterable[str]) -> str:
    """A query of records that pass one of the tests: their ids and these fields."""
    columns = ", ".join(dict.fromkeys(["Id", *names]))
    # `tests` are made above, their values quoted
    return f"SELECT {columns} FROM {object_name} WHERE {' OR '.join(tests)}"  # nosec B608


@dataclass(frozen=True, slots=True)
class Soql:
    """Queries to one org; they see what was just written."""

    api: SalesforceApi

    def rows(
        self, queries: Sequence[str], purpose: Purpose, *, deleted: bool = False
    ) -> Iterator[Mapping[str, Any]]:
        """The rows of all queries; with `deleted`, of the recycle bin too. Raises: CrmError.

        Queries travel in the body of composite calls: a URL is limited to 16,384 bytes.
        """
        for start in range(0, len(queries), QUERIES_PER_COMPOSITE):
            batch = queries[start : start + QUERIES_PER_COMPOSITE]
            for answer in self._composite(batch, purpose, "queryAll" if deleted else "query"):
                yield from self._pages(answer, purpose)

    def _composite(self, queries: Sequence[str], purpose: Purpose, call: str) -> Iterator[Answer]:
        """The answer to each query, in order. Raises: CrmError."""
        requests = [
            {
                "method": "GET",
                "url": self.api.versioned(f"/{call}?q={quote(query)}"),
                "referenceId": f"q{index}",
            }
            for index, query in enumerate(queries)
        ]
        body = {"allOrNone": False, "compositeRequest": requests}
        answer = self.api.post("/composite", purpose, body)

        parts = answer.body.get("compositeResponse") if isinstance(answer.body, dict) else None
        if not answer.ok or not isinstance(parts, list) or len(parts) != len(queries):
            hint = "Run again. If the problem persists, check the user's access."
            raise unexpected(answer, "a composite of queries", hint)
        for part in parts:
            yield check(Answer(part["httpStatusCode"], part["body"], {}))

    def _pages(self, answer: Answer, purpose: Purpose) -> Iterator[Mapping[str, Any]]:
        hint = "Check the fields of the mapping and the user's access."
        while True:
            page = json_object(answer, "a query", hint)
            yield from page["records"]
            if page.get("done", True):
                return
            answer = self.api.get(str(page["nextRecordsUrl"]), purpose)
