"""`status`, `trace` and `recall`: what the ledger says, as values."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pipeline.app.desk import load_manifest, space_of
from pipeline.app.options import Choice
from pipeline.app.showing import current_rows
from pipeline.app.timing import midnight, month_of
from pipeline.app.world import World, output_around, output_of
from pipeline.domain.digest import Digest, Json, digest_of
from pipeline.domain.errors import UserError
from pipeline.domain.money import FREE, MicroUsd, to_usd
from pipeline.domain.record import AssetRow, AttemptRow, Money, RunRow, State
from pipeline.domain.step import KeyParts
from pipeline.ledger import Learned, Ledger, Tally, open_ledger
from pipeline.manifest.model import Manifest
from pipeline.store import Places, unstamped


def open_reader(output: Path, world: World, stack: ExitStack) -> Ledger:
    """The ledger of an output folder, to read; an empty one where there is none. Raises LedgerFault."""
    return stack.enter_context(
        open_ledger(Places(output=output).state, write=False, host=world.host, boot_id=world.boot, now=world.clock.now)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What is used of a provider's pictures of the day (UTC)."""

    provider: str
    used: int
    images_per_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a manifest, or all of an output folder, stands.

    trouble: assets that are not there although they were tried; an unknown one is told by its attempt in *unknown*.
    limits: what pacing has learned, by provider and key.
    """

    subject: str
    states: dict[str, int]
    trouble: tuple[AssetRow, ...]
    unknown: tuple[AttemptRow, ...]
    runs: tuple[RunRow, ...]
    month: Money
    total: Money
    saved: MicroUsd = FREE
    limits: tuple[Learned, ...] = ()
    quotas: tuple[Quota, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "subject": self.subject,
            "assets": dict(self.states),
            "trouble": [
                {"asset": row.asset, "state": row.state.value, "reason": row.reason, "warnings": list(row.warnings)}
                for row in self.trouble
            ],
            "unknown": [attempt_json(row) for row in self.unknown],
            "runs": [run_json(row) for row in self.runs],
            "limits": [
                {"provider": learned.provider, "at": learned.at.isoformat(), **learned.limits}
                for learned in self.limits
            ],
            "today": [
                {"provider": quota.provider, "images": quota.used, "images_per_day": quota.images_per_day}
                for quota in self.quotas
            ],
            "usd": {
                "month": {"spent": to_usd(self.month.spent), "unknown": to_usd(self.month.unknown)},
                "total": {"spent": to_usd(self.total.spent), "unknown": to_usd(self.total.unknown)},
            },
        }


def attempt_json(row: AttemptRow) -> dict[str, Json]:
    """One attempt for programs."""
    return {
        "attempt": row.attempt_id,
        "run": row.run_id,
        "assets": list(row.assets),
        "provider": row.provider,
        "model": row.model,
        "outcome": row.outcome,
        "http_status": row.http_status or None,
        "error_code": row.error_code or None,
        "request_id": row.request_id or None,
        "started_at": row.started_at.isoformat(),
        "seconds": row.seconds,
        "usd": to_usd(row.usd),
        "message": row.message or None,
        "culprit": row.culprit or None,
    }


def run_json(row: RunRow) -> dict[str, Json]:
    """One run for programs."""
    return {
        "run": row.run_id,
        "manifest": row.manifest,
        "started_at": row.started_at.isoformat(),
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
        "exit": row.exit,
        "requests": row.requests,
        "retries": row.retries,
        "images": row.images,
        "usd": {"spent": to_usd(row.spent), "unknown": to_usd(row.unknown)},
    }


TROUBLE = 200
"""Missing assets that are named."""


def status_of(manifest: Path | None, output: Path | None, world: World, *, provider: str | None = None) -> Status:
    """How a manifest stands, or without one the whole output folder. Reads while a run may write. Blocks.

    provider: overrides every model's, as in the run that is to be shown.
    """
    month = month_of(world.clock.now())
    with ExitStack() as stack:
        if manifest is None:
            ledger = open_reader(output_around(Path.cwd(), output), world, stack)
            name, subject = None, "all manifests"
            quotas: tuple[Quota, ...] = ()
            trouble: list[AssetRow] = []
            states = _summed(ledger.tallies())
        else:
            loaded, _ = load_manifest(Choice(manifest=manifest, provider=provider), world)
            ledger = open_reader(output_of(manifest, output), world, stack)
            name = subject = loaded.name
            states, trouble = _standing(loaded, ledger)
            quotas = tuple(quotas_of(loaded, ledger, world))
        return Status(
            subject=subject,
            states=dict(states),
            trouble=tuple(trouble),
            unknown=ledger.unknown(name),
            runs=ledger.runs(name, 5),
            month=ledger.money_since(month, name),
            total=ledger.money_since(None, name),
            limits=tuple(learned for learned in ledger.memory.all_limits() if learned.limits),
            quotas=quotas,
        )


def _standing(manifest: Manifest, ledger: Ledger) -> tuple[Counter[str], list[AssetRow]]:
    """A manifest's assets by state, and the first that were tried and are not there.

    Where all its models share a key space, the ledger's own sums tell, and rows are read only when one is missing;
    else each asset counts in the space its model has now, which only its row tells.
    """
    spaces = {space_of(manifest.providers[model.provider], ledger) for model in manifest.models.values()}
    if len(spaces) == 1:
        sums: Counter[str] = Counter()
        for tally in ledger.tallies(manifest.name):
            if tally.space in spaces:
                sums[tally.state.value] += tally.assets
        if set(sums) <= {State.DONE.value, State.PLANNED.value}:
            return sums, []
    else:
        sums = Counter(row.state.value for row in current_rows(manifest, ledger))
    tried = sums.total() - sums[State.DONE.value] - sums[State.PLANNED.value]
    missing = (row for row in current_rows(manifest, ledger) if row.state not in {State.DONE, State.PLANNED})
    return sums, list(islice(missing, min(TROUBLE, tried)))


def _summed(tallies: tuple[Tally, ...]) -> Counter[str]:
    states: Counter[str] = Counter()
    for tally in tallies:
        states[f"{tally.state.value} in {tally.manifest}"] += tally.assets
    return states


def quotas_of(manifest: Manifest, ledger: Ledger, world: World) -> Iterator[Quota]:
    """The day's quotas of a manifest's providers (``limits.images_per_day``), and what all keys used of them."""
    for name, spec in manifest.providers.items():
        if spec.limits.images_per_day is not None:
            used = ledger.images_since(spec.base_url, midnight(world.clock.now()))
            yield Quota(provider=name, used=used, images_per_day=spec.limits.images_per_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a file comes from. parents: the same for the pictures it was made from, the nearest first."""

    file: Path
    digest: Digest
    assets: tuple[AssetRow, ...]
    attempts: tuple[AttemptRow, ...]
    parts: KeyParts | None
    inputs: tuple[tuple[str, Digest, str], ...] = ()
    parents: tuple["Origin", ...] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "file": str(self.file),
            "sha256": self.digest,
            "assets": [
                {"manifest": row.manifest, "asset": row.asset, "path": row.path, "key": row.key} for row in self.assets
            ],
            "model": self.parts.model if self.parts else None,
            "prompt": self.parts.prompt if self.parts else None,
            "params": dict(self.parts.params) if self.parts else None,
            "inputs": [{"role": role, "sha256": digest, "source": source} for role, digest, source in self.inputs],
            "attempts": [attempt_json(row) for row in self.attempts],
            "parents": [parent.as_json() for parent in self.parents],
        }


