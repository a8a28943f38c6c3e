"""Intents, settlements and pictures for the ledger's tests: small, whole and different by number."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.domain.digest import digest_of
from pipeline.domain.image import Facts, Format, Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import (
    PAID,
    AssetRow,
    AttemptId,
    Intent,
    IntentSlot,
    Kept,
    Outcome,
    RunId,
    Settlement,
    State,
)
from pipeline.domain.step import AssetName, KeyParts, StepKey, step_key
from pipeline.ledger import Ledger, open_ledger

START = datetime(2026, 11, 21, 23, 30, 0, 123_456, tzinfo=UTC)
RUN = RunId("run-1")
MANIFEST = "shop"
ENDPOINT = "https://images.example/v1"


class Ticking:
    """A clock that goes on a second every time it is read."""

    def __init__(self, start: datetime = START) -> None:
        self.moment = start

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


def opened(folder: Path, *, write: bool = True, now: Callable[[], datetime] | None = None) -> Ledger:
    return open_ledger(folder, write=write, host="host", boot_id="boot", now=now or Ticking())


def begun(folder: Path) -> Ledger:
    ledger = opened(folder)
    ledger.begin_run(RUN, manifest=MANIFEST)
    return ledger


def parts(number: int) -> KeyParts:
    return KeyParts(
        protocol="images",
        model="gpt-image-2",
        params={"size": "1024x1024", "quality": "high"},
        prompt=f"a “red” mug, number {number}",
        inputs=(("image", digest_of(f"photo {number}".encode())),),
    )


def key(number: int) -> StepKey:
    return step_key(parts(number))


def name(number: int) -> AssetName:
    return AssetName(f"hero/{number}")


def slot(number: int) -> IntentSlot:
    return IntentSlot(key=key(number), parts=parts(number), asset=name(number))


def intent(attempt: int, numbers: Iterable[int] = (1,), **changes: Any) -> Intent:
    made = Intent(
        attempt_id=AttemptId(f"attempt-{attempt}"),
        run_id=RUN,
        space=PAID,
        manifest=MANIFEST,
        provider="main",
        endpoint=ENDPOINT,
        protocol="images",
        model="gpt-image-2",
        slots=tuple(slot(number) for number in numbers),
        cost_low=MicroUsd(40_000),
        cost_high=MicroUsd(100_001),
        request_digest=digest_of(b"request"),
        key_fingerprint="0a1b2c3d",
        boot_id="boot",
        opened_at=START,
        notes=("photo turned upright",),
    )
    return replace(made, **changes)


def picture(text: str, *, alpha: bool = False) -> Image:
    data = text.encode()
    facts = Facts(format=Format.PNG, width=1024, height=768, has_alpha=alpha, transparent_share=0.25 if alpha else None)
    return Image(digest=digest_of(data), size=len(data), facts=facts)


def kept(text: str, at: int | None = 0, **changes: Any) -> Kept:
    return replace(Kept(image=picture(text), slot=at, state=State.DONE), **changes)


def settled(attempt: int, outcome: Outcome, pictures: Sequence[Kept] = (), **changes: Any) -> Settlement:
    billed = outcome in {Outcome.DONE, Outcome.UNKNOWN}
    made = Settlement(
        attempt_id=AttemptId(f"attempt-{attempt}"),
        outcome=outcome,
        ended_at=START + timedelta(seconds=40),
        space=PAID,
        kept=tuple(pictures),
        http_status=200 if outcome is Outcome.DONE else 0,
        seconds=40.0,
        cost=MicroUsd(70_001 if billed else 0),
        cost_high=MicroUsd(100_001),
    )
    return replace(made, **changes)


def done(attempt: int, *texts: str, **changes: Any) -> Settlement:
    return settled(attempt, Outcome.DONE, [kept(text, at) for at, text in enumerate(texts)], **changes)


def asset(number: int, state: State = State.DONE, text: str = "", **changes: Any) -> AssetRow:
    image = picture(text) if text else None
    made = AssetRow(
        manifest=MANIFEST,
        space=PAID,
        asset=name(number),
        shot="hero",
        axes=(("product", str(number)),),
        step_id="",
        depth=0,
        candidate=1,
        parent=None,
        model_alias="main",
        key=key(number),
        state=state,
        reason="",
        image=image,
        path=f"hero/{number}.png" if text else "",
        usd=MicroUsd(70_001 if text else 0),
        warnings=(),
        run_id=RUN,
        updated_at=START,
    )
    return made._replace(**changes)


def view(folder: Path, query: str) -> list[dict[str, Any]]:
    """Rows of a query as a stranger's program reads them."""
    with closing(sqlite3.connect(f"file:{folder / 'ledger.db'}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]
