"""Every oddity and every fault at once, in one night: each ends as it must, and nobody else suffers."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.answers import DONE, FAILED, REFUSED, STUBBORN, UNKNOWN
from tests.acceptance.desk import SECRET, Desk, Told
from tests.acceptance.hosts import Asked, open_shop

WORDS = {**DONE, **UNKNOWN, **REFUSED, **FAILED, **STUBBORN}
SHOTS = (
    "run: {stop_on: {failures_in_a_row: 1000, unknown_in_a_row: 1000}}\n"
    "defaults: {params: {size: 64x64, output_format: png}}\nshots:\n"
    + "".join(f"  '{word}': {{prompt: 'A thing !{word} here'}}\n" for word in WORDS)
)
STATES = {
    **dict.fromkeys(DONE, "done"),
    **dict.fromkeys(UNKNOWN, "unknown"),
    **dict.fromkeys(REFUSED, "refused"),
    **dict.fromkeys([*FAILED, *STUBBORN], "failed"),
}


class Night:
    """Two runs of one manifest against the worst shop."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        with open_shop(WORDS) as shop:
            manifest = desk.paid(shop.url, SHOTS)
            self.first: Told = desk.run("run", manifest, "--json", "--log", desk.root / "log.ndjson")
            self.asked: list[Asked] = list(shop.asked)
            self.second: Told = desk.run("run", manifest, "--json")
            self.again = [each.word for each in shop.posts[len(shop.posts) - self.second.json["requests"] :]]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """One night for all sentences of this page."""
    return Night(Desk(tmp_path_factory.mktemp("night")))


def test_every_answer_ends_in_its_outcome(night: Night) -> None:
    index = night.desk.index()
    assert {word: index[word]["state"] for word in WORDS} == STATES


def test_what_may_have_been_billed_is_asked_once_and_what_may_pass_as_often_as_retry_says(night: Night) -> None:
    times = Counter(each.word for each in night.asked if each.method == "POST")
    assert all(times[word] == 1 for word in (*UNKNOWN, *REFUSED, *FAILED))
    assert times["makers-500"] == 3
    assert all(times[word] == (2 if word.endswith("-once") else 1) for word in DONE)


def test_the_counts_and_the_money_add_up(night: Night) -> None:
    told = night.first.json
    assert night.first.exit == told["exit"] == 14
    counts = told["assets"]
    assert counts["total"] == sum(each for name, each in counts.items() if name != "total") == len(WORDS)
    assert counts["unknown"] == len(UNKNOWN)
    assert told["requests"] == sum(each.method == "POST" for each in night.asked)
    assert told["retries"] == told["requests"] - len(WORDS)
    assert told["usd"]["unknown"] == pytest.approx(0.01 * len(UNKNOWN))
    assert told["usd"]["spent"] == pytest.approx(0.01 * (len(DONE) + 1))  # one host sold two pictures for one


def test_the_next_night_asks_the_failed_alone(night: Night) -> None:
    assert set(night.again) == {*FAILED, *STUBBORN}
    assert night.second.json["assets"]["cached"] == len(DONE)
    assert night.second.json["assets"]["unknown"] == len(UNKNOWN)
    assert night.second.json["usd"]["spent"] == 0


def test_what_came_instead_of_what_was_asked_is_told(night: Night) -> None:
    index = night.desk.index()
    assert index["webp-for-png"]["warnings"] == ["asked png, got webp"]
    assert index["webp-for-png"]["path"].endswith(".webp")
    assert (index["other-size"]["width"], index["other-size"]["height"]) == (80, 64)


def test_nothing_holds_the_key_or_a_hosts_escapes(night: Night) -> None:
    for file in night.desk.root.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file
    page = (night.desk.root / "output/job/index.html").read_text()
    for raw in ("<img src=x", "<b>bold</b>", "<script>alert", "\x1b"):
        assert raw not in page
    assert all(json.loads(line) for line in (night.desk.root / "log.ndjson").read_text().splitlines())


def test_the_key_goes_nowhere_but_to_its_own_origin(night: Night) -> None:
    hosts = {each.headers["host"].partition(":")[0] for each in night.asked}
    assert hosts == {"127.0.0.1"}


def test_each_trouble_is_one_line_that_names_its_asset(night: Night) -> None:
    for word in (*UNKNOWN, *REFUSED, *FAILED):
        assert any(f" {word} " in line for line in night.first.err.splitlines()), word


def test_the_ledger_keeps_every_attempt(night: Night) -> None:
    rows = night.desk.rows("select outcome, count(*) as n from v_attempts group by outcome")
    outcomes = {row["outcome"]: row["n"] for row in rows}
    posts = night.first.json["requests"] + night.second.json["requests"]
    assert sum(outcomes.values()) == posts
    assert outcomes["done"] == len(DONE)
    assert outcomes["unknown"] == len(UNKNOWN)


def test_every_kept_picture_has_the_name_of_its_bytes(night: Night) -> None:
    told = night.desk.run("verify", "--output", Path(night.desk.root / "output"))
    assert told.exit == 0, told
