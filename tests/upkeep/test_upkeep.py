"""verify finds, repair mends from free sources, rebuild makes a lost ledger anew, gc and prune ask first."""

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tests.app.project import Project, small
from tests.fakes import PaidHost, Reply, answer_of, png, sells

SHOTS = "icon: {matrix: {item: [a, b]}, prompt: 'A {{ item }}.', chain: [{id: hover, prompt: Hover.}]}"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = small(tmp_path_factory.mktemp("upkeep") / "shop", SHOTS)
    with PaidHost().open() as url:
        assert made.at(url).run().exit == 0
    return made.at("http://127.0.0.1:9/v1")


@pytest.fixture
def shop(original: Project, tmp_path: Path) -> Project:
    return original.copy(tmp_path / "shop")


def image(shop: Project, asset: str = "icon/a") -> Path:
    return next((shop.output / ".pipeline/images").rglob(f"{shop.index()[asset]['sha256']}.*"))


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


def remove(path: Path) -> None:
    path.parent.chmod(0o700)
    path.unlink()


def receipt(shop: Project) -> Path:
    return min((shop.output / ".pipeline/receipts").rglob("*.json"))


def orphan(shop: Project) -> None:
    data = png("a stranger")
    name = sha256(data).hexdigest()
    shop.write(f"output/.pipeline/images/{name[:2]}/{name}.png", data)


FAULTS: dict[str, tuple[Callable[[Project], object], str, bool]] = {
    "flipped bits": (lambda shop: overwrite(image(shop), b"x" * 80), "damaged", True),
    "an image that is gone": (lambda shop: remove(image(shop)), "missing", True),
    "an image nobody knows": (orphan, "orphan", True),
    "a file that is no image": (lambda shop: shop.write("output/.pipeline/images/ab/x.txt", b"x"), "stray", False),
    "a receipt that is gone": (lambda shop: remove(receipt(shop)), "unreceipted", False),
    "a receipt that cannot be read": (lambda shop: overwrite(receipt(shop), b"{"), "illegible", False),
    "a copy that is gone": (lambda shop: (shop.output / "shop/icon/a.png").unlink(), "unplaced", True),
    "an edited copy": (lambda shop: shop.write("output/shop/icon/a.png", b"mine"), "edited", False),
    "a stranger's file": (lambda shop: shop.write("output/shop/mine.txt", b"x"), "unknown_file", False),
}
HARMLESS = {"edited", "unknown_file", "stray"}


def kinds(shop: Project) -> list[str]:
    return sorted(fault["kind"] for fault in shop.pipeline("verify", "--output", shop.output, "--json").json)


def test_a_folder_that_is_as_it_should_be_has_no_fault(shop: Project) -> None:
    assert kinds(shop) == []
    assert shop.pipeline("verify", "--output", shop.output).exit == 0


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_found_and_what_can_be_is_mended_for_nothing(name: str, shop: Project) -> None:
    damage, kind, mended = FAULTS[name]
    damage(shop)
    assert kind in kinds(shop)
    assert shop.pipeline("verify", "--output", shop.output).exit == (0 if kind in HARMLESS else 1)
    ran = shop.pipeline("verify", "--output", shop.output, "--repair")
    assert ran.exit == (0 if mended or kind in HARMLESS else 1), ran.out
    assert (kind in kinds(shop)) != mended
    assert shop.asked() == set(), "every image had a whole copy in the output tree"


def test_what_is_lost_for_good_is_asked_for_again_and_nothing_else(shop: Project) -> None:
    lost = image(shop, "icon/a/hover")
    overwrite(lost, b"x" * 80)
    (shop.output / "shop/icon/a/hover.png").unlink()
    assert shop.pipeline("verify", "--output", shop.output, "--repair").exit == 0
    assert shop.asked() == {"icon/a/hover"}
    with PaidHost().open() as url:
        ran = shop.at(url).run()
    assert (ran.exit, ran.json["requests"]) == (0, 1)
    assert kinds(shop) == []


