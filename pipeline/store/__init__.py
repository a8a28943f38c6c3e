"""Where bytes are kept: images by digest, the flight recorder, receipts, and the copies people use.

``Places(output)`` names every folder under ``output/.pipeline`` and makes them. Then::

    store = FileStore(places.images)            # ports.ImageStore; MemoryStore for tests
    spool = Spool(places.spool, places.quarantine)
    receipts = Receipts(places.receipts)
    tree = Tree(places.output, store)

    with spool.open(attempt_id, reserve=bytes_expected, intent=intent) as flight:  # DiskFull: send nothing
        head = await endpoint.post(request, flight)
        body = flight.fragment()                                     # a kill loses nothing of it
        # flight.finish(): nor does a power cut; where something must be awaited before its pictures are kept
    image = store.put(picture)                                       # durable, named by its hash
    receipts.write(intent, settlement)                               # durable, then the ledger commits
    flight.discard()                                                 # only after that commit
    placed = tree.place(image, "hero/SKU-1", space=space, asset=asset, known=placements)

Everything here blocks and belongs in a worker thread, but what only hands bytes to the kernel: `Spool.open` when it
`is_ready`, `SpoolFlight.sent`, ``head`` and ``write``, and ``discard`` when it `is_light`. Nothing here is told the
time, an API key or what a picture costs.
"""

from pipeline.store.decisions import Blessed, Decided, Reconciled
from pipeline.store.durable import Unsynced
from pipeline.store.flight import SpoolFlight
from pipeline.store.images import DamagedImage, FileStore, MemoryStore, StoredFile
from pipeline.store.places import Places
from pipeline.store.receipts import BrokenReceipt, Receipt, Receipts
from pipeline.store.spool import Evidence, Spool
from pipeline.store.stamp import unstamped
from pipeline.store.tree import Placed, Tree, Unplaceable, has_stamp

__all__ = [
    "Blessed",
    "BrokenReceipt",
    "DamagedImage",
    "Decided",
    "Evidence",
    "FileStore",
    "MemoryStore",
    "Placed",
    "Places",
    "Receipt",
    "Receipts",
    "Reconciled",
    "Spool",
    "SpoolFlight",
    "StoredFile",
    "Tree",
    "Unplaceable",
    "Unsynced",
    "has_stamp",
    "unstamped",
]
