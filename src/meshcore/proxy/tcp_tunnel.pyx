"""Tunnels of a TCP proxy. See tcp_tunnel.pxd for the law.

Owns the stream of a session's tunnel, from the first try until tunnel_end; what the session itself does with an event is in tcp_proxy.
"""
from libc.stdint cimport uint8_t
from libc.string cimport memset

from meshcore.base.arena cimport Arena, arena_copy, arena_take
from meshcore.base.span cimport Span, span, span_fits_header, write_u64
from meshcore.base.uuid cimport UUID_LEN, uuid_write
from meshcore.codec.head cimport *
from meshcore.codec.http1 cimport BODY_RAW
from meshcore.conf.stat_ids cimport TCP_PAUSED, TCP_RESUMED
from meshcore.conf.tunnel cimport TunnelConf
from meshcore.conf.tunnel_facts cimport TunnelFacts
from meshcore.io.transport cimport transport_read_start, transport_read_stop
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.format cimport format_bound, format_write
from meshcore.observe.metadata cimport (
    META_LIST, META_STRUCT, META_TEXT, FilterState, FilterStateItem, MetaValue, filter_state_struct, meta_append, meta_make,
    metadata_namespace,
)
from meshcore.observe.record cimport FLAG_UF, FLAG_UH, FLAG_UR
from meshcore.proxy.attempt cimport RESET_LOCAL, RESET_OVERFLOW, RESET_REMOTE, drop_attempt, give_up, start_try
from meshcore.proxy.network_rules cimport connection_filter_state
from meshcore.proxy.objects cimport *
from meshcore.proxy.own_stream cimport own_stream_end, own_stream_new
from meshcore.proxy.stream_response cimport deliver_full, deliver_low
from meshcore.proxy.tcp_dial cimport tcp_hash, tcp_try_again, tcp_unserved
from meshcore.proxy.tcp_log cimport tcp_log_facts
from meshcore.proxy.tcp_proxy cimport tcp_finish, tcp_opened, tcp_read, tcp_upstream_end
from meshcore.proxy.upstream cimport upstream_send_span
from meshcore.route.hash_policy cimport HashAnswer
from meshcore.route.mutation cimport mutate_request
from meshcore.route.table cimport ClusterChoice

cdef Span TCP_PROXY = span(b"envoy.filters.network.tcp_proxy", 31)
cdef Span KEPT_HEADERS = span(b"envoy.tcp_proxy.propagate_response_headers", 42)
cdef Span KEPT_TRAILERS = span(b"envoy.tcp_proxy.propagate_response_trailers", 43)
cdef Span HEADERS = span(b"headers", 7)
cdef Span STATUS = span(b":status", 7)
cdef Span KEY = span(b"key", 3)
cdef Span VALUE = span(b"value", 5)


cdef inline TcpSession *session_of(Stream *stream) noexcept nogil:
    return <TcpSession *>stream.down


cdef inline const TunnelConf *conf_of(TcpSession *session) noexcept nogil:
    return session.base.conn.chain.conf.tcp.tunnel


cdef inline const TunnelFacts *facts_of(TcpSession *session) noexcept nogil:
    return <const TunnelFacts *>session.base.conn.chain.conf.tcp.tunnel


# --- the request ----------------------------------------------------------------------------------------------------


cdef bint fill_request(Stream *stream, TcpSession *session) noexcept nogil:
    cdef const TunnelConf *conf = conf_of(session)
    cdef Head *head = &stream.request
    cdef size_t room = format_bound(conf.host, &stream.record)
    cdef char *text = <char *>arena_take(&stream.arena, room + 1)
    if text == NULL:
        return False
    head_init(head, &stream.arena, False)
    head.authority = span(text, <size_t>(format_write(conf.host, &stream.record, text, text + room) - text))
    if not span_fits_header(head.authority):
        return False                   # a server name, say, that holds a line's end
    head.method = span(b"POST", 4) if conf.post else span(b"CONNECT", 7)
    if conf.post:
        head.path = conf.path
        head.scheme = span(b"http", 4) if session.routed.conf.tls == NULL else span(b"https", 5)
    else:
        stream.bits |= STREAM_CONNECT
    return add_id(stream, session) and (conf.mutation == NULL or mutate_request(conf.mutation, head, &stream.record))


