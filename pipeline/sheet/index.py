"""`index.json`: every asset of a manifest for programs, byte-stable, rewritten only when something changed."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from pipeline.domain.digest import Json
from pipeline.domain.money import to_usd
from pipeline.domain.record import AssetRow


def index_of(rows: Iterable[AssetRow]) -> dict[str, Json]:
    """The object of ``index.json``; assets in the order of their names."""
    return {"assets": {row.asset: entry_of(row) for row in sorted(rows, key=lambda row: row.asset)}}


def entry_of(row: AssetRow) -> dict[str, Json]:
    """One asset. path: relative to the file, None without a file; width, height in pixels."""
    facts = row.image.facts if row.image else None
    return {
        "path": row.path or None,
        "sha256": row.image.digest if row.image else None,
        "width": facts.width if facts else None,
        "height": facts.height if facts else None,
        "alpha": facts.has_alpha if facts else None,
        "state": row.state.value,
        "reason": row.reason or None,
        "usd": to_usd(row.usd),
        "warnings": list(row.warnings),
    }


def write_index(folder: Path, rows: Iterable[AssetRow]) -> Path:
    """Writes ``index.json`` into *folder*, whole or not at all; leaves an equal one alone, its mtime too. Blocks."""
    text = json.dumps(index_of(rows), ensure_ascii=False, indent=1) + "\n"
    return write_text(folder / "index.json", text)


def write_text(path: Path, text: str) -> Path:
    """Writes a file whole or not at all; leaves an equal one alone."""
    data = text.encode("utf-8", "backslashreplace")
    try:
        if path.read_bytes() == data:
            return path
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(path)
    return path
