"""What a page says, told from rows alone."""

import shlex
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.domain.digest import digest_of
from pipeline.domain.record import SKETCH, AttemptId, Reason, State
from pipeline.domain.step import AssetName
from pipeline.sheet.build import build
from pipeline.sheet.model import Group, Sheet, SheetData
from tests.sheet.making import HOSTILE, LAST_NIGHT, NIGHT_BEFORE, RUNS, Night, night, run_row

STOPPED = {3: "key was refused", 4: "no money", 12: "budget", 13: "deadline", 130: "interrupted"}


def group_of(sheet: Sheet, asset: str) -> Group:
    (found,) = [group for group in sheet.groups if asset in group.assets]
    return found


def commands(group: Group) -> list[str]:
    return [command.text for command in group.commands]


def test_what_is_missing_comes_worst_first_and_what_only_wants_a_look_last() -> None:
    sheet = build(night().data())
    assert [group.state.value for group in sheet.groups] == [
        "unknown",
        "refused",
        "failed",
        "failed",
        "planned",
        "done",
    ]
    missing = {asset for group in sheet.groups[:-1] for asset in group.assets}
    assert missing == {card.row.asset for card in sheet.cards if card.row.state is not State.DONE}


def test_each_asset_that_lacks_is_in_one_group_alone() -> None:
    sheet = build(night().data())
    named = [asset for group in sheet.groups if group.state is not State.DONE for asset in group.assets]
    assert len(named) == len(set(named))


def test_the_same_cause_is_one_group_whatever_numbers_and_ids_its_message_has() -> None:
    made = Night()
    for number in range(5):
        said = f"HTTP 400: size {number}024x1 is not offered (request req_{number}8fa7c6{number})"
        made.asset(f"a/{number}", shows="", reason="rejected", warnings=(said,))
    made.asset("a/5", shows="", reason="rejected", warnings=("the model does not take masks",))
    for name in ("mug", "lamp"):
        made.asset(f"b/{name}", shows="", reason="input", warnings=(f"photos/{name}.jpg: no such file",))
    groups = build(made.data()).groups
    assert [len(group.assets) for group in groups] == [5, 2, 1]
    assert groups[1].cause == "photos/mug.jpg: no such file\n(and 1 more of this kind)"


@pytest.mark.parametrize(
    ("state", "reason", "wanted"),
    [
        (
            State.UNKNOWN,
            "",
            [
                "pipeline reconcile jobs/shop.yaml --billed",
                "pipeline reconcile jobs/shop.yaml --not-billed",
                "pipeline reconcile jobs/shop.yaml --rebuy",
            ],
        ),
        (State.REFUSED, "output", ["pipeline run jobs/shop.yaml --retry refused"]),
        (State.FAILED, "", ["pipeline run jobs/shop.yaml"]),
        (State.FAILED, "something new", ["pipeline run jobs/shop.yaml"]),
        (State.FAILED, Reason.INPUT, ["pipeline run jobs/shop.yaml"]),
        (State.FAILED, Reason.REJECTED, ["pipeline run jobs/shop.yaml"]),
        (State.FAILED, Reason.MODEL, ["pipeline doctor jobs/shop.yaml", "pipeline run jobs/shop.yaml"]),
        (State.FAILED, Reason.EXHAUSTED, ["pipeline run jobs/shop.yaml"]),
        (State.FAILED, Reason.OPAQUE, ["pipeline bless jobs/shop.yaml a/1", "pipeline run jobs/shop.yaml --again a/1"]),
        (
            State.FAILED,
            Reason.MISMATCH,
            ["pipeline bless jobs/shop.yaml a/1", "pipeline run jobs/shop.yaml --again a/1"],
        ),
        (State.FAILED, Reason.LOST, ["pipeline run jobs/shop.yaml --again a/1"]),
        (State.PLANNED, "", ["pipeline run jobs/shop.yaml"]),
        (State.PLANNED, Reason.LOST, ["pipeline run jobs/shop.yaml"]),
        (State.SKIPPED, Reason.PARENT, []),
        (State.WAITING, "", []),
    ],
)
def test_every_trouble_comes_with_the_commands_that_settle_it(state: State, reason: str, wanted: list[str]) -> None:
    made = Night()
    made.asset("a/1", shows="", state=state, reason=reason)
    made.asset("a/2", state=State.DONE)
    (group,) = build(made.data(runs=(run_row(1),))).groups
    assert commands(group) == wanted
    assert group.advice or state is State.WAITING


