"""What a run came to, as a value: printed for people by `cli`, as JSON for programs."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.app.tally import Tally
from pipeline.domain.digest import Json
from pipeline.domain.record import AssetRow, RunId, State


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One execution of one plan.

    seconds: wall time. trouble: assets that are not there, worst first. stops: why work was left, one line each.
    older_unknown: unsettled attempts of earlier runs of this manifest. next_steps: commands that settle what is left,
    the most urgent first. ideas: what else may be typed.
    """

    run_id: RunId
    manifest: str
    exit: int
    tally: Tally
    seconds: float
    sheet: Path | None
    folder: Path
    trouble: tuple[AssetRow, ...] = ()
    stops: tuple[str, ...] = ()
    older_unknown: int = 0
    next_steps: tuple[str, ...] = ()
    ideas: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """The object of ``pipeline run --json``."""
        return {
            "run": self.run_id,
            "manifest": self.manifest,
            "exit": self.exit,
            "assets": self.tally.assets(),
            "requests": self.tally.requests,
            "retries": self.tally.retries,
            "images": self.tally.images,
            "usd": self.tally.usd(),
            "seconds": round(self.seconds, 3),
            "sheet": str(self.sheet) if self.sheet else None,
        }


def why_missing(row: AssetRow) -> str:
    """Why an asset is not there, in words; a reason that its words begin with is not said twice."""
    if row.state is State.SKIPPED and row.parent:
        return f"{row.parent} is not there"
    reason = "" if any(text.startswith(f"{row.reason}:") for text in row.warnings) else row.reason
    return "; ".join(part for part in (reason, *row.warnings) if part)


def broken_off(manifest: str, folder: Path, tally: Tally, *, exit_status: int) -> RunReport:
    """The report of a run that could not begin, or that a fault of the tool ended: what was counted until then."""
    return RunReport(
        run_id=tally.run_id, manifest=manifest, exit=exit_status, tally=tally, seconds=0.0, sheet=None, folder=folder
    )
