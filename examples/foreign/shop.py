"""The function that the example's rule uses."""

from __future__ import annotations


def shelf(favourite: str | None, orders: int | None) -> str | None:
    """The shelf for a customer's next book; None for a customer without a favourite."""
    return f"{favourite} {orders or 0}" if favourite else None


__all__ = ["shelf"]
