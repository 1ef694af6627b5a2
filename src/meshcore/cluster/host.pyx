"""Hosts: construction and reference counts. See host.pxd for the law."""
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from meshcore.base.atomics cimport atomic_unref
from meshcore.base.span cimport span
from meshcore.cluster.outlier cimport outlier_unref
from meshcore.observe.record cimport IpAddress, address_write


cdef Span place(char **at, Span text) noexcept nogil:
    cdef Span copy = span(at[0], text.len)
    if text.len > 0:
        memcpy(at[0], text.at, text.len)
    at[0] += text.len
    return copy


cdef Host *host_new(const HostSpec *spec) noexcept nogil:
    cdef size_t room = spec.hostname.len + spec.region.len + spec.zone.len + spec.sub_zone.len + spec.metadata.len + spec.hash_key.len
    cdef size_t list_room = spec.dials_len * sizeof(IpAddress)
    cdef Host *host = <Host *>calloc(1, sizeof(Host) + list_room + room)
    cdef char *at
    if host == NULL:
        return NULL
    at = <char *>host + sizeof(Host)
    host.dials = &host.address
    host.dials_len = 1
    if spec.dials_len > 0:
        memcpy(at, spec.dials, list_room)
        host.dials = <const IpAddress *>at
        host.dials_len = spec.dials_len
        at += list_room
    host.refs = 1
    host.address = spec.address
    host.slot = spec.slot
    host.socket = spec.socket
    host.canary = spec.canary
    host.text = span(host.bytes, address_write(&spec.address, host.bytes, True))
    if spec.address.family == 1:
        # The socket's path must outlive the spec it came from.
        host.address.path = host.bytes
        host.bytes[host.text.len] = 0
    host.hostname = place(&at, spec.hostname)
    host.region = place(&at, spec.region)
    host.zone = place(&at, spec.zone)
    host.sub_zone = place(&at, spec.sub_zone)
    host.metadata = place(&at, spec.metadata)
    host.hash_key = place(&at, spec.hash_key)
    return host


cdef void host_unref(Host *host) noexcept nogil:
    if host != NULL and atomic_unref(&host.refs) == 0:
        outlier_unref(host.outlier)
        free(host.facts)
        free(host)
