"""Keeps a run within its budget: each request's worst price is reserved before it leaves and settled by its answer.

    purse = Purse(manifest.budget, per_run=from_usd("5"), month=ledger_month, spent_on=ledger_asset_sum)
    provider = Budgeted(recorded, purse)          # inside Paced: every attempt reserves anew
    purse.spent, purse.unknown, purse.reserved    # for the screen

What is counted at every instant is ``spent + unknown + reserved``; only requests in flight are reserved, never the
rest of the plan. An unknown outcome keeps counting at its worst. One purse serves all providers of a run, on one event
loop.

The bound holds as long as no host bills a request above its worst price. Where one does, the purse takes the higher
figure and reserves that provider's model by the same factor from then on, so that only requests already in flight
can be dearer than they were thought.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import anyio

from pipeline.domain.capability import Quote
from pipeline.domain.errors import BudgetReached, InputFault, NotStarted, Permanent, Transient
from pipeline.domain.money import FREE, MicroUsd, show
from pipeline.domain.record import Money, Rendered
from pipeline.domain.request import ImageRequest
from pipeline.domain.step import AssetName
from pipeline.manifest.model import Budget
from pipeline.ports import Provider

NOT_BILLED = (Transient, Permanent, BudgetReached, NotStarted, InputFault)
"""What a request ends in when surely nothing was billed; anything else may have cost its worst price."""

NO_MONEY = Money(spent=FREE, unknown=FREE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Claim:
    """Money and pictures set aside for one request in flight; each is closed once, by settle, release or hold.

    shares: what counts against each asset's own bound.
    """

    amount: MicroUsd
    images: int
    shares: Mapping[AssetName, MicroUsd]
    host: tuple[str, str]
    worst: MicroUsd


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One bound as it stands for one request. need: of the request; taken: spent or unknown; flying: in flight."""

    name: str
    cap: int
    taken: int
    flying: int
    need: int
    asset: AssetName | None = None

    @property
    def fits(self) -> bool:
        """Whether the request may leave now."""
        return self.taken + self.flying + self.need <= self.cap

    @property
    def hopeless(self) -> bool:
        """Whether it may not leave even if all that is in flight came to nothing."""
        return self.taken + self.need > self.cap

    def __str__(self) -> str:
        whose = f" for {self.asset}" if self.asset else ""
        way_out = f"raise budget.{self.name}{' or --budget' if self.name == 'per_run' else ''}"
        if self.name == "max_images":
            return f"budget.max_images {self.cap}: {self.taken} asked for, {self.need} more wanted ({way_out})"
        cap, taken, need = (show(MicroUsd(amount)) for amount in (self.cap, self.taken, self.need))
        return f"budget.{self.name} {cap}{whose}: {taken} spent or unknown, the next may cost {need} ({way_out})"


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiter:
    request: ImageRequest
    decided: anyio.Event = field(default_factory=anyio.Event)
    claim: Claim | None = None
    error: BudgetReached | None = None


