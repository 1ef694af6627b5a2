"""Rate limits of Thrift calls where Envoy has no equal: a connection goes on behind a call that was refused, and what ends a question."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mesh.codec import thrift
from mesh.codec.thrift import Type
from mesh.testing import until
from tests.grpc_calls.limiter import Limiter, limiter_cluster
from tests.thrift_proxy.filtered import LB, ROUTER, payload, rule
from tests.thrift_proxy.limited import key, limits
from tests.thrift_proxy.running import Running
from tests.thrift_proxy.talk import Server, call, cluster, error_of, route

BY_METHOD = {"rate_limits": [{"actions": [{"request_headers": {"header_name": ":method-name", "descriptor_key": "method"}}]}]}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        made.plain = ("over", "held", "error")
        yield made


@pytest.fixture
def limiter() -> Iterator[Limiter]:
    with Limiter() as made:
        yield made


def limited(server: Server, limiter: Limiter, *before: dict[str, Any], up: dict[str, Any] | None = None, **fields: Any) -> Running:
    """The called name is what the service is asked about: `over`, `held` and `error` do what they say."""
    clusters = [cluster("up", server.port, **(up or {})), limiter_cluster("limiter", limiter.port)]
    filters = [*before, limits("calls", **fields), ROUTER]
    return Running([route("up", **BY_METHOD)], clusters, thrift_filters=filters)


@pytest.mark.parametrize("transport", ["framed", "unframed", "header"])
@pytest.mark.parametrize("up", [{}, {"transport": "framed", "protocol": "compact"}], ids=["as_it_came", "converted"])
def test_a_connection_goes_on_behind_a_refused_call(server: Server, limiter: Limiter, transport: str, up: dict[str, str]) -> None:
    with limited(server, limiter, up=up) as proxy, proxy.client(transport) as client:
        for seqid in range(3):
            assert error_of(client.ask(call("over", seqid, transport))) == (6, "over limit")
            assert (reply := client.ask(call("add", seqid, transport))) is not None and (reply.type, reply.seqid) == ("reply", seqid)
        assert (proxy["cluster.up.ratelimit.over_limit"], proxy["cluster.up.ratelimit.ok"]) == (3, 3)
        assert (proxy["thrift.main.request_call"], proxy["thrift.main.response_exception"]) == (6, 3)
    assert [one.name for one in server.got] == ["add"] * 3


def test_calls_behind_one_that_waits_are_answered_in_turn(server: Server, limiter: Limiter) -> None:
    with limited(server, limiter) as proxy, proxy.client() as client:
        client.send(call("held", 1), call("over", 2), call("add", 3))
        assert limiter.started.wait(30)
        limiter.release.set()
        found = [client.read() for _ in range(3)]
        assert sorted((one.seqid, one.type) for one in found if one) == [(1, "reply"), (2, "exception"), (3, "reply")]


def test_a_payload_that_comes_late_waits_for_the_answer_and_the_answer_for_it(server: Server, limiter: Limiter) -> None:
    raw = thrift.encode(call("over", 1))
    with limited(server, limiter) as proxy, proxy.client() as client:
        client.send(raw[:-4])
        until(lambda: proxy.proxy.stats.get("cluster.up.ratelimit.over_limit") == 1, "the answer of the service")
        client.send(raw[-4:], call("add", 2))
        assert error_of(client.read()) == (6, "over limit")
        assert (reply := client.read()) is not None and (reply.type, reply.seqid) == ("reply", 2)


def test_an_oneway_call_over_the_limit_gets_nothing(server: Server, limiter: Limiter) -> None:
    with limited(server, limiter) as proxy, proxy.client() as client:
        client.send(call("over", 1, type="oneway"), call("add", 2))
        assert (reply := client.read()) is not None and (reply.type, reply.seqid) == ("reply", 2)
        assert proxy["thrift.main.request_oneway"] == 1
    assert [one.name for one in server.got] == ["add"]


def test_a_client_that_leaves_cancels_its_question(server: Server, limiter: Limiter) -> None:
    with limited(server, limiter) as proxy:
        with proxy.client() as client:
            client.send(call("held"))
            assert limiter.started.wait(30)
        assert limiter.cancelled.wait(30)
        until(lambda: proxy["cluster.limiter.upstream_rq_active"] == 0, "the end of the question")
    assert server.got == []


def test_a_proxy_that_stops_lets_go_of_a_question(server: Server, limiter: Limiter) -> None:
    with limited(server, limiter) as proxy, proxy.client() as client:
        client.send(call("held"))
        assert limiter.started.wait(30)


@pytest.mark.parametrize("deny", [False, True])
def test_a_question_that_takes_too_long_is_an_error(server: Server, limiter: Limiter, deny: bool) -> None:
    with limited(server, limiter, timeout="0.05s", failure_mode_deny=deny) as proxy, proxy.client() as client:
        reply = client.ask(call("held"))
        if deny:
            assert error_of(reply) == (6, "limiter error")
        else:
            assert reply is not None and reply.type == "reply"
        assert proxy["cluster.up.ratelimit.error"] == 1


def test_filters_of_the_payload_and_limits_go_together(server: Server, limiter: Limiter) -> None:
    fact = payload(rule((1,), on_present={**LB, "key": "n"}))["thrift_filters"][0]
    with limited(server, limiter, fact) as proxy, proxy.client() as client:
        assert error_of(client.ask(call("over", fields={1: (Type.I32, 7)}))) == (6, "over limit")
        assert (reply := client.ask(call("add", fields={1: (Type.I32, 8)}))) is not None and reply.type == "reply"


def test_limits_of_two_stages_are_asked_one_after_the_other(server: Server, limiter: Limiter) -> None:
    staged = route("up", rate_limits=[{"actions": [key("v")]}, {"stage": 1, "actions": [key("over")]}])
    filters = [limits("first"), limits("second", stage=1), ROUTER]
    clusters = [cluster("up", server.port), limiter_cluster("limiter", limiter.port)]
    with Running([staged], clusters, thrift_filters=filters) as proxy, proxy.client() as client:
        for _ in range(2):
            assert error_of(client.ask(call("add"))) == (6, "over limit")
    assert (len(limiter.asked["first"]), len(limiter.asked["second"])) == (2, 2)
