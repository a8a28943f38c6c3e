"""The desk where inputs are handed in: each is read once a run, copied, and made sendable once for all runs."""

import contextlib
import threading
from pathlib import Path
from typing import Final

from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.errors import InputFault
from pipeline.domain.image import Format, Image
from pipeline.domain.request import Prepared
from pipeline.domain.step import Role
from pipeline.inputs.cache import Cache, Entry
from pipeline.inputs.limits import InputLimits
from pipeline.inputs.reading import check_picture, read_source
from pipeline.inspect import BrokenPicture, inspect

_LIMITS: Final = InputLimits()
_WEB: Final = ("http://", "https://")


class InputDesk:
    """Implements ports.Inputs over a folder of private copies. Safe to use from several threads.

    A source is an absolute path or an http(s) URL. What a path held when it was hashed is what this run uses: its
    digest is not taken anew, and a file that changed before its copy was made is an InputFault, not another key.
    """

    def __init__(self, folder: Path, limits: InputLimits = _LIMITS) -> None:
        self._cache = Cache(folder)
        self._limits = limits
        self._digests: dict[str, Digest] = {}
        self._faults: dict[str, str] = {}
        self._ready: dict[tuple[Role, Digest], Prepared] = {}
        self._scaled: dict[tuple[Digest, int, int], Prepared] = {}
        self._making = threading.Lock()

    def digest(self, source: str) -> Digest:
        """SHA-256 of a local file or fetched URL as given; read once a run. Blocks.

        Raises InputFault when it is missing, unreadable, empty, too large or no whole picture (the same each time).
        """
        known = self._digests.get(source)
        if known is not None:
            return known
        if source in self._faults:
            raise InputFault(self._faults[source])
        try:
            self._digests[source] = found = self._read(source)
        except InputFault as fault:
            self._faults[source] = str(fault)
            raise
        return found

    def _read(self, source: str) -> Digest:
        if source.lower().startswith(_WEB):
            raise InputFault(f"{source}: it was not fetched")
        data = read_source(source, self._limits.read_bytes)
        check_picture(source, data)
        return digest_of(data)

    def add_fetched(self, url: str, data: bytes) -> None:
        """Takes in what the caller fetched, once a run, and keeps it by digest; `digest` answers for *url* then.

        What is no whole picture is remembered like a URL that could not be fetched. Raises DiskFull, MachineError.
        """
        try:
            if not data:
                raise InputFault(f"{url}: the answer is empty (0 bytes)")
            if len(data) > self._limits.read_bytes:
                raise InputFault(f"{url}: more than {self._limits.read_bytes} bytes")
            check_picture(url, data)
        except InputFault as fault:
            self.add_failed(url, str(fault))
            return
        digest = digest_of(data)
        self._cache.keep(digest, data)
        self._faults.pop(url, None)
        self._digests[url] = digest

    def add_failed(self, url: str, why: str) -> None:
        """Remembers that *url* could not be fetched; `digest` says *why* then."""
        self._digests.pop(url, None)
        self._faults[url] = why if why.startswith(url) else f"{url}: {why}"

    def prepare(self, source: str, role: Role, digest: Digest) -> Prepared:
        """A sendable file, made from a private copy of exactly what was hashed. Blocks; cached for all runs.

        Raises InputFault when the file changed before it was copied, or cannot be made sendable; DiskFull.
        """
        ready = self._ready.get((role, digest))
        if ready is not None:
            return ready
        with self._making:
            ready = self._ready.get((role, digest)) or self._prepare(source, role, digest)
            self._ready[role, digest] = ready
        return ready

    def _prepare(self, source: str, role: Role, digest: Digest) -> Prepared:
        entry = self._cache.entry(digest, role, self._limits)
        if entry is None:
            if not self._cache.has(digest):
                self._copy(source, digest)
            entry = self._make(source, role, digest)
        return _prepared(entry, role, digest)

    def _copy(self, source: str, digest: Digest) -> None:
        if source.lower().startswith(_WEB):
            raise InputFault(f"{source}: it was not fetched")
        if not self._cache.copy(digest, source, self._limits.read_bytes):
            raise InputFault(f"{source}: it changed while this run was using it (run again to use the new one)")

    def _make(self, source: str, role: Role, digest: Digest) -> Entry:
        from pipeline.inputs.making import make_image  # noqa: PLC0415 - Pillow takes 40 ms to import
        from pipeline.inputs.masks import make_mask  # noqa: PLC0415 - as above

        data = self._cache.read(digest)
        try:
            made = make_mask(source, data, self._limits) if role == "mask" else make_image(data, self._limits)
        except BrokenPicture as error:
            raise InputFault(f"{source}: {error} (save it anew as PNG, JPEG or WebP)") from error
        return self._cache.keep_made(digest, role, self._limits, made)

    def prepare_picture(self, image: Image, path: Path) -> Prepared:
        """A picture of our own store as an input, which a chain's next edit is; not copied when it is fine as it is.

        It is hashed first, so that nobody's tampering leaks into a paid edit. Blocks.
        Raises InputFault when it is damaged, DiskFull.
        """
        ready = self._ready.get(("image", image.digest))
        if ready is not None:
            return ready
        facts = image.facts
        large = image.size >= self._limits.sent_bytes or facts.width * facts.height > self._limits.sent_pixels
        if large or facts.format is Format.GIF or not _is_plain(image, path):
            return self.prepare(str(path), "image", image.digest)
        self._ready["image", image.digest] = ready = Prepared(
            role="image",
            digest=image.digest,
            path=path,
            size=image.size,
            media_type=facts.format.media_type,
            filename=_filename("image", image.digest, facts.format.media_type),
            width=facts.width,
            height=facts.height,
        )
        return ready

    def match(self, images: tuple[Prepared, ...], mask: Prepared, source: str = "the mask") -> tuple[Prepared, ...]:
        """The images with the mask that fits the first of them last. Blocks when the mask has to be scaled.

        A first image that was scaled down takes its mask along. Raises InputFault when their sizes differ otherwise.
        """
        from pipeline.inputs.masks import misfit, scale_mask  # noqa: PLC0415 - as above

        first = images[0]
        size = first.width, first.height
        if (mask.width, mask.height) == size:
            return (*images, mask)
        original = self._cache.given_size(first.digest, self._limits)
        if original != (mask.width, mask.height):
            raise misfit(mask, first, source)
        with self._making:
            scaled = self._scaled.get((mask.digest, *size))
            if scaled is None:
                data = scale_mask(mask.path.read_bytes(), size)
                entry = self._cache.keep_scaled(mask.digest, size, data, mask.notes)
                self._scaled[mask.digest, *size] = scaled = _prepared(entry, "mask", mask.digest)
        return (*images, scaled)

    def sweep(self) -> int:
        """Removes temporary files of dead processes and says how many; call it under the run lock."""
        return self._cache.sweep()

    def forget(self, keep: frozenset[Digest]) -> int:
        """Removes cached files of every input not in *keep* and says how many went; all of it can be made again."""
        return self._cache.forget(keep)


def _is_plain(image: Image, path: Path) -> bool:
    """Whether a stored picture is one frame of 8-bit RGB or RGBA and nothing more.

    Raises InputFault when its bytes are not those of its name.
    """
    data = b""
    with contextlib.suppress(OSError):
        data = path.read_bytes()
    if digest_of(data) != image.digest:
        raise InputFault(f"{path}: the picture before it is gone or damaged (`pipeline verify --repair`)")
    odd_png = image.facts.format is Format.PNG and (data[24], data[25]) not in {(8, 2), (8, 6)}
    return not odd_png and not inspect(data).notes


def _prepared(entry: Entry, role: Role, digest: Digest) -> Prepared:
    return Prepared(
        role=role,
        digest=digest,
        path=entry.path,
        size=entry.size,
        media_type=entry.media_type,
        filename=_filename(role, digest, entry.media_type),
        width=entry.width,
        height=entry.height,
        notes=entry.notes,
    )


def _filename(role: Role, digest: Digest, media_type: str) -> str:
    """ASCII with the right extension; a person's own file names are none of a host's business."""
    return f"{role}-{digest[:12]}.{Format(media_type.removeprefix('image/')).extension}"
