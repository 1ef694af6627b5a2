# What the two Python faces of Thrift share: builders of values, the names of protocols, limits and errors.
from libc.stdint cimport uint8_t, uint32_t

from meshcore.base.buffer cimport Buffer, BufferPool
from meshcore.base.span cimport Span
from meshcore.codec.thrift cimport ThriftEvent, ThriftLimits
from meshcore.codec.thrift_read cimport ThriftReader
from meshcore.codec.thrift_write cimport ThriftWriter

cdef raise_error(uint8_t error, list messages=*)
cdef int one_of(what, name, dict names) except -1
cdef fill_limits(ThriftLimits *limits, dict given)
cdef bytes take_bytes(Span s)
cdef bytes buffer_bytes(Buffer *buffer)
# The struct in n bytes, as Python values; `whole`: it must be all of them.
cdef object payload(const char *at, size_t n, uint8_t protocol, bint plain, const ThriftLimits *limits, bint whole)
cdef _Writing written(fields, int protocol)

cdef class _Values:
    # Builds Python values from the events of a reader over bytes that are all there.
    cdef ThriftReader reader
    cdef const char *at
    cdef const char *end
    cdef bint plain

    cdef int next(self, ThriftEvent *event) except -1
    cdef object value(self, ThriftEvent *event)
    cdef object struct(self)
    cdef object list(self, uint8_t type, uint32_t size)
    cdef object map(self, uint8_t key_type, uint8_t type, uint32_t size)

cdef class _Writing:
    # Writes Python values of the documented shapes.
    cdef BufferPool pool
    cdef Buffer out
    cdef ThriftWriter writer

    cdef int put(self, ThriftEvent *event) except -1
    cdef int mark(self, uint8_t kind) except -1
    cdef int value(self, int type, object value, str path) except -1
    cdef int number(self, ThriftEvent *event, object value, str path) except -1
    cdef int struct(self, fields, str path) except -1
    cdef int list(self, uint8_t kind, given, str path) except -1
    cdef int map(self, given, str path) except -1
