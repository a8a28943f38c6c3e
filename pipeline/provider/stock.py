"""Paid POSTs over httpx as it is: any event loop, proxies, applications in this process."""

from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import anyio
import httpx

from pipeline.provider.arrival import Arrival
from pipeline.provider.body import Body
from pipeline.provider.progress import Progress


class StockCarrier:
    """Sends over *client*, which its owner closes."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def post(
        self, url: str, headers: Mapping[str, str], body: Body, progress: Progress, arrival: Arrival
    ) -> None:
        """One POST, its answer told to *arrival*. Raises httpx's errors, InputFault, what *arrival* raises."""
        request = self._client.build_request(
            "POST", url, content=progress.chunks(body), headers=headers, extensions={"trace": progress.trace}
        )
        response = await self._client.send(request, stream=True)
        try:
            arrival.head(response.status_code, {name.lower(): value for name, value in response.headers.items()})
            if response.is_stream_consumed:
                arrival.made(response.content)
                return
            async for chunk in response.aiter_raw():
                arrival.data(chunk)
            arrival.end()
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()

    async def aclose(self) -> None:
        """Nothing is its own."""


def no_cookies() -> CookieJar:
    """A jar that takes nothing in."""
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
