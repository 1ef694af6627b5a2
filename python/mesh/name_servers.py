"""Asks DNS itself, through c-ares: for clusters that want the TTL of an answer or name servers of their own.

The system's resolver (mesh.dns) tells no TTL and knows one list of servers. One c-ares channel for each list of servers, each with a
thread of its own inside the library; `ask` blocks the caller, which is one of the resolver's threads. A channel keeps answers as long as
their TTL says, whoever asks, and cannot be told otherwise; so that names are asked about at the rate that is configured, one is used for a
second and then replaced. Ends with `close`: what is being asked then fails.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from meshcore.bind.spec import NameServers

GROUPS = {
    "auto": (socket.AF_INET6, socket.AF_INET),
    "v4_only": (socket.AF_INET,),
    "v6_only": (socket.AF_INET6,),
    "v4_preferred": (socket.AF_INET, socket.AF_INET6),
    "all": (socket.AF_UNSPEC,),
}


FRESH_S = 1.0


class _Channel:
    """One that is asked, or was replaced and still waits for answers."""

    __slots__ = ("handle", "replaced", "until", "users")

    def __init__(self, handle: Any, until: float) -> None:
        self.handle, self.until = handle, until
        self.users = 0
        self.replaced = False

    def end(self) -> None:
        self.handle.cancel()
        self.handle.close()


class Channels:
    """All channels of one resolver. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[NameServers, _Channel] = {}
        self._leaving: list[_Channel] = []
        self._closed = False

    def ask(self, name: str, family: str, servers: NameServers) -> tuple[list[str], int]:
        """(addresses in the order of the answer, the smallest of their TTLs in seconds); OSError when there are none."""
        error = "no address"
        for group in GROUPS[family]:
            result, failure = self._asked(name, group, servers)
            if result is not None and result.nodes:
                found = [(_text(node.addr[0]), node.ttl) for node in result.nodes]
                return list(dict.fromkeys(address for address, _ttl in found)), min(ttl for _address, ttl in found)
            error = failure or error
        raise OSError(f"{name}: {error}")

    def close(self) -> None:
        with self._lock:
            self._closed = True
            channels = [*self._open.values(), *self._leaving]
            self._open, self._leaving = {}, []
        for channel in channels:
            channel.end()

    def _asked(self, name: str, group: int, servers: NameServers) -> tuple[Any, str]:
        import pycares

        done = threading.Event()
        found: list[Any] = [None, None]

        def answered(result: Any, error: int | None) -> None:
            found[:] = [result, error]
            done.set()

        with self._lock:
            if self._closed:
                raise OSError(f"{name}: the resolver has ended")
            channel = self._fresh(servers)
            channel.users += 1
            channel.handle.getaddrinfo(name, None, family=group, type=socket.SOCK_STREAM, callback=answered)
        done.wait()
        self._leave(channel)
        return found[0], str(pycares.errno.strerror(found[1])) if found[1] else ""


    def _fresh(self, servers: NameServers) -> _Channel:
        """The channel for these servers. The lock is held."""
        now = time.monotonic()
        channel = self._open.get(servers)
        if channel is not None and now < channel.until:
            return channel
        if channel is not None:
            channel.replaced = True
            self._leaving.append(channel)
            if not channel.users:
                self._retire(channel)
        made = self._open[servers] = _Channel(_channel(servers), now + FRESH_S)
        return made

    def _leave(self, channel: _Channel) -> None:
        with self._lock:
            channel.users -= 1
            if channel.replaced and not channel.users:
                self._retire(channel)

    def _retire(self, channel: _Channel) -> None:
        """Nobody waits for it any more. The lock is held."""
        if channel in self._leaving:
            self._leaving.remove(channel)
            channel.end()


def _channel(servers: NameServers) -> Any:
    import pycares

    flags = (pycares.ARES_FLAG_USEVC if servers.tcp else 0) | (pycares.ARES_FLAG_NOSEARCH if servers.no_search else 0)
    options: dict[str, Any] = {"flags": flags, "rotate": servers.rotate}
    if servers.timeout_s:
        options["timeout"] = servers.timeout_s
    if servers.tries:
        options["tries"] = servers.tries
    if servers.addresses:
        options["udp_port"] = options["tcp_port"] = servers.addresses[0].port
        system = list(pycares.Channel().servers) if servers.fallback else []
        options["servers"] = [*system, *(address.host for address in servers.addresses)]
    return pycares.Channel(**options)


def _text(address: bytes | str) -> str:
    return address.decode() if isinstance(address, bytes) else address
