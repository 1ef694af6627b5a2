# Set filter state: leaves named texts on a stream, made of formats when the request head comes. Worker thread.
#
# What routes say comes after the filter's own list, the least specific level first. An object that was set read-only stays, and so does one
# that was set with the other kind of access, as in Envoy.
from libc.stdint cimport uint16_t

from meshcore.base.arena cimport Arena
from meshcore.base.span cimport Span
from meshcore.filter.http cimport HttpFilterOps
from meshcore.observe.format cimport Format
from meshcore.observe.metadata cimport FilterState
from meshcore.observe.record cimport Record

cdef struct StateEntry:
    Span key
    const Format *format
    bint read_only
    bint skip_empty                # nothing is set when the format gives nothing

cdef struct SetFilterStateConf:
    StateEntry *entries
    uint16_t entries_len

# What one entry says of a stream or connection becomes an object of `state`.
cdef void state_entry_set(const StateEntry *entry, const Record *record, FilterState *state, Arena *arena) noexcept nogil
cdef const HttpFilterOps *set_filter_state_filter() noexcept nogil
