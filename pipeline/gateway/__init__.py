"""Our own server that speaks the OpenAI Images API: the embedded default, the rehearsal and the test peer.

In this process, without a socket::

    from pipeline.gateway.app import make_app
    from pipeline.gateway.config import GatewayConfig

    transport = httpx.ASGITransport(make_app(GatewayConfig(profile="lenient")))

On a port, until SIGINT or SIGTERM::

    from pipeline.gateway.serve import serve

    serve(GatewayConfig(latency=parse_latency("0.2s"), rpm=60), host="127.0.0.1", port=0)

Nothing is imported here, so that asking for one part does not load Starlette, uvicorn and Pillow.
"""
