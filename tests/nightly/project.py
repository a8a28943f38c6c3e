"""A free project with one picture that is made, one whose photo is missing, and a hostile name in its prompt."""

from pathlib import Path

from pipeline.cli.root import run

MANIFEST = """\
version: 1
name: night
sources: {rows: {file: rows.csv, key: sku}}
defaults: {params: {size: 1024x1024, quality: low, output_format: jpeg}}
shots:
  poster:
    matrix: {colour: [red, teal]}
    prompt: A {{ colour }} poster <script>alert(1)</script> | @everyone.
  hero:
    matrix: {product: {source: rows}}
    prompt: Hero of {{ product.title }}.
    images: ["{{ product.photo }}"]
"""
ROWS = "sku,title,photo\nA,Cup,no-such.png\n"


def project(folder: Path, more: str = "") -> Path:
    """The manifest's path."""
    (folder / "rows.csv").write_text(ROWS)
    manifest = folder / "night.yaml"
    manifest.write_text(MANIFEST + more)
    return manifest


def pipeline(*arguments: object) -> int:
    """Runs the command line in this process."""
    return run([str(argument) for argument in arguments])
