"""Listening sockets, bound but not yet listening: one per worker and address, with the options that the plan wants.

A Unix path that is in use as a file is replaced, as Envoy does; one that begins with @ is a name of the abstract namespace. Called by
publish.py on the main thread, before anything else of a change is done, so that a port in use leaves the old configuration in place."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable

from mesh.config.listener import name_of
from meshcore.bind.spec import Address, Listener

# <linux/in.h> and <linux/in6.h>; the socket module does not name them.
IP_FREEBIND, IPV6_FREEBIND = 15, 78
IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75


def bind_all(spec: Listener, workers: int) -> tuple[tuple[Address, ...], list[list[int]]]:
    """(addresses as bound, descriptors of each worker). A port of 0 is the same free port for all workers.

    Raises OSError with the listener's name, and then nothing is left open."""
    fds: list[list[int]] = [[] for _ in range(workers)]
    bound = []
    if not spec.bind_to_port:
        return (spec.address, *spec.additional_addresses), fds
    try:
        for address in (spec.address, *spec.additional_addresses):
            actual = address
            for n in range(workers):
                if n > 0 and (address.port < 0 or not spec.reuse_port):
                    fds[n].append(os.dup(fds[0][-1]))
                    continue
                with _bound(spec, actual) as made:
                    if address.port >= 0:
                        actual = Address(address.host, made.getsockname()[1])
                    fds[n].append(made.detach())
            bound.append(actual)
    except OSError as error:
        close_all(fds)
        raise OSError(error.errno, f"listener {spec.name!r}: {error.strerror}") from None
    return tuple(bound), fds


def close_all(fds: Iterable[list[int]]) -> None:
    for per_worker in fds:
        for descriptor in per_worker:
            os.close(descriptor)


def _bound(spec: Listener, address: Address) -> socket.socket:
    unix, six = address.port < 0, ":" in address.host
    family = socket.AF_UNIX if unix else socket.AF_INET6 if six else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if not unix:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if spec.reuse_port:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
            if spec.freebind:
                made.setsockopt(level, IPV6_FREEBIND if six else IP_FREEBIND, 1)
            if spec.transparent:
                made.setsockopt(level, IPV6_TRANSPARENT if six else IP_TRANSPARENT, 1)
        _set_options(made, spec, bound=False)
        _bind_one(made, spec, address, unix)
        _set_options(made, spec, bound=True)
    except OSError as error:
        made.close()
        raise OSError(error.errno, f"cannot bind {name_of(address)}: {os.strerror(error.errno or 0)}") from None
    return made


def _bind_one(made: socket.socket, spec: Listener, address: Address, unix: bool) -> None:
    if not unix:
        made.bind((address.host, address.port))
    elif address.host.startswith("@"):
        made.bind("\0" + address.host[1:])
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(address.host)
        made.bind(address.host)
        if spec.pipe_mode:
            os.chmod(address.host, spec.pipe_mode)


def _set_options(made: socket.socket, spec: Listener, *, bound: bool) -> None:
    for option in spec.socket_options:
        if option.bound == bound:
            made.setsockopt(option.level, option.name, option.value)
