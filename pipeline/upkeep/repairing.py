"""Mends what can be mended from free sources; what is lost for good is put back to be asked for. Deletes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.errors import PipelineError
from pipeline.inspect import BrokenPicture
from pipeline.store import Receipt, Receipts, Tree, has_stamp, unstamped
from pipeline.upkeep.fault import Fault, Kind
from pipeline.upkeep.verifying import Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What was done about a fault; done is False where nothing could be."""

    fault: Fault
    text: str
    done: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairer:
    """Repairs under the run lock. quarantine: where damaged files are put aside."""

    verifier: Verifier
    output: Path
    quarantine: Path
    receipts: Receipts
    tree: Tree

    def repair(self) -> Iterator[Mended]:
        """Verifies and mends, one fault after another. Blocks."""
        copies = {placement.path: placement.digest for placement in self.verifier.ledger.placements.under("")}
        for fault in list(self.verifier.faults()):
            match fault.kind:
                case Kind.DAMAGED | Kind.MISSING:
                    yield self._image(fault, copies)
                case Kind.ORPHAN:
                    yield self._orphan(fault)
                case Kind.UNREAD:
                    yield self._receipt(fault)
                case Kind.UNPLACED:
                    yield self._place(fault)
                case _:
                    yield Mended(fault=fault, text=fault.text, done=False)

    def _image(self, fault: Fault, copies: dict[str, Digest]) -> Mended:
        """From a whole copy in the output tree; else the asset is asked for again by the next run."""
        assert fault.digest is not None
        source = self._whole_copy(fault.digest, copies)
        self._put_aside(fault)
        if source is not None:
            self.verifier.store.put(source)
            return Mended(fault=fault, text=f"{fault.digest[:12]}…: put back from the output tree")
        lost = self.verifier.ledger.pictures.lose(fault.digest)
        names = ", ".join(f"{asset} of {manifest}" for manifest, asset in lost) or "no asset"
        return Mended(fault=fault, text=f"{fault.digest[:12]}…: lost; asked again by the next run: {names}")

    def _whole_copy(self, digest: Digest, copies: dict[str, Digest]) -> bytes | None:
        for path, placed in copies.items():
            if placed != digest:
                continue
            try:
                data = unstamped((self.output / path).read_bytes())
            except OSError:
                continue
            if digest_of(data) == digest:
                return data
        return None

    def _put_aside(self, fault: Fault) -> None:
        path = Path(fault.path)
        if path.exists():
            self.quarantine.mkdir(parents=True, exist_ok=True)
            path.replace(self.quarantine / f"damaged-{path.name}")

    def _orphan(self, fault: Fault) -> Mended:
        """An image whose receipt is there is read in with it; another one is only made known."""
        assert fault.digest is not None
        for receipt in self.receipts.walk():
            if isinstance(receipt, Receipt) and any(k.image.digest == fault.digest for k in receipt.settlement.kept):
                self.verifier.ledger.replay(receipt.intent, receipt.settlement)
                return Mended(fault=fault, text=f"{fault.digest[:12]}…: adopted with its receipt")
        try:
            image = self.verifier.store.verify(fault.digest)
        except (PipelineError, BrokenPicture) as error:
            return Mended(fault=fault, text=f"{fault.digest[:12]}…: cannot be adopted: {error}", done=False)
        self.verifier.ledger.pictures.adopt([image])
        return Mended(fault=fault, text=f"{fault.digest[:12]}…: adopted; no receipt says what it was asked for")

    def _receipt(self, fault: Fault) -> Mended:
        for receipt in self.receipts.walk():
            if isinstance(receipt, Receipt) and str(receipt.path) == fault.path:
                self.verifier.ledger.replay(receipt.intent, receipt.settlement)
                return Mended(fault=fault, text=f"{fault.path}: read into the ledger")
        return Mended(fault=fault, text=fault.text, done=False)

    def _place(self, fault: Fault) -> Mended:
        ledger = self.verifier.ledger
        placement = ledger.placements.at([fault.path])[fault.path]
        image = ledger.pictures.find(placement.digest)
        if image is None:
            # Its picture was lost a moment ago; the next run asks for it and places the new one.
            ledger.placements.drop([fault.path])
            return Mended(fault=fault, text=f"{fault.path}: its picture is lost, so there is no copy to put back")
        stem = fault.path.rpartition(".")[0]
        known = ledger.placements.at(self.tree.candidates(stem)).values()
        try:
            placed = self.tree.place(
                image,
                stem,
                space=placement.space,
                asset=placement.asset,
                known=known,
                xmp=has_stamp(placement, image),
            )
        except PipelineError as error:
            return Mended(fault=fault, text=str(error), done=False)
        ledger.placements.record([placed.placement])
        return Mended(fault=fault, text=f"{placed.path}: put back from the store")
