"""What becomes of an input on its way out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What is to be sent.

    data: None when the bytes as given are fine. given: width and height in pixels once upright, before scaling.
    """

    data: bytes | None
    media_type: str
    width: int
    height: int
    given: tuple[int, int]
    notes: tuple[str, ...] = ()
