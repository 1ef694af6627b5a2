"""What a user reads when a configuration is wrong: file, line, full path, what would be accepted, and the nearest
name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mesh.config import ConfigError, load
from mesh.config.errors import MAX_PROBLEMS, Report, nearest
from tests.config.boot import CLUSTER_PATH, HCM_PATH, HCM_TYPE, ROUTE_PATH, ROUTER_TYPE, bootstrap

RUTER_TYPE = ROUTER_TYPE.replace("Router", "Ruter")
YAML = f"""\
static_resources:
  listeners:
  - name: main
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": {HCM_TYPE}
          stat_prefx: a
          stat_prefix: a
          codec_type: http9
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: /}}
                route:
                  cluster: wbe
                  timeout: 3
          http_filters:
          - name: router
            typed_config: {{"@type": {ROUTER_TYPE}}}
  clusters:
  - name: web
"""


def problems(source: Any, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(source, **options)
    return [str(problem) for problem in caught.value.problems]


def test_each_misfit_has_its_file_line_path_and_nearest_name(tmp_path: Path) -> None:
    path = tmp_path / "envoy.yaml"
    path.write_text(YAML)
    assert problems(path) == [
        f"{path}:10: {HCM_PATH}.stat_prefx: no such field of HttpConnectionManager; did you mean 'stat_prefix'?",
        f"{path}:12: {HCM_PATH}.codec_type: 'http9' is not accepted; one of AUTO, HTTP1, HTTP2, HTTP3; "
        "did you mean 'HTTP3'?",
        f"{path}:21: {ROUTE_PATH}.route.timeout: 3 is not a duration; write seconds with an s, as in 3s or 0.25s",
    ]


def test_a_json_file_has_lines_too(tmp_path: Path) -> None:
    path = tmp_path / "envoy.json"
    path.write_text(json.dumps(bootstrap(action={"cluster": "wbe"}), indent=1))
    [found] = problems(path)
    text = path.read_text().splitlines()
    line = next(number for number, content in enumerate(text, 1) if '"wbe"' in content)
    assert found == f"{path}:{line}: {ROUTE_PATH}.route.cluster: no cluster is called 'wbe'; did you mean 'web'?"


def test_camel_case_keys_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "envoy.yaml"
    path.write_text("node: {id: a}\nstaticResources:\n  clusters:\n  - name: ''\n")
    assert problems(path)[0].startswith(f"{path}:4: static_resources.clusters[0].name: must not be empty")


@pytest.mark.parametrize(
    ("patches", "expected"),
    [
        ({"hcm": {"stat_prefix": True}}, f"{HCM_PATH}.stat_prefix: text is accepted here, and true is a boolean"),
        ({"hcm": {"stat_prefix": 5}}, f"{HCM_PATH}.stat_prefix: text is accepted here, and 5 is a number; put quotes"),
        ({"hcm": {"stat_prefix": ["a"]}}, f"{HCM_PATH}.stat_prefix: text is accepted here, not a list"),
        ({"hcm": {"merge_slashes": "maybe"}}, f"{HCM_PATH}.merge_slashes: 'maybe' is not a boolean; true and false"),
        ({"hcm": {"xff_num_trusted_hops": -1}}, f"{HCM_PATH}.xff_num_trusted_hops: -1 is out of range; 0 to 4294"),
        ({"hcm": {"xff_num_trusted_hops": "x"}}, f"{HCM_PATH}.xff_num_trusted_hops: 'x' is not a whole number; 0 to"),
        ({"hcm": {"tracing": {}}}, f"{HCM_PATH}.tracing: 'tracing' is not implemented yet in mesh; remove it"),
        ({"hcm": {"rds": {}}}, f"{HCM_PATH}.rds: 'route_config' is set as well, and only one of the two may be"),
        ({"hcm": {"drain_timeout_jitter": {}}}, f"{HCM_PATH}.drain_timeout_jitter: 'drain_timeout_jitter' is not impl"),
        ({"hcm": {"codec_type": "HTTP3"}}, f"{HCM_PATH}.codec_type: 'HTTP3' is not implemented yet in mesh; AUTO, HTTP1"),
        ({"cluster": {"type": "EDS"}}, f"{CLUSTER_PATH}.eds_cluster_config: required for a cluster of type EDS, and not"),
        ({"cluster": {"lb_policy": "CLUSTER_PROVIDED"}}, f"{CLUSTER_PATH}.lb_policy: 'CLUSTER_PROVIDED' is for clusters of type"),
        (
            {"cluster": {"filters": [{"name": "x"}]}},
            f"{CLUSTER_PATH}.filters: 'filters' is not implemented yet in mesh; remove it",
        ),
        ({"cluster": {"lb_policy": 2**40}}, f"{CLUSTER_PATH}.lb_policy: 1099511627776 is not accepted; one of ROUND_ROBIN"),
        ({"cluster": {"connect_timeout": "0s"}}, f"{CLUSTER_PATH}.connect_timeout: 0s is out of range; it must be"),
        (
            {"endpoint": {"endpoint": {"address": {"socket_address": {"address": "web.internal"}}}}},
            f"{CLUSTER_PATH}.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: "
            "'web.internal' is not an IP address; a cluster of type STATIC needs one",
        ),
        (
            {"hcm": {"http_filters": [{"name": "x", "typed_config": {"@type": RUTER_TYPE}}]}},
            f"{HCM_PATH}.http_filters[0].typed_config.@type: no message of Envoy's API is called "
            "'envoy.extensions.filters.http.router.v3.Ruter'; did you mean 'envoy.extensions.filters.http.router.v3",
        ),
        (
            {"chain": {"transport_socket": {"name": "tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"}}}},
            "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.tls_certificates: "
            "a server needs a certificate",
        ),
        (
            {"action": {"retry_policy": {"retry_on": "conect-failure"}}},
            f"{ROUTE_PATH}.route.retry_policy.retry_on: 'conect-failure' is no retry condition; one of 5xx, ",
        ),
        (
            {"route": {"match": {"prefix": "<remove>", "safe_regex": {"regex": "/("}}}},
            f"{ROUTE_PATH}.match.safe_regex.regex: '/(' is not accepted by RE2: missing )",
        ),
        ({"bootstrap": {"dynamic_resources": {"ads_config": {}}}}, "dynamic_resources.ads_config: 'ads_config' is not"),
        (
            {"bootstrap": {"dynamic_resources": {"cds_config": {"ads": {}}}}},
            "dynamic_resources.cds_config.ads: 'ads' is not implemented yet in mesh; files are: use 'path_config_source'",
        ),
        ({"bootstrap": {"stats_sinks": [{}]}}, "stats_sinks: 'stats_sinks' is not implemented yet in mesh; remove it"),
    ],
)  # fmt: skip
def test_says_what_is_wrong_and_what_would_do(patches: dict[str, Any], expected: str) -> None:
    found = problems(bootstrap(**patches))
    assert any(problem.startswith(f"<dict>: {expected}") for problem in found), found


def test_yaml_that_does_not_parse_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "envoy.yaml"
    path.write_text("node:\n  id: [a\n")
    assert problems(path)[0].startswith(f"{path}:3: not valid YAML: ")


def test_json_that_does_not_parse_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "envoy.json"
    path.write_text('{"node":\n {"id" "a"}}')
    assert problems(path) == [f"{path}:2: not valid JSON: Expecting ':' delimiter"]
    path.write_text('{"node": {}, "node":\n {"id": "a"')
    assert problems(path) == [f"{path}:2: not valid JSON: Expecting ',' delimiter; the text ends here"]


@pytest.mark.parametrize("depth", [400, 800, 100_000])
@pytest.mark.parametrize("extension", ["yaml", "json"])
def test_what_is_nested_too_deeply_is_refused_in_one_line(tmp_path: Path, extension: str, depth: int) -> None:
    path = tmp_path / f"envoy.{extension}"
    path.write_text('{"node": {"metadata": ' + '{"a": ' * depth + "1" + "}" * depth + "}}")
    assert problems(path) == [f"{path}: is nested too deeply"]


def test_a_key_that_stands_twice_is_refused_because_one_would_be_ignored(tmp_path: Path) -> None:
    path = tmp_path / "envoy.yaml"
    path.write_text("node: {id: a}\nadmin: {}\nnode: {id: b}\n")
    assert problems(path) == [f"{path}:3: the key 'node' stands twice in this mapping"]
    path = tmp_path / "envoy.json"
    path.write_text('{"node": {}, "node": {}}')
    assert problems(path) == [f"{path}:1: the key 'node' stands twice in one object"]
    path.write_text('{"admin": [{"a": 1},\n {"a": 1, "b":\n {"c": 1,\n  "c": 2}}]}')
    assert problems(path) == [f"{path}:4: the key 'c' stands twice in one object"]


def test_a_field_in_two_spellings_is_refused_because_one_would_win(tmp_path: Path) -> None:
    path = tmp_path / "envoy.yaml"
    path.write_text("node:\n  user_agent_name: a\n  userAgentName: b\n")
    assert problems(path) == [f"{path}:3: node.userAgentName: 'user_agent_name' is set as well, and both are the same field"]


def test_bytes_that_are_no_text_name_their_line(tmp_path: Path) -> None:
    path = tmp_path / "envoy.yaml"
    path.write_bytes(b"node:\n  id: caf\xe9\n")
    assert problems(path) == [f"{path}:2: is not UTF-8 text: byte 15 is 0xe9"]


@pytest.mark.parametrize("port", [-1, "abc", 80.5])
def test_a_number_is_refused_by_the_range_that_its_rules_leave(port: Any) -> None:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    [found] = problems({"admin": {"address": address}})
    assert found.startswith("<dict>: admin.address.socket_address.port_value: ") and found.endswith("; 0 to 65535 is accepted")


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.yaml") == [f"{tmp_path}/none.yaml: cannot be read: No such file or directory"]


def test_an_empty_file_is_no_configuration(tmp_path: Path) -> None:
    path = tmp_path / "envoy.yaml"
    path.write_text("# nothing\n")
    assert problems(path) == [f"{path}: is empty"]


def test_a_problem_of_the_overlay_is_found_in_the_overlay(tmp_path: Path) -> None:
    path = tmp_path / "envoy.yaml"
    path.write_text("node: {id: a}\n")
    overlay = "node: {id: b}\nadmin:\n  address: {socket_address: {address: nowhere, port_value: 1}}\n"
    [found] = problems(path, overlay=overlay)
    assert found.startswith("--config-yaml:3: admin.address.socket_address.address: 'nowhere' is not an IP address")


def test_all_problems_come_at_once_but_not_without_end() -> None:
    report = Report("f")
    for number in range(MAX_PROBLEMS + 10):
        report.refuse(f"a[{number}]", "wrong")
    with pytest.raises(ConfigError) as caught:
        report.raise_if_any()
    assert len(caught.value.problems) == MAX_PROBLEMS + 1
    assert "more than" in str(caught.value.problems[-1])


def test_the_same_problem_is_said_once() -> None:
    report = Report("f")
    report.refuse("a", "wrong")
    report.refuse("a", "wrong")
    with pytest.raises(ConfigError) as caught:
        report.raise_if_any()
    assert str(caught.value) == "f: a: wrong"


def test_nearest_says_nothing_when_nothing_is_near() -> None:
    assert nearest("cluster", ["clusters", "listeners"]) == "; did you mean 'clusters'?"
    assert nearest("zzz", ["clusters", "listeners"]) == ""
