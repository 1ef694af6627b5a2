"""The same conversations through a real Envoy and through us: answers, what servers got, what a rate limit service was asked, statistics
and log lines are the same.

One Envoy and one proxy for all of them; each case has a listener and a cluster of its own, so its statistics are its own too.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import mesh
from tests.admin.asking import ask
from tests.grpc_calls.limiter import Limiter, limiter_cluster
from tests.peers.envoy import envoy_peer
from tests.peers.ports import PortReservation
from tests.thrift_proxy.conversations import CASES as TALKS
from tests.thrift_proxy.conversations import Case, Side
from tests.thrift_proxy.filtered import CASES as FILTERED
from tests.thrift_proxy.guarded import CASES as GUARDED
from tests.thrift_proxy.limited import CASES as LIMITED
from tests.thrift_proxy.talk import Server, bootstrap, cluster, listener

pytestmark = pytest.mark.slow

CASES = [*TALKS, *FILTERED, *GUARDED, *LIMITED]
LIMIT_S = 30.0
LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
FORMAT = (
    "%DYNAMIC_METADATA(thrift.proxy)% %DYNAMIC_METADATA(envoy.lb)% %DYNAMIC_METADATA(envoy.filters.thrift.header_to_metadata)% "
    "%DYNAMIC_METADATA(envoy.filters.thrift.payload_to_metadata)% "
    "%RESPONSE_FLAGS% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% "
    "%UPSTREAM_CLUSTER% %ROUTE_NAME% %PROTOCOL% %FILTER_STATE(who:PLAIN)%\n"
)
CLUSTER_STATS = (
    "upstream_cx_total", "upstream_rq_total", "upstream_rq_active", "upstream_rq_pending_total", "upstream_rq_pending_active",
    "upstream_rq_pending_overflow", "upstream_cx_overflow", "upstream_cx_connect_fail", "upstream_cx_destroy_with_active_rq",
    "upstream_cx_destroy_local_with_active_rq", "upstream_cx_destroy_remote_with_active_rq", "upstream_cx_max_requests",
    "upstream_cx_none_healthy", "upstream_rq_pending_failure_eject",
)  # fmt: skip
"""{case: {what: why}} of the differences that are chosen (docs/decisions/thrift-wire.md); `what` is the kind of observation."""
UNREAD = "a payload that passes is not read: its host says what is wrong with it"
STUCK = "Envoy reads no more of a connection behind a call that it refused late, and counts the call as unfinished"
REFUSED = (
    "limit_over", "limit_over_compact", "limit_over_header", "limit_over_unframed", "limit_error_denied", "limit_dead", "limit_disabled",
    "limit_twice",
)  # fmt: skip
CHOSEN = {
    **{name: {"stats": STUCK} for name in REFUSED},
    "trailing_bytes": dict.fromkeys(("answers", "arrived", "stats", "lines"), UNREAD),
    "oneway_no_room": dict.fromkeys(("answers", "stats", "lines"), "Envoy ends the connection at the call behind it, as broken"),
    "answers_with_junk": {"answers": "the codec's own word for the error"},
}


def config(case_ports: dict[str, int], servers: dict[str, Server], limiter: Limiter, dead: int, log: Path) -> dict[str, Any]:
    listeners, clusters = [], [cluster("none"), cluster("dead", dead)]
    clusters += [limiter_cluster("limiter", limiter.port), limiter_cluster("dead_limiter", dead)]
    for case in CASES:
        access_log = {"name": "file", "typed_config": {"@type": LOG, "path": str(log), "log_format": line_format(case)}}
        routes = [*case.routes, {"match": {"method_name": "nothing", "invert": True}, "route": {"cluster": case.name}}]
        fields = {"access_log": [access_log], **case.listener}
        listeners.append(listener(case.name, case_ports.get(case.name, 0), routes, *case.listens, before=case.before, **fields))
        made = cluster(case.name, servers[case.name].port, transport=case.up[0], protocol=case.up[1], **case.cluster)
        if case.labels:
            made["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["metadata"] = {"filter_metadata": {"envoy.lb": case.labels}}
        clusters.append(made)
    maintained = {case.name: 100 for case in CASES if case.name.startswith("maintained")}
    runtime = {"layers": [{"name": "static", "static_layer": {"upstream": {"maintenance_mode": maintained}}}]}
    return bootstrap(listeners, clusters) | {"layered_runtime": runtime}


def line_format(case: Case) -> dict[str, Any]:
    return {"text_format_source": {"inline_string": f"{case.name} {FORMAT}"}}


@contextmanager
def running_servers() -> Iterator[dict[str, Server]]:
    with ExitStack() as stack:
        yield {case.name: stack.enter_context(Server(*case.speaks)) for case in CASES}


def hide(value: Any, ports: dict[int, str]) -> str:
    text = repr(value)
    for port, name in ports.items():
        text = text.replace(f"127.0.0.1:{port}", f"<{name}>")
    return text


class Seen:
    """What one proxy did in all conversations."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.arrived: dict[str, str] = {}
        self.asked: dict[str, Any] = {}
        self.stats: dict[str, dict[str, int]] = {}
        self.lines: dict[str, list[str]] = {}


