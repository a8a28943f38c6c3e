"""A budget is never crossed, never by an instant, and never waited for in vain."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import anyio
import pytest
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.budget import Budgeted, Purse
from pipeline.domain.capability import Quote
from pipeline.domain.digest import digest_of
from pipeline.domain.errors import (
    BadRequest,
    BudgetReached,
    DiskFull,
    InputFault,
    KeyRefused,
    NotSent,
    NotStarted,
    OutcomeUnknown,
    Refused,
    ServerFault,
    Throttled,
)
from pipeline.domain.image import Facts, Format, Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, Kept, Money, Rendered, State
from pipeline.domain.request import ImageRequest, ReadyStep
from pipeline.domain.step import AssetName, KeyParts, Step, step_key
from pipeline.manifest.model import Budget

CENT = 10_000


def usd(cents: int) -> MicroUsd:
    return MicroUsd(cents * CENT)


def ready(asset: str) -> ReadyStep:
    step = Step(
        asset=AssetName(asset),
        shot="hero",
        axes=(),
        step_id="",
        depth=0,
        candidate=1,
        remaining=0,
        provider="host",
        model_alias="main",
        model="gpt-image-2",
        protocol="images",
        params={},
        prompt="a cat",
        inputs=(),
        parent=None,
        path=asset,
    )
    parts = KeyParts(protocol="images", model=step.model, params={}, prompt=asset)
    return ReadyStep(step=step, key=step_key(parts), parts=parts)


def asked(worst: int, *assets: str) -> ImageRequest:
    return ImageRequest(
        steps=tuple(ready(asset) for asset in assets or ("hero/a",)),
        provider="host",
        protocol="images",
        model="gpt-image-2",
        prompt="a cat",
        params={},
        worst=MicroUsd(worst),
    )


def brought(request: ImageRequest, cost: int, missing: int = 0) -> Rendered:
    facts = Facts(format=Format.PNG, width=1, height=1, has_alpha=False)
    image = Image(digest=digest_of(b"x"), size=1, facts=facts)
    kept = tuple(
        None if index < missing else Kept(image=image, slot=index, state=State.DONE) for index in range(request.count)
    )
    return Rendered(attempt_id=AttemptId("1"), kept=kept, cost=MicroUsd(cost))


@dataclass(frozen=True)
class Host:
    """Answers after some virtual seconds with whatever its script says."""

    answer: Callable[[ImageRequest], Awaitable[Rendered]]

    async def render(self, request: ImageRequest) -> Rendered:
        return await self.answer(request)


def on_virtual_time(body: Callable[[], Awaitable[None]]) -> None:
    clock = trio.testing.MockClock(autojump_threshold=0)
    anyio.run(body, backend="trio", backend_options={"clock": clock})


def test_a_request_that_fits_leaves_at_once_and_is_counted_at_its_worst() -> None:
    purse = Purse(Budget(per_run=usd(100)))
    assert purse.claim(asked(usd(30))) is not None
    assert (purse.reserved, purse.spent, purse.unknown) == (usd(30), 0, 0)


def test_an_answer_frees_what_it_did_not_cost() -> None:
    purse = Purse(Budget(per_run=usd(100)))
    claim = purse.claim(asked(usd(60)))
    assert claim is not None
    assert purse.claim(asked(usd(60))) is None
    purse.settle(claim, usd(5), 1)
    assert purse.claim(asked(usd(60))) is not None


BOUNDS = {
    "per_run": (
        Budget(per_run=usd(50)),
        r"budget\.per_run \$0\.50: \$0\.40 spent or unknown, the next may cost \$0\.20",
    ),
    "per_month": (Budget(per_month=usd(50)), r"budget\.per_month \$0\.50: \$0\.40 spent"),
    "per_asset": (Budget(per_asset=usd(50)), r"budget\.per_asset \$0\.50 for hero/a: \$0\.40 spent"),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_what_is_spent_holds_back_what_would_cross_and_says_which_bound_and_by_how_much(name: str) -> None:
    budget, message = BOUNDS[name]
    purse = Purse(budget)
    claim = purse.claim(asked(usd(45)))
    assert claim is not None
    purse.settle(claim, usd(40), 1)
    with pytest.raises(BudgetReached, match=message) as reached:
        purse.claim(asked(usd(20)))
    assert reached.value.bound == name


def test_a_request_dearer_than_the_exposure_allowed_is_refused_whatever_is_in_flight() -> None:
    purse = Purse(Budget(max_exposure=usd(10)))
    with pytest.raises(BudgetReached) as reached:
        purse.claim(asked(usd(11)))
    assert reached.value.bound == "max_exposure"


def test_exposure_bounds_what_is_in_flight_and_not_what_was_spent() -> None:
    purse = Purse(Budget(max_exposure=usd(10)))
    for _ in range(5):
        claim = purse.claim(asked(usd(10)))
        assert claim is not None
        assert purse.claim(asked(usd(1))) is None
        purse.settle(claim, usd(10), 1)


def test_an_unknown_outcome_is_no_longer_exposure_but_counts_in_the_run() -> None:
    purse = Purse(Budget(max_exposure=usd(10), per_run=usd(15)))
    claim = purse.claim(asked(usd(10)))
    assert claim is not None
    purse.hold(claim)
    assert (purse.reserved, purse.unknown) == (0, usd(10))
    assert purse.claim(asked(usd(5))) is not None


def test_images_are_counted_as_asked_and_a_refusal_gives_them_back() -> None:
    purse = Purse(Budget(max_images=4))
    first = purse.claim(asked(usd(1), "a", "a#2", "a#3"))
    assert first is not None
    assert purse.claim(asked(usd(1), "b", "b#2")) is None
    purse.release(first)
    second = purse.claim(asked(usd(1), "b", "b#2"))
    assert second is not None
    purse.settle(second, usd(1), 2)
    with pytest.raises(BudgetReached, match=r"budget\.max_images 4: 2 asked for, 3 more wanted"):
        purse.claim(asked(usd(1), "a", "a#2", "a#3"))


def test_max_images_binds_pictures_that_cost_nothing_too_and_money_does_not() -> None:
    purse = Purse(Budget(max_images=1, per_run=usd(0), per_asset=usd(0)))
    claim = purse.claim(asked(0))
    assert claim is not None
    purse.settle(claim, MicroUsd(0), 1)
    with pytest.raises(BudgetReached) as reached:
        purse.claim(asked(0))
    assert reached.value.bound == "max_images"


def test_what_is_free_leaves_even_when_the_money_is_gone() -> None:
    purse = Purse(Budget(per_run=usd(10), per_month=usd(10), per_asset=usd(10), max_exposure=usd(10)))
    claim = purse.claim(asked(usd(10)))
    assert claim is not None
    purse.settle(claim, usd(50), 1)
    assert purse.claim(asked(0)) is not None


def test_what_the_ledger_says_of_the_month_counts_from_the_start() -> None:
    purse = Purse(Budget(per_month=usd(100)), month=Money(spent=usd(80), unknown=usd(15)))
    assert purse.claim(asked(usd(5))) is not None
    with pytest.raises(BudgetReached):
        purse.claim(asked(usd(6)))


def test_what_this_run_spent_before_is_counted_once_in_run_and_month() -> None:
    run = Money(spent=usd(30), unknown=usd(10))
    purse = Purse(Budget(per_run=usd(50), per_month=usd(100)), run=run, month=Money(spent=usd(70), unknown=usd(10)))
    assert (purse.spent, purse.unknown) == (usd(30), usd(10))
    assert purse.claim(asked(usd(10))) is not None
    with pytest.raises(BudgetReached) as reached:
        purse.claim(asked(usd(11)))
    assert reached.value.bound == "per_run"


def test_the_money_an_asset_cost_in_earlier_runs_counts_and_is_asked_for_once() -> None:
    questions: list[AssetName] = []

    def spent_on(asset: AssetName) -> MicroUsd:
        questions.append(asset)
        return usd(90) if asset == "hero/old" else usd(0)

    purse = Purse(Budget(per_asset=usd(100)), spent_on=spent_on)
    with pytest.raises(BudgetReached):
        purse.claim(asked(usd(20), "hero/old"))
    assert purse.claim(asked(usd(10), "hero/old")) is not None
    assert purse.claim(asked(usd(10), "hero/old")) is None
    assert purse.claim(asked(usd(20), "hero/new")) is not None
    assert questions == ["hero/old", "hero/new"]


def test_candidates_of_one_request_share_its_price() -> None:
    purse = Purse(Budget(per_asset=usd(10)))
    claim = purse.claim(asked(usd(40), "a", "a#2", "a#3", "a#4"))
    assert claim is not None
    purse.settle(claim, usd(32), 4)
    with pytest.raises(BudgetReached, match="for a#2"):
        purse.claim(asked(usd(3), "a#2"))


def test_the_budget_of_the_command_line_replaces_the_manifests() -> None:
    budget = Budget(per_run=usd(1))
    assert Purse(budget, per_run=usd(50)).claim(asked(usd(20))) is not None
    with pytest.raises(BudgetReached):
        Purse(Budget(per_run=usd(50)), per_run=usd(0)).claim(asked(usd(20)))


def test_a_model_without_a_price_is_refused_unless_it_is_allowed_or_free() -> None:
    refusing = Purse(Budget())
    with pytest.raises(BudgetReached, match=r"acme-1 at acme has no price.*price:") as reached:
        refusing.admit(None, "acme-1 at acme")
    assert reached.value.bound == "unpriced"
    assert refusing.admit(None, "acme-1 at sketch", free=True).worst == 0
    assert Purse(Budget(unpriced="allow")).admit(None, "acme-1 at acme").worst == 0
    quote = Quote(expected=usd(1), worst=usd(2), source="tokens")
    assert refusing.admit(quote, "any") is quote


def test_a_host_that_bills_above_the_worst_price_is_reserved_by_the_same_factor_from_then_on() -> None:
    purse = Purse(Budget(per_run=usd(100)))
    claim = purse.claim(asked(usd(10)))
    assert claim is not None
    purse.settle(claim, usd(30), 1)
    assert purse.spent == usd(30)
    assert purse.surprises == {("host", "gpt-image-2"): 3.0}
    second = purse.claim(asked(usd(10)))
    assert second is not None
    assert purse.reserved == usd(30)
    purse.hold(second)
    assert purse.unknown == usd(30)


OUTCOMES = {
    "throttled": (Throttled("429"), 0, 0),
    "server fault": (ServerFault("500"), 0, 0),
    "not sent": (NotSent("refused"), 0, 0),
    "refused": (Refused("safety"), 0, 0),
    "bad request": (BadRequest("size"), 0, 0),
    "key refused": (KeyRefused("401"), 0, 0),
    "input fault": (InputFault("photo"), 0, 0),
    "closed meanwhile": (NotStarted("closed"), 0, 0),
    "unknown": (OutcomeUnknown("524"), 0, 10),
    "disk full": (DiskFull("no room"), 0, 10),
    "a fault of ours": (RuntimeError("bug"), 0, 10),
}


@pytest.mark.anyio
@pytest.mark.parametrize("outcome", OUTCOMES)
async def test_every_way_an_attempt_can_end_counts_what_it_may_have_cost(outcome: str) -> None:
    error, spent, unknown = OUTCOMES[outcome]

    async def fail(request: ImageRequest) -> Rendered:
        await anyio.lowlevel.checkpoint()
        raise error

    purse = Purse(Budget(per_run=usd(100), max_images=1))
    with pytest.raises(type(error)):
        await Budgeted(Host(fail), purse).render(asked(usd(10)))
    assert (purse.reserved, purse.spent, purse.unknown) == (0, usd(spent), usd(unknown))
    if unknown:
        with pytest.raises(BudgetReached, match="max_images"):
            purse.claim(asked(usd(10)))
    else:
        assert purse.claim(asked(usd(10))) is not None


@pytest.mark.anyio
async def test_fewer_pictures_than_asked_leave_room_for_the_rest() -> None:
    async def one_of_three(request: ImageRequest) -> Rendered:
        await anyio.lowlevel.checkpoint()
        return brought(request, usd(2), missing=2)

    purse = Purse(Budget(max_images=3))
    rendered = await Budgeted(Host(one_of_three), purse).render(asked(usd(3), "a", "a#2", "a#3"))
    assert rendered.cost == usd(2)
    assert purse.claim(asked(usd(3), "a#2", "a#3")) is not None


def test_a_waiting_request_goes_on_the_moment_there_is_room() -> None:
    async def body() -> None:
        started: dict[str, float] = {}

        async def work(request: ImageRequest) -> Rendered:
            started[request.steps[0].step.asset] = anyio.current_time() - began
            await anyio.sleep(60)
            return brought(request, usd(10))

        purse = Purse(Budget(per_run=usd(100)))
        provider = Budgeted(Host(work), purse)
        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            for name in ("a", "b", "c", "d"):
                group.start_soon(provider.render, asked(usd(40), name))
        # Two fit at once; when both are answered 20 of 100 cents are gone and the other two fit together.
        assert sorted(started.values()) == [0, 0, 60, 60]
        assert purse.spent == usd(40)

    on_virtual_time(body)


def test_a_small_request_is_not_held_up_by_a_big_one_that_waits() -> None:
    async def body() -> None:
        order: list[str] = []

        async def work(request: ImageRequest) -> Rendered:
            order.append(request.steps[0].step.asset)
            await anyio.sleep(10)
            return brought(request, 0)

        purse = Purse(Budget(max_exposure=usd(100)))
        provider = Budgeted(Host(work), purse)
        async with anyio.create_task_group() as group:
            for name, price in (("a", 60), ("big", 100), ("small", 40)):
                group.start_soon(provider.render, asked(usd(price), name))
                await anyio.sleep(0.1)
        assert order == ["a", "small", "big"]

    on_virtual_time(body)


def test_whoever_waits_learns_that_it_is_hopeless_as_soon_as_it_is() -> None:
    async def body() -> None:
        async def work(request: ImageRequest) -> Rendered:
            await anyio.sleep(60)
            return brought(request, usd(60))

        purse = Purse(Budget(per_run=usd(100)))
        provider = Budgeted(Host(work), purse)
        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            group.start_soon(provider.render, asked(usd(60), "a"))
            await anyio.sleep(1)
            with pytest.raises(BudgetReached) as reached:
                await provider.render(asked(usd(60), "b"))
            assert reached.value.bound == "per_run"
            assert anyio.current_time() - began == 60
        assert (purse.waiting, purse.reserved) == (0, 0)

    on_virtual_time(body)


def test_cancelling_whoever_waits_leaves_nothing_reserved() -> None:
    async def body() -> None:
        purse = Purse(Budget(max_exposure=usd(10), max_images=5, per_asset=usd(10)))
        claim = purse.claim(asked(usd(10)))
        assert claim is not None
        with anyio.move_on_after(5):
            await purse.reserve(asked(usd(10)))
        assert (purse.waiting, purse.reserved) == (0, usd(10))
        purse.release(claim)
        assert purse.reserved == 0
        assert purse.claim(asked(usd(10))) is not None

    on_virtual_time(body)


def test_cancelling_in_the_instant_the_room_appears_gives_it_to_the_next() -> None:
    async def body() -> None:
        purse = Purse(Budget(max_exposure=usd(10)))
        claim = purse.claim(asked(usd(10)))
        assert claim is not None
        got: list[str] = []

        async def wait(name: str, scope: anyio.CancelScope) -> None:
            with scope:
                await purse.reserve(asked(usd(10), name))
                got.append(name)

        scopes = {name: anyio.CancelScope() for name in ("first", "second")}
        async with anyio.create_task_group() as group:
            for name, scope in scopes.items():
                group.start_soon(wait, name, scope)
                await anyio.wait_all_tasks_blocked()
            # Cancellation comes first, the room a moment later in the same step of the loop.
            scopes["first"].cancel()
            purse.release(claim)
        assert got == ["second"]
        assert (purse.waiting, purse.reserved) == (0, usd(10))

    on_virtual_time(body)


def test_cancelling_a_request_in_flight_keeps_its_money_counted() -> None:
    async def body() -> None:
        async def never(request: ImageRequest) -> Rendered:
            await anyio.sleep_forever()
            raise AssertionError

        purse = Purse(Budget(per_run=usd(10)))
        with anyio.move_on_after(5):
            await Budgeted(Host(never), purse).render(asked(usd(10)))
        assert (purse.reserved, purse.unknown) == (0, usd(10))

    on_virtual_time(body)


def test_a_run_expected_far_below_its_cap_is_done_although_its_worst_case_is_far_above() -> None:
    """200 requests of 5 cents that might each cost 40: 10 dollars in all, 80 at worst, under a cap of 12."""

    async def body() -> None:
        async def work(request: ImageRequest) -> Rendered:
            await anyio.sleep(30)
            return brought(request, usd(5))

        purse = Purse(Budget(per_run=usd(1200)))
        provider = Budgeted(Host(work), purse)
        async with anyio.create_task_group() as group:
            for index in range(200):
                group.start_soon(provider.render, asked(usd(40), f"hero/{index}"))
        assert purse.spent == usd(1000)

    on_virtual_time(body)


# --- the property -----------------------------------------------------------------------------------------------


@dataclass
class Books:
    """What is true, kept apart from the purse: the sums a person would make from the host's side."""

    budget: Budget
    month: int
    before: Mapping[str, int]
    spent: int = 0
    unknown: int = 0
    images: int = 0
    flying: dict[int, ImageRequest] = field(default_factory=dict)
    on_asset: dict[str, int] = field(default_factory=dict)

    def exposed(self, asset: str | None = None) -> int:
        return sum(
            request.worst for request in self.flying.values() if asset is None or request.steps[0].step.asset == asset
        )

    def sums(self, asset: str) -> dict[str, tuple[int | None, int, int]]:
        """Bound -> its cap, what is counted for good, what is in flight."""
        counted, flying = self.spent + self.unknown, self.exposed()
        asset_sum = self.before.get(asset, 0) + self.on_asset.get(asset, 0)
        return {
            "per_run": (self.budget.per_run, counted, flying),
            "per_month": (self.budget.per_month, self.month + counted, flying),
            "max_exposure": (self.budget.max_exposure, 0, flying),
            "per_asset": (self.budget.per_asset, asset_sum, self.exposed(asset)),
            "max_images": (self.budget.max_images, self.images, len(self.flying)),
        }

    def check(self) -> None:
        for asset in {request.steps[0].step.asset for request in self.flying.values()}:
            for name, (cap, counted, flying) in self.sums(asset).items():
                assert cap is None or counted + flying <= cap, name

    def may_leave(self, request: ImageRequest, *, alone: bool) -> bool:
        """Whether *request* fits beside what is in flight, or (alone) once all of that came to nothing."""
        sums = self.sums(request.steps[0].step.asset)
        needs = {name: 1 if name == "max_images" else request.worst for name in sums}
        return all(
            cap is None or counted + (0 if alone else flying) + needs[name] <= cap
            for name, (cap, counted, flying) in sums.items()
        )

    def end(self, number: int, cost: int, unknown: bool) -> None:
        request = self.flying.pop(number)
        asset = request.steps[0].step.asset
        counted = request.worst if unknown else cost
        self.on_asset[asset] = self.on_asset.get(asset, 0) + counted
        self.unknown += counted if unknown else 0
        self.spent += 0 if unknown else counted
        self.images += 1 if unknown or cost else 0


