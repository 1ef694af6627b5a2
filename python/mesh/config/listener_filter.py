"""Listener filters: what looks at a connection before a filter chain has it.

tls_inspector, http_inspector, proxy_protocol, original_dst, original_src and local_ratelimit; all but the fields named here is
refused. Called by listener.py."""

from __future__ import annotations

from typing import Any

from mesh.config import filter_local_ratelimit, filter_parts, proxy_out
from mesh.config.errors import join
from mesh.config.fields import Fields, anything, false
from mesh.config.lowering import Lowering, each
from meshcore.bind import spec
from meshcore.bind.record import replace

PACKAGE = "envoy.extensions.filters.listener"
FILTER = Fields("envoy.config.listener.v3.ListenerFilter", {"name", "typed_config", "filter_disabled"})
PREDICATE = Fields(
    "envoy.config.listener.v3.ListenerFilterChainMatchPredicate",
    {"or_match", "and_match", "not_match", "any_match", "destination_port_range"},
)
RULES = Fields("envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet", {"rules"})
TLS = Fields(
    f"{PACKAGE}.tls_inspector.v3.TlsInspector",
    {"close_connection_on_client_hello_parsing_errors", "max_client_hello_size"},
    harmless={"enable_ja3_fingerprinting": false, "enable_ja4_fingerprinting": false, "initial_read_buffer_size": anything},
)
HTTP = Fields(f"{PACKAGE}.http_inspector.v3.HttpInspector", ())
PROXY = Fields(
    f"{PACKAGE}.proxy_protocol.v3.ProxyProtocol",
    {"allow_requests_without_proxy_protocol", "stat_prefix", "disallowed_versions", "pass_through_tlvs", "rules", "tlv_location"},
)
TLV_RULE = Fields(f"{PROXY.message}.Rule", {"tlv_type", "on_tlv_present"})
TLV_VALUE = Fields(f"{PROXY.message}.KeyValuePair", {"metadata_namespace", "key"})
HELLO_MAX = 16 * 1024  # bytes, Envoy's own limit
TLV_NAMESPACE = "envoy.filters.listener.proxy_protocol"
ORIGINAL_DST = Fields(f"{PACKAGE}.original_dst.v3.OriginalDst", ())
ORIGINAL_SRC = Fields(f"{PACKAGE}.original_src.v3.OriginalSrc", {"bind_port", "mark"})
LIMIT = Fields(f"{PACKAGE}.local_ratelimit.v3.LocalRateLimit", {"stat_prefix", "token_bucket", "runtime_enabled"})
KINDS = {one.message: one for one in (TLS, HTTP, PROXY, ORIGINAL_DST, ORIGINAL_SRC, LIMIT)}
NAMES = {TLS: "tls_inspector", HTTP: "http_inspector", PROXY: "proxy_protocol", ORIGINAL_DST: "original_dst"}


def lower(message: Any, low: Lowering, path: str) -> spec.ListenerFilter | None:
    FILTER.check(message, low.report, path)
    at = join(path, "typed_config")
    config, kind = low.unpack(message.typed_config, at, KINDS, "a listener filter")
    if config is None:
        return None
    kind.check(config, low.report, at)
    found = _lower(config, kind, low, at)
    if not message.HasField("filter_disabled"):
        return found
    return replace(found, disabled=_predicate(message.filter_disabled, low, join(path, "filter_disabled")))


def _predicate(message: Any, low: Lowering, path: str) -> spec.PortRule:
    PREDICATE.check(message, low.report, path)
    rule = message.WhichOneof("rule")
    if rule in ("or_match", "and_match"):
        RULES.check(getattr(message, rule), low.report, join(path, rule))
        at = join(path, f"{rule}.rules")
        parts = tuple(_predicate(item, low, f"{at}[{index}]") for index, item in enumerate(getattr(message, rule).rules))
        return spec.PortRule("one_of" if rule == "or_match" else "all_of", parts=parts)
    if rule == "not_match":
        return spec.PortRule("not", parts=(_predicate(message.not_match, low, join(path, rule)),))
    if rule == "destination_port_range":
        return spec.PortRule("range", (message.destination_port_range.start, message.destination_port_range.end))
    return spec.PortRule("any")


def _lower(config: Any, kind: Fields, low: Lowering, at: str) -> spec.ListenerFilter:
    if kind is ORIGINAL_SRC:
        return spec.ListenerFilter("original_src", keeps_port=config.bind_port, mark=config.mark)
    if kind is LIMIT:
        bucket = filter_local_ratelimit.lower_bucket(config.token_bucket, low, join(at, "token_bucket"))
        enabled = filter_parts.lower_flag(config, "runtime_enabled", low, at)
        return spec.ListenerFilter("local_ratelimit", config.stat_prefix, token_bucket=bucket, enabled=enabled)
    if kind is TLS:
        most = config.max_client_hello_size.value if config.HasField("max_client_hello_size") else HELLO_MAX
        if most > HELLO_MAX:
            low.refuse(join(at, "max_client_hello_size"), f"{most}; at most {HELLO_MAX} are accepted")
        closes = config.close_connection_on_client_hello_parsing_errors
        return spec.ListenerFilter(NAMES[kind], hello_max=most, closes_others=closes)
    if kind is not PROXY:
        return spec.ListenerFilter(NAMES[kind])
    return spec.ListenerFilter(
        NAMES[kind],
        stat_prefix=config.stat_prefix,
        optional=config.allow_requests_without_proxy_protocol,
        disallowed_versions=tuple(version + 1 for version in config.disallowed_versions),
        passes=proxy_out.lower_types(config, low, at),
        tlv_rules=each(config.rules, join(at, "rules"), lambda item, here: _tlv_rule(item, low, here)),
        tlvs_to_state=config.tlv_location != 0,
    )


def _tlv_rule(message: Any, low: Lowering, path: str) -> tuple[int, str, str]:
    TLV_RULE.check(message, low.report, path)
    value = message.on_tlv_present
    TLV_VALUE.check(value, low.report, join(path, "on_tlv_present"))
    return message.tlv_type, value.metadata_namespace or TLV_NAMESPACE, value.key
