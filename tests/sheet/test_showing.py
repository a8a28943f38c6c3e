"""The sheet of real runs: what the ledger knows reaches the page, and nothing is rewritten for nothing."""

import io
import json
import re
import signal
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from pipeline.app.showing import MOST_SHOWN
from tests.app.project import Project, bought, icons, project, small
from tests.e2e.machine import ended, started, until
from tests.fakes import Order, PaidHost, Reply, answer_of


def head(made: Project) -> Any:
    """What the page's script reads."""
    text = (made.output / "shop" / "index.html").read_text(encoding="utf-8")
    block = re.search(r'<script type="application/json" id="head">(.*?)</script>', text, re.DOTALL)
    assert block
    return json.loads(block[1])


def stories(made: Project) -> dict[str, Any]:
    """Every asset's story by its name."""
    text = (made.output / "shop" / "index.html").read_text(encoding="utf-8")
    batches = re.findall(r'<script type="application/json" class="stories">(.*?)</script>', text, re.DOTALL)
    told = [story for batch in batches for story in json.loads(batch)]
    return {asset["name"]: story for asset, story in zip(head(made)["assets"], told, strict=True)}


def times(made: Project) -> dict[str, int]:
    files = [made.output / "index.html", *(made.output / "shop").rglob("*")]
    return {str(path.relative_to(made.output)): path.stat().st_mtime_ns for path in files if path.is_file()}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with everything bought; not to be changed."""
    return bought(tmp_path_factory.mktemp("shop"))


def test_a_run_leaves_page_index_board_thumbnails_and_the_page_over_all(shop: Project) -> None:
    page = head(shop)
    assert {asset["name"] for asset in page["assets"]} == set(shop.index())
    assert len(page["assets"]) == 20
    assert page["counts"] == {"done": 20}
    assert [shot["name"] for shot in page["shots"]] == ["hero", "cutout", "poster"]
    assert page["shots"][0]["axes"] == [["product", ["A", "B"]], ["scene", ["marble", "linen"]]]
    assert page["shots"][0]["steps"] == ["", "ribbon", "night"]
    assert page["money"]["total"]["spent"] == pytest.approx(18 * 0.04 + 2 * 0.05)
    (run,) = page["runs"]
    assert (run["exit"], run["images"], run["requests"]) == (0, 20, 20)
    assert run["end"] >= run["start"]
    folder = shop.output / "shop"
    assert (folder / "contact-sheet.png").read_bytes().startswith(b"\x89PNG")
    shown = {digest for digest, *_ in page["pictures"]}
    assert {path.stem for path in (folder / "thumbs").iterdir()} == shown
    assert "20 of 20 pictures are there" in (shop.output / "index.html").read_text(encoding="utf-8")


def test_stories_tell_prompts_inputs_by_the_manifests_names_parents_and_attempts(shop: Project) -> None:
    told = stories(shop)
    base, ribbon = told["hero/A/marble"], told["hero/A/marble/ribbon"]
    assert base["prompt"] == "Cup on white marble. Keep the rest."
    assert [(role, source) for role, source, *_ in base["inputs"]] == [
        ("image", "photos/a.png"),
        ("image", "refs/style.png"),
    ]
    assert ribbon["inputs"][0][3] == shop.index()["hero/A/marble"]["sha256"]
    assert [role for role, *_ in told["cutout/A"]["inputs"]] == ["image", "mask"]
    (attempt,) = base["tries"]
    assert (attempt["outcome"], attempt["provider"], attempt["usd"]) == ("done", "paid", 0.04)
    assert base["because"] == "asked for the first time"
    page = head(shop)
    parent = next(asset for asset in page["assets"] if asset["name"] == "hero/A/marble/ribbon")["parent"]
    assert page["assets"][parent - 1]["name"] == "hero/A/marble"
    paths = [full for _, full, *_ in page["pictures"]]
    assert all((shop.output / "shop" / path).is_file() for path in paths)


def test_the_sheet_written_again_changes_no_file(shop: Project) -> None:
    shop.pipeline("sheet", shop.manifest)
    before = times(shop)
    ran = shop.pipeline("sheet", shop.manifest)
    assert (ran.exit, ran.out.strip()) == (0, str(shop.output / "shop" / "index.html"))
    assert times(shop) == before


def test_a_run_that_changes_nothing_keeps_the_times_of_pictures_and_index(tmp_path: Path) -> None:
    made = bought(tmp_path)
    before = times(made)
    assert made.run().exit == 0
    after = times(made)
    assert {name for name in before if before[name] != after[name]} <= {"index.html", "shop/index.html"}
    assert len(head(made)["runs"]) == 2


def test_no_sheet_writes_the_index_alone(tmp_path: Path) -> None:
    made = small(tmp_path, "icon: {matrix: {item: [a, b]}, prompt: 'An icon of {{ item }}.'}")
    with PaidHost().open() as url:
        assert made.at(url).run("--no-sheet").exit == 0
    assert {path.name for path in (made.output / "shop").iterdir()} == {"icon", "index.json"}
    assert not (made.output / "index.html").exists()


def test_a_changed_prompt_shows_the_old_picture_beside_the_new(tmp_path: Path) -> None:
    made = bought(tmp_path)
    before = made.index()["poster/red/main"]["sha256"]
    made.swap("A {{ colour }} poster.", "A {{ colour }} poster, framed.")
    with PaidHost().open() as url:
        assert made.at(url).run().exit == 0
    page = head(made)
    poster = next(asset for asset in page["assets"] if asset["name"] == "poster/red/main")
    ((old, at),) = poster["earlier"]
    assert page["pictures"][old][0] == before
    assert at < page["runs"][0]["start"] <= poster["taken"]
    assert (made.output / "shop" / "thumbs" / f"{before}.webp").is_file()
    assert stories(made)["poster/red/main"]["because"] == "asked again: prompt A red poster. → A red poster, framed."
    hero = next(asset for asset in page["assets"] if asset["name"] == "hero/A/marble")
    assert hero["taken"] < page["runs"][0]["start"]


def test_the_page_of_a_run_that_lacks_something_tells_its_exit_and_what_to_type(tmp_path: Path) -> None:
    made = project(tmp_path)
    made.swap("photos/b.png", "photos/none.png", "feed/products.csv")
    with PaidHost().open() as url:
        assert made.at(url).run().exit == 11
    page = head(made)
    assert page["runs"][0]["exit"] == 11
    groups = {(group["state"], group["title"]): group for group in page["groups"]}
    lacking = groups["failed", "8 without a usable input"]
    assert "photos/none.png" in lacking["cause"]
    assert lacking["commands"] == [["then", "pipeline run shop.yaml"]]
    assert page["groups"][-1]["state"] == "done", "what only wants a look comes last"


def test_commands_name_the_output_folder_where_it_is_not_the_usual_one(tmp_path: Path) -> None:
    made = small(tmp_path, "icon: {matrix: {item: [a]}, prompt: 'An icon.', images: ['photos/none.png']}", sources="")
    made.write("photos/none.png", b"")
    other = tmp_path / "an other"
    with PaidHost().open() as url:
        made.at(url).run("--output", other)
    text = (other / "shop" / "index.html").read_text(encoding="utf-8")
    assert f"--output '{other}'" in text


def test_a_rehearsal_says_that_it_is_one(tmp_path: Path) -> None:
    made = project(tmp_path)
    assert made.run("--provider", "sketch").exit == 0
    page = head(made)
    assert page["sketches"] == len(page["assets"]) == 20
    assert page["money"]["total"] == {"spent": 0, "unknown": 0}


def test_a_sheet_before_the_first_run_says_what_to_type(tmp_path: Path) -> None:
    made = project(tmp_path)
    ran = made.pipeline("sheet", made.manifest)
    assert ran.exit == 0, ran.err
    assert head(made)["typed"] == "shop.yaml"
    assert head(made)["assets"] == []


def test_a_single_file_is_written_on_request(tmp_path: Path) -> None:
    made = small(tmp_path, "icon: {matrix: {item: [a, b]}, prompt: 'An icon of {{ item }}.'}")
    with PaidHost().open() as url:
        assert made.at(url).run().exit == 0
    assert made.pipeline("sheet", made.manifest, "--single-file").exit == 0
    assert all(thumb.startswith("data:image/webp;base64,") for _, _, thumb in head(made)["pictures"])
    assert MOST_SHOWN >= 10_000


def test_a_second_signal_while_thumbnails_are_made_ends_the_run_at_once_with_a_page(tmp_path: Path) -> None:
    def large(order: Order) -> Reply:
        kept = io.BytesIO()
        Pillow.new("RGB", (3000, 3000), tuple(sha256(order.prompt.encode()).digest()[:3])).save(kept, "PNG")
        return Reply(body=answer_of(kept.getvalue()))

    shop = small(tmp_path, icons(40))
    with PaidHost(large).open() as url:
        assert shop.at(url).run("--no-sheet").exit == 0
    places = shop.output / "shop" / "thumbs"

    def thumbs() -> int:
        return len(list(places.glob("*.webp")))

    process = started(shop)
    until(lambda: thumbs() > 0, "a thumbnail")
    process.send_signal(signal.SIGINT)
    time.sleep(0.4)  # make sends a signal twice within milliseconds; a person takes longer
    process.send_signal(signal.SIGINT)
    assert ended(process).exit == 0, "everything is there"
    assert thumbs() < 40
    assert len(head(shop)["assets"]) == 40
    assert shop.pipeline("sheet", shop.manifest).exit == 0
    assert thumbs() == 40
