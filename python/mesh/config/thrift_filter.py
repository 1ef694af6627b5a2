"""envoy.extensions.filters.network.thrift_proxy.v3.ThriftFilter: what stands before the router of a Thrift proxy.

Header and payload rules that write dynamic metadata, rate limits, and the retries of mesh: an xds.type.v3.TypedStruct whose `type_url` is
`mesh.extensions.ThriftRetry`. Called by thrift_proxy.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import filter_ratelimit, matcher
from mesh.config.errors import join, nearest
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from mesh.config.render import to_tree
from meshcore.bind.thrift_spec import (
    ThriftFact,
    ThriftFilter,
    ThriftHeaderRule,
    ThriftPayloadRule,
    ThriftRateLimit,
    ThriftRetry,
)

PACKAGE = "envoy.extensions.filters.network.thrift_proxy.filters"
HEADERS = f"{PACKAGE}.header_to_metadata.v3.HeaderToMetadata"
PAYLOAD = f"{PACKAGE}.payload_to_metadata.v3.PayloadToMetadata"
HEADER_FILTER = Fields(HEADERS, {"request_rules"})
HEADER_RULE = Fields(f"{HEADERS}.Rule", {"header", "on_present", "on_missing", "remove"})
HEADER_FACT = Fields(f"{HEADERS}.KeyValuePair", {"metadata_namespace", "key", "value", "regex_value_rewrite", "type", "encode"})
PAYLOAD_FILTER = Fields(PAYLOAD, {"request_rules"})
PAYLOAD_RULE = Fields(f"{PAYLOAD}.Rule", {"method_name", "service_name", "field_selector", "on_present", "on_missing"})
PAYLOAD_FACT = Fields(f"{PAYLOAD}.KeyValuePair", {"metadata_namespace", "key", "value", "regex_value_rewrite", "type"})
LIMIT = Fields(
    f"{PACKAGE}.ratelimit.v3.RateLimit", {"domain", "stage", "timeout", "failure_mode_deny", "rate_limit_service"}
)
SELECTOR = Fields(f"{PAYLOAD}.FieldSelector", {"id", "child"}, described={"name"})
STRUCTS = {"xds.type.v3.TypedStruct": None, "udpa.type.v1.TypedStruct": None}
RETRY = "mesh.extensions.ThriftRetry"
RETRY_FIELDS = ("methods", "num_retries")
RULES_MAX = 64
NUMBER, PROTOBUF_VALUE = 1, 2  # ValueType


def lower_headers(message: Any, low: Lowering, path: str) -> ThriftFilter:
    HEADER_FILTER.check(message, low.report, path)

    def rule(item: Any, at: str) -> ThriftHeaderRule:
        HEADER_RULE.check(item, low.report, at)
        present, missing = _facts(item, HEADER_FACT, "envoy.filters.thrift.header_to_metadata", low, at)
        return ThriftHeaderRule(item.header, present, missing, item.remove)

    return ThriftFilter(headers=each(message.request_rules, join(path, "request_rules"), rule))


def lower_payload(message: Any, low: Lowering, path: str) -> ThriftFilter:
    PAYLOAD_FILTER.check(message, low.report, path)
    at = join(path, "request_rules")
    if len(message.request_rules) > RULES_MAX:
        low.refuse(at, f"{len(message.request_rules)} rules; at most {RULES_MAX} are accepted in one filter")
    taken: set[tuple[int, ...]] = set()

    def rule(item: Any, at: str) -> ThriftPayloadRule:
        PAYLOAD_RULE.check(item, low.report, at)
        present, missing = _facts(item, PAYLOAD_FACT, "envoy.filters.thrift.payload_to_metadata", low, at)
        where = _path(item.field_selector, low, join(at, "field_selector"))
        if where in taken:
            low.refuse(join(at, "field_selector"), "another rule has this field; Envoy takes one rule for each")
        taken.add(where)
        name, service = item.method_name, item.WhichOneof("match_specifier") == "service_name"
        if service:
            name = item.service_name if not item.service_name or item.service_name.endswith(":") else f"{item.service_name}:"
        return ThriftPayloadRule(name, service, where, present, missing)

    return ThriftFilter(payload=each(message.request_rules, at, rule))


def lower_limit(message: Any, low: Lowering, path: str) -> ThriftFilter:
    LIMIT.check(message, low.report, path)
    service = filter_ratelimit.lower_service(message, low, path)
    return ThriftFilter(limit=ThriftRateLimit(service, message.stage, message.failure_mode_deny))


def _path(selector: Any, low: Lowering, path: str) -> tuple[int, ...]:
    SELECTOR.check(selector, low.report, path)
    rest = _path(selector.child, low, join(path, "child")) if selector.HasField("child") else ()
    return (selector.id, *rest)


def _facts(rule: Any, table: Fields, namespace: str, low: Lowering, path: str) -> tuple[ThriftFact | None, ThriftFact | None]:
    """on_present and on_missing."""
    if not rule.HasField("on_present") and not rule.HasField("on_missing"):
        low.refuse(path, "one of 'on_present' and 'on_missing' is required")
    if rule.HasField("on_missing") and not rule.on_missing.value:
        low.refuse(join(path, "on_missing.value"), "required, and not set")
    parts = ("on_present", "on_missing")
    present, missing = (_fact(rule, name, table, namespace, low, join(path, name)) for name in parts)
    return present, missing


def _fact(rule: Any, name: str, table: Fields, namespace: str, low: Lowering, path: str) -> ThriftFact | None:
    message = getattr(rule, name)
    if not rule.HasField(name):
        return None
    table.check(message, low.report, path)
    at = join(path, "regex_value_rewrite")
    return ThriftFact(
        message.metadata_namespace or namespace,
        message.key,
        message.value,
        matcher.lower_substitution(message.regex_value_rewrite, low, at) if message.HasField("regex_value_rewrite") else None,
        number=message.type == NUMBER,
        base64=table is HEADER_FACT and message.encode == 1,
        protobuf=table is HEADER_FACT and message.type == PROTOBUF_VALUE,
    )


def lower_retry(message: Any, low: Lowering, path: str) -> ThriftRetry | None:
    if message.type_url.rpartition("/")[2] != RETRY:
        low.refuse(join(path, "type_url"), f"'{message.type_url}'; {RETRY} is accepted")
        return None
    tree, at = to_tree(message.value), join(path, "value")
    for name in tree:
        if name not in RETRY_FIELDS:
            low.refuse(join(at, name), f"a Thrift retry has no field '{name}'; {', '.join(RETRY_FIELDS)}{nearest(name, RETRY_FIELDS)}")
    methods, most = tree.get("methods"), tree.get("num_retries", 1)
    if not isinstance(methods, list) or not methods or not all(isinstance(name, str) and name for name in methods):
        low.refuse(join(at, "methods"), f"{methods!r}; a list of names is required: 'get', or 'People:' for all of a service")
        return None
    if not isinstance(most, int | float) or most != int(most) or not 1 <= most <= 10:
        low.refuse(join(at, "num_retries"), f"{most!r}; a number from 1 to 10 is accepted")
        return None
    return ThriftRetry(tuple(methods), int(most))
