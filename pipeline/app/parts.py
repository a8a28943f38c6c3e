"""The wrapped providers of a run: `Retrying(Paced(Budgeted(Recorded(endpoint))))`, one door for each host and key."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import anyio

from pipeline.app.desk import secret_of, space_of
from pipeline.app.timing import midnight
from pipeline.app.world import World, in_thread, own_thread
from pipeline.budget import Budgeted, Purse
from pipeline.domain.capability import Limits
from pipeline.domain.record import Rendered, RunId
from pipeline.domain.request import ImageRequest
from pipeline.domain.secret import Secret
from pipeline.domain.step import Protocol
from pipeline.ledger import Committer, Ledger
from pipeline.manifest.model import Manifest, ProviderSpec, Retry
from pipeline.pacing import LearnedLimits, NetworkGate, Paced, Pacer
from pipeline.ports import Blocking, Provider, Recorder
from pipeline.provider import Connections, Transport, endpoint_for, in_process
from pipeline.purchase.recorded import Address, Recorded
from pipeline.purchase.room import Room
from pipeline.purchase.settle import Settler
from pipeline.retrying import Retrying, RetryPolicy
from pipeline.store import Receipts, Spool

EMBEDDED_SCHEME = "embedded:"
PROBE_SECONDS = 10.0

WAITS_OF_PATIENCE = 20
LEAST_PATIENCE = 30.0
MOST_PATIENCE = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all providers of a run share."""

    manifest: Manifest
    world: World
    ledger: Ledger
    committer: Committer
    spool: Spool
    receipts: Receipts
    settler: Settler
    purse: Purse
    recorder: Recorder
    connections: Connections
    run_id: RunId
    concurrency: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A provider of a run, ready to be asked, with the door it stands behind."""

    spec: ProviderSpec
    address: Address
    pacer: Pacer
    provider: Provider


@dataclass(frozen=True, slots=True)
class ByProtocol:
    """One host that serves images and chat under one set of limits: each request goes to its protocol's endpoint."""

    recorded: Mapping[Protocol, Provider]

    async def render(self, request: ImageRequest) -> Rendered:
        """As the provider of the request's protocol."""
        return await self.recorded[request.protocol].render(request)


