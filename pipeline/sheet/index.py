"""`index.json`: every asset of a manifest for programs, byte-stable, rewritten only when something changed."""

from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring
from pathlib import Path

from pipeline.domain.money import to_usd
from pipeline.domain.record import AssetRow, Listed
from pipeline.sheet.files import write_pieces, write_text

__all__ = ["pieces_of", "spelled", "write_index", "write_text"]

NAME = "index.json"

Indexed = AssetRow | Listed
"""What is told of an asset, from either of its rows."""


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
    """One asset as JSON, by hand in a fifth of an encoder's time: there may be a million.

    path: relative to the file, null without a file; width, height in pixels; null is what is not known or not there.
    """
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
