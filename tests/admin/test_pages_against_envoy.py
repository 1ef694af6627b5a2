"""The same configuration through Envoy and through us: the same pages, status codes and headers.

What cannot be the same (ports, times, the name of the server, extensions that only Envoy has) is taken out of both sides first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

import mesh
from tests.admin.asking import Page, ask, bootstrap
from tests.admin.real_envoy import observe

pytestmark = pytest.mark.slow

TEXT = [
    ("GET", "/ready"),
    ("PUT", "/ready"),
    ("HEAD", "/ready"),
    ("GET", "/ready?unknown=1"),
    ("GET", "//ready"),
    ("GET", "/hot_restart_version"),
    ("GET", "/listeners"),
    ("GET", "/listeners?format=other"),
    ("GET", "/clusters"),
    ("GET", "/clusters?filter=^na"),
    ("GET", "/clusters?filter=nothing"),
    ("GET", "/clusters?filter=("),
    ("GET", "/logging"),
    ("PUT", "/logging"),
    ("HEAD", "/logging"),
    ("GET", "/drain_listeners"),
    ("GET", "/quitquitquit"),
    ("POST", "/reset_counters"),
    ("POST", "/reopen_logs"),
    ("POST", "/healthcheck/fail"),
    ("GET", "/ready?failing"),
    ("POST", "/healthcheck/ok"),
    ("GET", "/ready?again"),
    ("POST", "/drain_listeners?inboundonly"),
    ("GET", "/listeners?stopped"),
    ("GET", "/config_dump?resource=nothing"),
    ("GET", "/config_dump?resource=bootstrap"),
    ("GET", "/config_dump?resource=static_endpoint_configs"),
    ("GET", "/config_dump?mask=nothing"),
    ("GET", "/config_dump?mask=static_clusters.cluster.name"),
    ("GET", "/config_dump?mask=static_clusters,bootstrap.node"),
]
JSON = [
    ("GET", "/listeners?format=json"),
    ("GET", "/clusters?format=json"),
    ("GET", "/clusters?format=json&filter=small"),
    ("GET", "/clusters?format=json&filter=nothing"),
    ("GET", "/config_dump"),
    ("GET", "/config_dump?include_eds"),
    ("GET", "/config_dump?mask=bootstrap.admin"),
    ("GET", "/config_dump?mask=bootstrap.admin,bootstrap.node.id"),
    ("GET", "/config_dump?mask=static_clusters"),
    ("GET", "/config_dump?name_regex=live"),
    ("GET", "/config_dump?name_regex=l"),
    ("GET", "/config_dump?name_regex=.*in.*"),
    ("GET", "/config_dump?resource=static_clusters"),
    ("GET", "/config_dump?resource=static_clusters&mask=cluster.name"),
    ("GET", "/config_dump?resource=static_clusters&mask=cluster.name,cluster.load_assignment.cluster_name"),
    ("GET", "/config_dump?resource=static_clusters&name_regex=small"),
    ("GET", "/config_dump?resource=static_clusters&name_regex=nothing"),
    ("GET", "/config_dump?resource=static_listeners&mask=listener.name"),
    ("GET", "/config_dump?resource=static_route_configs&name_regex=routes_main"),
    ("GET", "/config_dump?resource=dynamic_active_clusters"),
    ("GET", "/config_dump?resource=dynamic_active_secrets"),
    ("GET", "/config_dump?resource=static_endpoint_configs&include_eds"),
    ("GET", "/memory"),
    ("GET", "/server_info"),
]
STATUS = [
    ("GET", "/"),
    ("GET", "/help"),
    ("GET", "/nothing"),
    ("POST", "/nothing"),
    ("GET", "/ready/"),
    ("GET", "/READY"),
    ("POST", "/logging?level=bogus"),
    ("POST", "/logging?nothing=info"),
    ("POST", "/logging?paths=main:bad"),
    ("POST", "/logging?level=info&paths=main:debug"),
    ("POST", "/logging?group=main:info"),
    ("POST", "/logging?level="),
    ("GET", "/config_dump?name_regex=("),
    ("GET", "/config_dump?resource=static_clusters&mask=nothing"),
    ("GET", "/config_dump?resource=static_clusters&mask=cluster"),
    ("GET", "/config_dump?resource=static_clusters&mask=cluster.nothing"),
    ("GET", "/config_dump?resource=static_clusters&mask=cluster.load_assignment.endpoints.lb_endpoints"),
    ("POST", "/drain_listeners?skip_exit"),
    ("POST", "/drain_listeners?graceful"),
]
Both = tuple[dict[tuple[str, str], Page], dict[tuple[str, str], Page]]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    # What changes nothing comes first: the text pages end with stopped listeners.
    requests = [*JSON, *STATUS[:-2], *TEXT, *STATUS[-2:]]
    theirs = observe(tmp_path_factory.mktemp("envoy"), requests)
    with mesh.Proxy(bootstrap(), concurrency=1, drain_time_s=60) as proxy:
        ours = {(method, path): ask(proxy.admin_address.port, path, method) for method, path in requests}
    yield theirs, ours


def without_noise(body: str) -> str:
    """The text without ports and what mesh does not count; lines sorted, because Envoy's clusters come in any order."""
    body = re.sub(r"^(main|inner)::127\.0\.0\.1:\d+$", r"\1", body, flags=re.MULTILINE)
    body = re.sub(r"^.*::rq_pending_active::.*\n", "", body, flags=re.MULTILINE)
    return "\n".join(sorted(body.split("\n")))


