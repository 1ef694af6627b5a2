"""The admin interface: an engine of its own whose only filter hands every request to a thread that makes pages.

So the admin pages use the same HTTP code as the traffic, and however slow a page is, no worker waits for it. Pages that may take long
(statistics and configuration of thousands of clusters) have a thread of their own, so /ready never waits for them. Which path belongs
to which file says `mesh.admin.pages`. Mutations need POST, as in Envoy. Started and stopped by mesh.Proxy.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from mesh.admin import help
from mesh.admin.pages import PAGES, Query, function
from mesh.filters import Reply
from mesh.filters.load import HOOK_REQUEST, HOOK_REQUEST_PARKS, BoundFilter
from mesh.filters.thread_runner import ThreadRunner
from mesh.publish import Publisher
from meshcore.bind import spec
from meshcore.bind.record import replace
from meshcore.bind.worker import Worker

if TYPE_CHECKING:
    from mesh.proxy import Proxy

WORKER_INDEX = 1000

TEXT = "text/plain; charset=UTF-8"
# On every page: it is of this moment, and what it is called is what it is.
HEADERS = (("cache-control", "no-cache, max-age=0"), ("x-content-type-options", "nosniff"))


class Desks:
    """The pages' threads, as the runner of the admin filter: one for the quick pages, one for those that may take long."""

    def __init__(self) -> None:
        self._quick = ThreadRunner("mesh-admin-pages")
        self._slow = ThreadRunner("mesh-admin-slow")

    def submit(self, views: list[Any]) -> None:
        for view in views:
            found = PAGES.get(urlsplit(view.path).path)
            (self._slow if found is not None and found.slow else self._quick).submit([view])

    def cancel(self, task: Any) -> None:
        """A page that has begun is finished; nobody reads it."""

    def stop(self) -> None:
        self._quick.stop()
        self._slow.stop()


class AdminServer:
    """Serves the pages of `proxy` at `address` (port 0 allowed). `start` raises OSError when it cannot be bound."""

    def __init__(self, proxy: Proxy, address: spec.Address) -> None:
        self._proxy = proxy
        self._worker = Worker(WORKER_INDEX)
        self._runner = Desks()
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
            normalize_path=True,
            merge_slashes=True,
        )
        return spec.Listener("admin", address, (spec.FilterChain(hcm),), stat_prefix="admin", reuse_port=False, ignore_global_limit=True)

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
        """The parked hook of the admin filter; runs on a page's thread."""
        reply = self._answer(request.method, urlsplit(request.path))
        content_type = reply.content_type or TEXT
        # A reply without a body has no type unless somebody says one; a page always has.
        typed = () if reply.body else (("content-type", content_type),)
        return replace(reply, content_type=content_type, headers=(*reply.headers, *typed, *HEADERS))

    def _answer(self, method: str, parts: SplitResult) -> Reply:
        found = PAGES.get(parts.path)
        if found is None:
            return Reply(404, f"invalid path. {help.text()}")
        if found.post and method != "POST":
            return Reply(405, f"Method {method} not allowed, POST required.", headers=(("allow", "POST"),))
        params: dict[str, str] = {}
        for key, value in parse_qsl(parts.query, keep_blank_values=True):
            params.setdefault(key, value)
        reply: Reply = function(found.module)(self._proxy, Query(parts.path, params))
        return reply
