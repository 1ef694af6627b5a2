"""Turns a spec.Address into an IpAddress.

Main thread, with the GIL; called for listeners, hosts and every other address of a plan. Owns nothing: a Unix path is duplicated, and
whoever keeps the struct (host_new, a listener table) keeps the path.
"""
import socket

from libc.string cimport memcpy, memset, strdup


cdef int address_fill(object spec, IpAddress *out) except -1:
    # spec.Address; a Unix path is duplicated and never freed by this function's caller but by host_new or listener tables.
    memset(out, 0, sizeof(IpAddress))
    if spec.port == -1:
        path = spec.host.encode() + b"\0"
        out.family = 1
        out.path = path
        out.path = strdup(out.path)
        return 0
    family = socket.AF_INET6 if ":" in spec.host else socket.AF_INET
    raw = socket.inet_pton(family, spec.host)
    out.family = 6 if family == socket.AF_INET6 else 4
    memcpy(out.bytes, <const char *>raw, len(raw))
    out.port = spec.port
    return 0
