import contextlib
import dataclasses
import os
import random
import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.domain.errors import PipelineError
from pipeline.domain.image import Image
from pipeline.domain.record import PAID, Placement
from pipeline.domain.step import AssetName
from pipeline.store import DamagedImage, FileStore, Placed, Places, Tree, Unplaceable, paths
from tests.store import pictures

ASSET = AssetName("hero/SKU-1")
PATH = "job/hero/SKU-1"
ONE, TWO = pictures.png(10, 10), pictures.png(11, 11)


class Desk:
    """A store and a tree with what a ledger would remember of the placements."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(output=folder / "output")
        self.places.make()
        self.output = self.places.output
        self.store = FileStore(self.places.images)
        self.tree = Tree(self.output, self.store)
        self.known: dict[str, Placement] = {}

    def image(self, data: bytes) -> Image:
        return self.store.put(data)

    def place(self, data: bytes, path: str = PATH) -> Placed:
        known = [self.known[at] for at in self.tree.candidates(path) if at in self.known]
        placed = self.tree.place(self.image(data), path, space=PAID, asset=ASSET, known=known)
        self.known[placed.path] = placed.placement
        return placed

    def files(self) -> dict[str, bytes]:
        return {path: (self.output / path).read_bytes() for path in self.tree.walk("job")}


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


def outside(desk: Desk) -> dict[str, bytes]:
    """Everything beside the output folder that a placing must never touch."""
    root = desk.output.parent
    return {
        str(path): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.is_relative_to(desk.output)
    }


LINKS = {
    "the manifest's folder": ("job", True),
    "a folder on the way": ("job/hero", True),
    "the file itself": ("job/hero/SKU-1.png", False),
    "the file beside it": ("job/hero/SKU-1~new.png", False),
}


@pytest.mark.parametrize("where", LINKS)
@pytest.mark.parametrize("target", ["victim", "../victim", "missing", "loop"])
def test_no_link_leads_out_of_the_tree(desk: Desk, where: str, target: str) -> None:
    name, is_folder = LINKS[where]
    victim = desk.output.parent / "victim"
    if is_folder:
        victim.mkdir()
        (victim / "SKU-1.png").write_bytes(b"precious")
        (victim / "hero").mkdir()
    else:
        victim.write_bytes(b"precious")
    link = desk.output / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(link.name if target == "loop" else desk.output.parent / target)
    before = outside(desk)
    placement = Placement(
        path=f"{PATH}.png", digest=desk.image(ONE).digest, size=len(ONE), mtime_ns=0, space=PAID, asset=ASSET
    )
    with contextlib.suppress(Unplaceable):
        placed = desk.place(TWO)
        assert not (desk.output / placed.path).is_symlink()
    desk.tree.remove(placement)
    desk.tree.standing(placement)
    assert outside(desk) == before
    assert link.is_symlink()


def test_a_folder_where_the_file_should_be_is_in_the_way(desk: Desk) -> None:
    (desk.output / f"{PATH}.png").mkdir(parents=True)
    assert desk.place(ONE).path == f"{PATH}~new.png"


def test_a_file_where_a_folder_should_be_is_told(desk: Desk) -> None:
    (desk.output / "job").write_text("a file")
    with pytest.raises(Unplaceable, match="job: a link or a file"):
        desk.place(ONE)


def test_a_hard_link_to_a_strangers_file_is_not_written_through(desk: Desk) -> None:
    desk.place(ONE)
    path = desk.output / f"{PATH}.png"
    precious = desk.output.parent / "precious"
    os.link(path, precious)
    desk.place(TWO)
    assert precious.read_bytes() == ONE


NAMES = st.lists(
    st.sampled_from(["..", ".", "", "a", "b c", "~", ".pipeline", ".PIPELINE", "ä", "x" * 300, "a\0", "\n", "C:", "\\"])
    | st.text(max_size=12),
    min_size=1,
    max_size=5,
).map("/".join)


def check_path(path: str) -> None:
    try:
        folders, name = paths.split(path, Unplaceable)
    except Unplaceable:
        return
    assert "/".join((*folders, name)) == path
    assert os.path.normpath(f"/root/{path}") == f"/root/{path}"
    assert not path.casefold().startswith(".pipeline/")


@given(path=NAMES)
@settings(max_examples=500, deadline=None)
def test_every_path_that_is_taken_stays_below_the_root(path: str) -> None:
    check_path(path)


def test_five_thousand_odd_paths_stay_below_the_root() -> None:
    luck = random.Random(5)
    pieces = [
        "..",
        ".",
        "",
        "a",
        "b c",
        ".pipeline",
        ".Pipeline",
        "x" * 300,
        "\0",
        "\n",
        "~",
        "\\",
        "\ud800",
        "…",
        "con",
    ]
    for _ in range(5000):
        check_path(luck.choice(["", "", "/"]) + "/".join(luck.choices(pieces, k=luck.randint(1, 6))))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("tree"))


@given(path=NAMES)
@example(path="/etc/passwd")
@example(path="../../outside")
@example(path="job/../../outside")
@example(path=".pipeline/ledger")
@settings(max_examples=100, deadline=None)
def test_whatever_the_path_nothing_is_written_outside(shared: Desk, path: str) -> None:
    image = shared.image(ONE)
    state = sorted(str(entry) for entry in shared.places.state.rglob("*"))
    with contextlib.suppress(Unplaceable):
        placed = shared.tree.place(image, path, space=PAID, asset=ASSET)
        target = shared.output / placed.path
        assert target.resolve().is_relative_to(shared.output.resolve())
        assert target.read_bytes() == ONE
    assert outside(shared) == {}
    assert sorted(str(entry) for entry in shared.places.state.rglob("*")) == state


@pytest.mark.parametrize("path", ["", "/", "/a", "a//b", "a/", "../a", "a/../b", ".", ".pipeline/x", "a\nb", "x" * 250])
def test_a_path_that_is_none_is_refused(desk: Desk, path: str) -> None:
    with pytest.raises(Unplaceable):
        desk.tree.place(desk.image(ONE), path, space=PAID, asset=ASSET)
    placement = dataclasses.replace(desk.place(ONE).placement, path=path)
    with pytest.raises(PipelineError):
        desk.tree.remove(placement)
