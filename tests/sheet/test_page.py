"""The page's text and the files beside it, without a browser."""

import base64
import hashlib
import io
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.money import MicroUsd, to_usd
from pipeline.domain.record import Money, State
from pipeline.sheet.board import board_of, tiles_of
from pipeline.sheet.build import build
from pipeline.sheet.index import pieces_of, spelled, write_index
from pipeline.sheet.model import Seen, SheetData
from pipeline.sheet.overview import Job, render_overview, write_overview
from pipeline.sheet.page import inert, render
from pipeline.sheet.thumbs import drop_thumbs, make_thumbs, thumb_path
from pipeline.sheet.writing import BOARD, PAGE, write
from tests.sheet.making import HOSTILE, Night, drawn, night, run_row


class Scripts(HTMLParser):
    """What a browser takes for scripts and styles: their kind, class and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag in {"script", "style"}:
            self.found.append((tag, dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.found and self.cdata_elem:
            tag, attributes, text = self.found[-1]
            self.found[-1] = (tag, attributes, text + data)

    def head(self) -> Any:
        return next(json.loads(text) for _, attributes, text in self.found if attributes.get("id") == "head")

    def stories(self) -> list[Any]:
        batches = [json.loads(text) for _, attributes, text in self.found if attributes.get("class") == "stories"]
        return [story for batch in batches for story in batch]


def page_of(data: SheetData) -> Scripts:
    return Scripts(render(build(data), {}))


def hashed(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def test_only_our_own_scripts_and_style_may_run_and_nothing_may_be_fetched() -> None:
    text = render(build(night().data()), {})
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    rules = dict(rule.split(" ", 1) for rule in policy[1].replace("&#39;", "'").split("; "))
    page = Scripts(text)
    code = [hashed(found) for tag, attributes, found in page.found if tag == "script" and "type" not in attributes]
    style = [hashed(found) for tag, _, found in page.found if tag == "style"]
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].split() == code
    assert rules["style-src"].split() == style
    assert rules["img-src"].split() == ["'self'", "file:", "data:"]
    assert {rules["base-uri"], rules["form-action"]} == {"'none'"}
    assert not [value for name, value in page.attributes if name.startswith("on") or name == "style"]
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text)


def test_hostile_texts_end_no_element_and_come_back_as_they_were() -> None:
    made = Night()
    made.asset(
        "a/1",
        (("axis", HOSTILE),),
        shows="",
        prompt=HOSTILE,
        reason=HOSTILE,
        warnings=(HOSTILE,),
        params={HOSTILE: HOSTILE},
        attempt={
            "manifest": HOSTILE,
            "message": HOSTILE,
            "request_id": HOSTILE,
            "culprit": HOSTILE,
            "error_code": HOSTILE,
        },
    )
    honest = Night()
    honest.asset("a/1", (("axis", "x"),), shows="", reason="input", warnings=("x",))
    page = page_of(made.data(manifest=HOSTILE, typed=HOSTILE))
    assert page.tags.count("script") == page_of(honest.data()).tags.count("script")
    assert not {"img", "b", "i"} & set(page.tags)
    head, (story,) = page.head(), page.stories()
    assert head["manifest"] == head["groups"][0]["cause"] == head["assets"][0]["reason"] == HOSTILE
    assert head["shots"][0]["axes"] == [["axis", [HOSTILE]]]
    assert story["prompt"] == story["tries"][0]["message"] == story["tries"][0]["culprit"] == HOSTILE
    assert story["params"] == [[HOSTILE, HOSTILE]]


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec=None), max_size=40))
def test_any_text_comes_back_from_its_script_element(text: str) -> None:
    block = inert({"text": text})
    block.encode("utf-8")
    assert not set(block) & set("<>&\u2028\u2029")
    assert json.loads(block)["text"] == text


def test_prompts_of_32000_characters_in_any_script_are_told_whole() -> None:
    made = Night()
    prompt = "画一座灯塔。" * 2_600 + "منارة على جرف " * 1_200
    made.asset("a/1", prompt=prompt)
    (story,) = page_of(made.data()).stories()
    assert story["prompt"] == prompt


def test_a_story_has_everything_that_is_known_of_an_asset() -> None:
    made = night()
    page = page_of(made.data())
    head = page.head()
    number = next(at for at, asset in enumerate(head["assets"]) if asset["name"] == "hero/mug/marble/main")
    story = page.stories()[number]
    assert story["prompt"].startswith("Studio packshot of a mug on marble")
    assert story["asked"] == "maker/main (images)"
    assert story["params"] == [["quality", "high"], ["size", "1024x1024"]]
    (role, source, picture, digest) = story["inputs"][0]
    assert (role, source, head["pictures"][picture][0]) == ("image", "photos/mug.jpg", digest)
    assert [attempt["usd"] for attempt in story["tries"]] == [0.053, 0.053]
    assert all(attempt["request"].startswith("req_") for attempt in story["tries"])
    assert story["key"] == made.rows[0].key
    assert story["spent"] == 0.106
    assert head["assets"][number]["earlier"]
    night_edit = next(asset for asset in head["assets"] if asset["name"] == "story/harbour/night")
    assert head["assets"][night_edit["parent"] - 1]["name"] == "story/harbour/rain"


def test_axes_keep_the_manifests_order_and_new_keys_follow() -> None:
    made = night()
    made.asset("hero/teapot/marble/main", (("product", "teapot"), ("scene", "marble"), ("model", "main")))
    made.asset("gone/1", (("old", "1"),))
    shots = {shot["name"]: shot for shot in page_of(made.data()).head()["shots"]}
    assert shots["hero"]["axes"][0] == ["product", ["mug", "lamp", "vase", "teapot"]]
    assert shots["story"]["steps"] == ["", "rain", "night"]
    assert shots["gone"]["axes"] == [["old", ["1"]]]


def test_without_scripts_the_page_still_lists_what_is_there_and_what_is_missing() -> None:
    made = night()
    text = render(build(made.data()), {digest: Seen(thumb=thumb_path(digest)) for digest in made.pictures})
    plain = text.partition("<noscript>")[2].partition("</noscript>")[0]
    assert plain.count("<figure>") == len(made.rows)
    assert "pipeline reconcile jobs/shop.yaml --billed" in plain
    assert 'href="hero/mug/marble/main.png"' in plain


def test_the_same_sheet_is_the_same_text() -> None:
    data = night().data()
    assert render(build(data), {}) == render(build(replace(data)), {})


# --- files


def test_a_written_sheet_has_thumbnails_a_board_and_a_page_and_keeps_their_times(tmp_path: Path) -> None:
    made, folder = night(), tmp_path / "output" / "shop"
    find = made.finder(folder)
    page = write(folder, made.data(), find)
    assert page == folder / PAGE
    sheet = build(made.data())
    assert {path.name for path in (folder / "thumbs").iterdir()} == {f"{digest}.webp" for digest in sheet.digests()}
    files = [page, folder / BOARD, *sorted((folder / "thumbs").iterdir())]
    before = [path.stat().st_mtime_ns for path in files]
    write(folder, made.data(), find)
    assert [path.stat().st_mtime_ns for path in files] == before
    assert not list(folder.glob(".*"))
    more = replace(made.data(), month=Money(spent=MicroUsd(1), unknown=MicroUsd(0)))
    write(folder, more, find)
    assert page.stat().st_mtime_ns != before[0]
    assert (folder / BOARD).stat().st_mtime_ns == before[1]


def test_every_path_on_a_page_leads_to_a_file(tmp_path: Path) -> None:
    made, folder = night(), tmp_path / "output" / "shop"
    head = Scripts(write(folder, made.data(), made.finder(folder)).read_text(encoding="utf-8")).head()
    for digest, full in head["pictures"]:
        assert (folder / full).is_file()
        assert (folder / thumb_path(digest)).is_file()
    assert all((folder / asset["file"]).is_file() for asset in head["assets"] if "file" in asset)


def test_a_single_file_holds_its_thumbnails(tmp_path: Path) -> None:
    made, folder = night(), tmp_path / "output" / "shop"
    head = Scripts(write(folder, made.data(), made.finder(folder), single_file=True).read_text(encoding="utf-8")).head()
    for _, _, thumb in head["pictures"]:
        kind, data = thumb.split(",", 1)
        assert kind == "data:image/webp;base64"
        with Pillow.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.format == "WEBP"


def test_missing_broken_and_odd_files_stop_nothing_and_have_no_thumbnail(tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    good.write_bytes(drawn("good", width=900, height=300, alpha=True))
    broken, cut, page, folder, pipe = (tmp_path / name for name in ("broken", "cut", "page", "folder", "pipe"))
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnot a picture")
    cut.write_bytes(drawn("cut")[:300])
    page.write_text("<svg onload=alert(1)>")
    folder.mkdir()
    os.mkfifo(pipe)
    files = {digest_of(path.name.encode()): path for path in (good, broken, cut, page, folder, pipe)}
    nowhere = digest_of(b"nowhere")
    made = make_thumbs(tmp_path, [*files, nowhere], files.get)
    assert made == {digest_of(b"good.png")}
    with Pillow.open(tmp_path / thumb_path(digest_of(b"good.png"))) as thumb:
        assert (thumb.format, thumb.size, thumb.mode) == ("WEBP", (320, 107), "RGBA")


def test_in_a_hurry_the_page_is_whole_and_the_next_sheet_makes_the_other_thumbnails(tmp_path: Path) -> None:
    made, folder = Night(), tmp_path / "output" / "shop"
    for number in range(40):
        made.asset(f"a/{number}")
    places = folder / "thumbs"

    def hurried() -> bool:
        return places.is_dir() and len(list(places.glob("*.webp"))) >= 3

    page = write(folder, made.data(), made.finder(folder), hurried=hurried)
    assert 3 <= len(list(places.iterdir())) < 40
    assert "a/39" in page.read_text(encoding="utf-8")
    write(folder, made.data(), made.finder(folder))
    assert len(list(places.iterdir())) == 40


def test_thumbnails_go_when_no_page_shows_them_and_other_files_stay(tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    good.write_bytes(drawn("good"))
    kept, gone = digest_of(b"kept"), digest_of(b"gone")
    make_thumbs(tmp_path, [kept, gone], lambda _: good)
    (tmp_path / "thumbs" / f".part-{'a' * 16}").write_bytes(b"half")
    (tmp_path / "thumbs" / "mine.webp").write_bytes(b"a person's")
    (tmp_path / "thumbs" / "folder").mkdir()
    assert drop_thumbs(tmp_path, [kept]) == 2
    left = {path.name for path in (tmp_path / "thumbs").iterdir()}
    assert left == {f"{kept}.webp", "mine.webp", "folder"}


def test_a_photo_lies_upright_in_its_thumbnail(tmp_path: Path) -> None:
    turned = tmp_path / "turned.jpg"
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.new("RGB", (400, 200), (10, 90, 200)).save(turned, exif=exif)
    make_thumbs(tmp_path, [Digest("t")], lambda _: turned)
    with Pillow.open(tmp_path / thumb_path(Digest("t"))) as thumb:
        assert thumb.size == (160, 320)


def test_a_picture_whose_file_is_gone_is_told_with_the_command_that_mends_it(tmp_path: Path) -> None:
    made, folder = night(), tmp_path / "output" / "shop"
    find = made.finder(folder)
    gone = made.rows[0]
    assert gone.image
    path = find(gone.image.digest)
    assert path
    path.unlink()
    assert "files are gone" not in write(folder, made.data(), find).read_text(encoding="utf-8")
    (folder / gone.path).unlink()
    assert "files are gone" in write(folder, made.data(), find).read_text(encoding="utf-8")


def test_the_board_shows_up_to_sixty_pictures_of_all_shots(tmp_path: Path) -> None:
    made = Night()
    for number in range(300):
        made.asset(f"s{number // 100}/{number}", shows=f"{number % 5}")
    folder = tmp_path / "shop"
    sheet = build(made.data())
    make_thumbs(folder, sheet.digests(), made.finder(folder))
    tiles = tiles_of(sheet, folder)
    assert len(tiles) == 60
    assert {tile.name.partition("/")[0] for tile in tiles} == {"s0", "s1", "s2"}
    with Pillow.open(io.BytesIO(board_of(sheet, folder))) as board:
        assert board.width == 1600
        colours = board.convert("RGB").getcolors(1_000_000)
        assert colours
        assert len(colours) > 10


def test_a_board_without_pictures_says_what_is_missing(tmp_path: Path) -> None:
    made = Night()
    made.asset("s/灯塔", shows="", state=State.REFUSED)
    for sheet in (build(made.data()), build(SheetData(manifest=HOSTILE, typed="m"))):
        with Pillow.open(io.BytesIO(board_of(sheet, tmp_path))) as board:
            board.load()


def test_the_index_has_the_contracts_shape() -> None:
    made = night()
    assets = json.loads("".join(pieces_of(sorted(made.rows, key=lambda row: row.asset))))["assets"]
    assert list(assets) == sorted(assets)
    row = made.rows[0]
    assert row.image
    assert assets["hero/mug/marble/main"] == {
        "path": "hero/mug/marble/main.png",
        "sha256": row.image.digest,
        "width": 96,
        "height": 72,
        "alpha": False,
        "state": "done",
        "reason": None,
        "usd": 0.053,
        "warnings": [],
    }
    refused = assets["hero/lamp/linen/rival"]
    assert (refused["path"], refused["sha256"], refused["state"], refused["reason"]) == (
        *(None, None),
        *("refused", "output"),
    )


@settings(max_examples=150, deadline=None)
@given(text=st.text(st.characters(codec=None), max_size=20), usd=st.integers(0, 10**12), there=st.booleans())
def test_an_entry_is_spelled_as_json_spells_it(text: str, usd: int, there: bool) -> None:
    row = night().rows[0]
    row = row._replace(
        path=text, reason=text, usd=MicroUsd(usd), warnings=(text, "x"), image=row.image if there else None
    )
    wanted = {
        "path": text or None,
        "sha256": row.image.digest if row.image else None,
        "width": row.image.facts.width if row.image else None,
        "height": row.image.facts.height if row.image else None,
        "alpha": row.image.facts.has_alpha if row.image else None,
        "state": row.state.value,
        "reason": text or None,
        "usd": to_usd(row.usd),
        "warnings": [text, "x"],
    }
    assert spelled(row) == json.dumps(wanted, ensure_ascii=False)


def test_the_written_index_is_the_object_and_keeps_its_time_when_nothing_changed(tmp_path: Path) -> None:
    made = night()
    path = write_index(tmp_path / "new", made.rows)
    assert json.loads(path.read_bytes()) == {"assets": {row.asset: json.loads(spelled(row)) for row in made.rows}}
    lines = path.read_text(encoding="utf-8").splitlines()
    names = sorted(row.asset for row in made.rows)
    assert [line.partition('": {')[0] for line in lines[2:-2]] == [f'  "{name}' for name in names]
    before = path.stat().st_mtime_ns
    write_index(tmp_path / "new", reversed(made.rows))
    assert path.stat().st_mtime_ns == before
    write_index(tmp_path / "new", ())
    assert json.loads(path.read_bytes()) == {"assets": {}}
    assert [found.name for found in (tmp_path / "new").iterdir()] == ["index.json"]


def test_the_overview_names_every_manifest_and_escapes_it(tmp_path: Path) -> None:
    money = Money(spent=MicroUsd(1_000_000), unknown=MicroUsd(50_000))
    jobs = [
        Job(name="all-there", counts={State.DONE: 3}, total=money, run=run_row(1), covers=(Digest("a" * 64),)),
        Job(name=HOSTILE, counts={State.DONE: 1, State.REFUSED: 2}, total=money, run=None),
        Job(name="no-page", counts={}, total=money, run=None, page=False),
    ]
    text = render_overview(jobs)
    page = Scripts(text)
    assert "script" not in page.tags
    assert page.tags.count("img") == 1
    assert text.index("2 refused") < text.index("all-there"), "what lacks something comes first"
    assert "4 of 6 pictures are there" in text
    assert "$3.00" in text
    assert 'href="all-there/index.html"' in text
    assert 'href="no-page' not in text
    path = write_overview(tmp_path, jobs)
    before = path.stat().st_mtime_ns
    write_overview(tmp_path, jobs)
    assert path.stat().st_mtime_ns == before
    assert "Nothing has been made here yet" in render_overview([])
