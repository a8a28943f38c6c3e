"""What a person sees while it runs: the live view, plain lines, narrow terminals, readers that go away."""

import contextlib
import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.app.tally import ShotTally, Tally
from pipeline.cli.completion import MOST
from pipeline.cli.live import Lasting, LiveScreen, bar, counts, shot_of
from pipeline.cli.plan import excerpt
from pipeline.cli.root import run
from pipeline.cli.screen import PlainScreen, clean, has_colors, open_screen, wrapped
from pipeline.domain.event import AssetSettled, AttemptEnded, AttemptSent, Event, Note, RunStarted
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, Outcome, RunId, State
from pipeline.domain.step import AssetName
from tests.nightly.project import project

STARTED = RunStarted(
    run_id=RunId("r"),
    manifest="m",
    totals=(("hero", 4), ("cutout", 2)),
    budget=MicroUsd(5_000_000),
    images_per_minute=50.0,
)


def sent(number: int, asset: str) -> AttemptSent:
    return AttemptSent(
        attempt_id=AttemptId(str(number)),
        assets=(AssetName(asset),),
        provider="p",
        model="m",
        worst=MicroUsd(40_000),
        repeat=False,
    )


def ended(number: int, asset: str, outcome: Outcome = Outcome.DONE) -> AttemptEnded:
    return AttemptEnded(
        attempt_id=AttemptId(str(number)),
        assets=(AssetName(asset),),
        provider="p",
        outcome=outcome,
        http_status=200 if outcome is Outcome.DONE else 400,
        code="",
        message="no \x1b[31mway",
        request_id="",
        images=1,
        usd=MicroUsd(30_000),
        seconds=2.0,
    )


def settled(asset: str, state: State = State.DONE, *, cached: bool = False) -> AssetSettled:
    return AssetSettled(
        asset=AssetName(asset), shot=shot_of(asset), state=state, reason="", cached=cached, path="", usd=MicroUsd(0)
    )


EVENTS: tuple[Event, ...] = (
    STARTED,
    settled("hero/a", cached=True),
    sent(1, "hero/b"),
    sent(2, "hero/c#2"),
    ended(1, "hero/b"),
    settled("hero/b"),
    sent(3, "cutout/a"),
    ended(3, "cutout/a", Outcome.REFUSED),
    settled("cutout/a", State.REFUSED),
)


def _live(width: int) -> str:
    """The view after the events, ten seconds into the run, as a terminal of that width shows it."""
    tally, ticks = Tally(), iter([0.0, 0.0, *([10.0] * 100)])
    screen = LiveScreen(tally, io.StringIO(), now=lambda: next(ticks))
    for event in EVENTS:
        tally(event)
        screen(event)
    console = Console(file=io.StringIO(), width=width, height=30)
    with console.capture() as shown:
        console.print(screen.view())
    return shown.get()


def test_the_live_view_has_a_bar_a_shot_flights_pace_money_and_time_left() -> None:
    text = _live(110)
    assert "2/4  1 cached, 1 in flight" in text
    assert "1/2  1 not there" in text
    assert "hero/c#2" in text
    assert "of 50" in text
    assert "$0.06 spent, $0.04 reserved, $0.00 unknown, of $5.00" in text
    assert "left" in text
    assert "3 of 6, 1 in flight" in text


def test_shots_that_are_not_asked_for_have_no_bar() -> None:
    tally = Tally()
    screen = LiveScreen(tally, io.StringIO())
    tally(RunStarted(run_id=RunId("r"), manifest="m", totals=(("hero", 4), ("cutout", 0)), budget=None))
    console = Console(file=io.StringIO(), width=100, height=30)
    with console.capture() as shown:
        console.print(screen.view())
    assert "hero" in shown.get()
    assert "cutout" not in shown.get()


def test_what_stays_above_the_live_view_breaks_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stream = io.StringIO()
    LiveScreen(Tally(), stream)(Note(text="wonderful " * 20))
    lines = stream.getvalue().splitlines()
    assert len(lines) > 1
    assert all(line.strip().split()[-1] == "wonderful" for line in lines)


def test_no_line_of_the_live_view_is_longer_than_the_terminal() -> None:
    assert max(map(len, _live(60).splitlines())) <= 60


def test_a_bar_shows_every_kind_that_is_there_and_keeps_its_width() -> None:
    shot = ShotTally(total=1000, cached=1)
    shot.states[State.DONE], shot.states[State.FAILED] = 997, 1
    drawn = bar(shot, 1, 20)
    assert len(drawn) == 20
    assert {str(span.style) for span in drawn.spans} >= {"blue", "green", "red"}
    assert counts(shot, 1) == "999/1000  1 cached, 1 in flight, 1 not there"


