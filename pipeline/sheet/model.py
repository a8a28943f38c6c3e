"""What a sheet is made of, as frozen values: rows of the ledger in (`SheetData`), what a page says out (`Sheet`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.domain.digest import Digest
from pipeline.domain.money import FREE, MicroUsd
from pipeline.domain.record import AssetRow, AttemptRow, Delivery, Money, RunRow, State
from pipeline.domain.step import AssetName, KeyParts, StepKey

FIRST = (State.UNKNOWN, State.REFUSED, State.FAILED, State.SKIPPED, State.PLANNED, State.WAITING)
"""What is missing, in the order a person should read it."""

NO_MONEY = Money(spent=FREE, unknown=FREE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotShape:
    """How a shot is laid out: each axis with its keys in the manifest's order, and the ids of its chain."""

    name: str
    axes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetData:
    """Everything a page of one manifest is made from.

    typed: the manifest as it is typed after a command; options: what every command needs besides (``--output …``).
    as_of: the ledger's last word on it, so that nothing new makes nothing new; None: nothing happened yet.
    counts: all assets by state, also those the page has no room for (left_out of them).
    assets: in the order they are shown. attempts, deliveries: those of the assets, the oldest first. parts: of every
    key they have or had. sources: where inputs came from, as a person knows them.
    """

    manifest: str
    typed: str
    options: str = ""
    as_of: datetime | None = None
    counts: Mapping[State, int] = field(default_factory=dict)
    left_out: int = 0
    shots: tuple[ShotShape, ...] = ()
    assets: tuple[AssetRow, ...] = ()
    runs: tuple[RunRow, ...] = ()
    month: Money = NO_MONEY
    total: Money = NO_MONEY
    attempts: tuple[AttemptRow, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    parts: Mapping[StepKey, KeyParts] = field(default_factory=dict)
    sources: Mapping[Digest, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A picture an asset had before its present one, and since when."""

    digest: Digest
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One asset with its story.

    taken: since when it has its present picture. earlier: the pictures before it, the latest first.
    because: why its present picture was made. attempts: the oldest first. spent: what all of them counted.
    """

    row: AssetRow
    taken: datetime | None = None
    earlier: tuple[Earlier, ...] = ()
    because: str = ""
    parts: KeyParts | None = None
    revised_prompt: str = ""
    attempts: tuple[AttemptRow, ...] = ()
    spent: MicroUsd = FREE

    @property
    def message(self) -> str:
        """What is to be said of an asset that is not there: its own words, else its last attempt's."""
        if self.row.warnings:
            return "; ".join(self.row.warnings)
        last = self.attempts[-1] if self.attempts else None
        return last.message if last is not None and last.outcome != "done" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something to type, and what it does."""

    does: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Assets that lack for one cause. state: ``done`` for pictures that are there but want a look."""

    state: State
    title: str
    cause: str
    advice: str
    assets: tuple[AssetName, ...]
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What a page says. groups: what is missing and why, the worst first; then what wants a look."""

    data: SheetData
    cards: tuple[Card, ...]
    groups: tuple[Group, ...]

    def digests(self) -> tuple[Digest, ...]:
        """Every picture the page shows, each once: present and earlier ones, inputs and parents."""
        shown: dict[Digest, None] = {}
        for card in self.cards:
            if card.row.image is not None:
                shown[card.row.image.digest] = None
            shown.update((earlier.digest, None) for earlier in card.earlier)
            shown.update((digest, None) for _, digest in (card.parts.inputs if card.parts else ()))
        return tuple(shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A picture as the page reaches it. thumb: path or ``data:`` URI; full: path; both relative to the page's folder
    with forward slashes, empty when there is none."""

    thumb: str = ""
    full: str = ""
