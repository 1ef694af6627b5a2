"""envoy.config.accesslog.v3.AccessLog: file, stdout and stderr logs, their formats and filters.

A filter lowers to what the engine decides per request without a tree: status at least N, not a health check, response
flags; an `and_filter` of those is the same three together. Everything else is refused by name. Called by hcm.py and
bootstrap.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mesh.config import format as formats
from mesh.config.errors import join, nearest
from mesh.config.fields import Fields
from mesh.config.lowering import Lowering, each
from meshcore.bind import spec

LOG = Fields("envoy.config.accesslog.v3.AccessLog", {"name", "filter", "typed_config"})
FILTER = Fields(
    "envoy.config.accesslog.v3.AccessLogFilter",
    {"status_code_filter", "not_health_check_filter", "response_flag_filter", "and_filter"},
)
FILE = Fields(
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    {"path", "format", "json_format", "typed_json_format", "log_format"},
)
STDOUT = Fields("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", {"log_format"})
STDERR = Fields("envoy.extensions.access_loggers.stream.v3.StderrAccessLog", {"log_format"})
TYPES = {FILE.message: "", STDOUT.message: "/dev/stdout", STDERR.message: "/dev/stderr"}
TABLES = {FILE.message: FILE, STDOUT.message: STDOUT, STDERR.message: STDERR}
STATUS_GE = 1
FLAGS = frozenset(
    {
        "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX", "SI",
        "IH", "DPE",
        "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR", "UDO",
    }
)  # fmt: skip


@dataclass(slots=True, frozen=True)
class Filter:
    """What an AccessLogFilter asks for; each part narrows."""

    status_at_least: int = 0
    not_health_check: bool = False
    flags: tuple[str, ...] | None = None


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
    chosen = lower_filter(message.filter, low, join(path, "filter")) if message.HasField("filter") else Filter()
    log_format = config.log_format if config.HasField("log_format") else None
    return spec.AccessLog(
        path=stream or getattr(config, "path", ""),
        format=text,
        json=json,
        json_omit_empty=bool(log_format and log_format.omit_empty_values),
        status_at_least=chosen.status_at_least,
        not_health_check=chosen.not_health_check,
        response_flags=chosen.flags,
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


def lower_filter(message: Any, low: Lowering, path: str) -> Filter:
    FILTER.check(message, low.report, path)
    which = message.WhichOneof("filter_specifier")
    at = join(path, which or "")
    if which == "status_code_filter":
        return Filter(status_at_least=_status(message.status_code_filter.comparison, low, join(at, "comparison")))
    if which == "not_health_check_filter":
        return Filter(not_health_check=True)
    if which == "response_flag_filter":
        return Filter(flags=lower_flags(message.response_flag_filter.flags, low, join(at, "flags")))
    if which == "and_filter":
        return _both(message.and_filter.filters, low, join(at, "filters"))
    return Filter()


def lower_flags(flags: Any, low: Lowering, path: str) -> tuple[str, ...]:
    for index, flag in enumerate(flags):
        if flag not in FLAGS:
            low.refuse(
                f"{path}[{index}]",
                f"'{flag}' is no response flag; one of {', '.join(sorted(FLAGS))}{nearest(flag, FLAGS)}",
            )
    return tuple(flags)


def _status(comparison: Any, low: Lowering, path: str) -> int:
    if comparison.op != STATUS_GE:
        name = type(comparison).Op.Name(comparison.op)
        low.refuse(join(path, "op"), f"'{name}' is not implemented yet in mesh; GE is")
    return int(comparison.value.default_value)


def _both(filters: Any, low: Lowering, path: str) -> Filter:
    """All of `filters` in one; flags of two filters would have to intersect, which a request with several flags
    cannot express."""
    status, healthy, flags = 0, False, None
    for index, item in enumerate(filters):
        at = f"{path}[{index}]"
        one = lower_filter(item, low, at)
        status, healthy = max(status, one.status_at_least), healthy or one.not_health_check
        if one.flags is not None:
            if flags is not None:
                low.refuse(
                    at, "a second 'response_flag_filter' in one 'and_filter' is not implemented yet in mesh; remove it"
                )
            flags = one.flags
    return Filter(status, healthy, flags)
