"""What a contact sheet asks of the ledger: how many assets came to be."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pipeline.domain.digest import digest_of
from pipeline.domain.record import PAID, SKETCH, RunId, State
from pipeline.domain.step import AssetName
from pipeline.ledger import Ledger
from tests.ledger.making import (
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
)


def buy(
    ledger: Ledger, number: int, numbers: Sequence[int], *texts: str, run: RunId = RUN, manifest: str = MANIFEST
) -> None:
    ledger.open_attempt(intent(number, numbers, run_id=run, manifest=manifest), again=True)
    ledger.settle(done(number, *texts, ended_at=START + timedelta(minutes=number)))


def test_an_assets_pictures_come_with_the_attempts_that_brought_them_the_oldest_first(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        buy(ledger, 1, (1, 2), "one", "two")
        buy(ledger, 2, (1,), "one anew")
        ledger.record_assets([asset(1, text="one anew"), asset(2, text="two")])
        brought = ledger.history.deliveries(MANIFEST, [name(1)])
        assert [(each.asset, each.digest) for each in brought] == [
            (name(1), picture("one").digest),
            (name(2), picture("two").digest),
            (name(1), picture("one anew").digest),
        ]
        assert [each.at for each in brought] == [START + timedelta(minutes=minute) for minute in (1, 1, 2)]
        assert sum(each.usd for each in brought) == 2 * 70_001
        assert {each.key for each in brought} == {key(1), key(2)}
        assert [row.attempt_id for row in ledger.history.attempts(MANIFEST, [name(1)])] == ["attempt-1", "attempt-2"]
        assert [row.attempt_id for row in ledger.history.attempts(MANIFEST, [name(2)])] == ["attempt-1"]
        assert ledger.history.attempts("another", [name(1)]) == ()
        assert ledger.history.attempts(MANIFEST, []) == ()


def test_a_picture_bought_by_another_manifest_for_the_same_key_has_its_story(tmp_path: Path) -> None:
    other = RunId("run-other")
    with begun(tmp_path) as ledger:
        ledger.begin_run(other, manifest="other")
        ledger.open_attempt(intent(1, (1,), run_id=other, manifest="other"))
        ledger.settle(replace(done(1), kept=(kept("one", revised_prompt="a mug, in red"),)))
        shared = AssetName("cover")
        ledger.record_assets([asset(1, text="one", asset=shared), asset(3, State.PLANNED, key=None)])
        (delivery,) = ledger.history.deliveries(MANIFEST, [shared, name(3)])
        assert (delivery.digest, delivery.run_id, delivery.revised_prompt) == (
            picture("one").digest,
            other,
            "a mug, in red",
        )
        assert [row.manifest for row in ledger.history.attempts(MANIFEST, [shared])] == ["other"]
        assert ledger.history.parts(MANIFEST, [shared]) == {key(1): parts(1)}


def test_parts_and_inputs_are_those_of_every_key_an_asset_ever_had(tmp_path: Path) -> None:
    photo = digest_of(b"photo 2")
    with begun(tmp_path) as ledger:
        buy(ledger, 1, (1,), "one")
        ledger.open_attempt(intent(2, (2,), slots=(replace(intent(2, (2,)).slots[0], asset=name(1)),)))
        ledger.settle(done(2, "two"))
        ledger.record_assets([asset(2, text="two", asset=name(1))])
        ledger.memory.record_inputs([(photo, "photos/two.jpg", ()), (digest_of(b"else"), "photos/else.jpg", ())])
        assert ledger.history.parts(MANIFEST, [name(1)]) == {key(1): parts(1), key(2): parts(2)}
        assert ledger.history.inputs(MANIFEST, [name(1)]) == {photo: "photos/two.jpg"}
        assert ledger.history.inputs(MANIFEST, [name(9)]) == {}


def test_a_manifest_stands_as_its_assets_were_left_last_whatever_their_space(tmp_path: Path) -> None:
    later = START + timedelta(hours=1)
    with begun(tmp_path) as ledger:
        ledger.record_assets([asset(1, State.FAILED), asset(2, State.DONE)])
        ledger.record_assets([asset(1, State.DONE, space=SKETCH, updated_at=later)])
        standing = ledger.history.standing(MANIFEST)
        assert dict(standing.counts) == {State.DONE: 2}
        assert (standing.paid, standing.updated_at) == (True, later)
        ledger.drop_assets(MANIFEST, PAID, [name(2)])
        assert not ledger.history.standing(MANIFEST).paid
        empty = ledger.history.standing("another")
        assert (dict(empty.counts), empty.paid, empty.updated_at) == ({}, False, None)


def test_every_manifest_with_runs_or_assets_is_named(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.begin_run(RunId("run-0"), manifest="icons")
        ledger.record_assets([asset(1, manifest="books")])
        assert ledger.history.manifests() == ("books", "icons", MANIFEST)
    with opened(tmp_path / "none", write=False) as nothing:
        assert nothing.history.manifests() == ()
