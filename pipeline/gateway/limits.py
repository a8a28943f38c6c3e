"""Requests and images a minute for each key: buckets that refill steadily, as the maker's do."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.gateway.errors import ApiError, Trouble


@dataclass(slots=True, kw_only=True)
class Bucket:
    """A limit of so many a minute. left: what may be taken at second *at* of the clock that is passed in."""

    limit: float
    left: float
    at: float

    @property
    def most(self) -> float:
        """What a full bucket holds: a minute's worth, at least one."""
        return max(1.0, self.limit)

    def refill(self, now: float) -> None:
        """Lets time pass until *now*."""
        self.left = min(self.most, self.left + (now - self.at) * self.limit / 60)
        self.at = now

    def wait(self, count: int) -> float:
        """Seconds until *count* can be taken; more than the limit is let through when the bucket is full."""
        lacking = min(count, self.most) - self.left
        return max(0.0, lacking * 60 / self.limit)

    def full_in(self) -> float:
        """Seconds until the bucket is full again."""
        return (self.most - self.left) * 60 / self.limit


class Limits:
    """The buckets of all keys."""

    def __init__(self, rpm: float | None, ipm: float | None) -> None:
        self._limits = {kind: limit for kind, limit in (("requests", rpm), ("input-images", ipm)) if limit}
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def take(self, key: str, model: str, images: int, now: float) -> Mapping[str, str]:
        """Books one request of *images* pictures and gives the x-ratelimit headers.

        Raises ApiError, the genuine 429, and books nothing then.
        """
        buckets = {kind: self._bucket(key, kind, now) for kind in self._limits}
        counts = {"requests": 1, "input-images": images}
        headers = {}
        for kind, bucket in buckets.items():
            wait = bucket.wait(counts[kind])
            if wait > 1e-9:
                raise _throttled(kind, bucket, model, (counts[kind], wait), self._headers(buckets))
        for kind, bucket in buckets.items():
            bucket.left -= counts[kind]
        headers.update(self._headers(buckets))
        return headers

    def _bucket(self, key: str, kind: str, now: float) -> Bucket:
        limit = self._limits[kind]
        bucket = self._buckets.setdefault((key, kind), Bucket(limit=limit, left=max(1.0, limit), at=now))
        bucket.refill(now)
        return bucket

    @staticmethod
    def _headers(buckets: Mapping[str, Bucket]) -> dict[str, str]:
        headers = {}
        for kind, bucket in buckets.items():
            headers[f"x-ratelimit-limit-{kind}"] = f"{bucket.limit:g}"
            headers[f"x-ratelimit-remaining-{kind}"] = str(max(0, math.floor(bucket.left + 1e-9)))
            headers[f"x-ratelimit-reset-{kind}"] = spell(bucket.full_in())
        return headers


def spell(seconds: float) -> str:
    """A duration as the maker writes it: ``120ms``, ``58.891s``, ``6m0s``."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s"


def retry_headers(seconds: float) -> dict[str, str]:
    """How long to wait, both ways it is said: whole seconds and milliseconds."""
    return {"retry-after": str(math.ceil(seconds)), "retry-after-ms": str(math.ceil(seconds * 1000))}


def _throttled(kind: str, bucket: Bucket, model: str, asked: tuple[int, float], headers: Mapping[str, str]) -> ApiError:
    count, wait = asked
    spoken = "requests per min (RPM)" if kind == "requests" else "input-images per min"
    used = max(0, math.ceil(bucket.limit) - math.floor(bucket.left + 1e-9))
    return ApiError(
        Trouble(
            status=429,
            type=kind,
            code="rate_limit_exceeded",
            message=(
                f"Rate limit reached for {model} on {spoken}: Limit {bucket.limit:g}, Used {used}, "
                f"Requested {count}. Please try again in {spell(wait)}."
            ),
            headers={**headers, **retry_headers(wait)},
        )
    )
