# HTTP/2: the words that the parts of the codec share (http2_session, http2_head).
#
# The codec is bytes in, events out; heads and body slices in, bytes out. No I/O, no clock, no connection. Framing, HPACK, flow control and the
# rules of RFC 9113 are nghttp2's. Events come while http2_receive runs and may call everything here but http2_receive and
# http2_session_fini. Bytes that were received but not consumed (http2_consume) keep the peer's window closed: that is how a slow other side
# holds the peer back. What is to be sent waits in its stream and leaves in http2_pull, as far as the peer's windows allow.
#
# One session per connection, one thread. A stream belongs to its session: it ends with on_closed, or with the session.
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena, BlockPool
from meshcore.base.buffer cimport Buffer, BufferPool
from meshcore.base.slab cimport Slab
from meshcore.base.span cimport Span
from meshcore.codec.head cimport Head
from meshcore.codec.http2_memory cimport Http2Memory
from meshcore.codec.http2_native cimport nghttp2_session

cdef enum Http2Error:
    # Why a session is of no more use; the connection ends after what is still to be sent.
    HTTP2_OK
    HTTP2_PROTOCOL                 # the peer broke the protocol
    HTTP2_EMPTY_FLOOD              # too many frames without a payload, one after the other
    HTTP2_PRIORITY_FLOOD
    HTTP2_WINDOW_FLOOD             # too many WINDOW_UPDATE frames
    HTTP2_OUTBOUND_FLOOD           # the peer makes us answer and does not read
    HTTP2_OUTBOUND_CONTROL_FLOOD
    HTTP2_MEMORY

cdef enum Http2Wrong:
    # What was wrong with one stream.
    HTTP2_STREAM_OK
    HTTP2_STREAM_MESSAGE           # RFC 9113, 8.1.1: a malformed message
    HTTP2_STREAM_HEADER            # a field that no message may have
    HTTP2_STREAM_TOO_MANY          # more fields, or bytes of them, than allowed
    HTTP2_STREAM_UNDERSCORE

cdef enum Http2StreamBits:
    HTTP2_OPEN = 1                 # it stands in the session
    HTTP2_HEAD_IN = 2              # the final head was received
    HTTP2_END_IN = 4               # the peer has sent everything
    HTTP2_HEAD_OUT = 8
    HTTP2_END_OUT = 16             # the owner has given everything
    HTTP2_END_SENT = 32            # ... and it went into the pulled bytes
    HTTP2_DEFERRED = 64            # nghttp2 waits for body bytes
    HTTP2_PEER_RESET = 128
    HTTP2_RESET_SENT = 256
    HTTP2_FULL = 512               # on_high was called
    HTTP2_BORROWS = 1024           # in session.borrowing
    HTTP2_RESET_AFTER = 2048       # when everything is sent, the rest of the request is not wanted
    HTTP2_CONNECT = 4096           # a tunnel

cdef enum Http2Count:
    # What a session counts; names are those of Envoy's codec, in bind/stat_names.
    HTTP2_RX_RESET
    HTTP2_TX_RESET
    HTTP2_RX_MESSAGING_ERROR
    HTTP2_HEADER_OVERFLOW
    HTTP2_DROPPED_UNDERSCORES
    HTTP2_REJECTED_UNDERSCORES
    HTTP2_REFUSED_STREAMS
    HTTP2_TRAILERS
    HTTP2_GOAWAY_SENT
    HTTP2_KEEPALIVE_TIMEOUT
    HTTP2_EMPTY_FLOODS
    HTTP2_PRIORITY_FLOODS
    HTTP2_WINDOW_FLOODS
    HTTP2_OUTBOUND_FLOODS
    HTTP2_OUTBOUND_CONTROL_FLOODS
    HTTP2_STREAMS_ACTIVE           # a gauge
    HTTP2_COUNTS

cdef enum:
    HTTP2_SETTINGS_MAX = 32        # settings beside those that have a name

