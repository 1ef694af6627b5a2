"""The HTTP filter chain of a stream: one algorithm for both directions, first filter first for requests, last first for responses.

A filter that stops holds what comes to it (Chain.holds): the head, body bytes, the end, trailers. Filters before it go on seeing the body, so
several may hold at once, each at its place. Resuming lets what is held go on behind that filter, in the order head, body, trailers. Bodies
pass filters as Buffers only where some filter looks at them; otherwise they go as spans straight to the router or the client. A reply that
takes the place of a response which filters have begun to see goes straight to the client, past all of them.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from meshcore.base.arena cimport arena_take
from meshcore.base.buffer cimport *
from meshcore.base.span cimport span
from meshcore.codec.head cimport Head
from meshcore.conf.stat_ids cimport HCM_RQ_TOO_LARGE, HCM_RS_TOO_LARGE
from meshcore.filter.http cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.proxy.client cimport client_pause, client_resume
from meshcore.proxy.objects cimport *
from meshcore.proxy.router cimport router_request_buffer, router_request_data, router_request_head, router_request_trailers
from meshcore.proxy.stream cimport stream_reply_simple, stream_reset, stream_trailers
from meshcore.proxy.stream_response cimport *
from meshcore.route.table cimport RouteFilters

cdef enum:
    REPLIED = STREAM_ENDED | STREAM_LOCAL_REPLY


cdef inline BufferPool *pool_of(Stream *stream) noexcept nogil:
    return &stream.engine.loop.buffers


cdef inline const HttpFilterOps *ops_of(Stream *stream, int n) noexcept nogil:
    # NULL when the filter is switched off.
    return stream.hcm.filters[n].ops if stream.filters_on >> n & 1 else NULL


cdef inline int first(Stream *stream, Chain *chain) noexcept nogil:
    return <int>stream.filters_len - 1 if chain.response else 0


cdef inline int following(Chain *chain, int n) noexcept nogil:
    return n - 1 if chain.response else n + 1


cdef inline bint inside(Stream *stream, int n) noexcept nogil:
    return n >= 0 and n < stream.filters_len


cdef inline bint over(Stream *stream, Chain *chain) noexcept nogil:
    # Nothing of this direction goes on any more.
    return stream.bits & (STREAM_ENDED if chain.response else REPLIED) != 0


# --- beginning ------------------------------------------------------------------------------------------------------


cdef bint chain_init(Stream *stream) noexcept nogil:
    cdef size_t n = stream.hcm.filters_len
    cdef size_t room = n * (sizeof(void *) + 2 * sizeof(Hold))
    cdef char *memory
    stream.response_chain.response = True
    if n == 0:
        return True
    memory = <char *>arena_take(&stream.arena, room)
    if memory == NULL:
        return False
    memset(memory, 0, room)
    stream.filters_len = n
    stream.http.settings = stream.hcm.filter_settings
    stream.http.state = <void **>memory
    stream.request_chain.holds = <Hold *>(memory + n * sizeof(void *))
    stream.response_chain.holds = stream.request_chain.holds + n
    return True


cdef void chain_route(Stream *stream) noexcept nogil:
    cdef const RouteFilters *route = filters_of_route(stream)
    stream.http.overrides = route.settings if route != NULL else NULL


cdef inline const RouteFilters *filters_of_route(Stream *stream) noexcept nogil:
    if stream.http.route == NULL:
        return NULL
    if stream.choice != NULL and stream.choice.filters != NULL:
        return stream.choice.filters
    return stream.http.route.filters


cdef void choose_filters(Stream *stream) noexcept nogil:
    # Which filters run is settled by the first route, as in Envoy; their settings follow the route when it changes.
    cdef const RouteFilters *route = filters_of_route(stream)
    cdef uint64_t limit = stream.listener.conf.buffer_limit
    stream.filters_chosen = True
    stream.filters_on = stream.hcm.filters_on
    if route != NULL:
        stream.filters_on = (stream.filters_on & ~route.off) | route.on
    stream.http.request_limit = limit if limit else ~<uint64_t>0
    stream.http.response_limit = stream.http.request_limit
    stream.http.request_bodies = stream.hcm.request_bodies & stream.filters_on
    stream.http.response_bodies = stream.hcm.response_bodies & stream.filters_on


# --- the run --------------------------------------------------------------------------------------------------------


cdef void run_head(Stream *stream, Chain *chain, int n) noexcept nogil:
    cdef const HttpFilterOps *ops
    cdef int answer
    while inside(stream, n):
        ops = ops_of(stream, n)
        answer = FILTER_CONTINUE
        if ops != NULL:
            if not chain.response and ops.on_request_head != NULL:
                answer = ops.on_request_head(&stream.http, n, chain.head_end)
            elif chain.response and ops.on_response_head != NULL:
                answer = ops.on_response_head(&stream.http, n, chain.head_end)
            if over(stream, chain):
                return
            if chain.head_end and chain.holds[n].bits & HOLD_SAW_TRAILERS:
                chain.head_end = False
                chain.holds[n].bits |= HOLD_HEAD
                release(stream, chain, n)
                return
        if answer == FILTER_STOP or (answer == FILTER_BUFFER and not chain.head_end):
            chain.holding |= <uint32_t>1 << n
            chain.holds[n].bits = HOLD_HEAD | (HOLD_WHOLE if answer == FILTER_BUFFER else 0)
            return
        n = following(chain, n)
    if chain.response:
        stream.bits |= STREAM_RESPONSE_PASSED
        deliver_head(stream, chain.head_end)
    else:
        stream.bits |= STREAM_ROUTED
        router_request_head(stream, chain.head_end)


cdef inline int data_hook(Stream *stream, Chain *chain, int n, Buffer *data, bint end) noexcept nogil:
    cdef const HttpFilterOps *ops = ops_of(stream, n)
    if ops == NULL:
        return FILTER_CONTINUE
    if chain.response:
        return ops.on_response_data(&stream.http, n, data, end) if ops.on_response_data != NULL else FILTER_CONTINUE
    return ops.on_request_data(&stream.http, n, data, end) if ops.on_request_data != NULL else FILTER_CONTINUE


cdef inline bint looks_at_bodies(Stream *stream, Chain *chain, int n) noexcept nogil:
    return (stream.http.response_bodies if chain.response else stream.http.request_bodies) >> n & 1 != 0


cdef void run_data(Stream *stream, Chain *chain, int n, Buffer *data, bint end) noexcept nogil:
    cdef int answer
    while inside(stream, n):
        if chain.holding >> n & 1:
            hold_data(stream, chain, n, data, end)
            return
        if looks_at_bodies(stream, chain, n):
            answer = data_hook(stream, chain, n, data, end)
            if over(stream, chain):
                buffer_fini(pool_of(stream), data)
                return
            if answer == FILTER_STOP or (answer == FILTER_BUFFER and not end):
                chain.holding |= <uint32_t>1 << n
                chain.holds[n].bits = HOLD_WHOLE if answer == FILTER_BUFFER else 0
                hold_data(stream, chain, n, data, end)
                return
            if answer == FILTER_TAKEN:
                buffer_fini(pool_of(stream), data)
                return
            if end and chain.holds[n].bits & HOLD_SAW_TRAILERS:
                buffer_move(&chain.holds[n].waiting, data)
                release(stream, chain, n)
                return
            if data.len == 0 and not end:
                buffer_fini(pool_of(stream), data)
                return
        n = following(chain, n)
    if chain.response:
        deliver_buffer(stream, data, end)
    else:
        router_request_buffer(stream, data, end)
    buffer_fini(pool_of(stream), data)


cdef void run_trailers(Stream *stream, Chain *chain, int n) noexcept nogil:
    cdef const HttpFilterOps *ops
    cdef int answer
    while inside(stream, n):
        if chain.holding >> n & 1:
            chain.holds[n].bits |= HOLD_TRAILERS | HOLD_END
            if chain.holds[n].bits & HOLD_WHOLE:
                offer(stream, chain, n)
            return
        ops = ops_of(stream, n)
        answer = FILTER_CONTINUE
        if ops != NULL:
            if chain.response and ops.on_response_trailers != NULL:
                answer = ops.on_response_trailers(&stream.http, n, stream.trailers)
            elif not chain.response and ops.on_request_trailers != NULL:
                answer = ops.on_request_trailers(&stream.http, n, stream.request_trailers)
            if over(stream, chain):
                return
        if answer != FILTER_CONTINUE:
            chain.holding |= <uint32_t>1 << n
            chain.holds[n].bits = HOLD_TRAILERS | HOLD_END | HOLD_SAW_TRAILERS
            return
        n = following(chain, n)
    if chain.response:
        deliver_trailers(stream)
    else:
        router_request_trailers(stream)


# --- holding and releasing ------------------------------------------------------------------------------------------


cdef void hold_data(Stream *stream, Chain *chain, int n, Buffer *data, bint end) noexcept nogil:
    cdef Hold *hold = &chain.holds[n]
    cdef uint64_t limit = stream.http.response_limit if chain.response else stream.http.request_limit
    if data.len > 0:
        if not buffer_own(pool_of(stream), data):
            buffer_fini(pool_of(stream), data)
            stream_reset(stream)   # no memory
            return
        buffer_move(&hold.waiting, data)
    if end:
        hold.bits |= HOLD_END
    if hold.bits & HOLD_WHOLE:
        if hold.waiting.len > limit:
            too_large(stream, chain)
        elif end:
            offer(stream, chain, n)
    elif hold.waiting.len > limit:
        chain_hold_back(stream, chain.response, n, True)


cdef void offer(Stream *stream, Chain *chain, int n) noexcept nogil:
    # The message is complete: the filter that waited for it sees the body whole.
    cdef Hold *hold = &chain.holds[n]
    cdef Buffer data
    cdef int answer
    hold.bits &= ~<uint8_t>HOLD_WHOLE
    buffer_init(&data)
    buffer_move(&data, &hold.waiting)
    answer = data_hook(stream, chain, n, &data, True)
    if over(stream, chain):
        buffer_fini(pool_of(stream), &data)
        return
    buffer_move(&hold.waiting, &data)
    if answer == FILTER_TAKEN:
        hold.bits &= ~<uint8_t>HOLD_END
    if answer != FILTER_STOP:
        release(stream, chain, n)


cdef void release(Stream *stream, Chain *chain, int n) noexcept nogil:
    cdef Hold *hold = &chain.holds[n]
    cdef uint8_t bits = hold.bits
    cdef Buffer data
    cdef bint end = bits & HOLD_END != 0 and bits & HOLD_TRAILERS == 0
    buffer_init(&data)
    buffer_move(&data, &hold.waiting)
    hold.bits = 0
    chain.holding &= ~(<uint32_t>1 << n)
    if bits & HOLD_HEAD:
        run_head(stream, chain, following(chain, n))
    if over(stream, chain):
        buffer_fini(pool_of(stream), &data)
        return
    if data.len > 0 or end:
        run_data(stream, chain, following(chain, n), &data, end)
    if bits & HOLD_TRAILERS and not over(stream, chain):
        run_trailers(stream, chain, following(chain, n) if bits & HOLD_SAW_TRAILERS else n)
    if not over(stream, chain):
        chain_hold_back(stream, chain.response, n, False)


cdef void too_large(Stream *stream, Chain *chain) noexcept nogil:
    if not chain.response:
        stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RQ_TOO_LARGE])
        stream_reply_simple(stream, 413, 0, span(b"request_payload_too_large", 25), span(b"Payload Too Large", 17))
        return
    stat_inc(stream.engine.stats, stream.hcm.stats[HCM_RS_TOO_LARGE])
    stream_reply_simple(stream, 500, 0, span(b"response_payload_too_large", 26), span(b"Internal Server Error", 21))


cdef void chain_hold_back(Stream *stream, bint response, uint8_t n, bint on) noexcept nogil:
    cdef Chain *chain = &stream.response_chain if response else &stream.request_chain
    cdef uint32_t before = chain.full
    if on:
        chain.full |= <uint32_t>1 << n
    else:
        chain.full &= ~(<uint32_t>1 << n)
    if (before != 0) == (chain.full != 0):
        return
    if response:
        if on:
            deliver_full(stream)
        elif not stream.client_full:
            deliver_low(stream)
    elif on:
        client_pause(stream, PAUSE_FILTER_FULL)
    else:
        client_resume(stream, PAUSE_FILTER_FULL)


cdef void chain_resume(Stream *stream, bint response, uint8_t n) noexcept nogil:
    cdef Chain *chain = &stream.response_chain if response else &stream.request_chain
    if chain.holding >> n & 1 and not over(stream, chain):
        release(stream, chain, n)


cdef void chain_inject(Stream *stream, bint response, uint8_t n, Buffer *data, bint end) noexcept nogil:
    cdef Chain *chain = &stream.response_chain if response else &stream.request_chain
    if over(stream, chain):
        buffer_fini(pool_of(stream), data)
        return
    run_data(stream, chain, following(chain, n), data, end)


cdef Head *chain_add_trailers(Stream *stream, uint8_t n, Buffer *data) noexcept nogil:
    cdef Hold *hold = &stream.response_chain.holds[n]
    cdef Head *trailers = stream_trailers(stream, &stream.trailers, True)
    if trailers != NULL:
        stream.record.trailers = trailers
        hold.bits |= HOLD_TRAILERS | HOLD_SAW_TRAILERS
    if data != NULL:
        buffer_move(&hold.waiting, data)
    return trailers


# --- requests -------------------------------------------------------------------------------------------------------


cdef void chain_request_head(Stream *stream) noexcept nogil:
    stream.request_chain.head_end = stream.message.framing == 0
    if stream.filters_len > 0:
        choose_filters(stream)
    run_head(stream, &stream.request_chain, 0)


cdef void chain_request_data(Stream *stream, Span data, bint end) noexcept nogil:
    cdef Chain *chain = &stream.request_chain
    cdef Buffer buffer
    if stream.bits & REPLIED:
        return
    if chain.holding == 0 and stream.http.request_bodies == 0:
        router_request_data(stream, data, end)
        return
    buffer_init(&buffer)
    if data.len > 0 and not buffer_borrow(pool_of(stream), &buffer, data.at, data.len):
        stream_reset(stream)       # no memory
        return
    run_data(stream, chain, 0, &buffer, end)


cdef void chain_request_trailers(Stream *stream) noexcept nogil:
    if stream.bits & REPLIED == 0:
        run_trailers(stream, &stream.request_chain, 0)


# --- responses ------------------------------------------------------------------------------------------------------


cdef void chain_response_head(Stream *stream, bint end) noexcept nogil:
    cdef Chain *chain = &stream.response_chain
    chain.head_end = end
    if stream.filters_len > 0 and not stream.filters_chosen:
        choose_filters(stream)
    run_head(stream, chain, -1 if chain.direct else first(stream, chain))


cdef void chain_response_data(Stream *stream, Span data, bint end) noexcept nogil:
    cdef Chain *chain = &stream.response_chain
    cdef Buffer buffer
    if stream.bits & STREAM_ENDED:
        return
    if chain.direct or (chain.holding == 0 and stream.http.response_bodies == 0):
        deliver_span(stream, data, end)
        return
    buffer_init(&buffer)
    if data.len > 0 and not buffer_borrow(pool_of(stream), &buffer, data.at, data.len):
        stream_reset(stream)       # no memory
        return
    run_data(stream, chain, first(stream, chain), &buffer, end)


cdef void chain_response_trailers(Stream *stream) noexcept nogil:
    cdef Chain *chain = &stream.response_chain
    if stream.bits & STREAM_ENDED == 0:
        run_trailers(stream, chain, first(stream, chain))


# --- ending ---------------------------------------------------------------------------------------------------------


cdef void forget(Stream *stream, Chain *chain) noexcept nogil:
    cdef uint8_t n
    chain.holding = 0
    for n in range(stream.filters_len):
        buffer_fini(pool_of(stream), &chain.holds[n].waiting)
        chain.holds[n].bits = 0


cdef void chain_skip_response(Stream *stream, bint direct) noexcept nogil:
    forget(stream, &stream.request_chain)
    forget(stream, &stream.response_chain)
    stream.response_chain.direct = direct
    stream.response_chain.full = 0
    stream.request_chain.full = 0
    client_resume(stream, PAUSE_WAITING_FULL)
    client_resume(stream, PAUSE_FILTER_FULL)


cdef void chain_end(Stream *stream) noexcept nogil:
    cdef const HttpFilterOps *ops
    cdef int n
    for n in range(stream.filters_len):
        ops = ops_of(stream, n)
        if ops != NULL and ops.on_log != NULL:
            ops.on_log(&stream.http, n)
    for n in range(stream.filters_len):
        ops = ops_of(stream, n)
        if ops != NULL and ops.on_destroy != NULL:
            ops.on_destroy(&stream.http, n)
    forget(stream, &stream.request_chain)
    forget(stream, &stream.response_chain)
