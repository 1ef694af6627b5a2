"""Stateful sessions: which host a client comes back to. What the heads look like is compared with Envoy in tests/differential."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from mesh.testing import Ended, Message, Upstream, Wire, bootstrap, cluster, running

FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
STATES = "type.googleapis.com/envoy.extensions.http.stateful_session"
ROUTER = {"name": "router", "typed_config": {"@type": f"{FILTERS}.router.v3.Router"}}
COOKIE = {"@type": f"{STATES}.cookie.v3.CookieBasedSessionState", "cookie": {"name": "kept", "ttl": "100s"}}
HEADER = {"@type": f"{STATES}.header.v3.HeaderBasedSessionState", "name": "x-kept"}


def named(name: str) -> Upstream:
    """A host that says its name."""

    def script(wire: Wire) -> None:
        with contextlib.suppress(Ended):
            while wire.read_request():
                wire.send(f"HTTP/1.1 200 OK\r\ncontent-length: {len(name)}\r\n\r\n{name}".encode())

    return Upstream(script)


def said(answer: Message, name: str) -> str:
    found = answer.get(name)
    assert found is not None
    return found


def kept(state: dict[str, Any], *clusters: dict[str, Any], **fields: Any) -> dict[str, Any]:
    session = {"@type": f"{FILTERS}.stateful_session.v3.StatefulSession", "stat_prefix": "s", **fields}
    session["session_state"] = {"name": "envoy.http.stateful_session", "typed_config": state}
    return bootstrap(clusters=list(clusters), hcm={"http_filters": [{"name": "session", "typed_config": session}, ROUTER]})


@pytest.mark.parametrize(("state", "told", "tells"), [(COOKIE, "set-cookie", "cookie"), (HEADER, "x-kept", "x-kept")])
def test_a_client_comes_back_to_the_host_that_served_it_first(state: dict[str, Any], told: str, tells: str) -> None:
    with named("one") as one, named("two") as two, running(kept(state, cluster("up", one.port, two.port))) as p:
        first = p.get()
        session = said(first, told).partition(";")[0]
        for _ in range(4):
            answer = p.get(**{tells: session})
            assert answer.body == first.body
            assert answer.get(told) is None
        assert p.stat("http.test.stateful_session.s.routed") == 4


@pytest.mark.parametrize(("strict", "status"), [(True, 503), (False, 200)])
def test_a_host_that_is_unhealthy_is_not_gone_back_to(strict: bool, status: int) -> None:
    with Upstream() as one, Upstream() as two:
        up = cluster("up", one.port, two.port)
        hosts = up["load_assignment"]["endpoints"][0]["lb_endpoints"]
        with running(kept(HEADER, up)) as p:
            names = {said(p.get(), "x-kept") for _ in range(4)}
        hosts[0]["health_status"] = "UNHEALTHY"
        with running(kept(HEADER, up, strict=strict)) as p:
            assert sorted(p.get(**{"x-kept": name}).status for name in names) == sorted([status, 200])
        up["common_lb_config"] = {"override_host_status": {"statuses": ["UNHEALTHY", "UNKNOWN"]}}
        with running(kept(HEADER, up, strict=True)) as p:
            assert [p.get(**{"x-kept": name}).status for name in names] == [200, 200]


def test_a_host_is_found_among_many() -> None:
    with Upstream() as up:
        many = cluster("up", *range(1, 40), up.port)
        config = kept(HEADER, cluster("up", up.port))
        with running(config) as p:
            name = said(p.get(), "x-kept")
        with running(kept(HEADER, many, strict=True)) as p:
            assert [p.get(**{"x-kept": name}).status for _ in range(3)] == [200, 200, 200]
