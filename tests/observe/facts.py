"""The facts of one ordinary proxied request, for tests that change a few of them. Only data; names are those of
Record.
"""

from __future__ import annotations

from typing import Any

DEFAULT_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n'
)
HTTP_10, HTTP_11, HTTP_2 = 0, 1, 2
LOG_DOWNSTREAM_END = 6


def request(**changes: Any) -> dict[str, Any]:
    """An ordinary request head."""
    head = {
        "method": "GET",
        "path": "/cart?id=7",
        "authority": "shop.example",
        "scheme": "http",
        "headers": [
            ("x-forwarded-for", "10.1.2.3"),
            ("user-agent", "curl/8.5"),
            ("x-request-id", "77eecaa5-2ee3-429f-814b-8e895b02d639"),
        ],
    }
    return {**head, **changes}


def proxied(**changes: Any) -> dict[str, Any]:
    """An ordinary request that an upstream answered with 200."""
    facts = {
        "request": request(),
        "response": {"status": 200, "headers": [("server", "envoy"), ("x-envoy-upstream-service-time", "3")]},
        "start_ns": 1_000_000_000,
        "start_wall_us": 1795399843203242,
        "request_end_ns": 1_000_500_000,
        "upstream_connected_ns": 1_001_000_000,
        "upstream_first_tx_ns": 1_001_100_000,
        "upstream_last_tx_ns": 1_001_200_000,
        "upstream_first_rx_ns": 1_004_300_000,
        "upstream_last_rx_ns": 1_004_800_000,
        "response_first_tx_ns": 1_004_900_000,
        "response_end_ns": 1_005_900_000,
        "end_ns": 1_007_000_000,
        "status": 200,
        "protocol": HTTP_11,
        "upstream_protocol": HTTP_11,
        "bytes_sent": 5,
        "log_type": LOG_DOWNSTREAM_END,
        "details": "via_upstream",
        "route_name": "cart",
        "cluster": "carts",
        "cluster_stat_name": "carts_alt",
        "stream_id": "77eecaa5-2ee3-429f-814b-8e895b02d639",
        "downstream_remote": "10.1.2.3:55868",
        "downstream_direct_remote": "127.0.0.1:55868",
        "downstream_local": "127.0.0.1:8080",
        "upstream_remote": "10.0.0.9:42207",
        "upstream_local": "10.0.0.1:33700",
        "connection_id": 17,
        "upstream_connection_id": 4,
        "attempts": 1,
        "attempted": [("10.0.0.9:42207", "", 4)],
        "route_resolutions": 1,
    }
    return {**facts, **changes}
