"""A subscription to resources in a file: reads it at once and whenever it is replaced, and counts as Envoy does.

`accept` takes what was read and raises ConfigError (or OSError, for a port in use) when it cannot be used; what ran before then still
runs, and `rejected` says why. The same object with another way to be told of responses is what a source that speaks to a server will be:
`prefix` names its statistics, `type_name` its resources. Runs on the thread that starts it and then on the watcher's."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from mesh.config import ConfigError
from mesh.xds.response import Response, Unreadable, read
from mesh.xds.watch import Watcher
from meshcore.bind.spec import FileSource
from meshcore.bind.stats import StatsRegistry, text_hash

LOG = logging.getLogger("mesh.xds")
COUNTERS = ("update_attempt", "update_success", "update_failure", "update_rejected", "init_fetch_timeout")
GAUGES = ("version", "update_time")


class FileSubscription:
    """`prefix`: of the statistics, as `cluster_manager.cds.`."""

    def __init__(
        self,
        source: FileSource,
        type_name: str,
        prefix: str,
        accept: Callable[[Response], None],
        registry: StatsRegistry,
        watcher: Watcher,
    ) -> None:
        self.source = source
        self.version = ""
        self.rejected = ""
        self.updated_at = 0.0
        self._type_name = type_name
        self.prefix = prefix
        self._accept = accept
        self._registry = registry
        self._watcher = watcher
        directory, name = os.path.split(source.path)
        self._watched = (source.watched, "") if source.watched else (directory, name)
        for name in COUNTERS:
            registry.counter(prefix + name)
        for name in GAUGES:
            registry.gauge(prefix + name)
        registry.text(prefix + "version_text")
        registry.histogram(prefix + "update_duration")

    def start(self) -> None:
        """Watches first and reads then, so no change falls between; OSError when the directory cannot be watched."""
        self._watcher.add(*self._watched, self.refresh)
        self.refresh()

    def stop(self) -> None:
        self._watcher.remove(*self._watched, self.refresh)
        for name in (*COUNTERS, *GAUGES, "version_text", "update_duration"):
            self._registry.release(self.prefix + name)

    def refresh(self) -> None:
        """Reads the file and hands it over."""
        self._registry.add(self.prefix + "update_attempt")
        try:
            response = read(self.source.path, self._type_name)
            self._accept(response)
        except Unreadable as error:
            self._refused("update_failure", error)
        except (ConfigError, OSError) as error:
            self._refused("update_rejected", error)
        else:
            self.rejected = ""
            self.version = response.version
            self.updated_at = time.time()
            self._registry.add(self.prefix + "update_success")
            self._registry.set_gauge(self.prefix + "version", text_hash(response.version))
            self._registry.set_gauge(self.prefix + "update_time", int(self.updated_at * 1000))
            self._registry.set_text(self.prefix + "version_text", response.version)

    def _refused(self, statistic: str, error: Exception) -> None:
        self.rejected = str(error)
        self._registry.add(self.prefix + statistic)
        LOG.warning("%s is not taken over: %s", self.source.path, error)