@dataclass(frozen=True)
class Plan:
    """One request to come, what will become of it, and after how long somebody gives it up."""

    worst: int
    share: int
    asset: int
    seconds: int
    outcome: str
    patience: int


plans = st.builds(
    Plan,
    worst=st.integers(1, 60),
    share=st.integers(1, 100),
    asset=st.integers(0, 3),
    seconds=st.integers(0, 20),
    outcome=st.sampled_from(["done", "done", "done", "unknown", "refused", "fault"]),
    patience=st.just(10_000) | st.integers(0, 60),
)
caps = st.none() | st.integers(20, 400).map(MicroUsd)
budgets = st.builds(
    Budget,
    per_run=caps,
    per_month=caps,
    per_asset=caps,
    max_exposure=caps,
    max_images=st.none() | st.integers(1, 30),
)
ENDS = {"unknown": OutcomeUnknown("cut"), "refused": Refused("safety"), "fault": ServerFault("500")}


@dataclass
class Night:
    """Plays plans through a purse and looks, whenever everybody rests, whether the purse tells the truth."""

    purse: Purse
    books: Books
    queue: list[tuple[int, Plan]]
    waiting: dict[int, ImageRequest] = field(default_factory=dict)

    async def play(self, number: int, plan: Plan, sent: ImageRequest) -> Rendered:
        del self.waiting[number]
        self.books.flying[number] = sent
        self.books.check()
        cost = max(1, plan.worst * plan.share // 100) if plan.outcome == "done" else 0
        try:
            await anyio.sleep(plan.seconds)
        except BaseException:
            self.books.end(number, 0, unknown=True)
            raise
        self.books.end(number, cost, unknown=plan.outcome == "unknown")
        if plan.outcome in ENDS:
            raise ENDS[plan.outcome]
        return brought(sent, cost)

    async def one(self, number: int, plan: Plan) -> None:
        request = self.waiting[number] = asked(plan.worst, f"asset/{plan.asset}")
        host = Host(lambda sent: self.play(number, plan, sent))
        with anyio.move_on_after(plan.patience):
            try:
                await Budgeted(host, self.purse).render(request)
            except BudgetReached:
                assert not self.books.may_leave(request, alone=True)
            except (OutcomeUnknown, Refused, ServerFault):
                return
        self.waiting.pop(number, None)

    async def worker(self) -> None:
        while self.queue:
            await self.one(*self.queue.pop(0))

    async def watch(self) -> None:
        """Whenever everybody rests the sums are true, and whoever waits has to, but not for ever."""
        while True:
            await anyio.wait_all_tasks_blocked()
            assert self.purse.reserved == self.books.exposed()
            assert (self.purse.spent, self.purse.unknown) == (self.books.spent, self.books.unknown)
            for request in self.waiting.values():
                assert not self.books.may_leave(request, alone=False)
                assert self.books.may_leave(request, alone=True)
            await anyio.sleep(0.5)

    async def run(self, workers: int) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self.watch)
            async with anyio.create_task_group() as crew:
                for _ in range(workers):
                    crew.start_soon(self.worker)
            group.cancel_scope.cancel()


@settings(max_examples=150, deadline=None)
@given(
    budget=budgets,
    todo=st.lists(plans, max_size=60),
    workers=st.integers(1, 32),
    month=st.integers(0, 50),
    earlier=st.dictionaries(st.sampled_from(["asset/0", "asset/1"]), st.integers(0, 50)),
)
def test_no_bound_is_crossed_at_any_instant_and_nobody_waits_in_vain(
    budget: Budget, todo: list[Plan], workers: int, month: int, earlier: dict[str, int]
) -> None:
    purse = Purse(
        budget,
        month=Money(spent=MicroUsd(month), unknown=MicroUsd(0)),
        spent_on=lambda asset: MicroUsd(earlier.get(asset, 0)),
    )
    night = Night(purse, Books(budget=budget, month=month, before=earlier), list(enumerate(todo)))

    async def body() -> None:
        # Requests follow one another at most: whoever is still there after all their seconds is stuck.
        with anyio.fail_after(60 * 21):
            await night.run(workers)

    on_virtual_time(body)
    assert (purse.reserved, purse.waiting) == (0, 0)
    assert not night.waiting
