"""Python face of the message head (codec/head), for tests and benchmarks only: nothing in the engine or in `mesh` may import it.

One method per function of head.pxd, so that a test can hold a head against a list of pairs. Must add no behaviour. Runs on the
caller's thread under the GIL.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t

from meshcore.base.arena cimport Arena, BlockPool, arena_copy, arena_fini, arena_init, pool_fini, pool_init
from meshcore.base.span cimport Span, span
from meshcore.codec.head cimport *

known = [PyBytes_FromStringAndSize(head_name(i).at, head_name(i).len) if head_name(i).len else b"" for i in range(H_KNOWN)]


def identify(bytes lower_name):
    return head_identify(lower_name, len(lower_name))


cdef bytes taken(Span s):
    return PyBytes_FromStringAndSize(s.at, s.len) if s.len > 0 else b""


cdef class Fields:
    """A Head with an arena of its own."""

    cdef BlockPool pool
    cdef Arena arena
    cdef Head head

    def __cinit__(self, bint is_response=False):
        pool_init(&self.pool, 2)
        arena_init(&self.arena, &self.pool)
        head_init(&self.head, &self.arena, is_response)

    def __dealloc__(self):
        arena_fini(&self.arena)
        pool_fini(&self.pool)

    cdef Span kept(self, bytes data):
        return span(arena_copy(&self.arena, data, len(data)), len(data))

    def items(self):
        """Live headers in order."""
        cdef uint16_t i
        out = []
        for i in range(self.head.len):
            if not self.head.headers[i].dropped:
                out.append((taken(header_name(&self.head.headers[i])), taken(header_value(&self.head.headers[i]))))
        return out

    @property
    def live(self):
        return self.head.live

    @property
    def len(self):
        return self.head.len

    def add(self, bytes lower_name, bytes value):
        return head_add(&self.head, self.kept(lower_name), self.kept(value), head_identify(lower_name, len(lower_name))) != NULL

    def add_copy(self, bytes name, bytes value):
        return bool(head_add_copy(&self.head, span(<const char *>name, len(name)), span(<const char *>value, len(value))))

    def set(self, uint8_t id, bytes value):
        return bool(head_set(&self.head, id, self.kept(value)))

    def set_copy(self, uint8_t id, bytes value):
        return bool(head_set_copy(&self.head, id, span(<const char *>value, len(value))))

    def drop(self, uint8_t id):
        head_drop(&self.head, id)

    def drop_name(self, bytes lower_name):
        head_drop_name(&self.head, span(<const char *>lower_name, len(lower_name)))

    def drop_at(self, uint16_t index):
        assert index < self.head.len
        head_drop_at(&self.head, index)

    def append(self, uint8_t id, bytes value):
        return bool(head_append_value(&self.head, id, span(<const char *>value, len(value))))

    def value(self, uint8_t id):
        return taken(head_value(&self.head, id)) if head_has(&self.head, id) else None

    def values(self, bytes lower_name):
        """All values of a name, through head_find_name and head_next."""
        cdef Header *header = head_find_name(&self.head, span(<const char *>lower_name, len(lower_name)))
        out = []
        while header != NULL:
            out.append(taken(header_value(header)))
            header = head_next(&self.head, header)
        return out

    def join(self, bytes lower_name):
        cdef Header *header = head_find_name(&self.head, span(<const char *>lower_name, len(lower_name)))
        return None if header == NULL else taken(head_join(&self.head, header))
