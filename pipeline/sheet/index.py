"""`index.json`: every asset of a manifest for programs, byte-stable, rewritten only when something changed."""

from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring
from pathlib import Path

from pipeline.domain.digest import Json
from pipeline.domain.money import to_usd
from pipeline.domain.record import AssetRow, Listed
from pipeline.sheet.files import write_pieces, write_text

__all__ = ["entry_of", "index_of", "pieces_of", "write_index", "write_text"]

NAME = "index.json"

Indexed = AssetRow | Listed
"""What is told of an asset, from either of its rows."""


def index_of(rows: Iterable[Indexed]) -> dict[str, Json]:
    """The object of ``index.json``; assets in the order of their names."""
    return {"assets": {row.asset: entry_of(row) for row in sorted(rows, key=_name)}}


def entry_of(row: Indexed) -> dict[str, Json]:
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


def write_index(folder: Path, rows: Iterable[Indexed], *, sorted_by_name: bool = False) -> Path:
    """Writes ``index.json`` into *folder*, whole or not at all; leaves an equal one alone, its mtime too. Blocks.

    sorted_by_name: rows come in that order already, so that a million of them are never held at once.
    Raises OSError.
    """
    ordered = rows if sorted_by_name else sorted(rows, key=_name)
    return write_pieces(folder / NAME, pieces_of(ordered))


def pieces_of(ordered: Iterable[Indexed]) -> Iterator[str]:
    """The text of the file, an asset a line; rows in the order of their names."""
    yield '{\n "assets": {'
    comma = ""
    for row in ordered:
        yield f"{comma}\n  {encode_basestring(row.asset)}: {spelled(row)}"
        comma = ","
    yield "\n }\n}\n" if comma else "}\n}\n"


def spelled(row: Indexed) -> str:
    """`entry_of` as `json.dumps` writes it without escapes, a fifth of its time: there may be a million."""
    image = row.image
    facts = image.facts if image else None
    warnings = ", ".join([encode_basestring(warning) for warning in row.warnings])
    return (
        f'{{"path": {_text(row.path)}, "sha256": {_text(image.digest if image else "")}, '
        f'"width": {facts.width if facts else "null"}, "height": {facts.height if facts else "null"}, '
        f'"alpha": {_truth(facts.has_alpha) if facts else "null"}, "state": {encode_basestring(row.state.value)}, '
        f'"reason": {_text(row.reason)}, "usd": {float.__repr__(to_usd(row.usd))}, "warnings": [{warnings}]}}'
    )


def _text(value: str) -> str:
    return encode_basestring(value) if value else "null"


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _name(row: Indexed) -> str:
    return row.asset
