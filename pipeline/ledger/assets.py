"""Assets, as the last run or command left them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, Final

from pipeline.domain.digest import Digest
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AssetRow, Listed, RunId, Space, State
from pipeline.domain.step import AssetName, StepKey
from pipeline.ledger import queries, rows
from pipeline.ledger import queries_assets as sql
from pipeline.ledger.book import Book

_PAGE: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many assets of a manifest stand alike. usd: what their present pictures cost, in micro-USD."""

    manifest: str
    space: Space
    state: State
    reason: str
    assets: int
    usd: MicroUsd


def record_assets(book: Book, assets: Iterable[AssetRow]) -> None:
    """Writes how assets stand; a row that says nothing new is not written."""
    with book.writing():
        runs: dict[RunId, int | None] = {}

        def run_of(run_id: RunId) -> int | None:
            if run_id not in runs:
                row = book.row(queries.RUN, (run_id,))
                runs[run_id] = row[0] if row else None
            return runs[run_id]

        book.change_many(sql.PUT_ASSET, (_columns(asset, run_of(asset.run_id)) for asset in assets))


def _columns(asset: AssetRow, run: int | None) -> tuple[object, ...]:
    return (
        asset.manifest,
        asset.asset,
        asset.space,
        asset.state.value,
        asset.reason,
        asset.usd,
        rows.micros(asset.updated_at),
        run,
        bytes.fromhex(asset.key) if asset.key else None,
        bytes.fromhex(asset.image.digest) if asset.image else None,
        bytes.fromhex(asset.previous) if asset.previous else None,
        asset.shot,
        _axes(asset.axes),
        asset.step_id,
        asset.depth,
        asset.candidate,
        asset.parent,
        asset.model_alias,
        asset.path,
        rows.texts(asset.warnings),
    )


def _axes(axes: Sequence[tuple[str, str]]) -> str:
    """Exactly ``json.dumps(axes, ensure_ascii=False, separators=(",", ":"))``; made of every asset in every run."""
    return "[" + ",".join([f"[{encode_basestring(axis)},{encode_basestring(key)}]" for axis, key in axes]) + "]"


def asset_of(row: tuple[Any, ...]) -> AssetRow:
    """An asset, from the columns of `queries_assets.ASSETS`."""
    manifest, space, name, shot, axes, step_id, depth, candidate, parent, model_alias = row[:10]
    key, state, reason, path, usd, warnings, run_id, updated_at, previous, *picture = row[10:]
    image = rows.image_or_none(tuple(picture))
    return AssetRow(
        manifest=manifest,
        space=Space(space),
        asset=AssetName(name),
        shot=shot,
        axes=tuple((axis, value) for axis, value in json.loads(axes)),
        step_id=step_id,
        depth=depth,
        candidate=candidate,
        parent=AssetName(parent) if parent else None,
        model_alias=model_alias,
        key=StepKey(key.hex()) if key else None,
        state=rows.STATES[state],
        reason=reason,
        image=image,
        path=path,
        usd=MicroUsd(usd),
        warnings=rows.lines(warnings),
        run_id=RunId(run_id or ""),
        updated_at=rows.moment(updated_at),
        previous=Digest(previous.hex()) if previous and previous != picture[0] else None,
    )


def assets(book: Book, manifest: str, space: Space | None) -> Iterator[AssetRow]:
    """The assets of a manifest in the order of their names; memory for one page.

    space None: each asset as it was left last, in whatever space (what ``v_assets`` shows).
    """
    only = sql.LATEST_ONLY if space is None else " AND a.space = :space "
    query = f"{sql.ASSETS} WHERE a.manifest = :manifest AND a.asset > :after {only} ORDER BY a.asset LIMIT :page"
    asked = {"manifest": manifest, "space": space, "after": "", "page": _PAGE}
    while page := book.rows(query, asked):
        for row in page:
            yield asset_of(row)
        asked["after"] = page[-1][2]


def listed(book: Book, manifest: str, space: Space) -> Iterator[Listed]:
    """The assets of a manifest in one space in the order of their names, as programs are told; memory for one page."""
    asked = {"manifest": manifest, "space": space, "after": "", "page": _PAGE}
    while page := book.rows(sql.LISTED, asked):
        for name, model_alias, state, reason, path, usd, warnings, *picture in page:
            image = rows.image_or_none(picture)
            yield Listed(name, model_alias, rows.STATES[state], reason, path, usd, rows.lines(warnings), image)
        asked["after"] = page[-1][0]


def asset_keys(book: Book, manifest: str, space: Space) -> dict[AssetName, StepKey | None]:
    """The name and present key of every asset of a manifest, all in memory; None for one that never had a key."""
    found = book.rows(sql.ASSET_KEYS, (manifest, space))
    return {AssetName(name): StepKey(key.hex()) if key is not None else None for name, key in found}


def asset(book: Book, manifest: str, space: Space | None, name: AssetName) -> AssetRow | None:
    """One asset; None when no run has seen it. space None: as it was left last."""
    only = sql.LATEST_ONLY if space is None else " AND a.space = :space "
    query = f"{sql.ASSETS} WHERE a.manifest = :manifest AND a.asset = :asset {only}"
    row = book.row(query, {"manifest": manifest, "asset": name, "space": space})
    return asset_of(row) if row else None


def assets_with(book: Book, digest: Digest) -> tuple[AssetRow, ...]:
    """Every asset whose present picture has these bytes, in all manifests; reads the whole table."""
    found = book.rows(f"{sql.ASSETS} WHERE a.image = ? ORDER BY a.manifest, a.asset", (bytes.fromhex(digest),))
    return tuple(asset_of(row) for row in found)


def assets_from(book: Book, digest: Digest) -> tuple[AssetRow, ...]:
    """Every asset whose present key was made from these bytes: a photo, a mask or a parent's picture."""
    return tuple(asset_of(row) for row in book.rows(sql.ASSETS + sql.MADE_FROM, {"digest": bytes.fromhex(digest)}))


def drop_assets(book: Book, manifest: str, space: Space, names: Iterable[AssetName]) -> None:
    """Forgets assets that the manifest does not name any more; pictures and slots stay."""
    with book.writing():
        book.change_many(sql.DROP_ASSET, ((manifest, name, space) for name in names))


def tallies(book: Book, manifest: str | None) -> tuple[Tally, ...]:
    """Assets counted by manifest, space, state and reason, from sums the database keeps."""
    return tuple(
        Tally(
            manifest=name,
            space=Space(space),
            state=rows.STATES[state],
            reason=reason,
            assets=count,
            usd=MicroUsd(usd),
        )
        for name, space, state, reason, count, usd in book.rows(sql.TALLIES, {"manifest": manifest})
    )
