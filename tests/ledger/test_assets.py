"""Assets, pictures and placements, as runs and commands left them."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.domain.digest import digest_of
from pipeline.domain.errors import UserError
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import PAID, SKETCH, AttemptId, Listed, Placement, RunId, State
from pipeline.domain.step import AssetName
from pipeline.ledger import Blessing, Ledger
from tests.ledger.making import (
    ENDPOINT,
    MANIFEST,
    RUN,
    START,
    asset,
    begun,
    done,
    intent,
    kept,
    key,
    name,
    opened,
    parts,
    picture,
    settled,
    view,
)


def buy(ledger: Ledger, number: int, text: str) -> None:
    ledger.open_attempt(intent(number, (number,)), again=True)
    ledger.settle(done(number, text))


def test_an_asset_comes_back_as_it_was_recorded(tmp_path: Path) -> None:
    rich = asset(
        2,
        text="two",
        axes=(("produkt", "größe/ü"), ("scene", "marble")),
        step_id="night",
        depth=2,
        candidate=3,
        parent=name(1),
        warnings=("size 1024x768, asked 1024x1024",),
        path="hero/2/night.png",
        reason="",
    )
    plain = asset(3, State.PLANNED, key=None)
    with begun(tmp_path) as ledger:
        buy(ledger, 2, "two")
        ledger.record_assets([rich, plain])
        assert list(ledger.assets(MANIFEST)) == [rich, plain]
        assert ledger.asset(MANIFEST, name(2), PAID) == rich
        assert ledger.asset(MANIFEST, name(2), SKETCH) is None
        assert ledger.asset("another", name(2)) is None
        assert ledger.assets_with(picture("two").digest) == (rich,)
        tallies = {(tally.state, tally.reason): (tally.assets, tally.usd) for tally in ledger.tallies(MANIFEST)}
        assert tallies == {(State.DONE, ""): (1, 70_001), (State.PLANNED, ""): (1, 0)}
        ledger.drop_assets(MANIFEST, PAID, [name(3)])
        assert list(ledger.assets(MANIFEST)) == [rich]


def test_many_assets_come_page_by_page_in_the_order_of_their_names(tmp_path: Path) -> None:
    names = [AssetName(f"hero/{number:05d}") for number in range(4_500)]
    with begun(tmp_path) as ledger:
        ledger.record_assets(asset(1, State.PLANNED, asset=each) for each in reversed(names))
        assert [row.asset for row in ledger.assets(MANIFEST)] == names


def test_nothing_new_is_not_written_again(tmp_path: Path) -> None:
    row = asset(1, State.PLANNED)
    with begun(tmp_path) as ledger:
        ledger.record_assets([row])
        later = row._replace(updated_at=START + timedelta(days=1))
        ledger.record_assets([later])
        assert ledger.asset(MANIFEST, name(1)) == row
        ledger.record_assets([later._replace(state=State.SKIPPED)])
        assert ledger.asset(MANIFEST, name(1)) == later._replace(state=State.SKIPPED)


def test_the_picture_before_and_the_words_it_was_asked_with_stay_known(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        buy(ledger, 1, "old")
        ledger.record_assets([asset(1, text="old")])
        # The manifest changes: a new key, planned, then bought.
        ledger.open_attempt(intent(2, (2,)))
        ledger.record_assets([asset(1, State.PLANNED, key=key(2))])
        planned = ledger.asset(MANIFEST, name(1))
        assert planned is not None
        assert (planned.image, planned.previous) == (None, picture("old").digest)
        assert ledger.previous_parts(MANIFEST, [name(1), name(7)]) == {name(1): parts(1).as_json()}
        ledger.settle(done(2, "new"))
        ledger.record_assets([asset(1, text="new", key=key(2))])
        bought = ledger.asset(MANIFEST, name(1))
        assert bought is not None
        assert (bought.image, bought.previous) == (picture("new"), picture("old").digest)
        assert ledger.previous_parts(MANIFEST, [name(1)]) == {name(1): parts(2).as_json()}


def test_an_asset_seen_in_two_spaces_shows_as_it_was_left_last(tmp_path: Path) -> None:
    paid = asset(1, text="paid")
    rehearsed = asset(1, text="sketch", space=SKETCH, updated_at=START + timedelta(hours=1))
    with begun(tmp_path) as ledger:
        buy(ledger, 1, "paid")
        ledger.open_attempt(intent(2, (1,), space=SKETCH))
        ledger.settle(done(2, "sketch", space=SKETCH))
        ledger.record_assets([paid])
        ledger.record_assets([rehearsed])
        assert list(ledger.assets(MANIFEST)) == [rehearsed]
        assert list(ledger.assets(MANIFEST, PAID)) == [paid]
        # The next paid run finds everything there and says so, although nothing of its row is new.
        back = paid._replace(updated_at=START + timedelta(hours=2))
        ledger.record_assets([back])
        assert ledger.asset(MANIFEST, name(1)) == back
        assert [row["sha256"] for row in view(tmp_path, "SELECT * FROM v_assets")] == [picture("paid").digest]


def test_a_blessing_keeps_the_picture_for_the_changed_key(tmp_path: Path) -> None:
    blessing = Blessing(manifest=MANIFEST, space=PAID, asset=name(1), old_key=key(1), new_key=key(2), parts=parts(2))
    with begun(tmp_path) as ledger:
        with pytest.raises(UserError, match="no picture to keep"):
            ledger.bless(blessing)
        buy(ledger, 1, "kept")
        ledger.record_assets([asset(1, text="kept")])
        ledger.bless(blessing)
        slot = ledger.slots(PAID, [key(2)])[key(2)]
        assert (slot.state, slot.image, slot.usd) == (State.DONE, picture("kept"), 70_001)
        row = ledger.asset(MANIFEST, name(1))
        assert row is not None
        assert (row.key, row.state, row.image) == (key(2), State.DONE, picture("kept"))
        assert ledger.previous_parts(MANIFEST, [name(1)]) == {name(1): parts(2).as_json()}
        assert ledger.money_since().spent == 70_001  # nothing is paid twice


def test_a_blessed_flaw_is_done(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1))
        ledger.settle(settled(1, done(1).outcome, [kept("flat", state=State.FAILED, reason="opaque")]))
        ledger.record_assets([asset(1, State.FAILED, text="flat", reason="opaque")])
        ledger.bless(
            Blessing(manifest=MANIFEST, space=PAID, asset=name(1), old_key=key(1), new_key=key(1), parts=parts(1))
        )
        assert ledger.slots(PAID, [key(1)])[key(1)].state is State.DONE
        row = ledger.asset(MANIFEST, name(1))
        assert row is not None
        assert (row.state, row.reason) == (State.DONE, "")


def test_a_lost_picture_is_asked_for_again_and_its_money_stays_counted(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        buy(ledger, 1, "gone")
        ledger.record_assets([asset(1, text="gone")])
        assert ledger.pictures.lose(picture("gone").digest) == ((MANIFEST, name(1)),)
        slot = ledger.slots(PAID, [key(1)])[key(1)]
        assert (slot.state, slot.reason, slot.image) == (State.PLANNED, "lost", None)
        assert ledger.pictures.find(picture("gone").digest) is None
        assert ledger.money_since().spent == 70_001
        ledger.open_attempt(intent(2, (1,)))


def test_strays_are_pictures_that_nothing_refers_to(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        for number, text in ((1, "old"), (2, "shown"), (3, "slot only")):
            buy(ledger, number, text)
        ledger.record_assets([asset(1, text="old")])
        ledger.record_assets([asset(1, text="shown")])  # `old` is its previous picture
        ledger.open_attempt(intent(4, (4,), space=SKETCH))
        ledger.settle(settled(4, done(4).outcome, [kept("surplus", None)], space=SKETCH))
        ledger.pictures.adopt([picture("stranger"), picture("shown")])
        strays = {stray.image: (stray.space, stray.usd) for stray in ledger.pictures.strays()}
        assert strays == {picture("surplus"): (SKETCH, 70_001), picture("stranger"): (PAID, 0)}
        ledger.pictures.forget(picture("surplus").digest for _ in range(2))
        assert len(list(ledger.pictures.every())) == 4
        assert ledger.pictures.origin(picture("stranger").digest) == (None, None)
        assert ledger.pictures.origin(digest_of(b"never seen")) is None


def test_attempts_can_be_asked_for_by_what_people_know(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        buy(ledger, 1, "one")
        ledger.begin_run(RunId("run-2"), manifest="other")
        ledger.open_attempt(intent(2, (1, 2), manifest="other", run_id=RunId("run-2")), again=True)

        def ids(**asked: object) -> list[str]:
            return [row.attempt_id for row in ledger.attempts(**asked)]  # type: ignore[arg-type]

        assert ids() == ["attempt-2", "attempt-1"]
        assert ids(limit=1) == ["attempt-2"]
        assert ids(run=RUN) == ["attempt-1"]
        assert ids(manifest="other", asset=name(2)) == ["attempt-2"]
        assert ids(asset=name(1)) == ["attempt-2", "attempt-1"]
        assert ids(outcome="sent") == ["attempt-2"]
        assert ids(outcome="done", manifest="other") == []
        (row,) = ledger.attempts(attempt_id=AttemptId("attempt-2"))
        assert (row.assets, row.keys, row.outcome, row.ended_at) == ((name(1), name(2)), (key(1), key(2)), "sent", None)
        assert ledger.latencies("main", "gpt-image-2") == (40.0,)
        assert ledger.latencies("main", "another") == ()
        ledger.end_run(RUN, exit=11)
        assert [(run.run_id, run.exit) for run in ledger.runs()] == [("run-2", None), (RUN, 11)]
        assert [run.run_id for run in ledger.runs("other", limit=1)] == ["run-2"]


def test_placements_are_found_by_path_and_by_folder(tmp_path: Path) -> None:
    def placed(path: str, text: str = "x") -> Placement:
        return Placement(path=path, digest=picture(text).digest, size=3, mtime_ns=10**18 + 7, space=PAID, asset=name(1))

    files = [placed("shop/hero/ü 1.png"), placed("shop/hero/2.png"), placed("shop-2/hero/1.png")]
    with begun(tmp_path) as ledger:
        ledger.placements.record(files)
        ledger.placements.record([placed("shop/hero/2.png", "newer")])
        assert ledger.placements.at(["shop/hero/ü 1.png", "nowhere.png"]) == {"shop/hero/ü 1.png": files[0]}
        assert list(ledger.placements.under("shop")) == [placed("shop/hero/2.png", "newer"), files[0]]
        assert len(list(ledger.placements.under(""))) == 3
        ledger.placements.drop(["shop/hero/2.png"])
        assert [file.path for file in ledger.placements.under("shop")] == ["shop/hero/ü 1.png"]


def test_placements_are_found_by_name_whatever_follows_it(tmp_path: Path) -> None:
    mine = {f"shop/a{end}" for end in (".png", ".jpg", ".sketch.png", "~new.webp", ".sketch~new.png", "~new-7.png")}
    others = {"shop/a/boat.png", "shop/ab.png", "shop/a", "shop/a-2.png", "shop/a b.png", "shop/A.png", "shop/b.png"}
    with begun(tmp_path) as ledger:
        ledger.placements.record(
            Placement(path=path, digest=picture("x").digest, size=3, mtime_ns=1, space=PAID, asset=name(1))
            for path in mine | others
        )
        found = ledger.placements.named(["shop/a", "shop/b", "nowhere"])
        assert set(found) == mine | {"shop/b.png"}
        assert all(path == file.path for path, file in found.items())


@pytest.mark.parametrize("keys", [(), ("a",), ('größe "x"\n', "\x7f\\é/\u2028")])
def test_axes_come_back_as_they_were(tmp_path: Path, keys: tuple[str, ...]) -> None:
    axes = tuple((f"axis-{number}", each) for number, each in enumerate(keys))
    with begun(tmp_path) as ledger:
        ledger.record_assets([asset(1, axes=axes)])
        assert view(tmp_path, "SELECT axes FROM assets")[0]["axes"] == json.dumps(
            axes, ensure_ascii=False, separators=(",", ":")
        )
        row = ledger.asset(MANIFEST, name(1))
        assert row is not None
        assert row.axes == axes


def test_feeds_limits_and_inputs_are_remembered(tmp_path: Path) -> None:
    first = {"A-1": digest_of(b"1"), "A-2": digest_of(b"2")}
    second = {"A-2": digest_of(b"2b"), "ü/3": digest_of(b"3")}
    with begun(tmp_path) as ledger:
        memory = ledger.memory
        assert memory.feed(MANIFEST, "products") is None
        memory.record_feed(MANIFEST, "products", RUN, first)
        memory.record_feed(MANIFEST, "scenes", RUN, {})
        assert (memory.feed(MANIFEST, "products"), memory.feed(MANIFEST, "scenes")) == (first, {})
        memory.record_feed(MANIFEST, "products", RUN, second)
        assert memory.feed(MANIFEST, "products") == second
        assert memory.feed("another", "products") is None
        assert memory.limits("main", "0a1b2c3d") is None
        memory.record_limits("main", "0a1b2c3d", {"requests_per_minute": 50.5})
        memory.record_limits("main", "0a1b2c3d", {"requests_per_minute": 60})
        learned = memory.limits("main", "0a1b2c3d")
        assert learned is not None
        assert learned.limits == {"requests_per_minute": 60}
        assert learned.at > START
        assert memory.all_limits() == (learned,)
        photo = digest_of(b"photo")
        memory.record_inputs([(photo, "photos/a.jpg", ["turned upright"]), (photo, "photos/b.jpg", [])])
        assert memory.input_sources(photo) == (("photos/a.jpg", ("turned upright",)), ("photos/b.jpg", ()))


def test_a_reader_sees_what_a_writer_commits_meanwhile_and_cannot_write(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger, opened(tmp_path, write=False) as reader:
        assert reader.epoch is None
        buy(ledger, 1, "one")
        assert reader.slots(PAID, [key(1)])[key(1)].image == picture("one")
        with pytest.raises(Exception, match="reading only"):
            reader.record_assets([asset(1)])


def test_the_tallies_are_what_counting_would_say_whatever_happened(tmp_path: Path) -> None:
    def check(ledger: Ledger) -> None:
        told = {(t.manifest, t.space, t.state, t.reason): (t.assets, t.usd) for t in ledger.tallies()}
        counted = view(
            tmp_path,
            "SELECT manifest, space, state, reason, count(*) AS n, sum(usd) AS usd FROM assets GROUP BY 1, 2, 3, 4",
        )
        assert told == {(r["manifest"], r["space"], r["state"], r["reason"]): (r["n"], r["usd"]) for r in counted}

    with begun(tmp_path) as ledger:
        for number in range(1, 5):
            buy(ledger, number, f"picture {number}")
        ledger.record_assets(asset(number, text=f"picture {number}") for number in range(1, 5))
        check(ledger)
        ledger.record_assets([asset(1, State.UNKNOWN), asset(2, text="picture 2", usd=MicroUsd(7)), asset(5)])
        check(ledger)
        ledger.pictures.lose(picture("picture 3").digest)
        ledger.drop_assets(MANIFEST, PAID, [name(5), name(99)])
        check(ledger)
        # Two rows become one: what the endpoint brought replaces the rehearsal's row.
        ledger.record_assets([asset(4, State.PLANNED, space=SKETCH)])
        ledger.learn_sketch(ENDPOINT)
        check(ledger)
        assert {tally.space for tally in ledger.tallies()} == {SKETCH}


def test_a_photo_recalls_what_was_made_from_it_also_what_was_blessed(tmp_path: Path) -> None:
    photo = digest_of(b"photo 1")  # what making.parts(1) was made from
    with begun(tmp_path) as ledger:
        for number in (1, 2):
            buy(ledger, number, f"picture {number}")
        ledger.record_assets([asset(1, text="picture 1"), asset(2, text="picture 2")])
        ledger.record_assets([asset(1, text="picture 1", manifest="another")])
        assert [(row.manifest, row.asset) for row in ledger.assets_from(photo)] == [
            ("another", name(1)),
            (MANIFEST, name(1)),
        ]
        ledger.bless(
            Blessing(manifest=MANIFEST, space=PAID, asset=name(1), old_key=key(1), new_key=key(3), parts=parts(3))
        )
        assert {row.manifest for row in ledger.assets_from(photo)} == {"another", MANIFEST}
        assert [row.asset for row in ledger.assets_from(digest_of(b"photo 3"))] == [name(1)]
        assert ledger.assets_from(digest_of(b"another photo")) == ()


def test_what_is_listed_is_what_the_whole_rows_say(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        buy(ledger, 2, "two")
        rows = [asset(2, text="two", warnings=("half", "ü")), asset(3, State.REFUSED, key=None, reason="input")]
        ledger.record_assets([*rows, rows[0]._replace(manifest="other"), rows[0]._replace(space=SKETCH)])
        listed = list(ledger.listed(MANIFEST, PAID))
        whole = list(ledger.assets(MANIFEST, PAID))
        assert [tuple(getattr(row, name) for name in Listed._fields) for row in whole] == listed
        assert [row.asset for row in listed] == [name(2), name(3)]


def test_names_and_keys_alone_are_those_of_the_whole_rows(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        buy(ledger, 2, "two")
        mine = [asset(2, text="two"), asset(3, State.PLANNED, key=None)]
        others = [mine[0]._replace(manifest="other"), mine[0]._replace(space=SKETCH)]
        ledger.record_assets([*mine, *others])
        assert ledger.asset_keys(MANIFEST, PAID) == {row.asset: row.key for row in mine}
        assert {row.key for row in mine} == {key(2), None}
