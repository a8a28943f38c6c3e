"""The public views: their names, their columns, how values are written; for datasette and sqlite-utils."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.domain.record import AttemptId, Outcome, State
from tests.ledger.making import RUN, asset, begun, done, intent, kept, key, picture, settled, view

COLUMNS = {
    "v_assets": "manifest, asset, step_key, state, reason, sha256, path, width, height, usd, updated_at",
    "v_attempts": "attempt_id, run_id, step_key, asset, provider, model, started_at, ended_at, outcome, http_status, "
    "error_code, request_id, usd, usd_is_estimate, message",
    "v_runs": "run_id, manifest, started_at, ended_at, exit, requests, images, usd",
    "v_images": "sha256, bytes, media_type, width, height, has_alpha, created_at, step_key",
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_view_has_exactly_the_columns_promised(tmp_path: Path, name: str) -> None:
    begun(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        described = connection.execute(f"SELECT * FROM {name}").description
    assert ", ".join(column[0] for column in described) == COLUMNS[name]


def test_what_the_views_say(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1, (1, 2)))
        flat = kept("flat", 1, image=picture("flat", alpha=True))
        ledger.settle(
            settled(1, Outcome.DONE, [kept("one"), flat], request_id="req_1", message="fine", estimated=False)
        )
        ledger.record_assets([asset(1, text="one"), asset(2, State.PLANNED, key=None)])
        ledger.end_run(RUN, exit=10)
    assert view(tmp_path, "SELECT * FROM v_assets") == [
        {
            "manifest": "shop",
            "asset": "hero/1",
            "step_key": key(1),
            "state": "done",
            "reason": "",
            "sha256": picture("one").digest,
            "path": "hero/1.png",
            "width": 1024,
            "height": 768,
            "usd": 0.070001,
            "updated_at": "2026-11-21T23:30:00.123456Z",
        },
        {
            "manifest": "shop",
            "asset": "hero/2",
            "step_key": None,
            "state": "planned",
            "reason": "",
            "sha256": None,
            "path": "",
            "width": None,
            "height": None,
            "usd": 0.0,
            "updated_at": "2026-11-21T23:30:00.123456Z",
        },
    ]
    (attempt,) = view(tmp_path, "SELECT * FROM v_attempts")
    assert (attempt["attempt_id"], attempt["run_id"], attempt["step_key"]) == ("attempt-1", RUN, key(1))
    assert (attempt["asset"], attempt["provider"], attempt["model"]) == ("hero/1", "main", "gpt-image-2")
    assert (attempt["outcome"], attempt["http_status"], attempt["request_id"]) == ("done", 200, "req_1")
    assert (attempt["usd"], attempt["usd_is_estimate"], attempt["message"]) == (0.070001, 0, "fine")
    assert attempt["ended_at"] == "2026-11-21T23:30:40.123456Z"
    (run,) = view(tmp_path, "SELECT * FROM v_runs")
    assert (run["run_id"], run["exit"], run["requests"], run["images"], run["usd"]) == (RUN, 10, 1, 2, 0.070001)
    images = view(tmp_path, "SELECT * FROM v_images ORDER BY has_alpha")
    assert [(row["sha256"], row["has_alpha"], row["step_key"]) for row in images] == [
        (picture("one").digest, 0, key(1)),
        (picture("flat").digest, 1, key(2)),
    ]
    assert {row["media_type"] for row in images} == {"image/png"}
    assert [row["usd"] for row in view(tmp_path, "SELECT * FROM v_attempt_slots")] == [0.035001, 0.035]


def test_an_attempt_goes_from_sent_to_its_outcome_in_the_view(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        for number, outcome in enumerate(Outcome):
            ledger.open_attempt(intent(number, (number,)))
            assert view(tmp_path, "SELECT outcome FROM v_attempts")[-1] == {"outcome": "sent"}
            ledger.settle(settled(number, outcome, [kept("one")] if outcome is Outcome.DONE else []))
        found = [row["outcome"] for row in view(tmp_path, "SELECT outcome FROM v_attempts ORDER BY attempt_id")]
        assert found == [outcome.value for outcome in Outcome]


def test_sqlite_utils_reads_the_views(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.record_assets([asset(1, State.PLANNED)])
        # While a run writes, as people do.
        command = [sys.executable, "-m", "sqlite_utils", "rows", str(tmp_path / "ledger.db"), "v_assets"]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [row["asset"] for row in json.loads(said.stdout)] == ["hero/1"]


def test_no_key_and_no_picture_gets_into_the_file(tmp_path: Path) -> None:
    secret, encoded = "sk-proj-Zm9vYmFyYmF6cXV4", "iVBORw0KGgoAAAANSUhEUgAA" * 400
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1, notes=(f"sent with {secret}",)))
        ledger.settle(
            done(
                1,
                message=f"401: Incorrect API key provided: {secret}. {encoded}",
                error_code=f"Bearer {secret}",
                culprit=encoded,
                usage={"echo": {"key": [secret, encoded]}},
                resolved={"size": encoded},
                request_id=f"req {secret}",
                categories=(encoded,),
                kept=(kept("one", revised_prompt=f"data:image/png;base64,{encoded}", warnings=(encoded,)),),
            )
        )
        ledger.open_attempt(intent(2, (2,)))
        ledger.settle(settled(2, Outcome.UNKNOWN))
        ledger.reconcile([AttemptId("attempt-2")], "billed", f"asked with {secret}")
        ledger.record_assets([asset(1, warnings=(f"{secret} {encoded}",))])
    data = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.encode() not in data
    assert not re.search(rb"[A-Za-z0-9+/]{200}", data)
    assert view(tmp_path, "SELECT message FROM v_attempts")[0] == {
        "message": "401: Incorrect API key provided: (secret). (9600 characters)"
    }


def test_hostile_text_is_kept_as_text(tmp_path: Path) -> None:
    message = "'; DROP TABLE attempts; -- \x00 \ud800 \u202e <script>"
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1))
        ledger.settle(settled(1, Outcome.FAILED, message=message, error_code="many words " * 900))
        (row,) = ledger.attempts()
        assert row.message == message.replace("\ud800", "\\ud800")
        assert len(row.error_code) == 4_000
