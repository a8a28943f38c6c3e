"""The only room that talks to hosts.

``endpoint_for(spec, protocol, api_key, transport=None, *, connections=None)`` gives a `ports.Endpoint`:

    async with Connections() as connections:
        endpoint = endpoint_for(spec, "images", Secret(key), connections=connections)
        head = await endpoint.post(request, flight)    # one POST, the body streamed into the flight
        answer = endpoint.read(head, body)             # pure; pictures with bytes or with a url
        data = await endpoint.fetch(answer.pictures[0].url)

`salvage(body)` brings the whole pictures out of a body that was cut. `Downloader().fetch_input(url)` brings an input
given as URL, by the same rules as url results.
"""

from pipeline.provider.chat import ChatEndpoint
from pipeline.provider.download import Downloader
from pipeline.provider.http import Transport
from pipeline.provider.images import ImagesEndpoint
from pipeline.provider.opening import EMBEDDED, Connections, endpoint_for, in_process, readers
from pipeline.provider.salvage import salvage

__all__ = [
    "EMBEDDED",
    "ChatEndpoint",
    "Connections",
    "Downloader",
    "ImagesEndpoint",
    "Transport",
    "endpoint_for",
    "in_process",
    "readers",
    "salvage",
]
