"""envoy.config.route.v3.RouteAction, RedirectAction and DirectResponseAction: what a route does with its requests.

The rules that Envoy keeps in code stand here: at most one way to rewrite a path, weights that add up to something, an
upgrade type once per route, connect_config only for CONNECT, a cluster that exists unless the table says not to look.
A direct response is read now, also from a file, and is limited as Envoy limits it (4 KiB). Called by route.py.
"""

from __future__ import annotations

from typing import Any

from mesh.config import format as formats
from mesh.config import (
    hash_policy,
    header_mutation,
    hedge,
    internal_redirect,
    load_balancer_subset,
    matcher,
    mirror,
    native_filter,
    rate_limit,
    retry,
    uri_template,
)
from mesh.config.errors import join, nearest
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering, each, milliseconds_or, wrapped_or
from meshcore.bind import spec

FORWARD = Fields(
    "envoy.config.route.v3.RouteAction",
    {
        "cluster", "cluster_header", "weighted_clusters", "cluster_not_found_response_code", "prefix_rewrite",
        "regex_rewrite", "path_rewrite_policy", "path_rewrite", "host_rewrite_literal", "auto_host_rewrite", "host_rewrite_header",
        "host_rewrite_path_regex", "host_rewrite", "append_x_forwarded_host", "timeout",
        "idle_timeout",
        "max_stream_duration", "retry_policy", "hedge_policy", "request_mirror_policies", "internal_redirect_policy",
        "upgrade_configs", "priority", "hash_policy", "metadata_match", "rate_limits", "include_vh_rate_limits",
    },
    harmless={"early_data_policy": anything},
)  # fmt: skip
WEIGHTED = Fields(
    "envoy.config.route.v3.WeightedCluster",
    {"clusters", "header_name", "runtime_key_prefix", "use_hash_policy"},
    harmless={"total_weight": anything},
)
WEIGHT = Fields(
    "envoy.config.route.v3.WeightedCluster.ClusterWeight",
    {"name", "cluster_header", "weight", "host_rewrite_literal", "metadata_match", "typed_per_filter_config"} | header_mutation.LISTS,
)
UPGRADE = Fields("envoy.config.route.v3.RouteAction.UpgradeConfig", {"upgrade_type", "enabled", "connect_config"})
CONNECT = Fields("envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig", {"allow_post"})
DURATION = Fields(
    "envoy.config.route.v3.RouteAction.MaxStreamDuration",
    {"max_stream_duration", "grpc_timeout_header_max", "grpc_timeout_header_offset"},
)
REDIRECT = Fields(
    "envoy.config.route.v3.RedirectAction",
    {
        "https_redirect", "scheme_redirect", "host_redirect", "port_redirect", "path_redirect", "prefix_rewrite",
        "regex_rewrite",
        "response_code", "strip_query",
    },
)  # fmt: skip
DIRECT = Fields("envoy.config.route.v3.DirectResponseAction", {"status", "body", "body_format"})
NOT_FOUND_CODES = (503, 404, 500)
REDIRECT_CODES = (301, 302, 303, 307, 308)
TIMEOUT_MS = 15_000
WEIGHT_SUM_MAX = 2**32 - 1


