"""Calls that are made again: only those that are named, only after failures of their host, and no more often than allowed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from mesh.codec.thrift import Type
from tests.thrift_proxy.filtered import ROUTER
from tests.thrift_proxy.running import Running
from tests.thrift_proxy.talk import Failing, Server, call, cluster, error_of, route

LONG = {1: (Type.STRING, b"x" * 100_000)}


@pytest.fixture
def failing() -> Iterator[Failing]:
    with Failing() as running:
        yield running


@pytest.fixture
def serving() -> Iterator[Server]:
    with Server() as running:
        yield running


def retries(*methods: str, most: int = 1) -> dict[str, Any]:
    struct = {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": "mesh.extensions.ThriftRetry"}
    config = {**struct, "value": {"methods": list(methods), "num_retries": most}}
    return {"thrift_filters": [{"name": "retry", "typed_config": config}, ROUTER]}


@pytest.mark.parametrize("says", [b"", b"\0\0\0\x20\x80\x01", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["hangs_up", "breaks_off", "is_no_thrift"])
def test_a_named_call_goes_to_the_next_host(failing: Failing, serving: Server, says: bytes) -> None:
    failing.says = says
    with Running([route("up")], [cluster("up", failing.port, serving.port)], **retries("add")) as proxy, proxy.client() as client:
        for seqid in range(4):
            reply = client.ask(call("add", seqid, fields=LONG))
            assert reply is not None and (reply.type, reply.seqid, reply.fields) == ("reply", seqid, {0: LONG[1]})
        assert len(serving.got) == 4 and all(message.fields == LONG for message in serving.got)
        assert proxy["cluster.up.upstream_rq_retry"] == proxy["cluster.up.upstream_rq_retry_success"] == len(failing.got) > 0
        assert proxy["thrift.main.response_success"] == 4 and proxy["thrift.main.response_exception"] == 0
        assert proxy["cluster.up.circuit_breakers.default.rq_retry_open"] == 0


def test_a_payload_that_was_converted_is_sent_again_as_it_was(failing: Failing, serving: Server) -> None:
    up = cluster("up", failing.port, serving.port, transport="header", protocol="compact")
    with Running([route("up")], [up], **retries("add")) as proxy, proxy.client() as client:
        for seqid in range(2):
            assert (reply := client.ask(call("add", seqid, fields=LONG))) is not None and reply.fields == {0: LONG[1]}
        assert [message.fields for message in serving.got] == [LONG, LONG]


def test_all_methods_of_a_named_service_are_made_again(failing: Failing, serving: Server) -> None:
    strip = {"match": {"service_name": "people"}, "route": {"cluster": "up", "strip_service_name": True}}
    with Running([strip], [cluster("up", failing.port, serving.port)], **retries("people:")) as proxy, proxy.client() as client:
        for seqid in range(2):
            assert (reply := client.ask(call("people:add", seqid))) is not None and reply.type == "reply"
        assert [message.name for message in serving.got] == ["add", "add"]


def test_a_call_that_is_not_named_fails(failing: Failing) -> None:
    with Running([route("up")], [cluster("up", failing.port)], **retries("get", "people:")) as proxy, proxy.client() as client:
        assert error_of(client.ask(call("add")))[0] == 6
        assert proxy["cluster.up.upstream_rq_retry"] == 0 and len(failing.got) == 1


def test_an_exception_is_an_answer(serving: Server) -> None:
    with Running([route("up")], [cluster("up", serving.port)], **retries("exc", "err")) as proxy, proxy.client() as client:
        assert error_of(client.ask(call("exc"))) == (6, "boom")
        assert (reply := client.ask(call("err"))) is not None and 1 in reply.fields
        assert proxy["cluster.up.upstream_rq_retry"] == 0 and len(serving.got) == 2


def test_the_tries_are_counted(failing: Failing) -> None:
    with Running([route("up")], [cluster("up", failing.port)], **retries("add", most=3)) as proxy, proxy.client() as client:
        assert "remote connection failure" in error_of(client.ask(call("add")))[1]
        assert client.closed()
        assert len(failing.got) == 4
        assert proxy["cluster.up.upstream_rq_retry"] == 3
        assert proxy["cluster.up.upstream_rq_retry_limit_exceeded"] == 1
        assert proxy["cluster.up.upstream_rq_retry_success"] == 0
        assert proxy["thrift.main.response_exception"] == 1


def test_a_connection_that_cannot_be_made_is_a_failure_too(serving: Server) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        up = cluster("up", int(held.getsockname()[1]), serving.port)
        with Running([route("up")], [up], **retries("add")) as proxy, proxy.client() as client:
            for seqid in range(4):
                assert (reply := client.ask(call("add", seqid))) is not None and reply.type == "reply"
            assert proxy["cluster.up.upstream_rq_retry"] > 0


def test_the_breaker_of_retries_holds(failing: Failing) -> None:
    up = cluster("up", failing.port, circuit_breakers={"thresholds": [{"max_retries": 0}]})
    with Running([route("up")], [up], **retries("add")) as proxy, proxy.client() as client:
        assert error_of(client.ask(call("add")))[0] == 6
        assert proxy["cluster.up.upstream_rq_retry_overflow"] == 1 and len(failing.got) == 1


def test_a_client_that_leaves_ends_a_call_that_is_made_again(failing: Failing, serving: Server) -> None:
    with Running([route("up")], [cluster("up", failing.port, serving.port)], **retries("held", most=9)) as proxy, proxy.client() as client:
        client.send(call("held", 1), call("held", 2))
        serving.wait_for(2)
