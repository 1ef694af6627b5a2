"""No field is ignored in silence: a message has a table of fields that refuses the rest, or is read whole.

`Fields` refuses what its table does not list. What a table lists and is itself a message needs a table of its own, or stands here with
all of its fields: whoever adds a field to one of these reads it where the message is lowered.
"""

from __future__ import annotations

import pytest

from mesh.config import schema
from mesh.config.fields import TABLES, Fields

# envoy.config.core.v3.Node is shown, and locality, cluster and id are used; typed metadata says nothing to the engine.
WHOLE: dict[str, tuple[str, ...]] = {
    "envoy.config.core.v3.HealthStatusSet": ("statuses",),
    "envoy.type.http.v3.CookieAttribute": ("name", "value"),
    "envoy.config.accesslog.v3.AndFilter": ("filters",),
    "envoy.config.accesslog.v3.DurationFilter": ("comparison",),
    "envoy.config.accesslog.v3.GrpcStatusFilter": ("statuses", "exclude"),
    "envoy.config.accesslog.v3.HeaderFilter": ("header",),
    "envoy.config.accesslog.v3.LogTypeFilter": ("types", "exclude"),
    "envoy.config.accesslog.v3.NotHealthCheckFilter": (),
    "envoy.config.accesslog.v3.OrFilter": ("filters",),
    "envoy.config.accesslog.v3.ResponseFlagFilter": ("flags",),
    "envoy.config.accesslog.v3.RuntimeFilter": ("runtime_key", "percent_sampled", "use_independent_randomness"),
    "envoy.config.accesslog.v3.StatusCodeFilter": ("comparison",),
    "envoy.config.bootstrap.v3.RuntimeLayer.AdminLayer": (),
    "envoy.config.cluster.v3.Cluster.CommonLbConfig.ConsistentHashingLbConfig": ("use_hostname_for_hashing", "hash_balance_factor"),
    "envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig": (),
    "envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig": ("routing_enabled", "min_cluster_size", "fail_traffic_on_panic"),
    "envoy.config.cluster.v3.Cluster.CustomClusterType": ("name", "typed_config"),
    "envoy.config.cluster.v3.Cluster.EdsClusterConfig": ("eds_config", "service_name"),
    "envoy.config.cluster.v3.Cluster.RefreshRate": ("base_interval", "max_interval"),
    "envoy.config.cluster.v3.Cluster.SlowStartConfig": ("slow_start_window", "aggression", "min_weight_percent"),
    "envoy.config.cluster.v3.LoadBalancingPolicy": ("policies",),
    "envoy.config.core.v3.CidrRange": ("address_prefix", "prefix_len"),
    "envoy.config.core.v3.DataSource": ("filename", "inline_bytes", "inline_string", "environment_variable", "watched_directory"),
    "envoy.config.core.v3.GrpcMethodList": ("services",),
    "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords": (),
    "envoy.config.core.v3.Locality": ("region", "zone", "sub_zone"),
    "envoy.config.core.v3.Metadata": ("filter_metadata", "typed_filter_metadata"),
    "envoy.config.core.v3.Node": (
        "id", "cluster", "metadata", "dynamic_parameters", "locality", "user_agent_name", "user_agent_version",
        "user_agent_build_version", "extensions", "client_features", "listening_addresses",
    ),
    "envoy.config.core.v3.RuntimeDouble": ("default_value", "runtime_key"),
    "envoy.config.core.v3.RuntimeFractionalPercent": ("default_value", "runtime_key"),
    "envoy.config.core.v3.RuntimePercent": ("default_value", "runtime_key"),
    "envoy.config.core.v3.RuntimeUInt32": ("default_value", "runtime_key"),
    "envoy.config.core.v3.TcpKeepalive": ("keepalive_probes", "keepalive_time", "keepalive_interval"),
    "envoy.config.core.v3.TransportSocket": ("name", "typed_config"),
    "envoy.config.rbac.v3.Permission.Set": ("rules",),
    "envoy.config.rbac.v3.Principal.Set": ("ids",),
    "envoy.config.route.v3.NonForwardingAction": (),
    "envoy.config.route.v3.RetryPolicy.ResetHeader": ("name", "format"),
    "envoy.config.route.v3.RetryPolicy.RetryBackOff": ("base_interval", "max_interval"),
    "envoy.config.route.v3.RetryPolicy.RetryHostPredicate": ("name", "typed_config"),
    "envoy.config.route.v3.RetryPolicy.RetryPriority": ("name", "typed_config"),
    "envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties": ("source_ip",),
    "envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute": ("name", "value"),
    "envoy.config.route.v3.RouteAction.HashPolicy.FilterState": ("key",),
    "envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter": ("name",),
    "envoy.config.route.v3.RouteMatch.ConnectMatcher": (),
    "envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions": (),
    "envoy.extensions.clusters.dns.v3.DnsCluster.RefreshRate": ("base_interval", "max_interval"),
    "envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry": ("key", "value"),
    "envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay": (),
    "envoy.extensions.filters.common.fault.v3.FaultRateLimit.FixedLimit": ("limit_kbps",),
    "envoy.extensions.filters.common.fault.v3.FaultRateLimit.HeaderLimit": (),
    "envoy.extensions.filters.http.admission_control.v3.AdmissionControl.SuccessCriteria.GrpcCriteria": ("grpc_success_status",),
    "envoy.extensions.filters.http.admission_control.v3.AdmissionControl.SuccessCriteria.HttpCriteria": ("http_success_status",),
    "envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort": (),
    "envoy.extensions.filters.network.http_connection_manager.v3.Rds": ("config_source", "route_config_name"),
    "envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension": ("typed_config",),
    "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.LocalityWeightedLbConfig": (),
    "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.ForceLocalZone": ("min_size",),
    "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.SystemRootCerts": (),
    "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig.TrustDomain": ("name", "trust_bundle"),
    "envoy.type.matcher.v3.ValueMatcher.NullMatch": (),
    "envoy.type.metadata.v3.MetadataKey.PathSegment": ("key",),
    "envoy.type.v3.DoubleRange": ("start", "end"),
    "envoy.type.v3.FractionalPercent": ("numerator", "denominator"),
    "envoy.type.v3.HashPolicy.SourceIp": (),
    "envoy.type.v3.HttpStatus": ("code",),
    "envoy.type.v3.Int32Range": ("start", "end"),
    "envoy.type.v3.Int64Range": ("start", "end"),
    "envoy.type.v3.Percent": ("value",),
    "xds.core.v3.CidrRange": ("address_prefix", "prefix_len"),
    "xds.core.v3.TypedExtensionConfig": ("name", "typed_config"),
    "xds.type.matcher.v3.RegexMatcher.GoogleRE2": (),
}


def inner_messages(table: Fields) -> set[str]:
    """Full names of the messages in the fields that a table lists; those of google.protobuf are plain values."""
    found = set()
    fields = schema.message_class(table.message.partition("#")[0]).DESCRIPTOR.fields_by_name
    for name in table.handled:
        inner = fields[name].message_type
        if inner is not None and inner.GetOptions().map_entry:
            inner = inner.fields_by_name["value"].message_type
        if inner is not None and not inner.full_name.startswith("google.protobuf."):
            found.add(inner.full_name)
    return found


def test_what_a_table_lists_has_a_table_or_is_read_whole() -> None:
    inner = set().union(*map(inner_messages, TABLES.values()))
    assert inner - set(TABLES) == set(WHOLE)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_message_that_is_read_whole_has_no_other_fields(name: str) -> None:
    assert {field.name for field in schema.message_class(name).DESCRIPTOR.fields} == set(WHOLE[name])
