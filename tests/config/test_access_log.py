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
    assert (found.status_at_least, found.not_health_check, found.response_flags) == (400, True, ("UH", "NR"))
    assert found.json_omit_empty
    assert log(filter={"response_flag_filter": {}}).response_flags == ()
    both = {"and_filter": {"filters": [status(400), status(500)]}}
    assert log(filter=both).status_at_least == 500


@pytest.mark.parametrize(
    ("filter", "path"),
    [
        (status(200, "EQ"), "status_code_filter.comparison.op: 'EQ' is not implemented yet in mesh; GE is"),
        (
            {"duration_filter": {"comparison": {"value": {"runtime_key": "k"}}}},
            "duration_filter: 'duration_filter' is not",
        ),
        (
            {"or_filter": {"filters": [status(400), status(500)]}},
            "or_filter: 'or_filter' is not implemented yet in mesh",
        ),
        (
            {"and_filter": {"filters": [{"response_flag_filter": {}}, {"response_flag_filter": {}}]}},
            "and_filter.filters[1]: a second 'response_flag_filter'",
        ),
        (
            {"and_filter": {"filters": [status(400), {"runtime_filter": {"runtime_key": "k"}}]}},
            "and_filter.filters[1].runtime_filter: ",
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
            status_op="ge",
            status=500,
            flags=("UF",),
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
    assert (found.status_op, found.status, found.new_status, found.body) == (word, 503, 500, None)
