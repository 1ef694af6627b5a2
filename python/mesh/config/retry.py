"""envoy.config.route.v3.RetryPolicy, of a route or of a virtual host.

Conditions are Envoy's words; one that nobody knows is refused with the nearest, where Envoy would ignore it. Without a
back-off the base is 25 ms and the longest ten times that. Host and priority predicates are refused by name. Called by
route_action.py and virtual_host.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import matcher
from mesh.config.errors import join, nearest
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering, each, milliseconds, milliseconds_or, wrapped_or
from meshcore.bind import spec

POLICY = Fields(
    "envoy.config.route.v3.RetryPolicy",
    {
        "retry_on", "num_retries", "per_try_timeout", "per_try_idle_timeout", "retriable_status_codes",
        "retry_back_off",
        "retriable_headers", "retriable_request_headers",
    },
    harmless={"host_selection_retry_max_attempts": anything},
)  # fmt: skip
CONDITIONS = frozenset(
    {
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited",
        "retriable-4xx",
        "refused-stream", "retriable-status-codes", "retriable-headers", "http3-post-connect-failure",
        "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    }
)  # fmt: skip
BASE_MS = 25
MAX_TIMES_BASE = 10


def lower(message: Any, low: Lowering, path: str) -> spec.RetryPolicy:
    POLICY.check(message, low.report, path)
    base, longest = _back_off(message, low, path)
    return spec.RetryPolicy(
        retry_on=_conditions(message.retry_on, low, join(path, "retry_on")),
        num_retries=wrapped_or(message, "num_retries", 1),
        per_try_timeout_ms=milliseconds_or(message, "per_try_timeout", 0),
        per_try_idle_timeout_ms=milliseconds_or(message, "per_try_idle_timeout", 0),
        retriable_status_codes=tuple(message.retriable_status_codes),
        base_ms=base,
        max_ms=longest,
        retriable_headers=_headers(message, "retriable_headers", low, path),
        retriable_request_headers=_headers(message, "retriable_request_headers", low, path),
    )


def _conditions(text: str, low: Lowering, path: str) -> tuple[str, ...]:
    """The conditions of `retry_on`; Envoy ignores one that it does not know, which hides a typo, so it is refused
    here."""
    found = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in found:
        if word not in CONDITIONS:
            low.refuse(
                path,
                f"'{word}' is no retry condition; one of {', '.join(sorted(CONDITIONS))}{nearest(word, CONDITIONS)}",
            )
    return found


def _headers(message: Any, name: str, low: Lowering, path: str) -> tuple[spec.HeaderMatch, ...]:
    return each(getattr(message, name), join(path, name), lambda item, at: matcher.lower_header(item, low, at))


def _back_off(message: Any, low: Lowering, path: str) -> tuple[int, int]:
    """(base, longest) in milliseconds; Envoy raises both to at least 1 ms."""
    if not message.HasField("retry_back_off"):
        return BASE_MS, BASE_MS * MAX_TIMES_BASE
    back_off = message.retry_back_off
    base = max(1, milliseconds(back_off.base_interval))
    longest = max(1, milliseconds_or(back_off, "max_interval", base * MAX_TIMES_BASE))
    if longest < base:
        low.refuse(join(path, "retry_back_off.max_interval"), f"{longest} ms is shorter than base_interval ({base} ms)")
    return base, longest
