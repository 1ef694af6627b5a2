"""Thrift messages in a stream of bytes. See thrift_stream.pxd for the law."""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset

from meshcore.base.span cimport span
from meshcore.codec.thrift_frame cimport thrift_frame_read
from meshcore.codec.thrift_message cimport thrift_message_read
from meshcore.codec.thrift_read cimport READ_DONE, thrift_read_begin
from meshcore.codec.thrift_skip cimport thrift_skip
from meshcore.codec.thrift_twitter cimport thrift_is_upgrade, thrift_twitter_find

cdef enum:
    PIECE_MAX = 1 << 30            # a span counts in 32 bits


cdef void thrift_stream_init(ThriftStream *stream, uint8_t transport, uint8_t protocol, const ThriftLimits *limits,
                             ThriftReader *reader) noexcept nogil:
    memset(stream, 0, sizeof(ThriftStream))
    stream.limits = limits
    stream.transport = transport
    stream.protocol = protocol
    stream.reader = reader


cdef inline int fail(ThriftStream *stream, uint8_t error) noexcept nogil:
    stream.error = error
    stream.state = STREAM_BROKEN
    return STREAM_ERROR


cdef inline bint same_protocol(uint8_t agreed, uint8_t said) noexcept nogil:
    # The header transport knows one binary protocol.
    return agreed == said or (said == THRIFT_BINARY and agreed != THRIFT_COMPACT)


cdef int read_envelope(ThriftStream *stream, const char *at, size_t n, size_t *used) noexcept nogil:
    # Of a frame of which n bytes are there.
    cdef uint8_t protocol = stream.protocol
    cdef int result
    if stream.frame.protocol != THRIFT_PROTOCOL_AUTO:
        if protocol == THRIFT_PROTOCOL_AUTO:
            protocol = stream.frame.protocol
        elif not same_protocol(protocol, stream.frame.protocol):
            stream.error = THRIFT_BAD_PROTOCOL
            return THRIFT_ERROR
    if n > stream.frame.size:
        n = <size_t>stream.frame.size
    result = thrift_message_read(at, n, protocol, stream.limits, &stream.envelope, used, &stream.error)
    if result == THRIFT_MORE and used[0] > stream.frame.size:
        stream.error = THRIFT_TRUNCATED
        return THRIFT_ERROR
    return result


cdef inline void learn(ThriftStream *stream) noexcept nogil:
    stream.transport = stream.frame.transport
    if stream.protocol == THRIFT_PROTOCOL_AUTO:
        stream.protocol = stream.envelope.protocol
        if stream.protocol == THRIFT_BINARY and thrift_is_upgrade(&stream.envelope):
            stream.protocol = THRIFT_TWITTER


cdef int read_twitter(ThriftStream *stream, const char *at, size_t n, size_t *used) noexcept nogil:
    # The header struct; then, with what is behind it, the envelope.
    cdef size_t more = 0
    cdef int result
    if n > stream.frame.size:
        n = <size_t>stream.frame.size
    result = thrift_twitter_find(at, n, stream.frame.size, stream.limits, used, &stream.error)
    if result != THRIFT_OK:
        # Looked at again with every read: max_header_bytes of skipping cost no more than the read did.
        used[0] = n + 1
        return result
    stream.twitter = span(at, used[0])
    stream.frame.size -= used[0] if stream.frame.size != THRIFT_UNBOUNDED else 0
    result = read_envelope(stream, at + used[0], n - used[0], &more)
    used[0] += more
    return result


cdef int read_head(ThriftStream *stream, const char **at, const char *end) noexcept nogil:
    cdef size_t n = <size_t>(end - at[0])
    cdef size_t used = 0
    cdef size_t more = 0
    cdef uint64_t size = 0
    cdef int result
    if n < stream.wanted or n == 0:
        return STREAM_MORE
    stream.twitter = span(NULL, 0)
    result = thrift_frame_read(at[0], n, stream.transport, stream.limits, &stream.frame, &used, &stream.error)
    if result == THRIFT_OK:
        stream.compressed = stream.frame.transforms_len > 0
        if stream.compressed:
            return begin_compressed(stream, at, used)
        if stream.upgraded:
            result = read_twitter(stream, at[0] + used, n - used, &more)
        else:
            result = read_envelope(stream, at[0] + used, n - used, &more)
        used += more
        size = stream.frame.size - (more - stream.twitter.len)
    if result == THRIFT_ERROR:
        return fail(stream, stream.error)
    if result == THRIFT_MORE:
        stream.wanted = used
        return STREAM_MORE
    learn(stream)
    at[0] += used
    stream.wanted = 0
    if stream.frame.size == THRIFT_UNBOUNDED:
        stream.state = STREAM_WALK
        thrift_read_begin(stream.reader, stream.envelope.protocol, THRIFT_STRUCT, THRIFT_UNBOUNDED, stream.limits)
    else:
        stream.state = STREAM_PAYLOAD
        stream.left = size
    return STREAM_MESSAGE


cdef int begin_compressed(ThriftStream *stream, const char **at, size_t used) noexcept nogil:
    stream.transport = stream.frame.transport
    at[0] += used
    stream.wanted = 0
    stream.left = stream.frame.size
    stream.state = STREAM_COMPRESSED
    return STREAM_MESSAGE


cdef int thrift_stream_inflated(ThriftStream *stream, const char *at, size_t n, size_t *used) noexcept nogil:
    cdef int result
    stream.frame.size = n
    result = read_envelope(stream, at, n, used)
    if result == THRIFT_OK:
        learn(stream)
        return THRIFT_OK
    fail(stream, stream.error)
    return THRIFT_ERROR


cdef int counted(ThriftStream *stream, const char **at, const char *end, Span *piece) noexcept nogil:
    cdef uint64_t n = <uint64_t>(end - at[0])
    if stream.left == 0:
        stream.state = STREAM_HEAD
        return STREAM_END
    if n == 0:
        return STREAM_MORE
    if n > stream.left:
        n = stream.left
    if n > PIECE_MAX:
        n = PIECE_MAX
    piece[0] = span(at[0], n)
    at[0] += n
    stream.left -= n
    return STREAM_BYTES


cdef int walked(ThriftStream *stream, const char **at, const char *end, Span *piece) noexcept nogil:
    cdef const char *start = at[0]
    if stream.reader.state == READ_DONE:
        stream.state = STREAM_HEAD
        return STREAM_END
    if end - start > PIECE_MAX:
        end = start + PIECE_MAX
    if thrift_skip(stream.reader, at, end) == THRIFT_ERROR:
        return fail(stream, stream.reader.error)
    if at[0] == start:
        return STREAM_MORE
    piece[0] = span(start, at[0] - start)
    return STREAM_BYTES


cdef int thrift_stream_next(ThriftStream *stream, const char **at, const char *end, Span *piece) noexcept nogil:
    if stream.state == STREAM_HEAD:
        return read_head(stream, at, end)
    if stream.state == STREAM_WALK:
        return walked(stream, at, end, piece)
    if stream.state == STREAM_BROKEN:
        return STREAM_ERROR
    return counted(stream, at, end, piece)


cdef const char *thrift_stream_state_name(uint8_t state) noexcept nogil:
    if state == STREAM_HEAD:
        return b"head"
    if state == STREAM_PAYLOAD:
        return b"payload"
    if state == STREAM_WALK:
        return b"walk"
    return b"compressed" if state == STREAM_COMPRESSED else b"broken"
