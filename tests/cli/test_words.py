"""What people read: help, summaries, progress lines, prices, and nothing of a host's that could harm a terminal."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import pytest

from pipeline.app.report import RunReport
from pipeline.app.tally import Tally
from pipeline.cli.options import ACCEPTABLE, Usd, Words
from pipeline.cli.remaining import Remaining
from pipeline.cli.root import COMMANDS, run
from pipeline.cli.screen import PlainScreen, Story, clean, clock, line_of
from pipeline.cli.summary import summary
from pipeline.domain.event import AssetSettled, AttemptEnded, Backoff, CoolDown, Note, RunStarted
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, Outcome, RunId, State
from pipeline.domain.step import AssetName
from tests.app.project import icons, small
from tests.fakes import Order, PaidHost, Reply, error_reply, sells


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_one_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    (example,) = [line for line in capsys.readouterr().out.splitlines() if "Example: " in line]
    assert f"pipeline {name}" in example


@pytest.mark.parametrize("text", ["5", "5.0", "$5", "5 USD", " 5 USD ", "5USD"])
def test_an_amount_is_taken_as_people_write_it(text: str) -> None:
    assert Usd().convert(text, None, None) == 5_000_000


@pytest.mark.parametrize("text", ["", "five", "-1", "nan", "inf", "5 EUR", "1e999"])
def test_what_is_no_amount_is_told(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Usd().convert(text, None, None)


def test_words_of_a_list_are_checked() -> None:
    words = Words(ACCEPTABLE)
    assert words.convert("refused, failed,", None, None) == {"refused", "failed"}
    with pytest.raises(click.BadParameter, match="'done' is none of"):
        words.convert("done", None, None)


def test_foreign_text_cannot_drive_a_terminal() -> None:
    hostile = "a\x1b]52;c;aGk=\x07b\x1b[2Jc\u202ed\ne\x9b1mf"
    shown = clean(hostile)
    assert shown.isprintable()
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (99, "99 s"), (100, "2 min"), (5940, "99 min"), (7500, "2 h 05 min")]
)
def test_times_are_told_as_people_do(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_an_attempt_that_brought_nothing_is_a_line_with_all_that_is_known() -> None:
    event = AttemptEnded(
        attempt_id=AttemptId("a"),
        assets=(AssetName("hero/a"), AssetName("hero/a#2")),
        provider="paid",
        outcome=Outcome.UNKNOWN,
        http_status=502,
        code="",
        message="a page of a proxy",
        request_id="req_1",
        images=0,
        usd=MicroUsd(40_000),
        seconds=60.04,
        culprit="nginx's default of 60 s?",
    )
    assert line_of(event) == (
        "unknown   hero/a and 1 more  502 a page of a proxy, after 60.0 s; $0.04 kept aside"
        " (nginx's default of 60 s?)  [req_1]"
    )


MODERATED = "HTTP 400 moderation_blocked: " + "No hats. " * 60


def _ended(outcome: Outcome, message: str) -> AttemptEnded:
    return AttemptEnded(
        attempt_id=AttemptId("a"),
        assets=(AssetName("hero/a"),),
        provider="paid",
        outcome=outcome,
        http_status=400,
        code="moderation_blocked",
        message=message,
        request_id="req_1",
        images=0,
        usd=MicroUsd(0),
        seconds=1.0,
    )


def _settled(state: State, *warnings: str) -> AssetSettled:
    return AssetSettled(
        asset=AssetName("hero/a"),
        shot="hero",
        state=state,
        reason="exhausted",
        cached=False,
        path="",
        usd=MicroUsd(0),
        warnings=warnings,
    )


def test_a_refusal_is_told_once_with_its_request_id_however_long_its_words_are() -> None:
    line = line_of(_ended(Outcome.REFUSED, MODERATED))
    assert line.startswith("refused   hero/a  HTTP 400 moderation_blocked: No hats.")
    assert line.endswith("…  [req_1]")
    assert line_of(_settled(State.REFUSED, MODERATED)) == "", "its attempt has told it"
    assert line_of(_settled(State.DONE, "half the size")) == "note      hero/a  half the size"


def test_a_try_that_is_repeated_is_not_told_as_failed_and_a_failure_says_why() -> None:
    why = "HTTP 500 server_error: Sorry."
    again = Backoff(assets=(AssetName("hero/a"),), provider="paid", attempt=1, seconds=2.0, why=why)
    assert line_of(_ended(Outcome.FAILED, why)) == ""
    assert line_of(again) == f"again     hero/a in 2 s: {why}"
    assert line_of(_settled(State.FAILED, why)) == f"failed    hero/a  exhausted: {why}"


def test_a_host_that_cools_down_is_told_once() -> None:
    story, why = Story(), "HTTP 429 slow_down: Slow down."
    assert story.line(CoolDown(provider="paid", seconds=1.0, why=why)) == f"cools     paid for 1 s: {why}"
    again = Backoff(assets=(AssetName("hero/a"),), provider="paid", attempt=1, seconds=1.0, why=why)
    assert story.line(again) == ""


def test_time_left_goes_by_what_was_asked() -> None:
    tally = Tally()
    tally(RunStarted(run_id=RunId("r"), manifest="m", totals=(("hero", 40),), budget=None))
    for state in (State.DONE, *[State.PLANNED] * 18, State.SKIPPED):
        tally(_settled(state))
    assert Remaining(tally).seconds(0.0, 3.0) == 60.0


def test_time_left_ends_at_the_limit() -> None:
    tally = Tally()
    tally(RunStarted(run_id=RunId("r"), manifest="m", totals=(("hero", 1_000_000),), budget=None, limit=50))
    for _ in range(10):
        tally(_settled(State.DONE))
    assert Remaining(tally).seconds(0.0, 20.0) == 80.0
    for _ in range(40):
        tally(_settled(State.DONE))
    assert Remaining(tally).seconds(0.0, 100.0) is None


def test_what_an_earlier_night_left_took_no_time() -> None:
    tally = Tally()
    tally(RunStarted(run_id=RunId("r"), manifest="m", totals=(("hero", 31),), budget=None))
    for _ in range(10):
        tally(replace(_settled(State.REFUSED), asked=False))
    assert Remaining(tally).seconds(0.0, 60.0) is None
    tally(_settled(State.FAILED))
    assert Remaining(tally).seconds(0.0, 60.0) == 1200.0


def test_a_line_that_is_cut_says_so() -> None:
    assert clean("abcdef", 4) == "abc…"
    assert clean("abcd", 4) == "abcd"


class Gone(io.StringIO):
    """A stream whose reader went away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_screen_whose_reader_went_away_raises_nothing() -> None:
    screen = PlainScreen(Tally(), Gone())
    screen(Note(text="x"))
    screen(Note(text="y"))


