"""The output tree: copies that people use, may delete and may edit; what they edited is never overwritten.

``place`` decides in this order what to do about a file that is in the way: it holds the very bytes wanted: leave it;
it is ours and nobody touched it: replace it; anything else (edited, a stranger's, a link): leave it and put the
picture beside it as ``name~new.png``.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

from pipeline.domain.errors import PipelineError
from pipeline.domain.failpoint import failpoint
from pipeline.domain.image import Format, Image
from pipeline.domain.record import Placement, Space
from pipeline.domain.step import AssetName
from pipeline.domain.temporary import is_temporary, temporary_name
from pipeline.ports import ImageStore
from pipeline.store import durable, paths
from pipeline.store.copying import copy_into, digest_inside, look_inside, stamp_into
from pipeline.store.stamp import MOST

_MOST_BESIDE: Final = 99
_BESIDE: Final = "~new"
_ENDS_OF: Final = {kind: tuple(f"{suffix}.{kind.extension}" for suffix in ("", _BESIDE)) for kind in Format}
_ENDS: Final = tuple(end for ends in zip(*_ENDS_OF.values(), strict=True) for end in ends)

Standing = Literal["missing", "ours", "edited", "link"]


class Unplaceable(PipelineError):
    """A picture cannot be put where it belongs; it is safe in the store, and the line says what is in the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a picture now is. note: what a person should know, empty mostly. wrote: False when it was there already."""

    placement: Placement
    note: str = ""
    wrote: bool = True

    @property
    def path(self) -> str:
        """Relative to the output folder, with extension."""
        return self.placement.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One placing: which image, for whom, under which path (no extension), what we put there before.

    xmp: the copy carries the XMP stamp.
    """

    image: Image
    path: str
    space: Space
    asset: AssetName
    known: tuple[Placement, ...] = ()
    xmp: bool = False
    sync: Callable[[int], None] = durable.sync_folder


class Tree:
    """Places copies of *store*'s images under *output*. Folders are walked by descriptor and never through links."""

    def __init__(self, output: Path, store: ImageStore) -> None:
        self._output = output
        self._store = store

    @staticmethod
    def candidates(path: str, kind: Format | None = None) -> tuple[str, ...]:
        """The files `place` may have made for *path* (no extension), of pictures of one kind or of any."""
        return tuple([path + end for end in (_ENDS if kind is None else _ENDS_OF[kind])])

    def place(
        self,
        image: Image,
        path: str,
        *,
        space: Space,
        asset: AssetName,
        known: Iterable[Placement] = (),
        xmp: bool = False,
        sync: Callable[[int], None] = durable.sync_folder,
    ) -> Placed:
        """Makes sure that a copy of *image* is at *path*, relative to the output folder and without extension. Blocks.

        known: what the ledger says we put at `candidates(path)` before. xmp: the copy carries the stamp that says where
        pictures come from (`pipeline.store.stamp`); the stored image is never altered. sync: what is done with the
        descriptor of its folder (`durable.Unsynced` syncs it later, with others).

        Nothing is written, and no time of change moves, when the right bytes are there. Copies of ours of the same
        path with another extension, or beside it, go. A copy is a reflink where the file system has them, never a hard
        link, and is synced before it gets its name. Raises Unplaceable when something is in the way, DiskFull,
        MachineError (also for a damaged image).
        """
        wanted = Wanted(image=image, path=path, space=space, asset=asset, known=tuple(known), xmp=xmp, sync=sync)
        folders, name = paths.split(path, Unplaceable)
        with (
            self._told(path),
            durable.folder(self._output, follow=True) as root,
            paths.made(folders, inside=root, refused=Unplaceable) as inside,
        ):
            placed = self._put(wanted, name, inside=inside)
            self._tidy(wanted, placed, inside=inside)
            failpoint("place.placed")
        return placed

    def _put(self, wanted: Wanted, name: str, *, inside: int) -> Placed:
        extension = wanted.image.facts.format.extension
        note = ""
        for number in range(_MOST_BESIDE + 1):
            suffix = "" if not number else _BESIDE if number == 1 else f"{_BESIDE}-{number}"
            path = f"{wanted.path}{suffix}.{extension}"
            known = next((placement for placement in wanted.known if placement.path == path), None)
            file = f"{name}{suffix}.{extension}"
            match _standing(file, wanted, known, inside=inside):
                case "right":
                    return Placed(placement=_placement(wanted, path, file, inside=inside), note=note, wrote=False)
                case "free":
                    self._write(wanted, file, inside=inside)
                    return Placed(placement=_placement(wanted, path, file, inside=inside), note=note)
                case reason:
                    note = note or f"{path}: {reason}; the new picture is beside it"
        raise Unplaceable(f"{wanted.path}.{extension}: {_MOST_BESIDE} edited copies lie beside it (remove some)")

    def _write(self, wanted: Wanted, file: str, *, inside: int) -> None:
        part = temporary_name()
        failpoint("place.write")
        try:
            source, digest = self._store.path(wanted.image), wanted.image.digest
            if wanted.xmp:
                stamp_into(part, source, digest, inside=inside)
            else:
                copy_into(part, source, digest, inside=inside, is_known=partial(self._store.wrote, wanted.image))
            failpoint("place.rename")
            os.rename(part, file, src_dir_fd=inside, dst_dir_fd=inside)
        except BaseException:
            durable.discard(part, inside=inside)
            raise
        failpoint("place.renamed")
        wanted.sync(inside)

    def _tidy(self, wanted: Wanted, placed: Placed, *, inside: int) -> None:
        """Removes our other copies of this path; only what is still exactly as we left it."""
        others = set(self.candidates(wanted.path)) - {placed.path}
        gone = False
        for placement in wanted.known:
            file = placement.path.rpartition("/")[2]
            if placement.path in others and _is_ours(file, placement, inside=inside):
                os.unlink(file, dir_fd=inside)
                gone = True
        if gone:
            wanted.sync(inside)

    def standing(self, placement: Placement) -> Standing:
        """How a file of ours is now: ``missing``, ``ours`` (untouched), ``edited``, or a ``link`` we do not follow.

        Size and time of change are compared first; when they differ the bytes decide.
        """
        folders, name = paths.split(placement.path, Unplaceable)
        try:
            with durable.folder(self._output, follow=True) as root, paths.opened(folders, inside=root) as inside:
                status = os.stat(name, dir_fd=inside, follow_symlinks=False)
                if not stat.S_ISREG(status.st_mode):
                    return "link"
                untouched = _looks_untouched(status, placement)
                ours = untouched or digest_inside(name, inside=inside) == placement.digest
                return "ours" if ours else "edited"
        except FileNotFoundError:
            return "missing"
        except OSError as error:
            if error.errno in paths.IN_THE_WAY:
                return "link"
            raise durable.fault(f"{placement.path}: cannot be looked at", error) from error

    def remove(self, placement: Placement) -> bool:
        """Removes a file of ours and folders it leaves empty; False when a person edited it or it is not there.

        Its bytes are compared, not only its time. Raises MachineError when it cannot be removed.
        """
        folders, name = paths.split(placement.path, Unplaceable)
        try:
            with durable.folder(self._output, follow=True) as root:
                with paths.opened(folders, inside=root) as inside:
                    if not _is_ours(name, placement, inside=inside):
                        return False
                    os.unlink(name, dir_fd=inside)
                    durable.sync_folder(inside)
                paths.remove_empty(folders, inside=root)
        except OSError as error:
            if error.errno in paths.IN_THE_WAY or isinstance(error, FileNotFoundError):
                return False
            raise durable.fault(f"{placement.path}: cannot be removed", error) from error
        return True

    def walk(self, manifest: str) -> Iterator[str]:
        """Every file under ``<output>/<manifest>``, relative to the output folder, in order; links are not followed."""
        top = self._output / manifest
        for folder, folders, files in os.walk(top, followlinks=False):
            folders.sort()
            links = [name for name in folders if (Path(folder) / name).is_symlink()]
            for name in sorted([*files, *links]):
                yield (Path(folder) / name).relative_to(self._output).as_posix()

    def sweep(self, manifest: str) -> int:
        """Removes temporary files of dead processes under ``<output>/<manifest>`` and says how many."""
        left = [path for path in self.walk(manifest) if is_temporary(path.rpartition("/")[2])]
        with self._told(manifest):
            for path in left:
                (self._output / path).unlink(missing_ok=True)
        return len(left)

    def sweep_sheet(self, manifest: str) -> int:
        """Removes half written pieces of the sheet, and of the page over all sheets, and says how many; two listings.

        They are not synced, so a power cut may leave them although their run ended well.
        """
        with self._told(manifest):
            folders = [self._output, self._output / manifest]
            left = [path for folder in folders for path in folder.glob(".part-*") if is_temporary(path.name)]
            for path in left:
                path.unlink(missing_ok=True)
        return len(left)

    def _told(self, path: str) -> AbstractContextManager[None]:
        return paths.told(self._output / path, "cannot be placed", Unplaceable)


