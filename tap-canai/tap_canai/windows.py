"""Windows of time, and work on some of them ahead of its turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple, TypeVar

Result = TypeVar("Result")


class Window(NamedTuple):
    """The time `[start, end)`."""

    start: datetime
    end: datetime


def windows_between(start: datetime, end: datetime, length: timedelta) -> Iterator[Window]:
    """The windows from start to end, in order; the last may be shorter."""
    while start < end:
        # the remaining time is compared, since a sum could lead beyond the year 9999
        stop = start + length if end - start > length else end
        yield Window(start, stop)
        start = stop


def prepared_ahead(
    prepare: Callable[[Window], Result], windows: Iterable[Window], ahead: int
) -> Iterator[Result]:
    """What `prepare` returns for each window, in order, up to `ahead` of them in preparation.

    Raises: what `prepare` raises.
    """
    rest = iter(windows)
    in_preparation: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(max_workers=ahead, thread_name_prefix="export") as pool:
        try:
            for window in islice(rest, ahead):
                in_preparation.append(pool.submit(prepare, window))
            while in_preparation:
                yield in_preparation.popleft().result()
                for window in islice(rest, 1):
                    in_preparation.append(pool.submit(prepare, window))
        finally:
            for future in in_preparation:
                future.cancel()
