"""The SQLite record of every run, attempt, image and cost.

    with RunLock.take(folder, Holder(...)):                                # lock.py
        ledger = open_ledger(folder, write=True, host=..., boot_id=..., now=clock.now)
        for intent in ledger.recover(): ...                                # settle, mark_unsent or mark_unknown
        ledger.begin_run(run_id, manifest="shots")
        committer = Committer(ledger)                                      # committer.py: group commits, async
        await committer.do(lambda book: book.open_attempt(intent))         # durable before the request leaves
        await committer.do(lambda book: book.settle(settlement))
        ledger.record_assets(rows); ledger.end_run(run_id, exit=0); ledger.close()

*folder* is the output folder's ``.pipeline``. `Ledger` (ledger.py) has runs, attempts, spaces, slots, assets and money;
``ledger.memory`` feeds, learned limits and inputs (memory.py); ``ledger.pictures`` what verify and gc ask
(pictures.py); ``ledger.placements`` files of ours in the output tree (placements.py); ``ledger.history`` how assets
came to be, for the contact sheet (history.py).
"""

from pipeline.ledger.assets import Tally
from pipeline.ledger.committer import Committer, in_thread, inline
from pipeline.ledger.errors import Fenced, NoSuchAttempt, SettledOtherwise, SlotTaken
from pipeline.ledger.history import History, Standing
from pipeline.ledger.known import KnownKeys
from pipeline.ledger.ledger import Ledger, open_ledger
from pipeline.ledger.lock import Holder, RunLock, network_file_system, require_local
from pipeline.ledger.memory import Learned, Memory
from pipeline.ledger.pictures import Pictures, Stray
from pipeline.ledger.placements import Placements
from pipeline.ledger.settling import Decision
from pipeline.ledger.slots import Blessing

__all__ = [
    "Blessing",
    "Committer",
    "Decision",
    "Fenced",
    "History",
    "Holder",
    "KnownKeys",
    "Learned",
    "Ledger",
    "Memory",
    "NoSuchAttempt",
    "Pictures",
    "Placements",
    "RunLock",
    "SettledOtherwise",
    "SlotTaken",
    "Standing",
    "Stray",
    "Tally",
    "in_thread",
    "inline",
    "network_file_system",
    "open_ledger",
    "require_local",
]