def _standing(file: str, wanted: Wanted, known: Placement | None, *, inside: int) -> str:
    """``right``, ``free`` (nothing there, or ours to replace), or what is in the way."""
    image = wanted.image
    try:
        status = os.stat(file, dir_fd=inside, follow_symlinks=False)
    except FileNotFoundError:
        return "free"
    if not stat.S_ISREG(status.st_mode):
        return "a link or folder that is not ours is in the way"
    if _is_right(wanted, known, status):
        return "right"
    if known is None and not image.size <= status.st_size <= image.size + MOST:
        return "a file that is not ours is in the way"
    try:
        seen = look_inside(file, inside=inside)
    except PermissionError:
        return "a file that cannot be read is in the way"
    if seen.digest == image.digest:
        return "free" if (seen.can_stamp if wanted.xmp else seen.is_stamped) else "right"
    if known is None:
        return "a file that is not ours is in the way"
    return "free" if seen.digest == known.digest else "it was edited"


def _is_right(wanted: Wanted, known: Placement | None, status: os.stat_result) -> bool:
    """Whether the file is the copy we put there, stamped or not as wanted, told without reading it."""
    return (
        known is not None
        and known.digest == wanted.image.digest
        and has_stamp(known, wanted.image) == wanted.xmp
        and _looks_untouched(status, known)
    )


def has_stamp(known: Placement, image: Image) -> bool:
    """Whether the copy that was placed carries the stamp: it is longer than its image."""
    return known.size != image.size


def _looks_untouched(status: os.stat_result, known: Placement) -> bool:
    return status.st_size == known.size and status.st_mtime_ns == known.mtime_ns


def _is_ours(file: str, placement: Placement, *, inside: int) -> bool:
    """Whether the bytes are those we put there; before anything is removed, times are not enough."""
    try:
        status = os.stat(file, dir_fd=inside, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_size == placement.size
        and digest_inside(file, inside=inside) == placement.digest
    )


def _placement(wanted: Wanted, path: str, file: str, *, inside: int) -> Placement:
    status = os.stat(file, dir_fd=inside, follow_symlinks=False)
    return Placement(
        path=path,
        digest=wanted.image.digest,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        space=wanted.space,
        asset=wanted.asset,
    )
