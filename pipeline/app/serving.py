"""`gateway`: our server on a port, from options as people type them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.domain.errors import UserError
from pipeline.gateway.config import GatewayConfig, parse_latency
from pipeline.gateway.fault_file import load_faults
from pipeline.gateway.serve import serve


def serve_gateway(given: Mapping[str, Any]) -> int:
    """Serves until SIGINT or SIGTERM; gives exit status 0 for an orderly stop. Blocks. Raises UserError."""
    config = GatewayConfig(
        profile=given["profile"],
        latency=parse_latency(given["latency"]),
        rpm=_whole(given["rpm"]),
        ipm=_whole(given["ipm"]),
        seed=given["seed"],
        faults=_faults(given["faults"]),
    )
    serve(config, given["host"], given["port"])
    return 0


def _whole(rate: float | None) -> int | None:
    return None if rate is None else max(1, round(rate))


def _faults(file: Path | None) -> Any:
    if file is None:
        return ()
    try:
        return load_faults(file)
    except OSError as error:
        raise UserError(f"{file}: the faults cannot be read: {error.strerror}") from error
