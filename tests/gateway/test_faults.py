"""Faults: each one once, and when they strike."""

import base64
import json
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trio.testing

from pipeline.domain.errors import (
    BadRequest,
    KeyRefused,
    ManifestError,
    ModelMissing,
    NoFunds,
    OutcomeUnknown,
    ProviderError,
    QuotaGone,
    Refused,
    ServerFault,
    Throttled,
)
from pipeline.domain.request import Head
from pipeline.gateway.fault_file import load_faults, parse_faults
from pipeline.gateway.fault_table import ALIASES, MISFORTUNES
from pipeline.gateway.faults import Fault
from pipeline.wire import error_of, retry_after
from tests.gateway.peers import ASK, client_of, lenient, opened, picture

pytestmark = pytest.mark.anyio

MEANT: dict[str, type[ProviderError]] = {
    "throttled": Throttled,
    "server_fault": ServerFault,
    "refused": Refused,
    "bad_request": BadRequest,
    "model_missing": ModelMissing,
    "key_refused": KeyRefused,
    "no_funds": NoFunds,
    "quota_gone": QuotaGone,
    "moderation": Refused,
    "moderation_output": Refused,
    "content_policy": Refused,
    "invalid_image_file": BadRequest,
    "billing_limit": NoFunds,
    "invalid_api_key": KeyRefused,
    "no_quota": NoFunds,
    "pre_consume": NoFunds,
    "unverified": ModelMissing,
    "model_not_allowed": ModelMissing,
    "model_not_found": ModelMissing,
    "request_timeout": OutcomeUnknown,
    "conflict": BadRequest,
    "too_large": BadRequest,
    "unprocessable": BadRequest,
    "should_retry": BadRequest,
    "rate_limit": Throttled,
    "rate_limit_text": Throttled,
    "rate_limit_date": Throttled,
    "rate_limit_bare": Throttled,
    "rate_limit_long": Throttled,
    "rate_limit_empty": Throttled,
    "slow_down": Throttled,
    "insufficient_quota": NoFunds,
    "credit_balance": NoFunds,
    "spend_limit": NoFunds,
    "server_error": ServerFault,
    "server_error_late": ServerFault,
    "should_not_retry": ServerFault,
    "client_error": BadRequest,
    "overloaded": Throttled,
    "cpu_overloaded": Throttled,
    "no_channel": ModelMissing,
    "upstream_error": ServerFault,
    "unavailable": Throttled,
    "bad_gateway": OutcomeUnknown,
    "gateway_timeout": OutcomeUnknown,
    "cloudflare_timeout": OutcomeUnknown,
    "cloudflare_problem": OutcomeUnknown,
    "redirect_302": BadRequest,
    "redirect_307": BadRequest,
    "stream_error": ServerFault,
    "chat_filtered": Refused,
}
"""What the one table of errors makes of the faults that answer with an error."""

SPOILED = {
    "ok_error", "padded_error", "ok_html", "empty_data", "null_data", "empty_fields", "null_fields", "blanks",
    "no_created",
    "data_url", "urlsafe", "unpadded", "wrapped", "broken_base64", "broken_picture", "fewer", "more", "wrong_size",
    "wrong_format", "opaque", "json_to_stream", "chat_no_picture",
}  # fmt: skip
TRAVEL = {"drop", "truncated", "reset", "stall", "stall_body", "drip", "padding", "stream_cut"}


def test_every_fault_is_tested_here() -> None:
    assert set(MISFORTUNES) == set(MEANT) | SPOILED | TRAVEL
    assert set(ALIASES.values()) <= set(MISFORTUNES)


