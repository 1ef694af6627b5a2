"""/server_info: version, state, uptime, command line and node (envoy.admin.v3.ServerInfo).

The command line is `proxy.options` (names as in CommandLineOptions) over what the proxy was really given; in an application there is no
command line, and the proxy's arguments stand for it. Called on the pages' thread."""

from __future__ import annotations

import time
from typing import Any

from mesh import __version__
from mesh.admin.hot_restart_version import VERSION as HOT_RESTART
from mesh.admin.json_text import dumps, shown
from mesh.admin.pages import Query
from mesh.filters import Reply

# Envoy's five parts: revision, version, state of the sources, kind of build, TLS library.
VERSION = f"mesh/{__version__}/Distribution/RELEASE/none"
PLAIN = ("config_path", "config_yaml", "admin_address_path", "service_cluster", "service_node", "service_zone")


def page(proxy: Any, query: Query) -> Reply:
    from envoy.admin.v3.server_info_pb2 import ServerInfo

    message = ServerInfo(version=VERSION, hot_restart_version=HOT_RESTART)
    message.state = ServerInfo.State.Value(proxy.server_state)
    uptime = max(0, int(time.time() - proxy.started_at))
    message.uptime_current_epoch.seconds = message.uptime_all_epochs.seconds = uptime
    fill_options(proxy, message.command_line_options)
    fill_node(proxy, message.node)
    return Reply(200, dumps(shown(message, defaults=True)), "application/json")


def fill_options(proxy: Any, target: Any) -> None:
    given = {"config_path": proxy.loaded.origin, **{k: v for k, v in proxy.options.items() if v is not None}}
    for name in PLAIN:
        setattr(target, name, str(given.get(name, "")))
    target.base_id = 0
    target.concurrency = proxy.concurrency
    target.log_level = proxy.log_level
    target.drain_time.FromMilliseconds(int(proxy.drain_time_s * 1000))
    target.drain_strategy = getattr(target, "Immediate" if proxy.drain_strategy == "immediate" else "Gradual")
    target.drain_strategy = target.DrainStrategy.Value("Immediate")
    target.disable_hot_restart = True


def fill_node(proxy: Any, target: Any) -> None:
    target.CopyFrom(proxy.loaded.bootstrap.node)
    target.user_agent_name = "mesh"
    version = target.user_agent_build_version.version
    version.major_number, version.minor_number, version.patch = map(int, __version__.split(".")[:3])
