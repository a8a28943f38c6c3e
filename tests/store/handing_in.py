"""What the tests of inputs share: preparing and opening."""

from collections.abc import Callable

from PIL import Image as Pillow

from pipeline.domain.request import Prepared
from pipeline.inputs import InputDesk

Write = Callable[[str, bytes], str]


def prepared(desk: InputDesk, source: str, role: str = "image") -> Prepared:
    return desk.prepare(source, "mask" if role == "mask" else "image", desk.digest(source))


def opened(item: Prepared) -> Pillow.Image:
    with Pillow.open(item.path) as picture:
        picture.load()
        return picture
