"""The list of fields that Envoy has and the API package lacks stays true."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mesh.config import newer, schema
from mesh.config.fields import TABLES
from mesh.config.newer import FIELDS, IMPLEMENTED_TYPES
from tests.config.boot import bootstrap
from tests.peers.envoy import envoy_binary

PACKAGES = {
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


@pytest.mark.parametrize("name", IMPLEMENTED_TYPES)
def test_every_type_that_is_suggested_exists(name: str) -> None:
    assert schema.message_class(name) is not None


def test_every_extension_that_has_a_table_is_suggested() -> None:
    extensions = {
        name for name in TABLES if name.startswith("envoy.extensions.") and "." not in name.partition(".v3.")[2]
    }
    parts = (
        "LocalReplyConfig", "ResponseMapper", "HttpFilter", "FaultAbort", "FaultDelay", "FaultRateLimit",
        "LocalRateLimitDescriptor", "Mutations", "CommonTlsContext", "TlsParameters", "TlsCertificate", "TlsSessionTicketKeys",
        "CertificateValidationContext", "SubjectAltNameMatcher", "SetCurrentClientCertDetails", "Secret", "SdsSecretConfig", "TlsKeyLog",
        "set_metadata.v3.Metadata", "FilterStateValue", "Overrides", "GradientControllerConfig",
        "ThriftFilter", "RouteConfiguration", "thrift_proxy.v3.Route", "RouteMatch", "RouteAction", "WeightedCluster",
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
