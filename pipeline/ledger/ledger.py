"""The ledger as its users see it: one object, every noun's operations, one transaction each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pipeline.domain.digest import Digest, Json
from pipeline.domain.record import (
    PAID,
    AssetRow,
    AttemptId,
    AttemptRow,
    Intent,
    Listed,
    Money,
    RunId,
    RunRow,
    Settlement,
    Slot,
    Space,
)
from pipeline.domain.step import AssetName, KeyParts, StepKey
from pipeline.ledger import assets, attempts, endpoints, money, opening, runs, settling, slots
from pipeline.ledger.assets import Tally
from pipeline.ledger.book import Book
from pipeline.ledger.history import History
from pipeline.ledger.known import KnownKeys
from pipeline.ledger.memory import Memory
from pipeline.ledger.pictures import Pictures
from pipeline.ledger.placements import Placements
from pipeline.ledger.settling import Decision
from pipeline.ledger.slots import Blessing


def open_ledger(folder: Path, *, write: bool, host: str, boot_id: str, now: Callable[[], datetime]) -> "Ledger":
    """Opens ``ledger.db`` in *folder* (the output folder's ``.pipeline``); blocks.

    write: makes the file when there is none, migrates it after a backup, and takes the next epoch, which fences
    off whoever wrote before; the run lock (`RunLock`) is to be held. Otherwise opened so that it cannot write;
    where there is no ledger yet, an empty one is read.

    Raises LedgerFault with the way out for a file that is damaged, cut, foreign or newer; it is never overwritten.
    """
    if write:
        book, is_new = opening.open_writer(folder, host=host, boot_id=boot_id, now=now)
    else:
        book, is_new = opening.open_reader(folder, now=now)
    unread = opening.is_unread(book) or (is_new and opening.has_evidence(folder))
    return Ledger(book, is_new=is_new, is_unread=unread)


class Ledger:
    """Every run, attempt, picture and cost. All calls block; from a loop, write through `Committer`.

    is_new: there was no file. is_unread: receipts or images lie beside it that it does not know, so buying now
    may buy again what is there (`pipeline verify --rebuild` first).
    Every writing method is one transaction, raises Fenced once somebody else has opened the ledger for writing,
    DiskFull when there is no room, LedgerFault otherwise; nothing is half written.
    """

    def __init__(self, book: Book, *, is_new: bool, is_unread: bool) -> None:
        self._book = book
        self.is_new = is_new
        self.is_unread = is_unread
        self.memory = Memory(book)
        self.pictures = Pictures(book)
        self.placements = Placements(book)
        self.history = History(book)

    @property
    def epoch(self) -> int | None:
        """The number of this opening for writing; None for readers."""
        return self._book.epoch

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. Safe to repeat."""
        self._book.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Makes all calls in its block one transaction; a call that fails inside undoes itself alone."""
        with self._book.writing():
            yield

    def mark_read(self) -> None:
        """The evidence beside the ledger is in it now (after a rebuild)."""
        opening.mark_unread(self._book, False)
        self.is_unread = False

    # runs and attempts

    def begin_run(self, run_id: RunId, *, manifest: str, space: Space = PAID) -> None:
        """Writes a run's start. Raises LedgerFault when the id is taken."""
        runs.begin_run(self._book, run_id, manifest, space)

    def end_run(self, run_id: RunId, *, exit: int) -> None:  # noqa: A002 - the contract's word (v_runs.exit)
        """Writes a run's end and exit status."""
        runs.end_run(self._book, run_id, exit)

    def run(self, run_id: RunId) -> RunRow | None:
        """One run with its sums."""
        return runs.run(self._book, run_id)

    def runs(self, manifest: str | None = None, limit: int | None = 10) -> tuple[RunRow, ...]:
        """Runs (of one manifest), the latest first."""
        return runs.runs(self._book, manifest, limit)

    def open_attempt(self, intent: Intent, *, max_buys: int = 1, again: bool = False) -> None:
        """Makes the `sent` row and its claims durable; only after this may the request leave.

        max_buys: how often a slot may be paid for (or perhaps paid for) without a person's word.
        again: a person asked for it anew, whatever the ledger has.
        Raises SlotTaken when a slot is claimed by an open attempt, done, or was bought often enough.
        """
        attempts.open_attempt(self._book, intent, max_buys=max_buys, again=again)

    def settle(self, settlement: Settlement) -> None:
        """Ends an attempt: outcome, pictures, slots, claims and sums in one commit; repeating it changes nothing.

        Raises NoSuchAttempt, SettledOtherwise.
        """
        settling.settle(self._book, settlement)

    def replay(self, intent: Intent, settlement: Settlement) -> bool:
        """Takes in a receipt: the attempt with its end, unless the ledger has both. Whether it was new."""
        with self._book.writing():
            known = attempts.is_known(self._book, intent.attempt_id)
            if not known:
                attempts.insert_attempt(self._book, intent)
            settling.settle(self._book, settlement)
        return not known

    def recover(self) -> tuple[Intent, ...]:
        """What dead runs left `sent`, oldest first; each is to be settled, by its spool or as unsent or unknown."""
        return attempts.recover(self._book)

    def intent(self, attempt_id: AttemptId) -> Intent:
        """What an attempt was to buy. Raises NoSuchAttempt."""
        return attempts.intent_of(self._book, attempt_id)

    def mark_unknown(self, attempt_id: AttemptId, *, culprit: str = "", message: str = "", seconds: float = 0) -> None:
        """Ends an open attempt as perhaps billed, at its worst price. Raises NoSuchAttempt, SettledOtherwise."""
        settling.mark_unknown(self._book, self.intent(attempt_id), culprit=culprit, message=message, seconds=seconds)

    def mark_unsent(self, attempt_id: AttemptId, *, message: str = "") -> None:
        """Ends an open attempt as surely never sent: it cost nothing. Raises NoSuchAttempt, SettledOtherwise."""
        settling.mark_unsent(self._book, self.intent(attempt_id), message=message)

    def reconcile(self, attempt_ids: Sequence[AttemptId], decision: Decision, note: str = "") -> int:
        """Settles unknown attempts by a person's word; how many were not settled before. Sends nothing.

        ``billed``: the money is spent, the assets failed (`lost`). ``not_billed``: the money is not spent, the assets
        `planned`. ``rebuy``: the money is spent, the assets `planned`. Raises NoSuchAttempt; then none is settled.
        """
        return settling.reconcile(self._book, attempt_ids, decision, note)

    def unknown(self, manifest: str | None = None, assets: Sequence[AssetName] = ()) -> tuple[AttemptRow, ...]:
        """Unknown attempts nobody has settled, the oldest first."""
        return attempts.list_unsettled(self._book, manifest, assets)

    def attempts(
        self,
        *,
        attempt_id: AttemptId | None = None,
        run: RunId | None = None,
        manifest: str | None = None,
        asset: AssetName | None = None,
        outcome: Literal["sent", "done", "refused", "failed", "unknown"] | None = None,
        limit: int | None = None,
    ) -> tuple[AttemptRow, ...]:
        """Attempts that meet every condition given, the latest first."""
        return attempts.list_attempts(
            self._book,
            attempts.conditions(attempt_id=attempt_id, run=run, manifest=manifest, asset=asset, outcome=outcome),
            limit=limit,
        )

    def knows_attempt(self, attempt_id: AttemptId) -> bool:
        """Whether there is an attempt of that id, open or settled."""
        return attempts.is_known(self._book, attempt_id)

    def latencies(self, provider: str, model: str, *, limit: int = 200) -> tuple[float, ...]:
        """Seconds of the latest `done` answers of one model at one provider, the newest first."""
        return attempts.latencies(self._book, provider, model, limit=limit)

    def images_since(self, endpoint: str, since: datetime, key_fingerprint: str | None = None) -> int:
        """Pictures that a host made, or perhaps made, since a moment; of one key (its fingerprint), else of all."""
        return attempts.images_since(self._book, endpoint, since, key_fingerprint)

    # spaces

    def space_of(self, endpoint: str) -> Space | None:
        """The space an endpoint was found to belong to; None while nothing was learned."""
        return endpoints.space_of(self._book, endpoint)

    def learn_sketch(self, endpoint: str) -> None:
        """The endpoint is our own gateway: what it ever brought moves to the sketch space, all at once."""
        endpoints.learn_sketch(self._book, endpoint)

    def unlearn(self, endpoint: str) -> None:
        """Another host answers there now: nothing is known of the endpoint's space; what it brought stays."""
        endpoints.unlearn(self._book, endpoint)

    # keys

    def slots(self, space: Space, keys: Iterable[StepKey]) -> dict[StepKey, Slot]:
        """What the ledger knows of these keys in one space; keys it has never heard of are left out.

        Made for thousands at a time: one statement for each 10,000.
        """
        return slots.slots(self._book, space, keys)

    def known_keys(self, space: Space) -> KnownKeys:
        """Which keys it has in one space, read at one stroke: for plans of very many. Reads the whole table."""
        return KnownKeys(self._book, space)

    def parts(self, key: StepKey) -> KeyParts | None:
        """The parts a key was made of; None when the ledger has never heard of it."""
        return slots.parts(self._book, key)

    def previous_parts(
        self, manifest: str, names: Sequence[AssetName], space: Space = PAID
    ) -> dict[AssetName, dict[str, Json]]:
        """The canonical parts (`KeyParts.as_json`) each asset's last picture was asked with, for `why`.

        Where an asset never had a picture: those it was last planned or asked with. Strangers are left out.
        """
        return slots.previous_parts(self._book, manifest, space, names)

    def bless(self, blessing: Blessing) -> None:
        """Keeps the old key's picture for the new key (the same key twice: keeps a flawed picture as it is).

        Raises UserError when the old key has no picture.
        """
        slots.bless(self._book, blessing)

    # assets

    def record_assets(self, rows: Iterable[AssetRow]) -> None:
        """Writes how assets stand, any number at once; rows that say nothing new are not written."""
        assets.record_assets(self._book, rows)

    def assets(self, manifest: str, space: Space | None = None) -> Iterator[AssetRow]:
        """The assets of a manifest in the order of their names; memory for one page.

        space None: each asset as it was left last, in whatever space (what ``v_assets`` shows).
        """
        return assets.assets(self._book, manifest, space)

    def listed(self, manifest: str, space: Space) -> Iterator[Listed]:
        """The same in one space, as short as programs are told: half the time where there are very many."""
        return assets.listed(self._book, manifest, space)

    def asset_keys(self, manifest: str, space: Space) -> dict[AssetName, StepKey | None]:
        """The name and present key of every asset of a manifest, all in memory; None for one that never had a key."""
        return assets.asset_keys(self._book, manifest, space)

    def asset(self, manifest: str, name: AssetName, space: Space | None = None) -> AssetRow | None:
        """One asset; None when no run has seen it. space as in `assets`."""
        return assets.asset(self._book, manifest, space, name)

    def assets_with(self, digest: Digest) -> tuple[AssetRow, ...]:
        """Every asset, of all manifests, whose present picture has these bytes."""
        return assets.assets_with(self._book, digest)

    def assets_from(self, digest: Digest) -> tuple[AssetRow, ...]:
        """Every asset, of all manifests, made directly from these bytes: a photo, a mask, a parent's picture."""
        return assets.assets_from(self._book, digest)

    def drop_assets(self, manifest: str, space: Space, names: Iterable[AssetName]) -> None:
        """Forgets assets that the manifest does not name any more; pictures and slots stay."""
        assets.drop_assets(self._book, manifest, space, names)

    def tallies(self, manifest: str | None = None) -> tuple[Tally, ...]:
        """Assets counted by manifest, space, state and reason; at once, however many they are."""
        return assets.tallies(self._book, manifest)

    # money, in micro-USD; `sent` attempts count as unknown, at their worst

    def money_of_run(self, run_id: RunId) -> Money:
        """What one run counts."""
        return money.money_of_run(self._book, run_id)

    def money_since(self, since: datetime | None = None, manifest: str | None = None) -> Money:
        """What the attempts started in *since*'s calendar month (UTC) or later count; None: all there ever were."""
        return money.money_since(self._book, since, manifest)

    def money_of_assets(self, manifest: str, names: Sequence[AssetName]) -> dict[AssetName, Money]:
        """What each asset has counted over all runs; assets that were never asked for are left out."""
        return money.money_of_assets(self._book, manifest, names)
