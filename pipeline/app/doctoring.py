"""`doctor`: pre-flight without spending. Connections are opened and closed, nothing is posted."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import anyio

from pipeline.app.cautions import unpriced
from pipeline.app.desk import ReadingDesk, guard_faults, open_reading, secret_of
from pipeline.app.looking import quotas_of
from pipeline.app.options import Choice
from pipeline.app.timing import month_of, seconds_until
from pipeline.app.world import World
from pipeline.domain.digest import Json
from pipeline.domain.errors import PipelineError, UserError
from pipeline.domain.money import MicroUsd, show
from pipeline.ledger import network_file_system
from pipeline.manifest.model import ProviderSpec

Verdict = Literal["ok", "note", "bad"]
ENOUGH_BYTES = 2 * 1024**3
CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. bad: a run would fail or stop because of it."""

    verdict: Verdict
    subject: str
    text: str

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {"verdict": self.verdict, "subject": self.subject, "text": self.text}


def examine(manifest: Path, output: Path | None, world: World) -> tuple[Finding, ...]:
    """Everything that can be known of a manifest's next run before a cent is spent. Blocks.

    Raises ManifestError for a manifest that is wrong in itself.
    """
    with ExitStack() as stack:
        desk = open_reading(Choice(manifest=manifest, output=output), world, stack)
        return tuple(_findings(desk, world))


def _findings(desk: ReadingDesk, world: World) -> Iterator[Finding]:
    manifest = desk.manifest
    yield Finding(
        verdict="ok", subject="manifest", text=f"{manifest.file}: {sum(n for _, n in desk.plan.totals())} assets"
    )
    for warning in manifest.warnings:
        yield Finding(verdict="note", subject="manifest", text=str(warning))
    for name in desk.plan.lanes:
        yield from _provider(manifest.providers[name], desk, world)
    for alias, provider, model in unpriced(desk.plan):
        verdict: Verdict = "note" if manifest.budget.unpriced == "allow" else "bad"
        yield Finding(
            verdict=verdict, subject="price", text=f"models.{alias}: no price is known for {model} at {provider}"
        )
    yield from _disk(desk)
    yield from _clock(desk, world)
    yield from _money(desk, world)
    yield from _today(desk, world)
    yield from _unknown(desk)
    yield from _feeds(desk)


def _provider(spec: ProviderSpec, desk: ReadingDesk, world: World) -> Iterator[Finding]:
    if spec.profile.free:
        yield Finding(verdict="ok", subject=spec.name, text="drawn here, free of charge")
        return
    try:
        key = secret_of(spec.api_key, world, desk.manifest.folder)
    except UserError as error:
        yield Finding(verdict="bad", subject=spec.name, text=str(error))
    else:
        told = f"key {key.fingerprint()}… is there" if key else "no key (api_key) is given"
        yield Finding(verdict="ok" if key else "note", subject=spec.name, text=told)
    yield anyio.run(_reach, spec)
    limits = spec.limits
    known = {
        "at once": limits.concurrency,
        "requests/min": limits.requests_per_minute,
        "images/min": limits.images_per_minute,
        "tokens/min": limits.tokens_per_minute,
    }
    told = ", ".join(f"{value:g} {name}" for name, value in known.items() if value is not None)
    yield Finding(
        verdict="ok", subject=spec.name, text=f"limits: {told or 'none given, they are learned while it runs'}"
    )


async def _reach(spec: ProviderSpec) -> Finding:
    parts = urlsplit(spec.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with anyio.fail_after(CONNECT_SECONDS):
            stream = await anyio.connect_tcp(parts.hostname or "", port)
            async with stream:
                return Finding(verdict="ok", subject=spec.name, text=f"{parts.hostname}:{port} answers")
    except (OSError, TimeoutError, anyio.BrokenResourceError) as error:
        why = str(error) or "no answer within 10 s"
        return Finding(verdict="bad", subject=spec.name, text=f"{parts.hostname}:{port} cannot be reached: {why}")


def _disk(desk: ReadingDesk) -> Iterator[Finding]:
    output = desk.places.output
    there = next(folder for folder in (output, *output.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    verdict: Verdict = "ok" if free > ENOUGH_BYTES else "note"
    yield Finding(verdict=verdict, subject="disk", text=f"{free / 1024**3:.1f} GiB free under {output}")
    kind = network_file_system(there)
    if kind:
        text = f"{output} lies on a network file system ({kind}): its locks cannot be trusted (choose a local --output)"
        yield Finding(verdict="bad", subject="disk", text=text)


def _clock(desk: ReadingDesk, world: World) -> Iterator[Finding]:
    try:
        until = seconds_until(desk.manifest.run, world.clock.now())
    except PipelineError as error:
        yield Finding(verdict="bad", subject="clock", text=str(error))
        return
    text = f"{world.clock.now():%Y-%m-%d %H:%M:%S} UTC"
    if until is not None:
        text += f"; the deadline is in {until / 3600:.1f} h"
    yield Finding(verdict="ok", subject="clock", text=text)


def _money(desk: ReadingDesk, world: World) -> Iterator[Finding]:
    budget = desk.manifest.budget
    month = desk.ledger.money_since(month_of(world.clock.now()))
    if budget.per_month is not None:
        left = MicroUsd(budget.per_month - month.counted)
        verdict: Verdict = "ok" if left > 0 else "bad"
        text = f"{show(month.counted)} of {show(budget.per_month)} used this month"
        yield Finding(verdict=verdict, subject="budget", text=text)
    elif budget.per_run is None:
        yield Finding(
            verdict="note", subject="budget", text="no per_run and no per_month: a run may spend what its plan costs"
        )


def _today(desk: ReadingDesk, world: World) -> Iterator[Finding]:
    for quota in quotas_of(desk.manifest, desk.ledger, world):
        verdict: Verdict = "ok" if quota.used < quota.images_per_day else "bad"
        text = f"{quota.used} of {quota.images_per_day} images of the day (UTC) used"
        yield Finding(verdict=verdict, subject=quota.provider, text=text)


def _unknown(desk: ReadingDesk) -> Iterator[Finding]:
    rows = desk.ledger.unknown(desk.manifest.name)
    if rows:
        held = MicroUsd(sum(row.usd for row in rows))
        text = f"{len(rows)} outcomes are unknown ({show(held)} held): pipeline reconcile {desk.manifest.file}"
        yield Finding(verdict="note", subject="unknown", text=text)


def _feeds(desk: ReadingDesk) -> Iterator[Finding]:
    for source in desk.manifest.sources.values():
        broken = sum(bool(row.problem) for row in source.rows)
        text = f"{source.file}: {source.total} rows, {len(source.rows)} used" + (f", {broken} broken" if broken else "")
        yield Finding(verdict="note" if broken else "ok", subject="feed", text=text)
        if source.guard is not None:
            for fault in guard_faults(source, desk.ledger, desk.manifest.name):
                yield Finding(verdict="bad", subject="feed", text=f"{fault} (if it is meant: --accept feed)")