def lower_forward(message: Any, match: Any, low: Lowering, path: str, validate_clusters: bool) -> spec.Forward:
    """`match` is the RouteMatch beside it, whose variables a URI template rewrite uses."""
    FORWARD.check(message, low.report, path)
    rewrites = [name for name in ("prefix_rewrite", "path_rewrite") if getattr(message, name)]
    rewrites += [name for name in ("regex_rewrite", "path_rewrite_policy") if message.HasField(name)]
    if len(rewrites) > 1:
        low.refuse(join(path, rewrites[1]), f"'{rewrites[0]}' is set as well, and only one of the two may be")
    if message.prefix_rewrite and match.WhichOneof("path_specifier") == "path_match_policy":
        low.refuse(join(path, "prefix_rewrite"), "cannot be used with 'path_match_policy'")
    for name in ("path_rewrite", "host_rewrite"):
        formats.check_text(getattr(message, name), low, join(path, name))
    if message.cluster and validate_clusters:
        check_cluster(message.cluster, low, join(path, "cluster"))
    upgrades, terminate, allow_post = _upgrades(message.upgrade_configs, low, join(path, "upgrade_configs"))
    return spec.Forward(
        cluster=message.cluster,
        cluster_header=message.cluster_header.lower(),
        weighted=_weighted(message.weighted_clusters, low, join(path, "weighted_clusters"), validate_clusters, message)
        if message.HasField("weighted_clusters")
        else (),
        weight_header=message.weighted_clusters.header_name.lower(),
        weight_by_hash=wrapped_or(message.weighted_clusters, "use_hash_policy", False),
        cluster_not_found_code=NOT_FOUND_CODES[message.cluster_not_found_response_code],
        prefix_rewrite=message.prefix_rewrite,
        regex_rewrite=uri_template.lower_rewrite(message.path_rewrite_policy, match, low, join(path, "path_rewrite_policy"))
        if message.HasField("path_rewrite_policy")
        else lower_rewrite(message, low, path),
        path_rewrite=message.path_rewrite,
        host_rewrite_literal=message.host_rewrite_literal,
        auto_host_rewrite=wrapped_or(message, "auto_host_rewrite", False),
        host_rewrite_header=message.host_rewrite_header.lower(),
        host_rewrite_path_regex=matcher.lower_substitution(
            message.host_rewrite_path_regex, low, join(path, "host_rewrite_path_regex")
        )
        if message.HasField("host_rewrite_path_regex")
        else None,
        host_rewrite=message.host_rewrite,
        append_x_forwarded_host=message.append_x_forwarded_host,
        timeout_ms=milliseconds_or(message, "timeout", TIMEOUT_MS),
        idle_timeout_ms=milliseconds_or(message, "idle_timeout", None),  # type: ignore[arg-type]
        **_durations(message, low, join(path, "max_stream_duration")),
        retry=retry.lower(message.retry_policy, low, join(path, "retry_policy")) if message.HasField("retry_policy") else None,
        hedge=hedge.lower(message, low, path),
        mirrors=mirror.lower(message, low, path, validate_clusters),
        internal_redirect=internal_redirect.lower(message, low, path),
        upgrades=upgrades,
        connect_terminate=terminate,
        connect_allow_post=allow_post,
        rate_limits=rate_limit.lower_all(message.rate_limits, low, join(path, "rate_limits")),
        include_vh_rate_limits=wrapped_or(message, "include_vh_rate_limits", False),
        priority_high=message.priority == 1,
        hash_policy=hash_policy.lower_all(message.hash_policy, low, join(path, "hash_policy")),
        metadata_match=load_balancer_subset.lower_match(message),
    )


def check_cluster(name: str, low: Lowering, path: str) -> None:
    """Refuses a cluster that the configuration does not define."""
    if name not in low.cluster_names:
        low.refuse(path, f"no cluster is called '{name}'{nearest(name, low.cluster_names)}")


def lower_rewrite(message: Any, low: Lowering, path: str) -> tuple[str, str] | None:
    """(pattern, substitution) of a `regex_rewrite`."""
    if not message.HasField("regex_rewrite"):
        return None
    return matcher.lower_substitution(message.regex_rewrite, low, join(path, "regex_rewrite"))


def _durations(message: Any, low: Lowering, path: str) -> dict[str, Any]:
    if not message.HasField("max_stream_duration"):
        return {}
    inner = message.max_stream_duration
    DURATION.check(inner, low.report, path)
    return {
        "max_stream_duration_ms": milliseconds_or(inner, "max_stream_duration", None),  # type: ignore[arg-type]
        "grpc_timeout_header_max_ms": milliseconds_or(inner, "grpc_timeout_header_max", None),  # type: ignore[arg-type]
        "grpc_timeout_header_offset_ms": milliseconds_or(inner, "grpc_timeout_header_offset", 0),
        "new_timeouts": True,
    }


