"""What a sheet is made of, as values: rows of the ledger in, a page's data out. No I/O."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.domain.digest import Digest, Json
from pipeline.domain.money import MicroUsd, to_usd
from pipeline.domain.record import AssetRow, AttemptRow, Money, RunRow, State
from pipeline.domain.step import KeyParts

FIRST = (State.UNKNOWN, State.REFUSED, State.FAILED, State.SKIPPED, State.PLANNED)
"""Missing assets in the order a person should read them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One asset with everything that is known of it.

    thumb: the thumbnail's path relative to the page, empty without one; input_thumbs: the same for its inputs, where
    they are pictures of ours. sources: where inputs came from, by digest. attempts: the latest first.
    """

    row: AssetRow
    parts: KeyParts | None
    attempts: tuple[AttemptRow, ...]
    thumb: str
    sources: Mapping[Digest, str] = field(default_factory=dict)
    input_thumbs: Mapping[Digest, str] = field(default_factory=dict)
    previous_thumb: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotShape:
    """How a shot is laid out: axis names with their keys in the manifest's order, and the ids of its chain."""

    name: str
    axes: tuple[tuple[str, tuple[str, ...]], ...]
    chain: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetData:
    """Everything a page shows. file: the manifest as a person would type it."""

    manifest: str
    file: str
    generated: datetime
    shots: tuple[ShotShape, ...]
    stories: tuple[Story, ...]
    runs: tuple[RunRow, ...]
    month: Money
    unknown: tuple[AttemptRow, ...]


def page_data(sheet: SheetData) -> dict[str, Json]:
    """The object the page's script reads: small names, since it is repeated for every asset."""
    return {
        "manifest": sheet.manifest,
        "file": sheet.file,
        "generated": sheet.generated.isoformat(timespec="seconds"),
        "totals": _totals(story.row for story in sheet.stories),
        "usd": {
            "month": to_usd(sheet.month.spent),
            "unknown": to_usd(sheet.month.unknown),
            "pictures": to_usd(
                MicroUsd(sum(story.row.usd for story in sheet.stories if story.row.state is State.DONE))
            ),
        },
        "runs": [_run(run) for run in sheet.runs],
        "shots": [
            {"name": shot.name, "axes": [[name, list(keys)] for name, keys in shot.axes], "chain": list(shot.chain)}
            for shot in sheet.shots
        ],
        "trouble": list(troubles(sheet)),
        "assets": [_asset(story) for story in sheet.stories],
    }


def _totals(rows: Iterable[AssetRow]) -> dict[str, Json]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.state.value] = counts.get(row.state.value, 0) + 1
    return dict(counts)


def _run(run: RunRow) -> dict[str, Json]:
    return {
        "id": run.run_id,
        "at": run.started_at.isoformat(timespec="minutes"),
        "exit": run.exit,
        "requests": run.requests,
        "images": run.images,
        "usd": to_usd(run.spent),
        "unknown": to_usd(run.unknown),
    }


def troubles(sheet: SheetData) -> Iterator[dict[str, Json]]:
    """Missing assets grouped by state and cause, worst first, each with the command that settles it."""
    groups: dict[tuple[State, str], list[str]] = {}
    for story in sheet.stories:
        row = story.row
        if row.state in FIRST and not (row.state is State.PLANNED and not row.reason):
            groups.setdefault((row.state, _cause(row)), []).append(row.asset)
    for (state, cause), assets in sorted(groups.items(), key=lambda item: (FIRST.index(item[0][0]), -len(item[1]))):
        yield {"state": state.value, "cause": cause, "assets": list(assets), "command": command(state, sheet.file)}


def _cause(row: AssetRow) -> str:
    said = row.warnings[0] if row.warnings else ""
    return ": ".join(part for part in (row.reason, said) if part) or row.state.value


def command(state: State, file: str) -> str:
    """What to type about missing assets of this state."""
    match state:
        case State.UNKNOWN:
            return f"pipeline reconcile {file}"
        case State.REFUSED:
            return f"pipeline run {file} --retry refused"
        case _:
            return f"pipeline run {file}"


def _asset(story: Story) -> dict[str, Json]:
    row = story.row
    facts = row.image.facts if row.image else None
    entry: dict[str, Json] = {
        "n": row.asset,
        "shot": row.shot,
        "a": [key for _, key in row.axes],
        "c": row.candidate,
        "s": row.step_id,
        "d": row.depth,
        "parent": row.parent,
        "model": row.model_alias,
        "st": row.state.value,
        "re": row.reason,
        "w": list(row.warnings),
        "p": row.path,
        "t": story.thumb,
        "usd": to_usd(row.usd),
        "run": row.run_id,
        "at": row.updated_at.isoformat(timespec="minutes"),
        "key": row.key,
        "tries": [_attempt(attempt) for attempt in story.attempts[:5]],
    }
    if facts is not None:
        entry["size"] = f"{facts.width}x{facts.height} {facts.format.value}" + (
            " with alpha" if facts.has_alpha else ""
        )
    if story.previous_thumb:
        entry["old"] = story.previous_thumb
    if story.parts is not None:
        entry["prompt"] = story.parts.prompt
        entry["asked"] = story.parts.model
        entry["params"] = {name: _shown(value) for name, value in story.parts.params.items()}
        entry["in"] = list(_inputs(story, story.parts.inputs))
    revised = next((attempt.revised_prompt for attempt in story.attempts if attempt.revised_prompt), "")
    if revised:
        entry["revised"] = revised
    return entry


def _inputs(story: Story, inputs: Sequence[tuple[str, Digest]]) -> Iterator[dict[str, Json]]:
    for number, (role, digest) in enumerate(inputs):
        parent = number == 0 and story.row.parent
        source = story.sources.get(digest, "")
        name = f"the picture before it ({story.row.parent})" if parent else source or f"{digest[:12]}…"
        yield {"role": role, "name": name, "t": story.input_thumbs.get(digest, "")}


def _attempt(attempt: AttemptRow) -> dict[str, Json]:
    return {
        "outcome": attempt.outcome,
        "at": attempt.started_at.isoformat(timespec="seconds"),
        "seconds": round(attempt.seconds, 1),
        "provider": attempt.provider,
        "status": attempt.http_status or None,
        "request": attempt.request_id,
        "usd": to_usd(attempt.usd),
        "estimated": attempt.estimated,
        "message": attempt.message,
        "culprit": attempt.culprit,
    }


def _shown(value: Json) -> str:
    return value if isinstance(value, str) else str(value)