virtual = pytest.mark.parametrize("anyio_backend", [("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})])


async def hit(fault: str, **ask: Any) -> tuple[httpx.Response, int]:
    """The answer of one request that meets a fault, and the pictures it was billed."""
    async with client_of(lenient(inline=True)) as client:
        answer = await client.post("/images/generations", json={**ASK, **ask, "prompt": f"x [[fault:{fault}]]"})
        stats = (await client.get("http://sketch/_gateway/stats")).json()
    assert stats["log"][0]["fault"] == fault
    return answer, stats["images_billed"]


@pytest.mark.parametrize(("fault", "meant"), MEANT.items())
async def test_an_error_is_read_as_what_it_is_meant_to_be(fault: str, meant: type[ProviderError]) -> None:
    answer, billed = await hit(fault)
    head = Head(status=answer.status_code, headers=dict(answer.headers), seconds=0.1)
    assert type(error_of(head, answer.content, 0.1)) is meant
    assert billed == (1 if MISFORTUNES[fault].billed else 0)
    if issubclass(meant, Refused | BadRequest | KeyRefused | NoFunds | ModelMissing | QuotaGone):
        assert billed == 0


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        ("rate_limit", 1.0),
        ("rate_limit_text", 1.0),
        ("rate_limit_bare", None),
        ("rate_limit_long", 3600.0),
        ("slow_down", 1.0),
    ],
)
async def test_a_429_says_how_long_to_wait(fault: str, seconds: float | None) -> None:
    answer, _ = await hit(fault)
    text = answer.json()["error"]["message"]
    assert retry_after(dict(answer.headers), text) == seconds


async def test_a_429_can_say_it_as_a_date() -> None:
    answer, _ = await hit("rate_limit_date")
    assert answer.headers["retry-after"].endswith(" GMT")


async def test_the_file_says_how_long_to_wait() -> None:
    async with client_of(lenient(Fault(fault="429", retry_after=7.5))) as client:
        answer = await client.post("/images/generations", json=ASK)
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("8", "7500")


def data_of(answer: httpx.Response) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def test_spoiled_answers_are_spoiled_as_they_say() -> None:
    plain, _ = await hit("no_created")
    b64 = data_of(plain)[0]["b64_json"]
    assert "created" not in plain.json()
    assert "error" in (await hit("ok_error"))[0].json()
    padded = (await hit("padded_error"))[0]
    assert padded.content.startswith(b" \r\n")
    assert "error" in padded.json()
    assert (await hit("ok_html"))[0].text.startswith("<html>")
    assert data_of((await hit("empty_data"))[0]) == []
    assert data_of((await hit("chat_no_picture"))[0]) == []
    assert (await hit("null_data"))[0].json()["data"] is None
    assert not any(data_of((await hit("empty_fields"))[0])[0].values())
    assert not any(data_of((await hit("null_fields"))[0])[0].values())
    assert data_of((await hit("blanks"))[0])[0]["url"] == ""
    assert data_of((await hit("data_url"))[0])[0]["b64_json"].startswith("data:image/png;base64,iVBOR")
    assert not set("+/") & set(data_of((await hit("urlsafe"))[0])[0]["b64_json"])
    assert not data_of((await hit("unpadded"))[0])[0]["b64_json"].endswith("=")
    assert "\n" in data_of((await hit("wrapped"))[0])[0]["b64_json"]
    assert "!*!" in data_of((await hit("broken_base64"))[0])[0]["b64_json"]
    half = base64.b64decode(data_of((await hit("broken_picture"))[0])[0]["b64_json"])
    assert len(half) < len(base64.b64decode(b64))
    with pytest.raises((OSError, SyntaxError)):
        opened(half)


async def test_redrawn_answers_are_pictures_nobody_asked_for() -> None:
    fewer, billed = await hit("fewer", n=3)
    assert (len(data_of(fewer)), billed) == (2, 2)
    assert len(data_of((await hit("more"))[0])) == 2
    assert picture((await hit("wrong_size"))[0]).size == (32, 32)
    assert picture((await hit("wrong_format"))[0]).format == "JPEG"
    assert picture((await hit("opaque", background="transparent"))[0]).mode == "RGB"
    assert (await hit("json_to_stream", stream=True))[0].headers["content-type"] == "application/json"


@virtual
async def test_travels_go_wrong_in_this_process_as_the_transport_can_show_it() -> None:
    for fault in ("drop", "reset"):
        with pytest.raises(ConnectionResetError):
            await hit(fault)
    cut, billed = await hit("truncated")
    assert int(cut.headers["content-length"]) > len(cut.content) > 0
    assert billed == 1
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(cut.content)
    for fault in ("drip", "padding"):
        answer, _ = await hit(fault)
        assert picture(answer).size == (64, 64)
    for fault in ("stall", "stall_body"):
        with anyio.move_on_after(0.05) as scope:
            await hit(fault)
        assert scope.cancelled_caught


async def test_a_reset_is_billed_and_counted_without_a_status() -> None:
    async with client_of(lenient()) as client:
        with pytest.raises(ConnectionResetError):
            await client.post("/images/generations", json={**ASK, "prompt": "[[fault:drop]]"})
        stats = (await client.get("http://sketch/_gateway/stats")).json()
    assert (stats["images_billed"], stats["in_flight"], stats["statuses"]) == (1, 0, {"none": 1})


async def night(
    faults: tuple[Fault, ...], seed: int, prompts: list[str], repeats: int = 2
) -> dict[tuple[str, int], int]:
    """The status of every try of every prompt."""
    seen = {}
    async with client_of(lenient(*faults, seed=seed)) as client:
        for attempt in range(repeats):
            for prompt in prompts:
                answer = await client.post("/images/generations", json={**ASK, "size": "8x8", "prompt": prompt})
                seen[prompt, attempt] = answer.status_code
    return seen


async def test_the_same_seed_gives_the_same_night_in_whatever_order() -> None:
    faults = (Fault(fault="502", rate=0.3), Fault(fault="429", rate=0.3))
    prompts = [f"prompt {number}" for number in range(60)]
    first = await night(faults, 7, prompts)
    assert first == await night(faults, 7, prompts[::-1])
    assert first != await night(faults, 8, prompts)
    share = sum(status == 502 for status in first.values()) / len(first)
    assert 0.15 < share < 0.45
    assert {first[prompt, 0] for prompt in prompts} == {200, 429, 502}
    assert any(first[prompt, 0] != first[prompt, 1] for prompt in prompts)


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        (Fault(fault="500", nth=(2, 4)), [200, 500, 200, 500, 200, 200]),
        (Fault(fault="500", every=3), [200, 200, 500, 200, 200, 500]),
        (Fault(fault="500", times=2), [500, 500, 200, 200, 200, 200]),
        (Fault(fault="500", once=True), [500, 500, 200, 200, 200, 200]),
        (Fault(fault="500", prompt="TWO"), [200, 500, 200, 500, 200, 500]),
        (Fault(fault="500", prompt="two", once=True), [200, 500, 200, 200, 200, 200]),
        (Fault(fault="500", rate=0.0), [200] * 6),
        (Fault(fault="500", rate=1.0), [500] * 6),
    ],
)
async def test_rules_say_when(fault: Fault, statuses: list[int]) -> None:
    seen = await night((fault,), 0, ["one", "two"], repeats=3)
    assert [seen[prompt, attempt] for attempt in range(3) for prompt in ("one", "two")] == statuses


