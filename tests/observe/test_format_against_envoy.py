"""The same formats and the same facts through a real Envoy and through us: every operator, in text and in JSON.

What only Envoy knows (times, ports, numbers of connections, byte counts) is read from its own log and given to us as
facts; what comes from the request, and how everything is spelled, is compared.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from meshcore.bind.format import Formatter, check, set_hostname
from tests.observe.facts import HTTP_11, LOG_DOWNSTREAM_END
from tests.observe.real_envoy import bootstrap, observe
from tests.peers.envoy import envoy_binary

pytestmark = pytest.mark.slow

# Facts that Envoy alone knows, and the operator that tells them.
TOLD = {
    "seconds": "START_TIME(%s)", "micros": "START_TIME(%6f)", "duration": "DURATION", "flags": "RESPONSE_FLAGS",
    "bytes_sent": "BYTES_SENT",
    "bytes_received": "BYTES_RECEIVED", "status": "RESPONSE_CODE",
    "details": "RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)",
    "connection_id": "CONNECTION_ID", "upstream_connection_id": "UPSTREAM_CONNECTION_ID",
    "attempts": "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "remote": "DOWNSTREAM_REMOTE_ADDRESS", "direct": "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "local": "DOWNSTREAM_LOCAL_ADDRESS",
    "host": "UPSTREAM_HOST", "upstream_local": "UPSTREAM_LOCAL_ADDRESS", "stream_id": "STREAM_ID",
    "route_name": "ROUTE_NAME",
    "cluster": "UPSTREAM_CLUSTER_RAW", "cluster_stat_name": "UPSTREAM_CLUSTER",
    "upstream_failure": "UPSTREAM_TRANSPORT_FAILURE_REASON",
    "route_resolutions": "ROUTE_RESOLUTION_COUNT", "tried": "UPSTREAM_HOSTS_ATTEMPTED", "path": "REQ(:path)",
    "scheme": "REQ(:scheme)",
    "date": "RESP(date)", "length": "RESP(content-length)", "type": "RESP(content-type)",
    "time": "RESP(x-envoy-upstream-service-time)",
    "ready": "UPSTREAM_CONNECTION_POOL_READY_DURATION", "forwarded": "REQ(x-forwarded-for)",
    "close": "RESP(connection)",
    "connect_ns": "COMMON_DURATION(US_CX_BEG:US_CX_END:ns)",
}  # fmt: skip
POINTS = {
    "request_end_ns": "DS_RX_END",
    "upstream_first_tx_ns": "US_TX_BEG", "upstream_last_tx_ns": "US_TX_END", "upstream_first_rx_ns": "US_RX_BEG",
    "upstream_last_rx_ns": "US_RX_END", "response_first_tx_ns": "DS_TX_BEG", "response_end_ns": "DS_TX_END",
}  # fmt: skip
WIRE = {f"{side}_{what}_{way}": f"{side.upper()}_{name}_{long}"
        for side in ("downstream", "upstream") for what, name in (("wire", "WIRE_BYTES"), ("header", "HEADER_BYTES"))
        for way, long in (("rx", "RECEIVED"), ("tx", "SENT"))}  # fmt: skip

TIMES = [
    "%Y-%m-%dT%H:%M:%E3S%z",
    "%a %A %b %B %d %e %j",
    "%s.%3f %1f %9f %E*S",
    "%F %T %I %p %Z %:z",
    "%Q %E %-d %^a %G-%V",
]
COMPARED = [
    *(f"START_TIME({pattern})" for pattern in TIMES),
    "START_TIME", "DURATION", "REQUEST_DURATION", "REQUEST_TX_DURATION", "RESPONSE_DURATION", "RESPONSE_TX_DURATION",
    "ROUNDTRIP_DURATION",
    "COMMON_DURATION(US_CX_BEG:US_CX_END:us)", "COMMON_DURATION(DS_RX_BEG:US_TX_BEG:us)",
    "COMMON_DURATION(DS_TX_END:DS_RX_BEG)",
    "COMMON_DURATION(DS_RX_BEG:nobody)", "PROTOCOL", "UPSTREAM_PROTOCOL", "RESPONSE_CODE", "RESPONSE_CODE_DETAILS",
    "RESPONSE_FLAGS",
    "RESPONSE_FLAGS_LONG", "CONNECTION_TERMINATION_DETAILS", "LOCAL_REPLY_BODY", "ACCESS_LOG_TYPE", "ROUTE_NAME",
    "FILTER_CHAIN_NAME",
    "VIRTUAL_CLUSTER_NAME", "ROUTE_RESOLUTION_COUNT", "STREAM_ID", "TRACE_ID", "SPAN_ID", "HOSTNAME",
    "ENVIRONMENT(PATH)",
    "ENVIRONMENT(PATH):7", "ENVIRONMENT(MESH_NOT_SET)", "CUSTOM_FLAGS", "REQ(host)", "REQ(:AUTHORITY):3",
    "REQ(:METHOD)", "REQ(x-dup)",
    "REQ(cookie)", "REQ(accept)", "REQ(user-agent)", "REQ(x-forwarded-for)", "REQ(x-empty)", "REQ(x-empty?x-a)",
    "REQ(nope?x-a):1",
    "REQ(?x-a)", "REQ(x-a?)", "REQ(:scheme)", "REQ(:protocol)", "REQ(:status)", "REQ(:foo)", "RESP(:status)",
    "RESP(:STATUS):1", "RESP(:path)",
    "RESP(x-b)", "RESP(server)", "RESP(connection)", "TRAILER(t)", "QUERY_PARAM(a)", "QUERY_PARAM(b)",
    "QUERY_PARAM(b):2", "QUERY_PARAM(c)",
    "QUERY_PARAM(A)", "QUERY_PARAM(f f)", "QUERY_PARAM(e)", "QUERY_PARAMS", "QUERY_PARAMS:4", "QUERY_PARAMS(DECODED)",
    "PATH", "PATH(NQ)",
    "PATH(WQ:PATH):3", "PATH(:ORIG)", "REQ_WITHOUT_QUERY(:PATH)", "REQ_WITHOUT_QUERY(x-url)",
    "REQ_WITHOUT_QUERY(nope?:PATH):4",
    "DOWNSTREAM_REMOTE_ADDRESS", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(7)", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(99)",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_PORT", "DOWNSTREAM_LOCAL_ADDRESS", "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS",
    "DOWNSTREAM_DETECTED_CLOSE_TYPE", "DOWNSTREAM_LOCAL_CLOSE_REASON", "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
    "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID", "UPSTREAM_HOST", "UPSTREAM_HOST_NAME", "UPSTREAM_HOST_NAME_WITHOUT_PORT",
    "UPSTREAM_HOSTS_ATTEMPTED", "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT", "UPSTREAM_HOST_NAMES_ATTEMPTED",
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT", "UPSTREAM_CONNECTION_IDS_ATTEMPTED", "UPSTREAM_CONNECTION_ID",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT", "UPSTREAM_CLUSTER", "UPSTREAM_CLUSTER_RAW", "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_LOCAL_PORT",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "UPSTREAM_REMOTE_ADDRESS", "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_REMOTE_PORT",
    "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID", "UPSTREAM_TRANSPORT_FAILURE_REASON", "UPSTREAM_DETECTED_CLOSE_TYPE",
    "UPSTREAM_SERVER_NAME",
    "UPSTREAM_TLS_VERSION", "UPSTREAM_PEER_CERT_V_START", "DOWNSTREAM_TLS_CIPHER", "DOWNSTREAM_PEER_SUBJECT",
    "REQUESTED_SERVER_NAME",
    "DYNAMIC_METADATA(a:b):3", "FILTER_STATE(a:PLAIN)", "METADATA(CLUSTER:a)", "CLUSTER_METADATA(a)", "BYTES_SENT",
    "BYTES_RECEIVED",
    "BYTES_RETRANSMITTED", "PACKETS_RETRANSMITTED", "RESPONSE_TRAILERS_BYTES", *WIRE.values(),
    "XFCC_VALUE(uri)", "XFCC_VALUE(Subject)", "XFCC_VALUE(dns)", "XFCC_VALUE(by)", "XFCC_VALUE(cert)", "GRPC_STATUS",
    "GRPC_STATUS(SNAKE_STRING)", "GRPC_STATUS(NUMBER)", "GRPC_STATUS_NUMBER",
    'COALESCE({"operators":[{"command":"REQ","param":"nope"},{"command":"REQ","param":":PATH","max_length":3}]}):2',
    'COALESCE({"operators":["BYTES_RECEIVED"]})', "REQ(x-obs)", "REQ(x-obs):2", "REQ(x-esc)",
]  # fmt: skip
MIXED = [
    "%%",
    "100%% %REQ(x-a)%%REQ(x-a)%",
    "a-%REQ(nope)%-%RESPONSE_CODE%",
    'é"\\%REQ(x-obs)%',
    "%BYTES_SENT%:%PROTOCOL%x",
]

CERTIFICATE = b'By=spiffe://a;Hash=468ed;URI="sp\\"x,;y";Subject="/C=US,O=a";DNS=a.com;DNS=b.com,By=second;Cert=zz'
HEADERS = [
    (b"x-a", b"aa"), (b"x-dup", b"1"), (b"x-dup", b"2"), (b"cookie", b"a=1"), (b"cookie", b"b=2"),
    (b"x-forwarded-for", b"1.1.1.1"),
    (b"x-forwarded-for", b"2.2.2.2"), (b"accept", b"a"), (b"accept", b"b"), (b"user-agent", b"u1"), (b"user-agent",
    b"u2"),
    (b"x-empty", b""), (b"x-url", b"http://a/b?c=d"), (b"x-obs", b"\xe9\xc3\xa9\x80z"), (b"x-esc",
    b'a"b\\c\td</script>'),
    (b"x-forwarded-client-cert", CERTIFICATE),
]  # fmt: skip
QUERY = b"?a=1&b=2%20x+y&c&d=&f%20f=3&a=9&e=%zz&g=%41%22%7e"
REQUESTS: list[tuple[bytes, list[tuple[bytes, bytes]]]] = [
    (b"/p/q" + QUERY, HEADERS),
    (b"/direct", [(b"x-a", b"1")]),
    (b"/dead?a=x", []),
    (b"/nocluster", []),
    (b"/close", []),
    *(
        (b"/grpc", [(b"content-type", b"application/grpc"), (b"x-grpc", status)])
        for status in (b"0", b"1", b"5", b"16", b"17", b"99", b"abc")
    ),
    (b"/dead", [(b"content-type", b"application/grpc+proto")]),
]
FLAGS = {"UF": 1 << 5, "UC": 1 << 6, "NC": 1 << 24}


def raw(path: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return b"GET " + path + b" HTTP/1.1\r\nhost: ex.com:80\r\n" + lines + b"connection: close\r\n\r\n"


def facts_of(told: dict[str, Any], headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """What Envoy's own line says, as our facts."""
    start = 10**9
    present = {key: value for key, value in told.items() if value is not None}
    # A response head shows only what the compared operators ask of it.
    response = [("server", "envoy")]
    response += [
        (name, present[key])
        for name, key in (
            ("date", "date"),
            ("content-length", "length"),
            ("content-type", "type"),
            ("x-envoy-upstream-service-time", "time"),
            ("connection", "close"),
            ("grpc-status", "grpc"),
            ("x-b", "x_b"),
        )
        if key in present
    ]
    facts: dict[str, Any] = {
        "request": {
            "method": "GET",
            "path": told["path"],
            "authority": "ex.com:80",
            "scheme": told["scheme"],
            "headers": headers,
        },
        "response": {"status": told["status"], "headers": response},
        "start_ns": start,
        "start_wall_us": int(told["seconds"]) * 10**6 + int(told["micros"]),
        "end_ns": start + told["duration"] * 10**6,
        "protocol": HTTP_11,
        "upstream_protocol": HTTP_11,
        "log_type": LOG_DOWNSTREAM_END,
        "filter_chain": "fc",
        "flags": FLAGS.get(told["flags"], 0),
        "downstream_remote": told["remote"],
        "downstream_direct_remote": told["direct"],
        "downstream_local": told["local"],
    }
    for name in ("bytes_sent", "bytes_received", "status", "details", "connection_id", "upstream_connection_id",
    "attempts", "stream_id",
                 "route_name", "cluster", "cluster_stat_name", "upstream_failure", "route_resolutions",
                 "upstream_local", *WIRE):  # fmt: skip
        if name in present:
            facts[name] = present[name]
    if "host" in present:
        facts["upstream_remote"] = present["host"]
    if "tried" in present:
        facts["attempted"] = [(present["tried"], "", told["upstream_connection_id"])]
    facts.update({name: start + present[name] for name in POINTS if name in present})
    if "connect_ns" in present:
        # A connection that is used again was made before this request began.
        facts["upstream_connect_start_ns"] = start // 2
        facts["upstream_connect_end_ns"] = start // 2 + present["connect_ns"]
    if "ready" in present:
        facts["upstream_connected_ns"] = start + present["ready"] * 10**6
    return facts