@dataclass(slots=True, kw_only=True)
class Counters:
    """Makes the counters of a run; providers that share host and key share the door."""

    desk: Desk
    _doors: dict[tuple[str, str], Pacer] = field(default_factory=dict)
    _embedded: Transport | None = None
    _room: Room = field(default_factory=Room)
    _opening: Blocking = field(default_factory=own_thread)

    def open(self, names: tuple[str, ...]) -> dict[str, Counter]:
        """A counter for each provider of the plan. Raises UserError for a key that is not there."""
        return {name: self._counter(self.desk.manifest.providers[name]) for name in names}

    def _counter(self, spec: ProviderSpec) -> Counter:
        desk = self.desk
        if desk.concurrency is not None:
            spec = replace(spec, limits=replace(spec.limits, concurrency=desk.concurrency))
        secret = secret_of(spec.api_key, desk.world, desk.manifest.folder)
        address = Address(
            name=spec.name,
            base_url=spec.base_url,
            profile=spec.profile,
            space=space_of(spec, desk.ledger),
            key_fingerprint=secret.fingerprint() if secret else "",
            unknown_buys=spec.max_buys if spec.on_unknown == "retry" else 1,
            total=spec.timeout.total,
        )
        pacer = self._door(spec, address)
        recorded = {
            protocol: self._recorded(spec, protocol, secret, address, pacer) for protocol in self._protocols(spec)
        }
        retry = spec.retry
        provider = Retrying(
            Paced(Budgeted(ByProtocol(recorded), desk.purse), pacer),
            RetryPolicy(
                attempts=retry.attempts,
                first_wait=retry.first_wait,
                longest_wait=retry.longest_wait,
                patience=patience(retry),
            ),
            recorder=desk.recorder,
            luck=random.Random().random,  # noqa: S311 -- jitter
            provider_name=spec.name,
            unknown_retries=spec.max_buys - 1 if spec.on_unknown == "retry" else 0,
            halted=pacer.halted,
        )
        return Counter(spec=spec, address=address, pacer=pacer, provider=provider)

    def _protocols(self, spec: ProviderSpec) -> tuple[Protocol, ...]:
        used = {model.protocol for model in self.desk.manifest.models.values() if model.provider == spec.name}
        return tuple(sorted(used | {spec.protocol}))

    def _recorded(
        self, spec: ProviderSpec, protocol: Protocol, secret: Secret, address: Address, pacer: Pacer
    ) -> Recorded:
        desk = self.desk
        return Recorded(
            endpoint=endpoint_for(spec, protocol, secret, self._transport(spec), connections=desk.connections),
            address=address,
            committer=desk.committer,
            spool=desk.spool,
            receipts=desk.receipts,
            settler=desk.settler,
            blocking=in_thread,
            opening=self._opening,
            recorder=desk.recorder,
            clock=desk.world.clock,
            run_id=desk.run_id,
            manifest=desk.manifest.name,
            boot_id=desk.world.boot,
            prices={alias: model.price for alias, model in desk.manifest.models.items() if model.price is not None},
            observe=lambda head: pacer.observe(head.headers, head.status),
            leaving=pacer.sending,
            kept=pacer.landed,
            room=self._room,
        )

    def _transport(self, spec: ProviderSpec) -> Transport | None:
        """The gateway in this process for the embedded provider; None for the network."""
        if not spec.base_url.startswith(EMBEDDED_SCHEME):
            return None
        if self._embedded is None:
            from pipeline.gateway.app import make_app  # noqa: PLC0415 -- Starlette and Pillow load here
            from pipeline.gateway.config import GatewayConfig  # noqa: PLC0415

            self._embedded = in_process(make_app(GatewayConfig(profile="lenient")))
        return self._embedded

    def _door(self, spec: ProviderSpec, address: Address) -> Pacer:
        at = (spec.base_url, address.key_fingerprint)
        if at not in self._doors:
            embedded = spec.base_url.startswith(EMBEDDED_SCHEME)
            self._doors[at] = Pacer(
                embedded_limits(spec.limits) if embedded else spec.limits,
                provider=spec.name,
                recorder=self.desk.recorder,
                learned=self._learned(spec.name, address.key_fingerprint),
                used_today=self._used_today(spec, address.key_fingerprint),
                network=None if embedded else NetworkGate(_probe(spec), patience=self.desk.manifest.run.network_wait),
            )
        return self._doors[at]

    def _used_today(self, spec: ProviderSpec, fingerprint: str) -> int:
        """What earlier runs have taken of the day's quota (UTC); not counted where there is none."""
        if spec.limits.images_per_day is None:
            return 0
        return self.desk.ledger.images_since(spec.base_url, midnight(self.desk.world.clock.now()), fingerprint)

    def _learned(self, provider: str, fingerprint: str) -> LearnedLimits | None:
        kept = self.desk.ledger.memory.limits(provider, fingerprint)
        if kept is None:
            return None
        age = (self.desk.world.clock.now() - kept.at).total_seconds()
        return LearnedLimits.from_json(kept.limits).aged(age)


def patience(retry: Retry) -> float:
    """Seconds for which a throttled step is asked again: a host that says no for longer wants another night.

    Told by the longest wait a person set, so that who wants quick answers gets them: half an hour by default.
    """
    return min(MOST_PATIENCE, max(LEAST_PATIENCE, WAITS_OF_PATIENCE * retry.longest_wait))


def embedded_limits(limits: Limits) -> Limits:
    """The gateway in this process draws as fast as there are cores: four at once keep them busy."""
    return replace(limits, concurrency=limits.concurrency or 4)


def _probe(spec: ProviderSpec) -> Callable[[], Awaitable[bool]]:
    """Opens and closes a connection to a provider's host; costs nothing."""
    parts = urlsplit(spec.base_url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    async def probe() -> bool:
        try:
            with anyio.fail_after(PROBE_SECONDS):
                async with await anyio.connect_tcp(host, port):
                    return True
        except (OSError, TimeoutError):
            return False

    return probe
