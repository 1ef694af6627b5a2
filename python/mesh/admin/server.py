"""The admin interface: an engine of its own whose only filter hands every request to a thread that makes pages.

So the admin pages use the same HTTP code as the traffic, and however slow a page is, no worker waits for it. One file per page below
`mesh.admin`; the table PAGES says which path belongs to which. Mutations need POST, as in Envoy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from mesh.filters import Reply
from mesh.filters.load import HOOK_REQUEST, HOOK_REQUEST_PARKS, BoundFilter
from mesh.filters.runner import ThreadRunner
from mesh.publish import Publisher
from meshcore.bind import spec
from meshcore.bind.worker import Worker

if TYPE_CHECKING:
    from mesh.proxy import Proxy

WORKER_INDEX = 1000

# path -> (module with a function `page(proxy, params) -> Reply`, needs POST, what /help says)
PAGES: dict[str, tuple[str, bool, str]] = {
    "/": ("help", False, "Admin home page"),
    "/clusters": ("clusters", False, "upstream cluster status"),
    "/config_dump": ("config_dump", False, "dump current Envoy configs (experimental)"),
    "/drain_listeners": ("drain_listeners", True, "drain listeners"),
    "/healthcheck/fail": ("healthcheck", True, "cause the server to fail health checks"),
    "/healthcheck/ok": ("healthcheck", True, "cause the server to pass health checks"),
    "/help": ("help", False, "print out list of admin commands"),
    "/hot_restart_version": ("hot_restart_version", False, "print the hot restart compatibility version"),
    "/listeners": ("listeners", False, "print listener info"),
    "/logging": ("logging", True, "query/change logging levels"),
    "/memory": ("memory", False, "print current allocation/heap usage"),
    "/quitquitquit": ("quitquitquit", True, "exit the server"),
    "/ready": ("ready", False, "print server state, return 200 if LIVE, otherwise return 503"),
    "/reopen_logs": ("reopen_logs", True, "reopen access logs"),
    "/reset_counters": ("reset_counters", True, "reset all counters to zero"),
    "/server_info": ("server_info", False, "print server version/status information"),
    "/stats": ("stats", False, "print server stats"),
    "/stats/prometheus": ("stats", False, "print server stats in prometheus format"),
}


@dataclass(slots=True, frozen=True)
class Query:
    """A request to a page: its path, and its decoded parameters (the first of each name)."""

    path: str
    params: dict[str, str] = field(default_factory=dict)


class AdminServer:
    """Serves the pages of `proxy` at `address` (port 0 allowed). `start` raises OSError when it cannot be bound."""

    def __init__(self, proxy: Proxy, address: spec.Address) -> None:
        self._proxy = proxy
        self._worker = Worker(WORKER_INDEX)
        self._runner = ThreadRunner("mesh-admin-pages")
        self._publisher = Publisher([self._worker], proxy.registry)
        self._thread = threading.Thread(target=self._worker.run, name="mesh-admin", daemon=True)
        self._plan = spec.Plan(listeners=(self._listener(address),))

    def _listener(self, address: spec.Address) -> spec.Listener:
        pages = BoundFilter(self, HOOK_REQUEST | HOOK_REQUEST_PARKS, self._runner)
        hcm = spec.Hcm(
            stat_prefix="admin",
            routes=spec.RouteTable("admin", ()),
            filters=(spec.HttpFilter("pages", "python", pages), spec.HttpFilter("router", "router")),
            access_logs=self._proxy.loaded.plan.admin_access_logs,
            http1=spec.Http1Options(accept_http_10=True, default_host_for_http_10="admin"),
            generate_request_id=False,
        )
        return spec.Listener("admin", address, hcm, stat_prefix="admin", reuse_port=False)

    @property
    def address(self) -> spec.Address:
        return self._publisher.listeners["admin"].bound[0]

    def start(self) -> None:
        self._proxy.registry.attach(self._worker.slots)
        self._thread.start()
        try:
            self._publisher.publish(self._plan)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Lets the last answers out (they may be the answer to /quitquitquit), then closes everything."""
        from mesh.proxy import settle

        self._worker.stop_listening()
        self._worker.drain()
        self._runner.stop()
        settle([self._worker], 0.2)
        self._worker.abort()
        settle([self._worker])
        self._worker.stop()
        self._thread.join()
        self._proxy.registry.detach(self._worker.slots)
        self._worker.close()
        self._publisher.logs.close()

    def on_request(self, request: Any) -> Reply:
        """The parked hook of the admin filter; runs on the pages' thread."""
        parts = urlsplit(request.path)
        found = PAGES.get(parts.path)
        if found is None:
            return Reply(404, "invalid path. " + page("help")(self._proxy, Query("/help")).body.decode())
        module, needs_post, _about = found
        if needs_post and request.method != "POST":
            return Reply(405, f"Method {request.method} not allowed, POST required.", headers=(("allow", "POST"),))
        params: dict[str, str] = {}
        for key, value in parse_qsl(parts.query, keep_blank_values=True):
            params.setdefault(key, value)
        return page(module)(self._proxy, Query(parts.path, params))


def page(module: str) -> Callable[[Any, Query], Any]:
    """The page function of a module below mesh.admin, imported when it is first asked for."""
    function: Callable[[Any, Query], Any] = import_module(f"mesh.admin.{module}").page
    return function
