"""envoy.config.core.v3.ConfigSource: where resources come from while the proxy runs. Today that is a watched file.

A file must exist when the configuration is loaded, as in Envoy; what it holds is read when the proxy starts. `initial_fetch_timeout` does
nothing for files, which are there or not. Sources that speak to a server are refused by name. Called by bootstrap.py, cluster.py and
hcm.py."""

from __future__ import annotations

import os
from typing import Any

from mesh.config.errors import join
from mesh.config.fields import Fields, anything
from mesh.config.lowering import Lowering
from meshcore.bind import spec

FILES = "files are: use 'path_config_source'"
SOURCE = Fields(
    "envoy.config.core.v3.ConfigSource",
    {"path", "path_config_source"},
    harmless={"initial_fetch_timeout": anything, "resource_api_version": anything},
    instead={"ads": FILES, "api_config_source": FILES, "self": FILES, "authorities": FILES},
)
PATH = Fields("envoy.config.core.v3.PathConfigSource", {"path", "watched_directory"})
DIRECTORY = Fields("envoy.config.core.v3.WatchedDirectory", {"path"})


def lower(message: Any, low: Lowering, path: str) -> spec.FileSource | None:
    """The file of a ConfigSource; None after a refusal."""
    SOURCE.check(message, low.report, path)
    which = message.WhichOneof("config_source_specifier")
    if which == "path":
        return _existing(message.path, "", low, join(path, "path"))
    if which != "path_config_source":
        return None
    at = join(path, "path_config_source")
    source = message.path_config_source
    PATH.check(source, low.report, at)
    DIRECTORY.check(source.watched_directory, low.report, join(at, "watched_directory"))
    watched = source.watched_directory.path
    if watched and not os.path.isdir(watched):
        low.refuse(join(at, "watched_directory.path"), f"'{watched}' is no directory")
    return _existing(source.path, watched, low, join(at, "path"))


def _existing(file: str, watched: str, low: Lowering, path: str) -> spec.FileSource:
    if not os.path.exists(file):
        low.refuse(path, f"'{file}' does not exist; paths must refer to an existing path in the system")
    return spec.FileSource(file, watched)


def lower_eds(message: Any, low: Lowering, path: str) -> spec.FileSource | None:
    """Where the hosts of a cluster of type EDS come from."""
    if not message.HasField("eds_cluster_config"):
        low.refuse(join(path, "eds_cluster_config"), "required for a cluster of type EDS, and not set")
        return None
    config = message.eds_cluster_config
    at = join(path, "eds_cluster_config")
    if not config.HasField("eds_config"):
        low.refuse(join(at, "eds_config"), "required, and not set")
        return None
    return lower(config.eds_config, low, join(at, "eds_config"))


def lower_rds(message: Any, low: Lowering, path: str) -> spec.RouteSource | None:
    """Where the routes of a connection manager come from; None without `rds`."""
    if not message.HasField("rds"):
        return None
    source = lower(message.rds.config_source, low, join(path, "rds.config_source"))
    return spec.RouteSource(message.rds.route_config_name, source) if source is not None else None
