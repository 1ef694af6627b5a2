"""envoy.config.route.v3.RetryPolicy, of a route or of a virtual host.

Conditions are Envoy's words; one that nobody knows is refused with the nearest, where Envoy would ignore it. Without a
back-off the base is 25 ms and the longest ten times that. Called by route_action.py and virtual_host.py.
"""

from __future__ import annotations

import json
from typing import Any

from mesh.config import matcher
from mesh.config.errors import join, nearest
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, milliseconds, milliseconds_or, wrapped_or
from mesh.config.render import to_tree
from meshcore.bind import spec

POLICY = Fields(
    "envoy.config.route.v3.RetryPolicy",
    {
        "retry_on", "num_retries", "per_try_timeout", "per_try_idle_timeout", "retriable_status_codes",
        "retry_back_off", "rate_limited_retry_back_off",
        "retriable_headers", "retriable_request_headers", "retry_host_predicate", "retry_priority",
        "host_selection_retry_max_attempts",
    },
    instead={"retry_options_predicates": "Envoy has no such predicate either"},
)  # fmt: skip
HOST_PREDICATES = {
    "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate": "previous_hosts",
    "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate": "omit_canary_hosts",
    "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig": "omit_host_metadata",
}
PRIORITIES = {"envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig": "previous_priorities"}
OMIT = Fields("envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig", {"metadata_match"})
LB_METADATA = "envoy.lb"
LIMITED = Fields("envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff", {"reset_headers", "max_interval"})
RESET_MAX_MS = 300_000
CONDITIONS = frozenset(
    {
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited",
        "retriable-4xx",
        "refused-stream", "retriable-status-codes", "retriable-headers", "http3-post-connect-failure",
        "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    }
)  # fmt: skip
MAX_TIMES_BASE = 10
UNIX_TIMESTAMP = 1  # ResetHeaderFormat


def lower(message: Any, low: Lowering, path: str) -> spec.RetryPolicy:
    POLICY.check(message, low.report, path)
    base, longest = _back_off(message, low, path)
    resets, reset_max = _rate_limited(message.rate_limited_retry_back_off, low, join(path, "rate_limited_retry_back_off"))
    refused, labels = _host_predicates(message.retry_host_predicate, low, join(path, "retry_host_predicate"))
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
        reset_headers=resets,
        reset_max_ms=reset_max,
        refused_hosts=refused,
        refused_labels=labels,
        host_attempts=message.host_selection_retry_max_attempts or 1,
        previous_priorities=_priorities(message, low, path),
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


def _host_predicates(items: Any, low: Lowering, path: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """(names, labels of omit_host_metadata)."""
    names: list[str] = []
    labels: dict[str, str] = {}
    for index, item in enumerate(items):
        at = f"{path}[{index}].typed_config"
        message, name = low.unpack(item.typed_config, at, HOST_PREDICATES, "a retry host predicate")
        if message is None or (name == "omit_host_metadata" and not _labels(message, low, at, labels)):
            continue
        names.append(name)
    return tuple(dict.fromkeys(names)), tuple(sorted(labels.items()))


def _labels(message: Any, low: Lowering, path: str, out: dict[str, str]) -> bool:
    """Adds (key, value) as JSON; False: it says none, and then it refuses no host."""
    OMIT.check(message, low.report, path)
    if out:
        low.refuse(path, "omit_host_metadata stands here twice; put all labels into one")
    fields = to_tree(message.metadata_match.filter_metadata[LB_METADATA])
    out.update((_json(key), _json(value)) for key, value in fields.items())
    return bool(fields)


def _json(value: Any) -> str:
    # As endpoint.py writes a host's metadata.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _priorities(message: Any, low: Lowering, path: str) -> int:
    if not message.HasField("retry_priority"):
        return 0
    at = join(path, "retry_priority.typed_config")
    found, _ = low.unpack(message.retry_priority.typed_config, at, PRIORITIES, "a retry priority")
    if found is None:
        return 0
    if found.update_frequency < 1:
        low.refuse(join(at, "update_frequency"), f"{found.update_frequency} tries; at least 1 is accepted")
    return int(found.update_frequency)


def _rate_limited(message: Any, low: Lowering, path: str) -> tuple[tuple[tuple[str, bool], ...], int]:
    """((name, whether it holds a Unix time) of each reset header, the longest wait in milliseconds that is honoured)."""
    LIMITED.check(message, low.report, path)
    headers = tuple((item.name.lower(), item.format == UNIX_TIMESTAMP) for item in message.reset_headers)
    return headers, milliseconds_or(message, "max_interval", RESET_MAX_MS)


def _back_off(message: Any, low: Lowering, path: str) -> tuple[int, int]:
    """(base, longest) in milliseconds, (0, 0) when nothing is said; Envoy raises both to at least 1 ms."""
    if not message.HasField("retry_back_off"):
        return 0, 0
    back_off = message.retry_back_off
    base = max(1, milliseconds(back_off.base_interval))
    longest = max(1, milliseconds_or(back_off, "max_interval", base * MAX_TIMES_BASE))
    if longest < base:
        low.refuse(join(path, "retry_back_off.max_interval"), f"{longest} ms is shorter than base_interval ({base} ms)")
    return base, longest
