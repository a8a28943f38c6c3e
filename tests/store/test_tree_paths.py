"""Nothing is written, removed or followed outside the output tree, whatever a path or a link says."""

import contextlib
import dataclasses
import os
import random
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.domain.errors import PipelineError
from pipeline.domain.record import PAID, Placement
from pipeline.store import Unplaceable, paths
from tests.store.desk import ASSET, ONE, PATH, TWO, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


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
    assert os.path.normpath(f"/tree/{path}") == f"/tree/{path}"
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
