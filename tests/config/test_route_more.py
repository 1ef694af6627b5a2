"""What a route may say beyond paths and headers: conditions upon the stream, URI templates, formats."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.config import ConfigError
from mesh.config.uri_template import Template, Unfit, substitution
from meshcore.bind import spec
from tests.config.plans import everything, route

TEMPLATE = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
REWRITE = "type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig"
ONE, REST = "[a-zA-Z0-9-._~%!$&'()+,;:@=*]+", "[a-zA-Z0-9-._~%!$&'()+,;:@=*/]*"


def by_prefix(path: str) -> spec.Route:
    return next(one for one in everything().listeners[0].hcm.routes.virtual_hosts[0].routes if one.match.path == path)


def policy(template: str) -> dict[str, Any]:
    return {"name": "t", "typed_config": {"@type": TEMPLATE, "path_template": template}}


def rewrite(template: str) -> dict[str, Any]:
    return {"name": "t", "typed_config": {"@type": REWRITE, "path_template_rewrite": template}}


def refusal(**patch: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        route(**patch)
    return str(caught.value)


def test_conditions_upon_the_stream_are_kept() -> None:
    assert by_prefix("/c").match == spec.RouteMatch(
        "prefix",
        "/c",
        tls_presented=True,
        tls_validated=False,
        metadata=(
            spec.MetadataMatch(
                "ns",
                ("k", "l"),
                spec.ValueMatch(
                    "any_of",
                    parts=(
                        spec.ValueMatch("bool", flag=True),
                        spec.ValueMatch("range", start=1.0, end=2.0),
                        spec.ValueMatch("any_item", parts=(spec.ValueMatch("string", string=spec.StringMatch("exact", "v")),)),
                    ),
                ),
                invert=True,
            ),
        ),
        filter_state=(
            spec.FilterStateMatch("fs", string=spec.StringMatch("prefix", "a")),
            spec.FilterStateMatch("ip", ranges=(("10.0.0.0", 8),)),
        ),
    )


def test_a_weighted_cluster_may_be_named_by_a_header() -> None:
    action = by_prefix("/c").action
    assert isinstance(action, spec.Forward)
    assert action.weighted == (spec.WeightedCluster("", 1, cluster_header="x-cluster", runtime_key="w."),)


def test_formats_of_path_and_host_are_kept() -> None:
    action = by_prefix("/f").action
    assert isinstance(action, spec.Forward)
    assert (action.host_rewrite, action.path_rewrite) == ("%REQ(x-h)%", "/x%REQ(x-p)%")


def test_a_route_that_forwards_nowhere_finds_no_cluster() -> None:
    assert by_prefix("/n").action == spec.Forward()


def test_a_template_with_its_rewrite_becomes_expressions() -> None:
    found = route(route={"match": {"prefix": None, "path_match_policy": policy("/u/{one}/{two=**}")},
                         "route": {"cluster": "web", "path_rewrite_policy": rewrite("/v/{two}/{one}")}})  # fmt: skip
    assert found.match == spec.RouteMatch("uri_template", f"/u/({ONE})/({REST})")
    assert isinstance(found.action, spec.Forward)
    assert found.action.regex_rewrite == (f"^/u/({ONE})/({REST})$", "/v/\\2/\\1")


@pytest.mark.parametrize(
    ("template", "regex"),
    [
        ("/", "/"),
        ("/a.b", "/a\\.b"),
        ("/a/*/b", f"/a/{ONE}/b"),
        ("/a/**", f"/a/{REST}"),
        ("/a/", "/a/"),
        ("/*.txt", f"/{ONE}\\.txt"),
        ("/{a=x/*}/b", f"/(x/{ONE})/b"),
        ("/{a}.mp4", f"/({ONE})\\.mp4"),
        ("/a{b}", f"/a({ONE})"),
        ("/a*b", "/a*b"),
        ("/{a=x*}", "/(x*)"),
        ("/{a=x/}", "/(x/)"),
        ("/*x/y", f"/{ONE}x/y"),
    ],
)
def test_templates(template: str, regex: str) -> None:
    assert Template(template).regex == regex


@pytest.mark.parametrize(
    "template",
    [
        "a", "", "/a b", "//", "/a//b", "/{a", "/{}", "/{1a}", "/{a}/{a}", "/{abcdefghijklmnopq}", "/**/*", "/**/{a}",
        "/{a}/{b}/{c}/{d}/{e}/{f}", "/{a=}", "/{a=**}/{b=**}", "/<", "/{a={b}}", "/{a=*x}",
        "/{a}{b}", "/*{a}",
    ],
)  # fmt: skip
def test_what_is_no_template(template: str) -> None:
    with pytest.raises(Unfit):
        Template(template)


@pytest.mark.parametrize("rewritten", ["a", "/a//b", "/{x}", "/{a", "/ "])
def test_what_is_no_rewrite(rewritten: str) -> None:
    with pytest.raises(Unfit):
        substitution(rewritten, ["a"])


def test_refusals_name_the_field() -> None:
    bad = {"prefix": None, "path_match_policy": policy("/{a")}
    assert "match.path_match_policy.typed_config.path_template: '/{a' is no URI template" in refusal(route={"match": bad})
    good = {"prefix": None, "path_match_policy": policy("/{a}")}
    one = {"match": good, "route": {"cluster": "web", "path_rewrite_policy": rewrite("/{b}")}}
    assert "path_template_rewrite: '/{b}': the match has no variable 'b'" in refusal(route=one)
    assert "needs a 'path_match_policy'" in refusal(route={"route": {"cluster": "web", "path_rewrite_policy": rewrite("/a")}})
    both = {"match": good, "route": {"cluster": "web", "prefix_rewrite": "/x"}}
    assert "cannot be used with 'path_match_policy'" in refusal(route=both)
    assert "unknown operator NOPE" in refusal(route={"route": {"cluster": "web", "path_rewrite": "%NOPE%"}})
    weighted = {"clusters": [{"name": "web", "cluster_header": "x", "weight": 1}]}
    assert "only one of the two" in refusal(route={"route": {"cluster": None, "weighted_clusters": weighted}})
