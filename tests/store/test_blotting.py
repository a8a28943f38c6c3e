"""What a host says back of a key is not kept, not even as evidence."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.record import AttemptId
from pipeline.domain.request import Head
from pipeline.domain.secret import Secret
from pipeline.store import Spool
from pipeline.store.blotting import blotted

KEY = "sk-canary/0123 4567"


def test_quarantined_files_hold_no_key_in_either_spelling_and_are_as_long_as_before(tmp_path: Path) -> None:
    for name in ("spool", "quarantine"):
        (tmp_path / name).mkdir()
    spool = Spool(tmp_path / "spool", tmp_path / "quarantine", secrets=(Secret(KEY), Secret("abc"), Secret("")))
    body = f"one {KEY}, two {KEY}{KEY}, sk-canary%2F0123%204567, abc".encode()
    with spool.open(AttemptId("a"), reserve=4096) as flight:
        flight.sent()
        flight.head(Head(status=200, headers={"x-request-id": KEY}, seconds=1))
        flight.write(body)
        flight.quarantine("unusable")
    kept = (tmp_path / "quarantine/a.part").read_bytes()
    assert len(kept) == len(body)
    stars = "*" * len(KEY)
    assert kept == f"one {stars}, two {stars}{stars}, {'*' * 23}, abc".encode(), "three letters are part of many a word"
    assert KEY.encode() not in (tmp_path / "quarantine/a.head").read_bytes()


@given(text=st.text(max_size=200), where=st.integers(0, 200))
def test_all_but_the_key_stays_as_it_is(text: str, where: int) -> None:
    before, after = text[:where].encode("utf-8", "replace"), text[where:].encode("utf-8", "replace")
    assert blotted(before + KEY.encode() + after, [Secret(KEY)]) == before + b"*" * len(KEY) + after
    assert blotted(before + after, [Secret(KEY)]) == before + after
    assert blotted(before + KEY.encode() + after, []) == before + KEY.encode() + after
