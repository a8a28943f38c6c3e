"""Which of the two carriers a host's requests go by."""

import os
from collections.abc import Mapping
from typing import Protocol
from urllib.request import getproxies

import httpx

from pipeline.provider import lean
from pipeline.provider.arrival import Arrival
from pipeline.provider.body import Body
from pipeline.provider.progress import Progress

SWITCH = "PIPELINE_TRANSPORT"
"""Set to `httpx`, every request goes over stock httpx: to compare the two, or to rule one out."""


class Carrier(Protocol):
    """Carries POSTs to one origin."""

    async def post(
        self, url: str, headers: Mapping[str, str], body: Body, progress: Progress, arrival: Arrival
    ) -> None:
        """One POST, its answer told to *arrival*. Raises httpx's errors, InputFault, what *arrival* raises."""
        ...

    async def aclose(self) -> None:
        """Closes what it opened."""
        ...


def goes_lean(base_url: str, *, trust_env: bool) -> bool:
    """Whether the own carrier takes requests to *base_url*, from the event loop that runs now.

    trust_env: whether the environment may name a proxy for this host; where it names any, httpx decides which and
    speaks to it. An address that is none is left to httpx, which says so.
    """
    if os.environ.get(SWITCH) == "httpx" or not lean.is_here():
        return False
    if trust_env and any(name != "no" for name in getproxies()):
        return False
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        return False
    return url.scheme in {"http", "https"} and bool(url.raw_host) and not url.userinfo
