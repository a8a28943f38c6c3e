"""A planted key is in no byte of what a run leaves or says, whatever the host does with it."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.app.project import KEY, Project, small
from tests.e2e.machine import command, ended, start, until
from tests.fakes import Gate, Order, PaidHost, Reply, answer_of, error_reply, png, sells

SPELLINGS = (KEY, quote(KEY), base64.b64encode(KEY.encode()).decode(), KEY.upper(), KEY[3:], KEY[-12:])
ITEMS = ["plain", "echo", "header", "page", "cut", "url", "gone", "refused", "throttled", "unknown", "revised"]


def spiteful(host: PaidHost, order: Order) -> Reply:
    """A host that says the key it was given wherever it can."""
    given = order.headers["authorization"].removeprefix("Bearer ")
    here = f"http://{order.headers['host']}/cdn"
    host.places["/cdn/x.png"] = png("x")
    revised = {"b64_json": base64.b64encode(png("r")).decode(), "revised_prompt": f"a {given} cup"}
    replies = {
        "echo": error_reply(400, "invalid_value", f"Incorrect key {given} for you"),
        "header": Reply(body=sells(order).body, headers={"x-echo-request-id": given, "set-cookie": f"key={given}"}),
        "page": Reply(status=502, body=f"<html>Authorization: Bearer {given}</html>".encode()),
        "cut": Reply(body=answer_of(png("c"), note=given), keep=90),
        "url": Reply(body=answer_of(f"{here}/x.png?key={given}")),
        "gone": Reply(body=answer_of(f"{here}/gone.png?token={given}")),
        "refused": error_reply(400, "moderation_blocked", f"{given} may not"),
        "throttled": error_reply(500, "server_error", f"Bearer {given}", kind=given),
        "unknown": Reply(body=json.dumps({"data": [], "key": given}).encode()),
        "revised": Reply(body=json.dumps({"data": [revised], "usage": {"note": given}}).encode()),
    }
    return next((reply for item, reply in replies.items() if item in order.prompt), sells(order))


def project(folder: Path) -> Project:
    shots = f"icon: {{matrix: {{item: [{', '.join(ITEMS)}]}}, prompt: 'A {{{{ item }}}}.'}}"
    providers = """
paid:
  preset: openai
  base_url: "${SHOP_URL}"
  api_key: file:secret/key.txt
  retry: {attempts: 2, first_wait: 10ms, longest_wait: 10ms}
"""
    shop = small(folder, shots, providers=providers, run="stop_on: {failures_in_a_row: 100, unknown_in_a_row: 100}")
    shop.write("secret/key.txt", f"{KEY}\n")
    shop.environ.pop("SHOP_KEY")
    return shop


def holding(folder: Path) -> list[str]:
    """Files under a folder, but for the key's own, that hold the key in any spelling."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.name != "secret":
            data = path.read_bytes()
            found += [path.relative_to(folder).as_posix() for spelling in SPELLINGS if spelling.encode() in data]
    return found


def settled(shop: Project) -> int:
    """Assets whose last attempt has ended."""
    if not (shop.output / ".pipeline/ledger.db").exists():
        return 0
    ((count,),) = shop.rows("SELECT count(*) FROM v_assets WHERE state <> 'planned'")
    return int(count)


def said(text: str) -> bool:
    return any(spelling in text for spelling in SPELLINGS)


@pytest.fixture
def host() -> PaidHost:
    made = PaidHost()
    made.respond = lambda order: spiteful(made, order)
    return made


def test_the_key_is_nowhere_but_in_its_own_file(host: PaidHost, tmp_path: Path) -> None:
    shop = project(tmp_path)
    with host.open() as url:
        shop.at(url)
        run = command(
            "run",
            shop.manifest,
            "--json",
            "--log",
            tmp_path / "run.log",
            environ={**shop.environ, "PIPELINE_DEBUG": "1"},
        )
        assert run.exit == 14, run.err
        assert len(host.orders) >= len(ITEMS)
        told = [run] + [
            shop.pipeline(*arguments)
            for arguments in (
                ("run", shop.manifest),
                ("status", shop.manifest),
                ("status", shop.manifest, "--json"),
                ("plan", shop.manifest, "--all"),
                ("doctor", shop.manifest),
                ("why", shop.manifest, "icon/echo"),
                ("trace", shop.output / "shop/icon/plain.png"),
                ("verify", "--output", shop.output),
                ("reconcile", shop.manifest, "--billed"),
                ("validate", shop.manifest),
            )
        ]
    assert not [ran for ran in told if said(ran.out) or said(ran.err)]
    assert holding(tmp_path) == []


def test_what_a_killed_run_leaves_behind_does_not_hold_it_either(host: PaidHost, tmp_path: Path) -> None:
    shop = project(tmp_path)
    with Gate() as gate, host.open() as url:
        held = host.respond
        host.respond = lambda order: gate(order) if "plain" in order.prompt else held(order)
        process = start("run", shop.manifest, "--log", tmp_path / "run.log", environ=shop.at(url).environ)
        until(lambda: settled(shop) == len(ITEMS) - 1, "an end of all the others")
        for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert not said(cmdline.read_bytes().decode(errors="replace"))
            except OSError:
                continue  # it has ended
        process.kill()
        ended(process)
        assert holding(tmp_path) == []
        host.respond = held
        ran = shop.run()
        assert not said(ran.out + ran.err)
    assert holding(tmp_path) == []


def test_a_key_in_the_manifest_is_an_error_that_does_not_print_it(tmp_path: Path) -> None:
    shop = small(tmp_path, "icon: {prompt: A cup.}").at("http://127.0.0.1:9/v1")
    shop.swap("env:SHOP_KEY", KEY)
    ran = shop.pipeline("run", shop.manifest)
    assert ran.exit == 2
    assert not said(ran.out + ran.err)
    shop.swap(KEY, "env:SHOP_KEY")
    shop.swap("${SHOP_URL}", f"http://user:{KEY}@127.0.0.1:9/v1")
    ran = shop.pipeline("run", shop.manifest)
    assert ran.exit in {1, 2}
    assert not said(ran.out + ran.err)


def test_a_rotated_key_asks_for_nothing_again(tmp_path: Path) -> None:
    shop, host = small(tmp_path, "icon: {prompt: A cup.}"), PaidHost()
    with host.open() as url:
        shop.at(url).run()
        shop.environ["SHOP_KEY"] = "sk-another-key-altogether"
        assert shop.run().json["requests"] == 0
