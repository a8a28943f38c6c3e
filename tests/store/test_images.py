import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.errors import MachineError
from pipeline.domain.image import Image
from pipeline.inspect import BrokenPicture, inspect
from pipeline.ports import ImageStore
from pipeline.store import DamagedImage, FileStore, MemoryStore, Places
from tests.store import pictures

MakeStore = Callable[[Path], ImageStore]


@pytest.fixture(params=[FileStore, MemoryStore], ids=["files", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ImageStore:
    make: MakeStore = request.param
    return make(tmp_path)


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def absent() -> Image:
    data = pictures.png(3, 3)
    return Image(digest=digest_of(data), size=len(data), facts=inspect(data))


def test_what_was_put_is_read_back_byte_for_byte(store: ImageStore) -> None:
    for name, make in pictures.KINDS.items():
        data = make()
        image = store.put(data)
        assert store.read(image) == data, name
        assert image == Image(digest=digest_of(data), size=len(data), facts=inspect(data))
        assert store.has(image)
        assert store.path(image).read_bytes() == data


def test_putting_twice_is_putting_once(store: ImageStore) -> None:
    first = store.put(pictures.png())
    assert store.put(pictures.png()) == first
    assert store.read(first) == pictures.png()


@pytest.mark.parametrize("data", [b"", pictures.png()[:-1], b"<html></html>"])
def test_what_is_no_whole_picture_is_not_kept(store: ImageStore, data: bytes) -> None:
    with pytest.raises(BrokenPicture):
        store.put(data)


def test_an_image_that_was_never_put_is_not_there(store: ImageStore) -> None:
    assert not store.has(absent())
    with pytest.raises(MachineError, match=r"gone|cannot be read"):
        store.read(absent())


def test_a_file_is_named_by_its_hash_and_read_only(files: FileStore, tmp_path: Path) -> None:
    data = pictures.jpeg()
    image = files.put(data)
    path = tmp_path / image.digest[:2] / f"{image.digest}.jpg"
    assert files.path(image) == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.stat().st_nlink == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [image.digest[:2]]


def test_a_kept_image_is_not_written_again(files: FileStore) -> None:
    image = files.put(pictures.png())
    before = files.path(image).stat()
    files.put(pictures.png())
    after = files.path(image).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_file_just_written_is_known_once_and_not_when_it_was_touched(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    image, other = store.put(pictures.png()), store.put(pictures.jpeg())
    status = store.path(image).stat()
    assert not store.wrote(other, status)
    assert store.wrote(image, status)
    assert not store.wrote(image, status), "said once"
    store.put(pictures.png())
    assert not store.wrote(image, status), "it was there: read and hashed, not written"
    store.remove(image.digest)
    store.put(pictures.png())
    os.utime(store.path(image), ns=(1, 1))
    assert not store.wrote(image, store.path(image).stat())


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_a_damaged_image_is_noticed_on_read_and_replaced_by_the_next_put(
    files: FileStore, damage: bytes | None
) -> None:
    data = pictures.png()
    image = files.put(data)
    path = files.path(image)
    path.chmod(0o600)
    path.write_bytes(data[:-4] + b"\0\0\0\0" if damage is None else damage)
    assert files.has(image) is (damage is None)
    with pytest.raises(DamagedImage, match="damaged"):
        files.read(image)
    with pytest.raises(DamagedImage):
        files.verify(image.digest)
    files.put(data)
    assert files.read(image) == data


def test_a_link_in_an_images_place_is_never_followed(files: FileStore, tmp_path: Path) -> None:
    data = pictures.png()
    victim = tmp_path.parent / "victim"
    victim.write_bytes(data)
    image = Image(digest=digest_of(data), size=len(data), facts=inspect(data))
    files.path(image).parent.mkdir(parents=True)
    files.path(image).symlink_to(victim)
    assert not files.has(image)
    assert files.find(image.digest) is None
    with pytest.raises(DamagedImage):
        files.read(image)
    files.put(data)
    assert not files.path(image).is_symlink()
    assert stat.S_IMODE(victim.stat().st_mode) != 0o444


def test_a_link_in_a_shards_place_is_refused(files: FileStore, tmp_path: Path) -> None:
    data = pictures.png()
    elsewhere = tmp_path.parent / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / digest_of(data)[:2]).symlink_to(elsewhere)
    with pytest.raises(MachineError):
        files.put(data)
    assert not list(elsewhere.iterdir())


def test_many_threads_may_put_the_same_and_other_pictures(files: FileStore) -> None:
    wanted = [pictures.png(4 + number % 7, 5) for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(files.put, wanted))
    assert [files.read(image) for image in images] == wanted
    assert files.sweep() == 0


def test_walking_gives_every_image_and_marks_what_is_not_ours(files: FileStore, tmp_path: Path) -> None:
    images = {files.put(pictures.png(4, number)).digest for number in range(1, 5)}
    shard = tmp_path / next(iter(images))[:2]
    (shard / "notes.txt").write_text("mine")
    other = next(digest for digest in images if digest[:2] != shard.name) if len({d[:2] for d in images}) > 1 else None
    (shard / f"{'0' * 64}.png").write_bytes(b"in the wrong shard")
    (tmp_path / "stray").write_text("x")
    (tmp_path / ".part-0123456789abcdef").write_text("of a dead process")
    found = list(files.walk())
    assert {stored.digest for stored in found if stored.digest} == images
    strays = {stored.path.name for stored in found if stored.digest is None}
    assert {"notes.txt", "stray"} <= strays
    assert other is None or f"{'0' * 64}.png" in strays
    assert files.sweep() == 1


def test_verifying_gives_the_image_anew_from_its_bytes(files: FileStore) -> None:
    image = files.put(pictures.webp())
    assert FileStore(files.path(image).parents[1]).verify(image.digest) == image
    with pytest.raises(DamagedImage, match="gone"):
        files.verify(Digest("0" * 64))


def test_a_removed_image_is_gone(files: FileStore) -> None:
    image = files.put(pictures.png())
    files.remove(image.digest)
    files.remove(image.digest)
    assert not files.has(image)


def test_the_places_are_private_and_can_be_made_again(tmp_path: Path) -> None:
    places = Places(output=tmp_path / "deep" / "output")
    places.make()
    places.make()
    for place in (places.state, places.images, places.spool, places.receipts, places.quarantine, places.inputs):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert place == places.state or not list(place.iterdir())
    assert places.ledger == tmp_path / "deep" / "output" / ".pipeline" / "ledger.db"


def test_an_output_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("a file")
    with pytest.raises(MachineError, match="output"):
        Places(output=tmp_path / "output").make()


@pytest.mark.skipif(os.geteuid() != 0, reason="a root user may write anywhere, so the child gives its rights up")
def test_an_output_folder_that_cannot_be_written_is_found_before_anything_is_paid(tmp_path: Path) -> None:
    places = Places(output=tmp_path / "output")
    places.make()
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    script = (
        "import os, sys; from pathlib import Path; from pipeline.store import Places\n"
        "import pipeline.domain.errors as e\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: Places(output=Path(sys.argv[1])).make()\n"
        "except e.MachineError as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(places.output)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert "--output" in told.stdout or "cannot make" in told.stdout
