"""Where another try goes: hosts that a retry policy refuses, and priorities that have been used up."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.testing import Upstream, Wire, bootstrap, running
from mesh.testing.bootstrap import TYPE, address, cluster

HOST = TYPE + "extensions.retry.host."
OMIT = HOST + "omit_host_metadata.v3.OmitHostMetadataConfig"
PRIORITY = TYPE + "extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"
TRIES = 12


def fails(wire: Wire) -> None:
    while True:
        wire.read_request()
        wire.send(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")


def endpoint(port: int, **labels: Any) -> dict[str, Any]:
    return {"endpoint": {"address": address(port)}, "metadata": {"filter_metadata": {"envoy.lb": labels}}}


def policy(**fields: Any) -> dict[str, Any]:
    backoff = {"base_interval": "0.001s", "max_interval": "0.001s"}
    return {"retry_policy": {"retry_on": "5xx", "num_retries": 1, "retry_back_off": backoff, **fields}}


def predicate(name: str, **fields: Any) -> dict[str, Any]:
    return {"retry_host_predicate": [{"name": "p", "typed_config": {"@type": name, **fields}}]}


def config(groups: list[dict[str, Any]], route: dict[str, Any]) -> dict[str, Any]:
    made = cluster("up", lb_policy="RANDOM", load_assignment={"cluster_name": "up", "endpoints": groups})
    return bootstrap(clusters=[made], route=route)


def test_a_retry_never_returns_to_a_host_that_had_its_try() -> None:
    route = policy(**predicate(HOST + "previous_hosts.v3.PreviousHostsPredicate"), host_selection_retry_max_attempts=40)
    with Upstream(fails) as bad, Upstream() as good:
        groups = [{"lb_endpoints": [endpoint(bad.port), endpoint(good.port)]}]
        with running(config(groups, route)) as p:
            assert [p.get().status for _ in range(TRIES)] == [200] * TRIES


def test_a_retry_does_not_go_to_a_canary() -> None:
    route = policy(**predicate(HOST + "omit_canary_hosts.v3.OmitCanaryHostsPredicate"), host_selection_retry_max_attempts=40)
    with Upstream(fails) as bad, Upstream() as good:
        groups = [{"lb_endpoints": [endpoint(bad.port, canary=True), endpoint(good.port)]}]
        with running(config(groups, route)) as p:
            assert [p.get().status for _ in range(TRIES)] == [200] * TRIES


@pytest.mark.parametrize(
    "labels",
    [{"stage": "old"}, {"stage": "old", "more": [1, "a,b"], "x": {"y": 'q"]}'}}, {"stage": ["new", "old"]}],
)
def test_a_retry_does_not_go_to_hosts_with_these_labels(labels: dict[str, Any]) -> None:
    match = {"filter_metadata": {"envoy.lb": {"stage": "old"}}}
    route = policy(**predicate(OMIT, metadata_match=match), host_selection_retry_max_attempts=40)
    with Upstream(fails) as bad, Upstream() as good:
        groups = [{"lb_endpoints": [endpoint(bad.port, **labels), endpoint(good.port, a="b", stage="older")]}]
        with running(config(groups, route)) as p:
            assert [p.get().status for _ in range(TRIES)] == [200] * TRIES


def test_refused_everywhere_a_retry_still_goes_out() -> None:
    route = policy(**predicate(HOST + "previous_hosts.v3.PreviousHostsPredicate"))
    with Upstream(fails) as bad, running(config([{"lb_endpoints": [endpoint(bad.port)]}], route)) as p:
        assert p.get().status == 503
        assert p.up("upstream_rq_total") == 2


def test_a_used_priority_takes_no_more_load() -> None:
    route = policy(retry_priority={"name": "p", "typed_config": {"@type": PRIORITY, "update_frequency": 1}})
    with Upstream(fails) as bad, Upstream() as good:
        groups = [{"priority": 0, "lb_endpoints": [endpoint(bad.port)]}, {"priority": 1, "lb_endpoints": [endpoint(good.port)]}]
        with running(config(groups, route)) as p:
            assert [p.get().status for _ in range(TRIES)] == [200] * TRIES


def test_with_all_priorities_used_up_the_first_serves_again() -> None:
    route = policy(num_retries=2, retry_priority={"name": "p", "typed_config": {"@type": PRIORITY, "update_frequency": 1}})
    with Upstream(fails) as first, Upstream(fails) as second:
        groups = [{"priority": 0, "lb_endpoints": [endpoint(first.port)]}, {"priority": 1, "lb_endpoints": [endpoint(second.port)]}]
        with running(config(groups, route)) as p:
            assert p.get().status == 503
            assert (len(first.connections), len(second.connections)) == (1, 1)
            assert p.up("upstream_rq_total") == 3
