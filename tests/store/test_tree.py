import os
import shutil
import stat
from pathlib import Path

import pytest

from pipeline.domain.record import PAID, Placement
from pipeline.store import DamagedImage, FileStore, Tree
from tests.store import pictures
from tests.store.desk import ASSET, ONE, PATH, TWO, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def edit(path: Path, data: bytes = b"edited by a person") -> None:
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))


def test_a_picture_is_placed_under_its_true_extension(desk: Desk) -> None:
    for data, extension in ((ONE, "png"), (pictures.jpeg(), "jpg"), (pictures.webp(), "webp"), (pictures.gif(), "gif")):
        placed = desk.place(data, f"job/{extension}")
        assert placed.path == f"job/{extension}.{extension}"
        assert (desk.output / placed.path).read_bytes() == data
        assert placed.wrote
        assert not placed.note


def test_a_placed_file_is_a_copy_that_its_owner_may_edit(desk: Desk) -> None:
    placed = desk.place(ONE)
    path = desk.output / placed.path
    assert path.stat().st_nlink == 1
    assert path.stat().st_mode & stat.S_IWUSR
    path.write_bytes(b"edited in place")
    assert desk.store.read(desk.image(ONE)) == ONE


def test_the_record_tells_size_and_time_of_the_file(desk: Desk) -> None:
    placed = desk.place(ONE)
    status = (desk.output / placed.path).stat()
    assert placed.placement == Placement(
        path=f"{PATH}.png",
        digest=desk.image(ONE).digest,
        size=len(ONE),
        mtime_ns=status.st_mtime_ns,
        space=PAID,
        asset=ASSET,
    )


def test_placing_again_changes_nothing(desk: Desk) -> None:
    path = desk.output / desk.place(ONE).path
    os.utime(path, ns=(10**18, 10**18))
    before = path.stat()
    again = desk.place(ONE)
    assert not again.wrote
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert again.placement.mtime_ns == 10**18


def test_without_a_ledger_the_right_bytes_are_recognised(desk: Desk) -> None:
    desk.place(ONE)
    desk.known.clear()
    assert not desk.place(ONE).wrote


def test_a_deleted_output_comes_back(desk: Desk) -> None:
    (desk.output / desk.place(ONE).path).unlink()
    assert desk.place(ONE).wrote
    shutil.rmtree(desk.output / "job")
    assert desk.place(ONE).wrote
    assert desk.files() == {f"{PATH}.png": ONE}


def test_an_untouched_file_of_ours_is_replaced_by_the_new_picture(desk: Desk) -> None:
    desk.place(ONE)
    placed = desk.place(TWO)
    assert placed.wrote
    assert not placed.note
    assert desk.files() == {f"{PATH}.png": TWO}


def test_a_file_whose_time_alone_changed_is_still_ours(desk: Desk) -> None:
    path = desk.output / desk.place(ONE).path
    os.utime(path, ns=(1, 1))
    desk.place(TWO)
    assert desk.files() == {f"{PATH}.png": TWO}


def test_an_edited_file_is_never_overwritten(desk: Desk) -> None:
    path = desk.output / desk.place(ONE).path
    edit(path)
    placed = desk.place(TWO)
    assert placed.path == f"{PATH}~new.png"
    assert "edited" in placed.note
    assert desk.files() == {f"{PATH}.png": b"edited by a person", f"{PATH}~new.png": TWO}
    again = desk.place(TWO)
    assert (again.path, again.wrote) == (placed.path, False)


def test_an_edit_of_the_same_length_and_time_is_noticed_before_it_is_overwritten(desk: Desk) -> None:
    placed = desk.place(ONE)
    path = desk.output / placed.path
    path.write_bytes(bytes(len(ONE)))
    os.utime(path, ns=(placed.placement.mtime_ns, placed.placement.mtime_ns))
    assert desk.place(TWO).path == f"{PATH}~new.png"
    assert path.read_bytes() == bytes(len(ONE))


def test_an_edited_copy_beside_it_is_not_overwritten_either(desk: Desk) -> None:
    edit(desk.output / desk.place(ONE).path)
    edit(desk.output / desk.place(TWO).path, b"edited too")
    placed = desk.place(TWO)
    assert placed.path == f"{PATH}~new-2.png"
    assert len(desk.files()) == 3
    assert not desk.place(TWO).wrote


