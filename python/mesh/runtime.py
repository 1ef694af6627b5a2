"""Runtime: values that an operator changes while the proxy runs, in layers; the last layer that has a key says what it is.

Owns the layers' present contents and writes the winners into the cells that tables point to, so a change is seen by the next request. A
disk layer is a folder whose files are keys (`a/b` is the key `a.b`), usually behind a symbolic link; it is read again when another link is
moved onto that one. The admin layer is what /runtime_modify set. Any thread of the proxy. See mesh.config.runtime for values.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mesh.config.runtime import parse
from meshcore.bind.record import field, record

if TYPE_CHECKING:
    from mesh.xds.watch import Watcher
    from meshcore.bind.spec import RuntimeLayer, RuntimeValue
    from meshcore.bind.stats import StatsRegistry

Values = Mapping[str, "RuntimeValue"]
DEPTH_MOST = 100  # folders in folders, as Envoy's limit


@record(frozen=False)
class Live:
    """A layer and what it says now."""

    layer: RuntimeLayer
    values: dict[str, RuntimeValue] = field(default_factory=dict)


class NoAdminLayer(Exception):
    """A value cannot be set: the configuration has no admin layer."""


class Runtime:
    """The runtime of one proxy; `registry` is where its statistics and cells are. `changed` is called after each change."""

    def __init__(self, registry: StatsRegistry, service_cluster: str, changed: Callable[[], None] | None = None) -> None:
        self._registry = registry
        self._service_cluster = service_cluster
        self._layers: list[Live] = []
        self._overrides: dict[str, RuntimeValue] = {}
        self._changed = changed or (lambda: None)
        self._lock = threading.RLock()
        self._watcher: Watcher | None = None

    def configure(self, layers: tuple[RuntimeLayer, ...]) -> None:
        """Makes `layers` the runtime; what was set through the admin layer stays."""
        self.stop()
        with self._lock:
            self._layers = [Live(layer) for layer in layers]
        # Watched first and read then, so no move falls between.
        self._watch(layers)
        self.reload()

    def stop(self) -> None:
        """Disk layers are not watched any more."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None

    def _watch(self, layers: tuple[RuntimeLayer, ...]) -> None:
        roots = [os.path.split(layer.watched) for layer in layers if layer.watched]
        roots = [(directory, name) for directory, name in roots if os.path.isdir(directory or ".")]
        if not roots:
            return
        from mesh.xds.watch import Watcher

        self._watcher = Watcher()
        for directory, name in roots:
            self._watcher.add(directory, name, self.reload)
        self._watcher.start()

    def reload(self) -> None:
        """Reads the disk layers again and makes the new values those that count. A layer that cannot be read keeps nothing."""
        with self._lock:
            self._reload()
        self._changed()

    def _reload(self) -> None:
        failed = False
        for live in self._layers:
            if live.layer.kind == "static":
                live.values = dict(live.layer.values)
            elif live.layer.kind == "admin":
                live.values = dict(self._overrides)
            else:
                try:
                    live.values = dict(self._read(live.layer))
                except OSError:
                    live.values, failed = {}, True
        self._publish(failed)

    def modify(self, values: Mapping[str, str]) -> None:
        """Sets keys in the admin layer; an empty value takes an earlier one back. Raises NoAdminLayer."""
        with self._lock:
            self._modify(values)
        self._changed()

    def _modify(self, values: Mapping[str, str]) -> None:
        admin = next((live for live in self._layers if live.layer.kind == "admin"), None)
        if admin is None:
            raise NoAdminLayer
        for key, text in values.items():
            if text:
                self._overrides[key] = parse(text)
            else:
                self._overrides.pop(key, None)
        admin.values = dict(self._overrides)
        self._publish(failed=False)

    @property
    def layers(self) -> list[str]:
        """Names, the lowest first."""
        return [live.layer.name for live in self._layers]

    def entries(self) -> dict[str, list[str]]:
        """Key -> its text in each layer ("" where a layer does not have it)."""
        keys = dict.fromkeys(key for live in self._layers for key in live.values)
        return {key: [live.values[key].text if key in live.values else "" for live in self._layers] for key in keys}

    def _publish(self, failed: bool) -> None:
        merged = {key: value for live in self._layers for key, value in live.values.items()}
        self._registry.runtime.set(merged)
        folders = [live.layer for live in self._layers if live.layer.of_service_cluster]
        found = any(os.path.isdir(self._folder(layer)) for layer in folders)
        self._registry.add("runtime.load_error", int(failed))
        self._registry.add("runtime.load_success", int(not failed))
        self._registry.add("runtime.override_dir_exists", int(found))
        self._registry.add("runtime.override_dir_not_exists", int(not found))
        self._registry.add("runtime.deprecated_feature_use", 0)
        self._registry.set_gauge("runtime.deprecated_feature_seen_since_process_start", 0)
        self._registry.set_gauge("runtime.admin_overrides_active", int(bool(self._overrides)))
        self._registry.set_gauge("runtime.num_keys", len(merged))
        self._registry.set_gauge("runtime.num_layers", len(self._layers))

    def _folder(self, layer: RuntimeLayer) -> str:
        return os.path.join(layer.folder, self._service_cluster) if layer.of_service_cluster else layer.folder

    def _read(self, layer: RuntimeLayer) -> Iterator[tuple[str, RuntimeValue]]:
        folder = Path(self._folder(layer))
        if folder.is_dir():
            yield from _files(folder, "", DEPTH_MOST)


def _files(folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, RuntimeValue]]:
    if depth == 0:
        raise OSError(f"{folder}: folders in folders, {DEPTH_MOST} deep")
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}.", depth - 1)
        elif entry.is_file():
            lines = entry.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
            yield prefix + entry.name, parse("".join(line for line in lines if not line.startswith("#")).rstrip())
