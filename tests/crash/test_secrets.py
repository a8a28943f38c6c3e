"""A planted key: whatever a host echoes and however a run ends, the key is in no byte of what is left or said."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.program import Server, serving
from tests.crash.scenes import CANARY, MANIFEST
from tests.fakes import Order, PaidHost, Reply, error_reply, png, sells


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as started:
        yield started


def echoed(order: Order) -> str:
    return order.headers["authorization"]


REPLIES = {
    "sold": lambda order: Reply(body=sells(order).body, headers={"x-request-id": echoed(order)}),
    "bad request": lambda order: error_reply(400, "invalid", f"bad key {echoed(order)}"),
    "key refused": lambda order: error_reply(401, "invalid_api_key", f"Incorrect API key provided: {echoed(order)}"),
    "page": lambda order: Reply(status=502, body=f"<html>{echoed(order)}</html>".encode()),
    "garbage": lambda order: Reply(body=b'{"data": [{"b64_json": "' + echoed(order).encode() + b'"}]}'),
    "cut": lambda order: Reply(body=f'{{"note": "{echoed(order)}"'.encode() * 50, keep=60),
}


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("killed", [False, True])
def test_the_key_is_nowhere(server: Server, tmp_path: Path, name: str, killed: bool) -> None:
    host = PaidHost(REPLIES[name])
    seen: list[bytes] = []
    with host.open() as base:
        (tmp_path / "crash.yaml").write_text(MANIFEST.format(base=base, at_once=4))
        (tmp_path / "photo.png").write_bytes(png("photo", width=16, height=16))
        for armed in ["attempt.settled:1:kill", ""] if killed else [""]:
            environ = {"CRASH_KEY": CANARY, "PIPELINE_FAILPOINT": armed, "PIPELINE_DEBUG": "1", "PATH": "/usr/bin"}
            argv = ["run", "crash.yaml", "--json", "--log", "night.ndjson"]
            running = server.start(argv, cwd=tmp_path, environ=environ)
            for _ in range(5):
                seen += [path.read_bytes() for path in Path("/proc").glob(f"{running.pid}/cmdline")]
                time.sleep(0.005)
            ended = running.wait()
            assert CANARY not in ended.out
            assert CANARY not in ended.err
        assert host.orders
    where = [str(path) for path in tmp_path.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert where == []
    assert not any(CANARY.encode() in line for line in seen)
