"""The store proves itself: receipts and images are the truth, the ledger an index."""
