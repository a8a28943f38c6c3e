import dataclasses
import json
import os
import stat
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.digest import canonical_json, digest_of
from pipeline.domain.record import AttemptId, Intent, Settlement
from pipeline.store import BrokenReceipt, Receipt, Receipts, durable
from pipeline.store.receipt_text import from_bytes, to_bytes
from tests.store.records import INTENT, SETTLEMENT


def test_a_receipt_holds_every_field_of_intent_and_settlement(tmp_path: Path) -> None:
    path = Receipts(tmp_path).write(INTENT, SETTLEMENT)
    assert path == tmp_path / "202611" / f"{INTENT.attempt_id}.json"
    (receipt,) = Receipts(tmp_path).walk()
    assert receipt == Receipt(intent=INTENT, settlement=SETTLEMENT, path=path)
    assert Receipts(tmp_path).find(INTENT) == receipt


def test_a_receipt_that_is_found_has_a_durable_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Receipts(tmp_path).write(INTENT, SETTLEMENT, lambda _: None)  # and the process died before it was synced
    synced: list[int] = []
    monkeypatch.setattr(durable, "sync_folder", lambda fd: synced.append(os.fstat(fd).st_ino))
    assert Receipts(tmp_path).find(INTENT) is not None
    assert synced == [(tmp_path / "202611").stat().st_ino]


def test_every_field_of_the_sample_differs_from_its_default() -> None:
    # So that a field that is added later and not read back fails the test above.
    for value in (INTENT, INTENT.slots[0], SETTLEMENT, SETTLEMENT.kept[1]):
        for field in dataclasses.fields(value):
            if field.default is not dataclasses.MISSING:
                assert getattr(value, field.name) != field.default, field.name


def test_a_receipt_is_private_and_written_again_without_harm(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    assert receipts.is_empty()
    path = receipts.write(INTENT, SETTLEMENT)
    receipts.write(INTENT, SETTLEMENT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["202611"]
    assert len(list(receipts.walk())) == 1
    assert not receipts.is_empty()


def test_receipts_lie_in_the_month_of_their_intent_in_utc(tmp_path: Path) -> None:
    late = dataclasses.replace(INTENT, opened_at=INTENT.opened_at.astimezone(timezone(timedelta(hours=5))))
    assert Receipts(tmp_path).write(late, SETTLEMENT).parent.name == "202611"
    assert Receipts(tmp_path).find(INTENT) is not None


def test_halves_of_different_attempts_make_no_receipt(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no receipt"):
        Receipts(tmp_path).write(INTENT, dataclasses.replace(SETTLEMENT, attempt_id=AttemptId("another")))
    with pytest.raises(ValueError, match="no receipt"):
        Receipts(tmp_path).write(
            dataclasses.replace(INTENT, attempt_id=AttemptId("../x")),
            dataclasses.replace(SETTLEMENT, attempt_id=AttemptId("../x")),
        )


def test_what_a_host_said_is_kept_short() -> None:
    chatty = dataclasses.replace(SETTLEMENT, message="x" * 10_000, resolved={"size": "y" * 10_000})
    _, read = from_bytes(to_bytes(INTENT, chatty))
    assert len(read.message) == len(read.resolved["size"]) == 4000


def test_a_receipt_with_any_byte_changed_is_not_believed() -> None:
    data = to_bytes(INTENT, SETTLEMENT)
    for at in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[at] ^= 1
        try:
            read = from_bytes(bytes(damaged))
        except ValueError:
            continue
        assert read == (INTENT, SETTLEMENT)  # a changed blank


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=10,
    )
)
@settings(max_examples=100, deadline=None)
def test_any_other_json_is_told_as_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_bytes(json.dumps(value).encode())


def sealed(change: "dict[str, object]") -> bytes:
    """A receipt that somebody changed and sealed anew. Keys: ``intent.field``."""
    body = json.loads(to_bytes(INTENT, SETTLEMENT).decode("utf-8", "surrogatepass"))
    del body["sha256"]
    for where, value in change.items():
        *parents, last = where.split(".")
        at = body
        for parent in parents:
            at = at[int(parent)] if isinstance(at, list) else at[parent]
        at[last] = value
    body["sha256"] = digest_of(canonical_json(body))
    return json.dumps(body).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("version", 2),
        ("version", True),
        ("intent.attempt_id", 5),
        ("intent.attempt_id", "another"),
        ("intent.cost_high", -1),
        ("intent.cost_high", 1.5),
        ("intent.cost_high", 2**63),
        ("intent.opened_at", "yesterday"),
        ("intent.opened_at", "2026-11-30T00:00:00"),
        ("intent.slots", {}),
        ("intent.slots.0.key", "z" * 64),
        ("intent.slots.0.accept.size", "maybe"),
        ("intent.slots.0.parts.prompt", "another prompt"),
        ("intent.slots.0.parts.inputs", [["image", "short"]]),
        ("intent.notes", [1]),
        ("settlement.outcome", "lucky"),
        ("settlement.seconds", "61"),
        ("settlement.estimated", 1),
        ("settlement.resolved", {"size": 1}),
        ("settlement.kept.0.digest", "../../etc/passwd"),
        ("settlement.kept.0.format", "svg"),
        ("settlement.kept.0.state", "gone"),
        ("settlement.kept", [{}]),
        ("settlement.message", "x" * 200_000),
    ],
)
def test_a_receipt_with_a_wrong_field_is_refused(where: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_bytes(sealed({where: value}))


def test_the_sealed_sample_itself_is_believed() -> None:
    assert from_bytes(sealed({})) == (INTENT, SETTLEMENT)


def test_broken_receipts_are_reported_and_do_not_hide_the_others(tmp_path: Path) -> None:
    good = Receipts(tmp_path).write(INTENT, SETTLEMENT)
    (good.parent / "a-cut.json").write_bytes(good.read_bytes()[:100])
    (good.parent / "b-renamed.json").write_bytes(good.read_bytes())
    (good.parent / "c-deep.json").write_bytes(b"[" * 100_000)
    (good.parent / "d-link.json").symlink_to(good)
    (good.parent / "e-huge.json").write_bytes(bytes(9 * 1024 * 1024))
    (tmp_path / "not-a-month").mkdir()
    (tmp_path / ".part-0123456789abcdef").write_text("of a dead process")
    found = list(Receipts(tmp_path).walk())
    assert [receipt.intent.attempt_id for receipt in found if isinstance(receipt, Receipt)] == [INTENT.attempt_id]
    assert len([broken for broken in found if isinstance(broken, BrokenReceipt)]) == 5
    assert all("\n" not in broken.what for broken in found if isinstance(broken, BrokenReceipt))
    assert Receipts(tmp_path).sweep() == 1


def test_no_picture_and_no_secret_fits_into_a_receipt() -> None:
    names = {field.name for value in (Intent, Settlement) for field in dataclasses.fields(value)}
    assert not names & {"api_key", "data", "body", "b64_json", "headers"}
