"""c-ares against a name server of our own: addresses, TTLs, families, failures; and when a name is asked about again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mesh.config import ConfigError, load
from mesh.dns import Names
from mesh.name_servers import Channels
from mesh.testing import until
from meshcore.bind.spec import Address, Cluster, DnsTarget, NameServers
from tests.config.boot import bootstrap
from tests.discovery.name_server import AAAA, A, NameServer

RECORDS = {
    ("web.test", A): [("10.0.0.1", 7), ("10.0.0.2", 5)],
    ("web.test", AAAA): [("fd00::1", 60)],
    ("four.test", A): [("10.0.0.4", 30)],
}


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer(RECORDS) as made:
        yield made


@pytest.fixture
def channels() -> Iterator[Channels]:
    made = Channels()
    yield made
    made.close()


def at(server: NameServer) -> NameServers:
    return NameServers((Address("127.0.0.1", server.port),), no_search=True, timeout_s=2, tries=1)


@pytest.mark.parametrize(
    ("name", "family", "addresses", "ttl"),
    [
        ("web.test", "v4_only", {"10.0.0.1", "10.0.0.2"}, 5),
        ("web.test", "v6_only", {"fd00::1"}, 60),
        ("web.test", "auto", {"fd00::1"}, 60),
        ("web.test", "v4_preferred", {"10.0.0.1", "10.0.0.2"}, 5),
        ("web.test", "all", {"10.0.0.1", "10.0.0.2", "fd00::1"}, 5),
        ("four.test", "auto", {"10.0.0.4"}, 30),
    ],
)
def test_an_answer_has_the_addresses_of_its_family_and_the_smallest_ttl(
    server: NameServer, channels: Channels, name: str, family: str, addresses: set[str], ttl: int
) -> None:
    found, seconds = channels.ask(name, family, at(server))
    assert (set(found), seconds) == (addresses, ttl)


def test_a_name_that_does_not_exist_is_an_error(server: NameServer, channels: Channels) -> None:
    with pytest.raises(OSError, match=r"nobody\.test: "):
        channels.ask("nobody.test", "v4_only", at(server))


def test_nothing_is_asked_after_the_end(server: NameServer, channels: Channels) -> None:
    channels.close()
    with pytest.raises(OSError, match="has ended"):
        channels.ask("web.test", "v4_only", at(server))
    assert server.asked == []


@pytest.mark.parametrize(("respect", "due"), [(True, 7.0), (False, 5.0)])
def test_a_ttl_that_is_respected_replaces_the_refresh_rate(respect: bool, due: float) -> None:
    names = Names(lambda: 0.0)
    names.replace([Cluster("c", kind="strict_dns", dns=(DnsTarget("web", 80),), dns_refresh_ms=5000, respect_dns_ttl=respect)], 0.0)
    ((lookup, _family),) = names.due(0.0)
    names.answer(lookup, ["10.0.0.1"], 0.0, 7)
    assert names.next_due() == due


def test_an_answer_without_a_ttl_is_asked_about_at_the_refresh_rate() -> None:
    names = Names(lambda: 0.0)
    names.replace([Cluster("c", kind="strict_dns", dns=(DnsTarget("web", 80),), dns_refresh_ms=5000, respect_dns_ttl=True)], 0.0)
    ((lookup, _family),) = names.due(0.0)
    names.answer(lookup, ["10.0.0.1"], 0.0, 0)
    assert names.next_due() == 5.0


CARES = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"


def resolver(**fields: object) -> dict[str, object]:
    typed = {"name": "cares", "typed_config": {"@type": CARES, **fields}}
    return bootstrap(cluster={"type": "STRICT_DNS", "typed_dns_resolver_config": typed})


def test_name_servers_come_from_the_configuration() -> None:
    servers = [{"socket_address": {"address": host, "port_value": 5353}} for host in ("127.0.0.1", "::1")]
    options = {"use_tcp_for_dns_lookups": True, "no_default_search_domain": True}
    tree = resolver(resolvers=servers, dns_resolver_options=options, query_tries=2, rotate_nameservers=True)
    assert load(tree).plan.clusters[0].name_servers == NameServers(
        (Address("127.0.0.1", 5353), Address("::1", 5353)), tcp=True, no_search=True, tries=2, rotate=True
    )
    assert load(resolver()).plan.clusters[0].name_servers is None


def test_what_c_ares_is_not_told_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"typed_config\.edns0_max_payload_size: 'edns0_max_payload_size' is not implemented"):
        load(resolver(edns0_max_payload_size=512))
    mixed = [{"socket_address": {"address": "127.0.0.1", "port_value": port}} for port in (53, 54)]
    with pytest.raises(ConfigError, match="resolvers on different ports"):
        load(resolver(resolvers=mixed))


@pytest.mark.slow
def test_a_name_is_asked_about_again_before_the_end_of_its_ttl(server: NameServer, channels: Channels) -> None:
    channels.ask("web.test", "v4_only", at(server))
    until(lambda: channels.ask("web.test", "v4_only", at(server)) and len(server.asked) > 1, "another question")
