"""Listener, its addresses and its filter chains in the plan; bootstrap-wide values."""

from __future__ import annotations

import pytest

from mesh.config import ConfigError, load
from meshcore.bind import spec
from tests.config.boot import bootstrap
from tests.config.plans import everything, plan

NETWORK = "type.googleapis.com/envoy.extensions.filters.network"
ECHO = {"name": "echo", "typed_config": {"@type": f"{NETWORK}.echo.v3.Echo"}}
SNI = {"name": "sni", "typed_config": {"@type": f"{NETWORK}.sni_cluster.v3.SniCluster"}}
LISTENER = "static_resources.listeners[0]"


def test_each_setting_of_a_listener() -> None:
    found = everything().listeners[0]
    assert (found.name, found.stat_prefix) == ("main", "lst")
    assert found.address == spec.Address("127.0.0.1", 10000)
    assert found.additional_addresses == (spec.Address("/tmp/mesh.sock", -1),)
    assert (found.buffer_limit, found.backlog, found.reuse_port) == (32768, 77, False)


def test_a_listener_without_a_name_is_called_after_its_address() -> None:
    assert plan(listener={"name": "<remove>"}).listeners[0].name == "127.0.0.1:0"
    six = {"name": "<remove>", "address": {"socket_address": {"address": "::1"}}}
    assert plan(listener=six).listeners[0].name == "[::1]:0"


def test_bootstrap_wide_values() -> None:
    found = everything()
    assert found.admin == spec.Address("127.0.0.1", 9901)
    assert found.admin_access_logs[0].path == "/dev/null"
    assert found.node == {"id": "nd", "cluster": "c", "locality": {"zone": "z"}, "metadata": {"a": [1, "b"]}}
    assert found.stats_flush_interval_ms == 2500


def test_without_an_admin_there_is_none() -> None:
    assert plan().admin is None
    assert plan(bootstrap={"admin": {}}).admin is None


def test_the_old_way_to_log_admin_requests_still_works() -> None:
    [log] = plan(bootstrap={"admin": {"access_log_path": "/dev/null"}}).admin_access_logs
    assert log.path == "/dev/null"


def test_the_command_line_names_the_node() -> None:
    found = load(bootstrap(bootstrap={"node": {"id": "a", "cluster": "b"}}), node={"id": "x", "zone": "z"})
    assert found.plan.node == {"id": "x", "cluster": "b", "locality": {"zone": "z"}}


@pytest.mark.parametrize(
    ("patches", "path"),
    [
        (
            {"chain": {"filter_chain_match": {"server_names": ["a*b"]}}},
            f"{LISTENER}.filter_chains[0].filter_chain_match.server_names[0]: 'a*b': a star may only stand for the first",
        ),
        (
            {"chain": {"filter_chain_match": {"address_suffix": "a"}}},
            f"{LISTENER}.filter_chains[0].filter_chain_match.address_suffix: ",
        ),
        ({"listener": {"listener_filters": [{"name": "a"}]}}, f"{LISTENER}.listener_filters[0].typed_config: required, and not set"),
        ({"listener": {"enable_mptcp": True}}, f"{LISTENER}.enable_mptcp: "),
        ({"chain": {"filters": []}}, f"{LISTENER}.filter_chains[0].filters: must have an HTTP connection manager"),
        ({"chain": {"filters": [ECHO, ECHO]}}, f"{LISTENER}.filter_chains[0].filters[0].typed_config: "),
        ({"chain": {"filters": [SNI]}}, f"{LISTENER}.filter_chains[0].filters[0].typed_config: "),
        ({"listener": {"address": {"socket_address": {"protocol": "UDP"}}}}, f"{LISTENER}.address.socket_address.prot"),
    ],
)
def test_what_a_listener_cannot_do_is_refused_by_its_path(patches: dict, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(**patches)
    assert f"<dict>: {path}" in str(caught.value)


def test_two_listeners_cannot_share_an_address() -> None:
    tree = bootstrap(listener={"address": {"socket_address": {"port_value": 10000}}})
    tree["static_resources"]["listeners"].append({**tree["static_resources"]["listeners"][0], "name": "other"})
    with pytest.raises(
        ConfigError, match=r"listeners\[1\].address: 127.0.0.1:10000 belongs to .*listeners\[0\] already"
    ):
        load(tree)


def test_listeners_on_free_ports_do_not_collide() -> None:
    tree = bootstrap()
    tree["static_resources"]["listeners"].append({**tree["static_resources"]["listeners"][0], "name": "other"})
    assert len(load(tree).plan.listeners) == 2


def two_chains(*matches: dict) -> dict:
    tree = bootstrap()
    listener = tree["static_resources"]["listeners"][0]
    [chain] = listener["filter_chains"]
    listener["filter_chains"] = [{**chain, "filter_chain_match": match} for match in matches]
    return tree


@pytest.mark.parametrize(
    "matches",
    [
        ({}, {}),
        ({"destination_port": 80, "server_names": ["a", "b"]}, {"destination_port": 80, "server_names": ["b", "c"]}),
        ({"server_names": ["A"]}, {"server_names": ["a"]}),
        (
            {"prefix_ranges": [{"address_prefix": "10.1.1.1", "prefix_len": 8}]},
            {"prefix_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]},
        ),
    ],
)
def test_two_chains_cannot_take_the_same_connections(matches: tuple[dict, ...]) -> None:
    with pytest.raises(ConfigError, match=r"filter_chains\[1\].filter_chain_match: takes the same connections as .*chains\[0\]"):
        load(two_chains(*matches))


def test_chains_that_differ_somewhere_are_two() -> None:
    found = load(two_chains({"source_ports": [1], "source_type": "EXTERNAL"}, {"source_ports": [1]})).plan.listeners[0]
    assert [chain.match.source_type for chain in found.chains] == ["external", "any"]
