"""The part of the plan that says how much of a cluster may be in use, and what else than one try a route may make.

Immutable values, part of spec.py, which is the only one that imports them. Filled by mesh.config, read by bind/cluster_table and
bind/resilience when tables are built; times are milliseconds.
"""

from __future__ import annotations

from meshcore.bind.record import record


@record
class HedgePolicy:
    """`additional_request_chance`: (numerator, denominator); the denominator 0 is no chance."""

    initial_requests: int = 1
    additional_request_chance: tuple[int, int] = (0, 0)
    on_per_try_timeout: bool = False


@record
class InternalRedirect:
    """InternalRedirectPolicy. `predicates`: previous_routes | safe_cross_scheme | allow_listed_routes (to `allowed_routes`)."""

    most: int = 1
    codes: tuple[int, ...] = (302,)
    predicates: tuple[str, ...] = ()
    allowed_routes: tuple[str, ...] = ()
    cross_scheme: bool = False
    headers_to_copy: tuple[str, ...] = ()


@record
class Thresholds:
    """CircuitBreakers.Thresholds of one priority; defaults are Envoy's, None is no limit. `retry_budget`: (percent of the requests that are
    active or wait, never fewer than), in place of `max_retries`."""

    max_connections: int = 1024
    max_pending_requests: int = 1024
    max_requests: int = 1024
    max_retries: int = 3
    track_remaining: bool = False
    max_connection_pools: int | None = None
    max_connections_per_host: int | None = None
    retry_budget: tuple[float, int] | None = None


ENVOYS_THRESHOLDS = Thresholds()


@record
class RequestQueue:
    """Where requests above max_requests wait, `max_waiting` per worker and priority, in milliseconds. `adaptive`: while it has not been
    empty for `interval_ms`, the newest goes first and waits for `target_ms` at most."""

    max_waiting: int = 1024
    deadline_ms: int = 100
    adaptive: bool = False
    target_ms: int = 5
    interval_ms: int = 100
