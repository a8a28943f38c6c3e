"""`pipeline gateway`: our OpenAI-compatible server on a port."""

from pathlib import Path

import click


@click.command(epilog="Example: pipeline gateway --port 8080 --profile lenient --latency 0.2s")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one.")
@click.option(
    "--profile",
    default="openai",
    show_default=True,
    type=click.Choice(["openai", "clauddy", "dieyuyun", "newapi", "lenient"]),
    help="Which kind of host to be; openai answers bad values with the genuine 400.",
)
@click.option(
    "--latency", default="0s", show_default=True, metavar="TIME", help="How long a picture takes: 0.2s, 250ms."
)
@click.option("--rpm", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Requests a minute.")
@click.option("--ipm", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Pictures a minute.")
@click.option(
    "--faults", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Faults to make, as YAML."
)
@click.option("--seed", default=0, show_default=True, help="The same seed twice gives the same night.")
def gateway(**given: object) -> int:
    """Serve the gateway until it is interrupted; prints {"base_url": …} when it is ready."""
    from pipeline.app.serving import serve_gateway

    return serve_gateway(given)
