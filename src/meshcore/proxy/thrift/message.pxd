# Thrift messages between two connections: what is read of one, gathered, converted where the protocols differ, and written as another.
#
# Calls and replies go the same way. A payload whose protocol stays is never looked into: it is a chain of slices, borrowed from the read while
# the event lasts. Must not know connections, states or statistics. Errors are ThriftErrors. Worker thread; a message ends in message_fini.
from libc.stdint cimport int32_t, uint8_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.buffer cimport Buffer
from meshcore.base.span cimport Span
from meshcore.codec.thrift cimport ThriftLimits
from meshcore.codec.thrift_stream cimport ThriftStream
from meshcore.io.transport cimport Transport
from meshcore.proxy.objects cimport Engine
from meshcore.proxy.thrift.objects cimport ThriftMessage, ThriftWalk

cdef const ThriftLimits *message_limits() noexcept nogil                           # for all messages of all connections
cdef void message_init(ThriftMessage *message, Arena *arena) noexcept nogil
# After STREAM_MESSAGE, or thrift_stream_inflated: copies what the stream's spans hold. keep_case: names of headers go on as they came.
cdef int message_read(ThriftMessage *message, ThriftStream *stream, Arena *arena, bint keep_case) noexcept nogil
# The payload goes on in another protocol, what came of it and the rest.
cdef int message_convert(ThriftMessage *message, Engine *engine, uint8_t protocol, uint64_t size, const ThriftLimits *limits) noexcept nogil
cdef int message_take(ThriftMessage *message, Engine *engine, Span piece, bint copy) noexcept nogil      # copy: not borrowed
cdef int message_hold(ThriftMessage *message, Engine *engine) noexcept nogil       # the event is over: borrowed bytes are copied
cdef int message_end(ThriftMessage *message) noexcept nogil                         # what is wrong with a payload that is complete
# Appends the message to a connection's output; the body is used up. `wire`: bytes that were written.
cdef int message_write(ThriftMessage *message, Engine *engine, Arena *arena, Transport *to, uint8_t transport, uint8_t protocol, bint twitter,
                       Span name, int32_t seqid, uint64_t *wire) noexcept nogil
# The header struct of the Twitter protocol for it, in the arena. Calls have another than replies.
cdef int message_lead(ThriftMessage *message, Engine *engine, Arena *arena, bint reply, Span *lead) noexcept nogil
# What was compressed, in one block that the caller frees; `packed` is used up. NULL: `error` says why.
cdef char *message_inflate(Engine *engine, Buffer *packed, uint64_t *n, int *error) noexcept nogil
cdef void message_fini(ThriftMessage *message, Engine *engine) noexcept nogil

cdef ThriftWalk *walk_new(Engine *engine) noexcept nogil                           # NULL: no memory
cdef void walk_free(Engine *engine, ThriftWalk *walk) noexcept nogil               # NULL is fine

cdef inline bint converts(uint8_t a, uint8_t b) noexcept nogil:
    # All protocols but the compact one write values alike.
    return (a == 3) != (b == 3)
