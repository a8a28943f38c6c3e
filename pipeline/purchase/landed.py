"""An answer that was read, with the pictures that lay behind its urls."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from pipeline.domain.errors import OutcomeUnknown
from pipeline.domain.request import Answer, Head

Bring = Callable[[int, str], Awaitable[bytes]]
"""Position and url of a picture -> its bytes, kept durably beside the answer. Raises OutcomeUnknown."""

SKETCH_HEADER = "x-pipeline-sketch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What an attempt brought. By position in the answer: fetched: bytes of url results; missing: why one cannot be
    had."""

    head: Head
    answer: Answer
    fetched: Mapping[int, bytes] = field(default_factory=dict)
    missing: Mapping[int, str] = field(default_factory=dict)


async def landed(head: Head, answer: Answer, bring: Bring) -> Landed:
    """Fetches what lies behind urls; one that cannot be had costs its own slot, not the others'.

    Raises OutcomeUnknown when not one picture of the answer is there.
    """
    fetched: dict[int, bytes] = {}
    failed: dict[int, OutcomeUnknown] = {}
    for position, picture in enumerate(answer.pictures):
        if picture.data:
            continue
        try:
            fetched[position] = await bring(position, picture.url)
        except OutcomeUnknown as error:
            failed[position] = error
    if failed and len(failed) == len(answer.pictures):
        raise failed[0]
    return Landed(
        head=head, answer=answer, fetched=fetched, missing={position: str(error) for position, error in failed.items()}
    )


def is_sketch(head: Head | None) -> bool:
    """Whether our own gateway answered, also where the answer itself is of no use."""
    return head is not None and head.headers.get(SKETCH_HEADER, "") == "1"
