# Thrift: typed events in, bytes out, in either protocol. The law of the codec is in thrift.pxd.
#
# The mirror of thrift_read: it takes the events that a reader gives, in the same order, so that a reader of one protocol and a writer
# of the other are a converter (thrift_convert). What was written is in `out`; a writer that failed has left a part of a value there.
from libc.stdint cimport int16_t, uint8_t, uint32_t

from meshcore.base.buffer cimport Buffer, BufferPool
from meshcore.codec.thrift cimport *
from meshcore.codec.thrift_read cimport ThriftReader

cdef struct ThriftWriter:
    BufferPool *pool
    Buffer *out
    uint8_t compact
    uint8_t error                  # ThriftError
    uint8_t depth
    uint8_t bool_waits             # compact: the head of a bool field is written with its value
    int16_t bool_id
    uint32_t string_left           # bytes that a string still wants
    uint8_t in_struct[64]          # THRIFT_DEPTH_MAX
    int16_t last_id[64]

cdef void thrift_write_begin(ThriftWriter *writer, uint8_t protocol, BufferPool *pool, Buffer *out) noexcept nogil
# THRIFT_OK or THRIFT_ERROR. Counts the bytes of strings and what is open, not the elements of containers.
cdef int thrift_write_event(ThriftWriter *writer, const ThriftEvent *event) noexcept nogil

# Moves events from `reader` to `writer` until the value ends (THRIFT_DONE), the input does (MORE), or either fails (ERROR; whose
# fault it is, reader.error and writer.error say).
cdef int thrift_convert(ThriftReader *reader, const char **at, const char *end, ThriftWriter *writer) noexcept nogil
