"""IP tagging over many ranges, and JSON that comes in hostile shapes: what is found is what a plain reading of the rules finds."""

from __future__ import annotations

import ipaddress
import json
import random
from pathlib import Path
from typing import Any

import pytest

import mesh
from mesh.config import ConfigError
from mesh.testing import Upstream, Wire, bootstrap, running

FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
ROUTER = {"name": "router", "typed_config": {"@type": f"{FILTERS}.router.v3.Router"}}
FILE_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
EDGES = ("0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
FACT = {"metadata_namespace": "ns", "key": "v"}


def tagging(port: int, tags: list[dict[str, Any]]) -> dict[str, Any]:
    one = {"@type": f"{FILTERS}.ip_tagging.v3.IPTagging", "ip_tags": tags}
    hcm = {"http_filters": [{"name": "tags", "typed_config": one}, ROUTER], "use_remote_address": True, "xff_num_trusted_hops": 1}
    return bootstrap(port, hcm=hcm)


def cidr(block: ipaddress.IPv4Network | ipaddress.IPv6Network) -> dict[str, Any]:
    return {"address_prefix": str(block.network_address), "prefix_len": block.prefixlen}


@pytest.mark.slow
def test_each_address_gets_the_names_of_all_ranges_that_hold_it() -> None:
    source = random.Random(7)
    blocks = [ipaddress.ip_network((source.getrandbits(32), source.choice((4, 8, 12, 20, 32))), strict=False) for _ in range(300)]
    blocks += [ipaddress.ip_network((source.getrandbits(128), source.choice((2, 5, 9, 128))), strict=False) for _ in range(100)]
    tags = [{"ip_tag_name": f"t{place}", "ip_list": [cidr(block)]} for place, block in enumerate(blocks)]
    edges = [block.network_address for block in blocks] + [block.broadcast_address for block in blocks]
    asked = source.sample(edges, 60) + [ipaddress.ip_address(text) for text in EDGES]

    def script(wire: Wire) -> None:
        while True:
            up.note(wire.read_request())
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    with Upstream(script) as up, running(tagging(up.port, tags)) as p:
        for address in asked:
            p.get(**{"x-forwarded-for": str(address)})
            expected = {f"t{place}" for place, block in enumerate(blocks) if address in block}
            found = up.requests[-1].get("x-envoy-ip-tags")
            assert set(found.split(",") if found else ()) == expected, address


def reading(port: int, log: Path, *rules: dict[str, Any]) -> dict[str, Any]:
    one = {"@type": f"{FILTERS}.json_to_metadata.v3.JsonToMetadata", "request_rules": {"rules": list(rules)}}
    line = {"text_format_source": {"inline_string": "%DYNAMIC_METADATA(ns)%\n"}}
    logs = [{"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(log), "log_format": line}}]
    return bootstrap(port, hcm={"http_filters": [{"name": "json", "typed_config": one}, ROUTER], "access_log": logs})


def post(p: Any, body: bytes) -> None:
    client = p.client()
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    client.send(head % len(body) + body)
    assert client.read_response().status == 200
    client.close()


@pytest.mark.slow
def test_what_is_json_for_python_and_only_that_is_read(tmp_path: Path) -> None:
    source = random.Random(11)
    seeds = [b'{"a": {"b": [1, "x", null, true, 1.5e3]}, "c": "d\\u00e9\\n"}', '{"ä": "ö", "a": -0.1}'.encode(), b'[{"a": 1}, [], {}]']
    with Upstream() as up, running(reading(up.port, tmp_path / "log", {"selectors": [{"key": "a"}], "on_present": FACT})) as p:
        right = 0
        for _ in range(300):
            body = bytearray(source.choice(seeds))
            for _ in range(source.randint(0, 2)):
                body[source.randrange(len(body))] = source.choice(b'{}[]",:01e.\\tu \xc3')
            try:
                json.loads(bytes(body).decode())
                right += 1
            except ValueError:
                pass
            post(p, bytes(body))
        assert p.stat("json_to_metadata.rq.success") == right
        assert p.stat("json_to_metadata.rq.invalid_json_body") == 300 - right
        assert 30 < right < 270


@pytest.mark.parametrize("depth", [255, 257, 20_000])
def test_depth_has_an_end(tmp_path: Path, depth: int) -> None:
    rule = {"selectors": [{"key": "a"}], "on_present": FACT}
    with Upstream() as up, running(reading(up.port, tmp_path / "log", rule)) as p:
        post(p, b'{"a":' * depth + b"1" + b"}" * depth)
        assert p.stat("json_to_metadata.rq.success") == (depth <= 256)


def test_a_value_too_long_for_a_log_line_ends_in_dots_and_shows_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Upstream() as up, running(reading(up.port, log, {"selectors": [{"key": "a"}], "on_present": FACT})) as p:
        post(p, json.dumps({"a": 'é"' * 2000}, ensure_ascii=False).encode())
    line = log.read_text()
    assert line.startswith('{"v":"é\\"é\\"')
    assert set(line.rstrip("\n").rstrip(".")) <= set('{"v:é\\')
    assert len(line.encode()) < 5000


def test_a_rule_that_says_nothing_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        mesh.Proxy(reading(1, Path("/dev/null"), {"selectors": [{"key": "a"}], "on_missing": FACT}))
    assert "request_rules.rules[0].on_missing.value: required" in str(caught.value)
