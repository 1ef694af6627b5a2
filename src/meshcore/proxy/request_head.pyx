"""The HTTP connection manager's treatment of a request head, in Envoy's order: Expect, version, Host, path, client address, internal headers,
request id. What is wrong is answered here, with Envoy's status and response-code details.
"""
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from meshcore.base.arena cimport arena_take
from meshcore.base.span cimport Span, list_has, span_find, parse_u64, span, span_is
from meshcore.base.uuid cimport UUID_LEN, uuid_write
from meshcore.codec.head cimport *
from meshcore.codec.http1_target cimport http1_referer_valid
from meshcore.conf.stat_ids cimport *
from meshcore.conf.tables cimport *
from meshcore.observe.counters cimport stat_inc
from meshcore.observe.record cimport ADDRESS_TEXT, FLAG_DPE, address_write
from meshcore.proxy.client cimport client_no_more
from meshcore.proxy.client_address cimport client_identify
from meshcore.proxy.client_cert cimport client_cert_forward
from meshcore.proxy.connection cimport connection_local
from meshcore.proxy.objects cimport *
from meshcore.proxy.path_normal cimport *
from meshcore.proxy.stream cimport stream_reply, stream_reply_simple
from meshcore.filter.http cimport LocalReply
from meshcore.io.transport cimport transport_is_tls
from meshcore.route.mutation cimport mutate_request
from meshcore.route.table cimport RouteTable, route_table_of


cdef inline bint refuse(Stream *stream, uint16_t status, Span details) noexcept nogil:
    stream_reply_simple(stream, status, 0, details, span(b"", 0))
    return False


cdef bint authority_valid(Span authority) noexcept nogil:
    # The bytes that RFC 3986 allows in an authority (what Envoy asks for).
    cdef uint32_t i
    cdef char c
    for i in range(authority.len):
        c = authority.at[i]
        if (c >= 97 and c <= 122) or (c >= 65 and c <= 90) or (c >= 45 and c <= 58 and c != 47):
            continue
        if c == 95 or c == 126 or c == 37 or c == 33 or c == 36 or (c >= 38 and c <= 44) or c == 59 or c == 61 or c == 64 or \
                c == 91 or c == 93:
            continue
        return False
    return True


cdef bint refuse_and_close(Stream *stream, uint16_t status, Span details) noexcept nogil:
    # What may hide a second request behind it (Envoy's handleCodecError): no further request on this connection.
    if not stream.hcm.stream_error_on_invalid:
        client_no_more(stream)
    return refuse(stream, status, details)


cdef bint refuse_as_codec(Stream *stream, uint16_t status, Span details, Span body) noexcept nogil:
    # To Envoy this is an error of the codec: the request was never complete.
    stream.record.request = NULL
    stream.record.protocol = HTTP_11
    stream.record.request_end_ns = 0
    stream.bits &= ~<uint32_t>STREAM_REQUEST_END
    stat_inc(stream.engine.stats, stream.hcm.stats[HCM_CX_PROTOCOL_ERROR])
    client_no_more(stream)
    stream_reply_simple(stream, status, FLAG_DPE, details, body)
    return False


cdef bint check_scheme(Stream *stream) noexcept nogil:
    # Who faces clients knows better than they how they came: https in a target that came in the clear is not believed.
    if not stream.message.absolute or not stream.hcm.use_remote_address or stream.hcm.trusted_hops > 0 or \
            stream.request.scheme.len != 5 or transport_is_tls(stream.down.conn.transport):
        return True
    return refuse_as_codec(stream, 403, span(b"http1.https_url_on_plaintext_connection", 39), span(b"Forbidden", 9))


cdef bint check_version(Stream *stream) noexcept nogil:
    cdef Head *head = &stream.request
    if head.version != HTTP_10:
        return True
    if not stream.hcm.accept_http_10:
        return refuse_as_codec(stream, 426, span(b"low_version", 11), span(b"Upgrade Required", 16))
    stream.bits |= STREAM_HTTP10
    if head.authority.len == 0:
        head.authority = stream.hcm.default_host
    return True


