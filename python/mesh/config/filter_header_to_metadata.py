"""envoy.extensions.filters.http.header_to_metadata.v3.Config, of a chain or of a route.

Its statistics are refused. Called by native_filter.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import matcher
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from meshcore.bind import filter_spec

PACKAGE = "envoy.extensions.filters.http.header_to_metadata.v3"
CONFIG = Fields(f"{PACKAGE}.Config", {"request_rules", "response_rules"})
RULE = Fields(f"{PACKAGE}.Config.Rule", {"header", "cookie", "on_header_present", "on_header_missing", "remove"})
FACT = Fields(f"{PACKAGE}.Config.KeyValuePair", {"metadata_namespace", "key", "value", "regex_value_rewrite", "type", "encode"})
NUMBER, PROTOBUF_VALUE = 1, 2  # ValueType
NAMESPACE = "envoy.filters.http.header_to_metadata"


def lower(message: Any, low: Lowering, path: str) -> filter_spec.HeaderToMetadata:
    CONFIG.check(message, low.report, path)
    return filter_spec.HeaderToMetadata(
        request_rules=each(message.request_rules, join(path, "request_rules"), lambda item, at: _rule(item, low, at)),
        response_rules=each(message.response_rules, join(path, "response_rules"), lambda item, at: _rule(item, low, at)),
    )


def _rule(item: Any, low: Lowering, path: str) -> filter_spec.HeaderRule:
    RULE.check(item, low.report, path)
    present, missing = item.HasField("on_header_present"), item.HasField("on_header_missing")
    if bool(item.header) == bool(item.cookie):
        low.refuse(join(path, "header"), "one of 'header' and 'cookie' is required, and only one may be set")
    if not present and not missing:
        low.refuse(path, "one of 'on_header_present' and 'on_header_missing' is required")
    if item.cookie and item.remove:
        low.refuse(join(path, "remove"), "a cookie cannot be removed")
    if missing and not item.on_header_missing.value:
        low.refuse(join(path, "on_header_missing.value"), "required, and not set")
    return filter_spec.HeaderRule(
        header=item.header.lower(),
        cookie=item.cookie,
        present=_fact(item.on_header_present, low, join(path, "on_header_present")) if present else None,
        missing=_fact(item.on_header_missing, low, join(path, "on_header_missing")) if missing else None,
        remove=item.remove,
    )


def _fact(item: Any, low: Lowering, path: str) -> filter_spec.HeaderFact:
    FACT.check(item, low.report, path)
    rewrites = item.HasField("regex_value_rewrite")
    if not item.key:
        low.refuse(join(path, "key"), "required, and not set")
    if item.value and rewrites:
        low.refuse(join(path, "regex_value_rewrite"), "cannot be used with 'value'")
    return filter_spec.HeaderFact(
        key=item.key,
        namespace=item.metadata_namespace or NAMESPACE,
        value=item.value,
        number=item.type == NUMBER,
        base64=item.encode == 1,
        protobuf=item.type == PROTOBUF_VALUE,
        regex_rewrite=matcher.lower_substitution(item.regex_value_rewrite, low, join(path, "regex_value_rewrite")) if rewrites else None,
    )