class Purse:
    """Decides whether a request may leave. Nothing but `reserve` ever waits.

    To be read by a screen: spent (billed to this run), unknown and reserved (at their worst prices), in micro-USD.

    per_run: replaces ``budget.per_run`` when given (``--budget``). run, month: what the ledger counts already for
    this run and this calendar month. spent_on: what it counts for an asset over all runs, unknown included; asked once
    for each asset, and only where ``per_asset`` is set.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        per_run: MicroUsd | None = None,
        run: Money = NO_MONEY,
        month: Money = NO_MONEY,
        spent_on: Callable[[AssetName], MicroUsd] = lambda asset: FREE,
    ) -> None:
        self._budget = budget
        self._per_run = budget.per_run if per_run is None else per_run
        self._before = month.counted - run.counted
        self.spent, self.unknown, self.reserved = run.spent, run.unknown, FREE
        self._images, self._flying = 0, 0
        self._spent_on = spent_on
        self._on_assets: dict[AssetName, int] = {}
        self._flying_assets: dict[AssetName, int] = {}
        self._surprises: dict[tuple[str, str], Fraction] = {}
        self._waiting: list[_Waiter] = []

    @property
    def waiting(self) -> int:
        """Requests that wait for room."""
        return len(self._waiting)

    @property
    def surprises(self) -> Mapping[tuple[str, str], float]:
        """Provider and model -> how many times its worst price it was seen to bill, where above one."""
        return {host: float(factor) for host, factor in self._surprises.items()}

    def admit(self, quote: Quote | None, what: str, *, free: bool = False) -> Quote:
        """The quote to put on a request; one of nothing for a model without a price where that is allowed.

        what: the model and provider as people know them. Raises BudgetReached (bound ``unpriced``) where a paid model
        has no price and ``unpriced`` is ``refuse``: what cannot be priced is unknown, not free.
        """
        if quote is not None:
            return quote
        if free or self._budget.unpriced == "allow":
            return Quote(expected=FREE, worst=FREE, source="free" if free else "estimate")
        raise BudgetReached(
            f"{what} has no price, so no budget can hold it (write price: at the model, or budget.unpriced: allow)",
            bound="unpriced",
        )

    def claim(self, request: ImageRequest) -> Claim | None:
        """Sets aside what *request* may cost at worst; None when it has to wait for what is in flight.

        Raises BudgetReached when no answer in flight can make room for it.
        """
        claim = self._claim_for(request)
        crossed = [bound for bound in self._bounds(claim) if not bound.fits]
        for bound in crossed:
            if bound.hopeless:
                raise BudgetReached(str(bound), bound=bound.name)
        if crossed:
            return None
        self._move(claim, 1)
        return claim

    async def reserve(self, request: ImageRequest) -> Claim:
        """As `claim`, but waits until there is room; cancelled meanwhile, nothing stays reserved.

        Whoever waits is looked at again, first come first, each time an answer frees something.
        """
        claim = self.claim(request)
        if claim:
            return claim
        waiter = _Waiter(request=request)
        self._waiting.append(waiter)
        try:
            await waiter.decided.wait()
        except BaseException:
            if waiter.claim is not None:
                self.release(waiter.claim)
            elif waiter.error is None:
                self._waiting.remove(waiter)
            raise
        if waiter.error is not None:
            raise waiter.error
        assert waiter.claim is not None
        return waiter.claim

    def settle(self, claim: Claim, cost: MicroUsd, images: int) -> None:
        """The request was answered: it cost this much and brought so many pictures."""
        self._move(claim, -1)
        self.spent = MicroUsd(self.spent + cost)
        self._images += images
        self._count(claim, cost)
        if claim.worst and cost > claim.amount:
            self._surprises[claim.host] = max(self._surprises.get(claim.host, Fraction(1)), Fraction(cost, claim.worst))
        self._look_again()

    def release(self, claim: Claim) -> None:
        """The request surely cost nothing."""
        self._move(claim, -1)
        self._look_again()

    def hold(self, claim: Claim) -> None:
        """Nobody knows whether the request was billed: it counts at its worst until a person settles it."""
        self._move(claim, -1)
        self.unknown = MicroUsd(self.unknown + claim.amount)
        self._images += claim.images
        self._count(claim, claim.amount)
        self._look_again()

    def _claim_for(self, request: ImageRequest) -> Claim:
        host = (request.provider, request.model)
        amount = _times(request.worst, self._surprises.get(host))
        assets = tuple(ready.step.asset for ready in request.steps) if self._budget.per_asset is not None else ()
        return Claim(
            amount=amount,
            images=request.count,
            shares=dict.fromkeys(assets, MicroUsd(-(-amount // max(1, len(assets))))),
            host=host,
            worst=request.worst,
        )

    def _bounds(self, claim: Claim) -> Iterator[Bound]:
        """Every bound that is set and concerns this claim; what is free concerns no bound in money."""
        budget, counted = self._budget, self.spent + self.unknown
        of_the_run = (
            ("per_run", self._per_run, counted),
            ("per_month", budget.per_month, self._before + counted),
            ("max_exposure", budget.max_exposure, 0),
        )
        need = claim.amount
        for name, cap, taken in of_the_run if need else ():
            if cap is not None:
                yield Bound(name=name, cap=cap, taken=taken, flying=self.reserved, need=need)
        each = budget.per_asset or 0
        for asset, share in claim.shares.items() if need else ():
            taken, flying = self._on_asset(asset), self._flying_assets.get(asset, 0)
            yield Bound(name="per_asset", cap=each, taken=taken, flying=flying, need=share, asset=asset)
        if (most := budget.max_images) is not None:
            yield Bound(name="max_images", cap=most, taken=self._images, flying=self._flying, need=claim.images)

    def _on_asset(self, asset: AssetName) -> int:
        if asset not in self._on_assets:
            self._on_assets[asset] = self._spent_on(asset)
        return self._on_assets[asset]

    def _move(self, claim: Claim, sign: int) -> None:
        self.reserved = MicroUsd(self.reserved + sign * claim.amount)
        self._flying += sign * claim.images
        for asset, share in claim.shares.items():
            left = self._flying_assets.get(asset, 0) + sign * share
            if left:
                self._flying_assets[asset] = left
            else:
                self._flying_assets.pop(asset, None)

    def _count(self, claim: Claim, cost: MicroUsd) -> None:
        share = -(-cost // max(1, len(claim.shares)))
        for asset in claim.shares:
            self._on_assets[asset] = self._on_asset(asset) + share

    def _look_again(self) -> None:
        for waiter in tuple(self._waiting):
            try:
                waiter.claim = self.claim(waiter.request)
            except BudgetReached as error:
                waiter.error = error
            if waiter.claim is not None or waiter.error is not None:
                self._waiting.remove(waiter)
                waiter.decided.set()


@dataclass(frozen=True, slots=True)
class Budgeted:
    """A `Provider` that asks the purse before each attempt and tells it what became of it."""

    provider: Provider
    purse: Purse

    async def render(self, request: ImageRequest) -> Rendered:
        """As the provider within; raises BudgetReached instead of asking what would cross a bound."""
        claim = await self.purse.reserve(request)
        try:
            rendered = await self.provider.render(request)
        except NOT_BILLED:
            self.purse.release(claim)
            raise
        except BaseException:
            # Unknown outcomes, cancellation, a full disk: the money may be gone, so it counts.
            self.purse.hold(claim)
            raise
        self.purse.settle(claim, rendered.cost, sum(kept is not None for kept in rendered.kept))
        return rendered


def _times(amount: MicroUsd, factor: Fraction | None) -> MicroUsd:
    if factor is None:
        return amount
    return MicroUsd(-(-amount * factor.numerator // factor.denominator))
