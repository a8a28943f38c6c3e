"""One JSON POST to a webhook: no key, no redirect, no retry, and its URL (which is a secret) in no message."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio
import httpx

from pipeline.domain.digest import Json
from pipeline.domain.secret import Secret
from pipeline.provider.addresses import is_loopback
from pipeline.provider.http import Transport
from pipeline.wire import redact


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a webhook said. problem: empty when it took the message; again: whether asking once more may help.

    wait: seconds the host asks to be left alone, 0 when it does not say.
    """

    problem: str = ""
    again: bool = False
    wait: float = 0.0


async def post_json(
    url: Secret, body: Mapping[str, Json], *, seconds: float, transport: Transport | None = None
) -> Told:
    """POSTs *body* once, with at most so many seconds for all of it. Never raises for what a host does."""
    address = url.reveal()
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        host = ""
    if not host or not address.startswith(("http://", "https://")):
        return Told(problem="the webhook is no http(s) URL (write https://…)")
    try:
        with anyio.fail_after(seconds):
            async with httpx.AsyncClient(
                transport=transport, timeout=seconds, trust_env=not is_loopback(address), follow_redirects=False
            ) as client:
                response = await client.post(address, json=dict(body), headers={"User-Agent": "pipeline"})
    except TimeoutError:
        return Told(problem=f"{host}: no answer within {seconds:g} s", again=True)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        words = redact(str(error).replace(address, "…") or type(error).__name__, [url])
        return Told(problem=f"{host}: {words}", again=not isinstance(error, httpx.InvalidURL))
    return _answer(host, response)


def _answer(host: str, response: httpx.Response) -> Told:
    if response.is_success:
        return Told()
    again = response.status_code in {408, 425, 429} or response.status_code >= 500
    return Told(problem=f"{host}: answered {response.status_code}", again=again, wait=_wait(response))


def _wait(response: httpx.Response) -> float:
    said = response.headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdigit() and len(said) < 6 else 0.0
