"""Webhooks: who is told of a run, tried a few times within half a minute, and never a reason for a run to fail."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio

from pipeline.app.desk import secret_of
from pipeline.app.nightly.message import Message, body_for, causes
from pipeline.app.world import World
from pipeline.domain.errors import UserError
from pipeline.domain.event import Note
from pipeline.domain.secret import Secret
from pipeline.manifest.model import Manifest, SecretRef
from pipeline.ports import Recorder
from pipeline.provider import Transport
from pipeline.provider.webhook import post_json

TRIES = 3
EACH_SECONDS = 6.0
"""How long one try may take."""
ALL_SECONDS = 20.0
"""How long everything may take: a hanging webhook keeps nobody up."""
FIRST_WAIT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A webhook to be told. name: how it is spoken of, never its URL."""

    name: str
    url: Secret


def listeners(
    message: Message, manifest: Manifest | None, given: Iterable[str], world: World, recorder: Recorder
) -> Iterator[Listener]:
    """Who wants this message: every ``--notify``, and those of ``notify:`` whose ``when`` has a cause of it.

    given: ``env:NAME``, ``file:PATH`` or a URL. A secret that is not there is noted and passed over.
    """
    wanted = [(_reference(said), said) for said in given]
    folder = Path()
    found: list[tuple[SecretRef | None, str, Path]] = [(ref, said, folder) for ref, said in wanted]
    if manifest is not None:
        reasons = causes(message)
        found += [(n.webhook, "", manifest.folder) for n in manifest.notify if reasons.intersection(n.when)]
    for ref, said, at in found:
        name = f"{ref.kind}:{ref.name}" if ref else "--notify"
        try:
            yield Listener(name=name, url=secret_of(ref, world, at) if ref else Secret(said))
        except UserError as error:
            recorder(Note(text=f"nobody was told by {name}: {error}"))


def _reference(said: str) -> SecretRef | None:
    kind, _, name = said.partition(":")
    if kind == "env":
        return SecretRef(kind="env", name=name)
    return SecretRef(kind="file", name=name) if kind == "file" else None


def notify(
    message: Message,
    *,
    manifest: Manifest | None,
    given: Iterable[str],
    world: World,
    recorder: Recorder,
) -> None:
    """Tells everybody who wants to know, side by side. Blocks for `ALL_SECONDS` at most; what fails is noted."""
    told = tuple(listeners(message, manifest, given, world, recorder))
    if told:
        anyio.run(tell_all, message, told, recorder)


async def tell_all(
    message: Message, told: Iterable[Listener], recorder: Recorder, transport: Transport | None = None
) -> None:
    """Tells each listener; one that does not listen is noted."""
    async with anyio.create_task_group() as tasks:
        for listener in told:
            tasks.start_soon(_tell, message, listener, recorder, transport)


async def _tell(message: Message, listener: Listener, recorder: Recorder, transport: Transport | None) -> None:
    body = body_for(listener.url.reveal(), message)
    problem = ""
    with anyio.move_on_after(ALL_SECONDS):
        for turn in range(TRIES):
            said = await post_json(listener.url, body, seconds=EACH_SECONDS, transport=transport)
            problem = said.problem
            if not problem:
                return
            if not said.again or turn == TRIES - 1 or said.wait > ALL_SECONDS:
                break
            await anyio.sleep(max(FIRST_WAIT * 3**turn, said.wait))
    recorder(Note(text=f"nobody was told by {listener.name}: {problem or 'no answer'} (the run is not affected)"))
