"""`Sheet` → the JSON a page's script reads: the head with every tile, and the stories behind them, batch by batch."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, TypeVar

from pipeline.domain.digest import Digest, Json
from pipeline.domain.money import MicroUsd, to_usd
from pipeline.domain.record import SKETCH, AssetRow, AttemptRow, Money, RunRow
from pipeline.sheet.model import Card, Group, Seen, Sheet

T = TypeVar("T", bound=Hashable)

STORIES: Final = 100
"""Stories in one batch: what is parsed when somebody opens one picture."""


def head_of(sheet: Sheet, seen: Mapping[Digest, Seen]) -> dict[str, Json]:
    """Everything the page shows before a picture is opened. seen: where each picture is reached."""
    data, numbers = sheet.data, _Numbers(sheet)
    return {
        "manifest": data.manifest,
        "typed": data.typed,
        "options": data.options,
        "asOf": _time(data.as_of),
        "counts": {state.value: count for state, count in data.counts.items() if count},
        "leftOut": data.left_out,
        "sketches": sum(card.row.space == SKETCH for card in sheet.cards),
        "batch": STORIES,
        "money": {
            "pictures": to_usd(MicroUsd(sum(card.row.usd for card in sheet.cards))),
            "month": _money(data.month),
            "total": _money(data.total),
        },
        "runs": [_run(run) for run in data.runs],
        "models": list(numbers.models),
        "shots": [
            {
                "name": shot,
                "axes": [[axis, list(keys)] for axis, keys in axes.items()],
                "steps": list(numbers.steps[shot]),
            }
            for shot, axes in numbers.axes.items()
        ],
        "groups": [_group(group, numbers) for group in sheet.groups],
        "pictures": [_picture(digest, seen.get(digest, Seen())) for digest in numbers.pictures],
        "assets": [_tile(card, numbers) for card in sheet.cards],
    }


def stories_of(sheet: Sheet) -> Iterator[list[Json]]:
    """The stories in the order of the head's assets, `STORIES` at a time; pictures by their number in the head."""
    pictures = _numbered(sheet.digests())
    for start in range(0, len(sheet.cards), STORIES):
        yield [_story(card, sheet, pictures) for card in sheet.cards[start : start + STORIES]]


class _Numbers:
    """What tiles name by number: keys of axes and steps by shot, models, pictures, assets.

    The manifest's order comes first; what only the rows name (an `include`, a shot since removed) follows.
    """

    def __init__(self, sheet: Sheet) -> None:
        shapes = sheet.data.shots
        self.axes = {shape.name: {axis: _numbered(keys) for axis, keys in shape.axes} for shape in shapes}
        self.steps = {shape.name: _numbered(("", *shape.chain)) for shape in shapes}
        self.models: dict[str, int] = {}
        self.pictures = _numbered(sheet.digests())
        self.assets = _numbered(card.row.asset for card in sheet.cards)
        for card in sheet.cards:
            self._take(card.row)
        self.shots = _numbered(self.axes)

    def _take(self, row: AssetRow) -> None:
        axes = self.axes.setdefault(row.shot, {})
        for axis, key in row.axes:
            _number(axes.setdefault(axis, {}), key)
        _number(self.steps.setdefault(row.shot, {"": 0}), row.step_id)
        _number(self.models, row.model_alias)


def _numbered(values: Iterable[T]) -> dict[T, int]:
    return {value: number for number, value in enumerate(dict.fromkeys(values))}


def _number(known: dict[str, int], value: str) -> int:
    return known.setdefault(value, len(known))


