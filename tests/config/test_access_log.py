"""Access logs, their formats and filters, and the formats of local replies in the plan."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.config import ConfigError
from mesh.config.format import DEFAULT_TEXT
from meshcore.bind import spec
from tests.config.boot import HCM_PATH
from tests.config.plans import everything, hcm

LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers"
FILE = f"{LOGGERS}.file.v3.FileAccessLog"
FILTER_PATH = f"{HCM_PATH}.access_log[0].filter"


def log(filter: Any = None, **config: Any) -> spec.AccessLog:
    one: dict[str, Any] = {"typed_config": {"@type": FILE, "path": "/tmp/log", **config}}
    if filter is not None:
        one["filter"] = filter
    return hcm(hcm={"access_log": [one]}).access_logs[0]


def status(value: int, op: str = "GE") -> dict[str, Any]:
    return {"status_code_filter": {"comparison": {"op": op, "value": {"default_value": value, "runtime_key": "k"}}}}


def test_a_log_without_a_format_has_envoys_default() -> None:
    assert log() == spec.AccessLog("/tmp/log", DEFAULT_TEXT)
    assert DEFAULT_TEXT.startswith("[%START_TIME%] ") and DEFAULT_TEXT.endswith('"%UPSTREAM_HOST%"\n')


@pytest.mark.parametrize(
    "config",
    [
        {"format": "a\n"},
        {"log_format": {"text_format": "a\n"}},
        {"log_format": {"text_format_source": {"inline_string": "a\n"}}},
    ],
)
def test_text_formats_old_and_new(config: dict[str, Any]) -> None:
    assert log(**config) == spec.AccessLog("/tmp/log", "a\n")


@pytest.mark.parametrize("key", ["json_format", "typed_json_format"])
def test_json_formats_old_and_new(key: str) -> None:
    tree = {"b": "%PROTOCOL%", "a": {"c": [1, 1.5, True, None]}}
    found = log(**{key: tree})
    assert (found.format, found.json) == (None, tree)
    assert list(found.json) == ["a", "b"]
    assert log(log_format={"json_format": tree}) == found


@pytest.mark.parametrize(("stream", "path"), [("Stdout", "/dev/stdout"), ("Stderr", "/dev/stderr")])
def test_streams_are_files_too(stream: str, path: str) -> None:
    config = {"typed_config": {"@type": f"{LOGGERS}.stream.v3.{stream}AccessLog"}}
    assert hcm(hcm={"access_log": [config]}).access_logs == (spec.AccessLog(path, DEFAULT_TEXT),)


def test_filters_narrow_together() -> None:
    found = everything().listeners[0].hcm.access_logs[0]
    assert found.filter is not None and found.filter.test == "and"
    assert found.filter.parts[:3] == (
        spec.LogFilter("status", "ge", 400, key="k"),
        spec.LogFilter("not_health_check"),
        spec.LogFilter("flags", flags=("UH", "NR")),
    )
    assert found.json_omit_empty
    assert log(filter={"response_flag_filter": {}}).filter == spec.LogFilter("flags")
    assert log().filter is None


@pytest.mark.parametrize(("op", "word"), [("EQ", "eq"), ("GE", "ge"), ("LE", "le"), ("NE", "ne")])
def test_filters_compare_in_every_way(op: str, word: str) -> None:
    assert log(filter=status(200, op)).filter == spec.LogFilter("status", word, 200, "k")
    comparison = {"op": op, "value": {"default_value": 7, "runtime_key": "k"}}
    assert log(filter={"duration_filter": {"comparison": comparison}}).filter == spec.LogFilter("duration", word, 7, "k")


def test_filters_nest() -> None:
    either = {"or_filter": {"filters": [status(400), {"and_filter": {"filters": [status(1), status(2, "LE")]}}]}}
    inner = spec.LogFilter("and", parts=(spec.LogFilter("status", "ge", 1, "k"), spec.LogFilter("status", "le", 2, "k")))
    assert log(filter=either).filter == spec.LogFilter("or", parts=(spec.LogFilter("status", "ge", 400, "k"), inner))


def test_a_fraction_keeps_its_key() -> None:
    sampled = {"numerator": 5, "denominator": "TEN_THOUSAND"}
    found = log(filter={"runtime_filter": {"runtime_key": "k", "percent_sampled": sampled}}).filter
    assert found == spec.LogFilter("fraction", fraction=spec.RuntimeFraction(5, 10_000, "k"))
    found = log(filter={"runtime_filter": {"runtime_key": "k", "use_independent_randomness": True}}).filter
    assert found == spec.LogFilter("fraction", fraction=spec.RuntimeFraction(0, 100, "k"), independent=True)


def test_filters_by_header_grpc_status_and_type() -> None:
    header = {"name": "X-Log", "string_match": {"exact": "yes"}}
    found = log(filter={"header_filter": {"header": header}}).filter
    assert found == spec.LogFilter("header", header=spec.HeaderMatch("x-log", spec.StringMatch("exact", "yes")))
    statuses = {"statuses": ["UNAVAILABLE", "OK"], "exclude": True}
    found = log(filter={"grpc_status_filter": statuses}).filter
    assert found == spec.LogFilter("grpc_status", numbers=(14, 0), exclude=True)
    assert log(filter={"log_type_filter": {"types": ["DownstreamEnd"]}}).filter == spec.LogFilter("log_type", numbers=(6,))


@pytest.mark.parametrize(
    ("filter", "path"),
    [
        ({"traceable_filter": {}}, "traceable_filter: 'traceable_filter' is not implemented yet in mesh"),
        (
            {"or_filter": {"filters": [status(400), {"metadata_filter": {}}]}},
            "or_filter.filters[1].metadata_filter: 'metadata_filter' is not implemented yet in mesh",
        ),
    ],
)
def test_a_filter_that_the_engine_cannot_decide_is_refused(filter: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        log(filter=filter)
    assert f"<dict>: {FILTER_PATH}.{path}" in str(caught.value)


def test_a_logger_of_another_kind_is_refused_with_what_there_is() -> None:
    config = {"typed_config": {"@type": f"{LOGGERS}.grpc.v3.HttpGrpcAccessLogConfig"}}
    with pytest.raises(ConfigError, match="an access log may be FileAccessLog, StderrAccessLog, StdoutAccessLog"):
        hcm(hcm={"access_log": [config]})


def test_a_format_is_checked_by_the_engine_down_to_the_string() -> None:
    with pytest.raises(ConfigError, match=r"log_format.json_format.a.b: .*NOTHING"):
        log(log_format={"json_format": {"a": {"b": "%NOTHING%"}}})
    with pytest.raises(ConfigError, match=r"log_format.text_format_source.inline_string: "):
        log(log_format={"text_format_source": {"inline_string": "%BYTES"}})


def test_local_replies_keep_their_mappers_and_formats() -> None:
    found = everything().listeners[0].hcm
    assert found.local_reply_body_format == spec.AccessLog("", "<%LOCAL_REPLY_BODY%>", content_type="text/html")
    assert found.local_reply_mappers == (
        spec.LocalReplyMapper(
            filter=spec.LogFilter("and", parts=(spec.LogFilter("status", "ge", 500, "k"), spec.LogFilter("flags", flags=("UF",)))),
            new_status=501,
            body=b"sorry",
            body_format=spec.AccessLog("", json={"m": "%LOCAL_REPLY_BODY%"}),
            headers_to_add=(spec.HeaderAdd("x-l", "lr", "overwrite_if_exists"),),
        ),
    )


@pytest.mark.parametrize(("op", "word"), [("EQ", "eq"), ("GE", "ge"), ("LE", "le"), ("NE", "ne")])
def test_mappers_compare_in_every_way(op: str, word: str) -> None:
    mapper = {"filter": status(503, op), "status_code": 500}
    [found] = hcm(hcm={"local_reply_config": {"mappers": [mapper]}}).local_reply_mappers
    assert (found.filter, found.new_status, found.body) == (spec.LogFilter("status", word, 503, "k"), 500, None)
