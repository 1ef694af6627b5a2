"""envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata, of a chain or per route. Called by native_filter.py."""

from __future__ import annotations

from typing import Any

from mesh.config import matcher
from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from mesh.config.render import to_tree
from meshcore.bind.filter_spec import JsonFact, JsonRule, JsonRules, JsonToMetadata

PACKAGE = "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata"
NAMESPACE = "envoy.filters.http.json_to_metadata"
CONFIG = Fields(PACKAGE, {"request_rules", "response_rules"})
RULES = Fields(f"{PACKAGE}.MatchRules", {"rules", "allow_content_types", "allow_empty_content_type", "allow_content_types_regex"})
RULE = Fields(f"{PACKAGE}.Rule", {"selectors", "on_present", "on_missing", "on_error"})
SELECTOR = Fields(f"{PACKAGE}.Selector", {"key"})
FACT = Fields(f"{PACKAGE}.KeyValuePair", {"metadata_namespace", "key", "value", "type", "preserve_existing_metadata_value"})
TYPES = ("value", "string", "number")


def lower(message: Any, low: Lowering, path: str) -> JsonToMetadata:
    CONFIG.check(message, low.report, path)
    if not message.HasField("request_rules") and not message.HasField("response_rules"):
        low.refuse(path, "needs 'request_rules' or 'response_rules'")
    return JsonToMetadata(
        request=_rules(message.request_rules, low, join(path, "request_rules")),
        response=_rules(message.response_rules, low, join(path, "response_rules")),
    )


def _rules(message: Any, low: Lowering, path: str) -> JsonRules:
    RULES.check(message, low.report, path)
    regex = None
    if message.HasField("allow_content_types_regex"):
        regex = matcher.lower_regex(message.allow_content_types_regex, low, join(path, "allow_content_types_regex"))
    return JsonRules(
        rules=each(message.rules, join(path, "rules"), lambda item, here: _rule(item, low, here)),
        content_types=tuple(message.allow_content_types) or ("application/json",),
        allow_empty_type=message.allow_empty_content_type,
        content_types_regex=regex,
    )


def _rule(message: Any, low: Lowering, path: str) -> JsonRule:
    RULE.check(message, low.report, path)
    for index, selector in enumerate(message.selectors):
        SELECTOR.check(selector, low.report, f"{join(path, 'selectors')}[{index}]")
    if not message.HasField("on_present") and not message.HasField("on_missing"):
        low.refuse(path, "needs 'on_present' or 'on_missing'")
    return JsonRule(
        path=tuple(selector.key for selector in message.selectors),
        present=_fact(message, "on_present", low, path),
        missing=_fact(message, "on_missing", low, path),
        error=_fact(message, "on_error", low, path),
    )


def _fact(rule: Any, name: str, low: Lowering, path: str) -> JsonFact | None:
    if not rule.HasField(name):
        return None
    message, at = getattr(rule, name), join(path, name)
    FACT.check(message, low.report, at)
    if name != "on_present" and not message.HasField("value"):
        low.refuse(join(at, "value"), "required, and not set: there is no value of the body to write")
    return JsonFact(
        key=message.key,
        namespace=message.metadata_namespace or NAMESPACE,
        type=TYPES[message.type],
        preserve=message.preserve_existing_metadata_value,
        fixed=(to_tree(message.value),) if message.HasField("value") else None,
    )