def _weighted(message: Any, low: Lowering, path: str, validate_clusters: bool, route: Any) -> tuple[spec.WeightedCluster, ...]:
    WEIGHTED.check(message, low.report, path)

    def one(item: Any, at: str) -> spec.WeightedCluster:
        WEIGHT.check(item, low.report, at)
        if item.name and validate_clusters:
            check_cluster(item.name, low, join(at, "name"))
        if bool(item.name) == bool(item.cluster_header):
            low.refuse(join(at, "name"), "one of 'name' and 'cluster_header' must be set, and only one of the two")
        if not item.HasField("weight"):
            low.refuse(join(at, "weight"), "required, and not set")
        return spec.WeightedCluster(
            item.name,
            wrapped_or(item, "weight", 0),
            header_mutation.lower(item, low, at),
            item.host_rewrite_literal,
            item.cluster_header.lower(),
            load_balancer_subset.lower_match(item, route),
            native_filter.lower_overrides(item.typed_per_filter_config, low, join(at, "typed_per_filter_config")),
            f"{message.runtime_key_prefix}.{item.name}" if message.runtime_key_prefix else "",
        )

    found = each(message.clusters, join(path, "clusters"), one)
    total = sum(item.weight for item in found)
    if not 0 < total <= WEIGHT_SUM_MAX:
        low.refuse(join(path, "clusters"), f"the weights add up to {total}; 1 to {WEIGHT_SUM_MAX} is accepted")
    return found


def _upgrades(items: Any, low: Lowering, path: str) -> tuple[tuple[tuple[str, bool], ...], bool, bool]:
    """((type, enabled)..., whether CONNECT ends here, whether POST may stand for CONNECT)."""
    found: dict[str, bool] = {}
    terminate = allow_post = False
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        UPGRADE.check(item, low.report, at)
        name = item.upgrade_type.lower()
        if name in found:
            low.refuse(join(at, "upgrade_type"), f"'{item.upgrade_type}' stands here twice")
        found[name] = wrapped_or(item, "enabled", True)
        if item.HasField("connect_config"):
            CONNECT.check(item.connect_config, low.report, join(at, "connect_config"))
            if name != "connect":
                low.refuse(join(at, "connect_config"), f"belongs to upgrade_type CONNECT, not '{item.upgrade_type}'")
            terminate, allow_post = True, item.connect_config.allow_post
    return tuple(found.items()), terminate, allow_post


def lower_redirect(message: Any, low: Lowering, path: str) -> spec.Redirect:
    REDIRECT.check(message, low.report, path)
    return spec.Redirect(
        scheme="https" if message.https_redirect else message.scheme_redirect,
        host=message.host_redirect,
        port=message.port_redirect,
        path_redirect=message.path_redirect,
        prefix_rewrite=message.prefix_rewrite,
        regex_rewrite=lower_rewrite(message, low, path),
        response_code=REDIRECT_CODES[message.response_code],
        strip_query=message.strip_query,
    )


def lower_direct(message: Any, low: Lowering, path: str, body_limit: int) -> spec.DirectResponse:
    DIRECT.check(message, low.report, path)
    body = low.bytes_of(message.body, join(path, "body"), body_limit) if message.HasField("body") else b""
    if not message.HasField("body_format"):
        return spec.DirectResponse(message.status, body)
    form = message.body_format
    text, tree = formats.lower(form, low, join(path, "body_format"))
    return spec.DirectResponse(
        message.status,
        body,
        content_type=form.content_type or ("text/plain" if tree is None else "application/json"),
        format=text,
        json=tree,
        omit_empty=form.omit_empty_values,
    )