def test_a_command_names_its_assets_where_others_of_that_state_lack_for_other_causes() -> None:
    made = Night()
    made.asset("a/1", shows="", state=State.UNKNOWN, warnings=("cut",))
    made.asset("a/2", shows="", state=State.UNKNOWN, warnings=("timed out",))
    made.asset("a/x y#2", shows="", state=State.UNKNOWN, warnings=("timed out",))
    first = commands(group_of(build(made.data()), "a/2"))[0]
    assert shlex.split(first) == ["pipeline", "reconcile", "jobs/shop.yaml", "a/2", "a/x y#2", "--billed"]


def test_settling_some_unknown_outcomes_never_settles_others_however_many_they_are() -> None:
    made = Night()
    for number in range(300):
        made.asset(f"a/{number}", shows="", state=State.UNKNOWN, warnings=("cut",))
    made.asset("b/1", shows="", state=State.UNKNOWN, warnings=("timed out",))
    for command in commands(group_of(build(made.data()), "a/7")):
        assert len(shlex.split(command)) == 304


def test_names_and_manifests_are_quoted_for_a_shell_and_are_no_patterns() -> None:
    made = Night()
    hostile = AssetName("a/[x]*?/$(touch owned); 'q' \"d\" `t`")
    made.asset(hostile, shows="", reason="opaque")
    data = made.data(typed=shlex.quote("jobs/my file.yaml"), options="--output '/tmp/an other'")
    bless, again = commands(group_of(build(data), hostile))
    assert shlex.split(bless) == [
        *("pipeline", "bless", "jobs/my file.yaml", hostile),
        *("--output", "/tmp/an other"),
    ]
    literal = hostile.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")
    assert shlex.split(again)[3:5] == ["--again", literal]


@pytest.mark.parametrize(("code", "said"), STOPPED.items())
def test_what_was_not_tried_says_why_the_last_run_stopped(code: int, said: str) -> None:
    made = Night()
    made.asset("a/1", shows="", state=State.PLANNED)
    (group,) = build(made.data(runs=(replace(run_row(0), exit=code), run_row(1)))).groups
    assert said in group.advice


def test_pictures_whose_bytes_are_nowhere_are_a_group_of_their_own() -> None:
    made = Night()
    gone = made.asset("a/1")
    made.asset("a/2")
    assert gone.image
    (group,) = build(made.data(), frozenset({gone.image.digest})).groups
    assert (group.assets, commands(group)[0]) == (("a/1",), "pipeline verify --repair")


def test_an_asset_has_its_attempts_its_earlier_pictures_and_why_the_present_one_was_made() -> None:
    sheet = build(night().data())
    cards = {card.row.asset: card for card in sheet.cards}
    mug = cards[AssetName("hero/mug/marble/main")]
    assert len(mug.attempts) == 2
    assert [earlier.at for earlier in mug.earlier] == [NIGHT_BEFORE]
    assert mug.taken is not None
    assert mug.taken >= LAST_NIGHT
    assert mug.spent == 106_000
    assert mug.because.startswith("asked again: prompt ")
    assert "quality low → high" in mug.because
    assert "image 1" not in mug.because
    lamp = cards[AssetName("hero/lamp/marble/main")]
    assert (lamp.because, lamp.earlier) == ("asked for the first time", ())
    refused = cards[AssetName("hero/lamp/linen/rival")]
    assert (refused.because, refused.taken) == ("", None)


