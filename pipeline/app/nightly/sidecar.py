"""Sidecars: a ``.json`` beside each picture that says where it comes from, for people without the ledger."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.domain.digest import Digest, Json
from pipeline.domain.image import Format
from pipeline.domain.money import to_usd
from pipeline.domain.record import AssetRow, AttemptId
from pipeline.ledger import Ledger
from pipeline.manifest.model import OutputSpec
from pipeline.sheet.index import write_text

SIDECAR = "pipeline/sidecar/1"
"""The value of ``kind``: tells a sidecar of ours from a file of somebody else's."""

DIGITAL_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's word for media made by a trained model (IPTC Digital Source Type NewsCodes)."""


def write_sidecars(rows: Iterable[AssetRow], ledger: Ledger, folder: Path, output: OutputSpec) -> Iterator[str]:
    """Writes ``<picture>.json`` for every asset with a file; equal ones are left alone, their mtime too. Blocks.

    Gives a note for each file in the way that is no sidecar of ours. Raises OSError.
    """
    for row in rows:
        if not row.path or row.image is None:
            continue
        path = folder / f"{row.path}.json"
        if path.exists() and not is_sidecar(path):
            yield f"{path}: not a sidecar of ours; it is left as it is"
            continue
        _remove_older(folder / row.path)
        write_text(path, json.dumps(sidecar_of(row, ledger, output), ensure_ascii=False, indent=1) + "\n")


def remove_sidecar(picture: Path, digest: Digest) -> None:
    """Removes the sidecar of a picture that goes, if it is one of ours about that picture. Blocks. Raises OSError."""
    path = picture.with_name(f"{picture.name}.json")
    if is_sidecar(path, digest):
        path.unlink(missing_ok=True)


def _remove_older(picture: Path) -> None:
    """The sidecar of a copy with another extension, which went when this one came."""
    for kind in Format:
        other = picture.with_suffix(f".{kind.extension}")
        sidecar = other.with_name(f"{other.name}.json")
        if other != picture and not other.exists() and is_sidecar(sidecar):
            sidecar.unlink(missing_ok=True)


def is_sidecar(path: Path, digest: Digest | None = None) -> bool:
    """Whether a file is a sidecar of ours, and with *digest* one of that picture. Blocks."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(found, dict) or found.get("kind") != SIDECAR:
        return False
    return digest is None or found.get("sha256") == digest


def sidecar_of(row: AssetRow, ledger: Ledger, output: OutputSpec) -> dict[str, Json]:
    """Everything the ledger knows of one picture; sha256 is of the picture as it was received."""
    assert row.image is not None
    facts = row.image.facts
    origin = ledger.pictures.origin(row.image.digest)
    parts = ledger.parts(row.key) if row.key else None
    inputs: list[Json] = []
    for role, digest in parts.inputs if parts else ():
        inputs.append({"role": role, "sha256": digest, "source": _source(ledger.memory.input_sources(digest))})
    return {
        "kind": SIDECAR,
        "asset": row.asset,
        "manifest": row.manifest,
        "sha256": row.image.digest,
        "media_type": facts.format.media_type,
        "width": facts.width,
        "height": facts.height,
        "alpha": facts.has_alpha,
        "digital_source_type": DIGITAL_SOURCE,
        "xmp": output.xmp,
        "axes": dict(row.axes),
        "step": row.step_id,
        "candidate": row.candidate,
        "parent": row.parent,
        "key": row.key,
        "protocol": parts.protocol if parts else None,
        "model": parts.model if parts else None,
        "prompt": parts.prompt if parts else None,
        "params": dict(parts.params) if parts else None,
        "inputs": inputs,
        "usd": to_usd(row.usd),
        "warnings": list(row.warnings),
        **_bought(ledger, origin[0] if origin else None),
    }


def _source(sources: Sequence[tuple[str, object]]) -> str | None:
    """Where an input came from: its URL, or its file's name; the folders of this machine are nobody's business."""
    if not sources:
        return None
    source = sources[0][0]
    return source if "://" in source else Path(source).name


def _bought(ledger: Ledger, attempt_id: AttemptId | None) -> dict[str, Json]:
    """The purchase that brought it."""
    rows = ledger.attempts(attempt_id=attempt_id) if attempt_id else ()
    if not rows:
        return {"bought": None}
    bought = rows[0]
    return {
        "bought": {
            "attempt": bought.attempt_id,
            "run": bought.run_id,
            "at": bought.started_at.isoformat(),
            "provider": bought.provider,
            "request_id": bought.request_id or None,
            "usd": to_usd(bought.usd),
            "usd_is_estimate": bought.estimated,
            "revised_prompt": bought.revised_prompt or None,
        }
    }
