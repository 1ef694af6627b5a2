"""Clusters of type ORIGINAL_DST: hosts come with the requests that name them and go when nobody asks for them any more."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.testing import Upstream, bootstrap, running, until

TO = "x-envoy-original-dst-host"


def following(**fields: Any) -> dict[str, Any]:
    lb = {"use_http_header": True, **fields.pop("original_dst_lb_config", {})}
    made = {"name": "up", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": "5s", "original_dst_lb_config": lb}
    return bootstrap(clusters=[{**made, **fields}])


def test_each_host_that_is_named_is_a_member() -> None:
    with Upstream() as one, Upstream() as two, running(following()) as p:
        for port in (one.port, two.port, one.port):
            assert p.get(**{TO: f"127.0.0.1:{port}"}).status == 200
        assert p.up("membership_total") == p.up("membership_healthy") == 2
        assert (len(one.connections), len(two.connections)) == (1, 1)


@pytest.mark.slow
def test_a_host_that_nobody_asks_for_goes_with_its_last_connection() -> None:
    with Upstream() as one, running(following(cleanup_interval="0.2s")) as p:
        assert p.get(**{TO: f"127.0.0.1:{one.port}"}).status == 200
        one.close_connections()
        until(lambda: p.up("membership_total") == 0, "the clean-up")
        assert p.get(**{TO: f"127.0.0.1:{one.port}"}).status == 200


def test_another_port_stands_in_place_of_the_one_that_was_named() -> None:
    with Upstream() as one, running(following(original_dst_lb_config={"upstream_port_override": one.port})) as p:
        assert p.get(**{TO: "127.0.0.1:1"}).status == 200


def test_a_request_that_names_no_host_has_none() -> None:
    with running(following()) as p:
        assert p.get().status == 503
        assert p.get(**{TO: "nonsense"}).status == 503
        assert p.up("original_dst_host_invalid") == 1
        assert p.up("membership_total") == 0
