"""The page's data and the file around it, without a browser."""

import json
import re
from pathlib import Path

from PIL import Image as Pillow

from pipeline.domain.record import State
from pipeline.sheet.index import index_of, write_index
from pipeline.sheet.model import page_data
from pipeline.sheet.render import render, render_overview
from pipeline.sheet.thumbs import contact_sheet, make_thumbs, thumb_path
from tests.sheet.rows import HOSTILE, image, row, sheet, story


def data_in(page: str) -> object:
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert block
    return json.loads(block[1])


def test_the_index_has_the_contracts_shape() -> None:
    found = index_of([row("a/red"), row("a/blue", state=State.REFUSED, reason="input", warnings=("no",))])
    assert list(found) == ["assets"]
    assets = found["assets"]
    assert isinstance(assets, dict)
    assert assets["a/red"] == {
        "path": "a/red.png",
        "sha256": image("a/red").digest,
        "width": 64,
        "height": 48,
        "alpha": False,
        "state": "done",
        "reason": None,
        "usd": 0.053,
        "warnings": [],
    }
    blue = assets["a/blue"]
    assert isinstance(blue, dict)
    assert (blue["path"], blue["state"], blue["reason"], blue["warnings"]) == (None, "refused", "input", ["no"])


def test_an_equal_index_keeps_its_time_of_change(tmp_path: Path) -> None:
    path = write_index(tmp_path, [row("a/red")])
    before = path.stat().st_mtime_ns
    write_index(tmp_path, [row("a/red")])
    assert path.stat().st_mtime_ns == before
    write_index(tmp_path, [row("a/blue")])
    assert "a/blue" in path.read_text()


def test_missing_assets_are_grouped_by_cause_worst_first_with_the_command_that_settles_them() -> None:
    stories = (
        story(row("a/1", state=State.FAILED, reason="rejected", warnings=("bad size",))),
        story(row("a/2", state=State.UNKNOWN, warnings=("cut after 100 s",))),
        story(row("a/3", state=State.FAILED, reason="rejected", warnings=("bad size",))),
        story(row("a/4", state=State.REFUSED, reason="input")),
        story(row("a/5")),
        story(row("a/6", state=State.PLANNED)),
    )
    trouble = page_data(sheet(stories))["trouble"]
    assert trouble == [
        {
            "state": "unknown",
            "cause": "cut after 100 s",
            "assets": ["a/2"],
            "command": "pipeline reconcile jobs/m.yaml",
        },
        {
            "state": "refused",
            "cause": "input",
            "assets": ["a/4"],
            "command": "pipeline run jobs/m.yaml --retry refused",
        },
        {
            "state": "failed",
            "cause": "rejected: bad size",
            "assets": ["a/1", "a/3"],
            "command": "pipeline run jobs/m.yaml",
        },
    ]


def test_hostile_texts_stay_text() -> None:
    given = row("a/red", state=State.FAILED, reason=HOSTILE, warnings=(HOSTILE,), axes=(("colour", HOSTILE),))
    page = render(page_data(sheet((story(given, prompt=HOSTILE),), axes=(("colour", (HOSTILE,)),))))
    assert page.count("<script") == 2, "the data and our own script, nothing else"
    assert "<img src=x" not in page
    found = data_in(page)
    assert isinstance(found, dict)
    assert found["assets"][0]["prompt"] == HOSTILE


def test_a_page_allows_nothing_but_itself() -> None:
    page = render(page_data(sheet((story(row("a/red")),))))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    assert "http" not in policy[1]
    assert not re.search(r'(?:src|href)="https?:', page)


def test_prompts_of_32000_characters_in_any_script_are_kept_whole() -> None:
    prompt = "一" * 16_000 + "ض" * 16_000
    found = data_in(render(page_data(sheet((story(row("a/red"), prompt=prompt),)))))
    assert isinstance(found, dict)
    assert found["assets"][0]["prompt"] == prompt


def test_a_broken_or_missing_picture_has_no_thumbnail_and_stops_nothing(tmp_path: Path) -> None:
    good, broken = tmp_path / "good.png", tmp_path / "broken.png"
    Pillow.new("RGBA", (900, 300), (200, 30, 30, 0)).save(good)
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnot a picture")
    pictures = {image("good").digest: good, image("broken").digest: broken, image("gone").digest: tmp_path / "gone.png"}
    assert make_thumbs(tmp_path, pictures) == {image("good").digest}
    with Pillow.open(tmp_path / thumb_path(image("good").digest)) as thumb:
        assert (thumb.format, thumb.size, thumb.mode) == ("WEBP", (320, 107), "RGBA")


def test_a_contact_sheet_is_one_picture_of_all(tmp_path: Path) -> None:
    one = tmp_path / "one.webp"
    Pillow.new("RGB", (320, 200), (10, 90, 200)).save(one)
    made = contact_sheet(
        tmp_path / "contact-sheet.png", [("a/red", one), ("一/" + "x" * 60, one), ("gone", tmp_path / "no")]
    )
    assert made
    with Pillow.open(made) as picture:
        assert picture.width > 300
        shade = picture.getpixel((90, 100))
        assert isinstance(shade, tuple)
        assert max(abs(got - asked) for got, asked in zip(shade, (10, 90, 200), strict=True)) <= 3, "WebP is lossy"
    assert contact_sheet(tmp_path / "none.png", []) is None


def test_the_overview_escapes_what_manifests_are_called() -> None:
    job = {"name": HOSTILE, "href": "m/index.html", "states": [("done", 3)], "last": "", "thumbs": []}
    page = render_overview([job])
    assert "<img src=x" not in page
    assert "<script" not in page.replace("&lt;script", "")
