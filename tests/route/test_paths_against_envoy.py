"""Paths, methods and authorities: the same table through Envoy and through the compiled one."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshcore.bind.spec import (
    DirectResponse,
    Forward,
    HeaderMatch,
    Route,
    RouteMatch,
    RouteTable,
    StringMatch,
    VirtualHost,
)
from tests.route.same_route import Asked, assert_same_routes, one_host, words

MATCHES = [
    RouteMatch("path", "/exact"),
    RouteMatch("path", "/EXACT/Any", case_sensitive=False),
    RouteMatch("path", "/query?x=1"),
    RouteMatch("prefix", "/pre/fix"),
    RouteMatch("prefix", "/PRE", case_sensitive=False),
    RouteMatch("prefix", "/with?query"),
    RouteMatch("path_separated_prefix", "/sep"),
    RouteMatch("path_separated_prefix", "/SEP2", case_sensitive=False),
    RouteMatch("regex", "/re/[0-9]+"),
    RouteMatch("regex", "/alt|/other"),
    RouteMatch("regex", ".*/tail"),
    RouteMatch("regex", "(?i)/nocase/x"),
    RouteMatch("regex", "/CASE/y", case_sensitive=False),
    RouteMatch("regex", "/quant[q]?uant*"),
    RouteMatch("regex", "/dot\\.x"),
    RouteMatch("prefix", "/grpc", grpc=True),
    RouteMatch("connect", ""),
]
CATCH_ALL = RouteMatch("prefix", "")
PATHS = words(
    """
    / //exact /%65xact /exact /exact/ /exact?x=1 /exact?x;y /exact;p=1 /exact;p=1?q /Exact /exact/any /exact/ANY?b
    /query?x=1 /query /with?query /with /pre/fix /pre/fixed/x /pre/fi /pre /Pre/fi /pr
    /sep /sep/ /sep/x /sepx /sep?x /sep;x /sep/;x /SEP /sep2 /Sep2/X /sep2x
    /re/12 /re/ /re/12/ /re/12?x /re/12;x /alt /other /alt/other /x/y/tail /tail /tail/ /tail?x/tail
    /NoCase/X /case/y /CASE/y /quantuanttt /quantquan /dot.x /dotax /grpc
"""
)
GRPC_TYPES = words(
    """
    application/grpc application/grpc+proto application/grpc-web application/grpcx Application/grpc application/grpc;x
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("ignore_parameters", [False, True])
@pytest.mark.parametrize("matches", [MATCHES, [*MATCHES, CATCH_ALL]], ids=["alone", "with a catch-all"])
def test_paths_choose_the_same_routes(tmp_path: Path, matches: list[RouteMatch], ignore_parameters: bool) -> None:
    asked: list[Asked] = [("a", path, [], "GET") for path in PATHS]
    asked += [("a", "/grpc/x", [("content-type", kind)], "POST") for kind in GRPC_TYPES]
    assert_same_routes(one_host(matches, ignore_path_parameters=ignore_parameters), asked, tmp_path)


@pytest.mark.slow
def test_connect_is_served_by_connect_routes_alone(tmp_path: Path) -> None:
    marked = HeaderMatch("x", string=StringMatch("exact", "1"))
    routes = (
        Route(CATCH_ALL, DirectResponse(201)),
        Route(RouteMatch("connect", "", headers=(marked,)), DirectResponse(403)),
        Route(RouteMatch("connect", ""), DirectResponse(405)),
    )
    asked: list[Asked] = [
        ("a:80", "/", [], "GET"),
        ("a:80", "a:80", [], "CONNECT"),
        ("a:80", "a:80", [("x", "1")], "CONNECT"),
    ]
    table = RouteTable("t", (VirtualHost("v", ("*",), routes),))
    assert_same_routes(table, asked, tmp_path, hcm={"upgrade_configs": [{"upgrade_type": "CONNECT"}]})


DOMAINS = """
    exact.com | *.com *.foo.com | *-bar.foo.com | www.* www.foo.* | WWW.Upper.COM | port.com:8080 *:9999
    | [::1]:80 [::2] | *foo* | exact.com.
"""
AUTHORITIES = words(
    """
    exact.com EXACT.com exact.com:80 exact.com. a.com .com x.foo.com .foo.com x-bar.foo.com -bar.foo.com www.example
    www. www.foo.org www.foo.com www.upper.com www.upper.com:1 port.com port.com:8080 port.com:8081 z:9999 [::1]:80
    [::1] [::2] [::2]:7 nothing afoo* foo a.com: a.com:x
    """
)


@pytest.mark.slow
@pytest.mark.parametrize("ignore_port", [False, True])
@pytest.mark.parametrize("with_any", [False, True])
def test_authorities_choose_the_same_virtual_hosts(tmp_path: Path, ignore_port: bool, with_any: bool) -> None:
    domains = [tuple(names.split()) for names in DOMAINS.split("|")] + ([("*",)] if with_any else [])
    route = (Route(CATCH_ALL, Forward("unused")),)
    hosts = tuple(VirtualHost(f"v{i}", names, route) for i, names in enumerate(domains))
    table = RouteTable("t", hosts, ignore_port_in_host=ignore_port)
    assert_same_routes(table, [(authority, "/", [], "GET") for authority in AUTHORITIES], tmp_path)
