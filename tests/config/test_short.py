"""The short form: what it expands to, that Envoy runs it, and what it says when it is wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from mesh.config import ConfigError, load
from mesh.config.render import to_tree, to_yaml
from meshcore.bind import spec
from tests.peers.envoy import envoy_binary

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def short(*routes: dict[str, Any], **top: Any) -> spec.Plan:
    return load({"listen": "127.0.0.1:0", "routes": list(routes), **top}).plan


def forward(**route: Any) -> spec.Route:
    return short({"match": "/", "to": "127.0.0.1:9000", **route}).listeners[0].hcm.routes.virtual_hosts[0].routes[0]


def action(**route: Any) -> Any:
    return short({"match": "/", **route}).listeners[0].hcm.routes.virtual_hosts[0].routes[0].action


def domains(*matches: str) -> dict[tuple[str, ...], list[str]]:
    """Per virtual host: the names of its routes, which are the texts of their matches."""
    plan = short(*({"match": text, "name": text, "reply": 200} for text in matches))
    return {host.domains: [route.name for route in host.routes] for host in plan.listeners[0].hcm.routes.virtual_hosts}


def problems(source: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(source)
    return [str(problem) for problem in caught.value.problems]


def test_ten_lines_make_a_whole_proxy() -> None:
    plan = load(EXAMPLES / "mesh.yaml").plan
    [listener] = plan.listeners
    assert listener.address == spec.Address("127.0.0.1", 8080)
    assert plan.admin == spec.Address("127.0.0.1", 9901)
    assert [log.path for log in listener.hcm.access_logs] == ["/dev/stdout"]
    assert listener.hcm.use_remote_address and listener.hcm.normalize_path
    api, rest = listener.hcm.routes.virtual_hosts
    assert (api.domains, rest.domains) == (("api.example.com",), ("*",))
    first = api.routes[0]
    assert first.match == spec.RouteMatch("path_separated_prefix", "/v1")
    assert first.action.timeout_ms == 3000
    assert first.action.retry.num_retries == 2
    assert {one.name: one.kind for one in plan.clusters} == {
        "127.0.0.1:9000+1": "static",
        "localhost:8000": "strict_dns",
    }


@pytest.mark.parametrize(
    ("text", "kind", "path"),
    [
        ("/", "prefix", "/"),
        ("/v1", "path_separated_prefix", "/v1"),
        ("/v1/", "prefix", "/v1/"),
        ("= /health", "path", "/health"),
        ("=/health", "path", "/health"),
        ("~ /items/[0-9]+", "regex", "/items/[0-9]+"),
        ("example.com", "prefix", "/"),
        ("= example.com/x", "path", "/x"),
    ],
)
def test_matches(text: str, kind: str, path: str) -> None:
    match = short({"match": text, "reply": 200}).listeners[0].hcm.routes.virtual_hosts[0].routes[0].match
    assert (match.path_kind, match.path) == (kind, path)


def test_a_host_takes_all_routes_that_may_apply_to_it_in_the_order_of_the_file() -> None:
    assert domains("a.com/x", "/", "a.com/y", "*.com/z") == {
        ("a.com",): ["a.com/x", "/", "a.com/y", "*.com/z"],
        ("*.com",): ["/", "*.com/z"],
        ("*",): ["/"],
    }
    assert domains("a.com", "b.com") == {("a.com",): ["a.com"], ("b.com",): ["b.com"]}
    assert domains("a.*", "a.com") == {("a.*",): ["a.*"], ("a.com",): ["a.*", "a.com"]}


def test_ports_of_hosts_are_ignored_unless_a_route_names_one() -> None:
    assert short({"match": "a.com", "reply": 200}).listeners[0].hcm.routes.ignore_port_in_host
    assert not short({"match": "a.com:81", "reply": 200}).listeners[0].hcm.routes.ignore_port_in_host


@pytest.mark.parametrize(
    ("to", "kind", "hosts"),
    [
        ("10.0.0.1:90", "static", [("10.0.0.1", 90, 1)]),
        ("10.0.0.1", "static", [("10.0.0.1", 80, 1)]),
        ("[::1]:90", "static", [("::1", 90, 1)]),
        ("[::1]", "static", [("::1", 80, 1)]),
        ("http://10.0.0.1:90/", "static", [("10.0.0.1", 90, 1)]),
        (["10.0.0.1:90", "10.0.0.2:91"], "static", [("10.0.0.1", 90, 1), ("10.0.0.2", 91, 1)]),
        ({"10.0.0.1:90": 9, "10.0.0.2:90": 1}, "static", [("10.0.0.1", 90, 9), ("10.0.0.2", 90, 1)]),
        ("web:90", "strict_dns", [("web", 90, 1)]),
        (["web", "10.0.0.1:90"], "strict_dns", [("web", 80, 1), ("10.0.0.1", 90, 1)]),
    ],
)
def test_targets(to: Any, kind: str, hosts: list[tuple[str, int, int]]) -> None:
    [cluster] = short({"match": "/", "to": to}).clusters
    assert cluster.kind == kind
    found = [(one.address.host, one.address.port, one.weight) for one in cluster.endpoints]
    assert found + [(one.hostname, one.port, one.weight) for one in cluster.dns] == hosts


def test_the_same_targets_share_a_cluster_and_others_do_not() -> None:
    plan = short({"match": "/a", "to": "a:1"}, {"match": "/b", "to": ["a:1"]}, {"match": "/c", "to": {"a:1": 2}})
    assert [one.name for one in plan.clusters] == ["a:1", "a:1#2"]
    used = [one.action.cluster for one in plan.listeners[0].hcm.routes.virtual_hosts[0].routes]
    assert used == ["a:1", "a:1", "a:1#2"]


def test_upstreams_have_names_and_limits() -> None:
    upstreams = {
        "api": {
            "hosts": ["10.0.0.1:90"], "balance": "random", "connect_timeout": "250ms", "idle_timeout": "1m",
            "max_connections": 1, "max_pending": 2, "max_requests": 3, "max_retries": 4, "requests_per_connection": 5,
        },
        "plain": "web:90",
        "names": {"hosts": "web:91", "dns_refresh": "30s"},
    }  # fmt: skip
    plan = short({"match": "/", "to": "api"}, upstreams=upstreams)
    api, plain, names = plan.clusters
    assert (api.name, api.lb.policy, api.connect_timeout_ms, api.idle_timeout_ms) == ("api", "random", 250, 60_000)
    assert (api.default, api.max_requests_per_connection) == (spec.Thresholds(1, 2, 3, 4), 5)
    assert (plain.name, plain.dns[0].hostname, names.dns_refresh_ms) == ("plain", "web", 30_000)
    assert plan.listeners[0].hcm.routes.virtual_hosts[0].routes[0].action.cluster == "api"


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ({"timeout": "250ms"}, {"timeout_ms": 250}),
        ({"timeout": "2m"}, {"timeout_ms": 120_000}),
        ({"timeout": False}, {"timeout_ms": 0}),
        ({"idle_timeout": "1.5s"}, {"idle_timeout_ms": 1500}),
        ({"rewrite": "/new"}, {"prefix_rewrite": "/new"}),
        ({"host": "upstream"}, {"auto_host_rewrite": True}),
        ({"host": "keep"}, {}),
        ({"host": "other.com"}, {"host_rewrite_literal": "other.com"}),
        ({"websocket": True}, {"upgrades": (("websocket", True),)}),
    ],
)
def test_settings_of_a_forward(route: dict[str, Any], expected: dict[str, Any]) -> None:
    assert forward(**route).action == spec.Forward(cluster="127.0.0.1:9000", **expected)


def test_retries() -> None:
    plain = forward(retries=2).action.retry
    assert plain.num_retries == 2
    assert plain.retry_on == ("gateway-error", "connect-failure", "refused-stream", "reset-before-request")
    found = forward(retries={"count": 3, "on": ["5xx", "reset"], "per_try": "1s", "back_off": "10ms"}).action.retry
    assert found == spec.RetryPolicy(("5xx", "reset"), 3, per_try_timeout_ms=1000, base_ms=10, max_ms=100)


def test_conditions_and_headers() -> None:
    found = forward(
        methods=["get", "POST"],
        if_headers={"x-a": "v", "x-b": True, "x-c": "~ a|b", "x-d": 5},
        if_query={"q": "1"},
        request_headers={"X-Set": "v", "X-Gone": None},
        response_headers={"server": None},
        name="n",
    )
    assert found.match.headers == (
        spec.HeaderMatch("x-a", spec.StringMatch("exact", "v")),
        spec.HeaderMatch("x-b", present=True),
        spec.HeaderMatch("x-c", spec.StringMatch("regex", "a|b")),
        spec.HeaderMatch("x-d", spec.StringMatch("exact", "5")),
        spec.HeaderMatch(":method", spec.StringMatch("regex", "GET|POST")),
    )
    assert found.match.query == (spec.QueryMatch("q", spec.StringMatch("exact", "1")),)
    assert found.mutation == spec.HeaderMutation(
        request_add=(spec.HeaderAdd("x-set", "v", "overwrite"),),
        request_remove=("x-gone",),
        response_remove=("server",),
    )
    assert found.name == "n"


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ({"reply": 204}, spec.DirectResponse(204)),
        ({"reply": {"status": 503, "body": "later"}}, spec.DirectResponse(503, b"later")),
        ({"reply": {"body": "fine"}}, spec.DirectResponse(200, b"fine")),
        ({"redirect": "https"}, spec.Redirect("https")),
        ({"redirect": "/new"}, spec.Redirect(path_redirect="/new")),
        ({"redirect": "https://o.com"}, spec.Redirect("https", "o.com")),
        ({"redirect": "http://o.com:81/p?q"}, spec.Redirect("http", "o.com", 81, path_redirect="/p?q")),
        (
            {"redirect": {"to": "https", "code": 308, "keep_query": False}},
            spec.Redirect("https", response_code=308, strip_query=True),
        ),
    ],
)
def test_replies_and_redirects(route: dict[str, Any], expected: Any) -> None:
    assert action(**route) == expected


@pytest.mark.parametrize(
    ("listen", "addresses"),
    [
        (8080, [("0.0.0.0", 8080)]),
        (":8080", [("0.0.0.0", 8080)]),
        ("[::]:8080", [("::", 8080)]),
        ("/run/mesh.sock", [("/run/mesh.sock", -1)]),
        (["127.0.0.1:1", "127.0.0.1:2"], [("127.0.0.1", 1), ("127.0.0.1", 2)]),
    ],
)
def test_addresses(listen: Any, addresses: list[tuple[str, int]]) -> None:
    plan = load({"listen": listen, "routes": [{"match": "/", "reply": 200}]}).plan
    assert [(one.address.host, one.address.port) for one in plan.listeners] == addresses


def test_logs_filters_and_limits_of_the_top_level() -> None:
    route = {"match": "/", "reply": 200}
    assert short(route).listeners[0].hcm.access_logs == ()
    assert short(route, log=False).listeners[0].hcm.access_logs == ()
    assert short(route, log="/tmp/a.log").listeners[0].hcm.access_logs[0].path == "/tmp/a.log"
    [log] = short(route, log={"to": "stderr", "json": {"code": "%RESPONSE_CODE%"}}).listeners[0].hcm.access_logs
    assert (log.path, log.json) == ("/dev/stderr", {"code": "%RESPONSE_CODE%"})
    [log] = short(route, log={"format": "%RESPONSE_CODE%"}).listeners[0].hcm.access_logs
    assert (log.path, log.format) == ("/dev/stdout", "%RESPONSE_CODE%\n")
    filters = [{"python": "a.b:C", "config": {"k": 1}}, {"python": "a.b:D", "name": "d"}]
    hcm = short(route, filters=filters, trusted_hops=1, idle_timeout="5m", max_request_headers="96k").listeners[0].hcm
    assert [(one.name, one.settings) for one in hcm.filters] == [
        ("a.b:C", ("a.b:C", '{"k":1}')), ("d", ("a.b:D", "{}")), ("envoy.filters.http.router", None),
    ]  # fmt: skip
    assert (hcm.xff_num_trusted_hops, hcm.idle_timeout_ms, hcm.max_request_headers_bytes) == (1, 300_000, 96 * 1024)
    assert short(route, node="n").node == {"id": "n"}


WRONG = """\
listen: 127.0.0.1:99999
routs: []
routes:
  - match: api.example.com/v1
    to: [127.0.0.1:9000, "a b"]
    retreis: 2
    timeout: 3
  - match: a b/
    redirect: {to: foo, code: 300}
  - match: /
    reply: 99
    timeout: 3s
  - match: /
  - to: a:1
  - match: [/a, ""]
    to: https://secure.example.com
