"""A resolver that knows a few names, and downloads from scripted hosts."""

from collections.abc import Sequence

import httpx

from pipeline.provider import Downloader
from tests.provider.hosts import PNG, Host

PUBLIC = "93.184.216.34"


class Names:
    """A resolver that knows a few names; *rebinding.test* turns private after its first answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        first = self.asked.count(host) == 1
        known = {
            "public.test": [PUBLIC],
            "other.test": ["8.8.8.8"],
            "v6.test": ["2606:4700::6810:1"],
            "localhost": ["127.0.0.1", "::1"],
            "internal.test": ["10.1.2.3"],
            "both.test": [PUBLIC, "10.0.0.5"],
            "six.test": ["fe80::1%eth0"],
            "nat64.test": ["64:ff9b::a9fe:a9fe"],
            "nowhere.test": [],
            "rebinding.test": [PUBLIC] if first else ["127.0.0.1"],
        }
        return known[host]


def downloader(answer: Host, **changes: object) -> Downloader:
    given: dict[str, object] = {"resolve": Names(), "transport": answer.transport, "waits": ()}
    return Downloader(**(given | changes))  # type: ignore[arg-type]


def serving(data: bytes = PNG) -> Host:
    return Host(lambda _: httpx.Response(200, content=data))
