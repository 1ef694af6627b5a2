# The HTTP filter ABI: what a filter is, and what it sees of a stream. One ABI for native and Python filters.
#
# A filter is one HttpFilterOps (shared, immutable) and its settings (immutable, in a table). Requests run through the chain from the
# first filter to the router, responses back from the last to the first. Hooks run on the stream's worker, without the GIL; a hook that
# is NULL means "continue". A hook answers:
#   FILTER_CONTINUE  go on to the next filter
#   FILTER_STOP      stop here; what arrives meanwhile waits behind this filter (above the limit, with back-pressure) until the filter calls
#                    ops.resume_request or ops.resume_response, or replies
#   FILTER_BUFFER    as STOP, and the filter's data hook gets the waiting body whole, with `end`, when the message is complete; a body over
#                    the limit is answered with 413, a response with 500. Of a message that has ended it means "continue"
#   FILTER_TAKEN     (data hooks) the filter has the data and the end now, and goes on being asked
# A data hook may change `data`, or move it into a buffer of its own (buffer_own first), answer FILTER_TAKEN, and give it on later with
# ops.inject_*. `end` is not set when trailers follow. A filter that has stopped is asked nothing more in that direction until it resumes;
# it must not resume, inject or hold back from inside a hook of the same direction (a reply is allowed everywhere).
# Per-stream memory of a filter comes from the stream's arena and is kept in stream.state[n].
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from meshcore.base.arena cimport Arena
from meshcore.base.buffer cimport Buffer, BufferPool
from meshcore.base.clock cimport Clock
from meshcore.base.random cimport Random
from meshcore.base.span cimport Span
from meshcore.base.wheel cimport Wheel
from meshcore.codec.head cimport Head
from meshcore.filter.grpc_call cimport GrpcCall
from meshcore.observe.record cimport IpAddress, Record
from meshcore.route.table cimport Route

cdef enum FilterAnswer:
    FILTER_CONTINUE
    FILTER_STOP
    FILTER_BUFFER
    FILTER_TAKEN

cdef enum:
    FILTERS_MAX = 32               # per connection manager, the router not counted

cdef struct BatchItem:
    # A stream whose next step waits for the end of the loop iteration; see batch.pxd.
    BatchItem *next
    BatchItem **link               # NULL: not in the batch
    HttpStream *stream
    uint8_t n                      # which filter
    uint8_t phase                  # the filter's own word for what is to be done

cdef struct Batch:
    BatchItem *first
    BatchItem **last               # where the next one is linked
    void (*run)(Batch *batch) noexcept nogil      # empties the batch; NULL: no filter uses it
    void *owner

cdef struct LocalReply:
    # What a filter wants to answer instead of the upstream.
    uint16_t status
    uint64_t flag                  # ResponseFlag, or 0
    uint8_t grpc                   # what gRPC clients are told: 1 + a status; 0: what the HTTP status stands for
    Span body
    bint plain                     # as an upstream would answer: no mapper, no format, no header of the route
    Span content_type              # empty: text/plain
    Span details                   # response-code details
    Head *head                     # headers to add, or NULL

cdef struct HttpStream:
    # What a filter may see; the first member of the proxy's own stream.
    const StreamOps *ops
    Arena *arena                   # lives as long as the stream
    BufferPool *buffers
    Wheel *wheel
    Clock *clock
    Random *random
    uint64_t *stats                # this worker's counter array
    void *worker                   # the worker's own value, for filters that talk to it through bind/
    Batch *batch                   # steps that wait for the end of the loop iteration
    Record *record
    Head *request                  # NULL before the request head is complete
    Head *response                 # NULL before there is one
    Route *route                   # NULL: none found, or not looked for yet
    void **settings                # of each filter, from its table
    void **overrides               # of each filter for this route (NULL: none); NULL: the route has none. See filter_settings
    void **state                   # of each filter, NULL at first
    uint64_t request_limit         # bytes of body that may wait for a filter
    uint64_t response_limit
    uint32_t request_bodies        # bit n: the n-th filter wants to see data and trailers; its head hook may clear it
    uint32_t response_bodies
    Span wanted_host               # "10.0.0.1:80": where the first try goes if the cluster has it; empty: the balancer decides
    bint wanted_only               # ... and nowhere else

cdef struct StreamOps:
    void (*resume_request)(HttpStream *stream, uint8_t n) noexcept nogil      # by the n-th filter, which had stopped
    void (*resume_response)(HttpStream *stream, uint8_t n) noexcept nogil
    # Data that the n-th filter had taken goes on behind it; all of `data` is taken.
    void (*inject_request)(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil
    void (*inject_response)(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil
    void (*hold_back)(HttpStream *stream, uint8_t n, bint response, bint on) noexcept nogil     # whether the sender is read no further
    # From a response hook of the n-th filter that was told `end`, and then continues: the response ends with trailers instead, an empty head
    # for which comes back (NULL: no memory). `data`: what goes before them where the head was all, taken; else NULL.
    Head *(*add_trailers)(HttpStream *stream, uint8_t n, Buffer *data) noexcept nogil
    void (*reply)(HttpStream *stream, const LocalReply *reply) noexcept nogil
    # How many hosts a cluster has, and how many of them are healthy or degraded; False: there is no such cluster.
    bint (*cluster_members)(HttpStream *stream, int64_t index, uint32_t *total, uint32_t *available) noexcept nogil
    const IpAddress *(*connection_source)(HttpStream *stream) noexcept nogil    # who the connection says the client is
    bint (*server_failed)(HttpStream *stream) noexcept nogil        # told to fail its health checks (/healthcheck/fail)
    Span (*cluster_stat_name)(HttpStream *stream) noexcept nogil    # of the cluster that the route names; empty: there is none
    void (*clear_route)(HttpStream *stream) noexcept nogil          # the route is looked up again before the next filter
    bint (*response_complete)(HttpStream *stream) noexcept nogil    # the whole response went to the client
    void (*grpc_begin)(HttpStream *stream, GrpcCall *call, Span message) noexcept nogil
    void (*grpc_cancel)(GrpcCall *call) noexcept nogil
    # A RateCount (filter/rate_limit_service) of the cluster that the route leads to, < 0: nothing; and, unless it is 0, a status that the
    # cluster did not answer itself. False: there is no such cluster.
    bint (*charge_limit)(HttpStream *stream, int what, uint16_t status) noexcept nogil

cdef struct HttpFilterOps:
    const char *kind               # "envoy.filters.http.buffer"
    int (*on_request_head)(HttpStream *stream, uint8_t n, bint end) noexcept nogil
    int (*on_request_data)(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil
    int (*on_request_trailers)(HttpStream *stream, uint8_t n, Head *trailers) noexcept nogil
    int (*on_response_head)(HttpStream *stream, uint8_t n, bint end) noexcept nogil
    int (*on_response_data)(HttpStream *stream, uint8_t n, Buffer *data, bint end) noexcept nogil
    int (*on_response_trailers)(HttpStream *stream, uint8_t n, Head *trailers) noexcept nogil
    void (*on_log)(HttpStream *stream, uint8_t n) noexcept nogil
    void (*on_destroy)(HttpStream *stream, uint8_t n) noexcept nogil


cdef inline void *filter_settings(HttpStream *stream, uint8_t n) noexcept nogil:
    # The n-th filter's settings for this route: the most specific there are.
    if stream.overrides != NULL and stream.overrides[n] != NULL:
        return stream.overrides[n]
    return stream.settings[n]
