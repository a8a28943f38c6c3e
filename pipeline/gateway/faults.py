"""Faults on purpose: when one strikes. (What each does: `fault_table`.)

Entries come from a file (`fault_file`) or are made here. All conditions of an entry must hold; the first entry
that strikes counts. ``rate`` is drawn from the seed, the order itself and how often it was asked before, so the
same seed gives the same night however the requests interleave; ``nth``, ``every`` and ``times`` count arrivals.

A request can also name its fault: ``[[fault:drop]]`` anywhere in the prompt, or header ``x-pipeline-fault``.
``[[fault:drop once]]`` strikes only the first time.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random

from pipeline.domain.digest import digest_of
from pipeline.gateway.fault_table import misfortune_of
from pipeline.gateway.misfortune import Misfortune
from pipeline.gateway.order import Order

_MARKER = re.compile(r"\[\[fault:\s*([\w-]+)(\s+once)?\s*\]\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One entry of a faults file: which fault, and when it strikes.

    rate: share of requests, 0 to 1. nth: numbers of requests, from 1. every: each so many-th one. prompt: part of
    it. asset: a glob.
    once: only the first time an order is asked. times: how often in all. after: seconds before it comes.
    billed: whether its pictures are billed; None: as is usual for this fault. retry_after: seconds.
    """

    fault: str
    rate: float | None = None
    nth: tuple[int, ...] = ()
    every: int | None = None
    prompt: str = ""
    asset: str = ""
    once: bool = False
    times: int | None = None
    after: float | None = None
    billed: bool | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A fault that has struck a request."""

    fault: Fault
    misfortune: Misfortune

    @property
    def billed(self) -> bool:
        """Whether the pictures are paid for."""
        return self.misfortune.billed if self.fault.billed is None else self.fault.billed


class FaultBook:
    """Decides for each request whether a fault strikes it; remembers how often it was asked."""

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        self._faults = tuple(faults)
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Starts the night anew."""
        self._arrivals = 0
        self._asked: Counter[str] = Counter()
        self._struck: Counter[int] = Counter()

    def strike(self, order: Order, headers: Mapping[str, str]) -> Strike | None:
        """The fault for this request, if any."""
        self._arrivals += 1
        if not self._faults and "x-pipeline-fault" not in headers and "[[fault:" not in order.prompt:
            return None
        asked = f"{order.first}:{order.digest}"
        self._asked[asked] += 1
        tries = self._asked[asked]
        named = _named(order.prompt, headers, tries)
        if named is not None:
            return named
        asset = headers.get("x-pipeline-asset", "") or order.identifier
        for number, fault in enumerate(self._faults):
            if self._holds(number, fault, order, asset, tries):
                misfortune = misfortune_of(fault.fault)
                assert misfortune is not None  # names are checked when the file is read
                self._struck[number] += 1
                return Strike(fault=fault, misfortune=misfortune)
        return None

    def _holds(self, number: int, fault: Fault, order: Order, asset: str, tries: int) -> bool:
        return (
            (not fault.nth or self._arrivals in fault.nth)
            and (fault.every is None or self._arrivals % fault.every == 0)
            and (not fault.prompt or fault.prompt.casefold() in order.prompt.casefold())
            and (not fault.asset or fnmatchcase(asset, fault.asset))
            and (not fault.once or tries == 1)
            and (fault.times is None or self._struck[number] < fault.times)
            and (fault.rate is None or self._draw(number, order, tries) < fault.rate)
        )

    def _draw(self, number: int, order: Order, tries: int) -> float:
        """A number from 0 to 1 that depends on nothing but the seed, the entry, the order and the try."""
        drawn = digest_of(f"{self._seed}:{number}:{tries}:{order.first}:{order.digest}".encode())
        return Random(drawn).random()  # noqa: S311 - a rehearsal of luck


def _named(prompt: str, headers: Mapping[str, str], tries: int) -> Strike | None:
    """The fault that the request itself names in its prompt or its header."""
    marker = _MARKER.search(prompt)
    if marker is not None and marker[2] and tries > 1:
        return None
    name = marker[1] if marker is not None else headers.get("x-pipeline-fault", "")
    misfortune = misfortune_of(name)
    return Strike(fault=Fault(fault=name), misfortune=misfortune) if misfortune is not None else None