cdef struct Http2Options:
    # Http2ProtocolOptions and what it is limited by; names are Envoy's. Immutable, in a table.
    uint32_t hpack_table
    uint32_t max_streams
    uint32_t stream_window
    uint32_t connection_window
    uint32_t max_outbound
    uint32_t max_outbound_control
    uint32_t max_empty             # consecutive inbound frames without a payload
    uint32_t max_priority          # inbound, per stream
    uint32_t max_window_updates    # inbound, per DATA frame sent
    uint32_t reset_burst
    uint32_t reset_rate
    uint32_t max_head_bytes
    uint16_t max_headers
    uint8_t underscores            # Underscores of codec/http1
    bint stream_errors             # a malformed message ends its stream, not the connection
    bint allow_connect             # a server takes CONNECT, extended too (RFC 8441, 3)
    uint64_t keepalive_ms          # between pings; 0 = none
    uint64_t keepalive_timeout_ms
    uint32_t keepalive_jitter      # percent
    uint64_t keepalive_idle_ms     # a stream that starts after so long without traffic pings first; 0 = off
    uint8_t settings_len           # custom_settings_parameters, no identifier twice, each with a value that it may have
    uint16_t settings[HTTP2_SETTINGS_MAX]
    uint32_t setting_values[HTTP2_SETTINGS_MAX]

cdef struct Http2Stream:
    int32_t id
    uint32_t bits                  # Http2StreamBits
    Http2Session *session
    void *owner                    # NULL: nobody listens any more
    Head *head                     # where the next head goes; set in on_open, or by whoever sends a request
    Head *trailers                 # taken from on_trailers_head
    uint64_t unconsumed            # received while its owner was paused
    bint paused
    uint8_t wrong                  # Http2Wrong
    uint32_t cookie_at             # index of the cookie that others are joined to, + 1
    uint32_t fields                # of the head that is being read: how many
    uint32_t field_bytes           # ... and their names and values
    Buffer out                     # body that waits for windows
    Head *trailers_out             # in `kept`
    Arena kept                     # empty but for trailers that wait
    Http2Stream *next              # in session.streams
    Http2Stream **link
    Http2Stream *next_borrowing

cdef struct Http2Ops:
    bint (*on_open)(Http2Stream *stream) noexcept nogil                    # a request begins: sets owner and head. False: refused
    Head *(*on_trailers_head)(Http2Stream *stream) noexcept nogil          # an empty head for trailers; NULL: no memory
    void (*on_head)(Http2Stream *stream, bint end) noexcept nogil          # stream.head is filled
    void (*on_data)(Http2Stream *stream, Span data) noexcept nogil         # the span is valid until it returns
    void (*on_trailers)(Http2Stream *stream) noexcept nogil                # stream.trailers is filled; the message is complete
    void (*on_end)(Http2Stream *stream) noexcept nogil                     # complete, without trailers
    void (*on_closed)(Http2Stream *stream, uint32_t code) noexcept nogil   # gone; its owner must forget it
    void (*on_high)(Http2Stream *stream) noexcept nogil                    # its body waits in too great a length
    void (*on_low)(Http2Stream *stream) noexcept nogil
    void (*on_settings)(Http2Session *session) noexcept nogil
    void (*on_goaway)(Http2Session *session, uint32_t code) noexcept nogil
    void (*on_pong)(Http2Session *session) noexcept nogil

cdef struct Http2Session:
    nghttp2_session *native
    const Http2Ops *ops
    const Http2Options *options
    void *owner
    BufferPool *pool
    BlockPool *blocks
    Slab *slab                     # of Http2Stream
    Http2Memory *memory            # nghttp2's own
    Buffer *out                    # where pulled bytes go
    uint64_t mark                  # DATA waits while more than this is in `out`; 0 = never
    uint64_t stream_mark           # on_high of a stream; 0 = never
    Http2Stream *streams
    Http2Stream *current           # the one whose head is being read
    Http2Stream *borrowing         # those whose `out` points to bytes that end with this event
    uint32_t streams_len
    uint32_t opened                # in all
    uint64_t *stats                # a worker's counters; NULL: nothing is counted
    const uint32_t *slots          # where in them, by Http2Count
    bint server
    bint late                      # `out` leaves after this event: what is to be sent is copied at once
    bint busy                      # http2_receive or http2_pull is on the stack
    bint dead                      # no more events
    uint8_t error                  # Http2Error
    bint blocked                   # DATA waits for `out` to shrink
    uint32_t empty_frames
    uint32_t priority_frames
    uint32_t window_frames
    uint64_t data_frames           # sent
    uint32_t outbound[2]           # frames that may still be in `out`: of this epoch, and of the one before
    uint32_t outbound_control[2]
    uint64_t pulled                # bytes in all
    uint64_t epoch                 # `pulled` when this epoch began; when these bytes have left, the next one begins

cdef inline void http2_count(Http2Session *session, int what, int n) noexcept nogil:
    if session.stats != NULL:
        session.stats[session.slots[what] + (n < 0)] += <uint64_t>(n if n > 0 else -n)     # a gauge's decrements lie behind its increments