class Gone(io.StringIO):
    """A reader that went away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_goes_away_never_raises_into_a_run() -> None:
    lasting = Lasting(Gone())
    assert lasting.write("x") == 1
    tally = Tally()
    with PlainScreen(tally, Gone()) as plain, LiveScreen(tally, Gone()) as live:
        for event in EVENTS:
            tally(event)
            plain(event)
            live(event)


def test_plain_lines_tell_the_story_without_control_characters() -> None:
    tally, stream = Tally(), io.StringIO()
    with PlainScreen(tally, stream) as screen:
        for event in EVENTS:
            tally(event)
            screen(event)
    first, second = stream.getvalue().splitlines()
    assert first.endswith("m: 6 assets, at most $5.00")
    assert "refused   cutout/a  400 no  [31mway" in second


@pytest.mark.parametrize(("term", "ci"), [("dumb", ""), ("xterm", "true")])
def test_a_dumb_terminal_and_ci_get_plain_lines(term: str, ci: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("CI", ci)
    main, side = pty.openpty()
    with os.fdopen(side, "w") as stream:
        assert isinstance(open_screen(Tally(), stream), PlainScreen)
    os.close(main)


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    main, side = pty.openpty()
    with os.fdopen(side, "w") as stream:
        assert has_colors(stream)
        monkeypatch.setenv("NO_COLOR", "1")
        assert not has_colors(stream)
    os.close(main)
    assert not has_colors(io.StringIO())


def test_a_narrow_terminal_breaks_between_words() -> None:
    text = "12:00:00 note      this output folder has no ledger yet: everything will be bought"
    assert max(map(len, wrapped(text, 40).splitlines())) <= 40
    assert wrapped(text, 40).split() == text.split()
    assert wrapped(text, 0) == wrapped(text, 200) == text


def test_a_run_whose_reader_left_ends_as_it_would_have(tmp_path: Path) -> None:
    command = f"{sys.executable} -m pipeline run {project(tmp_path)} --only 'poster/*' --json"
    piped = f"{command} 2>&1 | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "output/night/poster/red.jpg").is_file()


def _on_a_terminal(command: list[str], *, columns: int) -> str:
    """Everything a command sends to a terminal of so many columns, standard output and error together."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in {"CI", "NO_COLOR", "COLUMNS"}}
    with subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=environ | {"TERM": "xterm"}):
        os.close(side)
        sent = b""
        with contextlib.suppress(OSError):  # how Linux tells that the other side is closed
            while piece := os.read(main, 65536):
                sent += piece
    os.close(main)
    return sent.decode()


def test_the_summary_is_printed_after_the_live_view_has_gone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline", "run", str(project(tmp_path)), "--only", "poster/*"]
    text = _on_a_terminal(command, columns=100)
    assert "images a minute" in text, "there was a live view"
    assert 0 < text.rfind("\x1b[2K") < text.rfind("night: 2 assets"), "nothing below the summary's first line is erased"
    assert "\r\nnext\r\n" in text


def test_an_excerpt_shows_the_part_that_differs() -> None:
    old = f"{'a' * 80} white marble {'b' * 80}"
    before, after = excerpt(old, old.replace("white", "black"))
    assert before == f"…{'a' * 23} white marble {'b' * 16}…"
    assert after == before.replace("white", "black")
    assert excerpt("aa", "aaa") == ("aa", "aaa")


def test_hostile_text_stays_on_one_line_of_a_terminal() -> None:
    assert clean("a\nb\x1b]0;title\x07\u202ec") == "a b ]0;title  c"


def _complete(*words: str) -> list[str]:
    environ = os.environ | {
        "_PIPELINE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["pipeline", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run([sys.executable, "-m", "pipeline"], env=environ, capture_output=True, text=True, check=True)
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_shells_complete_commands_and_asset_names(tmp_path: Path) -> None:
    manifest = str(project(tmp_path))
    assert _complete("stat") == ["status"]
    assert _complete("why", manifest, "poster/r") == ["poster/red"]
    assert _complete("run", manifest, "--only", "poster/") == ["poster/red", "poster/teal"]
    assert _complete("why", str(tmp_path / "nowhere.yaml"), "p") == []
    assert MOST >= 100


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_script_that_calls_us(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert f"_PIPELINE_COMPLETE={shell}_complete" in capsys.readouterr().out
