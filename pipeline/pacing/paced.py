"""`Paced(provider, pacer)`: a provider whose every request waits for its turn."""

from pipeline.domain.errors import NotSent
from pipeline.domain.record import Rendered
from pipeline.domain.request import ImageRequest
from pipeline.pacing.pacer import Pacer
from pipeline.ports import Provider


class Paced:
    """A `Provider` behind a pacer's door; providers that share a key share the pacer."""

    def __init__(self, provider: Provider, pacer: Pacer) -> None:
        self._provider = provider
        self._pacer = pacer

    async def render(self, request: ImageRequest) -> Rendered:
        """Asks when the limits allow it; again, without burning an attempt, while the network is down.

        Raises what the provider raises, NotStarted when the pacer was closed first, NetworkDown, QuotaGone.
        """
        while True:
            try:
                async with self._pacer.turn(images=request.count, tokens=request.tokens):
                    return await self._provider.render(request)
            except NotSent:
                if not self._pacer.network_is_down:
                    raise
