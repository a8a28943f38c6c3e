"""Our client against aimock, alone and as a proxy before our gateway, with its chaos on: the two promises.

Nothing is bought twice: no prompt meets two answers that may have been billed. Nothing is lost: what was delivered is
kept, and what may have been billed is written down as unknown.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from bench.peers.desk import Night, aimock, free_port, pipeline, run_pipeline, running, stats
from pipeline.gateway.config import GatewayConfig
from pipeline.gateway.faults import Fault
from tests.gateway.peers import encoded, opened, served

CHAOS = {"drop": 0.1, "malformed": 0.1, "ratelimit": 0.2, "disconnect": 0.1}
MANIFEST = """\
version: 1
name: chaos
providers:
  mock:
    preset: openai
    base_url: BASE_URL
    api_key: env:MOCK_KEY
    stream: "off"
    timeout: {connect: 5s, total: 30s, idle: 10s}
    limits: {concurrency: 8}
    retry: {attempts: 30, first_wait: 20ms, longest_wait: 200ms}
models:
  main: {provider: mock, model: gpt-image-2, params: {size: 1024x1024, quality: low, output_format: png}}
defaults: {model: main}
run: {stop_on: {failures_in_a_row: 1000, unknown_in_a_row: 1000}}
shots:
  mug:
    matrix:
      colour: [red, teal, black, white, amber]
      ground: [oak, marble, linen, slate]
    prompt: "a {{ colour }} mug on {{ ground }}."
"""
CHAIN = """\
    chain: [{id: ribbon, prompt: "a ribbon on the {{ colour }} mug on {{ ground }}."}]
"""


@contextmanager
def mocked(folder: Path, *more: str) -> Iterator[str]:
    """aimock with chaos and one picture for everything; gives its root URL."""
    picture = base64.b64encode(encoded(Image.new("RGB", (1024, 1024), (9, 99, 99)))).decode()
    fixture = {"match": {"endpoint": "image"}, "response": {"image": {"b64Json": picture}}}
    (folder / "fixtures").mkdir(parents=True)
    fixtures = [] if "--proxy-only" in more else [fixture]
    (folder / "fixtures" / "picture.json").write_text(json.dumps({"fixtures": fixtures}))
    port = free_port()
    chaos = [word for name, rate in CHAOS.items() for word in (f"--chaos-{name}", str(rate))]
    command = [*aimock(), "-p", str(port), "-f", "fixtures", *chaos, *more]
    url = f"http://127.0.0.1:{port}"
    with running(command, ready=f"{url}/__aimock/journal", folder=folder):
        yield url


def journal(url: str) -> list[dict[str, Any]]:
    entries = httpx.get(f"{url}/__aimock/journal").json()
    assert isinstance(entries, list)
    return entries


def perhaps_billed(entries: Sequence[dict[str, Any]]) -> Counter[str]:
    """Answers by prompt that may have been billed: pictures, garbage with status 200, lines that were cut."""
    return Counter(
        entry["body"]["messages"][0]["content"]
        for entry in entries
        if entry["response"].get("chaosAction") in {None, "malformed", "disconnect"}
    )


def prompts_of(night: Night, state: str) -> set[str]:
    """The prompts of the assets in a state."""
    prompts = set()
    for name, found in night.assets().items():
        if found == state:
            _, colour, ground, *step = name.split("/")
            prompts.add(f"{'a ribbon on the' if step else 'a'} {colour} mug on {ground}.")
    return prompts


def test_in_the_chaos_of_aimock_nothing_is_bought_twice_and_nothing_is_lost(tmp_path: Path) -> None:
    manifest = tmp_path / "chaos.yaml"
    with mocked(tmp_path / "aimock") as url:
        manifest.write_text(MANIFEST.replace("BASE_URL", f"{url}/v1") + CHAIN)
        night = run_pipeline(manifest, MOCK_KEY="sk-test")
        entries = journal(url)
        bought = perhaps_billed(entries)
        assert max(bought.values()) == 1
        assert set(bought) == prompts_of(night, "done") | prompts_of(night, "unknown")
        assert set(night.assets().values()) <= {"done", "unknown", "skipped"}
        chaos = Counter(entry["response"].get("chaosAction") for entry in entries)
        assert chaos["drop"] + chaos["rateLimit"] > 0
        assert len(prompts_of(night, "unknown")) == chaos["malformed"] + chaos["disconnect"] > 0
        assert night.exit == 14, night.notes
        assert night.said["requests"] == len(entries)

        again = run_pipeline(manifest, MOCK_KEY="sk-test")
        held = {name for name, state in night.assets().items() if state == "unknown"}
        assert {name for name, state in again.assets().items() if state == "unknown"} >= held
        assert max(perhaps_billed(journal(url)).values()) == 1

        settled = prompts_of(again, "unknown")
        httpx.post(f"{url}/__aimock/chaos", json={}).raise_for_status()
        pipeline("reconcile", str(manifest), "--not-billed", "--output", str(again.output))
        last = run_pipeline(manifest, MOCK_KEY="sk-test")
        assert (last.exit, set(last.assets().values())) == (0, {"done"}), last.notes
        assert len(last.assets()) == 40
        counts = perhaps_billed(journal(url))
        assert {prompt for prompt, count in counts.items() if count == 2} == settled
        assert max(counts.values()) <= 2
    assert [opened(picture).size for picture in last.pictures()] == [(1024, 1024)] * 40


def test_behind_aimock_as_a_faulty_proxy_our_gateway_bills_each_picture_once(tmp_path: Path) -> None:
    """What breaks behind the proxy comes as its own JSON error, and is not taken for a host that did not bill.

    Generations only: as a proxy it reads multipart bodies as text, and no picture survives that.
    """
    faults = tuple(Fault(fault=name, rate=0.06) for name in ("drop", "truncated", "bad_gateway", "reset", "500"))
    manifest = tmp_path / "chaos.yaml"
    with served(GatewayConfig(faults=faults, seed=5)) as base_url:
        proxy = ("--proxy-only", "--provider-openai", base_url.removesuffix("/v1"))
        with mocked(tmp_path / "aimock", *proxy) as url:
            manifest.write_text(MANIFEST.replace("BASE_URL", f"{url}/v1"))
            night = run_pipeline(manifest, MOCK_KEY="sk-test")
        billed = stats(base_url)["billed"]
    assert set(night.assets().values()) <= {"done", "unknown", "skipped"}, night.notes
    assert set(billed.values()) == {1}
    assert prompts_of(night, "done") <= set(billed) <= prompts_of(night, "done") | prompts_of(night, "unknown")