@pytest.fixture(scope="module")
def observed(
    tmp_path_factory: pytest.TempPathFactory,
) -> list[tuple[dict[str, Any], list[tuple[bytes, bytes]], list[str], str]]:
    """Per request: what Envoy told, the headers, its texts and its JSON line."""
    told = {**{k: f"%{v}%" for k, v in TOLD.items()}, **{k: f"%{v}%" for k, v in WIRE.items()},
            **{k: f"%COMMON_DURATION(DS_RX_BEG:{p}:ns)%" for k, p in POINTS.items()},
            "grpc": "%RESP(grpc-status)%", "x_b": "%RESP(x-b)%"}  # fmt: skip
    formats = {
        "told": {"json_format": told},
        "text": {
            "text_format_source": {"inline_string": "\x1f".join([*(f"%{c}%" for c in COMPARED), *MIXED]) + "\x1e"}
        },
        "json": {"json_format": json_tree()},
    }
    hcm = {"forward_client_cert_details": "ALWAYS_FORWARD_ONLY"}
    seen = observe(tmp_path_factory.mktemp("envoy"), formats=formats, requests=[raw(*r) for r in REQUESTS], hcm=hcm)
    tolds = [json.loads(text) for text in seen.logs["told"].splitlines()]
    texts = [text.split("\x1f") for text in seen.logs["text"].split("\x1e")[:-1]]
    lines = seen.logs["json"].splitlines()
    assert len(tolds) == len(texts) == len(lines) == len(REQUESTS)
    set_hostname(socket.gethostname().encode())
    return [(t, with_id(h, t), x, j) for t, (_, h), x, j in zip(tolds, REQUESTS, texts, lines, strict=True)]


