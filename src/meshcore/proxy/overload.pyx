"""Overload of a cluster; see overload.pxd for the law."""
from libc.stdint cimport uint64_t
from libc.string cimport memset

from meshcore.base.random cimport random_u64
from meshcore.base.runtime cimport runtime_integer
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport *
from meshcore.conf.stat_ids cimport CLUSTER_RQ_MAINTENANCE_MODE
from meshcore.filter.http cimport LocalReply
from meshcore.observe.record cimport FLAG_DO, FLAG_UDO, FLAG_UO
from meshcore.proxy.charge cimport charge, count
from meshcore.proxy.objects cimport *
from meshcore.proxy.stream cimport stream_reply

cdef enum:
    ALL = 100                      # percent
    PARTS = 1 << 30                # as which a random number is compared with a share


cdef void refuse(Stream *stream, uint64_t flag, Span details, Span body, Span header) noexcept nogil:
    cdef LocalReply reply
    cdef Head head
    charge(stream, 503, NULL)
    memset(&reply, 0, sizeof(LocalReply))
    reply.status = 503
    reply.flag = flag
    reply.details = details
    reply.body = body
    head_init(&head, &stream.arena, True)
    if not stream.hcm.router.suppress_envoy_headers:
        head_add(&head, header, span(b"true", 4), H_OTHER)
        reply.head = &head
    stream_reply(stream, &reply)


cdef bint under_maintenance(Stream *stream, ClusterLocal *cluster) noexcept nogil:
    if not overload_maintains(stream.engine, cluster):
        return False
    count(stream, CLUSTER_RQ_MAINTENANCE_MODE, 1)
    refuse(stream, FLAG_UO, span(b"maintenance_mode", 16), span(b"maintenance mode", 16), span(b"x-envoy-overloaded", 18))
    return True


cdef bint dropped(Stream *stream, ClusterLocal *cluster) noexcept nogil:
    cdef double share = cluster.conf.drop_share
    cdef double most = <double>runtime_integer(cluster.conf.drop_most, ALL) / ALL
    if share > most:
        share = most
    if share >= 1:
        refuse(stream, FLAG_UDO, span(b"unconditional_drop_overload", 27), span(b"unconditional drop overload", 27),
               span(b"x-envoy-unconditional-drop-overload", 35))
        return True
    if <double>(random_u64(&stream.engine.loop.random) % PARTS) >= share * PARTS:
        return False
    refuse(stream, FLAG_DO, span(b"drop_overload", 13), span(b"drop overload", 13), span(b"x-envoy-drop-overload", 21))
    return True


cdef bint overload_refuses(Stream *stream, ClusterLocal *cluster) noexcept nogil:
    if under_maintenance(stream, cluster):
        return True
    return cluster.conf.drop_share > 0 and dropped(stream, cluster)
