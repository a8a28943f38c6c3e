"""An intent and its settlement with every field filled."""

from dataclasses import replace
from datetime import UTC, datetime

from pipeline.domain.digest import Digest
from pipeline.domain.image import Facts, Format, Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import (
    PAID,
    AttemptId,
    Intent,
    IntentSlot,
    Kept,
    Outcome,
    Reason,
    RunId,
    Settlement,
    State,
)
from pipeline.domain.step import Accept, AssetName, KeyParts, step_key

PARTS = KeyParts(
    protocol="images",
    model="gpt-image-2",
    params={"size": "1024x1024", "quality": "high", "nested": {"a": [1, 2.5, None, True]}},
    prompt='A cup, \u201cred\u201d \U0001f375 and a lone surrogate \ud83c; "quoted"\n',
    inputs=(("image", Digest("a" * 64)), ("mask", Digest("b" * 64))),
    candidate=2,
)
BARE = KeyParts(protocol="chat", model="m", params={}, prompt="p")

EXACT = Accept(size="exact", format="exact")

INTENT = Intent(
    attempt_id=AttemptId("01J-attempt_1"),
    run_id=RunId("run-1"),
    space=PAID,
    manifest="product-shots",
    provider="clauddy",
    endpoint="https://host/v1",
    protocol="images",
    model="gpt-image-2",
    slots=(
        IntentSlot(key=step_key(PARTS), parts=PARTS, asset=AssetName("hero/SKU-1/marble#2"), accept=EXACT),
        IntentSlot(key=step_key(BARE), parts=BARE, asset=AssetName("hero/SKU-2")),
    ),
    cost_low=MicroUsd(1),
    cost_high=MicroUsd(250_000),
    request_digest=Digest("c" * 64),
    key_fingerprint="deadbeef",
    boot_id="boot",
    opened_at=datetime(2026, 11, 30, 23, 59, 59, 123456, tzinfo=UTC),
    notes=("image-1: turned upright",),
    preset="clauddy",
    price=MicroUsd(40_000),
)

IMAGE = Image(
    digest=Digest("d" * 64),
    size=12345,
    facts=Facts(format=Format.WEBP, width=10, height=20, has_alpha=True, transparent_share=0.25),
)

SETTLEMENT = Settlement(
    attempt_id=INTENT.attempt_id,
    outcome=Outcome.DONE,
    ended_at=datetime(2026, 12, 1, 0, 1, 2, tzinfo=UTC),
    space=PAID,
    kept=(
        Kept(image=IMAGE, slot=0, state=State.DONE, revised_prompt="a cup", warnings=("webp, not png",)),
        Kept(
            image=replace(IMAGE, digest=Digest("e" * 64)),
            slot=1,
            state=State.FAILED,
            reason=Reason.OPAQUE.value,
            revised_prompt="x",
            warnings=("w",),
        ),
        Kept(image=replace(IMAGE, digest=Digest("f" * 64)), slot=None, state=State.DONE),
    ),
    reason="mismatch",
    http_status=200,
    error_code="code",
    request_id="req_1",
    remote_id="job_1",
    message="all well",
    seconds=61.25,
    cost=MicroUsd(40_000),
    cost_high=MicroUsd(250_000),
    estimated=False,
    usage={"image_out": 4160, "cost": 0.04},
    resolved={"size": "1024x1024"},
    stage="output",
    categories=("violence",),
    culprit="a proxy?",
    recovered=True,
)
