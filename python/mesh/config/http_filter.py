"""HTTP filters of a connection manager: the router, which stands last, native filters (native_filter.py), and filters
written in Python.

A Python filter has the type URL of a TypedStruct whose inner `type_url` is `mesh.filters.python` and whose value is
{class: "package.module:Class", config: {...}}. Its settings lower to (class path, config as JSON text with sorted
keys)."""

from __future__ import annotations

import json
import re
from typing import Any

from mesh.config import filter_parts, native_filter
from mesh.config.errors import join, nearest
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering, wrapped_or
from mesh.config.render import to_tree
from meshcore.bind import spec

FILTER = Fields(
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
    {"name", "typed_config", "disabled"},
    harmless={"is_optional": anything},
)
ROUTER = Fields(
    "envoy.extensions.filters.http.router.v3.Router",
    {"suppress_envoy_headers", "dynamic_stats", "respect_expected_rq_timeout", "strict_check_headers"},
    harmless={"start_child_span": anything, "upstream_http_filters": filter_parts.codec_alone},
)
PYTHON = "mesh.filters.python"
TYPES = {
    ROUTER.message: "router",
    "xds.type.v3.TypedStruct": "struct",
    "udpa.type.v1.TypedStruct": "struct",
    **{message: kind for message, (kind, _lower) in native_filter.FILTERS.items()},
}
CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
PYTHON_KEYS = ("class", "config")


def lower_all(filters: Any, low: Lowering, path: str) -> tuple[spec.HttpFilter, ...]:
    """The chain; exactly its last filter is the router."""
    found = []
    names: set[str] = set()
    for index, item in enumerate(filters):
        at = f"{path}[{index}]"
        one = lower(item, low, at)
        if item.name in names and one is not None and one.kind != "router":
            low.refuse(join(at, "name"), f"'{item.name}' stands here twice; routes could not tell the two apart")
        names.add(item.name)
        last = index == len(filters) - 1
        if one is not None and (one.kind == "router") != last:
            text = "the router is a terminal filter and must be the last" if one.kind == "router" else "the last filter must be the router"
            low.refuse(at, text)
        if one is not None and one.kind == "router" and one.disabled:
            low.refuse(join(at, "disabled"), "a terminal filter cannot be disabled")
        if one is not None:
            found.append(one)
    if not len(filters):
        low.refuse(path, "must have at least the router filter (envoy.filters.http.router)")
    return tuple(found)


def lower(message: Any, low: Lowering, path: str) -> spec.HttpFilter | None:
    FILTER.check(message, low.report, path)
    if message.WhichOneof("config_type") == "config_discovery":
        return None
    at = join(path, "typed_config")
    config, kind = low.unpack(message.typed_config, at, TYPES, "an HTTP filter")
    if config is None:
        return None
    if kind == "router":
        ROUTER.check(config, low.report, at)
        settings = spec.Router(
            suppress_envoy_headers=config.suppress_envoy_headers,
            dynamic_stats=wrapped_or(config, "dynamic_stats", True),
            respect_expected_rq_timeout=config.respect_expected_rq_timeout,
            strict_check_headers=tuple(name.lower() for name in config.strict_check_headers),
        )
        plain = settings == spec.Router()
        return spec.HttpFilter(message.name, "router", None if plain else settings, message.disabled)
    if kind != "struct":
        lower_native = native_filter.FILTERS[config.DESCRIPTOR.full_name][1]
        return spec.HttpFilter(message.name, kind, lower_native(config, low, at), message.disabled)
    python = _python(config, low, at)
    return spec.HttpFilter(message.name, "python", python, message.disabled) if python else None


def _python(struct: Any, low: Lowering, path: str) -> tuple[str, str] | None:
    inner = struct.type_url.rpartition("/")[2]
    if inner != PYTHON:
        low.refuse(join(path, "type_url"), f"'{struct.type_url}' is not implemented yet in mesh; {PYTHON} is accepted")
        return None
    value = to_tree(struct.value)
    for key in value:
        if key not in PYTHON_KEYS:
            low.refuse(join(path, f"value.{key}"), f"no such field of {PYTHON}{nearest(key, PYTHON_KEYS)}")
    class_path = value.get("class")
    if not isinstance(class_path, str) or not CLASS_PATH.fullmatch(class_path):
        low.refuse(join(path, "value.class"), f"{class_path!r} is not a class path; write package.module:Class")
        return None
    return class_path, json.dumps(value.get("config", {}), sort_keys=True, separators=(",", ":"))
