"""The list of fields that Envoy has and the API package lacks stays true."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mesh.config import newer, schema, unknown
from mesh.config.errors import ConfigError, Report
from mesh.config.fields import TABLES
from mesh.config.newer import FIELDS, IMPLEMENTED_TYPES, TAKEN
from mesh.config.parse import parse_into
from tests.config.boot import bootstrap
from tests.peers.envoy import envoy_binary

PACKAGES = {
    "TcpAccessLogOptions": "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "TcpProxy": "envoy.extensions.filters.network.tcp_proxy.v3",
    "HttpConnectionManager": "envoy.extensions.filters.network.http_connection_manager.v3",
    "HttpProtocolOptions": "envoy.config.core.v3",
    "Listener": "envoy.config.listener.v3",
    "Cluster": "envoy.config.cluster.v3",
    "OutlierDetection": "envoy.config.cluster.v3",
}
ALL = [(message, field) for message, names in sorted(FIELDS.items()) for field in sorted(names)]


@pytest.mark.parametrize(("message", "field"), ALL)
def test_an_entry_goes_when_the_package_learns_the_field(message: str, field: str) -> None:
    found = schema.message_class(f"{PACKAGES.get(message, 'envoy.config.route.v3')}.{message}")
    assert found is not None
    assert field not in found.DESCRIPTOR.fields_by_name
    assert newer.knows(found.DESCRIPTOR.full_name, field)


@pytest.mark.parametrize(("owner", "field"), TAKEN)
def test_an_entry_that_is_implemented_is_in_the_list(owner: str, field: str) -> None:
    assert newer.knows(owner, field)


KEPT = {
    "tcp_keepalive": {"keepalive_time": 60, "keepalive_probes": 3},
    "check_drain_close": True,
    "flush_access_log_on_start": True,
}


@pytest.mark.parametrize(("owner", "field"), TAKEN)
def test_a_field_that_is_implemented_is_read_back_from_bytes(owner: str, field: str) -> None:
    kind = schema.message_class(owner)
    assert kind is not None
    report = Report()
    message = kind()
    assert newer.value(message, field) is None
    parse_into(message, {field: KEPT[field]}, report)
    assert not report.failed
    again = kind.FromString(message.SerializeToString())
    assert unknown.paths(again) == []
    found = newer.value(again, field)
    text = {name.name: inner.value for name, inner in found.ListFields()} if field == "tcp_keepalive" else getattr(found, "value", found)
    assert text == KEPT[field]


@pytest.mark.parametrize(
    ("owner", "field", "content", "path"),
    [
        (newer.TCP_PROXY, "check_drain_close", "perhaps", "check_drain_close"),
        (f"{newer.TCP_PROXY}.TcpAccessLogOptions", "flush_access_log_on_start", 3, "flush_access_log_on_start"),
        ("envoy.config.listener.v3.Listener", "tcp_keepalive", {"keepalive_tim": 3}, "tcp_keepalive.keepalive_tim"),
    ],
)
def test_what_does_not_fit_into_such_a_field_is_refused_by_its_path(owner: str, field: str, content: Any, path: str) -> None:
    kind = schema.message_class(owner)
    assert kind is not None
    report = Report()
    parse_into(kind(), {field: content}, report)
    with pytest.raises(ConfigError) as refused:
        report.raise_if_any()
    assert [problem.path for problem in refused.value.problems] == [path]


@pytest.mark.parametrize("name", IMPLEMENTED_TYPES)
def test_every_type_that_is_suggested_exists(name: str) -> None:
    assert schema.message_class(name) is not None


def test_every_extension_that_has_a_table_is_suggested() -> None:
    extensions = {name for name in TABLES if name.startswith("envoy.extensions.") and "." not in name.partition(".v3.")[2]}
    parts = (
        "LocalReplyConfig", "ResponseMapper", "HttpFilter", "FaultAbort", "FaultDelay", "FaultRateLimit",
        "LocalRateLimitDescriptor", "Mutations", "CommonTlsContext", "TlsParameters", "TlsCertificate", "TlsSessionTicketKeys",
        "CertificateValidationContext", "SubjectAltNameMatcher", "SetCurrentClientCertDetails", "Secret", "SdsSecretConfig", "TlsKeyLog",
        "set_metadata.v3.Metadata", "FilterStateValue", "Overrides", "GradientControllerConfig",
        "ThriftFilter", "RouteConfiguration", "thrift_proxy.v3.Route", "RouteMatch", "RouteAction", "WeightedCluster",
        "ScopedRoutes", "ScopedRouteConfigurationsList", "ScopedRds",
    )  # fmt: skip
    plain = {name for name in extensions if not name.endswith(parts)}
    assert plain <= set(IMPLEMENTED_TYPES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "message", "field"),
    [("hcm", "HttpConnectionManager", field) for field in sorted(FIELDS["HttpConnectionManager"])]
    + [("listener", "Listener", field) for field in sorted(FIELDS["Listener"])]
    + [("cluster", "Cluster", field) for field in sorted(FIELDS["Cluster"])]
    + [("route_config", "RouteConfiguration", field) for field in sorted(FIELDS["RouteConfiguration"])]
    + [("vhost", "VirtualHost", field) for field in sorted(FIELDS["VirtualHost"])]
    + [("route", "Route", field) for field in sorted(FIELDS["Route"])],
)
def test_envoy_knows_the_field(part: str, message: str, field: str, tmp_path: Path) -> None:
    assert "unknown fields" not in envoy_says(bootstrap(**{part: {field: {}}}), tmp_path)


@pytest.mark.slow
def test_envoy_says_when_it_does_not_know_a_field(tmp_path: Path) -> None:
    assert "unknown fields" in envoy_says(bootstrap(hcm={"no_such_field": {}}), tmp_path)


def envoy_says(tree: dict[str, Any], folder: Path) -> str:
    path = folder / "envoy.json"
    path.write_text(json.dumps(tree))
    command = [envoy_binary(), "--mode", "validate", "-c", str(path), "-l", "error"]
    return " ".join(subprocess.run(command, capture_output=True, text=True, timeout=30).stderr.split())
