"""The values of an explanation: what is asked, what was looked at on the way, and what came out.

Plain data: no walk, no configuration, no colours. `as_tree` is what `--json` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meshcore.bind.record import field, record

Headers = tuple[tuple[str, str], ...]


@record
class Request:
    """A request in the words of the route table; header names are lower case. `random` decides fractions and weights."""

    host: str
    path: str
    method: str = "GET"
    headers: Headers = ()
    scheme: str = "http"
    random: int = 0
    source: str | None = None  # the client's address with a port

    def values(self, name: str) -> list[str]:
        """All values of a header or pseudo-header, in order; empty: it is missing."""
        pseudo = {":method": self.method, ":path": self.path, ":authority": self.host, "host": self.host, ":scheme": self.scheme}
        if name in pseudo:
            return [pseudo[name]] if pseudo[name] or name == ":path" else []
        return [value for key, value in self.headers if key == name]

    @property
    def stream(self) -> dict[str, Any]:
        """What is known of the stream beside the head."""
        return {"downstream_remote": self.source, "downstream_direct_remote": self.source} if self.source else {}


@record(frozen=False)
class Step:
    """One thing that was looked at: `path` is its field in the configuration, `ok` whether it took the request, `why` says so in words."""

    kind: str  # listener | scope | virtual_host | matcher | entry | route | skipped
    title: str
    ok: bool
    why: str
    path: str = ""
    line: int = 0
    origin: str = ""
    inner: list[Step] = field(default_factory=list)

    def walk(self) -> Iterator[Step]:
        yield self
        for step in self.inner:
            yield from step.walk()

    def as_tree(self) -> dict[str, Any]:
        found: dict[str, Any] = {"kind": self.kind, "title": self.title, "ok": self.ok, "why": self.why}
        for name in ("path", "line", "origin"):
            if getattr(self, name):
                found[name] = getattr(self, name)
        if self.inner:
            found["inner"] = [step.as_tree() for step in self.inner]
        return found


@record(frozen=False)
class Explanation:
    """`facts`: what will be done, as (subject, words) pairs in the order in which a reader wants them."""

    request: Request
    listener: str
    steps: list[Step]
    scope: str = ""  # of scoped routes
    virtual_host: str | None = None
    route: int | None = None  # position in the virtual host
    route_name: str = ""
    route_path: str = ""
    action: str = "none"  # forward | redirect | direct_response | https | none
    facts: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_tree(self) -> dict[str, Any]:
        return {
            "request": {
                "host": self.request.host,
                "path": self.request.path,
                "method": self.request.method,
                "headers": [list(pair) for pair in self.request.headers],
                "scheme": self.request.scheme,
            },
            "listener": self.listener,
            "steps": [step.as_tree() for step in self.steps],
            "scope": self.scope,
            "virtual_host": self.virtual_host,
            "route": self.route,
            "route_name": self.route_name,
            "route_path": self.route_path,
            "action": self.action,
            "facts": [list(pair) for pair in self.facts],
            "notes": self.notes,
        }
