"""As fast as the limits allow, never over them.

`Paced(provider, pacer)` is a `Provider`; `Pacer(limits, ...)` is the one door of a provider and key; `NetworkGate`
waits for a network that is down; `LearnedLimits` is what a pacer keeps from one run to the next.

    pacer = Pacer(spec.limits, provider=spec.name, recorder=recorder, learned=kept, network=NetworkGate(probe))
    provider = Paced(budgeted, pacer)           # Retrying(provider, policy, ...) goes around it
    recorded.observe = lambda head: pacer.observe(head.headers, head.status)
    lane = Lane(name=spec.name, seats=pacer.seat, close=pacer.close, expected=pacer.seconds)
"""

from pipeline.pacing.gcra import Booking, Gcra
from pipeline.pacing.learned import LearnedLimits, Stated, seconds_of, stated_by
from pipeline.pacing.network import NetworkGate
from pipeline.pacing.paced import Paced
from pipeline.pacing.pacer import Pacer
from pipeline.pacing.seats import Seat

__all__ = [
    "Booking",
    "Gcra",
    "LearnedLimits",
    "NetworkGate",
    "Paced",
    "Pacer",
    "Seat",
    "Stated",
    "seconds_of",
    "stated_by",
]
