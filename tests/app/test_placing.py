"""The output tree: what people use, may delete and may edit; nothing of theirs is overwritten, nothing is asked."""

import json
import os
from pathlib import Path

import pytest

from tests.app.project import Project, icons, small
from tests.fakes import Order, PaidHost, Reply, answer_of, png, sells
from tests.store.pictures import jpeg


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    """Two icons, bought; whatever happens next must ask for nothing."""
    made = small(tmp_path, icons(2))
    with PaidHost().open() as url:
        assert made.at(url).run().exit == 0
    return made.at("http://127.0.0.1:9/v1")


def file(shop: Project, name: str = "icon/item000.png") -> Path:
    return shop.output / "shop" / name


def test_files_are_named_by_asset_and_hold_the_bytes_that_came(shop: Project) -> None:
    assert sorted(path.relative_to(shop.output).as_posix() for path in (shop.output / "shop/icon").rglob("*.png")) == [
        "shop/icon/item000.png",
        "shop/icon/item001.png",
    ]
    assert file(shop).read_bytes() == png("An icon of item000. 0")


def test_a_deleted_file_is_put_back_without_a_request(shop: Project) -> None:
    file(shop).unlink()
    assert shop.run().json["requests"] == 0
    assert file(shop).read_bytes() == png("An icon of item000. 0")


def test_a_deleted_folder_is_put_back_by_verify_too(shop: Project) -> None:
    for name in ("icon/item000.png", "icon/item001.png"):
        file(shop, name).unlink()
    file(shop).parent.rmdir()
    assert shop.pipeline("verify", "--output", shop.output).exit == 1
    assert shop.pipeline("verify", "--output", shop.output, "--repair").exit == 0
    assert file(shop).is_file()
    assert shop.pipeline("verify", "--output", shop.output).exit == 0


def test_an_edited_file_is_kept_and_the_new_picture_goes_beside_it(shop: Project) -> None:
    file(shop).write_bytes(b"mine")
    ran = shop.run()
    assert (ran.exit, ran.json["requests"]) == (0, 0)
    assert file(shop).read_bytes() == b"mine"
    assert file(shop, "icon/item000~new.png").read_bytes() == png("An icon of item000. 0")
    assert "it was edited; the new picture is beside it" in ran.err
    assert shop.index()["icon/item000"]["path"] == "icon/item000~new.png"


def test_a_file_that_was_there_before_us_is_kept(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(1))
    shop.write("output/shop/icon/item000.png", b"a stranger")
    with PaidHost().open() as url:
        assert shop.at(url).run().exit == 0
    assert file(shop).read_bytes() == b"a stranger"
    assert file(shop, "icon/item000~new.png").read_bytes() == png("An icon of item000. 0")


def test_a_touched_file_with_the_right_bytes_is_left_alone(shop: Project) -> None:
    os.utime(file(shop), (1, 1))
    assert shop.run().exit == 0
    assert file(shop).stat().st_mtime == 1
    assert not file(shop, "icon/item000~new.png").exists()


def test_an_edit_in_place_does_not_reach_the_store(shop: Project) -> None:
    with file(shop).open("r+b") as opened:
        opened.write(b"edited")
    assert "damaged" not in shop.pipeline("verify", "--output", shop.output).out


def test_another_extension_replaces_the_old_copy(shop: Project) -> None:
    with PaidHost(lambda order: Reply(body=answer_of(jpeg()))).open() as url:
        ran = shop.at(url).run("--again", "icon/item000")
    assert ran.exit == 0
    assert file(shop, "icon/item000.jpg").read_bytes() == jpeg()
    assert not file(shop).exists()


def test_a_rehearsal_lies_beside_what_was_paid_for(shop: Project) -> None:
    assert shop.run("--provider", "sketch").exit == 0
    assert file(shop).read_bytes() == png("An icon of item000. 0")
    assert file(shop, "icon/item000.sketch.png").is_file()


def test_what_is_paid_for_takes_the_place_of_a_rehearsal(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(1))
    shop.at("http://127.0.0.1:9/v1").run("--provider", "sketch")
    assert file(shop).is_file()
    with PaidHost().open() as url:
        shop.at(url).run()
    assert file(shop).read_bytes() == png("An icon of item000. 0")


def test_a_changed_path_moves_the_file_when_pruned(shop: Project) -> None:
    shop.swap("prompt:", "path: 'all/{{ item }}', prompt:")
    assert shop.run().json["requests"] == 0
    assert file(shop, "all/item000.png").is_file()


def test_prune_removes_what_no_asset_claims_but_nothing_a_person_edited(shop: Project) -> None:
    shop.swap("item000, item001", "item002")
    file(shop, "icon/item001.png").write_bytes(b"mine")
    shown = shop.pipeline("prune", shop.manifest, "--json").json
    assert sorted(shown["files"]) == ["shop/icon/item000.png", "shop/icon/item001.png"]
    assert file(shop).exists(), "nothing is removed without --delete"
    removed = shop.pipeline("prune", shop.manifest, "--delete", "--json").json
    assert (removed["removed"], removed["kept"]) == (["shop/icon/item000.png"], ["shop/icon/item001.png"])
    assert not file(shop).exists()
    assert file(shop, "icon/item001.png").read_bytes() == b"mine"


def test_a_link_in_the_way_is_never_followed(tmp_path: Path) -> None:
    shop = small(tmp_path / "shop", icons(1))
    outside = tmp_path / "outside"
    outside.mkdir()
    (shop.output / "shop").mkdir(parents=True)
    (shop.output / "shop" / "icon").symlink_to(outside)
    with PaidHost().open() as url:
        ran = shop.at(url).run()
    assert list(outside.iterdir()) == []
    assert ran.json["images"] == 1, "the picture is safe in the store"


def test_index_and_files_agree(shop: Project) -> None:
    for entry in shop.index().values():
        image = next((shop.output / ".pipeline/images").rglob(f"{entry['sha256']}.*"))
        assert image.read_bytes() == file(shop, entry["path"]).read_bytes()
        assert (entry["width"], entry["height"], entry["state"]) == (3, 2, "done")


def test_an_unwritable_output_folder_asks_for_nothing(tmp_path: Path) -> None:
    shop = small(tmp_path / "shop", icons(1))
    (tmp_path / "shop/output").write_text("a file in the way")
    host = PaidHost()
    with host.open() as url:
        ran = shop.at(url).run()
    assert (ran.exit, host.orders) == (1, [])
    assert "is the output folder writable?" in ran.err
    assert json.loads(ran.out)["exit"] == 1


def test_a_name_that_a_folder_has_taken_is_told_and_the_picture_is_safe(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(1))
    (shop.output / "shop/icon/item000.png").mkdir(parents=True)
    with PaidHost(lambda order: sells(Order(path="", headers={}, fields={"prompt": "x"}))).open() as url:
        ran = shop.at(url).run()
    assert ran.json["images"] == 1
    assert file(shop, "icon/item000~new.png").is_file()
