"""Durations, money, shares, times of day and base URLs as people write them."""

from datetime import time

import pytest

from pipeline.manifest.base_url import base_of
from pipeline.manifest.units import duration, money, share, time_of_day


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10),
        ("250ms", 0.25),
        ("30m", 1800),
        ("30min", 1800),
        ("1h", 3600),
        ("1h 30m", 5400),
        ("2", 2),
        ("1.5", 1.5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "10 parsecs", "-1s", "-1", "nan", "inf", "1e99", "10s!", "1:30"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        duration(text)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("25 USD", 25_000_000),
        ("25", 25_000_000),
        ("0.04 usd", 40_000),
        ("$1.20", 1_200_000),
        ("0.0000001", 1),
        ("1e3", 10**9),
    ],
)
def test_money(text: str, micros: int) -> None:
    assert money(text) == micros


@pytest.mark.parametrize("text", ["25 EUR", "€25", "25 CNY", "￥25"])
def test_other_currencies_are_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"US dollars|like 25 USD"):
        money(text)


@pytest.mark.parametrize("text", ["", "-1", "lots", "nan", "Infinity", "1e12", "25 USD a day"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        money(text)


@pytest.mark.parametrize(("text", "part"), [("25%", 0.25), ("0%", 0), ("100%", 1), ("0.25", 0.25), ("2.5 %", 0.025)])
def test_shares(text: str, part: float) -> None:
    assert share(text) == pytest.approx(part)


@pytest.mark.parametrize("text", ["25", "101%", "-1%", "%", "a%", "nan"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="25%"):
        share(text)


def test_times_of_day() -> None:
    assert time_of_day("05:30") == time(5, 30)
    assert time_of_day("23:59") == time(23, 59)
    for text in ("24:00", "5", "05:60", "5:3", "noon"):
        with pytest.raises(ValueError, match="05:30"):
            time_of_day(text)


@pytest.mark.parametrize(
    ("pasted", "base"),
    [
        ("https://host.com", "https://host.com/v1"),
        ("https://host.com/", "https://host.com/v1"),
        ("https://host.com/v1", "https://host.com/v1"),
        (" https://host.com/v1/ ", "https://host.com/v1"),
        ("https://host.com/v1#", "https://host.com/v1"),
        ("https://host.com/v1/#", "https://host.com/v1"),
        ("https://host.com/v1/images/generations", "https://host.com/v1"),
        ("https://host.com/v1/images/generations#", "https://host.com/v1"),
        ("https://host.com/v1/images/edits/", "https://host.com/v1"),
        ("https://host.com/v1/chat/completions", "https://host.com/v1"),
        ("https://host.com/v1/models", "https://host.com/v1"),
        ("https://host.com/images/generations", "https://host.com/v1"),
        ("https://host.com/v1/v1", "https://host.com/v1"),
        ("https://host.com//v1//", "https://host.com/v1"),
        ("HTTPS://Host.COM/v1", "https://host.com/v1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://host.com/api/v1", "https://host.com/api/v1"),
        ("https://host.com/v1beta/openai", "https://host.com/v1beta/openai"),
        ("https://host.com/v1beta/openai/images/generations", "https://host.com/v1beta/openai"),
        ("https://host.com/proxy/openai/", "https://host.com/proxy/openai"),
        ("https://openrouter.ai", "https://openrouter.ai/api/v1"),
        ("https://openrouter.ai/v1", "https://openrouter.ai/api/v1"),
        ("https://openrouter.ai/api", "https://openrouter.ai/api/v1"),
        ("https://openrouter.ai/api/v1/chat/completions", "https://openrouter.ai/api/v1"),
        ("https://openrouter.ai/other/v1", "https://openrouter.ai/other/v1"),
    ],
)
def test_a_base_url_is_taken_as_pasted(pasted: str, base: str) -> None:
    assert base_of(pasted, "https://openrouter.ai/api/v1") == base
    assert base_of(base, "https://openrouter.ai/api/v1") == base


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("host.com/v1", "write https://host.com/v1"),
        ("localhost:8000", "write http://localhost:8000/v1"),
        ("ftp://host.com", "https:// or http://"),
        ("https://me:hunter2@host.com/v1", "write https://host.com/v1"),
        ("https://host.com/v1?key=hunter2", "write https://host.com/v1"),
        ("https://host.com/v1#hunter2", "write https://host.com/v1"),
        ("me:hunter2@host.com", "write https://host.com/v1"),
        ("https://", "like https://HOST/v1"),
        ("https://host.com:hunter2/", "like https://HOST/v1"),
        ("https://ho st/v1", "like https://HOST/v1"),
        ("", "lacks https://"),
    ],
)
def test_what_is_no_base_url_names_the_right_one_and_no_secret(pasted: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        base_of(pasted)
    assert said in str(error.value)
    assert "hunter2" not in str(error.value)
