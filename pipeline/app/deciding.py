"""What a person decides: `reconcile`, `why` and `bless`. Nothing here sends anything."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Generic, TypeVar

import anyio

from pipeline.app.desk import ReadingDesk, load_manifest, open_reading
from pipeline.app.locking import take_lock
from pipeline.app.naming import names_of, nearest
from pipeline.app.options import Choice
from pipeline.app.shop import open_for_writing
from pipeline.app.world import World, in_thread, output_of
from pipeline.domain.digest import Json
from pipeline.domain.errors import UserError
from pipeline.domain.money import FREE, MicroUsd, to_usd
from pipeline.domain.record import AttemptRow, State
from pipeline.domain.step import AssetName
from pipeline.ledger import Blessing, Decision, Ledger
from pipeline.plan import Difference, Resolved, differences, resolve
from pipeline.ports import Recorder
from pipeline.store import Blessed as BlessedNote
from pipeline.store import Places, Receipts, Reconciled

T = TypeVar("T")


def unknown_of(manifest: Path, output: Path | None, assets: Sequence[str], world: World) -> tuple[AttemptRow, ...]:
    """Unsettled unknown attempts of a manifest, of assets that match any of the patterns. Blocks.

    Raises UserError for a pattern that matches no asset whose outcome is unknown, where there is any.
    """
    from pipeline.app.looking import open_reader  # noqa: PLC0415

    name = load_manifest(Choice(manifest=manifest), world)[0].name
    with ExitStack() as stack:
        rows = open_reader(output_of(manifest, output), world, stack).unknown(name)
    held = [asset for row in rows for asset in row.assets]
    for pattern in assets:
        if held and not any(_matches(asset, [pattern]) for asset in held):
            near = nearest(pattern, held)
            hint = f"did you mean '{near}'?" if near else f"see `pipeline status {manifest}`"
            raise UserError(f"{manifest}: '{pattern}' is no asset whose outcome is unknown ({hint})")
    return tuple(row for row in rows if not assets or any(_matches(asset, assets) for asset in row.assets))


def _matches(asset: AssetName, patterns: Sequence[str]) -> bool:
    return any(asset == pattern or fnmatchcase(asset, pattern) for pattern in patterns)


def settle_unknown(
    manifest: Path,
    output: Path | None,
    decisions: Sequence[tuple[AttemptRow, Decision]],
    world: World,
    *,
    wait: bool,
    recorder: Recorder,
) -> int:
    """Settles attempts by a person's word, under the run lock; gives how many. Blocks. Raises LedgerBusy."""
    name = load_manifest(Choice(manifest=manifest), world)[0].name
    places = Places(output=output_of(manifest, output))

    def settle(ledger: Ledger) -> int:
        receipts = Receipts(places.receipts)
        held = {row.attempt_id for row in ledger.unknown(name)}
        for row, decision in decisions:
            if row.attempt_id in held:
                said = Reconciled(attempt_id=row.attempt_id, word=decision, decided_at=world.clock.now())
                receipts.decide(said)
        return sum(ledger.reconcile([row.attempt_id], decision) for row, decision in decisions)

    writing = Writing(places=places, manifest=name, world=world, wait=wait, recorder=recorder, work=settle)
    return anyio.run(writing.do)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing(Generic[T]):
    """Work on the ledger under the run lock, and nothing else."""

    places: Places
    manifest: str
    world: World
    wait: bool
    recorder: Recorder
    work: Callable[[Ledger], T]

    async def do(self) -> T:
        """Takes the lock, opens the ledger, does the work. Raises LedgerBusy."""
        lock = await take_lock(self.places, self.manifest, self.world, wait=self.wait, recorder=self.recorder)
        with lock:
            return await in_thread(self._do)

    def _do(self) -> T:
        with open_for_writing(self.places, self.world) as ledger:
            return self.work(ledger)


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why one asset would be asked again, and what following that costs.

    differences: between the parts its picture was asked with and those it has now. own, behind: expected price in
    micro-USD of the asset itself and of what would follow it in its chain; None: no price is known.
    """

    asset: AssetName
    state: State
    why: str
    asks: bool
    differences: tuple[Difference, ...]
    own: MicroUsd
    behind: MicroUsd
    followers: int

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "asset": self.asset,
            "state": self.state.value,
            "why": self.why,
            "asks": self.asks,
            "differences": [{"part": found.part, "old": found.old, "new": found.new} for found in self.differences],
            "usd": {"own": to_usd(self.own), "behind": to_usd(self.behind)},
            "followers": self.followers,
        }


def why_of(choice: Choice, asset: str, world: World) -> Why:
    """Why an asset would be asked again. Blocks. Raises UserError for a name that the manifest does not have."""
    with ExitStack() as stack:
        desk = open_reading(choice, world, stack)
        chain = _chain(desk, asset, choice)
        step = next(step for step in chain if step.asset == asset)
        after = [other for other in chain if other.depth > step.depth]
        before = desk.previous([step.asset]).get(step.asset)
        found = differences(before, step.parts().as_json(), chained=step.depth > 0) if before and step.key else ()
        return Why(
            asset=step.asset,
            state=step.state,
            why=step.why,
            asks=step.asks,
            differences=found,
            own=_price(step),
            behind=MicroUsd(sum(_price(other) for other in after)),
            followers=sum(other.asks for other in after),
        )


def _price(step: Resolved) -> MicroUsd:
    return step.quote.expected if step.asks and step.quote else FREE


def _chain(desk: ReadingDesk, asset: str, choice: Choice) -> list[Resolved]:
    """The steps of the chain an asset belongs to. Raises UserError with the nearest names for a stranger."""
    chain: list[Resolved] = []
    for step in _steps(desk):
        if step.depth == 0:
            if any(other.asset == asset for other in chain):
                return chain
            chain = []
        chain.append(step)
    if any(other.asset == asset for other in chain):
        return chain
    raise _stranger(desk, asset, choice)


def _steps(desk: ReadingDesk) -> Iterator[Resolved]:
    return resolve(desk.plan.cells_in_order(), desk.ledger.slots, space_of=desk.space_of, previous=desk.previous)


def _stranger(desk: ReadingDesk, asset: str, choice: Choice) -> UserError:
    import difflib  # noqa: PLC0415 -- only for a mistake

    close = difflib.get_close_matches(asset, list(names_of(desk.plan)), n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"see `pipeline plan {choice.manifest} --all`"
    return UserError(f"{choice.manifest}: no asset '{asset}' ({hint})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blessed:
    """An asset whose present picture was kept for its changed key, or why not."""

    asset: AssetName
    note: str = ""


def bless_assets(
    choice: Choice, assets: Sequence[str], world: World, *, wait: bool, recorder: Recorder
) -> tuple[Blessed, ...]:
    """Keeps the present pictures of assets for their changed keys, parents before children. Blocks.

    Raises UserError for unknown names (then none is blessed), LedgerBusy.
    """
    manifest, _ = load_manifest(choice, world)
    places = Places(output=output_of(choice.manifest, choice.output))
    with ExitStack() as stack:
        depths = {step.asset: step.depth for step in _named(open_reading(choice, world, stack), assets, choice)}

    def bless(ledger: Ledger) -> tuple[Blessed, ...]:
        done: dict[AssetName, Blessed] = {}
        # A child's key is known only when its parent's picture is: each depth is looked at anew.
        for depth in sorted(set(depths.values())):
            level = [asset for asset in depths if depths[asset] == depth]
            with ExitStack() as stack:
                desk = open_reading(choice, world, stack)
                done.update(
                    (step.asset, _bless(desk, ledger, step, world.clock.now())) for step in _named(desk, level, choice)
                )
        return tuple(done[asset] for asset in depths)

    writing = Writing(places=places, manifest=manifest.name, world=world, wait=wait, recorder=recorder, work=bless)
    return anyio.run(writing.do)


def _named(desk: ReadingDesk, assets: Sequence[str], choice: Choice) -> list[Resolved]:
    """The steps of these names, in the order of the names. Raises UserError for one that the manifest does not have."""
    wanted = frozenset(assets)
    found = {step.asset: step for step in _steps(desk) if step.asset in wanted}
    for asset in assets:
        if asset not in found:
            raise _stranger(desk, asset, choice)
    return [found[AssetName(asset)] for asset in dict.fromkeys(assets)]


def _bless(desk: ReadingDesk, ledger: Ledger, step: Resolved, at: datetime) -> Blessed:
    space = desk.space_of(step.recipe.provider)
    row = ledger.asset(desk.manifest.name, step.asset, space)
    if row is None or row.key is None or row.image is None:
        return Blessed(asset=step.asset, note="it has no picture yet")
    if step.key is None or not step.final:
        return Blessed(asset=step.asset, note="its parent's picture is not settled: bless or run the parent first")
    if step.state is State.DONE:
        return Blessed(asset=step.asset, note="nothing changed: its picture is the right one already")
    blessing = Blessing(
        manifest=desk.manifest.name,
        asset=step.asset,
        space=space,
        old_key=row.key,
        new_key=step.key,
        parts=step.parts(),
    )
    Receipts(desk.places.receipts).decide(_noted(blessing, at))
    ledger.bless(blessing)
    return Blessed(asset=step.asset)


def _noted(blessing: Blessing, at: datetime) -> BlessedNote:
    return BlessedNote(
        manifest=blessing.manifest,
        space=blessing.space,
        asset=blessing.asset,
        old_key=blessing.old_key,
        new_key=blessing.new_key,
        parts=blessing.parts,
        decided_at=at,
    )
