"""A lost ledger made anew from receipts, decisions, the spool and images, with nothing bought again."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.errors import PipelineError
from pipeline.domain.image import Format, Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import SKETCH, AssetRow, Intent, Kept, Outcome, Placement, Settlement, State
from pipeline.ledger import Blessing, Decision, Ledger
from pipeline.store import (
    Blessed,
    BrokenReceipt,
    Decided,
    FileStore,
    Receipt,
    Receipts,
    Reconciled,
    Spool,
    Tree,
    unstamped,
)

CUT = "the process ended while the answer was on its way, and the ledger was lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild read. unknown: attempts that were on their way when the ledger was lost, held from now on.

    broken: receipts, decisions and notes of such attempts that could not be read; lost: pictures whose bytes are gone.
    """

    attempts: int = 0
    images: int = 0
    orphans: int = 0
    placements: int = 0
    decisions: int = 0
    unknown: int = 0
    broken: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilder:
    """Everything a ledger can be made from, and the empty one to fill. boot_id: of this boot; now: the present."""

    ledger: Ledger
    store: FileStore
    receipts: Receipts
    spool: Spool
    tree: Tree
    output: Path
    boot_id: str
    now: datetime

    def rebuild(self) -> Rebuilt:
        """Receipts and decisions in the order of their times, the spool, images no receipt names, the output tree.

        Idempotent: what the ledger has already is left alone. Blocks.
        """
        found = list(self.receipts.walk())
        said = list(self.receipts.decided())
        good = [each for each in found if isinstance(each, Receipt)]
        decided = last_words([each for each in said if not isinstance(each, BrokenReceipt)])
        self._replay(good, decided)
        unknown, torn = self._reopen()
        known = {kept.image.digest for receipt in good for kept in receipt.settlement.kept}
        lost = _lose_missing(self.ledger, self.store)
        orphans = _adopt(self.ledger, self.store, known)
        placed = _placements(self.ledger, self.tree, self.output)
        self.ledger.mark_read()
        return Rebuilt(
            attempts=len(good),
            images=len(known) - lost,
            orphans=orphans,
            placements=placed,
            decisions=len(decided),
            unknown=unknown,
            broken=len(found) - len(good) + sum(isinstance(each, BrokenReceipt) for each in said) + torn,
            lost=lost,
        )

    def _replay(self, receipts: list[Receipt], decided: list[Decided]) -> None:
        """Everything in the order in which it happened, since a decision is about what was known then."""
        events: list[tuple[datetime, Receipt | Decided]] = [(each.intent.opened_at, each) for each in receipts]
        events += [(each.decided_at, each) for each in decided]
        for _, event in sorted(events, key=lambda pair: pair[0]):
            match event:
                case Receipt():
                    self._purchase(event.intent, event.settlement)
                case Reconciled() | Blessed():
                    self._decide(event)

    def _purchase(self, intent: Intent, settlement: Settlement) -> None:
        if settlement.space == SKETCH != intent.space:
            self.ledger.learn_sketch(intent.endpoint)
        self.ledger.replay(intent, settlement)
        self.ledger.record_assets(_assets(intent, settlement))

    def _decide(self, decided: Decided) -> None:
        """What is about a purchase whose receipt is gone is left out: there is nothing to decide any more."""
        with suppress(PipelineError):
            match decided:
                case Reconciled():
                    self.ledger.reconcile([decided.attempt_id], cast("Decision", decided.word))
                case Blessed():
                    self.ledger.bless(
                        Blessing(
                            manifest=decided.manifest,
                            space=decided.space,
                            asset=decided.asset,
                            old_key=decided.old_key,
                            new_key=decided.new_key,
                            parts=decided.parts,
                        )
                    )

    def _reopen(self) -> tuple[int, int]:
        """Attempts that were on their way, by the notes in the spool; how many are held, and how many have no note that
        can be read, with the files that this version cannot read.

        Where nothing came, the attempt is unknown at once; where something did, it stands as `sent`, and the next run
        settles it from the spool as after any kill. Within one boot a missing marker proves that nothing left.
        """
        held = torn = 0
        for found in self.spool.scan():
            if self.ledger.knows_attempt(found.attempt_id):
                continue
            intent = self.spool.intent(found.attempt_id)
            if intent is None:
                torn += found.sent or not found.is_empty
            elif found.sent or intent.boot_id != self.boot_id:
                held += 1
                self._hold(intent, nothing_came=found.is_empty)
        return held, torn + self.spool.unread()

    def _hold(self, intent: Intent, *, nothing_came: bool) -> None:
        if nothing_came:
            settlement = _unknown(intent, self.now)
            self.receipts.write(intent, settlement)
            self._purchase(intent, settlement)
            self.spool.reopen(intent.attempt_id).discard()
            return
        if self.ledger.run(intent.run_id) is None:
            self.ledger.begin_run(intent.run_id, manifest=intent.manifest, space=intent.space)
        self.ledger.open_attempt(intent, again=True)


