"""What the CRMs' headers say of their limits, and the part of the day that is kept free."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from requests.structures import CaseInsensitiveDict
from reverse_etl.crm.call_count import CallCount, CallLimits
from reverse_etl.errors import BudgetSpentError
from reverse_etl.pipeline.guard import Limit
from target_hubspot import api as hubspot
from target_pipedrive import api as pipedrive
from target_salesforce import api as salesforce

Headers = Mapping[str, str]
HUBSPOT = {
    "X-HubSpot-RateLimit-Daily": "250000", "X-HubSpot-RateLimit-Daily-Remaining": "249000",
    "X-HubSpot-RateLimit-Max": "190", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
}  # fmt: skip
PIPEDRIVE = {
    "x-daily-ratelimit-token-limit": "30000", "x-daily-ratelimit-token-remaining": "1",
    "x-ratelimit-limit": "80",
}  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "headers", "said"),
    [
        (hubspot.limits, HUBSPOT, CallLimits(250_000, 249_000, 19.0)),
        (pipedrive.limits, PIPEDRIVE, CallLimits(30_000, 1, 40.0)),
        (
            salesforce.limits,
            {"Sforce-Limit-Info": "api-usage=18/15000"},
            CallLimits(15_000, 14_982),
        ),
    ],
)
def test_headers_say_the_limits_and_others_say_nothing(
    limits: Callable[[Headers], CallLimits], headers: Headers, said: CallLimits
) -> None:
    assert limits(CaseInsensitiveDict(headers)) == said
    assert limits({}) == CallLimits()
    assert limits(CaseInsensitiveDict(dict.fromkeys(headers, "many"))) == CallLimits()


@pytest.mark.parametrize(("kept", "left"), [("20%", 200), (300, 300), ("0", 0)])
def test_no_call_is_made_once_no_more_is_left_than_is_kept(kept: object, left: int) -> None:
    calls = CallCount(reserve=Limit.parse("keep_calls_free", kept).allowed)
    calls.add("contacts", "write")
    calls.learn(CallLimits(1000, left + 1))
    calls.add("contacts", "write")
    calls.learn(CallLimits())  # an answer without the headers changes nothing
    calls.learn(CallLimits(1000, left))
    with pytest.raises(BudgetSpentError, match=f"keep_calls_free keeps {left}"):
        calls.add("contacts", "write")
    assert calls.total == 2
