"""Tables: how they end. Construction is bind/'s; see tables.pxd for the law."""
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free

from meshcore.base.arena cimport arena_fini
from meshcore.base.atomics cimport atomic_unref
from meshcore.conf.tls cimport tls_conf_unref
from meshcore.route.regex cimport regex_free_all
from meshcore.route.table cimport RouteTable, route_table_unref
from meshcore.route.thrift_table cimport thrift_table_unref


cdef void listener_conf_unref(ListenerConf *conf) noexcept nogil:
    cdef uint32_t i
    if conf != NULL and atomic_unref(&conf.refs) == 0:
        if conf.let_go != NULL:
            conf.let_go(conf.kept)
        for i in range(conf.chains_len):
            if conf.chains[i].hcm != NULL:
                regex_free_all(&conf.chains[i].hcm.regexes)
            if conf.chains[i].tcp != NULL:
                regex_free_all(&conf.chains[i].tcp.regexes)
            if conf.chains[i].thrift != NULL:
                regex_free_all(&conf.chains[i].thrift.regexes)
                thrift_table_unref(conf.chains[i].thrift.routes)
            if conf.chains[i].tls != NULL:
                tls_conf_unref(conf.chains[i].tls.conf)
        regex_free_all(&conf.regexes)
        arena_fini(&conf.arena)
        free(conf)


cdef RouteSet *route_set_new(uint32_t len) noexcept nogil:
    cdef RouteSet *routes = <RouteSet *>calloc(1, sizeof(RouteSet) + len * sizeof(RouteTable *))
    if routes != NULL:
        routes.refs = 1
        routes.len = len
        routes.tables = <RouteTable **>(routes + 1)
    return routes


cdef void route_set_unref(RouteSet *routes) noexcept nogil:
    cdef uint32_t i
    if routes != NULL and atomic_unref(&routes.refs) == 0:
        for i in range(routes.len):
            if routes.tables[i] != NULL:
                route_table_unref(routes.tables[i])
        free(routes)


cdef void cluster_conf_unref(ClusterConf *conf) noexcept nogil:
    cdef uint32_t i
    if conf != NULL and atomic_unref(&conf.refs) == 0:
        regex_free_all(&conf.regexes)
        if conf.tls != NULL:
            tls_conf_unref(conf.tls.conf)
        for i in range(conf.sockets_len):
            if conf.sockets[i] != NULL:
                tls_conf_unref(conf.sockets[i].conf)
        arena_fini(&conf.arena)
        free(conf)