def last_words(decided: list[Decided]) -> list[Decided]:
    """Without decisions about an attempt that were followed by another one: their commands died on their way."""
    last = {each.attempt_id: each for each in decided if isinstance(each, Reconciled)}
    return [each for each in decided if not isinstance(each, Reconciled) or last[each.attempt_id] is each]


def _unknown(intent: Intent, now: datetime) -> Settlement:
    return Settlement(
        attempt_id=intent.attempt_id,
        outcome=Outcome.UNKNOWN,
        ended_at=now,
        space=intent.space,
        message=CUT,
        cost=intent.cost_high,
        cost_high=intent.cost_high,
        recovered=True,
    )


def _assets(intent: Intent, settlement: Settlement) -> Iterator[AssetRow]:
    """The assets an attempt was for, as far as a receipt tells; the next run writes the rest."""
    filled: dict[int, Kept] = {kept.slot: kept for kept in settlement.kept if kept.slot is not None}
    for position, slot in enumerate(intent.slots):
        kept = filled.get(position)
        if kept is None and settlement.outcome is not Outcome.UNKNOWN:
            continue
        yield AssetRow(
            manifest=intent.manifest,
            space=settlement.space,
            asset=slot.asset,
            shot=slot.asset.partition("/")[0],
            axes=(),
            step_id="",
            depth=0,
            candidate=slot.parts.candidate,
            parent=None,
            model_alias="",
            key=slot.key,
            state=kept.state if kept else State.UNKNOWN,
            reason=kept.reason if kept else settlement.reason,
            image=kept.image if kept else None,
            path="",
            usd=MicroUsd(settlement.cost // len(filled)) if kept else MicroUsd(0),
            warnings=kept.warnings if kept else (),
            run_id=intent.run_id,
            updated_at=settlement.ended_at,
        )


def _lose_missing(ledger: Ledger, store: FileStore) -> int:
    missing = [image for image in ledger.pictures.every() if not store.has(image)]
    for image in missing:
        ledger.pictures.lose(image.digest)
    return len(missing)


def _adopt(ledger: Ledger, store: FileStore, known: set[Digest]) -> int:
    adopted: list[Image] = []
    for file in store.walk():
        if file.digest is None or file.digest in known:
            continue
        try:
            adopted.append(store.verify(file.digest))
        except PipelineError:
            continue  # `verify` names it
    ledger.pictures.adopt(adopted)
    return len(adopted)


def _placements(ledger: Ledger, tree: Tree, output: Path) -> int:
    """Copies in the output tree whose bytes are an image of ours are ours again, so that they may be replaced."""
    placed: list[Placement] = []
    extensions = {f".{kind.extension}" for kind in Format}
    folders = [folder.name for folder in output.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    for folder in folders:
        for path in tree.walk(folder):
            file = output / path
            if file.suffix not in extensions or file.is_symlink():
                continue
            digest = digest_of(unstamped(file.read_bytes()))
            rows = ledger.assets_with(digest)
            if not rows:
                continue
            status = file.stat()
            row = next((row for row in rows if row.manifest == folder), rows[0])
            placed.append(
                Placement(
                    path=path,
                    digest=digest,
                    size=status.st_size,
                    mtime_ns=status.st_mtime_ns,
                    space=row.space,
                    asset=row.asset,
                )
            )
    ledger.placements.record(placed)
    return len(placed)
