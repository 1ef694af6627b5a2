"""Listeners by address; see listener_places.pxd for the law. Without memory for the table nobody is found, and connections stay where they came."""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memset

from meshcore.base.hash cimport xxhash64
from meshcore.conf.tables cimport ListenerConf
from meshcore.observe.record cimport IpAddress
from meshcore.proxy.objects cimport Engine, ListenerLocal


cdef inline uint64_t hash_of(const IpAddress *address) noexcept nogil:
    return xxhash64(<const char *>address.bytes, 16, <uint64_t>address.port << 8 | address.family)


cdef void enter(Engine *engine, const IpAddress *address, uint32_t index) noexcept nogil:
    cdef uint32_t at = <uint32_t>hash_of(address) & (engine.places_cap - 1)
    if address.family != 4 and address.family != 6:
        return
    while engine.places[at] != 0:
        at = (at + 1) & (engine.places_cap - 1)
    engine.places[at] = index + 1


cdef void listener_places_build(Engine *engine) noexcept nogil:
    cdef ListenerConf *conf
    cdef uint32_t cap = 8
    cdef uint32_t n = 0
    cdef uint32_t i
    cdef uint32_t m
    free(engine.places)
    engine.places = NULL
    engine.places_cap = 0
    for i in range(engine.listeners_cap):
        n += 1 + engine.listeners[i].conf.more_len if engine.listeners[i] != NULL else 0
    while cap < 2 * n:
        cap *= 2
    engine.places = <uint32_t *>calloc(cap, sizeof(uint32_t))
    if engine.places == NULL:
        return
    engine.places_cap = cap
    for i in range(engine.listeners_cap):
        if engine.listeners[i] == NULL:
            continue
        conf = engine.listeners[i].conf
        enter(engine, &conf.address, i)
        for m in range(conf.more_len):
            enter(engine, &conf.more[m], i)


cdef inline bint same(const IpAddress *a, const IpAddress *b) noexcept nogil:
    return a.family == b.family and a.port == b.port and memcmp(a.bytes, b.bytes, 16) == 0


cdef bint bound_to(const ListenerConf *conf, const IpAddress *address) noexcept nogil:
    cdef uint32_t i
    for i in range(conf.more_len):
        if same(&conf.more[i], address):
            return True
    return same(&conf.address, address)


cdef ListenerLocal *exactly_at(Engine *engine, const IpAddress *address) noexcept nogil:
    cdef uint32_t at = <uint32_t>hash_of(address) & (engine.places_cap - 1)
    cdef ListenerLocal *listener
    while engine.places[at] != 0:
        listener = engine.listeners[engine.places[at] - 1]
        if bound_to(listener.conf, address):
            return listener
        at = (at + 1) & (engine.places_cap - 1)
    return NULL


cdef ListenerLocal *listener_at(Engine *engine, const IpAddress *address) noexcept nogil:
    cdef IpAddress anywhere
    cdef ListenerLocal *found
    if engine.places_cap == 0:
        return NULL
    found = exactly_at(engine, address)
    if found == NULL:
        anywhere = address[0]
        memset(anywhere.bytes, 0, sizeof(anywhere.bytes))
        found = exactly_at(engine, &anywhere)
    return found
