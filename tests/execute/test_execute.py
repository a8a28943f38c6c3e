"""One work from its inputs to what became of each step; no error of one work is anybody else's."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pipeline.app.world import inline
from pipeline.budget import Purse
from pipeline.catalogue import load_catalogue
from pipeline.domain.capability import Profile, Quote
from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.errors import (
    Answered,
    BadRequest,
    BudgetReached,
    DiskFull,
    InputFault,
    KeyRefused,
    ModelMissing,
    NetworkDown,
    NoFunds,
    NotSent,
    NotStarted,
    OutcomeUnknown,
    PipelineError,
    QuotaGone,
    Refused,
    ServerFault,
    Throttled,
)
from pipeline.domain.image import Facts, Format, Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, Kept, Rendered, State
from pipeline.domain.request import ImageRequest, Prepared, ReadyStep
from pipeline.domain.step import InputRef, Role, step_key
from pipeline.execute import Executed, Execution, result_of
from pipeline.manifest.model import Budget
from pipeline.plan import Work
from tests.provider.hosts import spec
from tests.purchase.bench import NOW, step

pytestmark = pytest.mark.anyio

ENDINGS: list[tuple[PipelineError, str, str]] = [
    (OutcomeUnknown("x"), "unknown", ""),
    (Refused("x", Answered(stage="output")), "refused", "output"),
    (Refused("x"), "refused", "content"),
    (BadRequest("x"), "failed", "rejected"),
    (ModelMissing("x"), "failed", "model"),
    (InputFault("x"), "failed", "input"),
    (Throttled("x"), "failed", "exhausted"),
    (ServerFault("x"), "failed", "exhausted"),
    (NotSent("x"), "failed", "exhausted"),
    (KeyRefused("x"), "planned", ""),
    (NoFunds("x"), "planned", ""),
    (QuotaGone("x"), "planned", ""),
    (NotStarted("x"), "planned", ""),
    (NetworkDown("x"), "planned", ""),
    (BudgetReached("x"), "planned", ""),
]


@pytest.mark.parametrize(("error", "state", "reason"), ENDINGS)
def test_an_error_becomes_a_state_and_a_reason(error: PipelineError, state: str, reason: str) -> None:
    result = result_of(error)
    assert (result.state, result.reason, result.image, result.message) == (state, reason, None, "x")


@dataclass
class Shelf:
    """Inputs and pictures that are simply there, or are not."""

    asked: list[tuple[str, Role]] = field(default_factory=list)

    def prepare(self, source: str, role: Role, digest: Digest) -> Prepared:
        self.asked.append((source, role))
        if "gone" in source:
            raise InputFault(f"{source}: gone")
        return prepared(role, digest)

    def prepare_picture(self, image: Image, path: Path) -> Prepared:
        return prepared("image", image.digest)

    def match(self, images: tuple[Prepared, ...], mask: Prepared) -> tuple[Prepared, ...]:
        return (*images, mask)

    def image(self, digest: Digest) -> Image | None:
        return picture() if digest == picture().digest else None

    def path(self, image: Image) -> Path:
        return Path("/store") / image.digest


def picture() -> Image:
    facts = Facts(format=Format.PNG, width=8, height=8, has_alpha=False)
    return Image(digest=digest_of(b"parent"), size=6, facts=facts)


def prepared(role: Role, digest: Digest) -> Prepared:
    return Prepared(
        role=role, digest=digest, path=Path("/x"), size=1, media_type="image/png", filename="x.png", width=8, height=8
    )


class Teller:
    """A provider that answers with what it was given and remembers the requests."""

    def __init__(self, answer: Rendered | PipelineError) -> None:
        self.answer = answer
        self.requests: list[ImageRequest] = []

    async def render(self, request: ImageRequest) -> Rendered:
        self.requests.append(request)
        if isinstance(self.answer, PipelineError):
            raise self.answer
        return self.answer


def kept(state: State = State.DONE, reason: str = "") -> Kept:
    return Kept(image=picture(), slot=0, state=state, reason=reason)


def rendered(*pictures: Kept | None, unknown: OutcomeUnknown | None = None) -> Rendered:
    return Rendered(attempt_id=AttemptId("a"), kept=pictures, cost=MicroUsd(100), unknown=unknown)


async def execute(provider: Teller, *inputs: InputRef, count: int = 1, shelf: Shelf | None = None) -> Executed:
    shelf = shelf or Shelf()
    steps = []
    for number in range(1, count + 1):
        made = replace(step(number).step, inputs=inputs)
        parts = made.parts(picture().digest)
        steps.append(ReadyStep(step=made, key=step_key(parts), parts=parts))
    execution = Execution(
        providers={"paid": provider},
        specs={"paid": spec(profile=Profile(name="openai"))},
        catalogue=load_catalogue(today=NOW.date()),
        desk=shelf,
        pictures=shelf,
        purse=Purse(Budget()),
        blocking=inline,
    )
    quote = Quote(expected=MicroUsd(1), worst=MicroUsd(2), source="price")
    return await execution(Work(number=1, lane="paid", steps=tuple(steps), renew=False, quote=quote))


def given(source: str, role: Role = "image") -> InputRef:
    return InputRef(role=role, source=source, digest=digest_of(source.encode()))


async def test_inputs_travel_parent_first_and_mask_last() -> None:
    provider = Teller(rendered(kept()))
    parent = InputRef(role="image", source="", digest=None)
    await execute(provider, parent, given("mask.png", "mask"), given("photo.png"))
    (request,) = provider.requests
    assert [item.role for item in request.inputs] == ["image", "image", "mask"]
    assert request.inputs[0].digest == picture().digest


async def test_a_broken_input_asks_nobody() -> None:
    provider = Teller(rendered(kept()))
    executed = await execute(provider, given("gone.png"))
    assert provider.requests == []
    assert executed.results == (result_of(InputFault("gone.png: gone")),)
    assert isinstance(executed.error, InputFault)
    assert executed.failed


async def test_an_error_is_every_step_s_of_its_work() -> None:
    executed = await execute(Teller(Refused("no")), count=2)
    assert [result.state if result else None for result in executed.results] == ["refused", "refused"]


async def test_what_came_is_shared_out_and_what_did_not_come_is_asked_again() -> None:
    executed = await execute(Teller(rendered(kept(), None)), count=2)
    first, second = executed.results
    assert first is not None
    assert (first.state, first.usd, second, executed.error) == ("done", 100, None, None)


async def test_what_is_perhaps_billed_beside_what_came_is_unknown_and_not_asked_again() -> None:
    error = OutcomeUnknown("broken")
    executed = await execute(Teller(rendered(kept(), None, unknown=error)), count=2)
    assert [result.state if result else None for result in executed.results] == ["done", "unknown"]
    assert (executed.error, executed.failed) == (error, True)


async def test_a_kept_picture_that_is_not_what_was_asked_is_a_failure() -> None:
    executed = await execute(Teller(rendered(kept(State.FAILED, "opaque"))))
    assert executed.failed
    assert executed.error is None


async def test_a_full_disk_is_everybody_s() -> None:
    with pytest.raises(DiskFull):
        await execute(Teller(DiskFull("full")))


async def test_a_parent_that_is_not_in_the_store_is_an_input_fault() -> None:
    class Empty(Shelf):
        def image(self, digest: Digest) -> Image | None:
            return None

    executed = await execute(Teller(rendered(kept())), InputRef(role="image", source="", digest=None), shelf=Empty())
    assert isinstance(executed.error, InputFault)
    assert "pipeline verify" in str(executed.error)
