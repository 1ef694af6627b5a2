"""The chain of HTTP filters: the router at its end, Python filters before it, nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mesh.config import ConfigError
from meshcore.bind import spec
from tests.config.boot import HCM_PATH, ROUTER_TYPE
from tests.config.plans import everything, hcm

ROUTER = {"name": "router", "typed_config": {"@type": ROUTER_TYPE}}


def python(
    name: str = "py", struct: str = "xds.type.v3.TypedStruct", url: str = "mesh.filters.python", **value: Any
) -> dict:
    return {"name": name, "typed_config": {"@type": f"type.googleapis.com/{struct}", "type_url": url, "value": value}}


def chain(*filters: dict) -> tuple[spec.HttpFilter, ...]:
    return hcm(hcm={"http_filters": list(filters)}).filters


@pytest.mark.parametrize("struct", ["xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"])
@pytest.mark.parametrize("url", ["mesh.filters.python", "type.googleapis.com/mesh.filters.python"])
def test_a_python_filter_is_its_class_and_its_config(struct: str, url: str) -> None:
    found = chain(python(struct=struct, url=url, **{"class": "a.b:C", "config": {"z": [1, 1.5], "a": None}}), ROUTER)
    assert found == (
        spec.HttpFilter("py", "python", ("a.b:C", '{"a":null,"z":[1,1.5]}')),
        spec.HttpFilter("router", "router"),
    )
    assert json.loads(found[0].settings[1]) == {"a": None, "z": [1, 1.5]}


def test_the_router_keeps_its_settings() -> None:
    settings = {
        "suppress_envoy_headers": True,
        "dynamic_stats": False,
        "respect_expected_rq_timeout": True,
        "strict_check_headers": ["x-envoy-max-retries"],
    }
    [found] = chain({"name": "router", "typed_config": {"@type": ROUTER_TYPE, **settings}})
    assert found.settings == spec.Router(True, False, True, ("x-envoy-max-retries",))


CODEC = "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"


@pytest.mark.parametrize("before", [(), ("buffer.v3.Buffer",)])
def test_a_chain_towards_hosts_may_be_their_protocol_alone(before: tuple[str, ...]) -> None:
    filters = [{"name": one, "typed_config": {"@type": f"type.googleapis.com/envoy.extensions.filters.http.{one}"}} for one in before]
    filters.append({"name": "codec", "typed_config": {"@type": CODEC}})
    router = {"name": "router", "typed_config": {"@type": ROUTER_TYPE, "upstream_http_filters": filters}}
    if not before:
        assert chain(router) == chain(ROUTER)
        return
    with pytest.raises(ConfigError, match="'upstream_http_filters' is not implemented yet"):
        chain(router)


def test_a_header_that_the_router_cannot_check_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"strict_check_headers: .*'x-other' is not accepted"):
        chain({"name": "router", "typed_config": {"@type": ROUTER_TYPE, "strict_check_headers": ["x-other"]}})


def test_a_disabled_filter_says_so() -> None:
    assert everything().listeners[0].hcm.filters[0] == spec.HttpFilter(
        "py", "python", ("pkg.mod:Class", '{"a":["x"],"b":1}'), disabled=True
    )


def test_without_a_config_a_python_filter_gets_an_empty_one() -> None:
    assert chain(python(**{"class": "a:B"}), ROUTER)[0].settings == ("a:B", "{}")


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ([], "http_filters: must have at least the router filter"),
        ([ROUTER, python(**{"class": "a:B"})], "http_filters[0]: the router is a terminal filter and must be the last"),
        ([python(**{"class": "a:B"})], "http_filters[0]: the last filter must be the router"),
        (
            [python(**{"class": "a.b"}), ROUTER],
            "http_filters[0].typed_config.value.class: 'a.b' is not a class path; w",
        ),
        ([python(), ROUTER], "http_filters[0].typed_config.value.class: None is not a class path"),
        (
            [python(clas="a:B"), ROUTER],
            "http_filters[0].typed_config.value.clas: no such field of mesh.filters.python; did",
        ),
        (
            [python(url="lua", **{"class": "a:B"}), ROUTER],
            "http_filters[0].typed_config.type_url: 'lua' is not implemented",
        ),
        (
            [python(**{"class": "a:B"}), python(**{"class": "a:B"}), ROUTER],
            "http_filters[1].name: 'py' stands here twice",
        ),
        (
            [
                {
                    "name": "c",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"},
                },
                ROUTER,
            ],
            "http_filters[0].typed_config: 'envoy.extensions.filters.http.lua.v3.Lua' is not implemented yet in mesh",
        ),
        (
            [{"name": "r", "typed_config": {"@type": ROUTER_TYPE, "upstream_log": [{}]}}],
            "http_filters[0].typed_config.upstream_log: 'upstream_log' is not implemented yet",
        ),
    ],
)
def test_a_chain_that_cannot_run_is_refused_where_it_is_wrong(filters: list, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        chain(*filters)
    assert f"<dict>: {HCM_PATH}.{text}" in str(caught.value)
