"""Subset balancing: envoy.config.cluster.v3.Cluster.LbSubsetConfig, or the typed extension Subset, which has the same fields.

Called by load_balancer.py."""

from __future__ import annotations

import json
from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering
from mesh.config.render import to_tree
from meshcore.bind import spec

FIELDS = {
    "fallback_policy", "default_subset", "subset_selectors", "locality_weight_aware", "scale_locality_weight", "panic_mode_any",
    "list_as_any", "metadata_fallback_policy",
}  # fmt: skip
SELECTOR_FIELDS = {"keys", "single_host_per_subset", "fallback_policy", "fallback_keys_subset"}
OLD = "envoy.config.cluster.v3.Cluster.LbSubsetConfig"
NEW = "envoy.extensions.load_balancing_policies.subset.v3.Subset"
TABLES = {
    OLD: (Fields(OLD, FIELDS), Fields(f"{OLD}.LbSubsetSelector", SELECTOR_FIELDS)),
    NEW: (
        Fields(NEW, FIELDS | {"allow_redundant_keys", "subset_lb_policy"}),
        Fields(f"{NEW}.LbSubsetSelector", SELECTOR_FIELDS),
    ),
}
LB_METADATA = "envoy.lb"
FALLBACKS = ("no_fallback", "any_endpoint", "default_subset")
SELECTOR_FALLBACKS = ("not_defined", "no_fallback", "any_endpoint", "default_subset", "keys_subset")


def lower(message: Any, low: Lowering, path: str) -> spec.Subsets | None:
    """None: there are no selectors, so Envoy does not divide the hosts either."""
    fields, selector_fields = TABLES[message.DESCRIPTOR.full_name]
    fields.check(message, low.report, path)
    selectors = []
    for index, item in enumerate(message.subset_selectors):
        at = f"{path}.subset_selectors[{index}]"
        selector_fields.check(item, low.report, at)
        selectors.append(_selector(item, low, at))
    if not selectors:
        return None
    return spec.Subsets(
        selectors=tuple(selectors),
        fallback=FALLBACKS[message.fallback_policy],
        default_subset=canonical(message.default_subset),
        locality_weight_aware=message.locality_weight_aware,
        scale_locality_weight=message.scale_locality_weight,
        panic_mode_any=message.panic_mode_any,
        list_as_any=message.list_as_any,
        allow_redundant_keys=getattr(message, "allow_redundant_keys", False),
        fallback_list=message.metadata_fallback_policy == 1,
    )


def canonical(struct: Any) -> str:
    """A google.protobuf.Struct as JSON with sorted keys."""
    return json.dumps(to_tree(struct), sort_keys=True, separators=(",", ":"))


def lower_match(*messages: Any) -> str:
    """The subset that `metadata_match` of the first message wants, laid over that of the second; "" when none is named."""
    wanted: dict[str, Any] = {}
    for message in reversed(messages):
        if message.HasField("metadata_match") and LB_METADATA in message.metadata_match.filter_metadata:
            wanted |= to_tree(message.metadata_match.filter_metadata[LB_METADATA])
    return json.dumps(wanted, sort_keys=True, separators=(",", ":")) if wanted else ""


def _selector(item: Any, low: Lowering, path: str) -> spec.SubsetSelector:
    keys, fallback_keys = tuple(sorted(set(item.keys))), tuple(sorted(set(item.fallback_keys_subset)))
    fallback = SELECTOR_FALLBACKS[item.fallback_policy]
    if not keys:
        low.refuse(join(path, "keys"), "a selector has at least one key")
    if fallback == "keys_subset":
        if not fallback_keys:
            low.refuse(join(path, "fallback_keys_subset"), "required with fallback_policy KEYS_SUBSET, and not set")
        elif not set(fallback_keys) < set(keys):
            low.refuse(join(path, "fallback_keys_subset"), "must be some of 'keys', not all of them")
    elif fallback_keys:
        low.refuse(join(path, "fallback_keys_subset"), "is used only with fallback_policy KEYS_SUBSET")
    return spec.SubsetSelector(keys, fallback, fallback_keys, item.single_host_per_subset)