def respond(order: Order) -> Reply:
    return error_reply(400, "moderation_blocked", "not that") if "item000" in order.prompt else sells(order)


def test_a_summary_says_what_was_made_what_is_missing_and_what_to_do_next(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(3))
    with PaidHost(respond).open() as url:
        ran = shop.at(url).pipeline("run", shop.manifest)
    assert "shop: 3 assets: 2 made, 0 reused, 1 refused" in ran.out
    assert "3 requests, $0.08 spent" in ran.out
    assert "icon/item000" in ran.out
    commands = [line.partition("  #")[0].strip() for line in ran.out.partition("\nnext\n")[2].splitlines()]
    typed = str(shop.manifest)
    assert commands == [
        f"pipeline run {typed} --retry refused",
        f"pipeline plan {typed}",
        f"pipeline run {typed} --again ASSET",
    ]
    assert "\x1b[" not in ran.out, "no colours where there is no terminal"


def test_what_to_do_next_finds_the_same_ledger_and_the_same_keys(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(3))
    with PaidHost(respond).open() as url:
        options = ("--output", tmp_path / "a b", "--only", "icon/*", "--set", "shots.icon.n=2", "--limit", "1")
        ran = shop.at(url).pipeline("run", shop.manifest, *options, "--again", "icon/*", "--budget", "2.50")
    steps = ran.out.partition("\nnext\n")[2].splitlines()
    typed = f"{shop.manifest} --output '{tmp_path}/a b'"
    narrowed = f"{typed} --only 'icon/*' --set shots.icon.n=2 --limit 1 --budget 2.5"
    assert steps[0].startswith(f"  pipeline run {narrowed} --retry refused ")
    assert steps[1].startswith(f"  pipeline run {narrowed}  ")
    assert len(steps) == 3