def with_id(headers: list[tuple[bytes, bytes]], told: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """The head as it was when the line was written: connection gone, what Envoy added there."""
    return [*headers, (b"x-request-id", told["stream_id"].encode())]


def json_tree() -> dict[str, Any]:
    return {f"k{i:03d}": f"%{c}%" for i, c in enumerate(COMPARED)} | {f"m{i}": text for i, text in enumerate(MIXED)}


def test_text_operators_print_what_envoy_prints(observed: list[Any]) -> None:
    differences = []
    for told, headers, texts, _ in observed:
        facts = facts_of(told, headers)
        for source, expected in zip([*(f"%{c}%" for c in COMPARED), *MIXED], texts, strict=True):
            written = Formatter(source).write(facts).decode("latin-1")
            if written != expected:
                differences.append((told["path"], source, expected, written))
    assert differences == []


def test_json_lines_are_envoys_byte_for_byte(observed: list[Any]) -> None:
    formatter = Formatter(json_tree())
    for told, headers, _, line in observed:
        assert formatter.write(facts_of(told, headers)).decode("latin-1") == line + "\n"


SPELLINGS = [
    "%REQ(x-a)", "%REQ(a b)%", "%REQ(x(a)%", "%REQ(x)a)%", "%REQ(x-a):%", "%REQ()%", "%REQ%", "%DURATION()%",
    "%dURATION%", "% %",
    "100%", "100%%", "%START_TIME()%", "%START_TIME(a)b)%", "%START_TIME(%Y)%)%", "%START_TIME(%3n)%",
    "%START_TIME(abc):2%",
    "%METADATA(X:a)%", "%METADATA(VIRTUAL_HOST:a)%", "%FILTER_STATE(a:FOO)%", "%FILTER_STATE(:PLAIN)%",
    "%FILTER_STATE(a:FIELD)%",
    "%PROTOCOL(a)%", "%PROTOCOL:2%", "%REQ(x-a):0%", "%REQ(x-a):18446744073709551616%", "%REQ(a?b?c)%", "%REQ(?x)%",
    "%PATH(a)%",
    "%PATH(NQ:PATH:x)%", "%QUERY_PARAMS(X)%", "%GRPC_STATUS(x)%", "%COMMON_DURATION(a)%", "%COMMON_DURATION(a:b:s)%",
    "%XFCC_VALUE(x)%",
    "%COALESCE({})%",
    '%COALESCE({"operators":["REQ"]})%', '%COALESCE({"operators":[{"command":"REQ","param":"x","max_length":0}]})%',
    "%REQ_WITHOUT_QUERY%", "%RESPONSE_CODE_DETAILS(x)%", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(129)%",
    "%CLUSTER_METADATA(a):3%",
    "%UNIQUE_ID%", "%NOT_AN_OPERATOR%", "%UPSTREAM_PEER_CERT_V_END(%Y)%", "%DOWNSTREAM_TLS_GROUP%", "%ENVIRONMENT%",
    "%TRACE_ID:3%",
]  # fmt: skip


@pytest.mark.parametrize("text", SPELLINGS)
def test_envoy_accepts_and_refuses_the_same_spellings(text: str, tmp_path: Path) -> None:
    ports = {"listener": 0, "admin": 0, "upstream": 1, "dead": 1}
    logs = {"one": (Path(os.devnull), {"text_format_source": {"inline_string": text}})}
    command = [envoy_binary(), "--mode", "validate", "--disable-hot-restart", "-l", "off", "--config-yaml"]
    run = subprocess.run(
        [*command, json.dumps(bootstrap(ports, logs, {}))], capture_output=True, timeout=30, check=False
    )
    assert (check(text) is None) == (run.returncode == 0)