NOISE = {"last_updated", "user_agent_name", "user_agent_build_version", "extensions"}
UNORDERED = {
    "stats", "endpoints", "lb_endpoints", "host_statuses", "cluster_statuses", "static_clusters", "static_endpoint_configs",
    "static_route_configs", "configs",
}  # fmt: skip


def settled(tree: Any, key: str = "") -> Any:
    """The tree without what differs by nature; lists that Envoy orders by chance are sorted."""
    if isinstance(tree, dict):
        return {name: settled(value, name) for name, value in tree.items() if name not in NOISE}
    if isinstance(tree, list):
        kept = [settled(value, key) for value in tree if not (key == "stats" and value.get("name") == "rq_pending_active")]
        return sorted(kept, key=lambda item: json.dumps(item, sort_keys=True)) if key in UNORDERED else kept
    return tree


def without_ports(tree: Any) -> Any:
    """The bootstrap's own admin port and the bound ports, which two proxies on one machine cannot share."""
    if isinstance(tree, dict):
        return {name: 0 if name == "port_value" and value > 1 else without_ports(value) for name, value in tree.items()}
    return [without_ports(value) for value in tree] if isinstance(tree, list) else tree


@pytest.mark.parametrize("request_", [*TEXT, *JSON, *STATUS], ids=" ".join)
def test_status_and_headers_are_envoys(request_: tuple[str, str], both: Both) -> None:
    theirs, ours = (pages[request_] for pages in both)
    assert ours.status == theirs.status
    for name in ("content-type", "cache-control"):
        assert ours.headers.get(name) == theirs.headers[name], name
    assert ours.headers["x-content-type-options"] == "nosniff"
    assert "x-request-id" not in ours.headers


@pytest.mark.parametrize("request_", TEXT, ids=" ".join)
def test_text_is_envoys(request_: tuple[str, str], both: Both) -> None:
    theirs, ours = (pages[request_] for pages in both)
    assert without_noise(ours.body) == without_noise(theirs.body)


@pytest.mark.parametrize("request_", JSON[:-2], ids=" ".join)
def test_json_is_envoys(request_: tuple[str, str], both: Both) -> None:
    theirs, ours = (pages[request_] for pages in both)
    assert settled(without_ports(ours.json())) == settled(without_ports(theirs.json()))


@pytest.mark.parametrize("path", ["/memory", "/server_info"])
def test_the_fields_are_envoys(path: str, both: Both) -> None:
    theirs, ours = (pages["GET", path].json() for pages in both)
    assert ours.keys() == theirs.keys() - {"hot_restart_initializing"}
    if path == "/memory":
        assert all(isinstance(value, str) and value.isdigit() for value in ours.values())
    else:
        newer = {"file_flush_min_size", "log_stacktrace_single_entry"}
        said = {"file_flush_interval", "parent_shutdown_time"}
        assert ours["command_line_options"].keys() == theirs["command_line_options"].keys() - newer - said
        assert ours["node"]["id"] == theirs["node"]["id"] == "n1"
        assert re.fullmatch(r"[^/]+/\d+\.\d+\.\d+/[^/]+/RELEASE/[^/]+", ours["version"])


@pytest.mark.parametrize("path", [path for _, path in JSON])
def test_json_is_laid_out_as_envoys(path: str, both: Both) -> None:
    theirs, ours = (pages["GET", path].body for pages in both)
    indents = [{len(line) - len(line.lstrip()) for line in body.splitlines()} for body in (theirs, ours)]
    assert indents[1] <= indents[0]
    assert ours.endswith("}\n")


def test_every_command_is_one_of_envoys(both: Both) -> None:
    theirs, ours = (pages["GET", "/help"].body for pages in both)

    def commands(text: str) -> set[str]:
        return set(re.findall(r"^  (/\S*(?: \(POST\))?):", text, re.MULTILINE))

    assert commands(ours) <= commands(theirs)
    assert "/drain_listeners (POST)" in commands(ours)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_gets_the_help(method: str, both: Both) -> None:
    theirs, ours = (pages[method, "/nothing"].body for pages in both)
    assert theirs.startswith("invalid path. admin commands are:\n  /: ")
    assert ours == "invalid path. " + both[1]["GET", "/help"].body


@pytest.mark.parametrize("path", [path for method, path in STATUS if path.startswith("/logging") and not path.endswith("level=")])
def test_errors_of_logging_are_envoys(path: str, both: Both) -> None:
    theirs, ours = (pages["POST", path].body.partition("active loggers:\n")[0] for pages in both)
    assert ours == theirs