upstreams:
  api: {hosts: a:1, balance: randm}
"""


def test_every_mistake_has_its_line_and_its_nearest_key(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text(WRONG)
    assert problems(path) == [
        f"{path}:{text}"
        for text in [
            "1: listen: '127.0.0.1:99999' is no address; write IP:PORT, a port, or the path of a Unix socket",
            "2: routs: no such key; did you mean 'routes'?",
            "5: routes[0].to[1]: 'a b' is no target; write HOST:PORT or IP:PORT",
            "6: routes[0].retreis: no such key; did you mean 'retries'?",
            "7: routes[0].timeout: 3 is no duration; write 250ms, 3s, 1m, 2h or off",
            "8: routes[1].match: 'a b' is no host name; write host/path, /path, = /path or ~ /regex",
            "11: routes[2].reply: a whole number from 200 to 599 belongs here, not 99",
            "12: routes[2].timeout: belongs to a route with 'to', not with 'reply'",
            "13: routes[3]: needs one of 'to', 'reply', 'redirect'",
            "14: routes[4]: needs 'match'; write / to match everything",
            "15: routes[5].match[1]: is empty; write / to match everything",
            "16: routes[5].to: the short form has no TLS to an upstream; write HOST:PORT, or an Envoy bootstrap",
            "18: upstreams.api.balance: 'randm' is not accepted; "
            "one of round_robin, least_request, random, ring_hash, maglev; did you mean 'random'?",
        ]
    ]


def test_a_query_in_a_match_is_refused_because_a_path_has_none(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text("listen: 127.0.0.1:0\nroutes:\n- match: [/a?b=1, = /c?d, ~ /e?]\n  reply: 200\n")
    assert problems(path) == [
        f"{path}:3: routes[0].match[{index}]: a query is no part of a path; write it below if_query" for index in (0, 1)
    ]


def test_an_admin_port_alone_is_not_open_to_the_world(tmp_path: Path) -> None:
    for written, host in (("9901", "127.0.0.1"), ("':9901'", "127.0.0.1"), ("0.0.0.0:9901", "0.0.0.0")):
        path = tmp_path / "mesh.yaml"
        path.write_text(f"listen: 8080\nroutes:\n- match: /\n  reply: 200\nadmin: {written}\n")
        plan = load(path).plan
        assert plan.admin == spec.Address(host, 9901)
        assert plan.listeners[0].address == spec.Address("0.0.0.0", 8080)


def test_what_only_the_engine_can_judge_is_still_said_in_the_users_words(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text(
        "listen: 127.0.0.1:0\nroutes:\n  - match: ~ /(?=a)\n    to: a:1\n    retries: {on: [5xxx]}\n"
        "    request_headers: {x-a: '%NOPE%'}\nlog: {format: '%NOPE%'}\nfilters: [{python: nothing}]\n"
    )
    found = problems(path)
    for start in [
        f"{path}:3: routes[0].match: '/(?=a)' is not accepted by RE2: ",
        f"{path}:5: routes[0].retries: '5xxx' is no retry condition; ",
        f"{path}:6: routes[0].request_headers: ",
        f"{path}:7: log: ",
        f"{path}:8: filters: 'nothing' is not a class path; write package.module:Class",
    ]:
        assert any(problem.startswith(start) for problem in found), (start, found)


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({"routes": [{"match": "/", "reply": 200}]}, "listen: required, and not set"),
        ({"listen": 1}, "routes: required, and not set"),
        ({"listen": 1, "routes": ["/"]}, "routes[0]: a mapping belongs here, not '/'"),
        ({"listen": "web:80", "routes": [{"match": "/", "reply": 200}]}, "listen: 'web:80' is no address"),
        (
            {"listen": 1, "routes": [{"match": "/", "to": "a:1", "reply": 1}]},
            "routes[0]: 'to' and 'reply' exclude each",
        ),
        (
            {"listen": 1, "routes": [{"match": "/", "to": "ap"}], "upstreams": {"api": "a:1"}},
            "routes[0].to: no upstream",
        ),
        (
            {"listen": 1, "routes": [{"match": "~ /a", "to": "a:1", "rewrite": "/b"}]},
            "routes[0].rewrite: a match by reg",
        ),
        (
            {"listen": 1, "routes": [{"match": "/", "redirect": "nowhere"}]},
            "routes[0].redirect: 'nowhere' is no target",
        ),
    ],
)
def test_a_short_form_that_is_incomplete(tree: dict[str, Any], text: str) -> None:
    assert any(problem.startswith(f"<dict>: {text}") for problem in problems(tree)), problems(tree)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mesh.yaml", "envoy.yaml"])
def test_envoy_runs_what_the_examples_become(name: str, tmp_path: Path) -> None:
    path = tmp_path / "envoy.yaml"
    loaded = load(EXAMPLES / name)
    path.write_text(to_yaml(to_tree(loaded.bootstrap)))
    command = [envoy_binary(), "--mode", "validate", "-c", str(path), "-l", "error"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert load(path).plan == loaded.plan
