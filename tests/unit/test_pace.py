"""A limit that is used up: every thread waits for its window, not only the one refused."""

from __future__ import annotations

from dataclasses import dataclass, field

from reverse_etl.crm.call_count import CallCount
from reverse_etl.crm.http import SETUP, CrmHttp

from box import Box
from crms import HUBSPOT

WINDOW_S = 10.0


@dataclass
class Clock:
    """A clock that only sleeping moves; `meanwhile` is what another thread does in that time."""

    now_s: float = 0.0
    meanwhile: list[object] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        if self.meanwhile:
            self.meanwhile.pop()()  # type: ignore[operator]
        self.now_s += seconds


def test_after_a_refusal_no_thread_calls_before_the_window_has_passed(box: Box) -> None:
    clock = Clock()
    http = CrmHttp(
        f"{box.url}/hubspot",
        "HubSpot",
        lambda: {"Authorization": "Bearer sandbox-token"},
        lambda headers: 0.0,
        CallCount(),
        10.0,
        window_s=lambda: WINDOW_S,
        sleep=clock.sleep,
        monotonic=clock.monotonic,
    )
    others: list[float] = []

    def other_thread() -> None:
        assert http.call("GET", "/crm/owners/2026-09", SETUP).ok
        others.append(clock.now_s)

    clock.meanwhile.append(other_thread)
    box.fault(HUBSPOT, "429", match="/crm/owners")
    assert http.call("GET", "/crm/owners/2026-09", SETUP).ok
    assert others
    assert others[0] >= WINDOW_S
    assert clock.now_s >= WINDOW_S
    assert [line["status"] for line in box.log(HUBSPOT)] == [429, 200, 200]