cdef bint normalize(Stream *stream) noexcept nogil:
    cdef HcmConf *hcm = stream.hcm
    cdef LocalReply reply
    cdef Head extra
    cdef int outcome
    if stream.request.path.len == 0:
        return True
    if span_find(stream.request.path, 35) >= 0:
        stat_inc(stream.engine.stats, hcm.stats[HCM_RQ_FAILED_PATH_NORMALIZATION])
        return refuse_and_close(stream, 400, span(b"path_normalization_failed", 25))     # a fragment is never sent
    outcome = path_normalize(hcm, &stream.arena, &stream.request.path)
    if outcome == PATH_OK:
        return True
    if outcome == PATH_REJECT:
        stat_inc(stream.engine.stats, hcm.stats[HCM_RQ_FAILED_PATH_NORMALIZATION])
        return refuse_and_close(stream, 400, span(b"path_normalization_failed", 25))
    stat_inc(stream.engine.stats, hcm.stats[HCM_RQ_REDIRECTED_WITH_NORMALIZED_PATH])
    head_init(&extra, &stream.arena, True)
    head_set(&extra, H_LOCATION, stream.request.path)
    reply.status = 307
    reply.grpc = 0
    reply.plain = False
    reply.flag = 0
    reply.body = span(b"", 0)
    reply.content_type = reply.body
    reply.details = span(b"path_normalization_failed", 25)
    reply.head = &extra
    stream_reply(stream, &reply)
    return False


cdef void strip_host(Stream *stream) noexcept nogil:
    cdef HcmConf *hcm = stream.hcm
    cdef Span *host = &stream.request.authority
    cdef uint32_t i = host.len
    cdef uint64_t port
    cdef Span text
    if hcm.strip_any_port or hcm.strip_matching_port:
        while i > 0 and host.at[i - 1] >= 48 and host.at[i - 1] <= 57:
            i -= 1
        if i > 0 and i < host.len and host.at[i - 1] == 58 and (span_has_no_colon(host, i - 1) or host.at[i - 2] == 93):
            text = span(host.at + i, host.len - i)
            if hcm.strip_any_port or (parse_u64(text, &port) and port == connection_local(&stream.down.conn).port):
                host.len = i - 1
    if hcm.strip_trailing_dot:
        strip_dot(stream, host)


