"""Contact roles of opportunities, for contacts that an opportunity gets after its creation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reverse_etl.crm.adapter import RowResult
from reverse_etl.crm.http import Purpose
from reverse_etl.errors import AmbiguousAnswerError, CrmError

from target_salesforce.errors import row_result, unexpected
from target_salesforce.soql import Soql, in_list, select

ATTEMPTS = 3
ROLE = "OpportunityContactRole"

Pair = tuple[str, str]
"""Ids of an opportunity and a contact."""


@dataclass(frozen=True, slots=True)
class ContactRoles:
    """Contact roles of one org."""

    soql: Soql

    def link(self, pairs: Sequence[Pair]) -> list[RowResult]:
        """Create the roles that are missing; a result for each pair. Raises: CrmError."""
        purpose = Purpose("Opportunity", "link")
        for _ in range(ATTEMPTS):
            missing = self._missing(pairs, purpose)
            if not missing:
                return [RowResult(opportunity) for opportunity, _ in pairs]
            try:
                results = self._create(missing, purpose)
            except AmbiguousAnswerError:
                # A role has no external ID, so sending it again could create it twice. Ask instead
                # which roles exist now.
                continue
            return [results.get(pair, RowResult(pair[0])) for pair in pairs]

        raise CrmError(
            f"Salesforce's responses to new contact roles were lost {ATTEMPTS} times.",
            "Run again: the next run looks the roles up first.",
        )

    def _missing(self, pairs: Sequence[Pair], purpose: Purpose) -> list[Pair]:
        """The pairs without a role, each once. Raises: CrmError."""
        test = in_list("OpportunityId", (opportunity for opportunity, _ in pairs))
        query = select(["OpportunityId", "ContactId"], ROLE, [test])
        rows = self.soql.rows([query], purpose)
        existing = {(str(row["OpportunityId"]), str(row["ContactId"])) for row in rows}
        return [pair for pair in dict.fromkeys(pairs) if pair not in existing]

    def _create(self, pairs: Sequence[Pair], purpose: Purpose) -> dict[Pair, RowResult]:
        """Raises: AmbiguousAnswerError, CrmError."""
        records = [
            {"attributes": {"type": ROLE}, "OpportunityId": opportunity, "ContactId": contact}
            for opportunity, contact in pairs
        ]
        body = {"allOrNone": False, "records": records}
        answer = self.soql.api.post("/composite/sobjects", purpose, body, repeatable=False)
        if not answer.ok or not isinstance(answer.body, list) or len(answer.body) != len(pairs):
            hint = "Run again: the next run creates the roles that are missing."
            raise unexpected(answer, "new contact roles", hint)
        return {pair: row_result(item) for pair, item in zip(pairs, answer.body, strict=True)}
