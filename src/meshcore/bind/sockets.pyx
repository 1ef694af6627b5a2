"""Socket options, own addresses and PROXY headers; see sockets.pxd for the law.

The connections that a listener's tally counts outlive its table, so tallies are kept by name for as long as the process runs.
"""
import struct

from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from meshcore.bind.address cimport address_fill
from meshcore.bind.matchers cimport keep, take
from meshcore.conf.dial cimport SocketOption
from meshcore.conf.shares cimport pthread_mutex_init

cdef Tally all_listeners
all_listeners.n = 0
all_listeners.above = NULL

_tallies = {}                      # listener -> address of its tally
_shares = {}                       # listener of a proxy with so many workers -> address of its shares


cdef int compile_dial(Arena *arena, object spec, Dial *out) except -1:
    cdef SocketOption *options = <SocketOption *>take(arena, len(spec.options) * sizeof(SocketOption))
    for i, address in enumerate(spec.sources):
        address_fill(address, &out.source if i == 0 else &out.other)
    out.freebind = spec.freebind
    for i, option in enumerate(spec.options):
        options[<int>i].level = option.level
        options[<int>i].name = option.name
        options[<int>i].value = keep(arena, option.value).at
        options[<int>i].len = len(option.value)
    out.options = options
    out.options_len = len(spec.options)
    return 0


cdef uint8_t *compile_types(Arena *arena, object types) except? NULL:
    cdef uint8_t *bits
    if not types:
        return NULL
    bits = <uint8_t *>take(arena, 32)
    for kind in types:
        bits[<int>kind >> 3] |= <uint8_t>(1 << (<int>kind & 7))
    return bits


cdef bytes tlvs_of(object pairs):
    return b"".join(struct.pack(">BH", kind, len(value)) + value for kind, value in pairs)


cdef ProxyOut *compile_proxy_out(Arena *arena, object spec) except NULL:
    cdef ProxyOut *out = <ProxyOut *>take(arena, sizeof(ProxyOut))
    cdef uint8_t *adds = compile_types(arena, [kind for kind, _ in spec.added])
    out.version = spec.version
    out.passes = compile_types(arena, spec.passes)
    if adds != NULL:
        memcpy(out.adds, adds, sizeof(out.adds))
    out.added = keep(arena, tlvs_of(spec.added))
    return out


cdef Tally *tally_of(str listener) except NULL:
    cdef Tally *tally
    if listener not in _tallies:
        tally = <Tally *>calloc(1, sizeof(Tally))
        if tally == NULL:
            raise MemoryError
        tally.above = &all_listeners
        _tallies[listener] = <size_t>tally
    return <Tally *><size_t>_tallies[listener]


cdef Shares *shares_of(str listener, StatsRegistry registry) except NULL:
    # One of each proxy: listeners of two may have the same name.
    cdef tuple place = (id(registry), listener, registry.workers_len)
    cdef Shares *shares
    cdef int i
    if place not in _shares:
        shares = <Shares *>calloc(1, sizeof(Shares))
        if shares == NULL:
            raise MemoryError
        shares.len = max(1, registry.workers_len)
        shares.of = <Tally *>calloc(shares.len, sizeof(Tally))
        if shares.of == NULL:
            free(shares)
            raise MemoryError
        for i in range(<int>shares.len):
            shares.of[i].above = tally_of(listener)
        pthread_mutex_init(&shares.lock, NULL)
        _shares[place] = <size_t>shares
    return <Shares *><size_t>_shares[place]
