"""The exit statuses: which of several is told, what ``--accept`` makes of them, and what a program is printed."""

import json
from itertools import combinations
from pathlib import Path

import pytest

from pipeline.app.exits import RANK, Exit, worst
from tests.app.project import Project, small
from tests.fakes import Order, PaidHost, Reply, error_reply, sells

ORDER = (130, 143, 1, 2, 3, 4, 5, 75, 14, 12, 13, 11, 10, 0)


def test_the_statuses_are_told_in_the_order_of_the_table() -> None:
    assert tuple(RANK) == ORDER
    assert set(Exit) == set(ORDER)


@pytest.mark.parametrize("pair", list(combinations(ORDER, 2)))
def test_of_two_statuses_the_one_higher_in_the_table_is_told(pair: tuple[int, int]) -> None:
    assert worst(pair) == worst(reversed(pair)) == pair[0]


def test_without_a_status_all_is_well() -> None:
    assert worst(()) == 0


def respond(order: Order) -> Reply:
    if "refused" in order.prompt:
        return error_reply(400, "moderation_blocked")
    if "failed" in order.prompt:
        return error_reply(400, "invalid_value")
    return Reply(status=502, body=b"<html></html>") if "unknown" in order.prompt else sells(order)


def mixed(folder: Path, *items: str) -> Project:
    return small(folder, f"icon: {{matrix: {{item: [done, {', '.join(items)}]}}, prompt: 'A {{{{ item }}}}.'}}")


@pytest.mark.parametrize(
    ("items", "accept", "status"),
    [
        (["refused"], "", 11),
        (["refused"], "refused", 0),
        (["refused"], "failed", 11),
        (["failed"], "failed", 0),
        (["refused", "failed"], "refused", 11),
        (["refused", "failed"], "refused,failed", 0),
        (["unknown"], "", 14),
        (["unknown"], "unknown", 0),
        (["unknown", "failed"], "", 14),
        (["unknown", "failed"], "unknown", 11),
        (["unknown", "failed"], "unknown, failed", 0),
    ],
)
def test_what_is_accepted_becomes_exit_0_and_touches_the_stamp(
    items: list[str], accept: str, status: int, tmp_path: Path
) -> None:
    shop = mixed(tmp_path, *items)
    stamp = tmp_path / "stamps/made"
    with PaidHost(respond).open() as url:
        ran = shop.at(url).run("--accept", accept, "--stamp", stamp)
    assert ran.exit == status
    assert stamp.exists() == (status == 0)


def test_older_unknown_outcomes_rank_just_above_0(tmp_path: Path) -> None:
    shop = mixed(tmp_path, "unknown", "failed")
    with PaidHost(respond).open() as url:
        assert shop.at(url).run().exit == 14
        assert shop.run().exit == 11, "of this run some failed; the unknown ones are older"
        shop.swap(", failed", "")
        assert shop.run().exit == 14
        assert shop.run("--accept", "unknown").exit == 0


def test_an_asset_that_waits_for_an_unknown_outcome_of_another_manifest_is_no_success(tmp_path: Path) -> None:
    shop = mixed(tmp_path, "unknown")
    other = shop.write("other.yaml", shop.manifest.read_text().replace("name: shop", "name: other"))
    with PaidHost(respond).open() as url:
        shop.at(url).run()
        ran = shop.pipeline("run", other, "--json")
    assert (ran.exit, ran.json["assets"]["unknown"]) == (14, 1)


def test_of_several_manifests_each_is_told_and_the_worst_exit_counts(tmp_path: Path) -> None:
    shop = mixed(tmp_path, "failed")
    fine = shop.write(
        "fine.yaml", shop.manifest.read_text().replace("name: shop", "name: fine").replace(", failed", "")
    )
    broken = shop.write("broken.yaml", "version: 1\nname: broken\nshots: 3\n")
    with PaidHost(respond).open() as url:
        ran = shop.at(url).pipeline("run", shop.manifest, broken, fine, "--json")
    assert [json.loads(line)["manifest"] for line in ran.out.splitlines()] == ["shop", "fine"]
    assert ran.exit == 2
    assert "broken.yaml:3" in ran.err


WRONG = {
    "no command": ["fly"],
    "no manifest": ["run"],
    "a manifest that is not there": ["run", "gone.yaml"],
    "an option that is not there": ["run", "shop.yaml", "--fast"],
    "a budget that is no amount": ["run", "shop.yaml", "--budget", "much"],
    "a word that cannot be accepted": ["run", "shop.yaml", "--accept", "everything"],
    "no concurrency": ["run", "shop.yaml", "--concurrency", "0"],
    "a value of nothing": ["run", "shop.yaml", "--set", "shots.nothing.prompt=x"],
    "a provider that is not there": ["run", "shop.yaml", "--provider", "nobody"],
    "an asset that is not there": ["why", "shop.yaml", "icon/nothing"],
    "no ledger": ["verify"],
    "a file that is no picture of ours": ["trace", "shop.yaml"],
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_exit_2_with_a_line_and_no_object(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = mixed(tmp_path, "x").at("http://127.0.0.1:9/v1")
    monkeypatch.chdir(tmp_path)
    ran = shop.pipeline(*WRONG[name])
    assert (ran.exit, ran.out) == (2, "")
    assert ran.err.strip()
    assert "Traceback" not in ran.err


def test_a_ledger_that_cannot_be_read_is_a_fault_that_sends_nothing_and_overwrites_nothing(tmp_path: Path) -> None:
    shop, host = mixed(tmp_path, "x"), PaidHost(respond)
    with host.open() as url:
        shop.at(url).run()
        ledger = shop.output / ".pipeline/ledger.db"
        for suffix in ("-wal", "-shm"):
            ledger.with_name(f"ledger.db{suffix}").unlink(missing_ok=True)
        data = ledger.read_bytes()[:5000]
        ledger.write_bytes(data)
        ran = shop.run()
    assert (ran.exit, len(host.orders), ledger.read_bytes()) == (1, 2, data)
    assert ran.json["exit"] == 1
    assert "ledger.db: cut short" in ran.err
