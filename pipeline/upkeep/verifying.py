"""Compares files, ledger, receipts and output tree, re-hashing every image. Reads only."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.domain.digest import Digest
from pipeline.domain.image import Image
from pipeline.ledger import Ledger
from pipeline.store import BrokenReceipt, DamagedImage, FileStore, Receipts, Spool, Tree
from pipeline.upkeep.fault import Fault, Kind

OURS = ("index.html", "index.json", "contact-sheet.png", "thumbs/")
"""Files under a manifest's folder that the sheet writes."""

SIDECAR = ".json"
"""What the name of a picture's sidecar ends in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """What there is to compare. manifests: names of all manifests of the ledger."""

    ledger: Ledger
    store: FileStore
    receipts: Receipts
    spool: Spool
    tree: Tree

    def faults(self) -> Iterator[Fault]:
        """Everything that is not as it should be. Blocks: reads every image once."""
        yield from self._images()
        yield from self._strangers()
        yield from self._receipts()
        yield from self._placements()
        yield from self._spool()

    def _images(self) -> Iterator[Fault]:
        for image in self.ledger.pictures.every():
            fault = self.fault_of(image)
            if fault is not None:
                yield fault

    def fault_of(self, image: Image) -> Fault | None:
        """What is wrong with a kept image: None when its bytes are whole."""
        path = self.store.path(image)
        try:
            self.store.read(image)
        except DamagedImage as error:
            kind = Kind.DAMAGED if path.exists() else Kind.MISSING
            return Fault(kind=kind, text=str(error), digest=image.digest, path=str(path))
        return None

    def _strangers(self) -> Iterator[Fault]:
        for file in self.store.walk():
            if file.digest is None:
                yield Fault(kind=Kind.STRAY, text=f"{file.path}: no image of ours", path=str(file.path))
            elif self.ledger.pictures.find(file.digest) is None:
                text = f"{file.path}: an image the ledger does not know"
                yield Fault(kind=Kind.ORPHAN, text=text, digest=file.digest, path=str(file.path))

    def _receipts(self) -> Iterator[Fault]:
        seen = set()
        for receipt in self.receipts.walk():
            if isinstance(receipt, BrokenReceipt):
                yield Fault(kind=Kind.ILLEGIBLE, text=receipt.what, path=str(receipt.path))
                continue
            attempt_id = receipt.intent.attempt_id
            seen.add(attempt_id)
            rows = self.ledger.attempts(attempt_id=attempt_id, limit=1)
            if not rows or rows[0].outcome == "sent":
                text = f"{receipt.path}: a purchase the ledger does not have"
                yield Fault(kind=Kind.UNREAD, text=text, path=str(receipt.path))
        for row in (*self.ledger.attempts(outcome="done"), *self.ledger.attempts(outcome="unknown")):
            if row.attempt_id not in seen:
                what = f"attempt {row.attempt_id} ({', '.join(row.assets)}): its receipt is gone"
                yield Fault(kind=Kind.UNRECEIPTED, text=what)

    def _placements(self) -> Iterator[Fault]:
        known: set[str] = set()
        folders: set[str] = set()
        for placement in self.ledger.placements.under(""):
            known.add(placement.path)
            folders.add(placement.path.partition("/")[0])
            match self.tree.standing(placement):
                case "missing":
                    text = f"{placement.path}: gone from the output tree (the image is in the store)"
                    yield Fault(kind=Kind.UNPLACED, text=text, digest=placement.digest, path=placement.path)
                case "edited" | "link":
                    text = f"{placement.path}: edited by a person; it is left as it is"
                    yield Fault(kind=Kind.EDITED, text=text, digest=placement.digest, path=placement.path)
                case _:
                    pass
        for folder in sorted(folders):
            for path in self.tree.walk(folder):
                inside = path.partition("/")[2]
                if path not in known and path.removesuffix(SIDECAR) not in known and not inside.startswith(OURS):
                    yield Fault(kind=Kind.UNKNOWN_FILE, text=f"{path}: not put there by us", path=path)

    def _spool(self) -> Iterator[Fault]:
        for evidence in self.spool.scan():
            text = f"attempt {evidence.attempt_id}: left in the spool by a process that died (the next run settles it)"
            yield Fault(kind=Kind.LEFT, text=text)

    def copies_of(self, digest: Digest) -> Iterator[str]:
        """Paths in the output tree where this image was placed."""
        for placement in self.ledger.placements.under(""):
            if placement.digest == digest:
                yield placement.path
