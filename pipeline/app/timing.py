"""How long things take: a plan at its limits and latencies, and how far away a deadline is."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.domain.errors import UserError
from pipeline.ledger import Ledger
from pipeline.manifest.model import Manifest, RunSpec

USUAL_SECONDS = 45.0
"""An answer nobody has timed yet: gpt-image-2 at medium quality."""

USUAL_CONCURRENCY = 4


def seconds_for(manifest: Manifest, ledger: Ledger, requests: Mapping[tuple[str, str], int]) -> float:
    """Seconds that so many requests take, by provider and model as sent; providers work side by side.

    The most of: work over concurrency, requests over the rate; an answer takes the median of what the ledger has seen.
    """
    by_provider: dict[str, float] = {}
    count: dict[str, int] = {}
    for (provider, model), number in requests.items():
        seen = ledger.latencies(provider, model)
        free = manifest.providers[provider].profile.free
        each = median(seen) if seen else 0.2 if free else USUAL_SECONDS
        by_provider[provider] = by_provider.get(provider, 0.0) + number * each
        count[provider] = count.get(provider, 0) + number
    return max((_of(manifest, name, work, count[name]) for name, work in by_provider.items()), default=0.0)


def _of(manifest: Manifest, provider: str, work: float, requests: int) -> float:
    limits = manifest.providers[provider].limits
    concurrency = min(limits.concurrency or USUAL_CONCURRENCY, max(requests, 1))
    rates = (limits.requests_per_minute, limits.images_per_minute)
    slowest = min((rate for rate in rates if rate), default=None)
    return max(work / concurrency, requests / slowest * 60 if slowest else 0.0)


def images_per_minute(manifest: Manifest, providers: Iterable[str]) -> float | None:
    """Pictures a minute that the limits of these providers allow together; None where one of them has no limit."""
    rates = []
    for name in providers:
        limits = manifest.providers[name].limits
        rate = min((said for said in (limits.requests_per_minute, limits.images_per_minute) if said), default=None)
        if rate is None:
            return None
        rates.append(rate)
    return float(sum(rates)) if rates else None


def midnight(now: datetime) -> datetime:
    """When this day began; quotas of hosts mostly go by UTC."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def month_of(now: datetime) -> datetime:
    """When this calendar month (UTC) began."""
    return midnight(now).replace(day=1)


def seconds_until(run: RunSpec, now: datetime) -> float | None:
    """Seconds from *now* to the deadline; one that has passed means tomorrow's; None without one.

    Raises UserError for an unknown time zone.
    """
    if run.deadline is None:
        return None
    try:
        zone = ZoneInfo(run.timezone) if run.timezone else None
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise UserError(f"run.timezone: no time zone '{run.timezone}' (write Europe/Berlin)") from error
    local = now.astimezone(zone)
    then = datetime.combine(local.date(), run.deadline, tzinfo=local.tzinfo)
    if then <= local:
        then = datetime.combine(local.date() + timedelta(days=1), run.deadline, tzinfo=local.tzinfo)
    return then.timestamp() - now.timestamp()
