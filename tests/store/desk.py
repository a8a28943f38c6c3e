"""A store and a tree with what a ledger would remember."""

from pathlib import Path

from pipeline.domain.image import Image
from pipeline.domain.record import PAID, Placement
from pipeline.domain.step import AssetName
from pipeline.store import FileStore, Placed, Places, Tree
from tests.store import pictures

ASSET = AssetName("hero/SKU-1")
PATH = "job/hero/SKU-1"
ONE, TWO = pictures.png(10, 10), pictures.png(11, 11)


class Desk:
    """A store and a tree with what a ledger would remember of the placements."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(output=folder / "output")
        self.places.make()
        self.output = self.places.output
        self.store = FileStore(self.places.images)
        self.tree = Tree(self.output, self.store)
        self.known: dict[str, Placement] = {}

    def image(self, data: bytes) -> Image:
        return self.store.put(data)

    def place(self, data: bytes, path: str = PATH) -> Placed:
        known = [self.known[at] for at in self.tree.candidates(path) if at in self.known]
        placed = self.tree.place(self.image(data), path, space=PAID, asset=ASSET, known=known)
        self.known[placed.path] = placed.placement
        return placed

    def files(self) -> dict[str, bytes]:
        return {path: (self.output / path).read_bytes() for path in self.tree.walk("job")}