def test_a_lost_ledger_is_made_anew_and_nothing_is_bought_again(shop: Project) -> None:
    before = shop.index()
    for file in (shop.output / ".pipeline").glob("ledger.db*"):
        file.unlink()
    refused = shop.run()
    assert refused.exit == 1, "a paid run beside receipts it does not know asks for nothing"
    assert "verify --rebuild" in refused.err
    ran = shop.pipeline("verify", "--output", shop.output, "--rebuild", "--json")
    assert ran.exit == 0, ran.err
    assert (ran.json["attempts"], ran.json["images"], ran.json["lost"], ran.json["broken"]) == (4, 4, 0, 0)
    again = shop.run()
    assert (again.exit, again.json["requests"], again.json["usd"]["saved"]) == (0, 0, 0.16)
    assert {name: entry["sha256"] for name, entry in shop.index().items()} == {
        name: entry["sha256"] for name, entry in before.items()
    }
    assert kinds(shop) == []


def test_a_rebuilt_ledger_knows_what_was_spent_and_what_is_unknown(tmp_path: Path) -> None:
    shop = small(tmp_path, SHOTS)
    host = PaidHost(lambda order: Reply(status=502, body=b"<html></html>") if "A b." in order.prompt else sells(order))
    with host.open() as url:
        shop.at(url).run()
    before = shop.pipeline("status", shop.manifest, "--json").json["usd"]["total"]
    (shop.output / ".pipeline/ledger.db").unlink()
    assert shop.pipeline("verify", "--output", shop.output, "--rebuild").exit == 0
    after = shop.pipeline("status", shop.manifest, "--json").json
    assert (after["usd"]["total"], len(after["unknown"])) == (before, 1)
    assert shop.asked() == set(), "an unknown outcome is held by a rebuilt ledger too"


def test_what_nobody_refers_to_is_shown_and_removed_only_when_told(shop: Project) -> None:
    paid = image(shop, "icon/b/hover")
    for text in ("second", "third"):
        with painting(text).open() as url:
            shop.at(url).run("--again", "icon/b/hover")
    gc = ("gc", "--output", shop.output, "--keep", "0d", "--json")
    assert shop.pipeline(*gc).json["images"] == [], "what was paid for is shown only with --paid"
    assert shop.pipeline(*gc, "--delete").json["removed"] == 0
    (shown,) = shop.pipeline(*gc, "--paid").json["images"]
    assert (shown["sha256"], paid.exists()) == (paid.stem, True)
    assert shop.pipeline("gc", "--output", shop.output, "--paid", "--json").json["images"] == [], "it is too young"
    assert shop.pipeline(*gc, "--paid", "--delete").json["removed"] == 1
    assert not paid.exists()
    assert kinds(shop) == []


def painting(text: str) -> PaidHost:
    """A host that sells the same picture whatever is asked."""
    return PaidHost(lambda order: Reply(body=answer_of(png(text))))


def test_a_picture_is_traced_to_its_request_and_its_parent_wherever_it_is_copied(shop: Project, tmp_path: Path) -> None:
    copy = tmp_path / "renamed.bin"
    copy.write_bytes((shop.output / "shop/icon/a/hover.png").read_bytes())
    ran = shop.pipeline("trace", copy, "--output", shop.output, "--json")
    assert ran.exit == 0, ran.err
    origin = ran.json
    assert [entry["asset"] for entry in origin["assets"]] == ["icon/a/hover"]
    assert (origin["prompt"], origin["model"], origin["attempts"][0]["usd"]) == ("Hover.", "tiny-1", 0.04)
    assert origin["attempts"][0]["request_id"].startswith("req_")
    assert origin["parents"][0]["prompt"] == "A a."
    text = shop.pipeline("trace", copy, "--output", shop.output).out
    assert "made from" in text


def test_what_was_made_from_a_photo_is_recalled_through_edits(tmp_path: Path) -> None:
    shots = """
hero: {matrix: {photo: [a.png, b.png]}, prompt: A shot., images: ['{{ photo }}'], chain: [{id: night, prompt: Night.}]}
"""
    shop = small(tmp_path, shots)
    for name in ("a.png", "b.png"):
        shop.write(name, png(name))
    with PaidHost().open() as url:
        shop.at(url).run()
    found = shop.pipeline("recall", tmp_path / "a.png", "--output", shop.output, "--json").json
    assert [row["asset"] for row in found] == ["hero/a.png", "hero/a.png/night"]


def test_times_of_copies_do_not_matter_to_verify(shop: Project) -> None:
    os.utime(shop.output / "shop/icon/a.png", (1, 1))
    assert kinds(shop) == []
    assert json.loads(shop.pipeline("verify", "--output", shop.output, "--json").out) == []