cdef bint add_id(Stream *stream, TcpSession *session) noexcept nogil:
    cdef const TunnelFacts *facts = facts_of(session)
    cdef MetaValue *own
    cdef char *text
    if facts.header.len == 0:
        return True
    text = <char *>arena_take(&stream.arena, UUID_LEN)
    own = metadata_namespace(&stream.record.metadata, &stream.arena, TCP_PROXY)
    if text != NULL and own != NULL:
        own = meta_make(own, &stream.arena, facts.key)
    if text == NULL or own == NULL:
        return False
    uuid_write(&session.base.engine.loop.random, text)
    own.kind = META_TEXT
    own.text = stream.record.stream_id = span(text, UUID_LEN)
    return head_add_copy(&stream.request, facts.header, own.text)


cdef bint fill_choice(Stream *stream, TcpSession *session) noexcept nogil:
    # Which host the session wants: start_try asks its stream.
    cdef ClusterChoice *choice = <ClusterChoice *>arena_take(&stream.arena, sizeof(ClusterChoice))
    if choice == NULL:
        return False
    memset(choice, 0, sizeof(ClusterChoice))
    choice.criteria = session.criteria
    stream.choice = choice
    if session.base.conn.chain.conf.tcp.hash == NULL:
        return True
    stream.hash = <HashAnswer *>arena_take(&stream.arena, sizeof(HashAnswer))
    if stream.hash == NULL:
        return False
    tcp_hash(session, stream.hash)
    return True


cdef Stream *tunnel_new(TcpSession *session) noexcept nogil:
    cdef Stream *stream = own_stream_new(session.base.engine, session.base.conn.chain.listener, NULL, NULL, session.routed)
    if stream == NULL:
        return NULL
    session.base.ops = &client_ops
    stream.down = &session.base
    stream.bits |= STREAM_TCP
    stream.message.framing = BODY_RAW
    tcp_log_facts(session, &stream.record)
    stream.record.upstream_wire_tx = stream.record.upstream_wire_rx = 0
    session.tunnel = stream
    if fill_request(stream, session) and fill_choice(stream, session):
        stream.record.protocol = HTTP_11           # what an upstream speaks that speaks as its client does
        return stream
    tunnel_end(session)
    return NULL


cdef bint tunnel_dial(TcpSession *session) noexcept nogil:
    if session.tunnel == NULL and tunnel_new(session) == NULL:
        tcp_finish(session, 0, False)
        return True
    session.starting = True
    session.start_failed = False
    start_try(session.tunnel, False, False)
    session.starting = False
    return not session.start_failed


cdef void tunnel_end(TcpSession *session) noexcept nogil:
    cdef Stream *stream = session.tunnel
    if stream == NULL:
        return
    session.tunnel = NULL
    own_stream_end(stream)
    stream.down = NULL


# --- its answer -----------------------------------------------------------------------------------------------------


cdef bint agrees(Stream *stream) noexcept nogil:
    # Envoy takes any 2xx of an HTTP/1 host, and only 200 of an HTTP/2 one.
    if stream.record.upstream_protocol >= HTTP_2:
        return stream.response.status == 200
    return 200 <= stream.response.status < 300


cdef bint keep_field(MetaValue *list, Arena *arena, Span name, Span value) noexcept nogil:
    cdef MetaValue *field = meta_append(list, arena)
    cdef MetaValue *member
    cdef int i
    if field == NULL:
        return False
    field.kind = META_STRUCT
    for i in range(2):
        if i and value.len == 0:
            break                  # as protobuf prints it
        member = meta_make(field, arena, VALUE if i else KEY)
        if member == NULL:
            return False
        member.kind = META_TEXT
        member.text = span(arena_copy(arena, value.at, value.len), value.len) if i else span(arena_copy(arena, name.at, name.len), name.len)
        if member.text.at == NULL:
            return False
    return True


cdef void keep_fields(Connection *connection, Span key, const Head *head, bint status) noexcept nogil:
    # A log line may ask for them when the tunnel's stream has gone, so they are the connection's.
    cdef FilterState *store = connection_filter_state(connection)
    cdef FilterStateItem *item
    cdef Arena *arena
    cdef MetaValue *list
    cdef const Header *header
    cdef char text[8]
    cdef uint16_t i
    if store == NULL:
        return
    arena = &connection.state.arena
    item = filter_state_struct(store, arena, key)
    list = meta_make(item.typed, arena, HEADERS) if item != NULL else NULL
    if list == NULL:
        return
    list.kind = META_LIST
    if status and not keep_field(list, arena, STATUS, span(text, write_u64(text, head.status))):
        return
    for i in range(head.len):
        header = &head.headers[i]
        if not header.dropped and not keep_field(list, arena, span(header.name, header.name_len), span(header.value, header.value_len)):
            return


