"""TLS settings of the tables: references. See tls.pxd for the law."""
from libc.stdint cimport uint64_t

from meshcore.base.atomics cimport atomic_ref, atomic_unref, publish_word, published_word


cdef TlsConf *tls_slot_take(const TlsSlot *slot) noexcept nogil:
    cdef TlsConf *conf = <TlsConf *>published_word(<const uint64_t *>&slot.conf)
    atomic_ref(&conf.refs)
    return conf


cdef TlsConf *tls_slot_swap(TlsSlot *slot, TlsConf *conf) noexcept nogil:
    cdef TlsConf *old = slot.conf
    publish_word(<uint64_t *>&slot.conf, <uint64_t>conf)
    return old


cdef void tls_conf_unref(TlsConf *conf) noexcept nogil:
    if conf != NULL and atomic_unref(&conf.refs) == 0:
        conf.end(conf)