def hold(servers: dict[str, Server], limiter: Limiter, ports: dict[str, int], dead: int) -> Seen:
    found = Seen()
    for case in CASES:
        server = servers[case.name]
        found.answers[case.name] = hide(case.talk(Side(case, ports[case.name], server)), {server.port: "up", dead: "dead"})
        found.arrived[case.name] = repr(sorted(map(repr, server.got)))
        found.asked[case.name] = limiter.asked[case.name]
    return found


def by_case(stats: dict[str, int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for case in CASES:
        prefixes = f"thrift.{case.name}.", f"cluster.{case.name}.thrift.", f"cluster.{case.name}.ratelimit."
        wanted = {f"cluster.{case.name}.{name}" for name in CLUSTER_STATS}
        mine = {name: value for name, value in stats.items() if name.startswith(prefixes) or name in wanted}
        found[case.name] = {name: value for name, value in mine.items() if value}
    return found


def lines_of(log: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {case.name: [] for case in CASES}
    for line in log.read_text().splitlines() if log.exists() else ():
        name, _, rest = line.partition(" ")
        found[name].append(rest)
    return {name: sorted(lines) for name, lines in found.items()}


def settled(look: Callable[[], Any]) -> Any:
    """What `look` gives when it gives the same for a second."""
    since, last, deadline = time.monotonic(), look(), time.monotonic() + LIMIT_S
    while time.monotonic() - since < 1.0 and time.monotonic() < deadline:
        time.sleep(0.05)
        if (now := look()) != last:
            since, last = time.monotonic(), now
    return last


def through_envoy(directory: Path) -> Seen:
    async def run() -> Seen:
        with PortReservation() as reserved, running_servers() as servers, Limiter() as limiter:
            ports = {case.name: reserved.reserve() for case in CASES}
            admin, dead = reserved.pick(), reserved.reserve()
            file, log = directory / "envoy.json", directory / "envoy.log"
            tree = {"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}}}
            file.write_text(json.dumps(tree | config(ports, servers, limiter, dead, log)))
            async with envoy_peer(file, directory, admin, log_level="error"):
                found = await asyncio.to_thread(hold, servers, limiter, ports, dead)

                def stats() -> dict[str, dict[str, int]]:
                    page = json.loads(ask(admin, "/stats?format=json").body)
                    return by_case({one["name"]: one["value"] for one in page["stats"] if isinstance(one.get("value"), int)})

                found.stats = await asyncio.to_thread(settled, stats)
            found.lines = lines_of(log)
            return found

    return asyncio.run(run())


def through_mesh(directory: Path) -> Seen:
    with PortReservation() as reserved, running_servers() as servers, Limiter() as limiter:
        dead, log = reserved.reserve(), directory / "mesh.log"
        with mesh.Proxy(config({}, servers, limiter, dead, log), concurrency=1) as proxy:
            ports = {name: address.port for name, address in proxy.listeners.items()}
            found = hold(servers, limiter, ports, dead)
            found.stats = settled(lambda: by_case({name: int(value) for name, value in proxy.stats.items() if not isinstance(value, str)}))
        assert proxy.live_objects() == 0
        found.lines = lines_of(log)
        return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Seen, Seen]:
    directory = tmp_path_factory.mktemp("thrift")
    return through_envoy(directory), through_mesh(directory)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_conversation_is_the_same(both: tuple[Seen, Seen], case: Case) -> None:
    theirs, ours = both
    for what in ("answers", "arrived", "asked", "stats", "lines"):
        same = getattr(ours, what)[case.name] == getattr(theirs, what)[case.name]
        chosen = CHOSEN.get(case.name, {}).get(what)
        assert same or chosen, (what, getattr(ours, what)[case.name], getattr(theirs, what)[case.name])
        assert not (same and chosen), f"{what} is the same now: {chosen}"
