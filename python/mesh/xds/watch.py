"""Sees files being replaced: a file that is moved onto a watched name, or into a watched directory.

One thread for all watches of a proxy, one inotify watch for each directory, so ten thousand files in one directory cost one watch and an
event finds its file by name. Only moves count, as in Envoy: a file that is written in place may be read half. Callbacks run on the
watcher's thread, one after another, and a callback is called once for whatever had happened when the thread woke up."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable

from inotify_simple import INotify, flags

LOG = logging.getLogger("mesh.xds")
Moved = Callable[[], None]


class Watcher:
    """Calls back from `start` to `stop`. `add` and `remove` may be called from any thread, callbacks included."""

    def __init__(self) -> None:
        self._inotify = INotify(nonblocking=True)
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}  # directory -> watch
        self._watches: dict[int, dict[str, list[Moved]]] = {}  # watch -> name ("" = any) -> callbacks
        self._thread = threading.Thread(target=self._run, name="mesh-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No callback runs after it, unless it is called from one."""
        os.eventfd_write(self._wake, 1)
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._inotify.close()
        os.close(self._wake)

    def add(self, directory: str, name: str, moved: Moved) -> None:
        """Calls `moved` when something is moved onto `name` in `directory` ("": onto any name). OSError when it cannot be watched."""
        with self._lock:
            number = self._numbers.get(directory)
            if number is None:
                number = self._numbers[directory] = self._inotify.add_watch(directory or ".", flags.MOVED_TO)
            self._watches.setdefault(number, {}).setdefault(name, []).append(moved)

    def remove(self, directory: str, name: str, moved: Moved) -> None:
        """Takes one callback away; the directory stays watched."""
        with self._lock:
            names = self._watches.get(self._numbers.get(directory, -1), {})
            if moved in names.get(name, ()):
                names[name].remove(moved)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._inotify.fileno(), select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            if any(fd == self._wake for fd, _event in poll.poll()):
                return
            for moved in self._due():
                try:
                    moved()
                except Exception:
                    LOG.exception("a watched file could not be taken over")

    def _due(self) -> list[Moved]:
        """What is to be called for the events that are there; each callback once."""
        found: dict[Moved, None] = {}
        events = self._inotify.read(timeout=0)
        with self._lock:
            for event in events:
                names = self._watches.get(event.wd, {})
                found.update(dict.fromkeys((*names.get(event.name, ()), *names.get("", ()))))
        return list(found)
