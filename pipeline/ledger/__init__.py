"""The SQLite record of every run, attempt, image and cost.

    with RunLock.take(folder, Holder(...)):                                # lock.py
        ledger = open_ledger(folder, write=True, host=..., boot_id=..., now=clock.now)
        for intent in ledger.recover(): ...                                # settle, mark_unsent or mark_unknown
        ledger.begin_run(run_id, manifest="shots")
        committer = Committer(ledger)                                      # committer.py: group commits, async
        await committer.do(lambda book: book.open_attempt(intent))         # durable before the request leaves
        await committer.do(lambda book: book.settle(settlement))
        ledger.record_assets(rows); ledger.end_run(run_id, exit=0); ledger.close()

*folder* is the output folder's ``.pipeline``. `Ledger` (ledger.py) has runs, attempts, slots, assets and money;
``ledger.memory`` feeds, endpoints, learned limits and inputs (memory.py); ``ledger.pictures`` what verify and gc ask
(pictures.py); ``ledger.placements`` files of ours in the output tree (placements.py).
"""
