"""Configuration of a proxy: read it, check it, and lower it to the engine's plan.

`load` takes an Envoy v3 bootstrap (YAML, JSON, binary or text protobuf, a dict, a message) or the short form of
`mesh.config.short`, and returns a `Loaded`, or raises `ConfigError` with every problem it found. What Envoy knows and
mesh does not implement is refused by its full path. Nothing here opens a socket or starts a thread; any thread may
call it.

How it flows: source.py reads -> short.py turns a short form into a bootstrap tree -> parse.py makes the message ->
rules.py checks Envoy's own constraints -> bootstrap.py and one file per message lower it to
`meshcore.bind.spec.Plan`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from mesh.config import collector, protobuf_runtime  # noqa: F401 - the latter before the first of protobuf
from mesh.config.errors import ConfigError, Problem, Report
from meshcore.bind.record import record

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from mesh.config.lowering import Lowering
    from meshcore.bind.spec import Plan

__all__ = ["ConfigError", "Loaded", "Problem", "load", "locator"]

Locate = Callable[[str], tuple[str, int, str]]


@record
class Loaded:
    """A configuration that can run: the bootstrap message as bytes (an eighth of what it takes as an object), the plan it
    lowers to, and where it came from."""

    packed: bytes
    plan: Plan
    origin: str
    low: Lowering  # how further resources of it are lowered

    @property
    def bootstrap(self) -> Any:
        """The bootstrap message; parsed each time."""
        from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap

        return Bootstrap.FromString(self.packed)


def load(
    source: str | os.PathLike[str] | dict[str, Any] | Message | Loaded | None,
    *,
    overlay: str | dict[str, Any] | None = None,
    node: dict[str, str] | None = None,
) -> Loaded:
    """Loads `source`: a path, a dict, or a bootstrap message (a `Loaded` is returned as it is; None when `overlay` is
    all).

    `overlay` is YAML text (or a dict) merged over it as protobuf merges messages: scalars replace, lists append
    (Envoy's --config-yaml). `node` replaces parts of the node: `id`, `cluster`, `zone`. Raises ConfigError."""
    if isinstance(source, Loaded):
        return source
    from mesh.config import bootstrap as bootstraps
    from mesh.config.lowering import Lowering

    with collector.paused():
        message, report, origin = _read(source, overlay)
        _name_node(message, node or {})
        low = Lowering(report)
        plan = bootstraps.lower(message, low)
        report.raise_if_any()
    # A report of its own: this one holds the text of the file.
    return Loaded(message.SerializeToString(), plan, origin, low.again(Report(origin)))


def read_bootstrap(source: str | os.PathLike[str] | dict[str, Any] | Message, *, overlay: str | dict[str, Any] | None = None) -> Any:
    """The bootstrap message of `source`, short form included, parsed but neither checked nor lowered."""
    return _read(source, overlay)[0]


def locator(source: str | os.PathLike[str] | dict[str, Any], *, overlay: str | dict[str, Any] | None = None) -> Locate:
    """Reads `source` once more, to tell (origin, line, path as the user wrote it) of a field path; line 0: not known."""
    return _read(source, overlay)[1].locate


def _name_node(message: Any, node: dict[str, str]) -> None:
    if "id" in node:
        message.node.id = node["id"]
    if "cluster" in node:
        message.node.cluster = node["cluster"]
    if "zone" in node:
        message.node.locality.zone = node["zone"]


def _read(source: Any, overlay: Any) -> tuple[Any, Report, str]:
    from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
    from google.protobuf.message import DecodeError

    from mesh.config import source as sources

    layers = []
    if isinstance(source, dict):
        layers.append(sources.from_tree(source))
    elif isinstance(source, str | os.PathLike):
        layers.append(sources.from_path(source))
    elif source is not None:
        layers.append(sources.from_message(source))
    if isinstance(overlay, dict):
        layers.append(sources.from_tree(overlay, "--config-yaml"))
    elif overlay:
        layers.append(sources.from_yaml(overlay, "--config-yaml"))

    message = Bootstrap()
    for layer in layers:
        report = Report(layer.origin, partial(_locate, [layer]))
        part = Bootstrap()
        if layer.short_form:
            from mesh.config import short

            places = short.expand(layer.tree, part, report)
        else:
            layer.merge_into(part, report)
        report.raise_if_any()
        if layer.short_form:
            layer.places = places
        try:
            message.MergeFrom(part)
        except DecodeError:
            raise sources.too_deep(layer.origin) from None
    origin = layers[0].origin if layers else "<nothing>"
    return message, Report(origin, partial(_locate, layers)), origin


def _locate(layers: list[Any], path: str) -> tuple[str, int, str]:
    """(origin, line, path as the user wrote it): in the layer that holds all of it, else as deep as the first layer
    goes."""
    best = (layers[0].origin if layers else "", 0, path)
    for layer in layers:
        line, whole, shown = layer.locate(path)
        if whole:
            return layer.origin, line, shown
        if line and not best[1]:
            best = (layer.origin, line, shown)
    return best
