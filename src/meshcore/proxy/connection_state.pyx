"""Filter state of connections; see connection_state.pxd for the law."""
from libc.stdlib cimport calloc, free

from meshcore.base.arena cimport arena_fini, arena_init


cdef ConnectionState *connection_state_new() noexcept nogil:
    cdef ConnectionState *state = <ConnectionState *>calloc(1, sizeof(ConnectionState))
    if state != NULL:
        arena_init(&state.arena, NULL)
    return state


cdef void connection_state_free(ConnectionState *state) noexcept nogil:
    if state != NULL:
        arena_fini(&state.arena)
        free(state)