def trace_file(file: Path, output: Path | None, world: World) -> Origin:
    """Where a file comes from, told by its bytes, so that it may have been renamed or copied. Blocks.

    Raises UserError for a file that is not there or that this ledger has never seen.
    """
    try:
        digest = digest_of(unstamped(file.read_bytes()))
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror} (check the path)") from error
    with ExitStack() as stack:
        ledger = open_reader(output_for(file, output), world, stack)
        origin = origin_of(ledger, digest, file)
        if origin is None and ledger.memory.input_sources(digest):
            raise UserError(f"{file}: an input, not a picture of ours (`pipeline recall` lists what was made from it)")
        if origin is None:
            raise UserError(f"{file}: this ledger has never seen these bytes (edited, or from another output folder?)")
        return origin


def output_for(file: Path, output: Path | None) -> Path:
    """The output folder for a command about a file: around the file, else around where it is typed.

    Raises UserError when there is none.
    """
    try:
        return output_around(file.absolute().parent, output)
    except UserError:
        return output_around(Path.cwd(), output)


def origin_of(ledger: Ledger, digest: Digest, file: Path) -> Origin | None:
    """The origin of a kept picture; None for a stranger."""
    found = ledger.pictures.origin(digest)
    if found is None:
        return None
    attempt_id, key = found
    parts = ledger.parts(key) if key else None
    inputs = []
    parents = []
    for role, given in parts.inputs if parts else ():
        sources = ledger.memory.input_sources(given)
        inputs.append((role, given, sources[0][0] if sources else ""))
        parent = origin_of(ledger, given, Path(given))
        if parent is not None:
            parents.append(parent)
    return Origin(
        file=file,
        digest=digest,
        assets=ledger.assets_with(digest),
        attempts=ledger.attempts(attempt_id=attempt_id) if attempt_id else (),
        parts=parts,
        inputs=tuple(inputs),
        parents=tuple(parents),
    )
