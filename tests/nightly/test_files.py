"""JUnit and the summary page, as their readers read them."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from pipeline.app.nightly.junit import clean, verdict_of
from pipeline.app.nightly.page import plain
from pipeline.domain.record import State
from tests.nightly.project import pipeline, project


def test_junit_has_one_case_an_asset_with_the_sums_readers_look_for(tmp_path: Path) -> None:
    manifest, file = project(tmp_path), tmp_path / "reports" / "junit.xml"
    assert pipeline("run", manifest, "--junit", file) == 11
    top = ET.parse(file).getroot()
    (suite,) = top
    assert (top.tag, suite.tag, suite.get("name")) == ("testsuites", "testsuite", "night")
    assert {case.get("name") for case in suite.iter("testcase")} == {"poster/red", "poster/teal", "hero/A"}
    for element in (top, suite):
        assert [element.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["3", "1", "0", "0"]
    (bad,) = suite.iter("failure")
    assert bad.get("type") == "failed"
    assert "input" in (bad.get("message") or "")


def test_junit_of_several_manifests_is_one_file_and_a_manifest_that_cannot_run_is_an_error(tmp_path: Path) -> None:
    manifest, file = project(tmp_path), tmp_path / "junit.xml"
    assert pipeline("run", tmp_path / "nowhere.yaml", manifest, "--junit", file) == 2
    suites = list(ET.parse(file).getroot())
    assert [(suite.get("name"), suite.get("errors")) for suite in suites] == [("nowhere", "1"), ("night", "0")]


def test_with_only_the_files_speak_of_what_was_wanted(tmp_path: Path) -> None:
    manifest, file = project(tmp_path), tmp_path / "junit.xml"
    pipeline("run", manifest)
    assert pipeline("run", manifest, "--only", "poster/red", "--junit", file) == 0
    assert [case.get("name") for case in ET.parse(file).getroot().iter("testcase")] == ["poster/red"]


def test_accepted_outcomes_are_skipped_cases(tmp_path: Path) -> None:
    manifest, file = project(tmp_path), tmp_path / "junit.xml"
    assert pipeline("run", manifest, "--accept", "failed", "--junit", file) == 0
    top = ET.parse(file).getroot()
    assert (top.get("failures"), top.get("skipped")) == ("0", "1")


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (State.DONE, ""),
        (State.FAILED, "failure"),
        (State.REFUSED, "failure"),
        (State.UNKNOWN, "error"),
        (State.SKIPPED, "skipped"),
        (State.PLANNED, "skipped"),
    ],
)
def test_every_state_has_its_verdict(state: State, verdict: str) -> None:
    assert verdict_of(state, frozenset()) == verdict
    assert verdict_of(state, frozenset({state.value})) == ("skipped" if verdict else "")


def test_what_xml_cannot_hold_is_replaced() -> None:
    assert clean("a\x00b\x1bc\ud800d\tz") == "a\ufffdb\ufffdc\ufffdd\tz"


def test_the_summary_page_has_a_table_what_is_missing_and_pictures_by_relative_path(tmp_path: Path) -> None:
    manifest, page = project(tmp_path), tmp_path / "ci" / "summary.md"
    assert pipeline("run", manifest, "--summary", page) == 11
    text = page.read_text()
    assert "| shot | done | failed |" in text
    assert "| poster | 2 | 0 |" in text
    assert "hero/A" in text.partition("### Missing")[2]
    assert 'src="../output/night/poster/red.jpg"' in text
    assert (page.parent / "../output/night/poster/red.jpg").is_file()
    assert "**Cost**: $0.00 spent" in text


def test_nothing_a_manifest_holds_becomes_markup() -> None:
    assert plain("a|b <b> @all [x](y) `c`\nd") == "a\\|b &lt;b&gt; @\u200ball \\[x\\](y) \\`c\\` d"


def test_a_file_that_cannot_be_written_is_told_and_the_pictures_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = project(tmp_path)
    (tmp_path / "file").write_text("")
    assert pipeline("run", manifest, "--junit", tmp_path / "file" / "junit.xml") == 1
    assert "choose another file" in capsys.readouterr().out
    assert (tmp_path / "output/night/poster/red.jpg").is_file()
