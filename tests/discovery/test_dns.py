"""DNS clusters of a running proxy, asked of a name server on a socket: families, places, TTLs, changes and failures."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.testing import Running, Upstream, bootstrap, running, until
from meshcore.bind.spec import Locality
from tests.discovery.name_server import AAAA, A, NameServer, Records

CARES = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
BOTH: Records = {("web.test", A): [("127.0.0.1", 60), ("127.0.0.2", 60)], ("web.test", AAAA): [("::1", 60)]}
FOUR = {"127.0.0.1", "127.0.0.2"}


def named(server: NameServer, port: int, *names: str, kind: str = "STRICT_DNS", **fields: Any) -> dict[str, Any]:
    resolvers = [{"socket_address": {"address": "127.0.0.1", "port_value": server.port}}]
    options = {"no_default_search_domain": True}
    typed = {"@type": CARES, "resolvers": resolvers, "dns_resolver_options": options, "query_tries": 1}
    hosts = [{"endpoint": {"address": {"socket_address": {"address": name, "port_value": port}}}} for name in names or ("web.test",)]
    made = {
        "name": "up", "type": kind, "connect_timeout": "5s", "dns_refresh_rate": "0.05s",
        "typed_dns_resolver_config": {"name": "cares", "typed_config": typed},
        "load_assignment": {"cluster_name": "up", "endpoints": [{"lb_endpoints": hosts}]},
    }  # fmt: skip
    return {**made, **fields}


def hosts_of(p: Running) -> tuple[Any, ...]:
    with p.proxy.published() as publisher:
        return tuple(publisher.clusters["up"].endpoints)


def addresses(p: Running) -> set[str]:
    found = {host.address.host for host in hosts_of(p)}
    return found | {one.host for host in hosts_of(p) for one in host.additional}


@pytest.mark.parametrize("kind", ["STRICT_DNS", "LOGICAL_DNS"])
@pytest.mark.parametrize(
    ("family", "wanted"),
    [("AUTO", {"::1"}), ("V4_ONLY", FOUR), ("V6_ONLY", {"::1"}), ("V4_PREFERRED", FOUR), ("ALL", FOUR | {"::1"})],
)
def test_a_family_decides_which_addresses_become_hosts(kind: str, family: str, wanted: set[str]) -> None:
    with NameServer(dict(BOTH)) as server, running(bootstrap(clusters=[named(server, 80, kind=kind, dns_lookup_family=family)])) as p:
        assert addresses(p) == wanted
        assert len(hosts_of(p)) == (1 if kind == "LOGICAL_DNS" else len(wanted))


@pytest.mark.parametrize(("family", "wanted"), [("AUTO", {"127.0.0.1"}), ("V4_PREFERRED", {"127.0.0.1"}), ("V6_ONLY", set())])
def test_a_family_that_has_no_address_gives_way_to_the_other_where_there_is_one(family: str, wanted: set[str]) -> None:
    records: Records = {("web.test", A): [("127.0.0.1", 60)]}
    with NameServer(records) as server, running(bootstrap(clusters=[named(server, 80, dns_lookup_family=family)])) as p:
        assert addresses(p) == wanted


def test_the_hosts_of_a_name_serve() -> None:
    with Upstream() as up, NameServer({("web.test", A): [("127.0.0.1", 60)]}) as server:
        config = bootstrap(clusters=[named(server, up.port, dns_lookup_family="V4_ONLY")])
        with running(config) as p:
            assert p.get().status == 200


def test_all_hosts_of_a_name_have_its_place_priority_and_weight() -> None:
    records: Records = {("near.test", A): [("127.0.0.1", 60), ("127.0.0.2", 60)], ("far.test", A): [("127.0.0.3", 60)]}
    with NameServer(records) as server:
        up = named(server, 80, dns_lookup_family="V4_ONLY")
        near, far = named(server, 80, "near.test"), named(server, 80, "far.test")
        places = [one["load_assignment"]["endpoints"][0] for one in (near, far)]
        places[0]["locality"] = {"region": "r", "zone": "near"}
        places[0]["lb_endpoints"][0]["load_balancing_weight"] = 3
        places[1] |= {"locality": {"region": "r", "zone": "far"}, "priority": 1}
        up["load_assignment"]["endpoints"] = places
        with running(bootstrap(clusters=[up])) as p:
            found = {(host.address.host, host.locality, host.priority, host.weight) for host in hosts_of(p)}
    close, distant = Locality("r", "near"), Locality("r", "far")
    assert found == {("127.0.0.1", close, 0, 3), ("127.0.0.2", close, 0, 3), ("127.0.0.3", distant, 1, 1)}


@pytest.mark.slow
def test_another_answer_replaces_the_hosts() -> None:
    records: Records = {("web.test", A): [("127.0.0.1", 60)]}
    with NameServer(records) as server, running(bootstrap(clusters=[named(server, 80, dns_lookup_family="V4_ONLY")])) as p:
        records["web.test", A] = [("127.0.0.2", 60), ("127.0.0.3", 60)]
        until(lambda: addresses(p) == {"127.0.0.2", "127.0.0.3"}, "the new hosts")


@pytest.mark.slow
def test_a_ttl_that_is_respected_puts_the_next_question_off_and_no_longer() -> None:
    records: Records = {("web.test", A): [("127.0.0.1", 1)]}
    with NameServer(records) as server:
        up = named(server, 80, dns_lookup_family="V4_ONLY", respect_dns_ttl=True, dns_refresh_rate="3600s")
        with running(bootstrap(clusters=[up])) as p:
            records["web.test", A] = [("127.0.0.2", 3600)]
            until(lambda: addresses(p) == {"127.0.0.2"}, "the hosts after the TTL")
            assert len(server.asked) == 2


@pytest.mark.slow
def test_a_name_that_fails_keeps_its_hosts_and_is_asked_again_at_the_rate_for_failures() -> None:
    records: Records = {("web.test", A): [("127.0.0.1", 60)]}
    failure = {"base_interval": "0.05s", "max_interval": "0.1s"}
    with NameServer(records) as server:
        up = named(server, 80, dns_lookup_family="V4_ONLY", dns_failure_refresh_rate=failure)
        with running(bootstrap(clusters=[up])) as p:
            del records["web.test", A]
            before = len(server.asked)
            until(lambda: len(server.asked) >= before + 4, "questions after the failure")
            assert addresses(p) == {"127.0.0.1"}
            records["web.test", A] = [("127.0.0.9", 60)]
            until(lambda: addresses(p) == {"127.0.0.9"}, "the hosts of the name that is back")


@pytest.mark.slow
def test_a_name_that_fails_at_first_is_an_empty_cluster_until_it_answers() -> None:
    records: Records = {}
    with Upstream() as up, NameServer(records) as server:
        failure = {"base_interval": "0.05s", "max_interval": "0.1s"}
        one = named(server, up.port, dns_lookup_family="V4_ONLY", dns_failure_refresh_rate=failure)
        with running(bootstrap(clusters=[one])) as p:
            assert p.get().status == 503
            records["web.test", A] = [("127.0.0.1", 60)]
            until(lambda: len(hosts_of(p)) == 1, "the first host")
            assert p.get().status == 200


def test_a_name_that_fails_takes_nothing_from_one_that_answers() -> None:
    records: Records = {("web.test", A): [("127.0.0.1", 60)]}
    with NameServer(records) as server:
        up = named(server, 80, "web.test", "gone.test", dns_lookup_family="V4_ONLY")
        with running(bootstrap(clusters=[up])) as p:
            assert addresses(p) == {"127.0.0.1"}
