"""Webhooks: who is told what, and that nobody waits for one that hangs."""

import time
from pathlib import Path

import pytest

from pipeline.app.nightly.message import LONGEST, Message, body_for, causes, link_of, text_of
from pipeline.cli.root import run
from pipeline.domain.secret import Secret
from pipeline.provider.webhook import post_json
from tests.nightly.hooks import hook
from tests.nightly.project import pipeline, project


def test_a_webhook_is_told_text_counts_cost_and_link(tmp_path: Path) -> None:
    with hook() as listening:
        assert pipeline("run", project(tmp_path), "--notify", listening.url) == 11
    (body,) = listening.bodies
    assert body["exit"] == 11
    assert (body["assets"]["done"], body["assets"]["failed"]) == (2, 1)
    assert body["usd"]["spent"] == 0
    assert body["when"] == ["failed"]
    assert body["link"].endswith("index.html")
    assert "hero/A" in body["text"]
    assert body["content"].startswith("pipeline: night: some are missing")
    assert body["allowed_mentions"] == {"parse": []}


def test_a_manifest_says_when_it_is_told_and_its_secret_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "notify: [{webhook: env:NIGHT_HOOK, when: [failed]}, {webhook: env:NIGHT_OTHER, when: [budget]}]\n"
    manifest = project(tmp_path, more)
    with hook() as listening, hook() as other:
        monkeypatch.setenv("NIGHT_HOOK", listening.url)
        monkeypatch.setenv("NIGHT_OTHER", other.url)
        pipeline("run", manifest)
        pipeline("run", manifest, "--only", "poster/*")
    assert [len(listening.bodies), len(other.bodies)] == [1, 0]


def test_a_webhook_that_hangs_or_refuses_changes_nothing_and_its_url_is_never_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = project(tmp_path)
    with hook(404) as refusing:
        assert pipeline("run", manifest, "--only", "poster/*", "--notify", refusing.url) == 0
    assert len(refusing.bodies) == 1
    told = capsys.readouterr()
    assert "nobody was told by --notify: 127.0.0.1: answered 404" in told.err
    assert "secret-part" not in told.err + told.out


@pytest.mark.anyio
async def test_one_try_at_a_webhook_that_hangs_ends_in_time() -> None:
    with hook(hang=5) as hanging:
        began = time.monotonic()
        told = await post_json(Secret(hanging.url), {"text": "x"}, seconds=0.2)
    assert told.again
    assert "no answer within 0.2 s" in told.problem
    assert time.monotonic() - began < 3


def test_a_busy_webhook_is_asked_again(tmp_path: Path) -> None:
    with hook(503, 204) as busy:
        assert pipeline("run", project(tmp_path), "--only", "poster/red", "--notify", busy.url) == 0
    assert len(busy.bodies) == 2


def test_a_webhook_that_wants_an_hour_is_given_up_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hook(429) as busy:
        busy.retry_after = "3600"
        began = time.monotonic()
        assert pipeline("run", project(tmp_path), "--only", "poster/red", "--notify", busy.url) == 0
    assert time.monotonic() - began < 15
    assert "answered 429" in capsys.readouterr().err


def test_a_manifest_that_cannot_be_read_is_an_error_somebody_is_told_of(tmp_path: Path) -> None:
    with hook() as listening:
        assert pipeline("run", tmp_path / "nowhere.yaml", "--notify", listening.url) == 2
    assert listening.bodies[0]["when"] == ["error"]
    assert "nowhere.yaml" in listening.bodies[0]["fault"]


def test_a_secret_that_is_not_there_is_told_and_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", str(project(tmp_path)), "--only", "poster/red", "--notify", "env:NO_SUCH_HOOK"]) == 0
    assert "NO_SUCH_HOOK is not set" in capsys.readouterr().err


def test_slack_and_discord_get_their_own_forms() -> None:
    message = Message(manifest="m <!channel> & @everyone", exit=5, fault="x" * 5000)
    slack = body_for("https://hooks.slack.com/services/a", message)
    assert set(slack) == {"text"}
    assert "&lt;!channel&gt; &amp;" in str(slack["text"])
    discord = body_for("https://discord.com/api/webhooks/1/a", message)
    assert set(discord) == {"content", "allowed_mentions"}
    assert len(text_of(message)) <= LONGEST
    assert causes(message) == {"error"}


def test_the_link_is_the_job_page_where_there_is_one() -> None:
    github = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "7"}
    assert link_of(github, None) == "https://github.com/a/b/actions/runs/7"
    assert link_of({"CI_JOB_URL": "https://gitlab.com/j/1"}, None) == "https://gitlab.com/j/1"
    assert link_of({}, None) == ""
