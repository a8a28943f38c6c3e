"""How the parts of a run are joined: what a request waits for, and what it does not."""

from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from pipeline.domain.record import AttemptId, Intent, Settlement
from pipeline.ledger import Ledger
from pipeline.pacing import Pacer
from pipeline.store import Spool, SpoolFlight
from tests.app.project import icons, small
from tests.fakes import PaidHost

PLACE: ContextVar[anyio.CapacityLimiter | None] = ContextVar("place", default=None)


def test_a_place_is_another_requests_before_the_ledger_has_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    landed, settle = Pacer.landed, Ledger.settle

    def noted_landed(self: Pacer) -> None:
        said.append("free")
        landed(self)

    def noted_settle(self: Ledger, settlement: Settlement) -> None:
        said.append("settled")
        settle(self, settlement)

    monkeypatch.setattr(Pacer, "landed", noted_landed)
    monkeypatch.setattr(Ledger, "settle", noted_settle)
    with PaidHost().open() as url:
        assert small(tmp_path, icons(1)).at(url).run().exit == 0
    assert said == ["free", "settled"]


def test_room_in_the_spool_is_never_waited_for_behind_large_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync, opened = anyio.to_thread.run_sync, list[anyio.CapacityLimiter | None]()

    async def noted(work: Callable[..., object], *given: object, **more: object) -> object:
        limiter = more.get("limiter")
        PLACE.set(limiter if isinstance(limiter, anyio.CapacityLimiter) else None)
        return await run_sync(work, *given, **more)  # type: ignore[arg-type]

    take = Spool.open

    def noted_open(self: Spool, attempt_id: AttemptId, reserve: int = 0, intent: Intent | None = None) -> SpoolFlight:
        opened.append(PLACE.get())
        return take(self, attempt_id, reserve, intent)

    monkeypatch.setattr(anyio.to_thread, "run_sync", noted)
    monkeypatch.setattr(Spool, "is_ready", lambda _self, _reserve: False)
    monkeypatch.setattr(Spool, "open", noted_open)
    with PaidHost().open() as url:
        assert small(tmp_path, icons(3)).at(url).run().exit == 0
    assert len(opened) == 3
    assert all(place is not None and place.total_tokens == 1 for place in opened)
    assert len({id(place) for place in opened}) == 1
