"""Tables: how they end. Construction is bind/'s; see tables.pxd for the law."""
from libc.stdlib cimport free

from meshcore.base.arena cimport arena_fini
from meshcore.base.atomics cimport atomic_unref
from meshcore.route.regex cimport regex_free_all


cdef void listener_conf_unref(ListenerConf *conf) noexcept nogil:
    if conf != NULL and atomic_unref(&conf.refs) == 0:
        if conf.let_go != NULL:
            conf.let_go(conf.kept)
        regex_free_all(&conf.hcm.regexes)
        arena_fini(&conf.arena)
        free(conf)


cdef void cluster_conf_unref(ClusterConf *conf) noexcept nogil:
    if conf != NULL and atomic_unref(&conf.refs) == 0:
        arena_fini(&conf.arena)
        free(conf)
