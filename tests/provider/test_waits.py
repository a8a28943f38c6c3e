import pytest

from pipeline.wire import retry_after

NOW = "Sat, 21 Nov 2026 12:00:00 GMT"
LATER = "Sat, 21 Nov 2026 12:00:30 GMT"
TABLE: list[tuple[dict[str, str], str, float | None]] = [
    ({"retry-after": "7"}, "", 7.0),
    ({"retry-after": "0"}, "", 0.0),
    ({"retry-after": "1.5"}, "", 1.5),
    ({"retry-after-ms": "534", "retry-after": "1"}, "", 0.534),
    ({"retry-after": LATER, "date": NOW}, "", 30.0),
    ({"retry-after": NOW, "date": LATER}, "", None),
    ({"retry-after": LATER}, "", None),
    ({"retry-after": "Sat, 99 Nov 2026 25:00:00 GMT", "date": NOW}, "", None),
    ({"retry-after": "-5"}, "", None),
    ({"retry-after": "nan"}, "", None),
    ({"retry-after": "inf"}, "", None),
    ({"retry-after": "1e999"}, "", None),
    ({"retry-after": "1_000"}, "", None),
    ({"retry-after": "\u0661\u0662"}, "", None),
    ({"retry-after": "soon"}, "", None),
    ({"retry-after": ""}, "", None),
    ({"retry-after": "1e9"}, "", 1e9),
    ({"retry-after": "junk"}, "Please try again in 12s.", 12.0),
    ({"retry-after-ms": "-1"}, "try again in 250ms", 0.25),
    ({}, "Please try again in 1m30s.", 90.0),
    ({}, "Please try again in 250ms.", 0.25),
    ({}, "Please try again in 6m0s.", 360.0),
    ({}, "Please try again in 1h2m3s", 3723.0),
    ({}, "Please try again in 58.891s.", 58.891),
    ({}, "please retry after 20 seconds", 20.0),
    ({}, "Please retry in 36.5s.", 36.5),
    ({}, "try again in 2 minutes", 120.0),
    ({}, "try again in 1 minute and read the manual", 60.0),
    ({}, "请在 30 秒后重试", 30.0),
    ({}, "Rate limit reached: Limit 5, Used 5, Requested 1.", None),
    ({}, "try again later", None),
    ({}, "try again in " + "9" * 100 + "s", None),
]


@pytest.mark.parametrize(("headers", "message", "seconds"), TABLE)
def test_a_host_says_how_long_to_wait_in_many_ways(
    headers: dict[str, str], message: str, seconds: float | None
) -> None:
    found = retry_after(headers, message)
    assert found == (None if seconds is None else pytest.approx(seconds)) or (seconds is None and (found or 0) > 1e9)
