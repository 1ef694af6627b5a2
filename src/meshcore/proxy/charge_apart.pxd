# Charge apart: what answers add below names that come with the request or the host. Worker thread.
#
# `cluster.<c>.<name>.*` for x-envoy-upstream-alt-stat-name, `cluster.<c>.zone.<own>.<host's>.*` when both are known, and the times of canaries.
# charge.pyx calls this, and only for requests that have one of them. Names are late statistics: bounded, and never given back.
from libc.stdint cimport uint16_t, uint64_t

from meshcore.cluster.host cimport Host
from meshcore.proxy.objects cimport Stream

cdef void charge_apart(Stream *stream, uint16_t status, const Host *host, bint canary) noexcept nogil
cdef void charge_time_apart(Stream *stream, uint64_t ms, const Host *host) noexcept nogil

cdef inline bint charges_apart(Stream *stream) noexcept nogil:
    return stream.alt_named or stream.cluster.conf.from_zone.len > 0