def test_a_strangers_file_is_never_overwritten(desk: Desk) -> None:
    (desk.output / "job" / "hero").mkdir(parents=True)
    (desk.output / f"{PATH}.png").write_bytes(b"a stranger's")
    placed = desk.place(ONE)
    assert placed.path == f"{PATH}~new.png"
    assert "not ours" in placed.note
    assert (desk.output / f"{PATH}.png").read_bytes() == b"a stranger's"


def test_when_the_edited_file_is_gone_the_picture_moves_back(desk: Desk) -> None:
    path = desk.output / desk.place(ONE).path
    edit(path)
    desk.place(TWO)
    path.unlink()
    assert desk.place(TWO).path == f"{PATH}.png"
    assert desk.files() == {f"{PATH}.png": TWO}


def test_a_copy_with_another_extension_goes(desk: Desk) -> None:
    desk.place(ONE)
    desk.place(pictures.webp())
    assert list(desk.files()) == [f"{PATH}.webp"]


def test_an_edited_copy_with_another_extension_stays(desk: Desk) -> None:
    edit(desk.output / desk.place(ONE).path)
    desk.place(pictures.webp())
    assert sorted(desk.files()) == [f"{PATH}.png", f"{PATH}.webp"]


def test_other_files_of_the_folder_are_left_alone(desk: Desk) -> None:
    desk.place(ONE)
    (desk.output / "job" / "hero" / "SKU-1.txt").write_text("notes")
    (desk.output / "job" / "hero" / "SKU-1-2.png").write_text("a candidate")
    desk.place(pictures.webp())
    assert {"job/hero/SKU-1.txt", "job/hero/SKU-1-2.png"} <= set(desk.files())


@pytest.mark.parametrize("damage", [ONE[:-5] + b"xxxxx", b"", None])
def test_a_damaged_image_never_reaches_the_tree(desk: Desk, damage: bytes | None) -> None:
    image = desk.image(ONE)
    stored = desk.store.path(image)
    stored.unlink()
    if damage is not None:
        stored.write_bytes(damage)
        os.utime(stored, ns=(1, 1))  # file systems count time in steps that a test may be quicker than
    with pytest.raises(DamagedImage, match="verify --repair"):
        desk.tree.place(image, PATH, space=PAID, asset=ASSET)
    assert desk.files() == {}


def test_no_temporary_file_is_left(desk: Desk) -> None:
    desk.place(ONE)
    desk.place(TWO)
    (desk.output / "job" / ".part-0123456789abcdef").write_bytes(b"of a dead process")
    assert desk.tree.sweep("job") == 1
    assert list(desk.files()) == [f"{PATH}.png"]


def test_a_moved_output_folder_is_still_ours(desk: Desk, tmp_path: Path) -> None:
    placement, other = desk.place(ONE).placement, desk.image(TWO)
    shutil.copytree(desk.output, tmp_path / "moved", copy_function=shutil.copy)
    tree = Tree(tmp_path / "moved", FileStore(tmp_path / "moved" / ".pipeline" / "images"))
    assert tree.standing(placement) == "ours"
    placed = tree.place(other, PATH, space=PAID, asset=ASSET, known=[placement])
    assert placed.path == f"{PATH}.png"


def test_where_a_file_stands_is_told(desk: Desk) -> None:
    placement = desk.place(ONE).placement
    path = desk.output / placement.path
    assert desk.tree.standing(placement) == "ours"
    os.utime(path, ns=(1, 1))
    assert desk.tree.standing(placement) == "ours"
    edit(path)
    assert desk.tree.standing(placement) == "edited"
    path.unlink()
    assert desk.tree.standing(placement) == "missing"
    path.symlink_to("/etc/hostname")
    assert desk.tree.standing(placement) == "link"
    shutil.rmtree(desk.output / "job")
    assert desk.tree.standing(placement) == "missing"


def test_removing_takes_only_what_is_ours_and_the_folders_it_leaves_empty(desk: Desk) -> None:
    placement = desk.place(ONE, "job/a/b/c").placement
    other = desk.place(TWO, "job/a/d").placement
    assert desk.tree.remove(placement)
    assert not desk.tree.remove(placement)
    assert not (desk.output / "job" / "a" / "b").exists()
    edit(desk.output / other.path)
    assert not desk.tree.remove(other)
    assert list(desk.files()) == ["job/a/d.png"]
    edit(desk.output / other.path, TWO)
    assert desk.tree.remove(other)
    assert (desk.output / "job").is_dir()
    assert not (desk.output / "job" / "a").exists()