cdef bint span_has_no_colon(const Span *text, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if text.at[i] == 58:
            return False
    return True


cdef void strip_dot(Stream *stream, Span *host) noexcept nogil:
    # "name." and "name.:80"; the port stays.
    cdef uint32_t end = host.len
    cdef char *copy
    cdef uint32_t i = 0
    while i < host.len and host.at[i] != 58:
        i += 1
    end = i
    if end == 0 or host.at[end - 1] != 46:
        return
    if end == host.len:
        host.len -= 1
        return
    copy = <char *>arena_take(&stream.arena, host.len)
    if copy == NULL:
        return
    memcpy(copy, host.at, end - 1)
    memcpy(copy + end - 1, host.at + end, host.len - end)
    host.at = copy
    host.len -= 1


cdef void drop_hop_headers(Stream *stream) noexcept nogil:
    # RFC 9110, 7.6.1: what is meant for this connection only. An upgrade keeps Connection and Upgrade.
    cdef Head *head = &stream.request
    cdef Header *header = head_find(head, H_CONNECTION)
    cdef bint wants_trailers
    if not stream.message.upgrade:
        while header != NULL:
            drop_nominated(head, header_value(header))
            header = head_next(head, header)
        head_drop(head, H_CONNECTION)
        head_drop(head, H_UPGRADE)
    if head_has(head, H_TE):
        wants_trailers = stream.message.wants_trailers or span_is(head_value(head, H_TE), b"trailers", 8)
        head_drop(head, H_TE)
        if wants_trailers:
            head_set(head, H_TE, span(b"trailers", 8))
    head_drop(head, H_KEEP_ALIVE)
    head_drop(head, H_PROXY_CONNECTION)
    head_drop(head, H_TRANSFER_ENCODING)


cdef void drop_nominated(Head *head, Span list) noexcept nogil:
    # Headers that Connection names (RFC 9110, 7.6.1), in one pass over the head.
    cdef uint16_t i
    cdef Header *header
    for i in range(head.len):
        header = &head.headers[i]
        if not header.dropped and header.id != H_CONNECTION and header.id != H_TE and \
                list_has(list, header.name, header.name_len):
            head_drop_at(head, i)


cdef void drop_internal(Stream *stream, const RouteTable *routes, bint edge) noexcept nogil:
    # What only the mesh itself may say; external clients cannot inject it.
    cdef Head *head = &stream.request
    cdef uint16_t i
    if edge:
        head_drop(head, H_ENVOY_DECORATOR_OPERATION)
        head_drop(head, H_ENVOY_DOWNSTREAM_SERVICE_CLUSTER)
        head_drop(head, H_ENVOY_DOWNSTREAM_SERVICE_NODE)
        head_drop(head, H_ENVOY_ORIGINAL_PATH)
        head_drop(head, H_ENVOY_ORIGINAL_HOST)
    head_drop(head, H_ENVOY_RETRIABLE_STATUS_CODES)
    head_drop(head, H_ENVOY_RETRIABLE_HEADER_NAMES)
    head_drop(head, H_ENVOY_RETRY_ON)
    head_drop(head, H_ENVOY_RETRY_GRPC_ON)
    head_drop(head, H_ENVOY_MAX_RETRIES)
    head_drop(head, H_ENVOY_UPSTREAM_ALT_STAT_NAME)
    head_drop(head, H_ENVOY_UPSTREAM_RQ_TIMEOUT_MS)
    head_drop(head, H_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS)
    head_drop(head, H_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE)
    head_drop(head, H_ENVOY_EXPECTED_RQ_TIMEOUT_MS)
    head_drop(head, H_ENVOY_FORCE_TRACE)
    head_drop(head, H_ENVOY_IP_TAGS)
    head_drop(head, H_ENVOY_ORIGINAL_URL)
    head_drop(head, H_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT)
    for i in range(routes.internal_only_len if routes != NULL else 0):
        head_drop_name(head, routes.internal_only[i])


cdef bint may_be_envoy(Head *head) noexcept nogil:
    # One look at the known ids saves twenty look-ups on a request without any x-envoy-* header.
    cdef int id
    for id in range(H_ENVOY_ATTEMPT_COUNT, H_KNOWN):
        if head.first[id] != 0:
            return True
    return False


cdef void add_identity(Stream *stream, bint edge) noexcept nogil:
    cdef HcmConf *hcm = stream.hcm
    cdef Head *head = &stream.request
    cdef char text[ADDRESS_TEXT]
    cdef size_t n
    if hcm.add_user_agent:
        head_set(head, H_ENVOY_DOWNSTREAM_SERVICE_CLUSTER, hcm.user_agent)
        if head_value(head, H_USER_AGENT).len == 0:
            head_set(head, H_USER_AGENT, hcm.user_agent)
        if hcm.service_node.len > 0:
            head_set(head, H_ENVOY_DOWNSTREAM_SERVICE_NODE, hcm.service_node)
    if hcm.via.len > 0:
        append_via(head, hcm.via)
    if edge and (stream.remote.family == 4 or stream.remote.family == 6):
        n = address_write(&stream.remote, text, False)
        head_set_copy(head, H_ENVOY_EXTERNAL_ADDRESS, span(text, n))


cdef void append_via(Head *head, Span via) noexcept nogil:
    cdef Header *old = head_find(head, H_VIA)
    cdef char *text
    if old == NULL:
        head_set(head, H_VIA, via)
        return
    text = <char *>arena_take(head.arena, old.value_len + 2 + via.len)
    if text == NULL:
        return
    memcpy(text, old.value, old.value_len)
    text[old.value_len] = 44
    text[old.value_len + 1] = 32
    memcpy(text + old.value_len + 2, via.at, via.len)
    old.value = text
    old.value_len += 2 + via.len


cdef void merge_lines(Head *head, uint8_t id) noexcept nogil:
    # Headers that Envoy knows as one value: repeated lines become one list.
    cdef Header *first = head_find(head, id)
    if first != NULL and head_next(head, first) != NULL:
        head_set(head, id, head_join(head, first))


cdef void add_request_id(Stream *stream, bint edge) noexcept nogil:
    # A UUID, version 4 (RFC 9562); Envoy's tracing packs the trace reason into the version digit, "4" says "not traced".
    cdef HcmConf *hcm = stream.hcm
    cdef Head *head = &stream.request
    cdef char *text
    if not hcm.generate_request_id:
        return
    if head_value(head, H_X_REQUEST_ID).len > 0 and (hcm.preserve_request_id or not edge):
        return
    text = <char *>arena_take(&stream.arena, UUID_LEN)
    if text == NULL:
        return
    uuid_write(&stream.engine.loop.random, text)
    head_set(head, H_X_REQUEST_ID, span(text, UUID_LEN))


cdef bint request_head_prepare(Stream *stream) noexcept nogil:
    cdef HcmConf *hcm = stream.hcm
    cdef Head *head = &stream.request
    cdef const RouteTable *routes = route_table_of(stream.routes.table, head)
    cdef uint16_t reject = 0
    cdef uint16_t i
    cdef bint edge
    if not check_scheme(stream) or not check_version(stream):
        return False
    if stream.message.expect_continue and not hcm.proxy_100_continue:
        stat_inc(stream.engine.stats, hcm.stats[HCM_RQ_1XX])
        stat_inc(stream.engine.stats, stream.hcm.listener_stats[LISTENER_HTTP_1XX])
        stat_inc(stream.engine.stats, hcm.stats[HCM_RQ_COMPLETED])
        stat_inc(stream.engine.stats, stream.hcm.listener_stats[LISTENER_HTTP_COMPLETED])
        stream.down.ops.send_interim(stream.down, stream, NULL)
        head_drop(head, H_EXPECT)
    if head.authority.at == NULL:
        return refuse_and_close(stream, 400, span(b"missing_host_header", 19))
    if not authority_valid(head.authority):
        return refuse_and_close(stream, 400, span(b"http.invalid_authority", 22))
    if head.path.len > 0 and head.path.at[0] != 47:
        stat_inc(stream.engine.stats, hcm.stats[HCM_RQ_NON_RELATIVE_PATH])
        return refuse(stream, 404, span(b"absolute_path_rejected", 22))
    if not normalize(stream):
        return False
    strip_host(stream)
    for i in range(hcm.early_len):
        mutate_request(&hcm.early[i], head, &stream.record)
    drop_hop_headers(stream)
    merge_lines(head, H_X_FORWARDED_FOR)
    merge_lines(head, H_X_REQUEST_ID)
    merge_lines(head, H_X_FORWARDED_CLIENT_CERT)
    merge_lines(head, H_REFERER)
    if head_has(head, H_REFERER) and not http1_referer_valid(head_value(head, H_REFERER)):
        head_drop(head, H_REFERER)
    edge = client_identify(stream, &reject)
    if reject:
        stat_inc(stream.engine.stats, hcm.stats[HCM_RQ_REJECTED_VIA_IP_DETECTION])
        return refuse(stream, reject, span(b"rejecting_because_detection_failed", 34))
    head_drop(head, H_ENVOY_INTERNAL)
    client_cert_forward(stream)
    if stream.bits & STREAM_INTERNAL:
        head_set(head, H_ENVOY_INTERNAL, span(b"true", 4))
    elif may_be_envoy(head) or (routes != NULL and routes.internal_only_len > 0):
        drop_internal(stream, routes, edge)
    add_identity(stream, edge)
    add_request_id(stream, edge)
    stream.record.stream_id = head_value(head, H_X_REQUEST_ID)
    return True