def test_a_summary_fits_a_narrow_terminal(tmp_path: Path) -> None:
    tally = Tally()
    tally(RunStarted(run_id=RunId("r"), manifest="m", totals=(("hero", 1),), budget=None))
    tally(_settled(State.PLANNED))
    steps = (f"pipeline run {'m' * 20}.yaml      # goes on where this run stopped",)
    report = RunReport(
        run_id=RunId("r"), manifest="m", exit=13, tally=tally, seconds=3, sheet=None, folder=tmp_path,
        stops=("the deadline: " + "too late " * 10,), next_steps=steps,
    )  # fmt: skip
    text = summary(report, color=False, width=40)
    assert max(map(len, text.splitlines())) <= 40
    assert text.split() == summary(report, color=False).split()


def test_results_go_to_standard_output_and_the_rest_elsewhere(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(3))
    with PaidHost(respond).open() as url:
        ran = shop.at(url).run()
    (line,) = ran.out.splitlines()
    assert set(json.loads(line)) == {
        "run", "manifest", "exit", "assets", "requests", "retries", "images", "usd", "seconds", "sheet",
    }  # fmt: skip
    assert set(json.loads(line)["assets"]) == {
        "total", "done", "cached", "planned", "refused", "failed", "unknown", "skipped", "waiting",
    }  # fmt: skip
    assert "refused" in ran.err


def test_status_tells_states_runs_and_money(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(3))
    with PaidHost(respond).open() as url:
        shop.at(url).run()
    found = shop.pipeline("status", shop.manifest, "--json").json
    assert found["assets"] == {"done": 2, "refused": 1}
    assert [(row["asset"], row["state"], row["reason"]) for row in found["trouble"]] == [
        ("icon/item000", "refused", "content")
    ]
    assert (found["runs"][0]["exit"], found["runs"][0]["requests"], found["usd"]["month"]["spent"]) == (11, 3, 0.08)
    text = shop.pipeline("status", shop.manifest).out
    assert "2 done, 1 refused" in text
    whole = shop.pipeline("status", "--output", shop.output).out
    assert "all manifests" in whole


def test_status_before_the_first_run_says_so(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(1)).at("http://127.0.0.1:9/v1")
    assert "nothing yet" in shop.pipeline("status", shop.manifest).out
    assert not shop.output.exists(), "looking makes nothing"


def test_a_plan_makes_nothing_and_sends_nothing(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(3)), PaidHost()
    with host.open() as url:
        ran = shop.at(url).pipeline("plan", shop.manifest)
    assert (ran.exit, host.orders, shop.output.exists()) == (0, [], False)
    assert "icon/item000" in ran.out
    assert "$0.12" in ran.out


def test_doctor_names_what_would_stop_a_run(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(1), models="main: {provider: paid, model: tiny-1}").at("http://127.0.0.1:1/v1")
    del shop.environ["SHOP_KEY"]
    ran = shop.pipeline("doctor", shop.manifest, "--json")
    bad = {(finding["subject"], finding["text"].split(":")[0]) for finding in ran.json if finding["verdict"] == "bad"}
    assert ran.exit == 1
    assert {subject for subject, _ in bad} == {"paid", "price"}
    texts = " ".join(finding["text"] for finding in ran.json)
    assert "SHOP_KEY is not set" in texts
    assert "cannot be reached" in texts
    assert "no price is known" in texts


def test_doctor_of_a_healthy_manifest_finds_nothing_bad_and_posts_nothing(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(1)), PaidHost()
    with host.open() as url:
        ran = shop.at(url).pipeline("doctor", shop.manifest)
    assert (ran.exit, host.orders) == (0, [])


def test_both_ways_to_start_it_are_the_same() -> None:
    module = subprocess.run([sys.executable, "-m", "pipeline", "--help"], capture_output=True, text=True, check=True)
    script = Path(sys.executable).with_name("pipeline")
    started = subprocess.run([script, "--help"], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert module.stdout == started.stdout
