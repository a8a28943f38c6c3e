"""From an order to its answer: limits, luck, the bill, the wait, the drawing. Shared by all routes that draw."""

import email.utils
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio
from starlette.requests import Request
from starlette.responses import Response

from pipeline.gateway.answers import error_response
from pipeline.gateway.carriage import Carried
from pipeline.gateway.errors import Trouble
from pipeline.gateway.faults import Strike
from pipeline.gateway.gateway import Gateway, entry_of
from pipeline.gateway.limits import retry_headers
from pipeline.gateway.misfortune import Page, proxy_page
from pipeline.gateway.order import Order
from pipeline.gateway.sketch import Drawn, draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An order that was let in. strike: the fault it will meet. headers: x-ratelimit of this answer."""

    order: Order
    strike: Strike | None
    headers: Mapping[str, str]


def accept(gateway: Gateway, request: Request, key: str, order: Order) -> Accepted:
    """Lets an order in, decides its luck and writes it down.

    The bill is kept here, before a byte of any answer and before any wait, so that a client that hangs up has
    paid all the same. Raises ApiError (429).
    """
    headers = gateway.limits.take(key, order.model, order.n, anyio.current_time())
    strike = gateway.faults.strike(order, request.headers)
    if strike is not None and strike.misfortune.redraw is not None:
        order = strike.misfortune.redraw(order)
    entry = entry_of(request)
    gateway.stats.note(entry, order)
    if strike is not None:
        entry.fault = strike.fault.fault
    if strike is None or strike.billed:
        gateway.stats.bill(entry, order)
    return Accepted(order=order, strike=strike, headers=headers)


async def deliver(
    gateway: Gateway, request: Request, accepted: Accepted, answer: Callable[[Sequence[Drawn]], Response]
) -> Response:
    """The answer to an accepted order: *answer* of its pictures, or what its fault makes of it."""
    strike, order = accepted.strike, accepted.order
    early = early_answer(gateway, request, strike)
    if early is not None:
        await anyio.sleep((strike.fault.after if strike else None) or 0)
        return early
    cut = await wait(gateway, seconds_of(gateway, accepted))
    if cut is not None:
        return page_response(cut)
    late = late_answer(gateway, request, accepted)
    if late is not None:
        return late
    if strike is not None and strike.misfortune.carriage in {"drop", "stall"}:
        return Carried(Response(b""), strike.misfortune.carriage)
    response = answer(await pictures_of(gateway, order))
    response.headers.update(accepted.headers)
    if strike is not None and strike.misfortune.carriage != "whole":
        return Carried(response, strike.misfortune.carriage)
    return response


def seconds_of(gateway: Gateway, accepted: Accepted) -> float:
    """How long the answer takes: the latency, or what the fault says."""
    if accepted.strike is not None and accepted.strike.fault.after is not None:
        return accepted.strike.fault.after
    return gateway.config.latency.of(accepted.order.quality)


async def wait(gateway: Gateway, seconds: float) -> Page | None:
    """Waits for the endpoint; the page of the proxy in front when it loses its patience first."""
    cut = gateway.config.proxy_cut
    if cut is not None and seconds > cut:
        await anyio.sleep(cut)
        return proxy_page(524, "A timeout occurred")
    if seconds > 0:
        await anyio.sleep(seconds)
    return None


async def pictures_of(gateway: Gateway, order: Order) -> tuple[Drawn, ...]:
    """All pictures of an order. Tiny ones are drawn here: a thread would cost more than the drawing."""
    seed = gateway.config.seed
    if order.width * order.height * order.n <= _TINY and not order.inputs:
        return tuple(draw(order, number, seed) for number in range(order.n))
    return tuple([await gateway.work(draw, order, number, seed) for number in range(order.n)])


_TINY = 96 * 96


def early_answer(gateway: Gateway, request: Request, strike: Strike | None) -> Response | None:
    """The answer of a fault that comes before any work."""
    if strike is None or strike.misfortune.late:
        return None
    return _fault_answer(gateway, request, strike)


def late_answer(gateway: Gateway, request: Request, accepted: Accepted) -> Response | None:
    """The answer of a fault that comes when the work is done and replaces the pictures."""
    strike = accepted.strike
    if strike is None or not strike.misfortune.late:
        return None
    if strike.misfortune.chat and accepted.order.route == "chat":
        return None
    return _fault_answer(gateway, request, strike)


def _fault_answer(gateway: Gateway, request: Request, strike: Strike) -> Response | None:
    misfortune = strike.misfortune
    if misfortune.trouble is not None:
        return error_response(request, _with_wait(gateway, misfortune.trouble, strike.fault.retry_after))
    if misfortune.page is not None:
        return page_response(misfortune.page)
    return None


def _with_wait(gateway: Gateway, trouble: Trouble, seconds: float | None) -> Trouble:
    """The error with the wait of the faults file, in the form this error says it."""
    headers = dict(trouble.headers)
    if headers.get("retry-after") == "date":
        # The date is whole seconds: two from now is at least one.
        headers["retry-after"] = email.utils.formatdate(
            gateway.config.clock() + (2 if seconds is None else seconds), usegmt=True
        )
    elif seconds is not None and "retry-after" in headers:
        headers |= retry_headers(seconds)
    return Trouble(
        status=trouble.status,
        message=trouble.message,
        type=trouble.type,
        code=trouble.code,
        param=trouble.param,
        headers=headers,
        details=trouble.details,
    )


def page_response(page: Page) -> Response:
    """A page as a response."""
    return Response(page.body, page.status, headers=dict(page.headers), media_type=page.media_type)
