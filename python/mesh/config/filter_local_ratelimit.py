"""envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit, of a chain or of a route.

A share of the bucket per member of the local cluster is refused. `max_dynamic_descriptors` bounds how many clients have a
bucket at one time; without it 16,384 have (Envoy: 20). Called by native_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import header_mutation, rate_limit, runtime
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each, milliseconds, wrapped_or
from meshcore.bind import filter_spec, spec

LIMIT = Fields(
    "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
    {
        "stat_prefix", "status", "token_bucket", "filter_enabled", "filter_enforced",
        "request_headers_to_add_when_not_enforced", "response_headers_to_add", "descriptors", "stage",
        "local_rate_limit_per_downstream_connection", "enable_x_ratelimit_headers", "vh_rate_limits",
        "always_consume_default_token_bucket", "rate_limited_as_resource_exhausted", "rate_limits",
        "max_dynamic_descriptors",
    },
)  # fmt: skip
BUCKET = Fields("envoy.type.v3.TokenBucket", {"max_tokens", "tokens_per_fill", "fill_interval"})
DESCRIPTOR = Fields("envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor", {"entries", "token_bucket"})
TOO_MANY = 429
FILL_MIN_MS = 50
HOST_RATES = ("override", "include", "ignore")


def lower(message: Any, low: Lowering, path: str) -> filter_spec.LocalRateLimit:
    LIMIT.check(message, low.report, path)
    return filter_spec.LocalRateLimit(
        stat_prefix=message.stat_prefix,
        status=message.status.code if message.status.code >= 400 else TOO_MANY,
        token_bucket=lower_bucket(message.token_bucket, low, join(path, "token_bucket")) if message.HasField("token_bucket") else None,
        filter_enabled=_part(message, "filter_enabled", low, path),
        filter_enforced=_part(message, "filter_enforced", low, path),
        request_headers_to_add=header_mutation.lower_add(
            message.request_headers_to_add_when_not_enforced, low, join(path, "request_headers_to_add_when_not_enforced")
        ),
        response_headers_to_add=header_mutation.lower_add(
            message.response_headers_to_add, low, join(path, "response_headers_to_add")
        ),
        descriptors=_descriptors(message.descriptors, low, join(path, "descriptors")),
        stage=message.stage,
        per_connection=message.local_rate_limit_per_downstream_connection,
        x_ratelimit_headers=message.enable_x_ratelimit_headers == 1,
        vh_rate_limits=HOST_RATES[message.vh_rate_limits] if message.vh_rate_limits < len(HOST_RATES) else "override",
        always_consume_default=wrapped_or(message, "always_consume_default_token_bucket", True),
        resource_exhausted=message.rate_limited_as_resource_exhausted,
        rate_limits=rate_limit.lower_own(message.rate_limits, low, join(path, "rate_limits")),
        max_dynamic_descriptors=wrapped_or(message, "max_dynamic_descriptors", 0),
    )


def lower_per_route(message: Any, low: Lowering, path: str) -> filter_spec.LocalRateLimit:
    if not message.HasField("token_bucket"):
        low.refuse(join(path, "token_bucket"), "required per route, and not set")
    return lower(message, low, path)


def _part(message: Any, name: str, low: Lowering, path: str) -> spec.RuntimeFraction:
    if not message.HasField(name):
        return filter_spec.NEVER
    return runtime.lower_fraction(getattr(message, name), low, join(path, name))


def lower_bucket(message: Any, low: Lowering, path: str) -> filter_spec.TokenBucket:
    BUCKET.check(message, low.report, path)
    interval = milliseconds(message.fill_interval)
    if interval < FILL_MIN_MS:
        low.refuse(join(path, "fill_interval"), f"{interval} ms; at least {FILL_MIN_MS} ms are accepted")
    return filter_spec.TokenBucket(message.max_tokens, wrapped_or(message, "tokens_per_fill", 1), interval)


def _descriptors(items: Any, low: Lowering, path: str) -> tuple[filter_spec.LocalDescriptor, ...]:
    seen: set[tuple[tuple[str, str], ...]] = set()

    def one(item: Any, at: str) -> filter_spec.LocalDescriptor:
        DESCRIPTOR.check(item, low.report, at)
        entries = tuple((entry.key, entry.value) for entry in item.entries)
        if entries in seen:
            low.refuse(join(at, "entries"), "another descriptor has the same entries")
        seen.add(entries)
        return filter_spec.LocalDescriptor(entries, lower_bucket(item.token_bucket, low, join(at, "token_bucket")))

    return each(items, path, one)