def test_a_picture_that_another_asset_asked_for_says_whose_it_is() -> None:
    made = Night()
    made.asset("a/1", shows="shared")
    twin = made.asset("a/2", shows="shared", state=State.DONE)
    made.attempts.pop()
    made.deliveries.pop()
    (_, card) = build(made.data()).cards
    assert card.row == twin
    assert card.because == "asks for the same as a/1, so it was not bought again"
    assert [attempt.assets for attempt in card.attempts] == [("a/1",)]
    assert card.taken == twin.updated_at


def test_a_blessed_picture_says_what_it_was_kept_in_spite_of() -> None:
    made = Night()
    row = made.asset("a/1", prompt="a mug")
    other = made.asset("a/2", prompt="a cup")
    made.rows = [row._replace(key=other.key)]
    (card,) = build(made.data()).cards
    assert card.because == "kept for a changed request by `pipeline bless`: prompt a mug → a cup"


def test_asking_anew_without_a_change_is_told_so() -> None:
    made = Night()
    row = made.asset("a/1")
    made.asked(row, NIGHT_BEFORE, run=1, image=made.picture("old"))
    (card,) = build(made.data()).cards
    assert card.because == "asked anew, although nothing had changed"
    assert len(card.earlier) == 1


def test_a_rehearsal_is_no_part_of_a_paid_assets_story() -> None:
    made = Night()
    row = made.asset("a/1")
    data = made.data()
    sketched = replace(data.attempts[0], attempt_id=AttemptId("attempt-s"), space=SKETCH)
    brought = replace(
        data.deliveries[0], attempt_id=AttemptId("attempt-s"), space=SKETCH, digest=digest_of(b"a sketch")
    )
    sheet = build(replace(data, attempts=(sketched, *data.attempts), deliveries=(brought, *data.deliveries)))
    (card,) = sheet.cards
    assert card.row == row
    assert (len(card.attempts), card.earlier) == (1, ())


def test_a_picture_of_before_is_shown_even_where_its_attempt_is_forgotten() -> None:
    made = Night()
    row = made.asset("a/1")
    before = made.picture("long ago")
    made.rows = [row._replace(previous=before.digest)]
    (card,) = build(made.data()).cards
    assert [earlier.digest for earlier in card.earlier] == [before.digest]
    assert card.earlier[0].at < NIGHT_BEFORE
    assert before.digest in build(made.data()).digests()


def test_nothing_at_all_is_an_empty_sheet() -> None:
    assert build(SheetData(manifest="m", typed="m.yaml")) == Sheet(
        data=SheetData(manifest="m", typed="m.yaml"), cards=(), groups=()
    )


def test_ten_thousand_assets_with_their_attempts_are_built_in_a_moment() -> None:
    made = Night()
    made.asset("a/0")
    (row,), (attempt,), (delivery,) = made.rows, made.attempts, made.deliveries
    names = [AssetName(f"a/{number}") for number in range(10_000)]
    data = made.data(
        assets=tuple(row._replace(asset=name, updated_at=row.updated_at + timedelta(seconds=1)) for name in names),
        attempts=tuple(replace(attempt, attempt_id=AttemptId(f"t-{name}"), assets=(name,)) for name in names),
        deliveries=tuple(replace(delivery, attempt_id=AttemptId(f"t-{name}"), asset=name) for name in names),
    )
    sheet = build(data)
    assert len(sheet.cards) == 10_000
    assert all(len(card.attempts) == 1 for card in sheet.cards)


def test_hostile_texts_come_through_as_they_are() -> None:
    made = Night()
    made.asset("a/1", shows="", reason=HOSTILE, warnings=(HOSTILE,), prompt=HOSTILE, run=1)
    (group,) = build(made.data()).groups
    assert group.cause == HOSTILE
    assert RUNS[1] == made.rows[0].run_id
