"""Rows for sheets, made of a few honest facts."""

from datetime import UTC, datetime, timedelta

from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.image import Facts, Format, Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import PAID, AssetRow, Money, RunId, RunRow, State
from pipeline.domain.step import AssetName, KeyParts
from pipeline.sheet.model import SheetData, ShotShape, Story

NOW = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><b>\u202e\u2028\x1b]0;x\x07"


def image(text: str) -> Image:
    facts = Facts(format=Format.PNG, width=64, height=48, has_alpha=False)
    return Image(digest=digest_of(text.encode()), size=100, facts=facts)


def row(
    asset: str,
    *,
    axes: tuple[tuple[str, str], ...] = (("colour", "red"),),
    state: State = State.DONE,
    reason: str = "",
    step_id: str = "",
    depth: int = 0,
    candidate: int = 1,
    parent: str | None = None,
    warnings: tuple[str, ...] = (),
    minutes: int = 0,
    run: str = "r2",
    previous: Digest | None = None,
) -> AssetRow:
    done = state is State.DONE or reason == "opaque"
    return AssetRow(
        manifest="m",
        space=PAID,
        asset=AssetName(asset),
        shot=asset.partition("/")[0],
        axes=axes,
        step_id=step_id,
        depth=depth,
        candidate=candidate,
        parent=AssetName(parent) if parent else None,
        model_alias="main",
        key=None,
        state=state,
        reason=reason,
        image=image(asset) if done else None,
        path=f"{asset}.png" if done else "",
        usd=MicroUsd(53_000) if done else MicroUsd(0),
        warnings=warnings,
        run_id=RunId(run),
        updated_at=NOW + timedelta(minutes=minutes),
        previous=previous,
    )


def story(given: AssetRow, *, prompt: str = "a lake", thumb: str = "") -> Story:
    parts = KeyParts(protocol="images", model="gpt-image-2", params={"quality": "low"}, prompt=prompt)
    return Story(row=given, parts=parts, attempts=(), thumb=thumb)


def sheet(
    stories: tuple[Story, ...],
    *,
    axes: tuple[tuple[str, tuple[str, ...]], ...] = (("colour", ("red",)),),
    chain: tuple[str, ...] = (),
) -> SheetData:
    names = dict.fromkeys(story.row.shot for story in stories)
    return SheetData(
        manifest="m",
        file="jobs/m.yaml",
        generated=NOW,
        shots=tuple(ShotShape(name=name, axes=axes, chain=chain) for name in names),
        stories=stories,
        runs=(run("r2", 60), run("r1", 0)),
        month=Money(spent=MicroUsd(53_000), unknown=MicroUsd(0)),
        unknown=(),
    )


def run(name: str, minutes: int) -> RunRow:
    return RunRow(
        run_id=RunId(name),
        manifest="m",
        space=PAID,
        started_at=NOW + timedelta(minutes=minutes - 1),
        ended_at=NOW + timedelta(minutes=minutes),
        exit=0,
        requests=1,
        retries=0,
        images=1,
        spent=MicroUsd(53_000),
        unknown=MicroUsd(0),
    )
