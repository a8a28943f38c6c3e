"""The document a gateway serves of itself, judged by schemathesis, profile by profile.

Edits are left out: it makes up bytes that are no picture, and they meet the genuine 400. So is the reset of the
gateway's own memory. The dialects of new-api answer some mistakes of the client with 5xx, as they do in life.
"""

import subprocess
from pathlib import Path

import pytest

from bench.peers.desk import installed
from pipeline.gateway.config import GatewayConfig, ProfileName
from tests.gateway.peers import served

RELAYS = ("clauddy", "dieyuyun", "newapi")


@pytest.mark.parametrize("profile", ["openai", "clauddy", "dieyuyun", "newapi", "lenient"])
def test_schemathesis_finds_nothing_in_the_document(profile: ProfileName, tmp_path: Path) -> None:
    with served(GatewayConfig(profile=profile)) as base_url:
        command = [installed("schemathesis"), "run", f"{base_url.removesuffix('/v1')}/openapi.json", "--seed", "7"]
        excluded = ["--exclude-path", "/_gateway/reset", "--exclude-operation-id", "edit", "--max-examples", "30"]
        excluded += ["--exclude-checks", "not_a_server_error"] if profile in RELAYS else []
        finished = subprocess.run(
            [*command, *excluded], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )
    assert finished.returncode == 0, finished.stdout[-4000:]