async def test_a_request_can_name_its_asset_and_its_fault() -> None:
    async with client_of(lenient(Fault(fault="500", asset="hero/*/red"))) as client:
        statuses = [
            (await client.post("/images/generations", json={**ASK, **body}, headers=headers)).status_code
            for body, headers in (
                ({}, {"x-pipeline-asset": "hero/SKU-1/red"}),
                ({}, {"x-pipeline-asset": "hero/SKU-1/teal"}),
                ({"user": "hero/a/red"}, {}),
                ({}, {"x-pipeline-fault": "overloaded"}),
                ({}, {"x-pipeline-fault": "no such fault"}),
            )
        ]
    assert statuses == [500, 200, 500, 503, 200]


async def test_a_marker_can_strike_once() -> None:
    async with client_of(lenient()) as client:
        ask = {**ASK, "prompt": "[[fault:502 once]]"}
        statuses = [(await client.post("/images/generations", json=ask)).status_code for _ in range(3)]
    assert statuses == [502, 200, 200]


async def test_the_file_decides_about_the_bill() -> None:
    for fault, billed in ((Fault(fault="502", billed=False), 0), (Fault(fault="500", billed=True), 1)):
        async with client_of(lenient(fault)) as client:
            await client.post("/images/generations", json=ASK)
            assert (await client.get("http://sketch/_gateway/stats")).json()["images_billed"] == billed


def test_a_faults_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(
        "faults:\n  - {fault: rate_limit, rate: 10%, retry_after: 250ms}\n  - {fault: 502, nth: 3, every: 5}\n"
        "  - fault: moderation\n    prompt: Forbidden\n    asset: 'a/*'\n    once: true\n    times: 2\n"
        "    after: 1.5s\n    billed: true\n",
        encoding="utf-8",
    )
    assert load_faults(file) == (
        Fault(fault="rate_limit", rate=0.1, retry_after=0.25),
        Fault(fault="502", nth=(3,), every=5),
        Fault(fault="moderation", prompt="Forbidden", asset="a/*", once=True, times=2, after=1.5, billed=True),
    )
    assert parse_faults("- {fault: drop, nth: [1, 2]}", "x") == (Fault(fault="drop", nth=(1, 2)),)
    assert parse_faults("", "x") == ()


def test_everything_wrong_with_a_faults_file_is_told_at_once_and_where() -> None:
    text = (
        "faults:\n  - fault: drp\n  - rate: 2\n    fault: drop\n  - nth: 0\n  - {fault: drop, rat: 1, once: maybe}\n"
        "  - just text\nseed: 7\n"
    )
    with pytest.raises(ManifestError) as caught:
        parse_faults(text, "f.yaml")
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "f.yaml:2:12", "f.yaml:3:11", "f.yaml:5:5", "f.yaml:5:10", "f.yaml:6:19", "f.yaml:6:33", "f.yaml:7:5",
        "f.yaml:8:1",
    ]  # fmt: skip
    assert "did you mean 'drop'?" in lines[0]
