"""Headers that stand at most once in a head: an appended value joins the old one behind a comma.

These are Envoy's O(1) headers (its own, and those that its extensions register); every other name may stand on several
lines.
Taken from Envoy 1.40's behaviour; tests/route/test_mutation_against_envoy.py compares. Read when a table is compiled.
"""

_BOTH = frozenset(
    [
        "connection",
        "content-length",
        "content-type",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-request-id",
        "x-envoy-attempt-count",
        "x-envoy-decorator-operation",
        "proxy-status",
        "cache-control",
        "content-encoding",
    ]
)

SINGLE_REQUEST = _BOTH | frozenset(
    [
        "accept",
        "accept-encoding",
        "access-control-request-headers",
        "access-control-request-method",
        "access-control-request-private-network",
        "authentication",
        "authorization",
        "expect",
        "grpc-accept-encoding",
        "grpc-timeout",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "origin",
        "pragma",
        "referer",
        "te",
        "user-agent",
        "x-client-trace-id",
        "x-forwarded-client-cert",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-envoy-downstream-service-cluster",
        "x-envoy-downstream-service-node",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-external-address",
        "x-envoy-force-trace",
        "x-envoy-hedge-on-per-try-timeout",
        "x-envoy-internal",
        "x-envoy-ip-tags",
        "x-envoy-is-timeout-retry",
        "x-envoy-max-retries",
        "x-envoy-original-host",
        "x-envoy-original-path",
        "x-envoy-original-url",
        "x-envoy-retriable-header-names",
        "x-envoy-retriable-status-codes",
        "x-envoy-retry-grpc-on",
        "x-envoy-retry-on",
        "x-envoy-upstream-alt-stat-name",
        "x-envoy-upstream-rq-per-try-timeout-ms",
        "x-envoy-upstream-rq-timeout-alt-response",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-upstream-stream-duration-ms",
    ]
)

SINGLE_RESPONSE = _BOTH | frozenset(
    [
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "access-control-allow-private-network",
        "access-control-expose-headers",
        "access-control-max-age",
        "age",
        "date",
        "etag",
        "expires",
        "grpc-message",
        "grpc-status",
        "last-modified",
        "location",
        "server",
        "vary",
        "x-envoy-degraded",
        "x-envoy-immediate-health-check-fail",
        "x-envoy-ratelimited",
        "x-envoy-upstream-canary",
        "x-envoy-upstream-healthchecked-cluster",
        "x-envoy-upstream-service-time",
    ]
)