cdef void tunnel_trailers(Attempt *attempt) noexcept nogil:
    cdef Stream *stream = attempt.stream
    cdef TcpSession *session = session_of(stream)
    if stream.trailers != NULL and facts_of(session).keeps_trailers and not session.closed:
        keep_fields(&session.base.conn, KEPT_TRAILERS, stream.trailers, False)
    tunnel_data(attempt, span(b"", 0), True)


cdef void tunnel_answered(Attempt *attempt, bint end) noexcept nogil:
    cdef Stream *stream = attempt.stream
    cdef TcpSession *session = session_of(stream)
    cdef char text[40]
    cdef size_t n = 16
    if facts_of(session).keeps_headers:
        keep_fields(&session.base.conn, KEPT_HEADERS, &stream.response, True)
    if agrees(stream) and not end:
        attempt.response_started = True
        stream.bits |= STREAM_TUNNEL
        session.upstream_local = stream.upstream_local
        session.upstream_id = stream.record.upstream_connection_id
        tcp_opened(session)
        return
    if end:
        drop_attempt(attempt)
    else:
        give_up(attempt)
    text[:16] = b"tunnel_response:"
    n += write_u64(text + n, stream.response.status)
    tunnel_failed(stream, RESET_LOCAL, span(text, n))


cdef void tunnel_failed(Stream *stream, uint8_t reason, Span failure) noexcept nogil:
    cdef TcpSession *session = session_of(stream)
    if session == NULL or session.closed:
        return
    if session.connected:
        tcp_finish(session, FLAG_UR if reason == RESET_REMOTE else 0, reason == RESET_REMOTE)
        return
    if reason != RESET_OVERFLOW:
        session.flags |= FLAG_UF
    # A copy: what it points to may be of a connection that goes.
    session.failure = span(arena_copy(&stream.arena, failure.at, failure.len), failure.len) if failure.len > 0 else failure
    if session.failure.at == NULL:
        session.failure.len = 0
    if session.starting:
        session.start_failed = True
    else:
        tcp_try_again(session)


cdef void tunnel_unserved(Stream *stream) noexcept nogil:
    cdef TcpSession *session = session_of(stream)
    session.attempts -= 1
    tcp_unserved(session, FLAG_UH)


# --- bytes ----------------------------------------------------------------------------------------------------------


cdef void tunnel_send(TcpSession *session, Span data, bint end) noexcept nogil:
    cdef Attempt *attempt = session.tunnel.attempt
    if attempt == NULL or attempt.upstream == NULL:
        return
    upstream_send_span(attempt.upstream, attempt, data, end)
    if attempt.upstream == NULL:
        drop_attempt(attempt)      # both directions have ended


cdef void tunnel_data(Attempt *attempt, Span data, bint end) noexcept nogil:
    cdef Stream *stream = attempt.stream
    cdef TcpSession *session = session_of(stream)
    cdef bint whole = end and stream.record.upstream_protocol < HTTP_2
    if end and attempt.upstream == NULL:
        drop_attempt(attempt)
    if session.closed:
        return
    if data.len > 0:
        tcp_read(session, data)
    if whole:
        tcp_finish(session, 0, False)
    elif end:
        tcp_upstream_end(session)


cdef void tunnel_pause(TcpSession *session) noexcept nogil:
    deliver_full(session.tunnel)


cdef void tunnel_resume(TcpSession *session) noexcept nogil:
    deliver_low(session.tunnel)


# --- the client, as attempts see it -----------------------------------------------------------------------------------


cdef void pause(Downstream *down, Stream *stream, uint8_t reason) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>down
    if reason == PAUSE_UPSTREAM_FULL and not session.closed:
        stat_inc(session.base.engine.stats, session.base.conn.chain.conf.tcp.stats[TCP_PAUSED])
        transport_read_stop(session.base.conn.transport)


cdef void resume(Downstream *down, Stream *stream, uint8_t reason) noexcept nogil:
    cdef TcpSession *session = <TcpSession *>down
    if reason == PAUSE_UPSTREAM_FULL and session.connected and not session.closed and not session.down_ended:
        stat_inc(session.base.engine.stats, session.base.conn.chain.conf.tcp.stats[TCP_RESUMED])
        transport_read_start(session.base.conn.transport)


cdef DownstreamOps client_ops
client_ops.pause = pause
client_ops.resume = resume
