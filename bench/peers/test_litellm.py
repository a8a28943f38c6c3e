"""Our client, LiteLLM's proxy, our gateway: a relay that rewrites errors and drops headers.

LiteLLM repeats what fails behind it, in 1.106 even with every setting at 0: generations are tried three times by
itself. What is judged here is that our client adds nothing to that (docs/peers.md).
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bench.peers.desk import Night, free_port, installed, run_pipeline, running, stats
from pipeline.gateway.config import GatewayConfig
from pipeline.gateway.faults import Fault
from tests.gateway.peers import opened, png, served

KEY = f"sk-{secrets.token_hex(16)}"
CONFIG = """\
model_list:
  - model_name: gpt-image-2
    litellm_params: {model: openai/gpt-image-2, api_base: BASE_URL, api_key: sk-behind, max_retries: 0}
    model_info: {mode: image_generation}
litellm_settings: {num_retries: 0}
router_settings: {disable_cooldowns: true, num_retries: 0}
"""
MANIFEST = """\
version: 1
name: relayed
providers:
  relay:
    preset: openai
    base_url: BASE_URL
    api_key: env:RELAY_KEY
    stream: "off"
    timeout: {connect: 5s, total: 60s, idle: 30s}
    limits: {concurrency: 4}
    retry: {attempts: 8, first_wait: 200ms, longest_wait: 2s}
models:
  main: {provider: relay, model: gpt-image-2, params: {size: 1024x1024, quality: low, output_format: png}}
defaults: {model: main}
budget: {per_run: 5 USD}
shots:
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """LiteLLM in front of a gateway that is to fail in given ways."""

    base_url: str
    gateway: str
    folder: Path

    def night(self, shots: str, *arguments: str) -> Night:
        httpx.post(self.gateway.removesuffix("/v1") + "/_gateway/reset")
        self.folder.mkdir()
        for name, picture in (("a", png(256, 256)), ("b", png(90, 60, (9, 99, 9))), ("mask", png(256, 256, (0,) * 4))):
            (self.folder / f"{name}.png").write_bytes(picture)
        manifest = self.folder / "relayed.yaml"
        manifest.write_text(MANIFEST.replace("BASE_URL", self.base_url) + shots, encoding="utf-8")
        return run_pipeline(manifest, *arguments, RELAY_KEY=KEY)


FAULTS = (Fault(fault="rate_limit", rate=0.75, prompt="busy", retry_after=0.05),)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder, port = tmp_path_factory.mktemp("litellm"), free_port()
    with served(GatewayConfig(faults=FAULTS, seed=3)) as gateway:
        (folder / "config.yaml").write_text(CONFIG.replace("BASE_URL", gateway))
        command = [installed("litellm"), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
        url = f"http://127.0.0.1:{port}"
        settings = {"LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "DEFAULT_MAX_RETRIES": "0"}
        with running(
            [*command, "--telemetry", "False"], ready=f"{url}/health/liveliness", folder=folder, settings=settings
        ):
            yield f"{url}/v1", gateway


@pytest.fixture
def relay(behind: tuple[str, str], tmp_path: Path) -> Relay:
    return Relay(base_url=behind[0], gateway=behind[1], folder=tmp_path / "relayed")


def test_pictures_and_multipart_edits_come_through_and_nothing_is_bought_twice(relay: Relay) -> None:
    night = relay.night("""\
  mug:
    matrix: {colour: [red, teal]}
    prompt: "a {{ colour }} mug"
    chain: [{id: ribbon, prompt: "a ribbon on the {{ colour }} mug"}]
  both: {images: [a.png, b.png], prompt: both on a table}
  hole: {images: [a.png], mask: mask.png, prompt: a parrot here}
""")
    assert night.exit == 0, night.notes
    assert set(night.assets().values()) == {"done"}
    told = stats(relay.gateway)
    assert set(told["billed"].values()) == {1}
    assert len(told["billed"]) == 6
    asked = {entry["prompt"]: entry for entry in told["log"]}
    assert len(asked["both on a table"]["inputs"]) == 2
    assert asked["a parrot here"]["mask"]
    assert asked["a ribbon on the red mug"]["path"] == "/images/edits"
    assert [opened(picture).size for picture in night.pictures()] == [(1024, 1024)] * 6


def test_too_many_requests_are_waited_for_without_a_retry_after(relay: Relay) -> None:
    """LiteLLM drops the header; the text that says how long is still there."""
    night = relay.night("""\
  busy:
    matrix: {number: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}
    prompt: "busy mug number {{ number }}"
""")
    assert night.exit == 0, night.notes
    told = stats(relay.gateway)
    assert night.said["retries"] >= 3
    assert told["statuses"]["429"] > night.said["retries"]
    assert set(told["billed"].values()) == {1}
    assert len(told["billed"]) == 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A fault behind the relay, and what it is to us: the state of the asset, the exit, the requests we sent."""

    fault: str
    state: str
    exit: int
    sent: int = 1


MET = (
    Met(fault="moderation", state="refused", exit=11),
    Met(fault="insufficient_quota", state="planned", exit=4),
    Met(fault="credit_balance", state="planned", exit=4),
    Met(fault="billing_limit", state="planned", exit=4),
    Met(fault="no_quota", state="planned", exit=4),
    Met(fault="401", state="planned", exit=3),
    Met(fault="model_not_found", state="failed", exit=11),
    Met(fault="drop", state="unknown", exit=14),
    Met(fault="truncated", state="unknown", exit=14),
    Met(fault="bad_gateway", state="unknown", exit=14),
    Met(fault="gateway_timeout", state="unknown", exit=14),
    Met(fault="cloudflare_timeout", state="unknown", exit=14),
    Met(fault="ok_html", state="unknown", exit=14),
    Met(fault="empty_data", state="unknown", exit=14),
    Met(fault="broken_base64", state="unknown", exit=14),
    Met(fault="blanks", state="done", exit=0),
    Met(fault="wrong_size", state="done", exit=0),
)
_SPENT_STREAM = {"drop"}
"""Where LiteLLM repeats an edit without the files it has already sent, and tells of a picture that is missing."""


@pytest.mark.parametrize("met", MET, ids=lambda met: met.fault)
@pytest.mark.parametrize("route", ["generations", "edits"])
def test_what_the_relay_makes_of_an_error_is_told_apart(relay: Relay, route: str, met: Met) -> None:
    images = "images: [a.png], " if route == "edits" else ""
    night = relay.night(f"""\
  one: {{{images}prompt: "a mug [[fault:{met.fault}]] {route}"}}
""")
    told = stats(relay.gateway)
    if route == "edits" and met.fault in _SPENT_STREAM:
        assert (night.assets(), night.exit) == ({"one": "failed"}, 11), night.notes
    else:
        assert (night.assets(), night.exit) == ({"one": met.state}, met.exit), night.notes
    assert night.said["requests"] == met.sent
    assert told["images_billed"] <= (3 if route == "generations" else 1)


def test_a_server_fault_behind_it_is_tried_again(relay: Relay) -> None:
    night = relay.night("""\
  one: {images: [a.png], prompt: "a mug [[fault:500 once]]"}
""")
    assert (night.assets(), night.said["requests"]) == ({"one": "done"}, 2), night.notes
    assert stats(relay.gateway)["images_billed"] == 1
