"""What /config_dump shows: only what runs, never a secret, and only the fields of a mask."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from envoy.admin.v3.config_dump_shared_pb2 import ClustersConfigDump
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext

import mesh
from mesh.admin import field_mask
from mesh.admin.json_text import STRUCK, shown, strike
from tests.admin.asking import bootstrap, cluster, endpoint
from tests.admin.conftest import Ask

PRIVATE = "-----BEGIN PRIVATE KEY----- c2VjcmV0"


def with_key() -> UpstreamTlsContext:
    context = UpstreamTlsContext(sni="upstream.example")
    certificate = context.common_tls_context.tls_certificates.add()
    certificate.private_key.inline_string = PRIVATE
    certificate.password.inline_bytes = PRIVATE.encode()
    certificate.certificate_chain.inline_string = "a chain that all may see"
    return context


def test_a_private_key_is_struck_out_and_the_rest_stays() -> None:
    tree = shown(with_key())
    certificate = tree["common_tls_context"]["tls_certificates"][0]
    assert certificate["private_key"] == {"inline_string": STRUCK}
    assert certificate["certificate_chain"] == {"inline_string": "a chain that all may see"}
    assert tree["sni"] == "upstream.example"
    assert "c2VjcmV0" not in json.dumps(tree)


def test_a_secret_inside_of_an_any_inside_of_an_any_is_struck_out() -> None:
    upstream = Cluster(name="c")
    upstream.transport_socket.typed_config.Pack(with_key())
    dump = ClustersConfigDump()
    dump.static_clusters.add().cluster.Pack(upstream)
    text = json.dumps(shown(dump))
    assert "c2VjcmV0" not in text
    assert "upstream.example" in text


def test_showing_leaves_the_message_alone() -> None:
    context = with_key()
    before = context.SerializeToString(deterministic=True)
    shown(context)
    assert context.SerializeToString(deterministic=True) == before


def test_all_kinds_of_fields_of_a_secret_are_struck_out() -> None:
    secret = Secret(name="keys")
    secret.session_ticket_keys.keys.add(inline_bytes=b"0" * 80)
    secret.generic_secret.secrets["a"].inline_string = PRIVATE
    text = json.dumps(shown(secret))
    assert "MDAw" not in text
    assert "c2VjcmV0" not in text
    strike(secret, hidden=True)
    assert secret.name == STRUCK


def test_an_any_of_an_unknown_type_is_not_shown() -> None:
    upstream = Cluster(name="c")
    upstream.transport_socket.typed_config.type_url = "type.googleapis.com/envoy.no.Such"
    upstream.transport_socket.typed_config.value = PRIVATE.encode()
    strike(upstream)
    assert not upstream.transport_socket.typed_config.value


def test_a_mask_keeps_what_it_names() -> None:
    message = Bootstrap()
    message.node.id, message.node.cluster = "a", "b"
    kept = field_mask.of_message(message, ["node.id"])
    assert (kept.node.id, kept.node.cluster) == ("a", "")
    assert message.node.cluster == "b"


@pytest.mark.parametrize("path", ["nothing", "node.nothing", "static_resources.clusters.name", "node..id"])
def test_a_mask_of_what_is_not_there_is_a_value_error(path: str) -> None:
    with pytest.raises(ValueError, match=re.escape(path)):
        field_mask.of_message(Bootstrap(), [path])


def test_a_mask_reaches_into_an_any() -> None:
    entry = ClustersConfigDump.StaticCluster()
    entry.cluster.Pack(Cluster(name="c", alt_stat_name="d"))
    entry.last_updated.FromSeconds(7)
    kept = field_mask.of_element(entry, ["cluster.name", "last_updated"])
    assert shown(kept)["cluster"]["name"] == "c"
    assert "alt_stat_name" not in shown(kept)["cluster"]
    assert kept.last_updated.seconds == 7


def test_a_mask_of_an_any_as_a_whole_is_a_value_error_as_in_envoy() -> None:
    entry = ClustersConfigDump.StaticCluster()
    entry.cluster.Pack(Cluster(name="c"))
    with pytest.raises(ValueError, match="Cluster"):
        field_mask.of_element(entry, ["cluster"])


def names(page: dict[str, object]) -> list[str]:
    return [entry["cluster"]["name"] for entry in page["configs"]]  # type: ignore[attr-defined]


def test_the_dump_follows_what_is_applied(proxy: mesh.Proxy, get: Ask) -> None:
    path = "/config_dump?resource=static_clusters"
    before = {entry["cluster"]["name"]: entry["last_updated"] for entry in get(path).json()["configs"]}
    assert before.keys() == {"live", "named", "small"}
    changed = bootstrap()
    clusters = changed["static_resources"]["clusters"]
    clusters[2] = cluster("fresh", [{"lb_endpoints": [endpoint("127.0.0.1", 1)]}])
    proxy.apply(changed)
    after = {entry["cluster"]["name"]: entry["last_updated"] for entry in get(path).json()["configs"]}
    assert after.keys() == {"fresh", "live", "named"}
    assert after["live"] == before["live"], "what did not change keeps its time"
    assert after["fresh"] > max(before.values())
    assert abs((datetime.now(UTC) - datetime.fromisoformat(after["fresh"])).total_seconds()) < 60


def test_a_bad_regular_expression_is_a_400_that_quotes_it(get: Ask) -> None:
    page = get("/config_dump?name_regex=(")
    assert page.status == 400
    assert page.body.startswith("INVALID_ARGUMENT: Error while parsing name_regex from (: ")


def test_text_that_is_not_ascii_is_shown_as_it_is() -> None:
    config = bootstrap()
    config["node"]["id"] = "Zürich"
    from tests.admin.asking import ask

    with mesh.Proxy(config, concurrency=1) as proxy:
        assert '"id": "Zürich"' in ask(proxy.admin_address.port, "/config_dump?mask=bootstrap.node").body
