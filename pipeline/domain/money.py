"""Money: whole micro-dollars inside, decimal USD at every edge."""

from decimal import ROUND_CEILING, Decimal
from typing import NewType

MicroUsd = NewType("MicroUsd", int)
"""Millionths of a US dollar. Integers, so that sums are exact and a budget is never crossed by rounding."""

FREE = MicroUsd(0)


def from_usd(amount: Decimal | float | str) -> MicroUsd:
    """USD as micro-dollars, rounded up: a price is never taken for less than it is."""
    micros = (Decimal(str(amount)) * 1_000_000).to_integral_value(ROUND_CEILING)
    return MicroUsd(int(micros))


def to_usd(amount: MicroUsd) -> float:
    """Micro-dollars as a decimal number of USD, exact to six places."""
    return round(amount / 1_000_000, 6)


def show(amount: MicroUsd) -> str:
    """Money for people: ``$12.30``, and as many places as a small amount needs (``$0.0062``)."""
    dollars = amount / 1_000_000
    if amount % 10_000 == 0 or abs(dollars) >= 10:
        return f"${dollars:,.2f}"
    return f"${dollars:,.4f}".rstrip("0").ljust(5, "0")