def _tile(card: Card, numbers: _Numbers) -> dict[str, Json]:
    """One asset for the grids; what is empty or usual is left out, for there are thousands of them."""
    row = card.row
    keys = dict(row.axes)
    tile: dict[str, Json] = {
        "name": row.asset,
        "shot": numbers.shots[row.shot],
        "at": [known[keys[axis]] if axis in keys else -1 for axis, known in numbers.axes[row.shot].items()],
        "model": numbers.models[row.model_alias],
        "state": row.state.value,
        "usd": to_usd(row.usd),
        "since": _time(row.updated_at),
    }
    facts = row.image.facts if row.image is not None else None
    more: dict[str, Json] = {
        "step": numbers.steps[row.shot][row.step_id],
        "candidate": row.candidate if row.candidate > 1 else 0,
        "parent": numbers.assets.get(row.parent, -1) + 1 if row.parent is not None else 0,
        "reason": row.reason,
        "message": card.message[:300] if row.image is None else "",
        "warnings": len(row.warnings),
        "file": row.path,
        "picture": numbers.pictures[row.image.digest] + 1 if row.image is not None else 0,
        "size": [facts.width, facts.height] if facts is not None else None,
        "alpha": facts is not None and facts.has_alpha,
        "taken": _time(card.taken),
        "earlier": [[numbers.pictures[earlier.digest], _time(earlier.at)] for earlier in card.earlier],
    }
    return tile | {name: value for name, value in more.items() if value}


def _picture(digest: Digest, seen: Seen) -> Json:
    """Digest, full picture and, where it is not the usual file, the thumbnail."""
    return [digest, seen.full] if seen.thumb == f"thumbs/{digest}.webp" else [digest, seen.full, seen.thumb]


def _group(group: Group, numbers: _Numbers) -> Json:
    return {
        "state": group.state.value,
        "title": group.title,
        "cause": group.cause,
        "advice": group.advice,
        "assets": [numbers.assets[name] for name in group.assets],
        "commands": [[command.does, command.text] for command in group.commands],
    }


def _run(run: RunRow) -> Json:
    return {
        "id": run.run_id,
        "start": _time(run.started_at),
        "end": _time(run.ended_at),
        "exit": run.exit,
        "requests": run.requests,
        "retries": run.retries,
        "images": run.images,
        "usd": to_usd(run.spent),
        "unknown": to_usd(run.unknown),
    }


def _story(card: Card, sheet: Sheet, pictures: Mapping[Digest, int]) -> dict[str, Json]:
    row, parts = card.row, card.parts
    inputs = parts.inputs if parts is not None else ()
    story: dict[str, Json] = {
        "prompt": parts.prompt if parts is not None else "",
        "revised": card.revised_prompt,
        "asked": f"{parts.model} ({parts.protocol})" if parts is not None else "",
        "params": [[name, _shown(value)] for name, value in parts.params.items()] if parts is not None else [],
        "inputs": [[role, sheet.data.sources.get(digest, ""), pictures[digest], digest] for role, digest in inputs],
        "because": card.because,
        "warnings": list(row.warnings),
        "tries": [_attempt(attempt) for attempt in reversed(card.attempts)],
        "spent": to_usd(card.spent),
        "format": row.image.facts.format.value if row.image is not None else "",
        "bytes": row.image.size if row.image is not None else 0,
        "key": row.key,
        "run": row.run_id,
        "rehearsal": row.space,
    }
    return {name: value for name, value in story.items() if value}


def _attempt(attempt: AttemptRow) -> Json:
    told: dict[str, Json] = {
        "id": attempt.attempt_id,
        "run": attempt.run_id,
        "at": _time(attempt.started_at),
        "outcome": attempt.outcome,
        "seconds": round(attempt.seconds, 1),
        "provider": attempt.provider,
        "model": attempt.model,
        "status": attempt.http_status,
        "code": attempt.error_code,
        "request": attempt.request_id,
        "usd": to_usd(attempt.usd),
        "estimated": attempt.estimated,
        "pictures": len(attempt.assets) if len(attempt.assets) > 1 else 0,
        "message": "" if attempt.outcome == "done" else attempt.message,
        "culprit": attempt.culprit,
    }
    return {name: value for name, value in told.items() if value}


def _money(money: Money) -> Json:
    return {"spent": to_usd(money.spent), "unknown": to_usd(money.unknown)}


def _time(moment: datetime | None) -> float:
    """Seconds since 1970 UTC, to the millisecond: two runs may share a second. 0 for never."""
    return round(moment.timestamp(), 3) if moment is not None else 0


def _shown(value: Json) -> str:
    return value if isinstance(value, str) else "true" if value is True else "false" if value is False else str(value)
