"""envoy.config.route.v3.HedgePolicy, of a route or of a virtual host.

Envoy reads `initial_requests` and `additional_request_chance` and does nothing with them; here they work. Called by route_action.py and
virtual_host.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, wrapped_or
from meshcore.bind import spec

POLICY = Fields(
    "envoy.config.route.v3.HedgePolicy", {"initial_requests", "additional_request_chance", "hedge_on_per_try_timeout"}
)
WHOLES = (100, 10_000, 1_000_000)  # FractionalPercent.DenominatorType
MOST = 10  # tries at once: more is a typo, not a hedge


def lower(message: Any, low: Lowering, path: str) -> spec.HedgePolicy | None:
    """None when no policy stands there."""
    if not message.HasField("hedge_policy"):
        return None
    policy = message.hedge_policy
    at = join(path, "hedge_policy")
    POLICY.check(policy, low.report, at)
    initial = wrapped_or(policy, "initial_requests", 1)
    if not 1 <= initial <= MOST:
        low.refuse(join(at, "initial_requests"), f"{initial} requests at once; 1 to {MOST} is accepted")
    chance = policy.additional_request_chance
    return spec.HedgePolicy(
        initial_requests=initial,
        additional_request_chance=(chance.numerator, WHOLES[chance.denominator]) if chance.numerator else (0, 0),
        on_per_try_timeout=policy.hedge_on_per_try_timeout,
    )
