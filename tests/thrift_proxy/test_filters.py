"""Thrift filters through the proxy where Envoy has no equal: payloads that choose subsets, payloads in pieces, broken ones, mirrors."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from mesh.codec import thrift
from mesh.codec.thrift import Type
from tests.thrift_proxy.filtered import LB, ROUTER, SUBSETS, headers, payload, rule
from tests.thrift_proxy.running import Running
from tests.thrift_proxy.talk import Server, call, cluster, error_of, route

VERSION = {1: (Type.STRUCT, {2: (Type.STRING, b"b")}), 3: (Type.STRING, b"x" * 40_000)}


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    with Server() as first, Server() as second:
        yield first, second


def divided(first: Server, second: Server, **ways: str) -> dict[str, Any]:
    """A cluster of two hosts: version a and version b."""
    made = cluster("up", first.port, second.port, **SUBSETS, **ways)
    for host, version in zip(made["load_assignment"]["endpoints"][0]["lb_endpoints"], "ab", strict=True):
        host["metadata"] = {"filter_metadata": {"envoy.lb": {"v": version}}}
    return made


CHOICE = payload(rule((1, 2), on_present=LB, on_missing={**LB, "value": "a"}))


@pytest.mark.parametrize("ways", [{}, {"transport": "framed", "protocol": "compact"}], ids=["as_it_came", "converted"])
@pytest.mark.parametrize("transport", ["framed", "unframed", "header"])
def test_a_field_of_the_payload_chooses_the_subset(servers: tuple[Server, Server], transport: str, ways: dict[str, str]) -> None:
    with Running([route("up")], [divided(*servers, **ways)], **CHOICE) as proxy, proxy.client(transport) as client:
        for seqid, fields in enumerate((VERSION, {1: (Type.I32, 1)}, VERSION)):
            reply = client.ask(call("add", seqid, transport, fields=fields))
            assert reply is not None and reply.type == "reply" and reply.fields == {0: fields[1]}, reply
    assert [len(server.got) for server in servers] == [1, 2]
    assert [message.fields for message in servers[1].got] == [VERSION, VERSION]


def test_a_payload_is_read_in_any_pieces(servers: tuple[Server, Server]) -> None:
    fields = {1: (Type.STRUCT, {2: (Type.STRING, b"b")})}
    with Running([route("up")], [divided(*servers)], **CHOICE) as proxy, proxy.client() as client:
        client.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw = thrift.encode(call("add", fields=fields))
        for cut in range(1, len(raw)):
            client.send(raw[:cut])
            client.send(raw[cut:])
            assert (reply := client.read()) is not None and reply.type == "reply"
    assert [len(server.got) for server in servers] == [0, len(raw) - 1]


def test_a_subset_that_no_host_is_in_is_an_exception(servers: tuple[Server, Server]) -> None:
    with Running([route("up")], [divided(*servers)], **CHOICE) as proxy, proxy.client() as client:
        reply = client.ask(call("add", fields={1: (Type.STRUCT, {2: (Type.STRING, b"c")})}))
        assert error_of(reply) == (6, "no healthy upstream for 'up'")
        assert client.closed()
        assert proxy["thrift.main.no_healthy_upstream"] == 1


def test_a_broken_payload_that_must_be_converted_is_an_exception(servers: tuple[Server, Server]) -> None:
    with Running([route("up")], [divided(*servers, transport="framed", protocol="compact")], **CHOICE) as proxy, proxy.client() as client:
        raw = bytearray(thrift.encode(call("add", fields={1: (Type.I32, 7)})))
        raw[19] = 99  # the type of the first field
        assert error_of(client.ask(bytes(raw))) == (7, "bad_type")
        assert client.closed()
        assert proxy["thrift.main.request_decoding_error"] == 1


def test_several_filters_write_side_by_side(servers: tuple[Server, Server]) -> None:
    by_header = headers({"header": "x-v", "on_present": LB})["thrift_filters"][0]
    by_payload = payload(rule((1, 2), on_present=LB))["thrift_filters"][0]
    both = {"thrift_filters": [by_header, by_payload, ROUTER]}
    with Running([route("up")], [divided(*servers)], **both) as proxy, proxy.client("header") as client:
        client.ask(call("add", transport="header", headers=((b"x-v", b"a"),)))
        client.ask(call("add", transport="header", headers=((b"x-v", b"a"),), fields=VERSION))
    assert [len(server.got) for server in servers] == [1, 1]


def mirrored(**more: Any) -> dict[str, Any]:
    return route("up", request_mirror_policies=[{"cluster": "copy"}], **more)


def test_a_mirrored_call_arrives_in_the_protocol_of_its_cluster(servers: tuple[Server, Server]) -> None:
    clusters = [cluster("up", servers[0].port), cluster("copy", servers[1].port, transport="header", protocol="compact")]
    with Running([mirrored()], clusters) as proxy, proxy.client() as client:
        for seqid in range(3):
            assert (reply := client.ask(call("add", seqid))) is not None and reply.type == "reply"
        client.send(call("note", type="oneway"))
        servers[1].wait_for(4)
        servers[0].wait_for(4)
        # Each has a connection of its own, so they come in any order.
        assert sorted((one.name, one.type) for one in servers[1].got) == [*[("add", "call")] * 3, ("note", "oneway")]
        assert all((one.fields, one.transport, one.protocol) == ({1: (Type.I32, 7)}, "header", "compact") for one in servers[1].got)
        assert proxy["cluster.copy.thrift.upstream_rq_call"] == 3
        assert proxy["cluster.copy.thrift.upstream_rq_oneway"] == 1


@pytest.mark.parametrize("answer", ["held", "close", "junk", "half", "exc"])
def test_a_client_does_not_notice_what_becomes_of_its_mirrored_call(servers: tuple[Server, Server], answer: str) -> None:
    copying = route("up", answer, request_mirror_policies=[{"cluster": "copy"}])
    servers[0].plain = (answer,)
    with Running([copying], [cluster("up", servers[0].port), cluster("copy", servers[1].port)]) as proxy, proxy.client() as client:
        for seqid in range(2):
            assert (reply := client.ask(call(answer, seqid))) is not None and (reply.type, reply.seqid) == ("reply", seqid)
        servers[1].wait_for(2)


def test_a_mirror_that_nobody_listens_on_is_counted_by_its_cluster_alone(servers: tuple[Server, Server]) -> None:
    servers[1].listener.close()
    clusters = [cluster("up", servers[0].port), cluster("copy", servers[1].port)]
    with Running([mirrored()], clusters) as proxy, proxy.client() as client:
        assert (reply := client.ask(call("add"))) is not None and reply.type == "reply"
        assert (reply := client.ask(call("add"))) is not None and reply.type == "reply"
        assert proxy["thrift.main.response_success"] == 2
        assert proxy["thrift.main.shadow_request_submit_failure"] == 0
