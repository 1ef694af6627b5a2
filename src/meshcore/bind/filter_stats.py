"""Names of the statistics of native filters, in the order of the enumerations in src/meshcore/filter/*.pxd.

Each entry is a Layout's members: (name, kind, whether it is lazy). The prefix is the filter's business.
"""

from __future__ import annotations


def _members(*names: str, gauges: tuple[str, ...] = (), times: tuple[str, ...] = ()) -> tuple[tuple[str, str, bool], ...]:
    kinds = {name: "gauge" if name in gauges else "counter" for name in names}
    return (*((name, kind, False) for name, kind in kinds.items()), *((name, "histogram", False) for name in times))


def _both_ways(*names: str) -> tuple[str, ...]:
    return tuple(f"{way}_{name}" for way in ("request", "response") for name in names)


FAULT = _members(
    "aborts_injected", "delays_injected", "faults_overflow", "response_rl_injected", "active_faults",
    gauges=("active_faults",),
)  # fmt: skip
BANDWIDTH_LIMIT = _members(
    *_both_ways(
        "enabled", "enforced", "incoming_total_size", "allowed_total_size", "pending", "incoming_size", "allowed_size"
    ),
    gauges=_both_ways("pending", "incoming_size", "allowed_size"),
    times=_both_ways("transfer_duration"),
)
LOCAL_RATELIMIT = _members("enabled", "enforced", "ok", "rate_limited")
CORS = _members("origin_valid", "origin_invalid")
CSRF = _members("missing_source_origin", "request_invalid", "request_valid")
SET_METADATA = _members("overwrite_denied")
STATEFUL_SESSION = _members("routed", "failed_open", "failed_closed", "no_session")
COMPRESSED = _members(
    "compressed", "not_compressed", "total_uncompressed_bytes", "total_compressed_bytes", "content_length_too_small"
)
COMPRESSOR_ACCEPT = _members(
    "no_accept_header", "header_identity", "header_compressor_used", "header_compressor_overshadowed", "header_wildcard",
    "header_not_valid", "not_compressed_etag",
)  # fmt: skip
DECOMPRESSED = _members("decompressed", "not_decompressed", "total_uncompressed_bytes", "total_compressed_bytes")
GUNZIP_ERRORS = _members(
    "zlib_stream_error", "zlib_data_error", "zlib_mem_error", "zlib_buf_error", "zlib_version_error", "zlib_errno"
)
JSON_TO_METADATA = _members("success", "mismatched_content_type", "no_body", "invalid_json_body")
ADMISSION_CONTROL = _members("rq_rejected", "rq_success", "rq_failure")
GRADIENT_GAUGES = (
    "burst_queue_size", "concurrency_limit", "gradient", "min_rtt_calculation_active", "min_rtt_msecs", "sample_rtt_msecs",
)  # fmt: skip
GRADIENT_CONTROLLER = _members("rq_blocked", *GRADIENT_GAUGES, gauges=GRADIENT_GAUGES)
