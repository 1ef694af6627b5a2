"""Route, RouteMatch, RouteAction, RedirectAction, DirectResponseAction, RetryPolicy and header lists in the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mesh.config import ConfigError
from meshcore.bind import filter_spec, spec
from tests.config.boot import ROUTE_PATH
from tests.config.plans import everything, hcm, route


def routes() -> tuple[spec.Route, ...]:
    return everything().listeners[0].hcm.routes.virtual_hosts[0].routes


def test_a_plain_route_has_envoys_defaults() -> None:
    assert route() == spec.Route(match=spec.RouteMatch("prefix", "/"), action=spec.Forward(cluster="web"))
    assert spec.Forward().timeout_ms == 15_000


def test_a_match_keeps_every_condition() -> None:
    assert routes()[0].match == spec.RouteMatch(
        path_kind="path",
        path="/a",
        case_sensitive=False,
        headers=(
            spec.HeaderMatch("x-a", spec.StringMatch("contains", "v", True), invert=True, treat_missing_as_empty=True),
            spec.HeaderMatch("x-b", range=(-1, 9)),
            spec.HeaderMatch("x-c", present=False),
        ),
        query=(spec.QueryMatch("q", spec.StringMatch("regex", "a+")), spec.QueryMatch("r", present=True)),
        runtime_fraction=spec.RuntimeFraction(5, 10_000, "share"),
        grpc=True,
    )


def test_a_forward_keeps_every_setting() -> None:
    assert routes()[0].action == spec.Forward(
        cluster="web",
        hash_policy=(spec.HashRule("header", "x-k"),),
        metadata_match='{"stage":"beta"}',
        cluster_not_found_code=404,
        prefix_rewrite="/b",
        host_rewrite_literal="h",
        append_x_forwarded_host=True,
        timeout_ms=0,
        idle_timeout_ms=1000,
        max_stream_duration_ms=2000,
        grpc_timeout_header_max_ms=3000,
        grpc_timeout_header_offset_ms=100,
        new_timeouts=True,
        mirrors=(
            spec.MirrorPolicy(
                "web",
                fraction=spec.RuntimeFraction(3, key="mirrored"),
                keep_host=True,
                host_rewrite_literal="copy",
                mutations=(spec.HeaderMutation(request_remove=("x-secret",)),),
            ),
        ),
        internal_redirect=spec.InternalRedirect(
            4, (302, 307), ("safe_cross_scheme", "allow_listed_routes"), ("first",), cross_scheme=True, headers_to_copy=("x-copy",)
        ),
        hedge=spec.HedgePolicy(3, (5, 10_000), on_per_try_timeout=True),
        retry=spec.RetryPolicy(
            retry_on=("5xx", "retriable-status-codes"),
            num_retries=4,
            per_try_timeout_ms=100,
            per_try_idle_timeout_ms=200,
            retriable_status_codes=(429, 503),
            base_ms=10,
            max_ms=30,
            reset_headers=(("x-reset", True),),
            reset_max_ms=7000,
            refused_hosts=("previous_hosts", "omit_host_metadata"),
            refused_labels=(('"n"', "1"), ('"stage"', '"old"')),
            host_attempts=5,
            previous_priorities=2,
            retriable_headers=(spec.HeaderMatch("x-retry", present=True),),
            retriable_request_headers=(spec.HeaderMatch("x-may", spec.StringMatch("exact", "yes-please")),),
        ),
        rate_limits=(spec.RateLimit((spec.RateLimitAction("remote_address", "remote_address"),)),),
        include_vh_rate_limits=True,
        priority_high=True,
    )


def test_a_weighted_connect_route() -> None:
    assert routes()[1].match == spec.RouteMatch("connect", "")
    assert routes()[1].action == spec.Forward(
        weighted=(
            spec.WeightedCluster(
                "web",
                1,
                spec.HeaderMutation(request_remove=("x-w",)),
                "w",
                metadata_match='{"stage":"prod"}',
                filters=(spec.FilterOverride("buf", "buffer", filter_spec.Buffer(5)),),
            ),
            spec.WeightedCluster("names", 3),
        ),
        weight_header="x-pick",
        auto_host_rewrite=True,
        upgrades=(("connect", True),),
        connect_terminate=True,
        connect_allow_post=True,
    )


def test_a_cluster_header_with_rewrites() -> None:
    assert routes()[2].match == spec.RouteMatch("regex", "/r/(.*)")
    assert routes()[2].action == spec.Forward(
        cluster_header="x-to", host_rewrite_header="x-host", regex_rewrite=("^/r/(.*)$", "/\\1")
    )


def test_redirects() -> None:
    assert [one.action for one in routes()[3:6]] == [
        spec.Redirect("https", "o.com", 8443, path_redirect="/n", response_code=308, strip_query=True),
        spec.Redirect(prefix_rewrite="/n"),
        spec.Redirect(scheme="http", regex_rewrite=("s", "t")),
    ]


def test_header_lists_keep_their_order_and_actions() -> None:
    assert routes()[0].mutation == spec.HeaderMutation(
        request_add=(spec.HeaderAdd("x-add", "%PROTOCOL%", "add_if_absent", True),),
        request_remove=("x-old",),
        response_add=(spec.HeaderAdd("x-r", "v", "overwrite"),),
        response_remove=("x-s",),
    )


@pytest.mark.parametrize(
    ("option", "action"),
    [
        ({}, "append"),
        ({"append": True}, "append"),
        ({"append": False}, "overwrite"),
        ({"append_action": "APPEND_IF_EXISTS_OR_ADD"}, "append"),
        ({"append_action": "ADD_IF_ABSENT"}, "add_if_absent"),
        ({"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}, "overwrite"),
        ({"append_action": "OVERWRITE_IF_EXISTS"}, "overwrite_if_exists"),
    ],
)
def test_append_actions(option: dict[str, Any], action: str) -> None:
    found = route(route={"request_headers_to_add": [{"header": {"key": "A", "value": "b"}, **option}]})
    assert found.mutation.request_add == (spec.HeaderAdd("a", "b", action),)


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        ({}, {"present": True}),
        ({"present_match": True}, {"present": True}),
        ({"exact_match": "v"}, {"string": spec.StringMatch("exact", "v")}),
        ({"prefix_match": "v"}, {"string": spec.StringMatch("prefix", "v")}),
        ({"suffix_match": "v"}, {"string": spec.StringMatch("suffix", "v")}),
        ({"contains_match": "v"}, {"string": spec.StringMatch("contains", "v")}),
        ({"safe_regex_match": {"regex": "v"}}, {"string": spec.StringMatch("regex", "v")}),
        ({"string_match": {"suffix": "v"}}, {"string": spec.StringMatch("suffix", "v")}),
    ],
)
def test_header_matchers_old_and_new(matcher: dict[str, Any], expected: dict[str, Any]) -> None:
    found = route(route={"match": {"headers": [{"name": "N", **matcher}]}})
    assert found.match.headers == (spec.HeaderMatch("n", **expected),)


def test_back_off_defaults_and_floor() -> None:
    def policy(**settings: Any) -> spec.RetryPolicy:
        return route(action={"retry_policy": {"retry_on": "reset", **settings}}).action.retry

    assert (policy().base_ms, policy().max_ms, policy().num_retries) == (0, 0, 1)
    only_base = policy(retry_back_off={"base_interval": "0.1s"})
    assert (only_base.base_ms, only_base.max_ms) == (100, 1000)
    tiny = policy(retry_back_off={"base_interval": "0.0001s"})
    assert (tiny.base_ms, tiny.max_ms) == (1, 10)


def test_bodies_come_from_text_bytes_files_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "body").write_bytes(b"\x00file")
    monkeypatch.setenv("MESH_TEST_BODY", "environment")

    def body(**source: str) -> bytes:
        reply = {"route": "<remove>", "direct_response": {"status": 200, "body": source}}
        return route(route=reply).action.body

    assert body(inline_string="text") == b"text"
    assert body(inline_bytes="AAE=") == b"\x00\x01"
    assert body(filename=str(tmp_path / "body")) == b"\x00file"
    assert body(environment_variable="MESH_TEST_BODY") == b"environment"
    with pytest.raises(ConfigError, match="'MESH_TEST_NONE'"):
        body(environment_variable="MESH_TEST_NONE")
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        body(filename=str(tmp_path / "none"))


def test_a_table_keeps_its_flags_and_hosts() -> None:
    table = everything().listeners[0].hcm.routes
    assert (table.name, table.internal_only_headers) == ("table", ("x-secret",))
    assert table.most_specific_mutations_win and table.ignore_port_in_host and table.ignore_path_parameters
    assert table.mutation == spec.HeaderMutation(request_add=(spec.HeaderAdd("x-t", "t"),))
    host = table.virtual_hosts[0]
    assert (host.name, host.domains, host.require_tls) == ("host", ("a.com", "*.b.com"), "external_only")
    assert host.include_request_attempt_count and host.include_attempt_count_in_response
    assert host.retry == spec.RetryPolicy(("reset",))
    assert host.filters[-1:] == host.routes[0].filters == (spec.FilterOverride("py", disabled=True),)


def test_a_setting_per_route_other_than_disabled_is_refused() -> None:
    config = {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute"}
    with pytest.raises(ConfigError) as caught:
        route(route={"typed_per_filter_config": {"lua": config}})
    assert f'{ROUTE_PATH}.typed_per_filter_config["lua"]: ' in str(caught.value)


def test_clusters_are_looked_up_unless_told_not_to() -> None:
    with pytest.raises(ConfigError, match="no cluster is called 'gone'"):
        route(action={"cluster": "gone"})
    found = hcm(action={"cluster": "gone"}, route_config={"validate_clusters": False})
    assert found.routes.virtual_hosts[0].routes[0].action == spec.Forward(cluster="gone")


def test_hosts_keep_virtual_clusters_and_limits() -> None:
    host = everything().listeners[0].hcm.routes.virtual_hosts[0]
    condition = spec.HeaderMatch(":path", spec.StringMatch("prefix", "/v"))
    assert host.virtual_clusters == (spec.VirtualCluster("vc", (condition,)),)
    assert host.include_is_timeout_retry_header is True
    assert (host.retry_buffer_limit, host.body_buffer_limit) == (1000, 2000)
    assert (host.routes[0].retry_buffer_limit, host.routes[0].body_buffer_limit) == (3000, 4000)
    assert everything().listeners[0].hcm.routes.vhost_header == "x-vhost"


def test_an_empty_max_stream_duration_still_switches_the_timeout_off() -> None:
    found = route(action={"max_stream_duration": {}}).action
    assert found == spec.Forward(cluster="web", new_timeouts=True)


def test_direct_bodies_can_be_formats() -> None:
    text, tree = (one.action for one in routes()[-2:])
    assert text == spec.DirectResponse(200, content_type="text/x", format="%PROTOCOL%", omit_empty=True)
    assert tree == spec.DirectResponse(200, content_type="application/json", json={"p": "%PROTOCOL%"})
