"""Killed, interrupted and started twice: on real processes, signals and sockets."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.app.project import KEY, Project, icons, letters, small
from tests.e2e.machine import ended, gateway, start, started, until
from tests.fakes import Gate, Order, PaidHost, Reply, answer_of, png, sells

SLOW = 0.15


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def states(shop: Project) -> list[object]:
    """Attempts that are on their way, by the ledger."""
    if not (shop.output / ".pipeline/ledger.db").exists():
        return []
    return list(shop.rows("SELECT 1 FROM v_attempts WHERE outcome = 'sent'"))


AT_ONCE = ("--concurrency", "8", "--no-sheet")


def slowly(order: Order) -> Reply:
    return Reply(body=sells(order).body, seconds=SLOW)


def chained(count: int) -> str:
    items = ", ".join(letters(count))
    return f"icon: {{matrix: {{item: [{items}]}}, prompt: 'A {{{{ item }}}}.', chain: [{{id: hover, prompt: Hover.}}]}}"


def test_killed_in_the_middle_of_sixty_everything_is_there_in_the_end_and_nothing_is_asked_unasked(
    tmp_path: Path,
) -> None:
    models = "main: {provider: paid, model: tiny-1, price: 0.04 USD, params: {size: 64x64}}"
    shop = small(tmp_path, chained(30), models=models)
    with gateway("--latency", "0.1s", "--profile", "lenient") as served:
        shop.at(served.base_url)
        process = started(shop, *AT_ONCE)
        until(lambda: served.requests >= 20, "20 requests")
        process.kill()
        assert ended(process).exit == -signal.SIGKILL
        until(lambda: served.stats()["in_flight"] == 0, "rest")
        flying = 8
        resumed = ended(started(shop, *AT_ONCE))
        unknown = resumed.json["assets"]["unknown"]
        assert resumed.exit == (14 if unknown else 0)
        assert unknown <= flying
        billed = served.billed
        assert shop.run("--no-sheet").json["requests"] == 0, "what is unknown is held"
        assert served.billed == billed
        assert shop.pipeline("reconcile", shop.manifest, "--rebuy", "--json").json["settled"] == unknown
        last = ended(started(shop, *AT_ONCE))
        assert last.exit == 0, last.err
        assert {entry["state"] for entry in shop.index().values()} == {"done"}
        assert len(shop.index()) == 60
        assert served.billed <= 60 + flying
    assert shop.pipeline("verify", "--output", shop.output).exit == 0


def test_one_signal_waits_for_what_is_on_its_way_and_starts_nothing_new(tmp_path: Path) -> None:
    for number, (name, status) in enumerate(((signal.SIGINT, 130), (signal.SIGTERM, 143))):
        shop, host = small(tmp_path / str(number), icons(40)), PaidHost(slowly)
        with host.open() as url:
            process = started(shop.at(url), "--concurrency", "4")
            until(lambda host=host: len(host.orders) >= 4, "4 requests")
            process.send_signal(name)
            ran = ended(process)
        assert ran.exit == status, ran.err
        assert ran.json["assets"]["unknown"] == 0
        assert ran.json["assets"]["done"] == len(host.orders) < 40
        assert ran.json["assets"]["planned"] == 40 - len(host.orders)
        assert shop.pipeline("status", shop.manifest, "--json").json["runs"][0]["exit"] == status
        assert (shop.output / "shop" / "index.html").is_file()


def test_a_second_signal_stops_at_once_and_leaves_unknown_rows_that_say_so(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(4))
    with Gate() as gate, PaidHost(gate).open() as url:
        process = started(shop.at(url), "--concurrency", "4")
        until(lambda: len(states(shop)) == 4, "4 requests")
        process.send_signal(signal.SIGINT)
        time.sleep(0.4)  # make sends a signal twice within milliseconds; a person takes longer
        process.send_signal(signal.SIGINT)
        ran = ended(process)
        gate.open()
        assert (ran.exit, ran.json["assets"]["unknown"]) == (130, 4)
    status = shop.pipeline("status", shop.manifest, "--json").json
    assert {row["message"] for row in status["unknown"]} == {
        "stopped by a second signal while the answer was on its way"
    }
    assert shop.run().exit == 14


def test_the_same_signal_twice_within_milliseconds_is_one_wish(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(8)), PaidHost(slowly)
    with host.open() as url:
        process = started(shop.at(url), "--concurrency", "4")
        until(lambda: len(host.orders) >= 4, "4 requests")
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        ran = ended(process)
    assert (ran.exit, ran.json["assets"]["unknown"]) == (143, 0)


def test_a_second_run_leaves_at_once_and_names_the_first(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(2))
    with Gate() as gate, (host := PaidHost(gate)).open() as url:
        first = started(shop.at(url))
        until(lambda: len(host.orders) == 2, "2 requests")
        second = shop.pipeline("run", shop.manifest, "--json")
        assert (second.exit, second.out) == (75, "")
        assert str(first.pid) in second.err
        assert "shop" in second.err
        for reading in (("plan", shop.manifest), ("status", shop.manifest), ("verify", "--output", shop.output)):
            assert shop.pipeline(*reading).exit in {0, 1}, "whoever only reads is let in"
        assert shop.pipeline("bless", shop.manifest, "icon/item000").exit == 75
        waiting = started(shop, "--wait")
        assert "waiting for" in first_line(waiting)
        gate.open()
        assert ended(first).exit == 0
        ran = ended(waiting)
    assert (ran.exit, ran.json["requests"], len(host.orders)) == (0, 0, 2), (host.prompts, ran.err)


def test_a_run_that_waits_for_another_can_be_interrupted(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(1))
    with Gate() as gate, (host := PaidHost(gate)).open() as url:
        first = started(shop.at(url))
        until(lambda: len(host.orders) == 1, "a request")
        second = started(shop, "--wait")
        assert "waiting for" in first_line(second)
        second.send_signal(signal.SIGTERM)
        ran = ended(second)
        assert (ran.exit, ran.json["exit"]) == (143, 143)
        gate.open()
        assert ended(first).exit == 0


def test_a_killed_holder_keeps_nobody_out(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(2))
    with Gate() as gate, (host := PaidHost(gate)).open() as url:
        process = started(shop.at(url))
        until(lambda: len(host.orders) == 2, "2 requests")
        process.kill()
        ended(process)
        ran = shop.run()
    assert (ran.exit, ran.json["requests"], ran.json["assets"]["unknown"]) == (14, 0, 2)
    assert "a run before this one was cut off: 2 unknown" in ran.err


def test_a_picture_behind_a_url_is_fetched_again_from_the_provider_s_own_address_after_a_kill(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(1)), PaidHost()
    with host.open() as url:
        host.missing = 404
        host.respond = lambda order: Reply(body=answer_of(f"{url}/results/1.png"))
        process = started(shop.at(url))
        until(lambda: host.fetched, "a look for the picture")
        process.kill()
        ended(process)
        host.places["/v1/results/1.png"] = png("late")
        ran = shop.run()
    assert (ran.exit, ran.json["requests"], len(host.orders)) == (0, 0, 1), ran.err
    assert "recovered 1 image that had arrived" in ran.err
    assert host.fetched[-1] == ("/v1/results/1.png", f"Bearer {KEY}")
    assert (shop.output / "shop/icon/item000.png").read_bytes() == png("late")


def test_eight_processes_on_one_folder_buy_everything_once(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(6)), PaidHost()
    manifests = [
        shop.write(f"m{number}.yaml", shop.manifest.read_text().replace("name: shop", f"name: shop{number % 4}"))
        for number in range(8)
    ]
    with host.open() as url:
        shop.at(url)
        processes = [start("run", manifest, "--wait", "--no-sheet", environ=shop.environ) for manifest in manifests]
        rans = [ended(process) for process in processes]
    assert [ran.exit for ran in rans] == [0] * 8, [ran.err for ran in rans]
    assert sorted(host.prompts) == sorted(f"An icon of {name}." for name in letters(6))
    assert shop.pipeline("verify", "--output", shop.output).exit == 0


def test_a_reader_that_goes_away_stops_no_paid_run(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(3)), PaidHost(slowly)
    with host.open() as url:
        process = started(shop.at(url))
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        process.wait(timeout=30)
    assert {entry["state"] for entry in shop.index().values()} == {"done"}


def test_the_log_tells_every_event_in_a_line_of_json(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(2)), PaidHost()
    log, stamp = tmp_path / "logs/night.ndjson", tmp_path / "made/.stamp"
    with host.open() as url:
        ran = ended(started(shop.at(url), "--log", log, "--stamp", stamp))
    assert (ran.exit, stamp.is_file()) == (0, True)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert {event["run"] for event in events if event["run"]} == {ran.json["run"]}
    names = [event["event"] for event in events]
    assert (names.count("sent"), names.count("done"), names.count("asset")) == (2, 2, 2)
    assert names[-1] == "run_ended"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_without_permission_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(1)), PaidHost()
    shop.output.mkdir()
    shop.output.chmod(0o500)
    with host.open() as url:
        ran = shop.at(url).run()
    assert (ran.exit, host.orders) == (1, [])
