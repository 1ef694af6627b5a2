"""envoy.config.accesslog.v3.AccessLog: file, stdout and stderr logs, their formats and filters.

A filter lowers to the tree of tests that the engine walks when a stream ends. What would need tracing or metadata is
refused by name. Called by hcm.py and bootstrap.py."""

from __future__ import annotations

from typing import Any

from mesh.config import format as formats
from mesh.config import matcher, runtime
from mesh.config.errors import join, nearest
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from meshcore.bind import spec

LOG = Fields("envoy.config.accesslog.v3.AccessLog", {"name", "filter", "typed_config"})
FILTER = Fields(
    "envoy.config.accesslog.v3.AccessLogFilter",
    {
        "status_code_filter", "duration_filter", "not_health_check_filter", "response_flag_filter", "header_filter",
        "runtime_filter", "grpc_status_filter", "log_type_filter", "and_filter", "or_filter",
    },
)  # fmt: skip
FILE = Fields(
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    {"path", "format", "json_format", "typed_json_format", "log_format"},
)
STDOUT = Fields("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", {"log_format"})
STDERR = Fields("envoy.extensions.access_loggers.stream.v3.StderrAccessLog", {"log_format"})
TYPES = {FILE.message: "", STDOUT.message: "/dev/stdout", STDERR.message: "/dev/stderr"}
TABLES = {FILE.message: FILE, STDOUT.message: STDOUT, STDERR.message: STDERR}
OPERATORS = ("eq", "ge", "le", "ne")
FLAGS = frozenset(
    {
        "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX", "SI",
        "IH", "DPE",
        "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR", "UDO",
    }
)  # fmt: skip


def lower_all(logs: Any, low: Lowering, path: str) -> tuple[spec.AccessLog, ...]:
    found = each(logs, path, lambda item, at: lower(item, low, at))
    return tuple(log for log in found if log is not None)


def lower(message: Any, low: Lowering, path: str) -> spec.AccessLog | None:
    LOG.check(message, low.report, path)
    at = join(path, "typed_config")
    config, stream = low.unpack(message.typed_config, at, TYPES, "an access log")
    if config is None:
        return None
    table = TABLES[config.DESCRIPTOR.full_name]
    table.check(config, low.report, at)
    text, json = _format(config, low, at)
    log_format = config.log_format if config.HasField("log_format") else None
    return spec.AccessLog(
        path=stream or getattr(config, "path", ""),
        format=text,
        json=json,
        json_omit_empty=bool(log_format and log_format.omit_empty_values),
        filter=lower_filter(message.filter, low, join(path, "filter")) if message.HasField("filter") else None,
    )


def _format(config: Any, low: Lowering, path: str) -> tuple[str | None, Any]:
    which = config.WhichOneof("access_log_format")
    if which == "log_format":
        return formats.lower(config.log_format, low, join(path, which))
    if which == "format":
        formats.check_text(config.format, low, join(path, which))
        return config.format or formats.DEFAULT_TEXT, None
    if which in ("json_format", "typed_json_format"):
        return None, formats.lower_json(getattr(config, which), low, join(path, which))
    return formats.DEFAULT_TEXT, None


def lower_filter(message: Any, low: Lowering, path: str) -> spec.LogFilter | None:
    FILTER.check(message, low.report, path)
    which = message.WhichOneof("filter_specifier")
    at = join(path, which or "")
    inner: Any = getattr(message, which) if which else None
    if which in ("status_code_filter", "duration_filter"):
        value = inner.comparison.value
        return spec.LogFilter(
            which.removesuffix("_filter").removesuffix("_code"),
            op=_operator(inner.comparison, low, join(at, "comparison")),
            value=value.default_value,
            key=value.runtime_key,
        )
    if which == "not_health_check_filter":
        return spec.LogFilter("not_health_check")
    if which == "response_flag_filter":
        return spec.LogFilter("flags", flags=lower_flags(inner.flags, low, join(at, "flags")))
    if which == "header_filter":
        return spec.LogFilter("header", header=matcher.lower_header(inner.header, low, join(at, "header")))
    if which == "runtime_filter":
        return _fraction(inner, low, at)
    if which == "grpc_status_filter":
        return spec.LogFilter("grpc_status", numbers=tuple(inner.statuses), exclude=inner.exclude)
    if which == "log_type_filter":
        return spec.LogFilter("log_type", numbers=tuple(inner.types), exclude=inner.exclude)
    if which in ("and_filter", "or_filter"):
        parts = each(inner.filters, join(at, "filters"), lambda item, here: lower_filter(item, low, here))
        return spec.LogFilter(which.removesuffix("_filter"), parts=tuple(part for part in parts if part is not None))
    return None


def _operator(comparison: Any, low: Lowering, path: str) -> str:
    if comparison.op >= len(OPERATORS):
        low.refuse(join(path, "op"), f"{comparison.op} is not accepted; one of EQ, GE, LE, NE")
        return "eq"
    return OPERATORS[comparison.op]


def _fraction(message: Any, low: Lowering, path: str) -> spec.LogFilter:
    sampled = runtime.lower_percent(message.percent_sampled, low, join(path, "percent_sampled"), message.runtime_key)
    return spec.LogFilter("fraction", fraction=sampled, independent=message.use_independent_randomness)


def lower_flags(flags: Any, low: Lowering, path: str) -> tuple[str, ...]:
    for index, flag in enumerate(flags):
        if flag not in FLAGS:
            low.refuse(
                f"{path}[{index}]",
                f"'{flag}' is no response flag; one of {', '.join(sorted(FLAGS))}{nearest(flag, FLAGS)}",
            )
    return tuple(flags)
