"""How a host's answer ends up: the asset's state, the exit status, the money, and what the next night does about it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.app.project import Project, icons, small
from tests.fakes import Order, PaidHost, Reply, answer_of, error_reply, png, sells

ASSET = "icon/item000"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One answer and what follows. asked_again: by the next run as it is; retried: by ``--retry refused``."""

    reply: Reply
    state: str
    exit: int
    reason: str = ""
    asked_again: bool = False
    retried: bool = False
    unknown: float = 0.0


CASES = {
    "moderation": Case(
        reply=error_reply(400, "moderation_blocked"), state="refused", reason="content", exit=11, retried=True
    ),
    "a bad parameter": Case(
        reply=error_reply(400, "invalid_value"), state="failed", reason="rejected", exit=11, asked_again=True
    ),
    "no such model": Case(
        reply=error_reply(404, "model_not_found"), state="failed", reason="model", exit=11, asked_again=True
    ),
    "a wrong key": Case(reply=error_reply(401, "invalid_api_key"), state="planned", exit=3, asked_again=True),
    "a forbidden key": Case(
        reply=error_reply(403, "invalid_api_key", "Incorrect API key provided"),
        state="planned",
        exit=3,
        asked_again=True,
    ),
    "no money": Case(reply=error_reply(429, "insufficient_quota"), state="planned", exit=4, asked_again=True),
    "a billing limit": Case(
        reply=error_reply(400, "billing_hard_limit_reached"), state="planned", exit=4, asked_again=True
    ),
    "the maker's fault": Case(
        reply=error_reply(500, "server_error", kind="server_error"),
        state="failed",
        reason="exhausted",
        exit=11,
        asked_again=True,
    ),
    "a proxy's page": Case(
        reply=Reply(status=502, body=b"<html>bad gateway</html>"), state="unknown", exit=14, unknown=0.04
    ),
    "a slow proxy's page": Case(
        reply=Reply(status=524, body=b"<html>a timeout occurred</html>"), state="unknown", exit=14, unknown=0.04
    ),
    "a page of 200": Case(reply=Reply(body=b"<html>hello</html>"), state="unknown", exit=14, unknown=0.04),
    "no pictures": Case(reply=Reply(body=b'{"data": []}'), state="unknown", exit=14, unknown=0.04),
    "half a picture": Case(reply=Reply(body=answer_of(png("x")[:-13])), state="unknown", exit=14, unknown=0.04),
    "a cut line": Case(reply=Reply(body=answer_of(png("x")), keep=60), state="unknown", exit=14, unknown=0.04),
    "no line": Case(reply=Reply(body=b"x", keep=0), state="unknown", exit=14, unknown=0.04),
    "an error of 200": Case(
        reply=Reply(body=error_reply(400, "moderation_blocked").body),
        state="refused",
        reason="content",
        exit=11,
        retried=True,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_answer_becomes_a_state_an_exit_and_a_rule_for_the_next_night(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    shop = small(tmp_path, icons(1))
    host = PaidHost(lambda order: case.reply)
    with host.open() as url:
        ran = shop.at(url).run()
        assert (ran.exit, ran.json["assets"][case.state], len(host.orders)) == (case.exit, 1, 1), ran.err
        assert ran.json["usd"] == {"spent": 0.0, "unknown": case.unknown, "saved": 0.0}
        entry = shop.index()[ASSET]
        assert (entry["state"], entry["reason"] or "") == (case.state, case.reason)
        host.respond = sells
        assert shop.asked() == ({ASSET} if case.asked_again else set())
        assert shop.asked("--retry", "refused") == ({ASSET} if case.asked_again or case.retried else set())
        again = shop.run("--retry", "refused") if case.retried else shop.run()
    bought = case.asked_again or case.retried
    assert again.json["requests"] == bought
    assert again.exit == (0 if bought else 14)
    assert shop.index()[ASSET]["state"] == ("done" if bought else "unknown")


def unknown_shop(folder: Path) -> Project:
    """A project whose only asset is unknown, at a host that answers well from now on."""
    shop = small(folder, icons(1))
    with PaidHost(lambda order: Reply(status=502, body=b"<html></html>")).open() as url:
        assert shop.at(url).run().exit == 14
    return shop


@pytest.mark.parametrize(
    ("options", "state", "requests", "spent"),
    [
        (["--billed"], "failed", 0, 0.04),
        (["--not-billed"], "done", 1, 0.0),
        (["--rebuy"], "done", 1, 0.04),
        (["--rebuy", "--not-billed"], "done", 1, 0.0),
    ],
)
def test_a_person_settles_what_is_unknown(
    options: list[str], state: str, requests: int, spent: float, tmp_path: Path
) -> None:
    shop = unknown_shop(tmp_path)
    ran = shop.pipeline("reconcile", shop.manifest, *options, "--json")
    assert (ran.exit, ran.json["settled"], ran.json["left"]) == (0, 1, 0)
    status = shop.pipeline("status", shop.manifest, "--json").json
    assert status["usd"]["total"] == {"spent": spent, "unknown": 0.0}
    assert status["unknown"] == []
    host = PaidHost()
    with host.open() as url:
        ran = shop.at(url).run()
    assert (len(host.orders), shop.index()[ASSET]["state"]) == (requests, state)
    assert ran.exit == (11 if state == "failed" else 0)
    if state == "failed":
        assert shop.index()[ASSET]["reason"] == "lost"


def test_one_asset_is_settled_and_the_other_stays_unknown(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(2))
    with PaidHost(lambda order: Reply(status=502, body=b"<html></html>")).open() as url:
        shop.at(url).run()
    assert shop.pipeline("reconcile", shop.manifest, ASSET, "--not-billed", "--json").json["settled"] == 1
    assert shop.asked() == {ASSET}


def test_reconcile_without_a_word_and_without_a_terminal_says_what_to_write(tmp_path: Path) -> None:
    shop = unknown_shop(tmp_path)
    ran = shop.pipeline("reconcile", shop.manifest)
    assert ran.exit == 2
    assert "--billed, --not-billed or --rebuy" in ran.err
    assert shop.pipeline("reconcile", shop.manifest, "--billed", "--not-billed").exit == 2


def test_an_unknown_outcome_is_shown_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    shop = unknown_shop(tmp_path)
    (told,) = shop.pipeline("status", shop.manifest, "--json").json["unknown"]
    assert (told["assets"], told["http_status"], told["request_id"], told["usd"]) == ([ASSET], 502, "req_1", 0.04)
    assert told["culprit"] == "a proxy answered 502, not the maker"
    text = shop.pipeline("status", shop.manifest).out
    assert "req_1" in text
    assert "a proxy answered 502" in text


def test_a_refused_parent_skips_its_chain_and_one_failure_stops_nothing_else(tmp_path: Path) -> None:
    shots = "icon: {matrix: {item: [good, bad]}, prompt: 'A {{ item }}.', chain: [{id: hover, prompt: Hover.}]}"
    shop = small(tmp_path, shots)

    def respond(order: Order) -> Reply:
        return error_reply(400, "moderation_blocked") if "bad" in order.prompt else sells(order)

    with PaidHost(respond).open() as url:
        ran = shop.at(url).run()
    assert ran.exit == 11
    states = {name: (entry["state"], entry["reason"]) for name, entry in shop.index().items()}
    assert states["icon/good/hover"][0] == "done"
    assert states["icon/bad"] == ("refused", "content")
    assert states["icon/bad/hover"] == ("skipped", "parent")
    assert (ran.json["assets"]["done"], ran.json["assets"]["refused"], ran.json["assets"]["skipped"]) == (2, 1, 1)


def packed(respond: Callable[[Order], Reply], folder: Path) -> tuple[Project, PaidHost]:
    shop = small(folder, "icon: {prompt: A cup., n: 2, per_request: 2}")
    host = PaidHost(respond)
    with host.open() as url:
        shop.at(url).run()
    return shop, host


def test_of_two_packed_pictures_a_broken_one_costs_the_other_nothing(tmp_path: Path) -> None:
    shop, host = packed(lambda order: Reply(body=answer_of(png("x")[:-13], png("y"))), tmp_path)
    assert len(host.orders) == 1
    states = {name: (entry["state"], bool(entry["path"])) for name, entry in shop.index().items()}
    assert states == {"icon": ("unknown", False), "icon#2": ("done", True)}
    assert (shop.output / "shop" / "icon-2.png").read_bytes() == png("y")


def test_fewer_pictures_than_asked_are_asked_again_in_the_same_run(tmp_path: Path) -> None:
    shop, host = packed(lambda order: sells(order) if order.count == 1 else Reply(body=answer_of(png("x"))), tmp_path)
    assert [order.count for order in host.orders] == [2, 1]
    assert {entry["state"] for entry in shop.index().values()} == {"done"}


def test_a_picture_of_another_size_is_done_with_a_warning_that_changes_no_exit(tmp_path: Path) -> None:
    shop = small(tmp_path, "icon: {prompt: A cup., params: {size: 1024x1024}}")
    with PaidHost().open() as url:
        ran = shop.at(url).run()
    assert ran.exit == 0
    assert shop.index()["icon"]["warnings"] == ["asked 1024x1024, got 3x2"]
    assert "asked 1024x1024, got 3x2" in ran.err


def test_with_accept_exact_it_is_failed_kept_shown_and_not_asked_again(tmp_path: Path) -> None:
    shop = small(tmp_path, "icon: {prompt: A cup., params: {size: 1024x1024}, accept: {size: exact}}")
    host = PaidHost()
    with host.open() as url:
        first, second = shop.at(url).run(), shop.run()
    assert (first.exit, second.exit, len(host.orders)) == (11, 11, 1)
    entry = shop.index()["icon"]
    assert (entry["state"], entry["reason"], entry["path"]) == ("failed", "mismatch", "icon.png")
    assert second.json["usd"]["spent"] == 0


def test_an_opaque_picture_is_no_parent_until_it_is_blessed(tmp_path: Path) -> None:
    shots = """
icon:
  prompt: A cup.
  params: {background: transparent}
  chain: [{id: hover, prompt: Hover.}]
"""
    shop = small(tmp_path, shots)
    host = PaidHost()
    with host.open() as url:
        first = shop.at(url).run()
        assert first.exit == 11
        states = {name: (entry["state"], entry["reason"]) for name, entry in shop.index().items()}
        assert states == {"icon": ("failed", "opaque"), "icon/hover": ("skipped", "parent")}
        assert shop.run().json["requests"] == 0
        assert shop.pipeline("bless", shop.manifest, "icon").exit == 0
        last = shop.run()
    assert (last.json["requests"], shop.index()["icon"]["state"]) == (1, "done")


def test_on_unknown_retry_asks_again_at_most_as_often_as_was_said(tmp_path: Path) -> None:
    provider = (
        'paid: {preset: openai, base_url: "${SHOP_URL}", api_key: env:SHOP_KEY, on_unknown: retry, max_buys: 2,'
        " retry: {first_wait: 10ms, longest_wait: 10ms}}"
    )
    shop = small(tmp_path, icons(1), providers=provider)
    host = PaidHost(lambda order: Reply(status=502, body=b"<html></html>"))
    with host.open() as url:
        ran = shop.at(url).run()
        assert (ran.exit, len(host.orders), ran.json["usd"]["unknown"]) == (14, 2, 0.08)
        assert shop.run().json["requests"] == 0
    assert len(host.orders) == 2


@pytest.mark.parametrize(
    ("reply", "state"),
    [(error_reply(400, "moderation_blocked", "no hats"), "refused"), (Reply(body=b"<html>hello</html>"), "unknown")],
)
def test_why_an_asset_is_held_is_still_told_by_the_nights_after(reply: Reply, state: str, tmp_path: Path) -> None:
    shop = small(tmp_path, icons(1))
    with PaidHost(lambda _: reply).open() as url:
        shop.at(url).run()
        first = shop.index()[ASSET]
        assert first["state"] == state
        assert first["warnings"]
        assert shop.run().json["requests"] == 0
    assert shop.index()[ASSET] == first
    assert first["warnings"][0] in shop.pipeline("status", shop.manifest).out
