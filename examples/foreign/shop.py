"""A function that the example's rule names."""

from __future__ import annotations


def shelf(favourite: str | None, orders: int | None) -> str | None:
    """Where a customer's next book is put; None for somebody without a favourite."""
    return f"{favourite} {orders or 0}" if favourite else None


__all__ = ["shelf"]
